//! The charts say what the rows say.

use std::collections::HashSet;

use cluster_tests::{Database, psql};
use postgres::Client;

fn text(session: &mut Client, query: &str) -> String {
    session.query_one(query, &[]).unwrap_or_else(|error| panic!("{query}: {error:?}")).get(0)
}

/// What a screen reader says of a chart: its title and its description.
fn spoken(session: &mut Client, chart: &str) -> String {
    let part = |name: &str| {
        format!(
            "(xpath('/s:svg/s:{name}/text()', chart::xml, '{{{{s,http://www.w3.org/2000/svg}}}}'))[1]::text"
        )
    };
    let query = format!(
        "SELECT {} || ' | ' || {} FROM (SELECT {chart} AS chart) AS drawn",
        part("title"),
        part("desc")
    );
    text(session, &query).replace('\u{A0}', " ")
}

#[test]
fn a_forecast_chart_says_what_the_forecast_says() {
    let database = Database::with_prices();
    let mut session = database.session();
    let models = "models => '{naive,drift,theta}', horizon => 10";
    let expected = text(
        &mut session,
        &format!(
            "SELECT format('The median forecast is %s on %s, 10 trading days ahead', round(forecast::numeric, 2),
                        to_char(ts, 'FMDD Mon YYYY'))
             FROM forecast_ensemble('AAPL', {models}) WHERE step = 10"
        ),
    );
    let interval = text(
        &mut session,
        &format!(
            "SELECT format('the 90 %% interval there goes from %s to %s', round(lower::numeric, 2), round(upper::numeric, 2))
             FROM forecast_ensemble('AAPL', {models}, level => 0.9) WHERE step = 10"
        ),
    );
    let chart = format!("forecast_chart('AAPL', {models}, levels => '{{0.9,0.5}}', members => true)");
    let said = spoken(&mut session, &chart);
    assert!(said.starts_with("AAPL: forecast of 10 trading days | "), "{said}");
    for words in [expected.as_str(), interval.as_str(), "Single models forecast there: naive"] {
        assert!(said.contains(words), "{words} | {said}");
    }
    // The same bytes in another session, with another number of threads.
    let svg = text(&mut session, &format!("SELECT {chart}"));
    let mut other = database.session();
    other.batch_execute("SET folio.threads_per_call = 1").expect("SET");
    assert_eq!(text(&mut other, &format!("SELECT {chart}")), svg);
}

#[test]
fn a_forecast_chart_shows_as_many_prices_as_asked_for() {
    let database = Database::with_prices();
    let mut session = database.session();
    let points = |session: &mut Client, recent: &str| -> Vec<usize> {
        let svg =
            text(session, &format!("SELECT forecast_chart('KO', models => '{{naive}}', recent => {recent})"));
        let lines = svg.lines().filter(|line| line.starts_with("<polyline"));
        lines.map(|line| line.matches(',').count()).collect()
    };
    assert!(points(&mut session, "40").contains(&40));
    assert!(points(&mut session, "NULL").contains(&126), "six for each of 21 steps");
    assert!(points(&mut session, "5000").contains(&1000), "all there are");
}

#[test]
fn a_frontier_chart_says_what_the_frontier_says() {
    let database = Database::with_prices();
    let mut session = database.session();
    let arguments =
        "'{AAPL,GE,JNJ,XOM}', views => '[\"AAPL = 10%\"]', constraints => '{\"max_weight\": 0.6}'";
    let expected = text(
        &mut session,
        &format!(
            "SELECT format('goes from a volatility of %s %% with an expected return of %s %%',
                        round(100 * volatility::numeric, 1), round(100 * expected_return::numeric, 1))
             FROM efficient_frontier({arguments}) WHERE point = 1"
        ),
    );
    let said = spoken(&mut session, &format!("frontier_chart({arguments})"));
    assert!(said.contains(&expected), "{expected} | {said}");
    let sharpe = text(
        &mut session,
        &format!(
            "SELECT format('Largest Sharpe ratio %s:', round(sharpe_ratio::numeric, 2))
             FROM (SELECT jsonb_object_agg(ticker, weight) AS weights FROM black_litterman({arguments})) AS best,
                  portfolio_performance(best.weights, tickers => '{{AAPL,GE,JNJ,XOM}}', views => '[\"AAPL = 10%\"]')"
        ),
    );
    assert!(said.contains(&sharpe), "{sharpe} | {said}");
    let svg = text(&mut session, &format!("SELECT frontier_chart({arguments})"));
    for ticker in ["AAPL", "GE", "JNJ", "XOM"] {
        assert!(svg.lines().any(|line| line == ticker), "{ticker} has no label");
    }
}

/// Months of a portfolio with stored forecasts, as a desk would have them.
fn desk() -> Database {
    let database = Database::with_prices();
    let mut session = database.session();
    session
        .batch_execute(
            "SELECT create_portfolio('<growth>', tickers => '{AAPL,JNJ,KO}', models => '{naive,drift}', horizon => 21);
             SELECT rebalance_now('<growth>', as_of => day) FROM unnest(ARRAY[timestamptz '2022-08-31', '2022-09-30', '2022-11-15']) AS day",
        )
        .expect("three rebalances");
    database
}

#[test]
fn a_weights_chart_says_what_is_held() {
    let database = desk();
    let mut session = database.session();
    let expected = text(
        &mut session,
        "SELECT string_agg(format('%s %s %%', ticker, round(100 * weight::numeric, 1)), '; ' ORDER BY ticker)
         FROM current_weight WHERE portfolio = '<growth>'",
    );
    let said = spoken(&mut session, "weights_chart('<growth>')");
    assert!(said.contains("after each of 3 rebalances. The weights since 15 Nov 2022 are: "), "{said}");
    for weight in expected.split("; ").filter(|weight| !weight.ends_with(" 0.0 %")) {
        assert!(said.contains(weight), "{weight} | {said}");
    }
}

#[test]
fn an_accuracy_chart_says_what_came() {
    let database = desk();
    let mut session = database.session();
    let expected = |session: &mut Client, condition: &str| {
        text(
            session,
            &format!(
                "SELECT format('%s %% of %s outcomes inside the interval, meant: 80 %%. Mean error %s %%, %s of the last price''s',
                            round(100 * avg(inside::int)), count(*), round(100 * avg(abs(relative_error))::numeric, 1),
                            round((sum(abs(error)) / sum(abs(naive_error)))::numeric, 2))
                 FROM forecast_accuracy WHERE ticker = 'AAPL' AND {condition}"
            ),
        )
    };
    let one = expected(&mut session, "step = 5");
    let said = spoken(&mut session, "accuracy_chart('AAPL', step => 5)");
    assert!(said.contains(&format!("5 trading days ahead: {one}")), "{one} | {said}");
    // The forecast of the middle of November reaches over its prices' end at most; those before end before the next.
    let all = expected(&mut session, "true");
    let said = spoken(&mut session, "accuracy_chart('AAPL')");
    assert!(said.contains(&format!("3 forecasts: {all}")), "{all} | {said}");
}

#[test]
fn the_page_of_the_demo_has_every_chart_at_both_widths() {
    let page = psql(Database::demo().name(), &["-f", "demo/page.sql"]);
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    for width in [400, 1200] {
        assert_eq!(page.matches(&format!(" width=\"{width}\" ")).count(), 5, "charts of {width} pixels");
    }
    let identifiers: Vec<&str> =
        page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(identifiers.len(), 20, "a title and a description each");
    assert_eq!(identifiers.iter().collect::<HashSet<_>>().len(), 20, "identifiers are of one chart each");
    assert!(page.contains("<td>JNJ</td><td>30.0 %</td>"), "the table of weights");
}
