//! The promise of the budget: however many sessions call, the cluster's compute threads never run more than
//! `folio.max_threads` at a time, and share them fairly. That nothing is lost by it is for the clock of `make soak`.
//!
//! `folio.max_threads` is the number of cores here, since it can be set at the server's start only.

use cluster_tests::load;
use cluster_tests::{Database, backend, soak_or};
use postgres::Client;
use std::collections::HashMap;
use std::thread;

/// Statistical models only: tasks of some milliseconds, so that slots change hands often.
const CALL: &str =
    "SELECT count(*) FROM forecast_ensemble(tickers => NULL, models => '{naive,drift,theta,arima,ets}')";

const SESSIONS: usize = 8;
const CALLS: u32 = 1;

/// A thread that wakes to wait for its slot is runnable for a moment, and where others want the cores too, until it gets
/// one again. Without the budget the share is near 100 %.
const MAX_SHARE_ABOVE: f64 = 0.5;

/// By the clock of `make soak`: where nobody else computes, and where somebody does.
const MAX_SHARE_ABOVE_WHEN_QUIET: f64 = 0.01;
const MAX_SHARE_ABOVE_UNDER_LOAD: f64 = 0.05;

/// What a session has done at least while another did this much, in tasks of one call. Served one after the other, the last
/// session has done nothing yet.
const MIN_SHARE: f64 = 1.0 / 3.0;

/// Whether nobody else computes on this machine: fewer runnable processes than half of its cores in the last minute.
fn is_quiet() -> bool {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(f64::INFINITY);
    load < std::thread::available_parallelism().map_or(1, usize::from) as f64 / 2.0
}

fn max_threads(session: &mut Client) -> usize {
    let threads: i32 =
        session.query_one("SELECT DISTINCT max_threads FROM pool_status", &[]).expect("pool_status").get(0);
    usize::try_from(threads).expect("max_threads")
}

#[test]
#[cfg_attr(not(feature = "preload"), ignore = "needs shared memory")]
fn many_sessions_compute_on_no_more_threads_than_allowed() {
    let database = Database::with_prices();
    let threads = max_threads(&mut database.session());
    let quiet = is_quiet();
    let many = load::watch(&database, SESSIONS, CALLS, CALL, threads);
    println!("quiet: {quiet}; {many:?}");
    let samples = &many.samples;
    assert!(samples.count > 20, "too few samples to judge: {samples:?}");
    let by_the_clock = if quiet { MAX_SHARE_ABOVE_WHEN_QUIET } else { MAX_SHARE_ABOVE_UNDER_LOAD };
    let most = soak_or(MAX_SHARE_ABOVE, by_the_clock);
    assert!(samples.share_above() <= most, "too many runnable threads: {samples:?}");
    let in_a_row = samples.above_in_a_row;
    let moments_only = soak_or(false, quiet);
    assert!(
        !moments_only || in_a_row == 0,
        "too many runnable threads for longer than a moment: {samples:?}"
    );
}

/// What each of `pids` has done, if all of them compute.
fn done(watcher: &mut Client, pids: &[i32]) -> Option<HashMap<i32, i32>> {
    let rows = watcher
        .query("SELECT pid, tasks_done FROM progress WHERE phase = 'computing' AND pid = ANY ($1)", &[&pids])
        .expect("progress");
    (rows.len() == pids.len()).then(|| rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

#[test]
#[cfg_attr(not(feature = "preload"), ignore = "needs shared memory")]
fn many_sessions_share_fairly() {
    let database = Database::with_prices();
    let mut watcher = database.session();
    let threads = max_threads(&mut watcher);
    let mut pids = Vec::new();
    let calls: Vec<_> = (0..SESSIONS)
        .map(|_| {
            let mut session = database.session();
            pids.push(backend(&mut session));
            thread::spawn(move || session.query(CALL, &[]).map(drop))
        })
        .collect();
    // From the first moment at which all of them compute to the last.
    let (mut first, mut last) = (None, None);
    while calls.iter().any(|call| !call.is_finished()) {
        let slots: i32 = watcher
            .query_one("SELECT coalesce(max(slots_in_use), 0) FROM pool_status", &[])
            .expect("pool_status")
            .get(0);
        assert!(usize::try_from(slots).is_ok_and(|slots| slots <= threads), "{slots} slots of {threads}");
        if let Some(now) = done(&mut watcher, &pids) {
            first.get_or_insert_with(|| now.clone());
            last = Some(now);
        }
        thread::sleep(std::time::Duration::from_millis(5));
    }
    for call in calls {
        call.join().expect("a session").expect("a call");
    }
    let (first, last) = (first.expect("all sessions at once"), last.expect("all sessions at once"));
    let tasks: Vec<i32> = pids.iter().map(|pid| last[pid] - first[pid]).collect();
    let (least, most) = (tasks.iter().min().unwrap_or(&0), tasks.iter().max().unwrap_or(&0));
    println!("tasks done meanwhile: {tasks:?}");
    assert!(*most >= 20, "too few tasks to judge: {tasks:?}");
    assert!(f64::from(*least) >= MIN_SHARE * f64::from(*most), "an unfair share: {tasks:?}");
}
