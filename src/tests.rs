//! Tests inside a backend: what the shell does with Postgres' own types, rights and plans.

#[pgrx::pg_schema]
mod tests {
    use pgrx::prelude::*;

    /// A table of two tickers, each a wave around a trend, with columns of these types.
    fn make_prices(name: &str, ticker: &str, ts: &str, close: &str) {
        Spi::run(&format!(
            "CREATE TABLE {name} AS
             SELECT ticker::{ticker}, (date '2023-01-02' + day)::{ts} AS ts,
                    (100 + day / 10.0 + sin(day * length(ticker)))::{close} AS close
             FROM unnest(ARRAY['A', 'BB']) AS ticker, generate_series(0, 199) AS day"
        ))
        .unwrap();
    }

    fn forecasts(arguments: &str) -> String {
        let query = format!(
            "SELECT string_agg(format('%s %s %s %s %s %s', ticker, step, ts, forecast, lower, upper), E'\\n'
                    ORDER BY ticker, step)
             FROM folio.forecast_ensemble({arguments})"
        );
        Spi::get_one(&query).unwrap().unwrap()
    }

    const SIMPLE: &str = "horizon => 3, models => '{naive,drift,theta}'";

    #[pg_test]
    fn columns_of_every_accepted_type_give_the_same_forecast() {
        Spi::run("SET timezone = 'UTC'; CREATE TYPE symbol AS ENUM ('A', 'BB')").unwrap();
        make_prices("reference", "text", "date", "float8");
        let expected = forecasts(&format!("NULL::text[], {SIMPLE}, prices => 'reference'"));
        assert_eq!(expected.lines().count(), 6);
        let types = [
            ("varchar", "timestamp", "float8"),
            ("char(4)", "timestamptz", "float8"),
            ("name", "date", "float8"),
            ("symbol", "date", "float8"),
        ];
        for (index, (ticker, ts, close)) in types.into_iter().enumerate() {
            let name = format!("typed_{index}");
            make_prices(&name, ticker, ts, close);
            assert_eq!(
                forecasts(&format!("NULL::text[], {SIMPLE}, prices => '{name}'")),
                expected,
                "{ticker} {ts}"
            );
            assert_eq!(
                forecasts(&format!("'{{A,BB}}'::text[], {SIMPLE}, prices => '{name}'")),
                expected,
                "{ticker}"
            );
        }
        for (index, close) in ["numeric", "float4", "int", "bigint", "smallint"].into_iter().enumerate() {
            make_prices(&format!("number_{index}"), "text", "date", close);
            assert_eq!(
                forecasts(&format!("'A', {SIMPLE}, prices => 'number_{index}'")).lines().count(),
                3,
                "{close}"
            );
        }
    }

    #[pg_test]
    fn views_partitions_and_any_order_of_rows_give_the_same_forecast() {
        make_prices("reference", "text", "date", "float8");
        let expected = forecasts(&format!("NULL::text[], {SIMPLE}, prices => 'reference'"));
        Spi::run(
            "CREATE TABLE shuffled AS SELECT * FROM reference ORDER BY md5(ts::text);
             CREATE VIEW viewed AS SELECT close, ticker, ts FROM shuffled;
             CREATE MATERIALIZED VIEW materialised AS SELECT * FROM viewed;
             CREATE TABLE parted (ticker text, ts date, close float8) PARTITION BY HASH (ticker);
             CREATE TABLE part_0 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
             CREATE TABLE part_1 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
             INSERT INTO parted SELECT * FROM shuffled",
        )
        .unwrap();
        for relation in ["shuffled", "viewed", "materialised", "parted"] {
            assert_eq!(
                forecasts(&format!("NULL::text[], {SIMPLE}, prices => '{relation}'")),
                expected,
                "{relation}"
            );
        }
        Spi::run("SET folio.prices = 'viewed'").unwrap();
        assert_eq!(forecasts(&format!("NULL::text[], {SIMPLE}")), expected);
    }

    #[pg_test]
    fn a_forecast_as_of_a_day_reads_nothing_after_it() {
        make_prices("prices", "text", "date", "float8");
        let query = format!("NULL::text[], {SIMPLE}, as_of => '2023-05-01'");
        let before = forecasts(&query);
        Spi::run("UPDATE prices SET close = close * 3 WHERE ts > '2023-05-01'").unwrap();
        assert_eq!(forecasts(&query), before);
        Spi::run("UPDATE prices SET close = close * 3 WHERE ts = '2023-05-01'").unwrap();
        assert_ne!(forecasts(&query), before);
    }

    #[pg_test]
    fn row_security_and_the_history_setting_hold() {
        make_prices("prices", "text", "date", "float8");
        Spi::run(
            "CREATE ROLE analyst; GRANT SELECT ON prices TO analyst; ALTER TABLE prices ENABLE ROW LEVEL SECURITY;
             CREATE POLICY own ON prices USING (ticker = 'A'); SET ROLE analyst",
        )
        .unwrap();
        assert!(forecasts(&format!("NULL::text[], {SIMPLE}")).lines().all(|line| line.starts_with("A ")));
        Spi::run("RESET ROLE; SET folio.history = 100").unwrap();
        let short = forecasts(&format!("'A', {SIMPLE}"));
        Spi::run("DELETE FROM prices WHERE ts < date '2023-01-02' + 100").unwrap();
        assert_eq!(forecasts(&format!("'A', {SIMPLE}")), short);
    }

    #[pg_test]
    fn a_posterior_of_plain_arrays_has_its_shape() {
        // Two assets of variance 0.04, uncorrelated; a view on the first with the variance of its prior: halfway.
        let query = "SELECT format('%s %s', ARRAY(SELECT round(m::numeric, 12)::float8 FROM unnest(mean) AS m), covariance) FROM folio.bl_posterior(
            '{{0.04,0},{0,0.04}}', '{0.1,0.2}', '{{1,0}}', '{0.3}', '{0.002}', 0.05)";
        let row: String = Spi::get_one(query).unwrap().unwrap();
        assert_eq!(row, "{0.2,0.2} {{0.041,0},{0,0.042}}");
        let no_views = "SELECT mean::text FROM folio.bl_posterior('{{0.04,0},{0,0.04}}', '{0.1,0.2}', '{}', '{}', '{}', 0.05)";
        assert_eq!(Spi::get_one(no_views), Ok(Some("{0.1,0.2}".to_owned())));
    }

    #[pg_test]
    fn a_portfolio_follows_its_tickers_and_not_their_order() {
        make_prices("prices", "text", "date", "float8");
        let weights = |tickers: &str| -> Option<String> {
            Spi::get_one(&format!(
                "SELECT string_agg(format('%s %s', ticker, round(weight::numeric, 9)), ' ' ORDER BY ticker)
                 FROM folio.black_litterman('{tickers}', views => '[\"A - BB = 5%\"]', market_caps => '{{\"A\": 3, \"BB\": 1}}')"
            ))
            .unwrap()
        };
        assert_eq!(weights("{A,BB}"), weights("{BB,A,A}"));
        assert!(weights("{A,BB}").is_some());
    }

    #[pg_test]
    fn errors_keep_their_own_sqlstates() {
        Spi::run(
            "CREATE FUNCTION state_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
             BEGIN EXECUTE statement; RETURN 'no error';
             EXCEPTION WHEN SQLSTATE 'PF004' THEN RETURN 'caught PF004'; WHEN OTHERS THEN RETURN SQLSTATE; END $$;
             CREATE TABLE prices (ticker text, ts date, close float8);
             INSERT INTO prices VALUES ('ONE', '2024-01-01', 1)",
        )
        .unwrap();
        let state = |statement: &str| -> String {
            Spi::get_one_with_args("SELECT state_of($1)", &[statement.to_owned().into()]).unwrap().unwrap()
        };
        assert_eq!(state("SELECT folio.forecast_ensemble('ONE')"), "caught PF004");
        assert_eq!(state("SELECT folio.forecast_ensemble('TWO')"), "22023");
        // The next error has its own state and not the last one's.
        assert_eq!(state("SELECT 1 / 0"), "22012");
        assert_eq!(state("SELECT 1"), "no error");
    }
}
