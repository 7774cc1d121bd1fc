//! A session beside others: how a call ends early, what it leaves behind, how many threads it takes.

use cluster_tests::{
    CLOSED, Database, PATIENCE, backend, connect, is_preloaded, soak_or, sqlstate, threads, wait_for,
};
use std::thread;
use std::time::{Duration, Instant};

/// A call over all tickers: long enough to be stopped.
const LONG_CALL: &str = "SELECT count(*) FROM forecast_ensemble(tickers => NULL)";

/// A statement_timeout of 300 ms ends a call within this in `make soak` (the rest is the way of the cancel, and a loaded
/// machine).
const TIMEOUT_BOUND: Duration = Duration::from_millis(400);

const QUERY_CANCELED: &str = "57014";
/// A server that ends a session sends 57P01 and closes the connection; a client that the machine lets wait sees both at
/// once, and then the driver tells of the second.
const ADMIN_SHUTDOWN: &str = "57P01";

/// Runs the long call in its own session and `stop` beside it once its threads work; gives the call's SQLSTATE.
fn stopped_by(database: &Database, stop: &str) -> String {
    let mut session = database.session();
    let pid = backend(&mut session);
    let call = thread::spawn(move || sqlstate(session.query_one(LONG_CALL, &[])));
    wait_for("the call has no threads", || threads(pid) > 1 || call.is_finished());
    let stopped: bool =
        connect("postgres").query_one(&format!("SELECT {stop}({pid})"), &[]).expect(stop).get(0);
    assert!(stopped, "{stop} found no backend");
    let state = call.join().expect("the calling thread");
    wait_for("the call left threads behind", || threads(pid) <= 1);
    state
}

#[test]
fn the_cluster_is_configured_as_the_script_says() {
    let libraries: String =
        connect("postgres").query_one("SHOW shared_preload_libraries", &[]).expect("SHOW").get(0);
    assert_eq!(libraries.contains("pg_folio"), is_preloaded(), "shared_preload_libraries = {libraries}");
}

#[test]
fn a_forecast_works_right_after_create_extension() {
    let database = Database::with_prices();
    let row = database
        .session()
        .query_one("SELECT count(*), bool_and(lower <= forecast AND forecast <= upper) FROM forecast_ensemble('AAPL', horizon => 5)", &[])
        .expect("forecast_ensemble");
    assert_eq!((row.get::<_, i64>(0), row.get::<_, bool>(1)), (5, true));
}

#[test]
fn statement_timeout_ends_the_call_and_not_the_session() {
    let database = Database::with_prices();
    let mut session = database.session();
    session.batch_execute("SET statement_timeout = '300ms'").expect("SET");
    let start = Instant::now();
    assert_eq!(sqlstate(session.query_one(LONG_CALL, &[])), QUERY_CANCELED);
    let took = start.elapsed();
    assert!(took < soak_or(PATIENCE, TIMEOUT_BOUND), "the call ended only after {took:?}");
    session.batch_execute("SET statement_timeout = 0").expect("SET");
    let steps: i64 = session
        .query_one("SELECT count(*) FROM forecast_ensemble('AAPL', horizon => 5)", &[])
        .expect("the next call")
        .get(0);
    assert_eq!(steps, 5);
}

#[test]
fn pg_cancel_backend_ends_the_call() {
    assert_eq!(stopped_by(&Database::with_prices(), "pg_cancel_backend"), QUERY_CANCELED);
}

#[test]
fn pg_terminate_backend_ends_the_session_and_no_other() {
    let database = Database::with_prices();
    let mut bystander = database.session();
    let end = stopped_by(&database, "pg_terminate_backend");
    assert!([ADMIN_SHUTDOWN, CLOSED].contains(&end.as_str()), "{end}");
    let one: i32 = bystander.query_one("SELECT 1", &[]).expect("another session").get(0);
    assert_eq!(one, 1, "the cluster was restarted");
}

#[test]
fn a_call_takes_its_threads_and_gives_them_back() {
    let database = Database::with_prices();
    let mut session = database.session();
    session.batch_execute("SET folio.threads_per_call = 2").expect("SET");
    let pid = backend(&mut session);
    let call = thread::spawn(move || {
        session.query_one(LONG_CALL, &[]).expect("forecast_ensemble");
        session
    });
    let mut most = 0;
    while !call.is_finished() {
        most = most.max(threads(pid));
        thread::sleep(Duration::from_millis(2));
    }
    let _session = call.join().expect("the calling thread");
    assert_eq!(most, 1 + 2, "the backend's own thread and two of the pool");
    wait_for("an idle session holds threads", || threads(pid) == 1);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let database = Database::with_prices();
    let all = |threads: u32| -> String {
        let mut session = database.session();
        session.batch_execute(&format!("SET folio.threads_per_call = {threads}")).expect("SET");
        session
            .query_one(
                "SELECT md5(string_agg(f::text, ';' ORDER BY ticker, step)) FROM forecast_ensemble(tickers => ARRAY['AAPL', 'GE', 'XOM']) AS f",
                &[],
            )
            .expect("forecast_ensemble")
            .get(0)
    };
    let one = all(1);
    assert_eq!(one, all(2));
    assert_eq!(one, all(8));
}
