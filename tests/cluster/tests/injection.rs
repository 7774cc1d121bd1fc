//! A fault at the n-th point of a call, for every function of the extension: after each the session answers a next query
//! rightly, and no lock, slot, thread, cursor or snapshot is left. `make test` takes points that are spread over a call,
//! `make soak` all of them.

use cluster_tests::calls::{OTHERS, PROCEDURES, READERS, answer};
use cluster_tests::private::Cluster;
use cluster_tests::{CLOSED, backend, soak_or, sqlstate, threads, wait_for};
use postgres::Client;
use std::collections::BTreeMap;
use std::time::Duration;

const TERMINATED: &str = "57P01";

/// A fault at the points that it can strike at.
struct Fault {
    kind: &'static str,
    /// The SQLSTATE that comes of it.
    state: &'static str,
    /// At how many points of a call it strikes in `make test`.
    points: u32,
}

const fn fault(kind: &'static str, state: &'static str, points: u32) -> Fault {
    Fault { kind, state, points }
}

const FAULTS: [Fault; 7] = [
    fault("error spi", "22012", 8),
    fault("error interrupt", "22012", 5),
    fault("panic interrupt", "XX000", 5),
    fault("cancel any", "57014", 6),
    fault("storm any", "57014", 6),
    fault("terminate any", TERMINATED, 2),
    fault("oom allocation", "53200", 8),
];

/// How long a session may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(10);

/// More points than any call passes.
const NEVER: u32 = 1_000_000_000;

/// A call as messages to the server: one that is not struck, and one that is.
struct Call {
    before: &'static str,
    statement: String,
}

fn calls() -> Vec<Call> {
    let rolled_back = |statement: &str| format!("BEGIN; {statement}; ROLLBACK");
    let readers = READERS
        .iter()
        .map(|(_, reader)| Call { before: "", statement: rolled_back(&reader.replace('@', "prices")) });
    let others =
        OTHERS.iter().map(|call| Call { before: call.before, statement: rolled_back(call.statement) });
    let procedures =
        PROCEDURES.iter().map(|call| Call { before: call.before, statement: call.statement.to_owned() });
    readers.chain(others).chain(procedures).collect()
}

/// Sessions in a cluster of its own: one that is struck, and one that looks at it.
struct Arena {
    cluster: Cluster,
    database: &'static str,
    struck: Client,
    pid: i32,
    observer: Client,
    expected: String,
}

impl Arena {
    fn start(name: &str) -> Arena {
        let cluster = Cluster::start(name, &["cron"]);
        let database = cluster.for_all_calls();
        let (mut struck, mut observer) = (cluster.session_in(database), cluster.session_in(database));
        let (pid, expected) = (backend(&mut struck), answer(&mut observer));
        Arena { cluster, database, struck, pid, observer, expected }
    }

    /// Runs a call with a fault; its SQLSTATE, empty for success.
    fn strike(&mut self, call: &Call, fault: &str) -> String {
        self.struck.batch_execute(call.before).unwrap_or_else(|error| panic!("{}: {error:?}", call.before));
        self.struck.batch_execute(&format!("SET folio.inject = '{fault}'")).expect("SET folio.inject");
        let result = self.struck.batch_execute(&call.statement);
        if result.is_ok() { String::new() } else { sqlstate(result) }
    }

    /// Ends what is left of the transaction and disarms; a new session where that one was ended.
    fn calm(&mut self, state: &str) {
        if [TERMINATED, CLOSED].contains(&state) {
            self.renew();
        } else if !state.is_empty() {
            self.struck.batch_execute("ROLLBACK").expect("ROLLBACK");
        }
        self.struck.batch_execute("SET folio.inject = ''").expect("SET");
    }

    /// A new session in the place of the struck one, once that has gone.
    fn renew(&mut self) {
        let gone = format!("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = {}", self.pid);
        self.struck = self.cluster.session_in(self.database);
        wait_for("the session has not gone", || self.observer.query_one(&gone, &[]).expect("pid").get(0));
        self.pid = backend(&mut self.struck);
    }

    /// How many points of a fault's kind a call passes, and that it succeeds.
    fn points(&mut self, call: &Call, kind: &str) -> u32 {
        let state = self.strike(call, &format!("{kind} {NEVER}"));
        assert_eq!(state, "", "{}", call.statement);
        let points: String = self.struck.query_one("SHOW folio.inject_points", &[]).expect("SHOW").get(0);
        self.calm(&state);
        points.parse().expect("a number")
    }

    /// What of the session is not as it was before, seen from within and from outside; empty if nothing.
    fn left(&mut self) -> String {
        let mut left = String::new();
        // A call that starts no thread, before the others: it has what a call that failed has left it.
        let lock = "BEGIN; SELECT folio_internal.try_lock_run(NULL, false); ROLLBACK";
        if let Err(error) = self.struck.batch_execute(lock) {
            left += &format!("no next call: {error:?}; ");
            self.struck.batch_execute("ROLLBACK").expect("ROLLBACK");
        }
        if answer(&mut self.struck) != self.expected {
            left += "another answer; ";
        }
        let cursors: i64 = self
            .struck
            .query_one("SELECT count(*) FROM pg_cursors WHERE name <> ''", &[])
            .expect("pg_cursors")
            .get(0);
        let row = self
            .observer
            .query_one(
                "SELECT concat((SELECT string_agg(l::text, ' ') FROM pg_locks AS l WHERE pid = $1),
                               backend_xmin, backend_xid, nullif(state, 'idle')),
                        (SELECT coalesce(max(slots_in_use), 0) FROM folio.thread_slots()),
                        (SELECT count(*) FROM folio.running_calls())
                 FROM pg_stat_activity WHERE pid = $1",
                &[&self.pid],
            )
            .expect("pg_stat_activity");
        left += row.get(0);
        let counts: [i64; 4] =
            [cursors, row.get::<_, i32>(1).into(), row.get(2), threads(self.pid) as i64 - 1];
        if counts != [0; 4] {
            left += &format!("cursors, slots, calls, threads: {counts:?}");
        }
        left
    }
}

/// All numbers from 1 to `last`, or where these are more than `most`, so many of them: what a call begins and ends with,
/// and of the rows that it reads in between an even sample.
fn sample(last: u32, most: u32) -> Vec<u32> {
    if last <= most {
        return (1..=last).collect();
    }
    let ends = most / 3;
    let middle = most - 2 * ends;
    let step =
        |index: u32| ends + (u64::from(last - 2 * ends) * u64::from(index) / u64::from(middle + 1)) as u32;
    (1..=ends).chain((1..=middle).map(step)).chain(last - ends + 1..=last).collect()
}

#[test]
#[cfg_attr(not(feature = "preload"), ignore = "once is enough: it has a cluster of its own")]
fn a_fault_at_any_point_of_any_function_is_only_an_error() {
    let mut arena = Arena::start("injection");
    let mut findings = vec![];
    let mut outcomes: BTreeMap<(&str, String), u32> = BTreeMap::new();
    for call in calls() {
        for Fault { kind, state: expected, points } in FAULTS {
            let last = arena.points(&call, kind);
            for n in sample(last, soak_or(points, u32::MAX)) {
                let mut state = arena.strike(&call, &format!("{kind} {n}"));
                if state != TERMINATED && state != CLOSED {
                    // At once again: what the first has used up is there for the second.
                    arena.calm(&state);
                    state = arena.strike(&call, &format!("{kind} {n}"));
                }
                arena.calm(&state);
                let left = arena.left();
                let as_expected =
                    ["", expected].contains(&state.as_str()) || expected == TERMINATED && state == CLOSED;
                if !as_expected || !left.is_empty() {
                    findings.push(format!("{kind} {n} of {last}: {state} {left}: {}", call.statement));
                }
                *outcomes.entry((kind, state)).or_default() += 1;
            }
        }
        arena.cluster.assert_no_crash();
    }
    println!("{outcomes:?}");
    assert!(findings.is_empty(), "{} findings: {findings:#?}", findings.len());
    for Fault { kind, state, .. } in FAULTS {
        let struck = outcomes.get(&(kind, state.to_owned())).copied().unwrap_or(0);
        assert!(struck >= 30, "{kind} struck {struck} times");
    }
}

/// Where nothing is left, not even what is kept aside, a call may cost its session, and never more.
#[test]
#[cfg_attr(not(feature = "preload"), ignore = "once is enough: it has a cluster of its own")]
fn a_session_that_starves_ends_alone() {
    let mut arena = Arena::start("starving");
    let mut ended = 0;
    for call in calls().iter().step_by(soak_or(6, 1)) {
        let last = arena.points(call, "oom allocation");
        for n in sample(last, soak_or(1, 6)) {
            let state = arena.strike(call, &format!("starve allocation {n}"));
            assert!(
                ["", "53200", CLOSED].contains(&state.as_str()),
                "{state} at {n} of {last}: {}",
                call.statement
            );
            ended += u32::from(arena.struck.is_valid(PATIENCE).is_err());
            arena.renew();
            assert_eq!(arena.left(), "", "{n} of {last}: {}", call.statement);
        }
    }
    arena.cluster.assert_no_crash();
    assert!(ended >= 3, "{ended} sessions have starved");
}

/// Functions of the extension that no call of the list runs. The server counts functions as they are called, but for those
/// in SQL that it puts in the place of their calls and for aggregates, which a statement names.
const NEVER_RUN: &str = "
    WITH own AS (
        SELECT p.oid, p.proname, p.prokind, l.lanname
        FROM pg_proc AS p
        JOIN pg_language AS l ON l.oid = p.prolang
        JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
        JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'pg_folio'
    ), named AS (
        SELECT oid FROM own
        WHERE (prokind = 'a' OR lanname = 'sql') AND $1 ~ ('\\y' || proname || '\\(')
    ), run AS (
        SELECT funcid AS oid FROM pg_stat_user_functions
        UNION SELECT oid FROM named
        UNION SELECT unnest(ARRAY[aggtransfn, aggfinalfn]::oid[]) FROM pg_aggregate JOIN named ON aggfnoid = oid
    )
    SELECT coalesce(string_agg(own.oid::regprocedure::text, E'\\n' ORDER BY 1), ''), count(*)
    FROM own WHERE NOT EXISTS (SELECT FROM run WHERE run.oid = own.oid)";

#[test]
#[cfg_attr(not(feature = "preload"), ignore = "once is enough: it has a cluster of its own")]
fn every_function_of_the_extension_is_run_by_a_call_of_the_list() {
    let mut arena = Arena::start("coverage");
    arena.struck.batch_execute("SET track_functions = 'all'").expect("SET");
    let mut text = String::new();
    for call in calls() {
        assert_eq!(arena.strike(&call, ""), "", "{}", call.statement);
        text += &call.statement;
    }
    arena.struck.batch_execute("SELECT pg_stat_force_next_flush()").expect("flush");
    let row = arena.observer.query_one(NEVER_RUN, &[&text]).expect("the functions");
    assert_eq!(row.get::<_, String>(0), "");
}
