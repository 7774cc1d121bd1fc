//! The desk: runs that are rows, whatever befalls them, and what people see of them. Against the cluster with `cron.conf`
//! only; elsewhere these tests have nothing to see.

use cluster_tests::documentation::{is_of_the_desk, sql_blocks};
use cluster_tests::private::{Cluster, shell};
use cluster_tests::{
    Database, RESULT_TABLES, backend, connect, host, program, project, psql, sqlstate, threads, wait_for,
    wait_long_for,
};
use postgres::Client;
use std::thread;
use std::time::{Duration, Instant};

/// A portfolio of three tickers whose forecasts take milliseconds.
const SMALL: &str = "SELECT create_portfolio('small', tickers => '{AAPL,GE,XOM}', horizon => 5,
    models => '{naive,drift,theta}', constraints => '{\"max_weight\": 0.6}')";

/// A portfolio whose forecasts take seconds: long enough to be disturbed.
const LARGE: &str = "SELECT create_portfolio('large')";

const LOCK_NOT_AVAILABLE: &str = "55P03";
const QUERY_CANCELED: &str = "57014";

fn with_portfolio(create: &str) -> (Database, Client) {
    let database = Database::with_prices();
    let mut session = database.session();
    session.query(create, &[]).expect("create_portfolio");
    (database, session)
}

fn run(session: &mut Client, statement: &str) {
    session.batch_execute(statement).unwrap_or_else(|error| panic!("{statement}: {error:?}"));
}

fn text(session: &mut Client, query: &str) -> String {
    let row = session.query_one(query, &[]).unwrap_or_else(|error| panic!("{query}: {error:?}"));
    row.get::<_, Option<String>>(0).unwrap_or_default()
}

/// The runs in their order, each as its status, forecasts and SQLSTATE.
fn runs(session: &mut Client) -> String {
    text(
        session,
        "SELECT string_agg(concat_ws(' ', status, forecasts, sqlstate), ', ' ORDER BY run_id)
         FROM run_history",
    )
}

fn weights(session: &mut Client) -> String {
    text(session, "SELECT md5(string_agg(w::text, ';' ORDER BY ticker)) FROM current_weight AS w")
}

/// What every result table holds.
fn contents(session: &mut Client) -> Vec<String> {
    RESULT_TABLES
        .iter()
        .map(|table| {
            text(
                session,
                &format!(
                    "SELECT concat(count(*), ' ', md5(string_agg(t::text, ';' ORDER BY t::text)))
                     FROM folio.{table} AS t"
                ),
            )
        })
        .collect()
}

/// Calls the procedure in a thread of its own and waits until its models train; gives the thread and the backend's pid.
fn running(database: &Database, statement: &'static str) -> (thread::JoinHandle<String>, i32) {
    let mut session = database.session();
    let pid = backend(&mut session);
    let call = thread::spawn(move || match session.batch_execute(statement) {
        Ok(()) => "succeeded".to_owned(),
        error => sqlstate(error),
    });
    wait_for("the run has no threads", || threads(pid) > 1);
    (call, pid)
}

/// A session in the one database that pg_cron works in, with both extensions and the demo's prices, and without jobs.
///
/// pg_cron itself stays, once made: up to 1.4 its scheduler keeps the old table of jobs in mind where so many objects are made
/// beside the new one that the server tells it of them all at once, and then starts nothing any more until a restart. For
/// the same reason it gets a moment to look, which it does every second, before a test schedules.
fn home() -> Client {
    let mut session = connect("postgres");
    run(
        &mut session,
        "DROP EXTENSION IF EXISTS pg_folio; DROP TABLE IF EXISTS prices, index_prices, instrument;
         CREATE EXTENSION IF NOT EXISTS pg_cron; DELETE FROM cron.job; TRUNCATE cron.job_run_details",
    );
    run(&mut session, "ALTER DATABASE postgres SET search_path = \"$user\", public, folio");
    psql("postgres", &["-f", "demo/load.sql"]);
    run(&mut session, "SELECT pg_sleep(2)");
    connect("postgres")
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn every_block_of_sql_about_the_desk_runs() {
    let mut session = home();
    for (path, portfolio) in [("README.md", "core"), ("docs/desk.md", "growth")] {
        let blocks: Vec<String> = sql_blocks(path)
            .into_iter()
            .filter(|block| path != "README.md" || is_of_the_desk(block))
            .collect();
        assert!(!blocks.is_empty(), "{path} has no SQL about the desk");
        for block in blocks {
            let file = std::env::temp_dir().join(format!("desk_{}.sql", std::process::id()));
            std::fs::write(&file, &block).expect("a file for psql");
            psql("postgres", &["-f", file.to_str().expect("a path")]);
            std::fs::remove_file(&file).expect("the file");
        }
        // The README only schedules: pg_cron brings the weights.
        let weights = format!("SELECT count(*) FROM current_weight WHERE portfolio = '{portfolio}'");
        wait_long_for("the portfolio has no weights", || {
            session.query_one(&weights, &[]).expect("current_weight").get::<_, i64>(0) > 0
        });
        // A run that has just written them may still hold its lock.
        let drop = format!("SELECT drop_portfolio('{portfolio}')");
        wait_for("the portfolio cannot be dropped", || session.batch_execute(&drop).is_ok());
    }
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_run_fills_the_tables_and_the_same_run_again_changes_nothing() {
    let (_database, mut session) = with_portfolio(SMALL);
    run(&mut session, "CALL rebalance('small')");
    let counts = text(
        &mut session,
        "SELECT concat_ws(' ', (SELECT count(*) FROM current_weight), (SELECT count(*) FROM latest_forecast),
             (SELECT count(*) FROM folio.forecast_member), (SELECT count(*) FROM trade_history),
             (SELECT count(*) FROM folio.view WHERE source = 'forecast'))",
    );
    assert_eq!(counts, "3 15 9 3 3");
    let before = contents(&mut session);
    run(&mut session, "CALL rebalance('small')");
    let after = contents(&mut session);
    assert_eq!((&after[0], &after[2..]), (&before[0], &before[2..]), "only the trace of the run is new");
    run(&mut session, "CALL rebalance('small', force => true)");
    assert_eq!(runs(&mut session), "succeeded computed, unchanged reused, succeeded reused");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_run_is_what_its_functions_give() {
    let (_database, mut session) = with_portfolio(SMALL);
    run(&mut session, "CALL rebalance('small')");
    let difference = text(
        &mut session,
        "SELECT max(abs(stored.weight - direct.weight))::text
         FROM current_weight AS stored
         FULL JOIN black_litterman('{AAPL,GE,XOM}', constraints => '{\"max_weight\": 0.6}', views => forecast_views(
             '{AAPL,GE,XOM}', horizon => 5, models => '{naive,drift,theta}')) AS direct USING (ticker)",
    );
    assert_eq!(difference, "0");
    let steps = text(
        &mut session,
        "SELECT count(*)::text FROM latest_forecast AS stored
         JOIN forecast_ensemble('{AAPL,GE,XOM}'::text[], horizon => 5, models => '{naive,drift,theta}') AS direct
           USING (ticker, step, ts, forecast, lower, upper, status)",
    );
    assert_eq!(steps, "15");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn stored_forecasts_serve_another_constraint_and_not_another_price() {
    let (_database, mut session) = with_portfolio(LARGE);
    let mut seconds = |statement: &str| {
        let start = Instant::now();
        run(&mut session, statement);
        start.elapsed()
    };
    let first = seconds("CALL rebalance('large')");
    seconds("UPDATE folio.portfolio SET constraints = '{\"max_weight\": 0.2}'");
    let second = seconds("CALL rebalance('large')");
    println!("20 tickers: {first:?}, with stored forecasts {second:?}");
    // Thirty times as much on a quiet machine.
    assert!(second < first, "stored forecasts saved nothing: {first:?}, then {second:?}");
    seconds("UPDATE prices SET close = close * 1.01 WHERE ticker = 'GE' AND ts = '2021-03-01'");
    seconds("CALL rebalance('large')");
    seconds("SET folio.seed = 7");
    seconds("CALL rebalance('large')");
    assert_eq!(
        runs(&mut session),
        "succeeded computed, succeeded reused, succeeded computed, succeeded computed"
    );
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_run_holds_no_snapshot_while_its_models_train() {
    let (database, mut session) = with_portfolio(LARGE);
    let held = |session: &mut Client, pid: i32| -> (bool, bool) {
        session
            .query_one(
                "SELECT backend_xmin IS NOT NULL, backend_xid IS NOT NULL FROM pg_stat_activity WHERE pid = $1",
                &[&pid],
            )
            .map(|row| (row.get(0), row.get(1)))
            .expect("pg_stat_activity")
    };
    let (call, pid) = running(&database, "CALL rebalance('large')");
    let mut during = Vec::new();
    while during.len() < 10 {
        thread::sleep(Duration::from_millis(20));
        let seen = held(&mut session, pid);
        // Its threads end with the training, and the rows that it writes then do have a snapshot.
        if threads(pid) <= 1 {
            break;
        }
        during.push(seen);
    }
    assert!(during.len() > 2, "the run was too short to see anything");
    assert!(during.iter().all(|held| *held == (false, false)), "snapshot, transaction id: {during:?}");
    // The view is right: a query does hold its snapshot.
    assert_eq!(call.join().expect("the run"), "succeeded");
    let (call, pid) = running(&database, "SELECT count(*) FROM forecast_ensemble(tickers => NULL)");
    assert!(held(&mut session, pid).0);
    assert_eq!(call.join().expect("the query"), "succeeded");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn failures_are_rows_and_the_last_good_weights_stay() {
    let (_database, mut session) = with_portfolio(SMALL);
    run(&mut session, "CALL rebalance('small')");
    let good = weights(&mut session);

    run(&mut session, "UPDATE folio.portfolio SET constraints = '{\"max_weight\": 0.1}'");
    assert_eq!(sqlstate(session.batch_execute("CALL rebalance('small')")), "PF001");
    run(
        &mut session,
        "UPDATE folio.portfolio SET constraints = NULL; ALTER TABLE prices RENAME TO elsewhere",
    );
    assert_eq!(sqlstate(session.batch_execute("CALL rebalance('small')")), "42P01");
    run(
        &mut session,
        "ALTER TABLE elsewhere RENAME TO prices; UPDATE prices SET close = -1 WHERE ts = '2022-12-28'",
    );
    assert_eq!(sqlstate(session.batch_execute("CALL rebalance('small')")), "PF005");
    // An error of the server's own, in the user's view.
    run(
        &mut session,
        "CREATE VIEW broken AS SELECT ticker, ts, close / (ticker <> 'GE')::int AS close FROM prices;
         UPDATE folio.portfolio SET prices = 'public.broken'",
    );
    assert_eq!(sqlstate(session.batch_execute("CALL rebalance('small')")), "22012");

    assert_eq!(
        runs(&mut session),
        "succeeded computed, failed reused PF001, failed 42P01, failed PF005, failed 22012"
    );
    let told = text(
        &mut session,
        "SELECT concat_ws('|', message, detail, hint) FROM run_history
         WHERE sqlstate = 'PF001' AND as_of IS NOT NULL",
    );
    assert_eq!(
        told,
        "infeasible constraints|Max_weight (0.1 for each of 3 tickers) sums to 0.3, the weights must sum to 1.|\
         Feasible: max_weight at least 0.333334."
    );
    assert_eq!(weights(&mut session), good);
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn two_runs_of_a_portfolio_at_once_are_refused() {
    let (database, mut session) = with_portfolio(LARGE);
    run(&mut session, "SELECT create_portfolio('other', tickers => '{GE,KO}', models => '{naive}')");
    let (call, pid) = running(&database, "CALL rebalance('large')");
    let error = session.batch_execute("CALL rebalance('large')").expect_err("a second run");
    let error = error.as_db_error().expect("an error of the server");
    assert_eq!(
        (error.code().code(), error.message(), error.detail()),
        (
            LOCK_NOT_AVAILABLE,
            "another run of portfolio \"large\" is under way",
            Some(format!("Process {pid} computes it.").as_str())
        )
    );
    assert_eq!(sqlstate(session.query("SELECT rebalance_now('large')", &[])), LOCK_NOT_AVAILABLE);
    assert_eq!(sqlstate(session.query("SELECT drop_portfolio('large')", &[])), LOCK_NOT_AVAILABLE);
    // Another portfolio does not wait, and takes the running one for running.
    run(&mut session, "CALL rebalance('other')");
    assert_eq!(runs(&mut session), "running, succeeded computed");
    assert_eq!(call.join().expect("the run"), "succeeded");
    run(&mut session, "CALL rebalance('large')");
    assert_eq!(runs(&mut session), "succeeded computed, succeeded computed, unchanged reused");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_cancelled_run_is_a_failed_one_and_frees_the_portfolio() {
    let (database, mut session) = with_portfolio(LARGE);
    let (call, pid) = running(&database, "CALL rebalance('large')");
    run(&mut session, &format!("SELECT pg_cancel_backend({pid})"));
    assert_eq!(call.join().expect("the run"), QUERY_CANCELED);
    assert_eq!(runs(&mut session), "failed 57014");

    // Wherever a cancel comes, the lock is not left with a session that goes on, and the next run is right.
    run(&mut session, "UPDATE folio.portfolio SET tickers = '{GE,KO}', models = '{naive,theta}'");
    let mut other = database.session();
    for milliseconds in 1..25 {
        let cut = format!("SET statement_timeout = {milliseconds}; ");
        run(&mut other, &cut);
        let _ = other.batch_execute("CALL rebalance('large', force => true)");
        run(&mut other, "SET statement_timeout = 0");
        assert_eq!(text(&mut session, "SELECT count(*)::text FROM folio.run_lock"), "0", "{milliseconds} ms");
    }
    run(&mut session, "CALL rebalance('large', force => true)");
    assert_eq!(text(&mut session, "SELECT count(*)::text FROM run_history WHERE status = 'running'"), "0");
    let halves = "SELECT count(*)::text FROM folio.run
        WHERE status = 'succeeded' AND 2 <> (SELECT count(*) FROM folio.weight AS w WHERE w.run_id = run.run_id)";
    assert_eq!(text(&mut session, halves), "0");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_killed_run_is_failed_at_the_next_start_and_leaves_nothing_half_written() {
    let cluster = Cluster::start("desk-kill", &["preload"]);
    let database = cluster.database();
    // The throw-away clusters' own setting may lose what was committed last.
    run(&mut database.session(), &format!("ALTER DATABASE {} SET synchronous_commit = on", database.name()));
    let mut session = database.session();
    run(&mut session, &format!("{SMALL}; {LARGE}"));
    run(&mut session, "CALL rebalance('small')");
    let (good, before) = (weights(&mut session), contents(&mut session));

    let (call, pid) = running(&database, "CALL rebalance('large')");
    shell("kill", &["-9", &pid.to_string()]);
    assert_ne!(call.join().expect("the run"), "succeeded");
    // Every session ends before the server comes back.
    wait_for("the server goes on", || session.batch_execute("SELECT 1").is_err());
    wait_for("the server did not come back", || database.try_session().is_some());

    let mut session = database.session();
    let after = contents(&mut session);
    assert_eq!((&after[0], &after[2..]), (&before[0], &before[2..]), "only the row of the run is new");
    assert_eq!(runs(&mut session), "succeeded computed, running");
    run(&mut session, "CALL rebalance('small', force => true)");
    assert_eq!(runs(&mut session), "succeeded computed, failed 57000, succeeded reused");
    assert_eq!(weights(&mut session), good);
    run(&mut session, "CALL rebalance('large')");
    assert_eq!(
        text(&mut session, "SELECT count(*)::text FROM current_weight WHERE portfolio = 'large'"),
        "20"
    );
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_standby_shows_the_results_and_does_not_write() {
    let primary = Cluster::start("desk-primary", &["preload"]);
    let database = primary.database();
    let mut session = database.session();
    run(&mut session, SMALL);
    run(&mut session, "CALL rebalance('small')");
    let expected = weights(&mut session);
    let standby = primary.standby("desk-standby");
    let mut reader = standby.session_in(database.name());
    wait_for("the standby has no weights", || weights(&mut reader) == expected);
    for statement in [
        "CALL rebalance('small')",
        "SELECT rebalance_now('small')",
        "CALL refresh_forecasts()",
        "SELECT create_portfolio('other')",
        "SELECT drop_portfolio('small')",
        "SELECT schedule_rebalance('small', '* * * * *')",
    ] {
        let error = reader.batch_execute(statement).expect_err(statement);
        let error = error.as_db_error().expect("an error of the server");
        assert_eq!(
            (error.code().code(), error.message()),
            ("25006", "a standby does not write"),
            "{statement}"
        );
        assert!(error.hint().is_some_and(|hint| hint.contains("primary")));
    }
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_dump_and_restore_keeps_all_history() {
    let (database, mut session) = with_portfolio(SMALL);
    // Runs that refer to other runs, in both directions of their ids.
    run(&mut session, "CALL rebalance('small', as_of => '2022-06-01')");
    run(&mut session, "CALL rebalance('small')");
    run(&mut session, "CALL rebalance('small', force => true)");
    run(&mut session, "UPDATE folio.run SET forecast_run_id = 3 WHERE run_id = 2");
    let dump = std::env::temp_dir().join(format!("{}.sql", database.name()));
    let dump = dump.to_str().expect("a path");
    let restored = Database::bare();
    let (pg_dump, place) = (program("pg_dump"), host());
    shell(&pg_dump, &["-h", &place, "-U", "postgres", "-f", dump, database.name()]);
    psql(restored.name(), &["-f", dump]);
    std::fs::remove_file(dump).expect("the dump");
    let mut copy = restored.session();
    assert_eq!(contents(&mut copy), contents(&mut session));
    assert_eq!(weights(&mut copy), weights(&mut session));
    run(&mut copy, "SELECT create_portfolio('next', tickers => '{GE,KO}', models => '{naive}')");
    run(&mut copy, "CALL rebalance('next')");
    let ids = "SELECT run_id || ' ' || portfolio_id FROM folio.run ORDER BY run_id DESC LIMIT 1";
    assert_eq!(text(&mut copy, ids), "4 2");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn accuracy_fills_as_prices_arrive() {
    let (_database, mut session) = with_portfolio(SMALL);
    run(
        &mut session,
        "CREATE TABLE later AS SELECT * FROM prices WHERE ts > '2022-12-15'; DELETE FROM prices WHERE ts > '2022-12-15'",
    );
    run(&mut session, "CALL rebalance('small')");
    let count = "SELECT count(*)::text FROM forecast_accuracy";
    assert_eq!(text(&mut session, count), "0");
    run(
        &mut session,
        "INSERT INTO prices SELECT * FROM later WHERE ts <= '2022-12-19'; CALL refresh_outcomes()",
    );
    assert_eq!(text(&mut session, count), "6", "two days of three tickers");
    // A zone of another day's beginning than the run's does not lose a price.
    run(
        &mut session,
        "INSERT INTO prices SELECT * FROM later WHERE ts > '2022-12-19'; SET timezone = 'Asia/Tokyo'",
    );
    run(&mut session, "CALL rebalance('small')");
    assert_eq!(text(&mut session, count), "15");
    let wrong = "SELECT count(*)::text FROM forecast_accuracy AS a
         JOIN prices AS p ON p.ticker = a.ticker AND p.ts = (a.ts AT TIME ZONE 'UTC')::date
         WHERE a.actual IS DISTINCT FROM p.close OR a.error IS DISTINCT FROM a.forecast - p.close
            OR a.inside IS DISTINCT FROM (p.close BETWEEN a.lower AND a.upper)";
    assert_eq!(text(&mut session, wrong), "0");
    // A correction arrives, and a price that is taken back takes its outcome with it.
    run(
        &mut session,
        "UPDATE prices SET close = close + 1 WHERE ts = '2022-12-20'; DELETE FROM prices WHERE ts = '2022-12-21';
         CALL refresh_outcomes('small')",
    );
    assert_eq!((text(&mut session, wrong), text(&mut session, count)), ("0".to_owned(), "12".to_owned()));
    // What was stored stays when the relation goes; that it could not be compared is a row.
    run(&mut session, "DROP TABLE prices; CALL refresh_outcomes()");
    assert_eq!(text(&mut session, count), "12");
    let noted = "SELECT string_agg(concat_ws(' ', portfolio, status, sqlstate), ', ' ORDER BY run_id)
        FROM run_history WHERE kind = 'outcome'";
    assert_eq!(text(&mut session, noted), "failed 42P01, small failed 42P01");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn the_value_of_a_portfolio_is_that_of_its_weights() {
    let (_database, mut session) = with_portfolio(SMALL);
    run(&mut session, "CALL rebalance('small', as_of => '2022-10-03')");
    run(&mut session, "CALL rebalance('small', as_of => '2022-11-01')");
    // Growth over both periods by hand: shares bought at each rebalance, sold at the next.
    let expected = "
        WITH period (as_of, until) AS (VALUES (date '2022-10-03', date '2022-11-01'), ('2022-11-01', '2022-12-28')),
        growth AS (
            SELECT p.as_of, sum(h.weight * after.close / before.close) AS growth
            FROM period AS p
            JOIN weight_history AS h ON h.as_of = p.as_of
            JOIN prices AS before ON before.ticker = h.ticker AND before.ts = p.as_of
            JOIN prices AS after ON after.ticker = h.ticker AND after.ts = p.until
            GROUP BY p.as_of)
        SELECT round(exp(sum(ln(growth)))::numeric, 10)::text FROM growth";
    let value = "SELECT round(value::numeric, 10)::text FROM portfolio_value ORDER BY ts DESC LIMIT 1";
    assert_eq!(text(&mut session, value), text(&mut session, expected));
    let shape = "SELECT concat_ws(' ', count(*), count(DISTINCT ts), (array_agg(value ORDER BY ts))[1]) FROM portfolio_value";
    let days = "SELECT concat_ws(' ', count(DISTINCT ts), count(DISTINCT ts), 1) FROM prices WHERE ts >= '2022-10-03'";
    assert_eq!(text(&mut session, shape), text(&mut session, days));
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn trades_are_against_the_weights_before_and_limited_by_them() {
    let (_database, mut session) = with_portfolio(SMALL);
    run(&mut session, "UPDATE folio.portfolio SET constraints = '{\"max_turnover\": 0.05}'");
    run(&mut session, "CALL rebalance('small', as_of => '2022-10-03')");
    run(&mut session, "UPDATE folio.portfolio SET views = '[\"GE = 90%\"]'");
    run(&mut session, "CALL rebalance('small', as_of => '2022-11-01')");
    let turnovers =
        "SELECT string_agg(round(turnover::numeric, 6)::text, ' ' ORDER BY run_id) FROM run_history";
    assert_eq!(text(&mut session, turnovers), "1.000000 0.050000");
    // What was held is what prices had made of it.
    let previous = "
        WITH moved AS (
            SELECT h.ticker, h.weight, h.weight * after.close / before.close AS amount FROM weight_history AS h
            JOIN prices AS before ON before.ticker = h.ticker AND before.ts = '2022-10-03'
            JOIN prices AS after ON after.ticker = h.ticker AND after.ts = '2022-11-01'
            WHERE h.as_of = '2022-10-03')
        SELECT count(*) || ' ' || bool_or(abs(t.previous_weight - moved.weight) > 0.001) FROM trade_history AS t JOIN moved USING (ticker)
        WHERE t.as_of = '2022-11-01' AND t.change = t.weight - t.previous_weight
          AND abs(t.previous_weight - amount / (SELECT sum(amount) FROM moved)) < 1e-12";
    assert_eq!(text(&mut session, previous), "3 true");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_block_runs_every_portfolio() {
    let (_database, mut session) = with_portfolio(SMALL);
    // The names are long enough to be stored out of line: whoever reads them needs a snapshot.
    run(
        &mut session,
        "INSERT INTO folio.portfolio (name, tickers, models, prices)
         SELECT string_agg(md5(n || tickers), ''), string_to_array(tickers, ' '), '{naive,theta}', 'public.prices'
         FROM generate_series(1, 80) AS n, unnest(ARRAY['GE KO', 'GE XOM']) AS tickers GROUP BY tickers",
    );
    run(
        &mut session,
        "DO $$ DECLARE p record; BEGIN
             FOR p IN SELECT name FROM folio.portfolio ORDER BY portfolio_id LOOP CALL folio.rebalance(p.name); END LOOP;
         END $$",
    );
    assert_eq!(runs(&mut session), "succeeded computed, succeeded computed, succeeded computed");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_dropped_portfolio_takes_its_forecasts_from_those_who_shared_them() {
    let (_database, mut session) = with_portfolio(SMALL);
    run(&mut session, &SMALL.replace("'small'", "'twin'"));
    run(&mut session, "CALL rebalance('small')");
    run(&mut session, "CALL rebalance('twin')");
    assert_eq!(runs(&mut session), "succeeded computed, succeeded reused");
    let good =
        "SELECT string_agg(weight::text, ' ' ORDER BY ticker) FROM current_weight WHERE portfolio = 'twin'";
    let before = text(&mut session, good);
    run(&mut session, "SELECT drop_portfolio('small')");
    assert_eq!((runs(&mut session), text(&mut session, good)), ("succeeded".to_owned(), before.clone()));
    run(&mut session, "CALL rebalance('twin', force => true)");
    assert_eq!(
        (runs(&mut session), text(&mut session, good)),
        ("succeeded, succeeded computed".to_owned(), before)
    );
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_transaction_takes_the_function_and_undoes_it() {
    let (_database, mut session) = with_portfolio(SMALL);
    assert_eq!(sqlstate(session.batch_execute("BEGIN; CALL rebalance('small')")), "2D000");
    run(&mut session, "ROLLBACK");
    run(&mut session, "BEGIN; SELECT rebalance_now('small'); ROLLBACK");
    assert_eq!(text(&mut session, "SELECT count(*)::text FROM folio.run"), "0");
    run(
        &mut session,
        "BEGIN; SELECT rebalance_now('small'), refresh_forecasts_now('{GE}', models => '{naive}'); COMMIT",
    );
    assert_eq!(runs(&mut session), "succeeded computed, succeeded computed");
    let id = "SELECT rebalance_now('small')::text";
    assert_eq!(text(&mut session, id), text(&mut session, "SELECT max(run_id)::text FROM folio.rebalance"));
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_runner_runs_on_the_rows_it_may_read_and_a_reader_only_reads() {
    let database = Database::with_prices();
    let mut session = database.session();
    let grants = std::fs::read_to_string(project().join("examples/grants.sql")).expect("examples/grants.sql");
    run(&mut session, &grants);
    run(&mut session, &grants);
    run(
        &mut session,
        "ALTER TABLE prices ENABLE ROW LEVEL SECURITY; GRANT SELECT ON prices TO folio_runner;
         CREATE POLICY desk ON prices TO folio_runner USING (ticker IN ('GE', 'KO', 'XOM'))",
    );
    run(&mut session, "SET ROLE folio_runner");
    run(&mut session, "SELECT create_portfolio('desk', horizon => 3, models => '{naive,theta}')");
    run(&mut session, "CALL rebalance('desk')");
    run(&mut session, "CALL rebalance('desk')");
    run(&mut session, "SELECT share_portfolio('desk', 'folio_reader')");
    let seen = "SELECT string_agg(ticker, ' ' ORDER BY ticker) FROM current_weight";
    assert_eq!(text(&mut session, seen), "GE KO XOM");
    assert_eq!(
        sqlstate(session.query("SELECT create_portfolio('mine', tickers => '{AAPL,GE}')", &[])),
        "22023"
    );

    run(&mut session, "SET ROLE folio_reader");
    assert_eq!(text(&mut session, seen), "GE KO XOM");
    assert_eq!(runs(&mut session), "succeeded computed, unchanged reused");
    assert_eq!(text(&mut session, "SELECT count(*)::text FROM portfolio_value"), "1");
    assert_eq!(text(&mut session, "SELECT count(*)::text FROM forecast_accuracy"), "0");
    for statement in ["CALL rebalance('desk')", "SELECT create_portfolio('x')", "DELETE FROM folio.weight"] {
        assert_eq!(sqlstate(session.batch_execute(statement)), "42501", "{statement}");
    }
    run(&mut session, "RESET ROLE; DROP OWNED BY folio_reader, folio_runner");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn pg_cron_runs_what_is_scheduled() {
    let mut home = home();
    run(
        &mut home,
        "SELECT create_portfolio(name, tickers => '{GE,KO}', models => '{naive,theta}') FROM unnest(ARRAY['good', 'bad']) AS name;
         UPDATE folio.portfolio SET constraints = '{\"max_weight\": 0.1}' WHERE name = 'bad'",
    );
    assert_eq!(sqlstate(home.query("SELECT schedule_rebalance('good', 'whenever')", &[])), "22023");
    run(&mut home, "SELECT schedule_rebalance(name, '* * * * *') FROM folio.portfolio");

    // Elsewhere the error says what to run where pg_cron is.
    let (database, mut session) = with_portfolio(SMALL);
    let error =
        session.batch_execute("SELECT schedule_rebalance('small', '* * * * *')").expect_err("no pg_cron");
    let error = error.as_db_error().expect("an error of the server");
    assert_eq!(error.code().code(), "55000");
    let (place, statement) = error.hint().and_then(|hint| hint.split_once(": ")).expect("a hint");
    assert_eq!(place, "In database \"postgres\"");
    run(&mut home, statement.trim_end_matches('.'));

    let finished =
        "SELECT string_agg(DISTINCT concat_ws(' ', database, substring(command FROM 'portfolio.([0-9]+).;'), status,
            substring(return_message FROM 'infeasible')), ', ')
        FROM cron.job_run_details WHERE status IN ('succeeded', 'failed')";
    let expected =
        format!("postgres 1 succeeded, postgres 2 failed infeasible, {} 1 succeeded", database.name());
    wait_long_for("the jobs have not run", || text(&mut home, finished) == expected);
    assert!(runs(&mut session).starts_with("succeeded computed"));
    let in_tables =
        "SELECT string_agg(DISTINCT concat_ws(' ', portfolio, status, sqlstate), ', ') FROM run_history";
    assert_eq!(text(&mut home, in_tables), "bad failed PF001, good succeeded");
    assert_eq!(text(&mut home, "SELECT count(*)::text FROM current_weight"), "2");

    assert_eq!(
        text(&mut home, "SELECT concat(unschedule_rebalance('good'), unschedule_rebalance('good'))"),
        "tf"
    );
    run(&mut home, "SELECT drop_portfolio('bad')");
    assert_eq!(
        text(&mut home, "SELECT string_agg(jobname, ', ') FROM cron.job"),
        format!("folio portfolio 1 of {}", database.name())
    );
    run(&mut home, "DELETE FROM cron.job; DROP EXTENSION pg_folio");
}

/// Roles of this cluster, made once.
fn roles(session: &mut Client, names: &[&str]) {
    for name in names {
        run(
            session,
            &format!(
                "DO $$ BEGIN IF to_regrole('{name}') IS NULL THEN CREATE ROLE {name} LOGIN; END IF; END $$"
            ),
        );
    }
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_job_is_its_portfolios_for_an_ordinary_runner_too() {
    let mut home = home();
    roles(&mut home, &["scheduler", "colleague", "pensioner", "team"]);
    run(
        &mut home,
        "GRANT team TO scheduler, colleague; GRANT SELECT ON prices TO team, scheduler, pensioner;
         SELECT grant_desk(role::regrole) FROM unnest(ARRAY['scheduler', 'colleague', 'pensioner']) AS role",
    );
    let name = "SELECT string_agg(concat_ws(' ', portfolio, schedule, username, active), ', ') FROM job";
    let jobs = |home: &mut Client, role: &str| {
        run(home, &format!("SET ROLE {role}"));
        let seen = text(home, name);
        run(home, "RESET ROLE");
        seen
    };
    // pg_cron's own check fails for him: he may not read the setting.
    run(&mut home, "SET ROLE scheduler");
    assert_eq!(sqlstate(home.batch_execute("SHOW cron.database_name")), "42501");
    run(
        &mut home,
        "SELECT create_portfolio('mine', tickers => '{AAPL,GE,XOM}', horizon => 3, models => '{naive}');
         SELECT schedule_rebalance('mine', '0 22 * * 1-5'); SELECT schedule_rebalance('mine', '0 21 * * 1-5');
         SELECT share_portfolio('mine', 'pensioner')",
    );
    run(&mut home, "UPDATE folio.portfolio SET name = 'ours', owner = 'team'; RESET ROLE");
    let expected = "ours 0 21 * * 1-5 scheduler t";
    for role in ["scheduler", "colleague", "postgres"] {
        assert_eq!(jobs(&mut home, role), expected, "{role}");
    }
    assert_eq!(jobs(&mut home, "pensioner"), "", "it is shared, not owned");
    run(&mut home, "SET ROLE pensioner");
    assert_eq!(sqlstate(home.batch_execute("SELECT unschedule_rebalance('ours')")), "42501");
    assert_eq!(text(&mut home, "SELECT folio_internal.unschedule_own(1)::text"), "0");
    assert_eq!(text(&mut home, "SELECT folio_internal.unschedule(1)::text"), "0");
    run(&mut home, "RESET ROLE; REVOKE USAGE ON SCHEMA cron FROM scheduler");
    // What he made runs, and he ends it, without any right on pg_cron now.
    let command = text(&mut home, "SELECT command FROM cron.job");
    run(&mut home, "SET ROLE scheduler");
    run(&mut home, &command);
    assert_eq!(runs(&mut home), "succeeded computed");
    assert_eq!(sqlstate(home.batch_execute("SELECT schedule_rebalance('ours', '* * * * *')")), "42501");
    assert_eq!(text(&mut home, "SELECT unschedule_rebalance('ours')::text"), "true");
    assert_eq!(text(&mut home, "SELECT unschedule_rebalance('ours')::text"), "false");
    run(&mut home, "RESET ROLE; GRANT USAGE ON SCHEMA cron TO scheduler");

    // One owner's job is every owner's: replaced, ended and dropped by another.
    let count = "SELECT concat(count(*), ' ', max(username)) FROM cron.job";
    for end in ["unschedule_rebalance('ours')", "drop_portfolio('ours')"] {
        run(&mut home, "SET ROLE scheduler; SELECT schedule_rebalance('ours', '0 22 * * 1-5')");
        run(&mut home, "SET ROLE colleague; SELECT schedule_rebalance('ours', '0 20 * * 1-5'); RESET ROLE");
        assert_eq!(text(&mut home, count), "1 colleague");
        run(&mut home, &format!("SET ROLE scheduler; SELECT {end}; RESET ROLE"));
        assert_eq!(text(&mut home, count), "0 ", "{end}");
    }
    // Taken from him, it does not run in his name any more, and the new owner ends it.
    run(
        &mut home,
        "SET ROLE scheduler; SELECT create_portfolio('next', tickers => '{AAPL,GE,XOM}', horizon => 3, models => '{naive}');
         SELECT schedule_rebalance('next', '0 22 * * 1-5'); RESET ROLE; UPDATE folio.portfolio SET owner = 'pensioner'",
    );
    let command = text(&mut home, "SELECT command FROM cron.job");
    run(&mut home, "SET ROLE pensioner; SELECT share_portfolio('next', 'scheduler'); SET ROLE scheduler");
    assert_eq!(sqlstate(home.batch_execute(&command)), "42501");
    run(&mut home, "SET ROLE pensioner");
    assert_eq!(runs(&mut home), "");
    assert_eq!(text(&mut home, "SELECT unschedule_rebalance('next')::text"), "true");
    run(&mut home, "RESET ROLE");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_job_outlives_neither_the_extension_nor_its_number() {
    let mut home = home();
    roles(&mut home, &["scheduler"]);
    let install = "GRANT SELECT ON prices TO scheduler; SELECT grant_desk('scheduler'); SET ROLE scheduler;
         SELECT create_portfolio('mine', tickers => '{AAPL,GE,XOM}', horizon => 3, models => '{naive}'); RESET ROLE";
    run(&mut home, install);
    run(&mut home, "SET ROLE scheduler; SELECT schedule_rebalance('mine', '0 22 * * 1-5'); RESET ROLE");
    let (job, command) =
        ("SELECT count(*)::text FROM cron.job", text(&mut home, "SELECT command FROM cron.job"));
    run(&mut home, "DROP EXTENSION pg_folio");
    run(&mut home, &format!("SET ROLE scheduler; {command}"));
    run(&mut home, "RESET ROLE");
    assert_eq!(text(&mut home, job), "0", "the job's next start ends it");
    // One that has not started yet is not that of the portfolio that gets its number.
    run(&mut home, &format!("CREATE EXTENSION pg_folio; {install}"));
    run(&mut home, "SET ROLE scheduler; SELECT schedule_rebalance('mine', '0 22 * * 1-5'); RESET ROLE");
    run(&mut home, "SELECT cron.schedule('of another kind', '0 0 1 1 *', 'SELECT 1')");
    run(&mut home, "DROP EXTENSION pg_folio");
    assert_eq!(text(&mut home, job), "2");
    run(&mut home, "CREATE EXTENSION pg_folio");
    assert_eq!(text(&mut home, "SELECT string_agg(jobname, ', ') FROM cron.job"), "of another kind");
    run(&mut home, "DELETE FROM cron.job; DROP EXTENSION pg_folio");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn where_pg_cron_is_not_the_hint_does_what_was_asked_for() {
    let (_database, mut session) = with_portfolio(SMALL);
    let mut hint = |statement: &str| {
        let error = session.batch_execute(statement).expect_err(statement);
        let error = error.as_db_error().expect("an error of the server");
        assert_eq!(error.code().code(), "55000", "{statement}");
        error.hint().expect("a hint").to_owned()
    };
    let schedule = hint("SELECT schedule_rebalance('small', '* * * * *')");
    assert!(
        schedule.starts_with("In database \"postgres\": SELECT cron.schedule_in_database("),
        "{schedule}"
    );
    let unschedule = hint("SELECT unschedule_rebalance('small')");
    let (place, statement) = unschedule.split_once(": ").expect("a statement");
    assert_eq!(place, "In database \"postgres\"");
    // Both statements, where pg_cron is: the second takes away what the first has made.
    let mut home = home();
    run(&mut home, schedule.split_once(": ").expect("a statement").1.trim_end_matches('.'));
    assert_eq!(text(&mut home, "SELECT count(*)::text FROM cron.job"), "1");
    run(&mut home, statement.trim_end_matches('.'));
    assert_eq!(text(&mut home, "SELECT count(*)::text FROM cron.job"), "0");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn whole_numbers_are_bigints_wherever_they_are_arguments() {
    let (_database, mut session) = with_portfolio(SMALL);
    let arguments = "SELECT coalesce(string_agg(p.oid::regprocedure::text, ' '), '') FROM pg_proc AS p
         WHERE pronamespace = 'folio'::regnamespace AND proargtypes::oid[] && ARRAY['int4'::regtype::oid, 'int2'::regtype::oid]";
    assert_eq!(text(&mut session, arguments), "");
    let id = session
        .query_one(
            "SELECT create_portfolio('bound', tickers => '{AAPL,GE,XOM}', horizon => $1, models => '{naive}', history => $2)",
            &[&5_i64, &500_i64],
        )
        .expect("create_portfolio")
        .get::<_, i32>(0);
    run(&mut session, &format!("CALL rebalance_portfolio({id}::bigint)"));
    run(
        &mut session,
        "CALL refresh_forecasts('{KO}', horizon => 5::bigint, models => '{naive}', history => 400::bigint)",
    );
    run(&mut session, "SELECT refresh_forecasts_now('{GE}', 4::bigint, '{naive}')");
    assert_eq!(runs(&mut session), "succeeded computed, succeeded computed, succeeded computed");
    // Too large for a horizon is an error about a horizon.
    for statement in [
        "SELECT create_portfolio('x', horizon => 3000000000)",
        "CALL refresh_forecasts(horizon => 3000000000)",
        "SELECT refresh_forecasts_now(horizon => 3000000000)",
        "SELECT * FROM backtest(rebalance => 'often')",
    ] {
        let error = session.batch_execute(statement).expect_err(statement);
        let error = error.as_db_error().expect("an error of the server");
        assert_eq!(error.code().code(), "22023", "{statement}: {error:?}");
    }
    let error = session.batch_execute("SELECT * FROM backtest(rebalance => 'often')").expect_err("often");
    let hint = error.as_db_error().and_then(|error| error.hint()).unwrap_or_default();
    assert!(hint.contains("'21'"), "{hint}");
    assert_ne!(text(&mut session, "SELECT count(*)::text FROM backtest(rebalance => '21')"), "0");
    // A number that no portfolio has.
    run(&mut session, "CALL rebalance_portfolio(3000000000)");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_call_in_a_transaction_says_what_to_do_instead() {
    let (_database, mut session) = with_portfolio(SMALL);
    for (call, name, instead) in [
        ("CALL rebalance('small')", "rebalance", "rebalance_now"),
        ("CALL rebalance_portfolio(1)", "rebalance_portfolio", "rebalance_now"),
        ("CALL refresh_forecasts('{GE}')", "refresh_forecasts", "refresh_forecasts_now"),
    ] {
        for statement in [
            format!("BEGIN; {call}"),
            format!("DO $$ BEGIN {call}; EXCEPTION WHEN division_by_zero THEN NULL; END $$"),
        ] {
            let error = session.batch_execute(&statement).expect_err(call);
            let error = error.as_db_error().expect("an error of the server");
            assert_eq!(error.code().code(), "2D000", "{statement}");
            assert_eq!(
                error.message(),
                format!("CALL folio.{name} commits, so it cannot run inside a transaction")
            );
            assert_eq!(
                error.detail(),
                Some("The statement is in a transaction block, in a function, or in a block with EXCEPTION.")
            );
            let hint = format!(
                "SELECT folio.{instead}(...) does the same in your transaction; or turn on autocommit in your client."
            );
            assert_eq!(error.hint(), Some(hint.as_str()));
            run(&mut session, "ROLLBACK");
        }
    }
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_stored_price_relation_that_is_gone_is_named_with_the_way_to_another() {
    let (_database, mut session) = with_portfolio(SMALL);
    run(&mut session, "SET folio.prices = 'elsewhere'; ALTER TABLE prices RENAME TO \"it's new\"");
    let mut told = |statement: &str| {
        let error = session.batch_execute(statement).expect_err(statement);
        let error = error.as_db_error().expect("an error of the server");
        assert_eq!(error.code().code(), "42P01", "{statement}");
        assert_eq!(error.message(), "price relation \"public.prices\" does not exist", "{statement}");
        assert!(!error.detail().unwrap_or_default().contains("folio.prices"), "{error:?}");
        error.hint().expect("a hint").to_owned()
    };
    for statement in ["CALL rebalance('small')", "SELECT rebalance_now('small')"] {
        let hint = told(statement);
        assert!(
            hint.contains(
                "UPDATE folio.portfolio SET prices = 'schema.relation' WHERE prices = 'public.prices'."
            ),
            "{hint}"
        );
    }
    run(
        &mut session,
        "UPDATE folio.portfolio SET prices = 'public.\"it''s new\"' WHERE prices = 'public.prices'",
    );
    run(&mut session, "CALL rebalance('small')");
}
