//! What may befall a call: cancels at any moment, killed sessions, a dropped database, a refused thread, a standby.
//! After each, no thread and no slot is left behind, and the next call is right.

use cluster_tests::load::compute_threads;
use cluster_tests::private::{Cluster, forbid_threads};
use cluster_tests::{CLOSED, Database, PATIENCE, backend, connect, soak_or, sqlstate, threads, wait_for};
use postgres::Client;
use std::thread;
use std::time::{Duration, Instant};

const LONG_CALL: &str = "SELECT count(*) FROM forecast_ensemble(tickers => NULL)";

/// A short call with its answer as text.
const CHECKSUM: &str = "SELECT md5(string_agg(f::text, ';' ORDER BY ticker, step))
    FROM forecast_ensemble(ARRAY['AAPL', 'GE'], models => '{naive,drift,theta,ridge}', horizon => 5) AS f";

/// A portfolio of 500 assets: seconds of one thread's work, most of it in few large factorisations.
const LARGE_PORTFOLIO: &str = "SELECT count(*) FROM black_litterman(prices => 'many')";

const QUERY_CANCELED: &str = "57014";
const OUT_OF_MEMORY: &str = "53200";

/// By the clock of `make soak`, a cancel is answered within 50 ms of work; the rest is what a loaded machine of two cores
/// takes to schedule the client, the session and its threads.
const CANCEL_BOUND: Duration = Duration::from_millis(50);
const SCHEDULING: Duration = Duration::from_millis(150);

fn checksum(session: &mut Client) -> String {
    session.query_one(CHECKSUM, &[]).expect("the next call").get(0)
}

/// Prices of `tickers` made-up assets over `days` days, as table `many`.
fn make_many(database: &Database, tickers: u32, days: u32) {
    database
        .session()
        .batch_execute(&format!(
            "SELECT setseed(0.5); CREATE TABLE many AS
             SELECT 'T' || t AS ticker, date '2020-01-01' + d AS ts,
                    100 * exp(0.02 * sum(random() - 0.5) OVER (PARTITION BY t ORDER BY d)) AS close
             FROM generate_series(1, {tickers}) t, generate_series(1, {days}) d"
        ))
        .expect("CREATE TABLE many");
}

/// Nothing computes in the whole cluster, and no slot is taken.
fn assert_no_slot_is_taken(session: &mut Client) {
    let (slots, calls): (Option<i32>, i64) = session
        .query_one("SELECT max(slots_in_use), count(pid) FROM pool_status", &[])
        .map(|row| (row.get(0), row.get(1)))
        .expect("pool_status");
    assert_eq!((slots.unwrap_or(0), calls), (0, 0), "slots taken, calls registered");
}

/// How long `count` cancels take that met a running call of `statement`, sent at moments spread over `spread`, or over less
/// where calls end before.
fn cancel_times(database: &Database, statement: &str, count: usize, mut spread: Duration) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut session = database.session();
    let pid = backend(&mut session);
    for index in 0.. {
        if times.len() == count {
            break;
        }
        let token = session.cancel_token();
        // The golden ratio's multiples fill the interval evenly and in no order.
        let moment = spread.mul_f64(f64::from(index) * 0.618_033_988_75 % 1.0);
        let canceller = thread::spawn(move || {
            thread::sleep(moment);
            let sent = Instant::now();
            token.cancel_query(postgres::NoTls).expect("cancel");
            sent
        });
        let result = session.query(statement, &[]);
        let ended = Instant::now();
        let sent = canceller.join().expect("the canceller");
        match result {
            Ok(_) => spread = spread.mul_f64(0.95),
            error => {
                assert_eq!(sqlstate(error), QUERY_CANCELED);
                times.push(ended.saturating_duration_since(sent));
            }
        }
        assert_eq!(threads(pid), 1, "cancel {index} left threads behind");
        // A cancel that came too late may meet the next statement.
        while session.batch_execute("SELECT pg_sleep(0.002)").is_err() {}
    }
    times.sort();
    times
}

fn judge_cancels(what: &str, times: &[Duration]) {
    let median = times[times.len() / 2];
    let p95 = times[times.len() * 95 / 100];
    let worst = times[times.len() - 1];
    println!("{what}: {} cancels, median {median:?}, 95 % {p95:?}, worst {worst:?}", times.len());
    assert!(
        median <= soak_or(PATIENCE, CANCEL_BOUND),
        "{what}: half of the cancels took longer than {median:?}"
    );
    assert!(
        p95 <= soak_or(PATIENCE, CANCEL_BOUND + SCHEDULING),
        "{what}: 5 % of the cancels took longer than {p95:?}"
    );
}

/// Resident memory of a process in kB.
fn resident(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

#[test]
fn a_storm_of_cancels_leaves_nothing_behind() {
    let database = Database::with_prices();
    let mut session = database.session();
    let before = checksum(&mut session);
    let spread = Duration::from_millis(soak_or(250, 500));
    let times = cancel_times(&database, LONG_CALL, soak_or(200, 1000), spread);
    judge_cancels("forecasts", &times);
    assert_no_slot_is_taken(&mut session);
    assert_eq!(checksum(&mut session), before);
}

#[test]
fn an_evaluation_answers_a_cancel_and_does_not_depend_on_batches_or_threads() {
    let database = Database::with_prices();
    let all = "SELECT count(*) FROM forecast_evaluate_summary(horizon => 5)";
    let times = cancel_times(&database, all, 20, Duration::from_millis(500));
    judge_cancels("evaluations", &times);
    let mut session = database.session();
    assert_no_slot_is_taken(&mut session);
    let mut bits = |settings: &str| -> String {
        session.batch_execute(settings).expect("SET");
        session
            .query_one(
                "SELECT md5(string_agg(e::text, ';' ORDER BY ticker, model, step))
                 FROM forecast_evaluate(horizon => 42, origins => 4, models => '{drift,theta,ridge}') AS e",
                &[],
            )
            .expect("forecast_evaluate")
            .get(0)
    };
    let at_once = bits("");
    assert_eq!(bits("SET folio.memory_limit = '16MB'"), at_once);
    assert_eq!(bits("RESET folio.memory_limit; SET folio.threads_per_call = 1"), at_once);
}

/// In a parallel query too, where the workers compute by themselves.
#[test]
fn bare_numbers_have_the_forecast_of_the_table_in_any_plan() {
    let database = Database::with_prices();
    let mut session = database.session();
    let same = "SELECT count(*), bool_and((v).forecast = f) FROM (
            SELECT ticker, forecast_values(closes, 5,
                jsonb_build_object('ticker', ticker, 'models', '{theta,ridge}'::text[])) AS v
            FROM series) AS _
        JOIN (SELECT ticker, array_agg(forecast ORDER BY step) AS f
            FROM forecast_ensemble(horizon => 5, models => '{theta,ridge}') GROUP BY ticker) AS __ USING (ticker)";
    session
        .batch_execute(
            "CREATE TABLE series AS SELECT ticker, array_agg(close ORDER BY ts) AS closes FROM prices GROUP BY ticker;
             ANALYZE series",
        )
        .expect("CREATE TABLE");
    let parallel = "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
        SET min_parallel_table_scan_size = 0; ALTER TABLE series SET (parallel_workers = 2)";
    for plan in ["", parallel] {
        session.batch_execute(plan).expect("SET");
        let row = session.query_one(same, &[]).expect("forecast_values");
        let (count, equal): (i64, bool) = (row.get(0), row.get(1));
        assert!(count == 20 && equal, "{count} {plan}");
    }
    let plan: Vec<String> = session
        .query("EXPLAIN SELECT forecast_values(closes, 5) FROM series", &[])
        .expect("EXPLAIN")
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert!(plan.iter().any(|line| line.contains("Gather")), "no parallel plan: {plan:?}");
}

#[test]
fn memory_does_not_grow_with_cancels() {
    let database = Database::with_prices();
    let mut session = database.session();
    session.batch_execute("SET statement_timeout = '150ms'").expect("SET");
    let pid = backend(&mut session);
    let storm = |session: &mut Client| {
        for _ in 0..20 {
            assert_eq!(sqlstate(session.query(LONG_CALL, &[])), QUERY_CANCELED);
        }
        resident(pid)
    };
    // A whole call first: how far one gets before it is cancelled is the machine's affair.
    session
        .batch_execute(&format!("SET statement_timeout = 0; {LONG_CALL}; SET statement_timeout = '150ms'"))
        .expect("a whole call");
    storm(&mut session);
    let before = storm(&mut session);
    let after = (0..3).map(|_| storm(&mut session)).last().unwrap_or(0);
    assert!(after <= before + before / 20, "resident memory grew from {before} kB to {after} kB");
}

#[test]
fn the_portfolio_functions_and_the_reading_of_prices_answer_a_cancel() {
    let database = Database::with_prices();
    make_many(&database, 500, 500);
    let start = Instant::now();
    database.session().query(LARGE_PORTFOLIO, &[]).expect("black_litterman of 500 assets");
    let spread = start.elapsed();
    println!("the whole call takes {spread:?}");
    let times = cancel_times(&database, LARGE_PORTFOLIO, 24, spread.mul_f64(0.9));
    judge_cancels("portfolio", &times);
    assert_no_slot_is_taken(&mut database.session());
}

#[test]
fn a_storm_of_signals_does_not_disturb_a_call() {
    let database = Database::with_prices();
    let mut session = database.session();
    let expected = checksum(&mut session);
    let pid = backend(&mut session);
    let call = thread::spawn(move || (0..5).map(|_| checksum(&mut session)).collect::<Vec<_>>());
    // SIGUSR1 with nothing pending is what a session gets all day. As the server's user, so by the shell's kill.
    while !call.is_finished() {
        let _ = std::process::Command::new("kill").args(["-USR1", &pid.to_string()]).status();
    }
    assert!(call.join().expect("the calls").iter().all(|answer| *answer == expected));
}

#[test]
fn idle_session_timeout_ends_an_idle_session_after_a_call_and_not_a_busy_one() {
    let database = Database::with_prices();
    let mut session = database.session();
    let pid = backend(&mut session);
    session.batch_execute("SET idle_session_timeout = '1s'").expect("SET");
    session
        .query("SELECT count(*) FROM forecast_ensemble(), pg_sleep(1.5)", &[])
        .expect("a call of more than 1 s");
    let mut other = database.session();
    wait_for("the idle session was not ended", || {
        other
            .query_one("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", &[&pid])
            .expect("pg_stat_activity")
            .get::<_, i64>(0)
            == 0
    });
}

#[test]
fn a_database_is_not_dropped_under_a_call_unless_forced() {
    let database = Database::with_prices();
    let mut session = database.session();
    let pid = backend(&mut session);
    let call = thread::spawn(move || sqlstate(session.query(LONG_CALL, &[])));
    wait_for("the call has no threads", || threads(pid) > 1);
    let mut admin = connect("postgres");
    // The server waits five seconds for the others to go.
    let plain = admin.batch_execute(&format!("DROP DATABASE {}", database.name()));
    if !call.is_finished() {
        assert_eq!(sqlstate(plain), "55006");
        // The server gives up after five seconds if the session does not go.
        admin
            .batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", database.name()))
            .expect("DROP ... FORCE");
        let end = call.join().expect("the call");
        assert!(["57P01", CLOSED].contains(&end.as_str()), "{end}");
    }
    assert_no_slot_is_taken(&mut Database::empty().session());
}

#[test]
fn many_sessions_at_once_all_get_the_answer() {
    let database = Database::with_prices();
    let expected = checksum(&mut database.session());
    let callers: Vec<_> = (0..60)
        .map(|_| {
            let mut session = database.session();
            thread::spawn(move || checksum(&mut session))
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.join().expect("a session"), expected);
    }
    assert_no_slot_is_taken(&mut database.session());
}

#[test]
#[cfg_attr(not(feature = "preload"), ignore = "needs shared memory")]
fn progress_is_seen_live_and_by_those_who_may() {
    let database = Database::with_prices();
    let mut session = database.session();
    let pid = backend(&mut session);
    let call = thread::spawn(move || session.query(LONG_CALL, &[]).map(drop));
    let mut watcher = database.session();
    watcher
        .batch_execute("DROP ROLE IF EXISTS folio_nobody; CREATE ROLE folio_nobody; GRANT USAGE ON SCHEMA folio TO folio_nobody")
        .expect("CREATE ROLE");
    let mut seen: Vec<i32> = Vec::new();
    let mut hidden = 0;
    while !call.is_finished() {
        let row = watcher
            .query_opt(
                "SELECT tasks_done, tasks_total, elapsed > interval '0', wait_event_type
                 FROM progress JOIN pg_stat_activity USING (pid) WHERE pid = $1 AND phase = 'computing'",
                &[&pid],
            )
            .expect("progress");
        if let Some(row) = row {
            let (done, total, elapsed): (i32, i32, bool) = (row.get(0), row.get(1), row.get(2));
            assert!(done <= total && elapsed && total % 20 == 0, "{done} of {total}");
            seen.push(done);
            let others: i64 = watcher
                .batch_execute("SET ROLE folio_nobody")
                .and_then(|()| watcher.query_one("SELECT count(*) FROM progress", &[]))
                .expect("progress")
                .get(0);
            watcher.batch_execute("RESET ROLE").expect("RESET");
            hidden += usize::from(others == 0);
        }
        thread::sleep(Duration::from_millis(10));
    }
    call.join().expect("the caller").expect("the call");
    assert!(seen.len() > 5 && seen.is_sorted() && seen.first() < seen.last(), "{seen:?}");
    assert_eq!(hidden, seen.len(), "a role without pg_read_all_stats saw another's call");
    watcher.batch_execute("DROP OWNED BY folio_nobody; DROP ROLE folio_nobody").expect("DROP ROLE");
}

#[test]
fn batches_give_the_same_bits_and_what_cannot_fit_is_refused() {
    let database = Database::with_prices();
    let mut session = database.session();
    let all = |session: &mut Client, limit: &str| -> String {
        session.batch_execute(&format!("SET folio.memory_limit = '{limit}'")).expect("SET");
        session
            .query_one(
                "SELECT md5(string_agg(f::text, ';' ORDER BY ticker, step))
                 FROM forecast_ensemble(models => '{naive,drift,theta,ridge}', horizon => 252) AS f",
                &[],
            )
            .expect("forecast_ensemble")
            .get(0)
    };
    let at_once = all(&mut session, "1GB");
    // 16 MB: one fit at a time and half of the tickers, but all prices; see the next test for those.
    assert_eq!(all(&mut session, "16MB"), at_once);
    make_many(&database, 1, 30_000);
    let refused =
        session.query("SELECT * FROM forecast_ensemble('T1', prices => 'many', history => 100000)", &[]);
    let error =
        refused.as_ref().err().and_then(postgres::Error::as_db_error).expect("an error of the server");
    assert!(
        error.detail().is_some() && error.hint().is_some_and(|hint| hint.contains("folio.memory_limit")),
        "{error:?}"
    );
    assert_eq!(sqlstate(refused), OUT_OF_MEMORY);
}

#[test]
fn prices_that_do_not_fit_are_read_in_batches() {
    let database = Database::with_prices();
    make_many(&database, 400, 1000);
    let mut session = database.session();
    let all = |session: &mut Client, limit: &str| -> String {
        session.batch_execute(&format!("SET folio.memory_limit = '{limit}'")).expect("SET");
        session
            .query_one(
                "SELECT md5(string_agg(f::text, ';' ORDER BY ticker, step)) || count(*)
                 FROM forecast_ensemble(models => '{naive}', horizon => 2, prices => 'many') AS f",
                &[],
            )
            .expect("forecast_ensemble")
            .get(0)
    };
    // 400 x 1,000 rows of 16 bytes in vectors of up to twice the room are more than the half of 16 MB.
    assert_eq!(all(&mut session, "16MB"), all(&mut session, "1GB"));
}

#[test]
fn a_long_call_tells_how_far_it_is() {
    let database = Database::with_prices();
    // Longer than a line takes to come, on any machine.
    database
        .session()
        .batch_execute(
            "CREATE VIEW copies AS SELECT ticker || n AS ticker, ts, close FROM prices, generate_series(1, 20) AS n",
        )
        .expect("CREATE VIEW");
    let call = |setting: &str| {
        let (send, receive) = std::sync::mpsc::channel();
        let mut session = database.session_with_notices(send);
        session.batch_execute(setting).expect("SET");
        let token = session.cancel_token();
        let call = thread::spawn(move || {
            session.batch_execute(
                "SET folio.threads_per_call = 1; SELECT count(*) FROM forecast_ensemble(prices => 'copies')",
            )
        });
        (receive, token, call)
    };
    let (receive, token, told) = call("");
    let line = receive.recv_timeout(Duration::from_secs(60)).expect("a line of progress");
    assert!(line.contains(" tasks done in "), "{line}");
    token.cancel_query(postgres::NoTls).expect("cancel");
    assert_eq!(sqlstate(told.join().expect("the caller")), QUERY_CANCELED);
    let (receive, _, silent) = call("SET folio.progress_notices = off; SET statement_timeout = '7s'");
    assert_eq!(sqlstate(silent.join().expect("the caller")), QUERY_CANCELED);
    assert_eq!(receive.try_iter().collect::<Vec<String>>(), [""; 0]);
}

/// What reads prices is in no parallel plan; where a user's function that calls it is said to be safe, and so runs in a
/// worker, the answer is the same.
#[test]
fn parallel_query_computes_inline_and_alike() {
    let database = Database::with_prices();
    let mut session = database.session();
    let expected = checksum(&mut session);
    session
        .batch_execute(&format!(
            "CREATE FUNCTION in_worker() RETURNS text LANGUAGE plpgsql PARALLEL SAFE AS $$ BEGIN RETURN ({CHECKSUM}); END $$;
             CREATE FUNCTION long_in_worker() RETURNS bigint LANGUAGE plpgsql PARALLEL SAFE AS $$ BEGIN RETURN ({LONG_CALL}); END $$"
        ))
        .expect("CREATE FUNCTION");
    session
        .batch_execute(
            "SELECT set_config(name, 'on', false) FROM pg_settings -- the second is its name up to version 15
             WHERE name IN ('debug_parallel_query', 'force_parallel_mode');
             SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0",
        )
        .expect("SET");
    let gathers = |session: &mut Client, statement: &str| {
        let plan = session.query(&format!("EXPLAIN {statement}"), &[]).expect("EXPLAIN");
        plan.iter().any(|row| row.get::<_, String>(0).contains("Gather"))
    };
    assert!(!gathers(&mut session, CHECKSUM));
    assert!(gathers(&mut session, "SELECT in_worker()"));
    assert_eq!(checksum(&mut session), expected);
    let in_worker: String = session.query_one("SELECT in_worker()", &[]).expect("in_worker").get(0);
    assert_eq!(in_worker, expected);
    session.batch_execute("SET statement_timeout = '300ms'").expect("SET");
    let start = Instant::now();
    assert_eq!(sqlstate(session.query("SELECT long_in_worker()", &[])), QUERY_CANCELED);
    let took = start.elapsed();
    assert!(
        took < Duration::from_millis(300) + soak_or(PATIENCE, CANCEL_BOUND + 2 * SCHEDULING),
        "the call ended only after {took:?}"
    );
}

#[test]
fn a_killed_session_costs_no_slot() {
    let cluster = Cluster::start("killed", &["preload"]);
    let database = cluster.database();
    let (mut session, mut bystander) = (database.session(), database.session());
    let expected = checksum(&mut session);
    let pid = backend(&mut session);
    // Throw-away clusters do not wait for their disk, so a crash would cost the newest rows.
    bystander.batch_execute("CHECKPOINT").expect("CHECKPOINT");
    let call = thread::spawn(move || session.query(LONG_CALL, &[]).is_err());
    wait_for("the call has no threads", || !compute_threads(pid).is_empty());
    assert!(
        std::process::Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .status()
            .expect("kill")
            .success()
    );
    assert!(call.join().expect("the call"));
    wait_for("the server did not restart its sessions", || bystander.query_one("SELECT 1", &[]).is_err());
    wait_for("the cluster did not recover", || database.try_session().is_some());
    let mut session = database.session();
    let (max, in_use): (i32, i32) = session
        .query_one("SELECT max_threads, slots_in_use FROM pool_status", &[])
        .map(|row| (row.get(0), row.get(1)))
        .expect("pool_status");
    assert!(max >= 1 && in_use == 0, "{in_use} of {max} slots are taken after a crash");
    assert_eq!(checksum(&mut session), expected);
}

#[test]
fn refused_threads_mean_fewer_threads() {
    // The limit counts the user's processes; servers never run as root, which has no limit.
    let cluster = Cluster::start("refused", &["preload"]);
    let database = cluster.database();
    let mut session = database.session();
    let expected = checksum(&mut session);
    let pid = backend(&mut session);
    forbid_threads(pid);
    let mut most = threads(pid);
    let call = thread::spawn(move || checksum(&mut session));
    while !call.is_finished() {
        most = most.max(threads(pid));
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(call.join().expect("the call"), expected);
    assert_eq!(most, 1, "the limit of threads did not hold");
}

#[test]
fn a_standby_answers_what_reads() {
    let cluster = Cluster::start("primary", &["preload"]);
    let database = cluster.database();
    let mut session = database.session();
    let expected = checksum(&mut session);
    let weights = "SELECT md5(string_agg(b::text, ';' ORDER BY ticker)) FROM black_litterman() AS b";
    let allocation: String = session.query_one(weights, &[]).expect("black_litterman").get(0);
    let standby = cluster.standby("standby");
    let mut replica = standby.session_in(database.name());
    let (recovering,): (bool,) =
        replica.query_one("SELECT pg_is_in_recovery()", &[]).map(|row| (row.get(0),)).expect("recovery");
    assert!(recovering);
    assert_eq!(checksum(&mut replica), expected);
    let there: String = replica.query_one(weights, &[]).expect("black_litterman on the standby").get(0);
    assert_eq!(there, allocation);
    for statement in [
        "SELECT * FROM forecast_members(ARRAY['AAPL'], models => '{naive}')",
        "SELECT * FROM forecast_evaluate(ARRAY['AAPL'], origins => 2, models => '{naive}')",
        "SELECT forecast_agg(ts, close, 5, '{\"models\": [\"naive\"]}') FROM prices WHERE ticker = 'AAPL'",
        "SELECT * FROM view_report()",
        "SELECT * FROM pool_status",
        "SELECT * FROM progress",
    ] {
        replica.query(statement, &[]).unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}
