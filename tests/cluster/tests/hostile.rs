//! Strangers in one database: nobody becomes somebody else, nobody stops another, nothing stored is lost. The roles are an
//! attacker with CREATE on a schema, one with CREATE on the database, a runner, a reader, and one with nothing. Against
//! the cluster with `cron.conf` only.

use cluster_tests::private::shell;
use cluster_tests::{Database, backend, host, is_cron, program, psql, sqlstate, threads, wait_for};
use postgres::Client;
use std::thread;

/// The roles of these tests: of the whole cluster, so each database uses the same.
const ROLES: &str = "
    DO $$
    DECLARE role text;
    BEGIN
        PERFORM pg_advisory_xact_lock(42);
        FOREACH role IN ARRAY ARRAY['mallory', 'alice', 'reader', 'nobody', 'desk_team'] LOOP
            IF to_regrole(role) IS NULL THEN EXECUTE format('CREATE ROLE %I LOGIN', role); END IF;
        END LOOP;
    END $$;
    ALTER ROLE mallory NOSUPERUSER;
    GRANT desk_team TO alice;
    CREATE SCHEMA stash; GRANT ALL ON SCHEMA stash TO mallory, alice; GRANT USAGE ON SCHEMA stash TO PUBLIC;
    GRANT SELECT ON prices TO alice, mallory, desk_team;
    SELECT grant_desk('alice'), grant_desk('mallory');";

/// What an attacker wants to run as somebody else: it writes down as whom, and tries to become superuser.
const TRAP: &str = "
    SET ROLE mallory;
    CREATE TABLE stash.loot (who text, how text);
    GRANT INSERT ON stash.loot TO PUBLIC;
    CREATE FUNCTION stash.trap(how text) RETURNS boolean LANGUAGE plpgsql VOLATILE COST 0.0001 AS $$
    DECLARE place text;
    BEGIN
        GET DIAGNOSTICS place = PG_CONTEXT;
        BEGIN EXECUTE 'RESET ROLE'; EXCEPTION WHEN OTHERS THEN NULL; END;
        BEGIN EXECUTE 'ALTER ROLE mallory SUPERUSER'; EXCEPTION WHEN OTHERS THEN NULL; END;
        INSERT INTO stash.loot VALUES (current_user, how || ' at ' || place);
        RETURN true;
    END $$;
    CREATE VIEW stash.prices AS SELECT ticker, ts, close FROM public.prices WHERE stash.trap('view');
    GRANT SELECT ON stash.prices TO PUBLIC;
    RESET ROLE;";

const PORTFOLIO: &str = "tickers => '{AAPL,GE,XOM}', horizon => 3, models => '{naive,drift}'";

fn database() -> (Database, Client) {
    let database = Database::with_prices();
    let mut session = database.session();
    run(&mut session, ROLES);
    (database, session)
}

fn run(session: &mut Client, statement: &str) {
    session.batch_execute(statement).unwrap_or_else(|error| panic!("{statement}: {error:?}"));
}

fn text(session: &mut Client, query: &str) -> String {
    let row = session.query_one(query, &[]).unwrap_or_else(|error| panic!("{query}: {error:?}"));
    row.get::<_, Option<String>>(0).unwrap_or_default()
}

fn as_role(session: &mut Client, role: &str, statement: &str) -> Result<(), postgres::Error> {
    run(session, &format!("SET ROLE {role}"));
    let result = session.batch_execute(statement);
    run(session, "ROLLBACK; RESET ROLE");
    result
}

fn allowed(session: &mut Client, role: &str, statement: &str) {
    as_role(session, role, statement).unwrap_or_else(|error| panic!("{role}: {statement}: {error:?}"));
}

fn refused(session: &mut Client, role: &str, statement: &str) -> String {
    let result = as_role(session, role, statement);
    assert!(result.is_err(), "{role}: {statement}");
    sqlstate(result)
}

/// Makes a portfolio of alice's and one of mallory's, both with a run.
fn two_owners(session: &mut Client) {
    for (role, name) in [("alice", "hers"), ("mallory", "his")] {
        allowed(session, role, &format!("SELECT create_portfolio('{name}', {PORTFOLIO})"));
        allowed(session, role, &format!("CALL rebalance('{name}', as_of => '2022-11-01')"));
        allowed(
            session,
            role,
            "CALL refresh_forecasts('{KO}', horizon => 2, models => '{naive}', as_of => '2022-11-01')",
        );
    }
}

/// Nobody but mallory has run the trap, and he is what he was.
fn nobody_was_caught(session: &mut Client) {
    let caught = text(
        session,
        "SELECT string_agg(DISTINCT who || ': ' || how, ', ') FROM stash.loot WHERE who <> 'mallory'",
    );
    assert_eq!(caught, "");
    assert_eq!(text(session, "SELECT rolsuper::text FROM pg_roles WHERE rolname = 'mallory'"), "false");
}

const VIEWS: [&str; 10] = [
    "run_history",
    "rebalance",
    "current_weight",
    "weight_history",
    "trade_history",
    "latest_forecast",
    "forecast_accuracy",
    "portfolio_value",
    "run_lock",
    "job",
];

const TABLES: [&str; 10] = [
    "portfolio",
    "run",
    "failure",
    "forecast",
    "forecast_member",
    "weight",
    "trade",
    "view",
    "outcome",
    "value",
];

#[test]
fn prices_are_read_as_their_portfolios_owner_whoever_runs_it() {
    if !is_cron() {
        return;
    }
    let (_database, mut session) = database();
    run(&mut session, TRAP);
    two_owners(&mut session);
    allowed(&mut session, "mallory", "UPDATE folio.portfolio SET prices = 'stash.prices' WHERE name = 'his'");
    allowed(
        &mut session,
        "mallory",
        "SELECT share_portfolio('his', 'reader'), share_portfolio('his', 'alice')",
    );
    for statement in [
        "CALL rebalance('his', force => true)",
        "SELECT rebalance_now('his', as_of => '2022-11-02', force => true)",
        "CALL rebalance_portfolio(2)",
        "CALL refresh_outcomes()",
        "CALL refresh_outcomes('his')",
    ] {
        run(&mut session, statement);
    }
    assert_ne!(text(&mut session, "SELECT count(*)::text FROM stash.loot"), "0", "the trap was never run");
    // Looking reads tables only.
    let before = text(&mut session, "SELECT count(*)::text FROM stash.loot");
    for view in VIEWS {
        run(&mut session, &format!("SELECT * FROM folio.{view}"));
        allowed(&mut session, "reader", &format!("SELECT * FROM folio.{view}"));
    }
    run(&mut session, "SELECT accuracy_chart('AAPL'), weights_chart('his')");
    run(&mut session, "SELECT drop_portfolio('his')");
    assert_eq!(text(&mut session, "SELECT count(*)::text FROM stash.loot"), before);
    nobody_was_caught(&mut session);
}

#[test]
fn a_member_of_the_owning_role_runs_and_a_stranger_does_not() {
    if !is_cron() {
        return;
    }
    let (_database, mut session) = database();
    two_owners(&mut session);
    run(&mut session, "UPDATE folio.portfolio SET owner = 'desk_team' WHERE name = 'hers'");
    allowed(&mut session, "alice", "CALL rebalance('hers')");
    // To see is not to own.
    allowed(&mut session, "alice", "SELECT share_portfolio('hers', 'mallory')");
    assert_eq!(
        text(&mut session, "SELECT string_agg(r::text, ' ') FROM folio.portfolio, unnest(shared_with) AS r"),
        "mallory"
    );
    for statement in [
        "CALL rebalance('hers')",
        "SELECT rebalance_now('hers')",
        "SELECT drop_portfolio('hers')",
        "CALL rebalance_portfolio(1)",
        "CALL refresh_outcomes('hers')",
        "SELECT schedule_rebalance('hers', '* * * * *')",
        "SELECT unschedule_rebalance('hers')",
        "SELECT share_portfolio('hers', 'nobody')",
        "SELECT delete_runs('hers', now())",
        "SELECT folio_internal.try_lock_run(1, true)",
        "SELECT folio_internal.lock_run(1, false)",
    ] {
        assert_eq!(refused(&mut session, "mallory", statement), "42501", "{statement}");
    }
    for change in
        ["owner = 'mallory'", "prices = 'stash.prices'", "shared_with = '{nobody}'", "name = 'mine'"]
    {
        let count = format!(
            "WITH changed AS (UPDATE folio.portfolio SET {change} WHERE name = 'hers' RETURNING 1) SELECT count(*)::text FROM changed"
        );
        run(&mut session, "SET ROLE mallory");
        assert_eq!(text(&mut session, &count), "0", "{change}");
        run(&mut session, "RESET ROLE");
    }
    // Nobody gives a portfolio to, or takes one in the name of, a role that he is not a member of.
    for statement in [
        "UPDATE folio.portfolio SET owner = 'alice' WHERE name = 'his'",
        "UPDATE folio.portfolio SET owner = 'postgres' WHERE name = 'his'",
        "INSERT INTO folio.portfolio (name, prices, owner) VALUES ('trap', 'stash.prices', 'postgres')",
    ] {
        assert_eq!(refused(&mut session, "mallory", statement), "42501", "{statement}");
    }
}

#[test]
fn rows_of_runs_are_their_owners_and_name_who_ran() {
    if !is_cron() {
        return;
    }
    let (_database, mut session) = database();
    two_owners(&mut session);
    for statement in [
        "INSERT INTO folio.run (kind, portfolio_id, settings) VALUES ('rebalance', 1, '{}')",
        "INSERT INTO folio.run (kind, portfolio_id, settings, run_by) VALUES ('rebalance', 3, '{}', 'alice')",
        "INSERT INTO folio.run (kind, settings, pid) VALUES ('forecast', '{}', 1)",
        "INSERT INTO folio.run (kind, settings, fingerprint) VALUES ('forecast', '{}', 'x')",
        "UPDATE folio.run SET run_by = 'alice'",
        "UPDATE folio.run SET pid = 1",
        "UPDATE folio.run SET started_at = now()",
        "UPDATE folio.run SET settings = '{}'",
        "UPDATE folio.run SET portfolio_id = 1",
        "INSERT INTO folio.weight SELECT 1, 'GE', 1, 1, 1, 1, 1, 1, 1, 1",
        "INSERT INTO folio.outcome VALUES (1, 'GE', 1, 1)",
        "INSERT INTO folio.value VALUES (1, now(), 1)",
        "INSERT INTO folio.failure VALUES (1, 'x')",
        "DELETE FROM folio.run",
        "DELETE FROM folio.portfolio",
        "TRUNCATE folio.run",
        "DELETE FROM folio.weight",
        "SELECT folio_internal.forecast_run(1, true)",
        "SELECT folio_internal.finish_run(1, true)",
        "SELECT folio_internal.delete_own_runs(1, now())",
        "SELECT * FROM folio_internal.prices_between('alice'::regrole, 'public.prices', '{GE}', NULL, NULL, 'UTC')",
        "SELECT * FROM folio_internal.weights_and_views('postgres'::regrole, 'public.prices', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    ] {
        let before =
            text(&mut session, "SELECT md5(string_agg(r::text, ';' ORDER BY run_id)) FROM folio.run AS r");
        match as_role(&mut session, "mallory", statement) {
            Ok(()) => (),
            Err(error) => assert!(
                error.code().is_some_and(|code| ["42501", "42809", "42883"].contains(&code.code())),
                "{statement}: {error:?}"
            ),
        }
        assert_eq!(
            text(&mut session, "SELECT md5(string_agg(r::text, ';' ORDER BY run_id)) FROM folio.run AS r"),
            before,
            "{statement}"
        );
    }
    assert_eq!(
        text(
            &mut session,
            "SELECT string_agg(DISTINCT run_by::text, ' ') FROM folio.run WHERE portfolio_id = 1"
        ),
        "alice"
    );
    assert_eq!(text(&mut session, "SELECT count(*)::text FROM folio.weight WHERE run_id = 1"), "3");
}

#[test]
fn everybody_sees_what_he_owns_or_is_shown() {
    if !is_cron() {
        return;
    }
    let (_database, mut session) = database();
    two_owners(&mut session);
    run(&mut session, "UPDATE folio.portfolio SET constraints = '{\"max_weight\": 0.1}' WHERE name = 'hers'");
    assert_eq!(refused(&mut session, "alice", "CALL rebalance('hers')"), "PF001");
    let count = |session: &mut Client, role: &str, relation: &str| {
        run(session, &format!("SET ROLE {role}"));
        let count = text(session, &format!("SELECT count(*)::text FROM folio.{relation}"));
        run(session, "RESET ROLE");
        count
    };
    for relation in TABLES.iter().chain(&VIEWS) {
        for role in ["reader", "nobody"] {
            assert_eq!(count(&mut session, role, relation), "0", "{role}: {relation}");
        }
    }
    for relation in TABLES {
        let all: i64 = count(&mut session, "postgres", relation).parse().expect("a number");
        let of = |session: &mut Client, role: &str| {
            count(session, role, relation).parse::<i64>().expect("a number")
        };
        assert!(all > 0, "{relation} has no rows to hide");
        assert_eq!(of(&mut session, "alice") + of(&mut session, "mallory"), all, "{relation}");
    }
    allowed(&mut session, "alice", "SELECT share_portfolio('hers', 'reader')");
    assert_eq!(count(&mut session, "reader", "current_weight"), "3");
    assert_eq!(count(&mut session, "reader", "forecast_accuracy"), "9");
    run(&mut session, "SET ROLE reader");
    let told = "SELECT string_agg(concat_ws('|', status, sqlstate, message, detail, hint), ', ' ORDER BY run_id) FROM run_history";
    assert_eq!(text(&mut session, told), "succeeded, failed|PF001", "the text of a failure is its owner's");
    run(&mut session, "RESET ROLE");
    assert_eq!(count(&mut session, "mallory", "failure"), "0");
    allowed(&mut session, "alice", "SELECT unshare_portfolio('hers', 'reader')");
    assert_eq!(count(&mut session, "reader", "run"), "0");
    // Whom a portfolio was taken from sees nothing of it any more, not what he ran himself either.
    run(&mut session, "UPDATE folio.portfolio SET owner = 'mallory' WHERE name = 'hers'");
    assert_eq!(count(&mut session, "alice", "run"), "1");
    assert_eq!(count(&mut session, "alice", "weight"), "0");
}

#[test]
fn what_is_shared_takes_nobodys_place_and_breaks_nobodys_view() {
    if !is_cron() {
        return;
    }
    let (_database, mut session) = database();
    two_owners(&mut session);
    let mine = "SELECT string_agg(w::text, ';' ORDER BY ticker, step) FROM latest_forecast AS w";
    let accuracy =
        "SELECT md5(string_agg(w::text, ';' ORDER BY ticker, as_of, step)) FROM forecast_accuracy AS w";
    run(&mut session, "SET ROLE alice");
    let (forecasts, outcomes) = (text(&mut session, mine), text(&mut session, accuracy));
    run(&mut session, "RESET ROLE");
    // Newer forecasts of the same tickers, of which every number is as bad as a writer can make it.
    allowed(&mut session, "mallory", "CALL rebalance('his', as_of => '2022-11-01', force => true)");
    allowed(&mut session, "mallory", "CALL rebalance('his')");
    allowed(
        &mut session,
        "mallory",
        "SELECT share_portfolio('his', 'alice');
         INSERT INTO folio.forecast SELECT max(run_id), 'EVIL', 1, now(), 1.7e308, -1.7e308, 'Infinity', 0.8, 'NaN', 252, 'ok' FROM folio.run WHERE portfolio_id = 2;
         INSERT INTO folio.outcome SELECT max(run_id), 'EVIL', 1, 1e-100 FROM folio.run WHERE portfolio_id = 2;
         INSERT INTO folio.run (kind, portfolio_id, settings, status, finished_at, sqlstate) VALUES ('rebalance', 2, '{}', 'failed', '294276-12-31', 'XXXXX')",
    );
    for bad in [
        "INSERT INTO folio.outcome SELECT max(run_id), 'EVIL', 2, 0 FROM folio.run WHERE portfolio_id = 2",
        "UPDATE folio.run SET finished_at = 'infinity' WHERE portfolio_id = 2",
    ] {
        assert_eq!(refused(&mut session, "mallory", bad), "23514", "{bad}");
    }
    run(&mut session, "SET ROLE alice");
    assert_eq!(text(&mut session, &mine.replace("AS w", "AS w WHERE ticker <> 'EVIL'")), forecasts);
    assert_eq!(text(&mut session, &accuracy.replace("AS w", "AS w WHERE ticker <> 'EVIL'")), outcomes);
    for view in VIEWS {
        run(&mut session, &format!("SELECT * FROM folio.{view}"));
    }
    // Stored forecasts are taken from one's own runs only.
    run(
        &mut session,
        "SELECT create_portfolio('twin', tickers => '{BAC}', horizon => 3, models => '{naive}')",
    );
    run(
        &mut session,
        "SET ROLE mallory; SELECT create_portfolio('bait', tickers => '{BAC}', horizon => 3, models => '{naive}')",
    );
    run(&mut session, "CALL rebalance('bait')");
    run(&mut session, "SELECT share_portfolio('bait', 'alice'); SET ROLE alice");
    run(&mut session, "CALL rebalance('twin')");
    assert_eq!(text(&mut session, "SELECT forecasts FROM run_history WHERE portfolio = 'twin'"), "computed");
}

#[test]
fn one_broken_price_relation_stops_nobody_else() {
    if !is_cron() {
        return;
    }
    let (_database, mut session) = database();
    two_owners(&mut session);
    run(&mut session, "CREATE SCHEMA closed; CREATE VIEW closed.p AS SELECT * FROM prices");
    let accuracy = "SELECT count(*)::text FROM forecast_accuracy WHERE ticker = 'AAPL'";
    let value = "SELECT count(*)::text FROM portfolio_value WHERE portfolio = 'hers'";
    let before = (text(&mut session, accuracy), text(&mut session, value));
    for broken in ["closed.p", "public.nothing", "no.such.thing.at.all", "stash.raises"] {
        run(
            &mut session,
            &format!(
                "CREATE OR REPLACE VIEW stash.raises AS SELECT ticker, ts, close / (ts - ts) AS close FROM prices;
                 GRANT SELECT ON stash.raises TO PUBLIC; UPDATE folio.portfolio SET prices = '{broken}' WHERE name = 'his'"
            ),
        );
        run(&mut session, "CALL refresh_outcomes()");
        assert_eq!((text(&mut session, accuracy), text(&mut session, value)), before, "{broken}");
        let failed = "SELECT string_agg(DISTINCT portfolio, ' ') FROM run_history WHERE kind = 'outcome' AND status = 'failed'";
        assert_eq!(text(&mut session, failed), "his", "{broken}");
    }
}

#[test]
fn nobody_locks_what_he_may_not_run() {
    if !is_cron() {
        return;
    }
    let (database, mut session) = database();
    two_owners(&mut session);
    let mut other = database.session();
    run(&mut other, "SET ROLE mallory");
    // Advisory locks of every number that could be meant, and tables.
    run(
        &mut other,
        "SELECT pg_advisory_lock(c, k) FROM generate_series(0, 3) AS k, unnest(ARRAY['folio.portfolio'::regclass::oid::bigint::int, 1718578281]) AS c;
         SELECT pg_advisory_lock(k) FROM generate_series(0, 3) AS k",
    );
    for table in TABLES {
        for mode in ["ACCESS EXCLUSIVE", "EXCLUSIVE", "SHARE ROW EXCLUSIVE", "SHARE"] {
            let lock = format!("BEGIN; LOCK TABLE folio.{table} IN {mode} MODE NOWAIT");
            assert_eq!(sqlstate(other.batch_execute(&lock)), "42501", "{lock}");
            run(&mut other, "ROLLBACK");
        }
    }
    run(&mut other, "BEGIN; SELECT * FROM folio.portfolio FOR UPDATE; SELECT * FROM folio.run FOR UPDATE");
    run(&mut other, "SELECT folio_internal.try_lock_run(NULL, true)");
    run(&mut session, "SET lock_timeout = '2s'");
    allowed(&mut session, "alice", "CALL rebalance('hers', force => true)");
    allowed(&mut session, "alice", "CALL refresh_forecasts('{GE}', horizon => 2, models => '{naive}')");
    for function in
        ["try_lock_run(1, true)", "unlock_run()", "forecast_run(1, true)", "fail_run(1, 'x', 'x', 'x', 'x')"]
    {
        let call = format!("SELECT folio_internal.{function}");
        assert!(["42501", "42809"].contains(&refused(&mut session, "nobody", &call).as_str()), "{call}");
    }
}

#[test]
fn a_failed_call_leaves_no_lock_and_a_prepared_transaction_keeps_its_own() {
    if !is_cron() {
        return;
    }
    let (database, mut session) = database();
    two_owners(&mut session);
    let locks = "SELECT count(*)::text FROM folio.run_lock";
    let mut other = database.session();
    for start in ["BEGIN; SAVEPOINT a", "BEGIN; SAVEPOINT a; SAVEPOINT b; RELEASE b; SAVEPOINT c"] {
        run(&mut session, start);
        assert_eq!(sqlstate(session.batch_execute("CALL rebalance('hers')")), "2D000");
        run(&mut session, "ROLLBACK TO a");
        assert_eq!(text(&mut other, locks), "0", "{start}");
        // The lock itself, of the session and of the transaction, ends with the subtransaction that took it.
        for for_session in [true, false] {
            run(
                &mut session,
                &format!(
                    "SAVEPOINT d; SAVEPOINT e; SELECT folio_internal.lock_run(1, {for_session}); RELEASE e"
                ),
            );
            assert_eq!(text(&mut other, locks), "1");
            run(&mut session, "ROLLBACK TO d");
            assert_eq!(text(&mut other, locks), "0", "for the session: {for_session}");
        }
        run(&mut session, "COMMIT");
    }
    let block = "DO $$ BEGIN CALL folio.rebalance('hers'); EXCEPTION WHEN invalid_transaction_termination THEN NULL; END $$";
    run(&mut session, block);
    assert_eq!(text(&mut other, locks), "0");
    assert_eq!(text(&mut other, "SELECT count(*)::text FROM folio.run WHERE status = 'running'"), "0");
    run(&mut session, "BEGIN; SELECT rebalance_now('hers')");
    run(&mut session, "PREPARE TRANSACTION 'desk'");
    assert_eq!(sqlstate(other.batch_execute("CALL rebalance('hers')")), "55P03");
    run(&mut session, "COMMIT PREPARED 'desk'");
    run(&mut other, "CALL rebalance('hers')");
}

#[test]
fn a_run_holds_no_snapshot_in_any_isolation_level() {
    if !is_cron() {
        return;
    }
    for level in ["repeatable read", "serializable"] {
        let (database, mut session) = database();
        run(&mut session, "SELECT create_portfolio('large')");
        let mut other = database.session();
        run(&mut other, &format!("SET default_transaction_isolation = '{level}'"));
        let pid = backend(&mut other);
        let call = thread::spawn(move || {
            other.batch_execute("CALL rebalance('large')").map_err(|error| error.to_string())
        });
        wait_for("the run has no threads", || threads(pid) > 1);
        let held = format!(
            "SELECT (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)::text FROM pg_stat_activity WHERE pid = {pid}"
        );
        assert_eq!(text(&mut session, &held), "false", "{level}");
        assert!(!call.is_finished(), "the run was too short to see anything");
        assert_eq!(call.join().expect("the thread"), Ok(()));
    }
}

#[test]
fn create_extension_takes_no_schema_that_others_could_have_filled() {
    if !is_cron() {
        return;
    }
    for (prepare, works) in [
        ("CREATE SCHEMA folio AUTHORIZATION mallory", false),
        ("CREATE SCHEMA folio; CREATE FUNCTION folio.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'", false),
        ("CREATE SCHEMA folio; CREATE TYPE folio.text AS ENUM ()", false),
        ("CREATE SCHEMA folio; GRANT CREATE ON SCHEMA folio TO mallory", false),
        ("CREATE SCHEMA folio; GRANT CREATE ON SCHEMA folio TO PUBLIC", false),
        ("CREATE SCHEMA folio_internal", false),
        ("CREATE SCHEMA folio_internal AUTHORIZATION mallory", false),
        ("CREATE SCHEMA folio", true),
        ("CREATE SCHEMA folio; GRANT USAGE ON SCHEMA folio TO PUBLIC", true),
    ] {
        let database = Database::bare();
        let mut session = database.session();
        run(
            &mut session,
            "DO $$ BEGIN IF to_regrole('mallory') IS NULL THEN CREATE ROLE mallory LOGIN; END IF; END $$",
        );
        run(&mut session, prepare);
        match session.batch_execute("CREATE EXTENSION pg_folio") {
            Ok(()) => assert!(works, "{prepare}"),
            error => {
                assert_eq!((sqlstate(error).as_str(), works), ("42P06", false), "{prepare}");
            }
        }
    }
}

#[test]
fn a_search_path_puts_nothing_in_the_place_of_what_we_name() {
    if !is_cron() {
        return;
    }
    let (_database, mut session) = database();
    run(&mut session, TRAP);
    // Every operator that our texts use, for every pair of types that may stand beside it, and functions and types of
    // Postgres' own names.
    run(
        &mut session,
        "SET ROLE mallory;
         CREATE DOMAIN stash.text AS pg_catalog.text CHECK (stash.trap('text'));
         CREATE DOMAIN stash.regclass AS pg_catalog.regclass CHECK (stash.trap('regclass'));
         DO $$
         DECLARE operator text; l text; r text; n integer := 0;
         BEGIN
             FOREACH operator IN ARRAY ARRAY['=', '<>', '<', '<=', '>', '>=', '||', '-', '+', '*', '/', '->', '->>', '?', '?|'] LOOP
                 FOREACH l IN ARRAY ARRAY['varchar', 'text', 'name', 'jsonb', 'int4', 'int8', 'float8', 'timestamptz', 'date', 'bpchar', 'oid', 'regrole'] LOOP
                     FOREACH r IN ARRAY ARRAY['varchar', 'text', 'name', 'jsonb', 'int4', 'int8', 'float8', 'timestamptz', 'date', 'text[]', 'unknown', 'oid', 'regrole'] LOOP
                         CONTINUE WHEN r = 'unknown';
                         n := n + 1;
                         EXECUTE format('CREATE FUNCTION stash.f%s(pg_catalog.%s, pg_catalog.%s) RETURNS boolean LANGUAGE sql AS $f$ SELECT stash.trap(%L) $f$', n, l, r, operator || ' ' || l || ' ' || r);
                         EXECUTE format('CREATE OPERATOR stash.%s (LEFTARG = pg_catalog.%s, RIGHTARG = pg_catalog.%s, FUNCTION = stash.f%s)', operator, l, r, n);
                     END LOOP;
                 END LOOP;
             END LOOP;
             FOREACH operator IN ARRAY ARRAY['coalesce_', 'format', 'count', 'max', 'unnest', 'quote_ident', 'to_regclass', 'now'] LOOP
                 EXECUTE format('CREATE FUNCTION stash.%I(pg_catalog.text) RETURNS boolean LANGUAGE sql AS $f$ SELECT stash.trap(%L) $f$', operator, operator);
             END LOOP;
         END $$;
         RESET ROLE;
         CREATE VIEW public.varchar_prices AS SELECT ticker::varchar(10) AS ticker, ts, close FROM public.prices;
         CREATE TABLE public.caps AS SELECT 'GE'::varchar(10) AS ticker, 1::float8 AS cap;
         GRANT SELECT ON varchar_prices, caps TO alice",
    );
    for path in ["stash, pg_catalog, public, folio", "stash, public, folio"] {
        for role in ["alice", "postgres"] {
            let name = format!("{role} {}", path.len());
            run(
                &mut session,
                &format!(
                    "SET ROLE {role}; SET search_path = {path}; SET folio.prices = 'public.varchar_prices'"
                ),
            );
            for statement in [
                "SELECT create_portfolio('NAME', tickers => '{AAPL,GE,XOM}'::pg_catalog.text[], horizon => 3, models => '{naive}'::pg_catalog.text[])",
                "CALL rebalance('NAME')",
                "CALL rebalance('NAME', as_of => '2022-11-01'::pg_catalog.timestamptz)",
                "SELECT rebalance_now('NAME', force => true)",
                "CALL refresh_forecasts('{GE}'::pg_catalog.text[], models => '{naive}'::pg_catalog.text[], as_of => '2022-11-01'::pg_catalog.timestamptz)",
                "SELECT refresh_forecasts_now('{KO}'::pg_catalog.text[], models => '{naive}'::pg_catalog.text[])",
                "CALL refresh_outcomes()",
                "SELECT share_portfolio('NAME', 'reader')",
                "SELECT unshare_portfolio('NAME', 'reader')",
                "SELECT * FROM folio.run_history",
                "SELECT * FROM folio.current_weight",
                "SELECT * FROM folio.forecast_accuracy",
                "SELECT * FROM folio.portfolio_value",
                "SELECT * FROM folio.latest_forecast",
                "SELECT * FROM folio.job",
                "SELECT * FROM folio.run_lock",
                "SELECT weights_chart('NAME')",
                "SELECT accuracy_chart('GE')",
                "SELECT * FROM forecast_ensemble('GE', models => '{naive}'::pg_catalog.text[])",
                "SELECT * FROM forecast_ensemble('{GE}'::pg_catalog.text[], models => '{naive}'::pg_catalog.text[])",
                "SELECT forecast_views('{GE}'::pg_catalog.text[], models => '{naive}'::pg_catalog.text[])",
                "SELECT * FROM black_litterman('{GE,KO}'::pg_catalog.text[])",
                "SELECT * FROM backtest('{GE,KO}'::pg_catalog.text[])",
                "SELECT by_ticker('public.caps', 'cap')",
                "SELECT delete_runs('NAME', now())",
                "SELECT drop_portfolio('NAME')",
            ] {
                let statement = statement.replace("NAME", &name);
                run(&mut session, &statement);
            }
            run(&mut session, "RESET ROLE; RESET search_path; RESET folio.prices");
        }
    }
    // What a caller's own statement binds is his own affair: it is the trap of a bare operator, so it works.
    assert_eq!(text(&mut session, "SELECT count(*)::text FROM folio.run WHERE status = 'succeeded'"), "4");
    nobody_was_caught(&mut session);
}

#[test]
fn who_lacks_a_right_is_told_which_and_how_to_get_it() {
    if !is_cron() {
        return;
    }
    let (_database, mut session) = database();
    two_owners(&mut session);
    allowed(&mut session, "alice", "SELECT share_portfolio('hers', 'reader')");
    for role in ["nobody", "reader"] {
        for statement in [
            "SELECT create_portfolio('x')",
            "CALL rebalance('hers')",
            "SELECT rebalance_now('hers')",
            "CALL refresh_forecasts()",
            "SELECT refresh_forecasts_now()",
            "SELECT drop_portfolio('hers')",
            "SELECT schedule_rebalance('hers', '* * * * *')",
            "SELECT unschedule_rebalance('hers')",
            "SELECT share_portfolio('hers', 'nobody')",
            "CALL refresh_outcomes()",
            "SELECT delete_runs('hers', now())",
            "CALL rebalance_portfolio(1)",
            "SELECT grant_desk('nobody')",
            "SELECT revoke_desk('alice')",
        ] {
            let error = as_role(&mut session, role, statement).expect_err(statement);
            let error = error.as_db_error().expect("an error of the server");
            assert_eq!(error.code().code(), "42501", "{role}: {statement}: {error:?}");
            assert_eq!(error.message(), "permission denied for the desk", "{statement}");
            assert!(
                error.hint().is_some_and(|hint| hint.contains(&format!("folio.grant_desk('{role}')"))),
                "{error:?}"
            );
            assert_eq!(error.where_(), None, "{role}: {statement}");
        }
    }
    assert_eq!(refused(&mut session, "mallory", "SELECT grant_desk('nobody')"), "42501");
    run(&mut session, "SELECT grant_desk('nobody')");
    allowed(&mut session, "nobody", "SELECT * FROM folio.portfolio");
    run(&mut session, "SELECT revoke_desk('nobody')");
    assert_eq!(refused(&mut session, "nobody", "SELECT create_portfolio('x')"), "42501");
    // What is not for users is not for them.
    let open = "SELECT string_agg(p.oid::regprocedure::text, ' ' ORDER BY 1) FROM pg_proc AS p
        WHERE pronamespace = 'folio_internal'::regnamespace AND has_function_privilege('nobody', p.oid, 'EXECUTE')
          AND proname NOT IN ('require_desk', 'refuse', 'jobs')";
    assert_eq!(text(&mut session, open), "");
}

#[test]
fn every_dump_restores_with_any_number_of_jobs() {
    if !is_cron() {
        return;
    }
    let (database, mut session) = database();
    two_owners(&mut session);
    allowed(&mut session, "alice", "SELECT share_portfolio('hers', 'reader')");
    run(&mut session, "UPDATE folio.portfolio SET constraints = '{\"max_weight\": 0.1}' WHERE name = 'hers'");
    assert_eq!(refused(&mut session, "alice", "CALL rebalance('hers')"), "PF001");
    let contents = |session: &mut Client| -> Vec<String> {
        TABLES
            .iter()
            .map(|table| text(session, &format!("SELECT concat(count(*), ' ', md5(string_agg(t::text, ';' ORDER BY t::text))) FROM folio.{table} AS t")))
            .collect()
    };
    let expected = contents(&mut session);
    let folder = std::env::temp_dir().join(database.name());
    let path = |name: &str| folder.join(name).to_str().expect("a path").to_owned();
    std::fs::create_dir_all(&folder).expect("a folder");
    let place = host();
    let (dump, restore) = (program("pg_dump"), program("pg_restore"));
    let client = ["-h", place.as_str(), "-U", "postgres"];
    for (format, jobs) in [("c", "1"), ("c", "2"), ("d", "4"), ("t", "1")] {
        let copy = Database::bare();
        let file = path(&format!("{format}{jobs}"));
        shell(&dump, &[&client[..], &["-F", format, "-f", &file, database.name()]].concat());
        shell(&restore, &[&client[..], &["-d", copy.name(), "--exit-on-error", "-j", jobs, &file]].concat());
        let mut restored = copy.session();
        assert_eq!(contents(&mut restored), expected, "-F {format} -j {jobs}");
        allowed(&mut restored, "alice", "UPDATE folio.portfolio SET constraints = NULL");
        allowed(&mut restored, "alice", "CALL rebalance('hers')");
        assert_eq!(refused(&mut restored, "reader", "CALL rebalance('hers')"), "42501");
        assert_eq!(
            text(
                &mut restored,
                "SELECT (max(run_id) = (SELECT count(*) FROM folio.run))::text FROM folio.run"
            ),
            "true"
        );
    }
    // The data alone, as COPY and as INSERT, and one table after the other in the wrong order.
    for arguments in [&["-a"][..], &["-a", "--inserts"], &["-a", "--column-inserts", "--disable-triggers"]] {
        let copy = Database::with_prices();
        let file = path("data");
        shell(&dump, &[&client[..], arguments, &["-N", "public", "-f", &file, database.name()]].concat());
        psql(copy.name(), &["-f", &file]);
        assert_eq!(contents(&mut copy.session()), expected, "{arguments:?}");
    }
    let copy = Database::with_prices();
    for table in TABLES.iter().rev() {
        let file = path(table);
        shell(
            &dump,
            &[&client[..], &["-a", "-t", &format!("folio.{table}"), "-f", &file, database.name()]].concat(),
        );
        psql(copy.name(), &["-f", &file]);
    }
    assert_eq!(contents(&mut copy.session()), expected, "single tables");
    std::fs::remove_dir_all(&folder).expect("the folder");
}
