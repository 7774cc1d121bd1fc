//! Calls at random from many sessions at once, of every function and from price relations of every kind, and what befalls
//! them at random: cancels, timeouts, the session's or the remote's end, errors from inside of a price view, faults. The
//! cluster goes on, answers rightly and needs no more memory. `make soak` has minutes of it, `make test` a few calls.

use cluster_tests::calls::{OTHERS, PROCEDURES, READERS, answer};
use cluster_tests::private::Cluster;
use cluster_tests::{CLOSED, backend, process, wait_for};
use postgres::Client;
use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

const SESSIONS: usize = 16;

/// Sessions that nothing ends, so that their memory is comparable.
const LASTING: usize = 4;

/// Calls of a session in `make test`.
const CALLS: u64 = 25;

/// How much a process' own memory may grow between a quarter of the time and its end, besides a twentieth: the server's
/// plans and catalogs.
const GROWTH: u64 = 8 << 20;

/// Price relations besides `prices`, small enough for calls of milliseconds.
const SOURCES: &str = "
    CREATE TABLE part (ticker text, ts date, close float8) PARTITION BY RANGE (ts);
    DO $$ BEGIN FOR i IN 0..59 LOOP
        EXECUTE format('CREATE TABLE part_%s PARTITION OF part FOR VALUES FROM (%L) TO (%L)',
                       i, date '2024-01-01' + 3 * i, date '2024-01-01' + 3 * (i + 1));
    END LOOP; END $$;
    INSERT INTO part SELECT * FROM prices;
    CREATE FUNCTION boom(x float8) RETURNS float8 LANGUAGE plpgsql AS $$
        BEGIN IF x > 109 THEN PERFORM 1/0; END IF; RETURN x; END $$;
    CREATE VIEW failing AS SELECT ticker, ts, boom(close) AS close FROM part;
    CREATE FUNCTION slow(x float8) RETURNS float8 LANGUAGE plpgsql AS $$
        DECLARE r record; BEGIN
            FOR r IN SELECT * FROM public.prices LIMIT 5 LOOP IF random() < 0.0001 THEN RAISE 'at random'; END IF; END LOOP;
            RETURN x; END $$;
    CREATE VIEW looped AS SELECT ticker, ts, slow(close) AS close FROM prices;
    CREATE FUNCTION nested(x float8) RETURNS float8 LANGUAGE plpgsql AS $$
        BEGIN IF x > 109 THEN PERFORM folio.forecast_ensemble('{A}'::text[], 1, '{naive}', prices => 'public.prices'); END IF;
        RETURN x; END $$;
    CREATE VIEW forecasting AS SELECT ticker, ts, nested(close) AS close FROM prices;
    CREATE TABLE secured AS SELECT * FROM prices;
    CREATE FUNCTION allowed(name text) RETURNS boolean LANGUAGE plpgsql AS $$
        DECLARE n integer := 0; BEGIN
            FOR i IN 1..5 LOOP n := n + (SELECT count(*) FROM pg_catalog.pg_class WHERE oid = i); END LOOP;
            RETURN n >= 0; END $$;
    ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON secured USING (allowed(ticker));
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO analyst;
    GRANT USAGE ON SCHEMA folio TO analyst;
    CREATE EXTENSION postgres_fdw;
    CREATE FUNCTION away(folder text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        EXECUTE format('CREATE SERVER away FOREIGN DATA WRAPPER postgres_fdw
                        OPTIONS (host %L, port ''5432'', dbname %L, fetch_size ''50'')', folder, current_database());
    END $$;
    SELECT away(current_setting('unix_socket_directories'));
    CREATE USER MAPPING FOR PUBLIC SERVER away OPTIONS (user 'postgres', password_required 'false');
    CREATE FOREIGN TABLE remote (ticker text, ts date, close float8) SERVER away OPTIONS (table_name 'prices')";

const PLACES: [&str; 7] = ["prices", "part", "failing", "looped", "forecasting", "secured", "remote"];

/// What may befall a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Undisturbed,
    Cancel,
    TwoCancels,
    Timeout,
    Termination,
    RemoteEnds,
    Fault,
}

/// Each as often as it stands here.
const FATES: [Fate; 16] = [
    Fate::Undisturbed,
    Fate::Undisturbed,
    Fate::Undisturbed,
    Fate::Undisturbed,
    Fate::Cancel,
    Fate::Cancel,
    Fate::Cancel,
    Fate::TwoCancels,
    Fate::TwoCancels,
    Fate::TwoCancels,
    Fate::Timeout,
    Fate::Timeout,
    Fate::Termination,
    Fate::RemoteEnds,
    Fate::Fault,
    Fate::Fault,
];

/// What a call may end in besides success: an error of its prices, or what befell it.
const STATES: [&str; 10] =
    ["22012", "P0001", "57014", "57P01", CLOSED, "XX000", "53200", "08006", "08003", "08001"];

/// What sessions that work on the same rows do to each other: locks, and runs that another has just deleted or failed.
const SHARED_STATES: [&str; 5] = ["55P03", "40P01", "40001", "22023", "23505"];

/// Numbers that look random and are the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

/// A session and one that disturbs it.
struct Pair<'a> {
    database: &'static str,
    cluster: &'a Cluster,
    session: Client,
    pid: i32,
    other: Client,
    random: Random,
    lasting: bool,
}

/// What a pair has seen.
#[derive(Default)]
struct Seen {
    calls: u64,
    fates: BTreeMap<(Fate, &'static str), u64>,
    states: BTreeMap<String, u64>,
    findings: Vec<String>,
    early: u64,
    late: u64,
}

impl<'a> Pair<'a> {
    fn new(cluster: &'a Cluster, database: &'static str, index: usize, seed: u64) -> Pair<'a> {
        let (mut session, other) = (cluster.session_in(database), cluster.session_in(database));
        let pid = backend(&mut session);
        let random = Random(seed.wrapping_mul(index as u64 + 1) | 1);
        Pair { database, cluster, session, pid, other, random, lasting: index < LASTING }
    }

    /// Meets every plan, catalog and library once, so that no growth is of these.
    fn warm(&mut self) {
        for place in PLACES {
            for (_, reader) in READERS {
                self.run(&reader.replace('@', place));
            }
        }
        for call in OTHERS {
            self.run(&format!("BEGIN; {}; ROLLBACK", call.statement));
            self.run("ROLLBACK");
        }
    }

    /// What comes before it, a statement at random, and the relation that it reads.
    fn statement(&mut self) -> (&'static str, String, &'static str) {
        let kind = self.random.below(10);
        if kind == 0 {
            let call = &PROCEDURES[self.random.below(PROCEDURES.len() as u64) as usize];
            return (call.before, call.statement.to_owned(), "procedure");
        }
        if kind < 3 {
            let call = &OTHERS[self.random.below(OTHERS.len() as u64) as usize];
            return (call.before, format!("BEGIN; {}; ROLLBACK", call.statement), "function");
        }
        let (_, reader) = self.random.one_of(READERS);
        let place = self.random.one_of(&PLACES);
        let role = if place == "secured" { "SET LOCAL ROLE analyst;" } else { "" };
        ("", format!("BEGIN; {role} {}; ROLLBACK", reader.replace('@', place)), place)
    }

    fn fate(&mut self) -> Fate {
        match self.random.one_of(&FATES) {
            Fate::Termination if self.lasting => Fate::Undisturbed,
            fate => fate,
        }
    }

    /// One call at random with what befalls it.
    fn call(&mut self, seen: &mut Seen) {
        let (before, statement, place) = self.statement();
        let fate = self.fate();
        let state = self.run(before);
        if !state.is_empty() {
            self.recover();
        }
        let setting = match fate {
            Fate::Timeout => format!("SET statement_timeout = {}", 1 + self.random.below(30)),
            Fate::Fault => format!("SET folio.inject = '{}'", self.fault()),
            _ => String::new(),
        };
        self.run(&setting);
        let state = self.disturbed(fate, &statement);
        self.recover();
        let shares = ["procedure", "function"].contains(&place);
        let expected = state.is_empty()
            || STATES.contains(&state.as_str())
            || shares && SHARED_STATES.contains(&state.as_str());
        if !expected {
            seen.findings.push(format!("{state}, {fate:?}: {statement}"));
        }
        seen.calls += 1;
        *seen.fates.entry((fate, place)).or_default() += 1;
        *seen.states.entry(state).or_default() += 1;
    }

    fn fault(&mut self) -> String {
        let kind =
            self.random.one_of(&["error any", "panic any", "cancel any", "storm any", "oom allocation"]);
        format!("{kind} {}", 1 + self.random.below(700))
    }

    /// Runs a statement while it is cancelled or ended, or not; its SQLSTATE.
    fn disturbed(&mut self, fate: Fate, statement: &str) -> String {
        const REMOTE: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE application_name = 'postgres_fdw' ORDER BY random() LIMIT 1";
        let cancel = format!("SELECT pg_cancel_backend({})", self.pid);
        let signals = match fate {
            Fate::Cancel => vec![cancel],
            Fate::TwoCancels => vec![cancel.clone(), cancel],
            Fate::Termination => vec![format!("SELECT pg_terminate_backend({})", self.pid)],
            Fate::RemoteEnds => vec![REMOTE.to_owned()],
            _ => vec![],
        };
        let first = Duration::from_micros(self.random.below(40_000));
        let second = Duration::from_micros(self.random.below(4_000));
        let Pair { session, other, .. } = self;
        thread::scope(|scope| {
            if !signals.is_empty() {
                scope.spawn(move || {
                    for (signal, pause) in signals.iter().zip([first, second]) {
                        thread::sleep(pause);
                        other.batch_execute(signal).expect("a signal");
                    }
                });
            }
            state_of(session.batch_execute(statement))
        })
    }

    fn run(&mut self, statement: &str) -> String {
        state_of(self.session.batch_execute(statement))
    }

    /// The session as new, or a new one: a cancel that came late may meet what brings it there.
    fn recover(&mut self) {
        const CALM: &str = "ROLLBACK; SET statement_timeout = 0; SET folio.inject = ''";
        let mut tries = 0;
        while self.session.batch_execute(CALM).is_err() {
            tries += 1;
            assert!(tries < 100, "the session does not become calm");
            if self.session.is_closed() {
                self.session = self.cluster.session_in(self.database);
                self.pid = backend(&mut self.session);
                self.run("SET lock_timeout = '2s'");
            }
        }
    }
}

fn state_of(result: Result<(), postgres::Error>) -> String {
    if result.is_ok() { String::new() } else { cluster_tests::sqlstate(result) }
}

/// How long the test goes on: a number of calls, or until a time.
#[derive(Clone, Copy)]
enum Length {
    Calls(u64),
    Time(Instant, Duration),
}

impl Length {
    /// The share of it that is done.
    fn done(self, calls: u64) -> f64 {
        match self {
            Length::Calls(all) => calls as f64 / all as f64,
            Length::Time(start, all) => start.elapsed().as_secs_f64() / all.as_secs_f64(),
        }
    }
}

fn call_on(mut pair: Pair<'_>, length: Length, expected: &str) -> Seen {
    let mut seen = Seen::default();
    pair.run("SET lock_timeout = '2s'; SET folio.progress_notices = off");
    if pair.lasting {
        pair.warm();
    }
    while length.done(seen.calls) < 1.0 {
        pair.call(&mut seen);
        if seen.calls % 8 == 0 && answer(&mut pair.session) != expected {
            seen.findings.push("another answer".to_owned());
        }
        if seen.early == 0 && length.done(seen.calls) > 0.25 {
            seen.early = process::resident(pair.pid);
        }
    }
    seen.late = process::resident(pair.pid);
    seen
}

/// Says what was done, and judges what each session saw.
fn report(all: &[Seen], took: Duration, seed: u64) {
    let mut fates: BTreeMap<(Fate, &str), u64> = BTreeMap::new();
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    for seen in all {
        seen.fates.iter().for_each(|(key, count)| *fates.entry(*key).or_default() += count);
        seen.states.iter().for_each(|(key, count)| *states.entry(key).or_default() += count);
    }
    let calls: u64 = all.iter().map(|seen| seen.calls).sum();
    println!("{calls} calls of {SESSIONS} sessions in {took:?}, seed {seed}; their ends: {states:?}");
    let of =
        |fate: Fate| fates.iter().filter(|((one, _), _)| *one == fate).map(|(_, count)| count).sum::<u64>();
    for fate in FATES.into_iter().collect::<BTreeSet<_>>() {
        println!("{fate:?}: {}", of(fate));
    }
    for place in fates.keys().map(|(_, place)| place).collect::<BTreeSet<_>>() {
        let count: u64 = fates.iter().filter(|((_, one), _)| one == place).map(|(_, count)| count).sum();
        println!("from {place}: {count}");
    }
    let lasting = &all[..LASTING];
    let (early, late): (u64, u64) =
        (lasting.iter().map(|seen| seen.early).sum(), lasting.iter().map(|seen| seen.late).sum());
    println!(
        "memory of {LASTING} sessions: {} kB after a quarter, {} kB at the end",
        early >> 10,
        late >> 10
    );
    let findings: Vec<&String> = all.iter().flat_map(|seen| &seen.findings).collect();
    assert!(findings.is_empty(), "{} findings: {findings:#?}", findings.len());
    assert!(late <= early + early / 20 + LASTING as u64 * GROWTH, "the sessions' memory grew");
}

fn postmaster(session: &mut Client) -> (i32, String) {
    let row = session
        .query_one(
            "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int, pg_postmaster_start_time()::text",
            &[],
        )
        .expect("the postmaster");
    (row.get(0), row.get(1))
}

#[test]
#[cfg_attr(not(feature = "preload"), ignore = "once is enough: it has a cluster of its own")]
fn calls_at_random_take_nothing_down_and_keep_nothing() {
    let minutes = std::env::var("FOLIO_TEST_SOAK").ok().and_then(|minutes| minutes.parse::<f64>().ok());
    let start = Instant::now();
    let seed = std::env::var("FOLIO_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(0x9E37_79B9_7F4A_7C15);
    let cluster = Cluster::start("random", &["cron"]);
    let database = cluster.for_all_calls();
    let mut observer = cluster.session_in(database);
    observer.batch_execute(SOURCES).expect("price relations");
    let expected = answer(&mut observer);
    let (main, began) = postmaster(&mut observer);
    let length = minutes
        .map_or(Length::Calls(CALLS), |minutes| Length::Time(start, Duration::from_secs_f64(60.0 * minutes)));
    let pairs: Vec<_> = (0..SESSIONS).map(|index| Pair::new(&cluster, database, index, seed)).collect();
    let before = process::resident(main);
    let all: Vec<Seen> = thread::scope(|scope| {
        let callers: Vec<_> =
            pairs.into_iter().map(|pair| scope.spawn(|| call_on(pair, length, &expected))).collect();
        callers.into_iter().map(|caller| caller.join().expect("a session")).collect()
    });
    report(&all, start.elapsed(), seed);
    cluster.assert_no_crash();
    assert_eq!(postmaster(&mut observer), (main, began), "the cluster was restarted");
    let grown = process::resident(main).saturating_sub(before);
    assert!(grown <= GROWTH, "the postmaster grew by {grown} bytes");
    wait_for("slots or locks are left", || {
        let row = observer.query_one(
            "SELECT (SELECT coalesce(max(slots_in_use), 0) FROM folio.thread_slots()) = 0
                AND (SELECT count(*) FROM folio.running_calls()) = 0
                AND (SELECT count(*) FROM pg_locks WHERE pid <> pg_backend_pid()) = 0",
            &[],
        );
        row.expect("slots").get(0)
    });
}
