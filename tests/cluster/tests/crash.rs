//! What took a cluster down once, and what is of the same kind: errors and cancels that pass through a call that reads
//! prices, a lost remote, memory, calls that do not end. Each test has a cluster of its own, since a crash ends every
//! session; after each, no process was ended by a signal, the session goes on and answers rightly.

use cluster_tests::calls::{READERS, answer};
use cluster_tests::private::Cluster;
use cluster_tests::proxy::{PORT, Proxy};
use cluster_tests::{Database, backend, process, soak_or, sqlstate, threads};
use postgres::Client;
use std::thread;
use std::time::{Duration, Instant};

const QUERY_CANCELED: &str = "57014";
const DIVISION_BY_ZERO: &str = "22012";
const OUT_OF_MEMORY: &str = "53200";
const STACK_TOO_DEEP: &str = "54001";
const TOO_MANY_CALLS: &str = "53300";

const MEGABYTE: u64 = 1 << 20;

/// What a session, its library and an error take beside the prices, however small the limit is.
const SLACK: u64 = 48 * MEGABYTE;

/// A computation that is asked to stop and has not after this long will not.
const FOR_EVER: Duration = Duration::from_secs(20);

/// The prices of `part`, in ranges of 30 days: two tickers, over 100 towards the end.
const PARTITIONS: &str = "
    CREATE TABLE part (ticker text, ts date, close float8) PARTITION BY RANGE (ts);
    DO $$ BEGIN FOR i IN 0..299 LOOP
        EXECUTE format('CREATE TABLE part_%s PARTITION OF part FOR VALUES FROM (%L) TO (%L)',
                       i, date '2000-01-01' + 30 * i, date '2000-01-01' + 30 * (i + 1));
    END LOOP; END $$;
    INSERT INTO part SELECT ticker, date '2000-01-01' + day, 50 + day % 40 + CASE WHEN day > 8900 THEN 30 ELSE 0 END
    FROM unnest(ARRAY['A', 'B']) AS ticker, generate_series(0, 8999) AS day;
    CREATE FUNCTION boom(x float8) RETURNS float8 LANGUAGE plpgsql AS $$
        BEGIN IF x > 100 THEN PERFORM 1/0; END IF; RETURN x; END $$;
    CREATE VIEW partv AS SELECT ticker, ts, boom(close) AS close FROM part";

/// The cluster is up, was not restarted, and the session answers as a new one does.
fn assert_goes_on(cluster: &Cluster, database: &Database, session: &mut Client) {
    cluster.assert_no_crash();
    let pid = backend(session);
    let (here, there) = (answer(session), answer(&mut database.session()));
    assert_eq!(here, there);
    assert_eq!(threads(pid), 1, "threads are left");
    let (cursors, slots): (i64, Option<i32>) = session
        .query_one(
            "SELECT (SELECT count(*) FROM pg_cursors WHERE name <> ''), max(slots_in_use) FROM pool_status",
            &[],
        )
        .map(|row| (row.get(0), row.get(1)))
        .expect("pool_status");
    assert_eq!((cursors, slots.unwrap_or(0)), (0, 0), "cursors, slots left");
    cluster.assert_no_crash();
}

/// The result of a statement that may never end: then the backend is killed, so that the cluster can be stopped.
fn run_or_kill(mut session: Client, statement: &str) -> (Client, Result<u64, postgres::Error>) {
    let pid = backend(&mut session);
    let statement = statement.to_owned();
    let text = statement.clone();
    let call = thread::spawn(move || {
        let result = session.execute(&statement, &[]);
        (session, result)
    });
    let start = Instant::now();
    while !call.is_finished() {
        if start.elapsed() > FOR_EVER {
            process::kill(pid);
            panic!("not ended after {FOR_EVER:?}: {text}");
        }
        thread::sleep(Duration::from_millis(2));
    }
    call.join().expect("the call")
}

/// Sends cancels to `pid` at `moments` after now, by a session that is already there.
fn cancel_at(mut canceller: Client, pid: i32, moments: Vec<Duration>) -> thread::JoinHandle<Client> {
    let start = Instant::now();
    thread::spawn(move || {
        for moment in moments {
            thread::sleep((start + moment).saturating_duration_since(Instant::now()));
            canceller.execute("SELECT pg_cancel_backend($1)", &[&pid]).expect("pg_cancel_backend");
        }
        canceller
    })
}

/// Lets a cancel that came too late meet a statement that nobody minds.
fn absorb_cancels(session: &mut Client) {
    while session.batch_execute("SELECT pg_sleep(0.005)").is_err() {}
}

/// Moments that fill an interval evenly and in no order.
fn moment(index: u32, spread: Duration) -> Duration {
    spread.mul_f64(f64::from(index) * 0.618_033_988_75 % 1.0)
}

#[test]
#[cfg_attr(not(feature = "preload"), ignore = "once is enough: it has a cluster of its own")]
fn an_error_inside_of_a_price_view_over_partitions_is_only_an_error() {
    let cluster = Cluster::start("partitions", &["preload"]);
    let database = cluster.for_calls();
    let mut session = database.session();
    session.batch_execute(PARTITIONS).expect("partitions");
    for round in 0..3 {
        for (name, statement) in READERS {
            let result = session.batch_execute(&statement.replace("@", "partv"));
            cluster.assert_no_crash();
            let error = result.expect_err(name);
            let error = error.as_db_error().unwrap_or_else(|| panic!("{name}, round {round}: {error}"));
            assert_eq!(error.code().code(), DIVISION_BY_ZERO, "{name}: {error:?}");
            assert!(error.where_().is_some_and(|context| context.contains("boom")), "{name}: {error:?}");
        }
    }
    assert_goes_on(&cluster, &database, &mut session);
}

/// In a block that catches it the transaction goes on, in a savepoint too.
#[test]
#[cfg_attr(not(feature = "preload"), ignore = "once is enough: it has a cluster of its own")]
fn an_error_inside_of_a_price_view_can_be_caught() {
    let cluster = Cluster::start("caught", &["preload"]);
    let database = cluster.for_calls();
    let mut session = database.session();
    session.batch_execute(PARTITIONS).expect("partitions");
    session
        .batch_execute(
            "CREATE FUNCTION state_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
             BEGIN EXECUTE statement; RETURN 'no error'; EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE; END $$",
        )
        .expect("state_of");
    let expected = answer(&mut session);
    session.batch_execute("BEGIN").expect("BEGIN");
    for (name, statement) in READERS {
        let statement = statement.replace("@", "partv");
        let row = session.query_one("SELECT state_of($1)", &[&statement]);
        cluster.assert_no_crash();
        assert_eq!(
            row.unwrap_or_else(|error| panic!("{name}: {error:?}")).get::<_, String>(0),
            DIVISION_BY_ZERO,
            "{name}"
        );
        session.batch_execute("SAVEPOINT before").expect("SAVEPOINT");
        assert_eq!(sqlstate(session.batch_execute(&statement)), DIVISION_BY_ZERO, "{name}");
        session.batch_execute("ROLLBACK TO before").expect("ROLLBACK TO");
        assert_eq!(answer(&mut session), expected, "{name}");
    }
    session.batch_execute("COMMIT").expect("COMMIT");
    assert_goes_on(&cluster, &database, &mut session);
}

/// Errors of other kinds and at other depths: of the conversions that the reading itself asks for, of a function in SQL, of
/// a loop over a query, of a view that calls a function of this extension which fails.
#[test]
#[cfg_attr(not(feature = "preload"), ignore = "once is enough: it has a cluster of its own")]
fn errors_of_every_kind_pass_through_the_reading_of_prices() {
    let cluster = Cluster::start("kinds", &["preload"]);
    let database = cluster.for_calls();
    let mut session = database.session();
    session.batch_execute(PARTITIONS).expect("partitions");
    let kinds = [
        (
            "22003",
            "SELECT ticker, ts, CASE WHEN close > 100 THEN 1e400::numeric ELSE close::numeric END AS close FROM part",
        ),
        (
            "22P02",
            "SELECT ticker, ts, (CASE WHEN close > 100 THEN 'x' ELSE close::text END)::float8 AS close FROM part",
        ),
        (
            "21000",
            "SELECT ticker, ts, CASE WHEN close > 100 THEN (SELECT x FROM generate_series(1, 2) AS x) ELSE close END AS close FROM part",
        ),
        ("P0001", "SELECT ticker, ts, looped(close) AS close FROM part"),
        ("AB123", "SELECT ticker, ts, own(close) AS close FROM part"),
        ("22023", "SELECT ticker, ts, forecasting(close) AS close FROM part"),
        ("42P01", "SELECT ticker, ts, missing(close) AS close FROM part"),
        ("XX000", "SELECT ticker, ts, internal(close) AS close FROM part"),
    ];
    session
        .batch_execute(
            "CREATE FUNCTION looped(x float8) RETURNS float8 LANGUAGE plpgsql AS $$
             DECLARE r record; BEGIN
                 FOR r IN SELECT * FROM public.prices LIMIT 3 LOOP IF x > 100 THEN RAISE 'no such price'; END IF; END LOOP;
                 RETURN x; END $$;
             CREATE FUNCTION own(x float8) RETURNS float8 LANGUAGE plpgsql AS $$
             BEGIN IF x > 100 THEN RAISE 'own' USING ERRCODE = 'AB123'; END IF; RETURN x; END $$;
             CREATE FUNCTION internal(x float8) RETURNS float8 LANGUAGE plpgsql AS $$
             BEGIN IF x > 100 THEN RAISE 'internal' USING ERRCODE = 'XX000'; END IF; RETURN x; END $$;
             CREATE FUNCTION forecasting(x float8) RETURNS float8 LANGUAGE plpgsql AS $$
             BEGIN IF x > 100 THEN PERFORM folio.forecast_ensemble('nobody', prices => 'public.part'); END IF; RETURN x; END $$;
             CREATE FUNCTION missing(x float8) RETURNS float8 LANGUAGE plpgsql AS $$
             BEGIN IF x > 100 THEN PERFORM * FROM no_such_table; END IF; RETURN x; END $$",
        )
        .expect("functions");
    for (expected, view) in kinds {
        session
            .batch_execute(&format!("CREATE OR REPLACE VIEW kind AS {view}"))
            .or_else(|_| session.batch_execute(&format!("DROP VIEW kind; CREATE VIEW kind AS {view}")))
            .expect("CREATE VIEW");
        for statement in [
            "SELECT count(*) FROM forecast_ensemble(models => '{naive}', horizon => 1, prices => 'kind')",
            "SELECT count(*) FROM covariance_matrix(prices => 'kind')",
            "DO $$ BEGIN PERFORM folio.forecast_ensemble(models => '{naive}', horizon => 1, prices => 'public.kind'); END $$",
            "SELECT (SELECT count(*) FROM forecast_ensemble(models => '{naive}', horizon => 1, prices => 'kind')) FROM generate_series(1, 2)",
        ] {
            for _ in 0..2 {
                let result = session.batch_execute(statement);
                cluster.assert_no_crash();
                assert_eq!(sqlstate(result), expected, "{statement} on {view}");
            }
        }
    }
    assert_goes_on(&cluster, &database, &mut session);
}

#[test]
#[cfg_attr(not(feature = "preload"), ignore = "once is enough: it has a cluster of its own")]
fn a_timeout_inside_of_a_row_security_policy_is_only_a_timeout() {
    let cluster = Cluster::start("policy", &["preload"]);
    let database = cluster.for_calls();
    let mut session = database.session();
    session.batch_execute(PARTITIONS).expect("partitions");
    session
        .batch_execute(
            "CREATE ROLE analyst; GRANT SELECT ON part, prices TO analyst; GRANT USAGE ON SCHEMA folio TO analyst;
             CREATE FUNCTION allowed(name text) RETURNS boolean LANGUAGE plpgsql AS $$
             DECLARE n integer := 0; BEGIN
                 FOR i IN 1..200 LOOP n := n + (SELECT count(*) FROM pg_catalog.pg_class WHERE oid = i); END LOOP;
                 RETURN n >= 0; END $$;
             ALTER TABLE part ENABLE ROW LEVEL SECURITY;
             CREATE POLICY own ON part USING (allowed(ticker));
             SET ROLE analyst",
        )
        .expect("row security");
    for timeout in [150, 60, 20, 10, 100] {
        session.batch_execute(&format!("SET statement_timeout = '{timeout}ms'")).expect("SET");
        let result = session.query(
            "SELECT count(*) FROM forecast_ensemble(models => '{naive}', horizon => 1, prices => 'part')",
            &[],
        );
        cluster.assert_no_crash();
        assert_eq!(sqlstate(result), QUERY_CANCELED);
    }
    session.batch_execute("RESET statement_timeout; RESET ROLE").expect("RESET");
    assert_goes_on(&cluster, &database, &mut session);
    session.batch_execute("DROP OWNED BY analyst; DROP ROLE analyst").expect("DROP ROLE");
}

#[test]
#[cfg_attr(not(feature = "preload"), ignore = "once is enough: it has a cluster of its own")]
fn a_price_view_that_forecasts_from_itself_ends_at_the_limit_of_the_stack() {
    let cluster = Cluster::start("deep", &["preload"]);
    let database = cluster.for_calls();
    let mut session = database.session();
    session
        .batch_execute(
            "CREATE FUNCTION deeper(x float8) RETURNS float8 LANGUAGE plpgsql AS $$
             DECLARE depth integer := coalesce(nullif(current_setting('test.depth', true), ''), '0')::integer;
             BEGIN
                 IF depth < 1000 THEN
                     PERFORM set_config('test.depth', (depth + 1)::text, true);
                     PERFORM folio.forecast_ensemble('{A}'::text[], 1, '{naive}', prices => 'public.deep');
                 END IF;
                 RETURN x;
             END $$;
             CREATE VIEW deep AS SELECT ticker, ts, deeper(close) AS close FROM prices",
        )
        .expect("the view");
    for stack in ["2MB", "100kB", "500kB", "6MB"] {
        session.batch_execute(&format!("SET max_stack_depth = '{stack}'")).expect("SET");
        for _ in 0..2 {
            let result = session.batch_execute(
                "SELECT count(*) FROM forecast_ensemble('{A}'::text[], 1, '{naive}', prices => 'deep')",
            );
            cluster.assert_no_crash();
            let state = sqlstate(result);
            assert!([STACK_TOO_DEEP, TOO_MANY_CALLS].contains(&state.as_str()), "{state}");
        }
    }
    session.batch_execute("RESET max_stack_depth").expect("RESET");
    assert_goes_on(&cluster, &database, &mut session);
}

/// A database whose table `remote` is one of itself, `rows` rows behind a slow connection.
fn foreign_prices(cluster: &Cluster, rows: u32, fetch_size: u32) -> Database {
    let database = cluster.for_calls();
    let mut session = database.session();
    session
        .batch_execute(&format!(
            "CREATE EXTENSION postgres_fdw;
             CREATE TABLE far AS SELECT 'T' || i % 300 AS ticker, date '2000-01-01' + i / 300 AS ts,
                    100 + sin(i) AS close FROM generate_series(0, {rows} - 1) AS i;
             CREATE SERVER away FOREIGN DATA WRAPPER postgres_fdw
                 OPTIONS (host '{}', port '{PORT}', dbname '{}', fetch_size '{fetch_size}');
             CREATE USER MAPPING FOR postgres SERVER away OPTIONS (user 'postgres', password_required 'false');
             CREATE FOREIGN TABLE remote (ticker text, ts date, close float8) SERVER away OPTIONS (table_name 'far')",
            cluster.host(),
            database.name(),
        ))
        .expect("postgres_fdw");
    database
}

const FROM_REMOTE: &str =
    "SELECT count(*) FROM forecast_ensemble(models => '{naive}', horizon => 1, prices => 'remote')";

#[test]
#[cfg_attr(not(feature = "preload"), ignore = "once is enough: it has a cluster of its own")]
fn a_second_cancel_while_a_foreign_scan_is_ended_is_only_a_cancel() {
    let cluster = Cluster::start("foreign", &["preload"]);
    let database = foreign_prices(&cluster, soak_or(150_000, 300_000), soak_or(20_000, 60_000));
    let _proxy = Proxy::start(cluster.host(), Duration::from_millis(4));
    let mut session = database.session();
    let pid = backend(&mut session);
    let start = Instant::now();
    session.query(FROM_REMOTE, &[]).expect("a forecast from a foreign table");
    let spread = start.elapsed();
    let mut canceller = database.session();
    let mut met = 0;
    let count = soak_or(24, 200);
    for index in 0..count {
        let first = moment(index, spread);
        let second = first + Duration::from_millis(1 + u64::from(index % 5));
        let canceller_back = cancel_at(canceller, pid, vec![first, second]);
        let result = session.query(FROM_REMOTE, &[]);
        canceller = canceller_back.join().expect("the canceller");
        cluster.assert_no_crash();
        if result.is_err() {
            assert_eq!(sqlstate(result), QUERY_CANCELED, "cancel {index}");
            met += 1;
        }
        absorb_cancels(&mut session);
    }
    assert!(met > count / 2, "only {met} of {count} cancels met a running call");
    assert_goes_on(&cluster, &database, &mut session);
}

#[test]
#[cfg_attr(not(feature = "preload"), ignore = "once is enough: it has a cluster of its own")]
fn a_remote_that_dies_while_prices_are_read_is_only_an_error() {
    // The connection goes, or is not yet there when the next call wants it.
    const CONNECTION_FAILURE: &str = "08006";
    const UNABLE_TO_CONNECT: &str = "08001";
    let cluster = Cluster::start("dying", &["preload"]);
    let database = foreign_prices(&cluster, soak_or(150_000, 300_000), soak_or(20_000, 60_000));
    let proxy = Proxy::start(cluster.host(), Duration::from_millis(2));
    let mut session = database.session();
    let pid = backend(&mut session);
    let start = Instant::now();
    session.query(FROM_REMOTE, &[]).expect("a forecast from a foreign table");
    let spread = start.elapsed();
    let mut canceller = database.session();
    let mut failed = 0;
    let count = soak_or(16, 100);
    for index in 0..count {
        let dies = moment(index, spread);
        // Every second time a cancel comes just before, so that the connection goes while the scan is being ended.
        let cancels =
            if index % 2 == 0 { vec![] } else { vec![dies.saturating_sub(Duration::from_millis(1))] };
        let canceller_back = cancel_at(canceller, pid, cancels);
        let result = thread::scope(|scope| {
            let call = scope.spawn(|| session.query(FROM_REMOTE, &[]));
            thread::sleep(dies);
            proxy.cut();
            call.join().expect("the call")
        });
        canceller = canceller_back.join().expect("the canceller");
        cluster.assert_no_crash();
        if result.is_err() {
            let state = sqlstate(result);
            let expected = [CONNECTION_FAILURE, UNABLE_TO_CONNECT, QUERY_CANCELED];
            assert!(expected.contains(&state.as_str()), "cut {index}: {state}");
            failed += 1;
        }
        absorb_cancels(&mut session);
    }
    assert!(failed > count / 2, "only {failed} of {count} cuts met a running call");
    assert_goes_on(&cluster, &database, &mut session);
}

/// The most memory that a statement takes in a new session, and what is left of it after an error, in bytes over what the
/// session had.
struct Taken {
    state: String,
    peak: u64,
    left: u64,
}

fn memory_of(database: &Database, limit: &str, statement: &str) -> Taken {
    let mut session = database.session();
    let pid = backend(&mut session);
    session
        .batch_execute(&format!("SET folio.memory_limit = '{limit}'; SET folio.progress_notices = off"))
        .expect("SET");
    answer(&mut session);
    let before = process::resident(pid);
    process::forget_peak(pid);
    let start = process::peak(pid);
    let result = session.execute(statement, &[]);
    let state = if result.is_ok() { String::new() } else { sqlstate(result) };
    let (peak, after) = (process::peak(pid), process::resident(pid));
    assert!(peak > 0, "the session has gone: {state}");
    Taken { state, peak: peak.saturating_sub(start), left: after.saturating_sub(before) }
}

#[test]
#[cfg_attr(not(feature = "preload"), ignore = "once is enough: it has a cluster of its own")]
fn long_names_are_counted_before_they_are_kept() {
    let cluster = Cluster::start("names", &["preload"]);
    let database = cluster.for_calls();
    let mut session = database.session();
    session
        .batch_execute(&format!(
            "CREATE TABLE long AS SELECT repeat(chr(97 + t % 26), 1000000) || t AS ticker, date '2024-01-01' + d AS ts,
                    100 + d AS close FROM generate_series(1, {}) AS t, generate_series(1, 3) AS d;
             CREATE TABLE many AS SELECT repeat(chr(97 + t % 26), 1000) || t AS ticker, date '2024-01-01' + d AS ts,
                    100 + d AS close FROM generate_series(1, {}) AS t, generate_series(1, 3) AS d",
            soak_or(150, 1500),
            soak_or(30_000, 100_000)
        ))
        .expect("CREATE TABLE");
    // A name of 1 MB is refused at once; many of 1 kB are counted.
    for (relation, state) in [("long", "22023"), ("many", OUT_OF_MEMORY)] {
        for statement in READERS.iter().map(|(_, statement)| statement.replace("@", relation)) {
            // Of named tickers nothing is read here.
            if statement.contains("'{A") || statement.contains("\"A\"") || statement.contains("('A'") {
                continue;
            }
            let taken = memory_of(&database, "16MB", &statement);
            assert_eq!(taken.state, state, "{statement}");
            assert!(taken.peak < 16 * MEGABYTE + SLACK, "{} MB at most: {statement}", taken.peak / MEGABYTE);
            assert!(taken.left < SLACK, "{} MB are left: {statement}", taken.left / MEGABYTE);
        }
    }
    assert_goes_on(&cluster, &database, &mut session);
}

#[test]
#[cfg_attr(not(feature = "preload"), ignore = "once is enough: it has a cluster of its own")]
fn long_arrays_and_documents_are_counted_before_they_are_kept() {
    let cluster = Cluster::start("arrays", &["preload"]);
    let database = cluster.for_calls();
    let mut session = database.session();
    let count = soak_or(1_000_000, 3_000_000);
    session
        .batch_execute(&format!(
            "CREATE TABLE big (names text[], numbers float8[], list jsonb, object jsonb, listed jsonb, grouped jsonb);
             ALTER TABLE big ALTER names SET STORAGE EXTERNAL, ALTER numbers SET STORAGE EXTERNAL,
                 ALTER list SET STORAGE EXTERNAL, ALTER object SET STORAGE EXTERNAL,
                 ALTER listed SET STORAGE EXTERNAL, ALTER grouped SET STORAGE EXTERNAL;
             INSERT INTO big
             SELECT array_agg('T' || i), array_agg(i::float8), jsonb_agg('T' || i || ' = 1%'), jsonb_object_agg('T' || i, 1)
             FROM generate_series(1, {count}) AS i;
             UPDATE big SET listed = jsonb_build_object('models', list), grouped = jsonb_build_object('groups', object)"
        ))
        .expect("CREATE TABLE");
    // What Postgres itself takes for the values, which no function can help.
    let floor = memory_of(
        &database,
        "16MB",
        "SELECT cardinality(names), cardinality(numbers), list -> 0, object -> 'T1' FROM big",
    )
    .peak;
    for statement in [
        "SELECT (SELECT count(*) FROM forecast_ensemble(names)) FROM big",
        "SELECT (SELECT count(*) FROM forecast_members(names)) FROM big",
        "SELECT (SELECT count(*) FROM forecast_evaluate(names)) FROM big",
        "SELECT (SELECT count(*) FROM forecast_volatility(names)) FROM big",
        "SELECT (SELECT count(*) FROM volatility_evaluate(models => names)) FROM big",
        "SELECT (SELECT count(*) FROM black_litterman(names)) FROM big",
        "SELECT (SELECT count(*) FROM covariance_matrix(names)) FROM big",
        "SELECT observations(names) FROM big",
        "SELECT forecast_fingerprint(names) FROM big",
        "SELECT (SELECT count(*) FROM forecast_ensemble(models => names)) FROM big",
        "SELECT (SELECT count(*) FROM forecast_intervals(levels => numbers)) FROM big",
        "SELECT (SELECT count(*) FROM black_litterman(views => list)) FROM big",
        "SELECT (SELECT count(*) FROM black_litterman(views => object)) FROM big",
        "SELECT (SELECT count(*) FROM black_litterman(market_caps => object)) FROM big",
        "SELECT (SELECT count(*) FROM black_litterman(market_caps => list)) FROM big",
        "SELECT (SELECT count(*) FROM optimize_portfolio(constraints => object)) FROM big",
        "SELECT (SELECT count(*) FROM optimize_portfolio(constraints => grouped)) FROM big",
        "SELECT (SELECT count(*) FROM discrete_allocation(object, 1000)) FROM big",
        "SELECT (SELECT count(*) FROM value_at_risk(object)) FROM big",
        "SELECT (SELECT count(*) FROM risk_attribution(object)) FROM big",
        "SELECT (SELECT count(*) FROM var_evaluate(object)) FROM big",
        "SELECT (SELECT count(*) FROM covariance_evaluate(covariances => names)) FROM big",
        "SELECT (SELECT count(*) FROM stress(object, '{\"shocks\": {\"A\": -0.1}}')) FROM big",
        "SELECT (SELECT count(*) FROM portfolio_performance(object)) FROM big",
        "SELECT (SELECT count(*) FROM portfolio_performance('{\"A\": 1}', benchmark => object)) FROM big",
        "SELECT forecast_values(numbers, 5) FROM big",
        "SELECT forecast_values('{1,2,3}', 5, object) FROM big",
        "SELECT forecast_values('{1,2,3}', 5, listed) FROM big",
        "SELECT (SELECT count(*) FROM bl_posterior(numbers, numbers, numbers, numbers, numbers, 1)) FROM big",
        "SELECT (SELECT count(*) FROM fix_nonpositive_semidefinite(numbers)) FROM big",
    ] {
        let taken = memory_of(&database, "16MB", statement);
        let allowed = ["22023", "22P02", OUT_OF_MEMORY, "2202E", "22000", "54000"];
        println!(
            "{:5} {:5} MB, {:5} MB are left: {statement}",
            taken.state,
            taken.peak / MEGABYTE,
            taken.left / MEGABYTE
        );
        assert!(
            taken.state.is_empty() || allowed.contains(&taken.state.as_str()),
            "{}: {statement}",
            taken.state
        );
        assert!(
            taken.peak < floor + 16 * MEGABYTE + SLACK,
            "{} MB at most, {} MB are Postgres': {statement}",
            taken.peak / MEGABYTE,
            floor / MEGABYTE
        );
        assert!(taken.left < SLACK, "{} MB are left: {statement}", taken.left / MEGABYTE);
    }
    assert_goes_on(&cluster, &database, &mut session);
}

/// The system refuses memory: the call ends in an error, or takes less.
#[test]
#[cfg_attr(not(feature = "preload"), ignore = "once is enough: it has a cluster of its own")]
fn memory_that_the_system_refuses_is_an_error() {
    let cluster = Cluster::start("refusing", &["preload"]);
    let database = cluster.for_calls();
    let mut observer = database.session();
    observer
        .batch_execute(
            "CREATE TABLE wide AS SELECT 'T' || t AS ticker, date '2020-01-01' + d AS ts, 100 + sin(t * d) AS close
             FROM generate_series(1, 600) AS t, generate_series(1, 300) AS d",
        )
        .expect("CREATE TABLE");
    for (index, statement) in [
        "SELECT count(*) FROM forecast_ensemble(horizon => 252, prices => 'wide')",
        "SELECT count(*) FROM covariance_matrix(prices => 'wide')",
        "SELECT count(*) FROM optimize_portfolio(objective => 'min_volatility', prices => 'wide')",
        "SELECT count(*) FROM forecast_evaluate(horizon => 21, models => '{naive,theta}', prices => 'wide')",
        "SELECT count(*) FROM backtest(objective => 'hrp', prices => 'wide', lookback => 100)",
    ]
    .into_iter()
    .enumerate()
    {
        for more in [1, 4, 12, 30, 60, 120].into_iter().skip(index % 2).step_by(soak_or(2, 1)) {
            let mut session = database.session();
            let pid = backend(&mut session);
            answer(&mut session);
            session.batch_execute("SET statement_timeout = '3s'").expect("SET");
            process::limit_memory(pid, more * MEGABYTE);
            let result = session.execute(statement, &[]);
            cluster.assert_no_crash();
            let state = if result.is_ok() { String::new() } else { sqlstate(result) };
            assert!(
                ["", OUT_OF_MEMORY, QUERY_CANCELED].contains(&state.as_str()),
                "{state} with {more} MB: {statement}"
            );
        }
    }
    assert_goes_on(&cluster, &database, &mut observer);
}

#[test]
#[cfg_attr(not(feature = "preload"), ignore = "once is enough: it has a cluster of its own")]
fn whole_shares_of_any_sum_end_or_are_cancelled() {
    let cluster = Cluster::start("shares", &["preload"]);
    let database = cluster.for_calls();
    let mut session = database.session();
    session
        .batch_execute(
            "CREATE TABLE tiny AS SELECT ticker, ts, 1e-300 AS close FROM prices;
             CREATE TABLE huge AS SELECT ticker, ts, 1e300 AS close FROM prices;
             CREATE TABLE apart AS SELECT ticker, ts, CASE ticker WHEN 'A' THEN 1e-300 ELSE 1e300 END AS close FROM prices",
        )
        .expect("CREATE TABLE");
    for prices in ["prices", "tiny", "huge", "apart"] {
        for value in
            ["1e308", "1e21", "2e21", "1e22", "1e6", "1e-300", "1e-308", "1.7976931348623157e308", "1"]
        {
            for method in ["exact", "greedy"] {
                session.batch_execute("SET statement_timeout = '300ms'").expect("SET");
                let statement = format!(
                    "SELECT * FROM discrete_allocation('{{\"A\": 0.5, \"BB\": 0.5}}', {value}, method => '{method}', prices => '{prices}')"
                );
                let (back, result) = run_or_kill(session, &statement);
                session = back;
                if let Err(error) = result {
                    let state = error.code().map_or("", |code| code.code()).to_owned();
                    assert!(
                        [QUERY_CANCELED, "22023", "22003", "PF005"].contains(&state.as_str()),
                        "{error:?}: {statement}"
                    );
                }
            }
        }
    }
    session.batch_execute("RESET statement_timeout").expect("RESET");
    assert_goes_on(&cluster, &database, &mut session);
}

/// Reading, planning, combining and the writing of rows: a cancel is answered in each of them. What the main thread works
/// after a cancel is counted in time on a core, which other work on the machine does not lengthen.
#[test]
#[cfg_attr(not(feature = "preload"), ignore = "once is enough: it has a cluster of its own")]
fn a_cancel_is_answered_in_every_phase_of_a_call_over_many_tickers() {
    const CALL: &str =
        "SELECT count(*) FROM forecast_ensemble(models => '{naive}', horizon => 252, prices => 'wide')";
    let cluster = Cluster::start("phases", &["preload"]);
    let database = cluster.for_calls();
    let mut session = database.session();
    session
        .batch_execute(&format!(
            "CREATE TABLE wide AS SELECT 'T' || t AS ticker, date '2020-01-01' + d AS ts, 100 + sin(t * d) AS close
             FROM generate_series(1, {}) AS t, generate_series(1, 300) AS d",
            soak_or(2000, 5000)
        ))
        .expect("CREATE TABLE");
    let pid = backend(&mut session);
    let start = Instant::now();
    session.query(CALL, &[]).expect("the whole call");
    let spread = start.elapsed();
    let mut canceller = database.session();
    let (mut work, mut waits) = (Vec::new(), Vec::new());
    for index in 0..soak_or(12, 200) {
        let first = moment(index, spread.mul_f64(0.95));
        let at = thread::spawn(move || {
            thread::sleep(first);
            let sent = (Instant::now(), process::main_thread_nanoseconds(pid));
            canceller.execute("SELECT pg_cancel_backend($1)", &[&pid]).expect("pg_cancel_backend");
            (canceller, sent)
        });
        let result = session.query(CALL, &[]);
        let (ended, worked) = (Instant::now(), process::main_thread_nanoseconds(pid));
        let (back, (sent, before)) = at.join().expect("the canceller");
        canceller = back;
        if result.is_err() {
            assert_eq!(sqlstate(result), QUERY_CANCELED);
            work.push(Duration::from_nanos(worked.saturating_sub(before)));
            waits.push(ended.saturating_duration_since(sent));
        }
        absorb_cancels(&mut session);
    }
    work.sort();
    waits.sort();
    let (worst, median, longest) = (work[work.len() - 1], waits[waits.len() / 2], waits[waits.len() - 1]);
    println!(
        "whole call {spread:?}; {} cancels; worked at most {worst:?}; waited {median:?}, at worst {longest:?}",
        work.len()
    );
    assert!(work.len() >= soak_or(6, 100), "only {} cancels met a running call", work.len());
    assert!(
        worst <= soak_or(Duration::from_millis(250), Duration::from_millis(50)),
        "worked for {worst:?} after a cancel"
    );
    assert!(longest <= soak_or(Duration::from_secs(5), Duration::from_millis(200)), "waited for {longest:?}");
    assert_goes_on(&cluster, &database, &mut session);
}
