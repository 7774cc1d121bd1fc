//! Hours instead of seconds: run by `make soak` only.

use cluster_tests::load::{self, Load};
use cluster_tests::{Database, backend, is_preloaded, sqlstate};
use postgres::Client;
use std::thread;
use std::time::{Duration, Instant};

const SESSIONS: u32 = 16;

/// What the sessions call in turn, each with the SQLSTATE that it must end in; "" is success.
const CALLS: [(&str, &str); 7] = [
    ("SELECT * FROM forecast_ensemble('AAPL')", ""),
    ("SELECT * FROM forecast_ensemble(ARRAY['GE', 'XOM', 'nobody'], models => '{arima,ets,ridge}')", ""),
    ("SELECT * FROM forecast_members(ARRAY['AAPL'], models => '{naive,theta}')", ""),
    ("SELECT * FROM black_litterman()", ""),
    ("SELECT * FROM view_report()", ""),
    ("SELECT * FROM forecast_ensemble('nobody')", "22023"),
    ("SET LOCAL statement_timeout = '30ms'; SELECT * FROM forecast_ensemble()", "57014"),
];

fn minutes() -> f64 {
    let minutes = std::env::var("FOLIO_TEST_SOAK").expect("FOLIO_TEST_SOAK, as make soak sets it");
    minutes.parse().expect("FOLIO_TEST_SOAK is a number of minutes")
}

fn resident(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let field = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
    };
    field("Private_Dirty:")
}

/// Calls until `end`; gives the private memory of the session after a quarter of the time and at the end, in kB.
fn call_until(mut session: Client, index: usize, start: Instant, end: Instant) -> (u64, u64, u64) {
    let pid = backend(&mut session);
    let (mut early, mut count) = (0, 0);
    while Instant::now() < end {
        let (statement, expected) = CALLS[(count as usize + index) % CALLS.len()];
        // One message is one transaction, so SET LOCAL holds for the rest of it.
        let result = session.batch_execute(statement);
        let state = if result.is_ok() { String::new() } else { sqlstate(result) };
        assert_eq!(state, expected, "{statement}");
        count += 1;
        if early == 0 && start.elapsed() > (end - start) / 4 {
            early = resident(pid);
        }
    }
    (count, early, resident(pid))
}

#[test]
#[cfg_attr(not(feature = "soak"), ignore = "hours: make soak")]
fn mixed_calls_of_many_sessions_need_no_more_memory_as_time_goes_on() {
    let minutes = minutes();
    let database = Database::with_prices();
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(minutes * 60.0);
    let callers: Vec<_> = (0..SESSIONS)
        .map(|index| {
            let session = database.session();
            thread::spawn(move || call_until(session, index as usize, start, end))
        })
        .collect();
    let all: Vec<(u64, u64, u64)> =
        callers.into_iter().map(|caller| caller.join().expect("a session")).collect();
    let sum = |field: fn(&(u64, u64, u64)) -> u64| all.iter().map(field).sum::<u64>();
    let (calls, early, late) = (sum(|one| one.0), sum(|one| one.1), sum(|one| one.2));
    println!(
        "{SESSIONS} sessions, {minutes} min: {calls} calls; private memory {early} kB after a quarter, {late} kB at the end"
    );
    assert!(late <= early + early / 20, "memory grew from {early} kB to {late} kB");
    let row = database
        .session()
        .query_one("SELECT max(slots_in_use), count(pid) FROM pool_status", &[])
        .expect("pool_status");
    assert_eq!((row.get::<_, Option<i32>>(0).unwrap_or(0), row.get::<_, i64>(1)), (0, 0));
}

/// Not a judgement but a table: what the budget changes for many sessions at once. The script runs it with and without.
#[test]
#[cfg_attr(not(feature = "soak"), ignore = "hours: make soak")]
fn the_budget_in_numbers() {
    const CALL: &str = "SELECT count(*) FROM forecast_ensemble()";
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let database = Database::with_prices();
    let show = |sessions: usize, load: &Load| {
        let samples = &load.samples;
        println!(
            "| {} | {sessions:2} | {:5.2} | {:4.2} | {:5} | {:5.2} % | {:4} | {:3} | {:6} |",
            if is_preloaded() { "on " } else { "off" },
            load.throughput(),
            load.unfairness(),
            samples.count,
            100.0 * samples.share_above(),
            samples.above_in_a_row,
            samples.most,
            samples.involuntary_switches,
        );
    };
    println!(
        "| budget | sessions | calls/s | slowest/mean | samples | above | in a row | most | involuntary switches |"
    );
    for (sessions, calls) in [(1, 8), (8, 2), (32, 1)] {
        show(sessions, &load::watch(&database, sessions, calls, CALL, threads));
    }
}

/// Loads of a quarter of a minute in turn, so that a machine whose speed changes is the same for all of them, and the
/// median of many such rounds, so that one moment of it decides nothing.
#[test]
#[cfg_attr(not(feature = "soak"), ignore = "hours: make soak")]
fn many_sessions_do_as_much_as_one() {
    const CALL: &str =
        "SELECT count(*) FROM forecast_ensemble(tickers => NULL, models => '{naive,drift,theta,arima,ets}')";
    const ROUNDS: usize = 7;
    if !is_preloaded() {
        println!("without a budget there is nothing to compare");
        return;
    }
    let database = Database::with_prices();
    let loads: Vec<[Load; 3]> = (0..ROUNDS)
        .map(|_| {
            [(1, 32), (8, 4), (32, 1)].map(|(sessions, calls)| load::time(&database, sessions, calls, CALL))
        })
        .collect();
    let median = |value: &dyn Fn(&[Load; 3]) -> f64| {
        let mut values: Vec<f64> = loads.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[ROUNDS / 2]
    };
    for (index, sessions) in [(1, 8), (2, 32)] {
        let share = median(&|round| round[index].throughput() / round[0].throughput());
        let unfairness = median(&|round| round[index].unfairness());
        println!("{sessions} sessions do {share:.3} of what one does; slowest/mean {unfairness:.2}");
        assert!(share >= 0.95 && unfairness <= 1.3);
    }
}
