//! What all calls of a cluster may take together: `folio.max_memory` counts prices, computations and the rows that wait to be
//! asked for, and every way out gives them back.

use cluster_tests::private::Cluster;
use cluster_tests::{Database, sqlstate};
use postgres::Client;

const OUT_OF_MEMORY: &str = "53200";

/// What is said where others have the memory, rather than the call's own limit.
const USED_UP: &str = "the memory that all computations may take together is used up";

/// Tickers and days of a relation `wide`.
const WIDE: &str = "
    CREATE TABLE wide AS SELECT 'T' || t AS ticker, date '2024-01-01' + d AS ts, 100 + sin(t * d) AS close
    FROM generate_series(1, TICKERS) AS t, generate_series(1, 60) AS d";

/// Rows of 160 tickers, 252 steps and 5 levels: 32 MB by the engine's estimate.
const ROWS: &str = "forecast_intervals(levels => '{0.5,0.6,0.7,0.8,0.9}', horizon => 252, models => '{naive}', prices => 'wide')";

fn database(cluster: &Cluster, tickers: u32) -> Database {
    let database = cluster.database();
    database.session().batch_execute(&WIDE.replace("TICKERS", &tickers.to_string())).expect("CREATE TABLE");
    database
}

/// A session in which the rows of a call wait: in the select list they are made one by one.
fn waiting_rows(database: &Database, rows: &str) -> Client {
    let mut session = database.session();
    let cursor = format!("BEGIN; DECLARE waiting CURSOR FOR SELECT {rows}; FETCH 1 FROM waiting");
    session.batch_execute(&cursor).expect("a cursor");
    session
}

fn count(session: &mut Client, rows: &str) -> i64 {
    session.query_one(&format!("SELECT count(*) FROM {rows}"), &[]).expect(rows).get(0)
}

fn assert_used_up(session: &mut Client, rows: &str) {
    let error = session.execute(&format!("SELECT count(*) FROM {rows}"), &[]).expect_err(rows);
    let error = error.as_db_error().expect("an error of the server");
    assert_eq!((error.code().code(), error.message()), (OUT_OF_MEMORY, USED_UP), "{error:?}");
    assert!(error.detail().is_some_and(|detail| detail.ends_with("Limit: 96 MB.")), "{error:?}");
}

#[test]
#[cfg_attr(not(feature = "preload"), ignore = "needs shared memory")]
fn rows_that_wait_count_until_they_are_gone() {
    let cluster = Cluster::start("memory", &["preload", "memory"]);
    let database = database(&cluster, 160);
    let mut session = database.session();
    assert_eq!(count(&mut session, ROWS), 160 * 252 * 5);
    // By the end of the cursor, of the transaction, by an error, by the end of the session.
    let ends: [fn(Client) -> Option<Client>; 4] = [
        |mut client| client.batch_execute("CLOSE waiting").map(|()| client).ok(),
        |mut client| client.batch_execute("ROLLBACK").map(|()| client).ok(),
        |mut client| client.batch_execute("SELECT 1/0").err().map(|_| client),
        |client| client.close().err().map(|error| panic!("{error}")),
    ];
    for end in ends {
        let first = waiting_rows(&database, ROWS);
        assert_eq!(count(&mut session, "progress"), 0, "whose rows wait computes nothing");
        let second = waiting_rows(&database, ROWS);
        assert_used_up(&mut session, ROWS);
        let first = end(first);
        let (mut tries, mut rows) = (0, 0_i64);
        // A session that ends gives its memory back a moment after its client has gone.
        while rows == 0 && tries < 600 {
            rows =
                session.query(&format!("SELECT count(*) FROM {ROWS}"), &[]).map_or(0, |rows| rows[0].get(0));
            tries += 1;
            std::thread::sleep(std::time::Duration::from_millis(100 * u64::from(rows == 0)));
        }
        assert_eq!(rows, 160 * 252 * 5, "nothing was given back");
        drop((first, second));
    }
    cluster.assert_no_crash();
}

#[test]
#[cfg_attr(not(feature = "preload"), ignore = "needs shared memory")]
fn computations_count_before_they_begin() {
    let cluster = Cluster::start("memory", &["preload", "memory"]);
    let database = database(&cluster, 900);
    let mut session = database.session();
    // 24 matrices of 900 x 900 numbers are 148 MB.
    for rows in [
        "covariance_matrix(prices => 'wide')",
        "optimize_portfolio(prices => 'wide')",
        "efficient_frontier(prices => 'wide')",
        "black_litterman(prices => 'wide')",
        "backtest(prices => 'wide', lookback => 20)",
        "bl_posterior((SELECT array_agg(row) FROM (SELECT array_agg((i = j)::int::float8) AS row
                       FROM generate_series(1, 900) AS i, generate_series(1, 900) AS j GROUP BY i) AS rows),
                      array_fill(0.1::float8, ARRAY[900]), '{}', '{}', '{}', 0.05)",
    ] {
        assert_used_up(&mut session, rows);
    }
    // What fits works, again and again: each gives back what it had.
    let some =
        "covariance_matrix((SELECT array_agg('T' || t) FROM generate_series(1, 300) AS t), prices => 'wide')";
    for _ in 0..5 {
        assert_eq!(count(&mut session, some), 300 * 300);
    }
    // Many tickers go in batches that fit into what is left, with the same rows.
    let rows = "forecast_ensemble(NULL::text[], models => '{naive,theta}', prices => 'wide')";
    let sum = format!("SELECT count(*), sum(forecast), sum(upper) FROM {rows}");
    let all = |session: &mut Client| {
        let row = session.query_one(&sum, &[]).expect(rows);
        (row.get::<_, i64>(0), row.get::<_, f64>(1), row.get::<_, f64>(2))
    };
    let alone = all(&mut session);
    assert_eq!(alone.0, 900 * 21);
    let fewer = "CREATE VIEW fewer AS SELECT * FROM wide WHERE length(ticker) = 3";
    session.batch_execute(fewer).expect("a view");
    let waiting = waiting_rows(&database, &ROWS.replace("wide", "fewer"));
    assert_eq!(all(&mut session), alone);
    drop(waiting);
    // A list of names that is too long is refused as prices are.
    let names = "forecast_ensemble((SELECT array_agg('T' || t) FROM generate_series(1, 1000000) AS t),
                                   horizon => 1, prices => 'wide')";
    assert_used_up(&mut session, names);
    // Rows of an aggregate that has not finished count too, and are gone after its error.
    let groups =
        "(SELECT (forecast_agg(to_timestamp(t), 100 + t % 7, 5)).status FROM generate_series(1, 5000000) AS t) AS f
                  WHERE status <> ''";
    assert_used_up(&mut session, groups);
    assert_eq!(all(&mut session), alone);
    cluster.assert_no_crash();
}

#[test]
fn a_limit_above_its_end_is_refused_by_name() {
    let database = Database::empty();
    let mut session = database.session();
    // A session that has not loaded the library yet takes what it is told, and finds the end at the first call.
    session.batch_execute("LOAD 'pg_folio'").expect("LOAD");
    for statement in
        ["SET folio.memory_limit = '8GB'", "SELECT set_config('folio.memory_limit', '8GB', true)"]
    {
        let error = session.batch_execute(statement).expect_err(statement);
        let error = error.as_db_error().expect("an error of the server");
        assert_eq!(error.code().code(), "22023", "{error:?}");
        assert_eq!(error.detail(), Some("Given: 8192 MB. folio.max_memory_limit: 4096 MB."));
    }
    // A superuser raises the end, and lowers it below what was set: then the end counts.
    session
        .batch_execute("SET folio.max_memory_limit = '8GB'; SET folio.memory_limit = '8GB'; SET folio.max_memory_limit = '16MB'")
        .expect("SET");
    let wide =
        "CREATE TABLE wide AS SELECT 'T' || t AS ticker, date '2024-01-01' + d AS ts, 100.0 + t * d AS close
                FROM generate_series(1, 500) AS t, generate_series(1, 60) AS d";
    session.batch_execute(wide).expect("CREATE TABLE");
    let matrix = "SELECT count(*) FROM covariance_matrix(prices => 'wide')";
    assert_eq!(sqlstate(session.execute(matrix, &[])), OUT_OF_MEMORY);
    // What a role or a database has is no error at log-in, in whatever order it comes.
    let name = database.name();
    session
        .batch_execute(&format!("ALTER DATABASE {name} SET folio.memory_limit = '6GB'; ALTER DATABASE {name} SET folio.max_memory_limit = '16MB'"))
        .expect("ALTER DATABASE");
    let mut next = database.session();
    assert_eq!(sqlstate(next.execute(matrix, &[])), OUT_OF_MEMORY);
}
