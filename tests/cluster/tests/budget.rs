//! The promise of the budget: however many sessions call, the cluster's compute threads never run more than
//! `folio.max_threads` at a time, share them fairly, and lose nothing by it.
//!
//! `folio.max_threads` is the number of cores here, since it can be set at the server's start only.

use cluster_tests::load;
use cluster_tests::{Database, is_preloaded};

/// Statistical models only: tasks of some milliseconds, so that slots change hands often.
const CALL: &str =
    "SELECT count(*) FROM forecast_ensemble(tickers => NULL, models => '{naive,drift,theta,arima,ets}')";

const SESSIONS: usize = 8;
const CALLS: u32 = 1;

/// A thread that wakes to wait for its slot is runnable for a moment.
const MAX_SHARE_ABOVE: f64 = 0.01;

/// Where others want the cores too, each such moment lasts until the thread gets one again. Without the budget the share is
/// near 100 %.
const MAX_SHARE_ABOVE_UNDER_LOAD: f64 = 0.05;

/// The slowest session's time relative to the mean.
const MAX_UNFAIRNESS: f64 = 1.3;

/// What many sessions do in a second, relative to one alone: 1.01 to 1.05 over minutes (`make soak` asks for 0.95). Over the
/// seconds that this test takes, the speed of a shared machine's cores alone differs by 5 %.
const MIN_THROUGHPUT: f64 = 0.85;

/// Whether nobody else computes on this machine: fewer runnable processes than half of its cores in the last minute.
fn is_quiet() -> bool {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(f64::INFINITY);
    load < std::thread::available_parallelism().map_or(1, usize::from) as f64 / 2.0
}

#[test]
fn many_sessions_compute_on_no_more_threads_than_allowed() {
    if !is_preloaded() {
        return; // without shared memory each session has its own cap
    }
    let database = Database::with_prices();
    let threads: i32 = database
        .session()
        .query_one("SELECT DISTINCT max_threads FROM pool_status", &[])
        .expect("pool_status")
        .get(0);
    let threads = usize::try_from(threads).expect("max_threads");
    let quiet = is_quiet();
    let many = load::watch(&database, SESSIONS, CALLS, CALL, threads);
    println!("quiet: {quiet}; {many:?}");
    let samples = &many.samples;
    assert!(samples.count > 50, "too few samples to judge: {samples:?}");
    let most = if quiet { MAX_SHARE_ABOVE } else { MAX_SHARE_ABOVE_UNDER_LOAD };
    assert!(samples.share_above() <= most, "too many runnable threads: {samples:?}");
    let in_a_row = samples.above_in_a_row;
    assert!(!quiet || in_a_row == 0, "too many runnable threads for longer than a moment: {samples:?}");
}

#[test]
fn many_sessions_share_fairly_and_lose_nothing() {
    if !is_preloaded() {
        return;
    }
    let database = Database::with_prices();
    let alone = load::time(&database, 1, CALLS * SESSIONS as u32, CALL);
    let many = load::time(&database, SESSIONS, CALLS, CALL);
    println!("alone {alone:?}\nmany {many:?}");
    let unfairness = many.unfairness();
    assert!(
        unfairness <= MAX_UNFAIRNESS,
        "the slowest of {:?} takes {unfairness:.2} times the mean",
        many.seconds
    );
    let throughput = many.throughput() / alone.throughput();
    assert!(throughput >= MIN_THROUGHPUT, "{SESSIONS} sessions do {throughput:.2} of what one does");
}
