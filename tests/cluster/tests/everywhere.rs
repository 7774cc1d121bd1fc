//! The table functions work wherever a SELECT works, and say the same there.

use cluster_tests::calls::{READERS, prepare};
use cluster_tests::{Database, sqlstate};
use postgres::Client;

/// A place that a SELECT may stand in: what to run with the query in the place of `@`, then a query of its answer.
struct Place {
    name: &'static str,
    make: &'static str,
    read: &'static str,
}

const PLACES: [Place; 10] = [
    Place { name: "CREATE TABLE AS", make: "CREATE TABLE x AS @", read: "SELECT x::text FROM x; DROP TABLE x" },
    Place {
        name: "CREATE MATERIALIZED VIEW and REFRESH",
        make: "CREATE MATERIALIZED VIEW x AS @; REFRESH MATERIALIZED VIEW x",
        read: "SELECT x::text FROM x; DROP MATERIALIZED VIEW x",
    },
    Place {
        name: "INSERT ... SELECT",
        make: "CREATE TABLE x AS @ WITH NO DATA; INSERT INTO x @",
        read: "SELECT x::text FROM x; DROP TABLE x",
    },
    Place {
        name: "UNION ALL with itself",
        make: "",
        read: "SELECT DISTINCT q::text FROM (@ UNION ALL @) AS q",
    },
    Place {
        name: "LATERAL beside a table that is scanned in parallel",
        make: "",
        read: "SELECT DISTINCT q::text FROM (SELECT DISTINCT ticker FROM prices) AS t CROSS JOIN LATERAL (@) AS q",
    },
    Place {
        name: "a cursor",
        make: "BEGIN; DECLARE c CURSOR FOR @",
        read: "FETCH ALL FROM c; COMMIT",
    },
    Place {
        name: "a PL/pgSQL loop",
        make: "CREATE FUNCTION looped() RETURNS SETOF text LANGUAGE plpgsql AS
               $f$ DECLARE r record; BEGIN FOR r IN @ LOOP RETURN NEXT r::text; END LOOP; END $f$",
        read: "SELECT * FROM looped(); DROP FUNCTION looped()",
    },
    Place { name: "a prepared statement", make: "PREPARE p AS @", read: "EXECUTE p; DEALLOCATE p" },
    Place {
        name: "a function that writes",
        make: "CREATE TABLE log (line text); CREATE FUNCTION written() RETURNS bigint LANGUAGE plpgsql AS
               $f$ BEGIN INSERT INTO log SELECT q::text FROM (@) AS q; RETURN (SELECT count(*) FROM log); END $f$;
               SELECT written()",
        read: "SELECT line FROM log; DROP FUNCTION written(); DROP TABLE log",
    },
    Place {
        name: "inside a function that is said to be safe, in a worker",
        make: "CREATE FUNCTION worked() RETURNS text LANGUAGE plpgsql PARALLEL SAFE AS
               $f$ BEGIN RETURN (SELECT q::text FROM (@) AS q); END $f$",
        read: "SELECT worked(); DROP FUNCTION worked()",
    },
];

/// Every row as the server writes it, whatever statement gave it.
fn rows(session: &mut Client, statements: &str) -> Vec<String> {
    let messages = session.simple_query(statements).unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    let row = |message: &postgres::SimpleQueryMessage| match message {
        postgres::SimpleQueryMessage::Row(row) => row.get(0).map(|text| {
            let text = text.trim_start_matches('(').trim_end_matches(')').trim_matches('"');
            text.replace("\"\"", "\"").replace("\\\\", "\\")
        }),
        _ => None,
    };
    messages.iter().filter_map(row).collect()
}

#[test]
fn the_documentation_has_a_row_for_every_place() {
    let path = cluster_tests::project().join("docs/queries.md");
    let text = std::fs::read_to_string(path).expect("docs/queries.md");
    let mut documented: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != "|---|---|")
        .skip(1)
        .map_while(|line| line.strip_prefix("| ")?.split(" | ").next())
        .collect();
    let mut tested: Vec<&str> = PLACES.iter().map(|place| place.name).collect();
    documented.sort_unstable();
    tested.sort_unstable();
    assert_eq!(documented, tested);
}

fn parallel_session(database: &Database) -> Client {
    let mut session = database.session();
    session
        .batch_execute(
            "SELECT set_config(name, 'on', false) FROM pg_settings
             WHERE name IN ('debug_parallel_query', 'force_parallel_mode');
             SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0",
        )
        .expect("SET");
    session
}

#[test]
fn every_reader_works_wherever_a_select_works() {
    let database = Database::empty();
    prepare(&mut database.session());
    let mut session = parallel_session(&database);
    session.batch_execute("ANALYZE prices").expect("ANALYZE");
    for (name, reader) in READERS {
        let query = reader.replace('@', "prices");
        let alone = rows(&mut session, &query);
        assert_eq!(alone.len(), 1, "{name}");
        for Place { name: place, make, read } in &PLACES {
            let statement = |text: &str| text.replace('@', &query);
            rows(&mut session, &statement(make));
            assert_eq!(rows(&mut session, &statement(read)), alone, "{name} in {place}");
        }
    }
}

/// A volatile function in a price view may write, as in any SELECT.
#[test]
fn a_price_view_may_write_and_temporary_prices_are_prices() {
    let database = Database::empty();
    let mut session = parallel_session(&database);
    prepare(&mut session);
    session
        .batch_execute(
            "CREATE TABLE seen (ticker text);
             CREATE FUNCTION note(ticker text) RETURNS text LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO seen VALUES (ticker); RETURN ticker; END $$;
             CREATE VIEW noted AS SELECT note(ticker) AS ticker, ts, close FROM prices;
             CREATE TEMP TABLE own AS SELECT * FROM prices",
        )
        .expect("CREATE");
    for (name, reader) in READERS {
        let alone = rows(&mut session, &reader.replace('@', "prices"));
        for relation in ["noted", "own"] {
            assert_eq!(rows(&mut session, &reader.replace('@', relation)), alone, "{name} of {relation}");
        }
    }
    let seen: i64 = session.query_one("SELECT count(*) FROM seen", &[]).expect("seen").get(0);
    assert!(seen > 0);
}

/// In a database of another encoding names are what they are, and what cannot be said in it is an error of ours.
#[test]
fn names_are_right_in_a_database_that_is_not_in_utf8() {
    let database = Database::empty();
    let mut session = database.session();
    for statement in [
        "DROP DATABASE IF EXISTS latin",
        "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0",
    ] {
        session.batch_execute(statement).expect(statement);
    }
    let mut latin = cluster_tests::connect("latin");
    latin
        .batch_execute(
            "CREATE EXTENSION pg_folio; SET search_path = public, folio;
             CREATE TABLE prices AS SELECT ticker, date '2024-01-01' + d AS ts, 100.0 + d AS close
             FROM unnest('{Österreich,B}'::text[]) AS ticker, generate_series(0, 30) AS d",
        )
        .expect("prices");
    let row = latin
        .query_one(
            "SELECT min(ticker), count(*), bool_and(status LIKE 'short%' OR status = 'ok')
             FROM forecast_ensemble(NULL::text[], 2, '{naive}') WHERE ticker <> 'B'",
            &[],
        )
        .expect("forecast_ensemble");
    assert_eq!((row.get::<_, &str>(0), row.get::<_, i64>(1), row.get::<_, bool>(2)), ("Österreich", 2, true));
    let weights: String = latin
        .query_one("SELECT weights::text FROM efficient_frontier(points => 2, market_caps => '{\"Österreich\": 1, \"B\": 1}') LIMIT 1", &[])
        .expect("efficient_frontier")
        .get(0);
    assert!(weights.contains("Österreich"), "{weights}");
    let error =
        latin.query("SELECT * FROM forecast_ensemble('Ägypten')", &[]).expect_err("an unknown ticker");
    let error = error.as_db_error().expect("an error of the server");
    assert!(
        error.code().code() == "22023" && error.detail().is_some_and(|detail| detail.contains("Ägypten")),
        "{error:?}"
    );
    drop(latin);
    session.batch_execute("DROP DATABASE latin WITH (FORCE)").expect("DROP DATABASE");
}

/// What a price view raises arrives as it was raised.
#[test]
fn an_error_of_a_price_view_keeps_its_sqlstate_and_context() {
    let database = Database::empty();
    let mut session = database.session();
    prepare(&mut session);
    session
        .batch_execute(
            "CREATE FUNCTION picky(x float8) RETURNS float8 LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'XY123', DETAIL = 'd', HINT = 'h'; END $$;
             CREATE VIEW bad AS SELECT ticker, ts, picky(close) AS close FROM prices",
        )
        .expect("CREATE");
    for (name, reader) in READERS {
        let error = session.query(&reader.replace('@', "bad"), &[]).expect_err(name);
        let error = error.as_db_error().expect("an error of the server");
        assert_eq!((error.code().code(), error.message()), ("XY123", "no"), "{name}");
        assert_eq!((error.detail(), error.hint()), (Some("d"), Some("h")), "{name}");
        assert!(
            error.where_().is_some_and(|context| context.starts_with("PL/pgSQL function picky")),
            "{name}"
        );
    }
}

/// A list that a client binds without a type is a list; a malformed one is an error that says so.
#[test]
fn a_list_in_braces_is_a_list_and_whole_numbers_may_be_bigint() {
    let database = Database::empty();
    let mut session = database.session();
    prepare(&mut session);
    let count =
        |session: &mut Client, query: &str| -> i64 { session.query_one(query, &[]).expect(query).get(0) };
    let listed = "SELECT count(DISTINCT ticker) FROM forecast_ensemble('{A,BB,NONE}', 2::bigint, '{naive}')";
    assert_eq!(count(&mut session, listed), 3);
    assert_eq!(sqlstate(session.query("SELECT * FROM forecast_ensemble('{A,\"BB}')", &[])), "22P02");
    let braces = "SELECT * FROM forecast_ensemble(tickers => ARRAY['{A}'], horizon => 1)";
    let status: String = session.query_one(braces, &[]).expect(braces).get("status");
    assert!(status.starts_with("22023"), "{status}");
}
