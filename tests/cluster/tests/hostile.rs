//! Strangers in one database: nobody becomes somebody else, nobody stops another, nothing stored is lost. The roles are an
//! attacker with CREATE on a schema, one with CREATE on the database, a runner, a reader, and one with nothing. Against
//! the cluster with `cron.conf` only.

use cluster_tests::private::shell;
use cluster_tests::strangers::{
    PORTFOLIO, TRAP, VIEWS, allowed, as_role, database, nobody_was_caught, refused, run, text, two_owners,
};
use cluster_tests::{Database, RESULT_TABLES, backend, host, program, psql, sqlstate, threads, wait_for};
use postgres::Client;
use std::thread;

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn prices_are_read_as_their_portfolios_owner_whoever_runs_it() {
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
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_member_of_the_owning_role_runs_and_a_stranger_does_not() {
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
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn rows_of_runs_are_their_owners_and_name_who_ran() {
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
        "SELECT * FROM folio_internal.weights_and_views('postgres'::regrole, 'public.prices', 'UTC')",
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
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn everybody_sees_what_he_owns_or_is_shown() {
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
    for relation in RESULT_TABLES.iter().chain(&VIEWS) {
        for role in ["reader", "nobody"] {
            assert_eq!(count(&mut session, role, relation), "0", "{role}: {relation}");
        }
    }
    for relation in RESULT_TABLES {
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
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn what_is_shared_takes_nobodys_place_and_breaks_nobodys_view() {
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
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn one_broken_price_relation_stops_nobody_else() {
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
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn nobody_locks_what_he_may_not_run() {
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
    for table in RESULT_TABLES {
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
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_failed_call_leaves_no_lock_and_a_prepared_transaction_keeps_its_own() {
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
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_run_holds_no_snapshot_in_any_isolation_level() {
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
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn create_extension_takes_no_schema_that_others_could_have_filled() {
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
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_search_path_puts_nothing_in_the_place_of_what_we_name() {
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
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn who_lacks_a_right_is_told_which_and_how_to_get_it() {
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
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn every_dump_restores_with_any_number_of_jobs() {
    let (database, mut session) = database();
    two_owners(&mut session);
    allowed(&mut session, "alice", "SELECT share_portfolio('hers', 'reader')");
    run(&mut session, "UPDATE folio.portfolio SET constraints = '{\"max_weight\": 0.1}' WHERE name = 'hers'");
    assert_eq!(refused(&mut session, "alice", "CALL rebalance('hers')"), "PF001");
    let contents = |session: &mut Client| -> Vec<String> {
        RESULT_TABLES
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
    for table in RESULT_TABLES.iter().rev() {
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

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn no_user_raises_the_ends_of_his_settings() {
    let (database, mut session) = database();
    two_owners(&mut session);
    let end = "ALTER DATABASE DB SET folio.max_memory_limit = '16MB'; ALTER DATABASE DB SET folio.max_threads_per_call = 1";
    run(&mut session, &end.replace("DB", database.name()));
    for setting in ["folio.max_memory_limit = '8GB'", "folio.max_threads_per_call = 64"] {
        let (name, value) = setting.split_once(" = ").expect("a setting");
        for statement in [
            format!("SET {setting}"),
            format!("SET LOCAL {setting}"),
            format!("SELECT set_config('{name}', '64', false)"),
            format!("ALTER ROLE mallory SET {setting}"),
            format!("ALTER DATABASE {} SET {setting}", database.name()),
            format!("RESET {name}"),
            format!("UPDATE pg_settings SET setting = {value} WHERE name = '{name}'"),
            format!(
                "CREATE FUNCTION stash.raised() RETURNS bigint LANGUAGE sql SET {setting} AS 'SELECT count(*) FROM forecast_ensemble(NULL::text)'"
            ),
        ] {
            let mut his = database.session();
            match as_role(&mut his, "mallory", &statement) {
                Err(error) => assert_eq!(error.code().map(|code| code.code()), Some("42501"), "{statement}"),
                Ok(()) => panic!("{statement} was allowed"),
            }
        }
    }
    // He asks for all there is, and gets what the ends leave.
    let mut his = database.session();
    let more = as_role(&mut his, "mallory", "SET folio.memory_limit = '1TB'").expect_err("above the end");
    assert_eq!(more.code().map(|code| code.code()), Some("22023"), "{more:?}");
    run(
        &mut his,
        "SET folio.max_memory_limit = '1TB'; SET folio.memory_limit = '1TB'; RESET folio.max_memory_limit",
    );
    run(&mut his, "SET ROLE mallory; SET folio.threads_per_call = 64");
    let wide = "SELECT count(*) FROM covariance_matrix(prices => 'stash.wide', history => 400)";
    run(
        &mut his,
        "CREATE TABLE stash.wide AS SELECT 'T' || t AS ticker, date '2020-01-01' + d AS ts, 100 + sin(t * d) AS close
         FROM generate_series(1, 1500) AS t, generate_series(1, 420) AS d",
    );
    let error = his.batch_execute(wide).expect_err("16 MB");
    let error = error.as_db_error().expect("an error of the server");
    assert_eq!(error.code().code(), "53200", "{error:?}");
    // Prices may take half of what a call may.
    assert!(error.detail().is_some_and(|detail| detail.ends_with("Limit: 8 MB.")), "{error:?}");
    let pid = backend(&mut his);
    let call =
        thread::spawn(move || his.batch_execute("SELECT count(*) FROM forecast_ensemble(NULL::text[])"));
    let mut most = 0;
    while !call.is_finished() {
        most = most.max(threads(pid));
        thread::sleep(std::time::Duration::from_millis(1));
    }
    call.join().expect("the thread").expect("the call");
    assert_eq!(most, 2, "the backend and one thread");
}

/// What mallory's code tries where it runs as somebody else's statement: whatever would act later, or outlive it.
const TRICKS: [(&str, &str); 14] = [
    ("a deferred trigger", "INSERT INTO stash.deferred VALUES (1)"),
    ("a temporary table", "CREATE TEMP TABLE prices AS SELECT 1"),
    ("a temporary view", "CREATE TEMP VIEW portfolio AS SELECT stash.trap(''temporary view'')"),
    ("a cursor with hold", "DECLARE c CURSOR WITH HOLD FOR SELECT stash.trap(''cursor'')"),
    ("a prepared statement", "PREPARE trick AS SELECT stash.trap(''prepared'')"),
    ("a listener", "LISTEN trick"),
    ("an index", "CREATE INDEX ON stash.indexed ((stash.indexed_trap(x)))"),
    ("a materialized view", "REFRESH MATERIALIZED VIEW stash.material"),
    ("the role", "SET ROLE postgres"),
    ("the session's role", "SET SESSION AUTHORIZATION postgres"),
    ("the role as a setting", "SELECT set_config(''role'', ''postgres'', false)"),
    ("a grant", "SELECT folio.grant_desk(''nobody'')"),
    ("another's portfolio", "SELECT folio.drop_portfolio(''hers'')"),
    (
        "the desk's own functions",
        "SELECT folio_internal.delete_own_portfolio(1), folio_internal.unschedule_own(1)",
    ),
];

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn code_in_a_price_relation_leaves_nothing_behind() {
    let (_database, mut session) = database();
    run(&mut session, TRAP);
    two_owners(&mut session);
    run(
        &mut session,
        "SET ROLE mallory;
         CREATE TABLE stash.deferred (x integer); CREATE TABLE stash.indexed AS SELECT 1 AS x;
         CREATE FUNCTION stash.fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM stash.trap('deferred'); RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER later AFTER INSERT ON stash.deferred DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION stash.fire();
         CREATE FUNCTION stash.indexed_trap(integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN stash.trap('index'); END $$;
         CREATE MATERIALIZED VIEW stash.material AS SELECT stash.trap('material');
         RESET ROLE",
    );
    let state = "SELECT concat_ws('|', current_user, session_user, current_setting('search_path'), current_setting('folio.prices'),
                 current_setting('role'), current_setting('statement_timeout'), current_setting('work_mem'))";
    let before = text(&mut session, state);
    for (name, trick) in TRICKS {
        run(
            &mut session,
            &format!(
                "SET ROLE mallory;
                 CREATE OR REPLACE FUNCTION stash.trick() RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $f$
                 BEGIN
                     PERFORM set_config('search_path', 'stash', false), set_config('folio.prices', 'stash.prices', false),
                             set_config('statement_timeout', '1', false), set_config('work_mem', '64', true);
                     EXECUTE '{trick}';
                     RETURN true;
                 EXCEPTION WHEN OTHERS THEN
                     RETURN true;
                 END $f$;
                 CREATE OR REPLACE VIEW stash.tricky AS SELECT ticker, ts, close FROM public.prices WHERE (SELECT stash.trick());
                 UPDATE folio.portfolio SET prices = 'stash.tricky' WHERE name = 'his';
                 RESET ROLE"
            ),
        );
        for statement in [
            "CALL rebalance('his', force => true)",
            "SELECT rebalance_now('his', force => true)",
            "CALL refresh_outcomes('his')",
        ] {
            // Whether it ends well is mallory's affair.
            let _ = session.batch_execute(statement);
            assert_eq!(text(&mut session, state), before, "{name}: {statement}");
        }
        let left = "SELECT concat((SELECT count(*) FROM pg_cursors WHERE is_holdable), (SELECT count(*) FROM pg_prepared_statements WHERE name = 'trick'),
             (SELECT count(*) FROM pg_listening_channels()), (SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relkind IN ('r', 'v')),
             (SELECT count(*) FROM folio.portfolio WHERE name = 'hers'))";
        assert_eq!(text(&mut session, left), "00001", "{name}");
        nobody_was_caught(&mut session);
    }
    // The same after an error that the caller catches.
    run(
        &mut session,
        "SET ROLE mallory; CREATE OR REPLACE FUNCTION stash.trick() RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $f$
         BEGIN PERFORM set_config('search_path', 'stash', false); RAISE EXCEPTION 'no'; END $f$; RESET ROLE",
    );
    run(
        &mut session,
        "DO $$ BEGIN PERFORM folio.rebalance_now('his', force => true); EXCEPTION WHEN raise_exception THEN NULL; END $$",
    );
    assert_eq!(text(&mut session, state), before);
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn prices_of_every_kind_run_their_code_as_the_portfolios_owner() {
    let (_database, mut session) = database();
    run(&mut session, TRAP);
    two_owners(&mut session);
    let kinds = [
        ("policy", "CREATE TABLE stash.policy AS SELECT * FROM public.prices; ALTER TABLE stash.policy ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
                    CREATE POLICY trap ON stash.policy USING (stash.trap('policy'))"),
        ("rule", "CREATE TABLE stash.rule_base AS SELECT * FROM public.prices; CREATE VIEW stash.rule AS SELECT ticker, ts, close FROM stash.rule_base WHERE stash.trap('rule');
                  CREATE RULE trick AS ON INSERT TO stash.rule DO INSTEAD SELECT stash.trap('insert rule')"),
        ("partitioned", "CREATE TABLE stash.partitioned (ticker text, ts date, close float8) PARTITION BY LIST (ticker);
                         CREATE TABLE stash.part PARTITION OF stash.partitioned DEFAULT; INSERT INTO stash.partitioned SELECT * FROM public.prices;
                         ALTER TABLE stash.partitioned ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY trap ON stash.partitioned USING (stash.trap('partition'))"),
        ("invoker", "CREATE VIEW stash.invoker WITH (security_invoker = true) AS SELECT ticker, ts, close FROM public.prices WHERE stash.trap('invoker')"),
        ("barrier", "CREATE VIEW stash.barrier WITH (security_barrier = true) AS SELECT ticker, ts, close FROM public.prices WHERE stash.trap('barrier')"),
        ("cast", "CREATE TYPE stash.name AS ENUM ('AAPL', 'GE', 'XOM');
                  CREATE FUNCTION stash.name_text(stash.name) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM stash.trap('cast'); RETURN enum_out($1)::text; END $$;
                  CREATE CAST (stash.name AS text) WITH FUNCTION stash.name_text(stash.name) AS IMPLICIT;
                  CREATE FUNCTION stash.equal(stash.name, text) RETURNS boolean LANGUAGE sql AS $$ SELECT stash.trap('operator') $$;
                  CREATE OPERATOR stash.= (LEFTARG = stash.name, RIGHTARG = text, FUNCTION = stash.equal);
                  CREATE TABLE stash.cast AS SELECT ticker::stash.name AS ticker, ts, close FROM public.prices WHERE ticker IN ('AAPL', 'GE', 'XOM')"),
        ("domain", "CREATE DOMAIN stash.price AS float8 CHECK (stash.trap('domain')); CREATE VIEW stash.domain AS SELECT ticker, ts, close::stash.price AS close FROM public.prices
                    WHERE ticker IN ('AAPL', 'GE', 'XOM') AND ts > '2022-06-01'"),
    ];
    for (name, create) in kinds {
        run(&mut session, &format!("SET ROLE mallory; {create}; RESET ROLE; DELETE FROM stash.loot"));
        allowed(
            &mut session,
            "mallory",
            &format!("UPDATE folio.portfolio SET prices = 'stash.{name}' WHERE name = 'his'"),
        );
        for statement in ["CALL rebalance('his', force => true)", "CALL refresh_outcomes()"] {
            run(&mut session, statement);
        }
        assert_ne!(
            text(&mut session, "SELECT count(*)::text FROM stash.loot"),
            "0",
            "{name}: the trap was never run"
        );
        nobody_was_caught(&mut session);
    }
    // A name that is not one, of a temporary table of the caller's, and of a relation of the server's.
    run(&mut session, "CREATE TEMP TABLE secret AS SELECT * FROM public.prices");
    for (prices, state) in [
        ("pg_temp.secret", "42501"),
        ("public.prices; DROP TABLE public.prices", "42602"),
        ("a.b.c.d", "42601"),
        ("", "42602"),
        ("pg_catalog.pg_authid", "42703"),
        ("stash.loot", "42703"),
    ] {
        allowed(
            &mut session,
            "mallory",
            &format!("UPDATE folio.portfolio SET prices = '{prices}' WHERE name = 'his'"),
        );
        assert_eq!(
            sqlstate(session.batch_execute("CALL rebalance('his', force => true)")),
            state,
            "{prices}"
        );
    }
    run(&mut session, "SELECT FROM public.prices");
    nobody_was_caught(&mut session);
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_function_in_a_where_sees_no_row_that_its_owner_may_not() {
    let (_database, mut session) = database();
    two_owners(&mut session);
    run(&mut session, "UPDATE folio.portfolio SET constraints = '{\"max_weight\": 0.1}' WHERE name = 'hers'");
    assert_eq!(refused(&mut session, "alice", "CALL rebalance('hers')"), "PF001");
    run(&mut session, "ANALYZE");
    run(
        &mut session,
        "SET ROLE mallory; CREATE TABLE stash.seen (place text, line text);
         CREATE FUNCTION stash.see(place text, line text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
         BEGIN INSERT INTO stash.seen VALUES (place, line); RETURN false; END $$; RESET ROLE",
    );
    for relation in RESULT_TABLES.iter().chain(&VIEWS) {
        let count = format!("SELECT count(*)::text FROM folio.{relation}");
        run(
            &mut session,
            &format!(
                "DELETE FROM stash.seen; SET ROLE mallory; SELECT FROM folio.{relation} AS t WHERE stash.see('{relation}', t::text)"
            ),
        );
        let his: i64 = text(&mut session, &count).parse().expect("a number");
        run(&mut session, "RESET ROLE");
        let all: i64 = text(&mut session, &count).parse().expect("a number");
        let seen: i64 =
            text(&mut session, "SELECT count(*)::text FROM stash.seen").parse().expect("a number");
        assert_eq!(seen, his, "{relation}");
        assert!(all > his || !RESULT_TABLES.contains(relation), "{relation} hides nothing");
    }
    // Nor by statistics, by a row lock, or by the tables' copies.
    run(&mut session, "SET ROLE mallory");
    assert_eq!(text(&mut session, "SELECT count(*)::text FROM pg_stats WHERE schemaname = 'folio'"), "0");
    for lock in ["UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE"] {
        let statement =
            format!("SELECT string_agg(name, '') FROM (SELECT name FROM folio.portfolio FOR {lock}) AS p");
        match session.query_one(&statement, &[]) {
            Ok(row) => assert_eq!(row.get::<_, Option<String>>(0).as_deref(), Some("his"), "{lock}"),
            error => assert_eq!(sqlstate(error), "42501", "{lock}"),
        }
    }
    run(&mut session, "RESET ROLE");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn the_desks_tables_and_functions_are_nobodys_to_change() {
    let (database, mut session) = database();
    run(&mut session, TRAP);
    two_owners(&mut session);
    run(&mut session, &format!("GRANT CREATE ON DATABASE {} TO mallory", database.name()));
    allowed(&mut session, "alice", "SELECT share_portfolio('hers', 'mallory')");
    let state = "SELECT md5(concat((SELECT string_agg(r::text, ';' ORDER BY run_id) FROM folio.run AS r), (SELECT string_agg(p::text, ';' ORDER BY portfolio_id) FROM folio.portfolio AS p),
         (SELECT string_agg(w::text, ';' ORDER BY w::text) FROM folio.weight AS w), (SELECT string_agg(c::text, ';' ORDER BY c.oid) FROM pg_constraint AS c WHERE connamespace = 'folio'::regnamespace),
         (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_policy), (SELECT string_agg(concat(relname, relacl, relowner, relrowsecurity), ';' ORDER BY oid) FROM pg_class WHERE relnamespace = 'folio'::regnamespace),
         (SELECT string_agg(p::text, ';' ORDER BY p.oid) FROM pg_proc AS p WHERE pronamespace IN ('folio'::regnamespace, 'folio_internal'::regnamespace))))";
    let before = text(&mut session, state);
    for statement in [
        "ALTER TABLE folio.portfolio DROP CONSTRAINT portfolio_name_key",
        "ALTER TABLE folio.run DROP CONSTRAINT run_check",
        "ALTER TABLE folio.weight ADD CONSTRAINT trap CHECK (stash.trap('constraint'))",
        "ALTER TABLE folio.weight ALTER weight SET DEFAULT 1",
        "ALTER TABLE folio.portfolio DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE folio.portfolio OWNER TO mallory",
        "ALTER TABLE folio.portfolio RENAME TO p",
        "ALTER VIEW folio.current_weight SET (security_invoker = false)",
        "CREATE OR REPLACE VIEW folio.current_weight AS SELECT stash.trap('view')",
        "CREATE POLICY trap ON folio.run USING (stash.trap('policy'))",
        "CREATE TRIGGER trap BEFORE INSERT ON folio.run FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE RULE trap AS ON INSERT TO folio.run DO ALSO SELECT stash.trap('rule')",
        "CREATE INDEX ON folio.run ((stash.trap('index')))",
        "CREATE STATISTICS stash.s ON run_id, status FROM folio.run",
        "CREATE TABLE stash.child () INHERITS (folio.portfolio)",
        "CREATE TABLE stash.reference (p integer REFERENCES folio.portfolio)",
        "CREATE PUBLICATION trap FOR TABLE folio.run",
        "CREATE EVENT TRIGGER trap ON ddl_command_start EXECUTE FUNCTION stash.fire()",
        "CREATE CAST (folio.portfolio AS text) WITH INOUT AS IMPLICIT",
        "CREATE CAST (text AS regrole) WITH INOUT AS IMPLICIT",
        "CREATE CAST (bigint AS text) WITH INOUT AS IMPLICIT",
        "CREATE OPERATOR pg_catalog.= (LEFTARG = text, RIGHTARG = regrole, FUNCTION = stash.equal)",
        "CREATE FUNCTION folio.forecast_ensemble(ticker varchar) RETURNS boolean LANGUAGE sql AS 'SELECT stash.trap(''overload'')'",
        "CREATE FUNCTION folio_internal.has_cron(x integer DEFAULT 1) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        "CREATE OR REPLACE FUNCTION folio_internal.has_cron() RETURNS boolean LANGUAGE sql AS 'SELECT stash.trap(''has_cron'')'",
        "ALTER FUNCTION folio_internal.has_cron() SECURITY DEFINER",
        "ALTER FUNCTION folio_internal.has_cron() SET search_path = stash",
        "GRANT ALL ON folio.portfolio TO mallory",
        "DROP EXTENSION pg_folio",
        "ALTER EXTENSION pg_folio ADD VIEW stash.prices",
        "ALTER EXTENSION pg_folio SET SCHEMA stash",
        "DROP OWNED BY alice",
        "REASSIGN OWNED BY alice TO mallory",
        "DROP ROLE alice",
        "SELECT setval('folio.run_run_id_seq', 1)",
        "SELECT nextval('folio.portfolio_portfolio_id_seq')",
        "ALTER SEQUENCE folio.run_run_id_seq RESTART",
        "LOCK TABLE folio.portfolio IN ACCESS SHARE MODE NOWAIT; LOCK TABLE folio.portfolio IN SHARE MODE NOWAIT",
        "LOCK TABLE folio.run IN ACCESS EXCLUSIVE MODE NOWAIT",
        "TRUNCATE folio.weight",
        "VACUUM FULL folio.run; SELECT 1/0",
        "REINDEX TABLE folio.run",
        "CLUSTER folio.run USING run_pkey",
        "COPY folio.run FROM PROGRAM 'echo'",
        "COPY folio.run (kind, portfolio_id, settings, run_by) FROM '/dev/null'",
        "COPY folio.portfolio TO PROGRAM 'cat'",
        "SELECT lo_import('/etc/passwd')",
        "SET session_replication_role = replica",
        "SET row_security = off; SELECT * FROM folio.run",
        "ALTER ROLE mallory BYPASSRLS",
        "INSERT INTO folio.weight (run_id, ticker) SELECT run_id, 'FORGED' FROM folio.run WHERE portfolio_id = 1",
        "INSERT INTO folio.run (run_id, kind, portfolio_id, settings) OVERRIDING SYSTEM VALUE VALUES (1, 'rebalance', 2, '{}')",
        "INSERT INTO folio.portfolio (name, prices) VALUES ('hers', 'public.prices') ON CONFLICT (name) DO UPDATE SET prices = 'stash.prices'",
        "MERGE INTO folio.portfolio AS p USING (VALUES (1)) AS v(id) ON p.portfolio_id = v.id WHEN MATCHED THEN UPDATE SET owner = 'mallory' WHEN NOT MATCHED THEN INSERT (name, prices, owner) VALUES ('m', 'x', 'postgres')",
    ] {
        // What he has no right to at all GRANT only warns of.
        match as_role(&mut session, "mallory", statement) {
            Ok(()) => assert!(statement.starts_with("GRANT"), "{statement} was allowed"),
            Err(error) => assert!(error.as_db_error().is_some(), "{statement}: {error:?}"),
        }
        assert_eq!(text(&mut session, state), before, "{statement}");
    }
    // COPY, which only the protocol can: nothing that says who ran, and nothing past the policies.
    for columns in ["(kind, portfolio_id, settings, run_by)", "(kind, portfolio_id, settings)", ""] {
        let mut his = database.session();
        run(&mut his, "SET ROLE mallory");
        let code = sqlstate(his.copy_in(&format!("COPY folio.run {columns} FROM STDIN")).map(drop));
        assert!(["42501", "0A000"].contains(&code.as_str()), "{columns}: {code}");
    }
    assert_eq!(text(&mut session, state), before, "COPY");
    nobody_was_caught(&mut session);
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn schemas_of_the_callers_name_put_nothing_in_the_place_of_ours() {
    let (database, mut session) = database();
    run(&mut session, TRAP);
    two_owners(&mut session);
    run(&mut session, &format!("GRANT CREATE ON DATABASE {} TO mallory", database.name()));
    // "$user" is first in everybody's search_path, and whoever may CREATE in the database makes it.
    for user in ["alice", "postgres", "reader"] {
        run(
            &mut session,
            &format!(
                "SET ROLE mallory; CREATE SCHEMA {user}; GRANT USAGE ON SCHEMA {user} TO PUBLIC;
                 CREATE FUNCTION {user}.equal(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT stash.trap('=') $$;
                 CREATE FUNCTION {user}.equal(integer, bigint) RETURNS boolean LANGUAGE sql AS $$ SELECT stash.trap('= int') $$;
                 CREATE OPERATOR {user}.= (LEFTARG = text, RIGHTARG = text, FUNCTION = {user}.equal);
                 CREATE OPERATOR {user}.= (LEFTARG = integer, RIGHTARG = bigint, FUNCTION = {user}.equal);
                 CREATE FUNCTION {user}.format(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS $$ SELECT stash.trap('format')::text $$;
                 CREATE FUNCTION {user}.quote_ident(name) RETURNS text LANGUAGE sql AS $$ SELECT stash.trap('quote_ident')::text $$;
                 CREATE FUNCTION {user}.pg_has_role(oid, text) RETURNS boolean LANGUAGE sql AS $$ SELECT stash.trap('pg_has_role') $$;
                 CREATE FUNCTION {user}.require_desk() RETURNS void LANGUAGE sql AS $$ SELECT stash.trap('require_desk') $$;
                 CREATE FUNCTION {user}.to_regrole(text) RETURNS regrole LANGUAGE sql AS $$ SELECT stash.trap('to_regrole')::text::regrole $$;
                 CREATE TABLE {user}.portfolio (name text); CREATE TABLE {user}.run (run_id bigint); CREATE TABLE {user}.job (jobid bigint);
                 CREATE FUNCTION {user}.job() RETURNS bigint LANGUAGE sql AS $$ SELECT stash.trap('job')::int::bigint $$;
                 RESET ROLE"
            ),
        );
    }
    for user in ["alice", "postgres"] {
        for statement in [
            "SELECT folio.create_portfolio('NAME', tickers => '{AAPL,GE,XOM}', horizon => 3, models => '{naive}')",
            "CALL folio.rebalance('NAME')",
            "CALL folio.refresh_forecasts('{GE}', models => '{naive}')",
            "SELECT folio.rebalance_now('NAME', force => true)",
            "CALL folio.refresh_outcomes()",
            "SELECT folio.share_portfolio('NAME', 'reader')",
            "SELECT * FROM folio.run_history, folio.job",
            "SELECT folio.weights_chart('NAME'), folio.accuracy_chart('GE')",
            "SELECT folio.delete_runs('NAME', now())",
            "SELECT folio.drop_portfolio('NAME')",
        ] {
            allowed(&mut session, user, &statement.replace("NAME", &format!("of {user}")));
        }
    }
    nobody_was_caught(&mut session);
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_dropped_role_takes_nothing_with_it_and_stops_nobody() {
    let (database, mut session) = database();
    let role = format!("leaver_{}", database.name());
    run(
        &mut session,
        &format!("CREATE ROLE {role} LOGIN; GRANT SELECT ON prices TO {role}; SELECT grant_desk('{role}')"),
    );
    allowed(&mut session, &role, &format!("SELECT create_portfolio('left', {PORTFOLIO})"));
    allowed(&mut session, &role, "CALL rebalance('left', as_of => '2022-11-01')");
    two_owners(&mut session);
    allowed(&mut session, "alice", &format!("SELECT share_portfolio('hers', '{role}')"));
    run(&mut session, &format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    for view in VIEWS {
        run(&mut session, &format!("SELECT * FROM folio.{view}"));
        allowed(&mut session, "alice", &format!("SELECT * FROM folio.{view}"));
    }
    run(&mut session, "CALL refresh_outcomes()");
    allowed(&mut session, "alice", "CALL rebalance('hers')");
    let error = session.batch_execute("CALL rebalance('left', force => true)").expect_err("nobody's prices");
    let error = error.as_db_error().expect("an error of the server");
    assert_eq!(error.code().code(), "42704", "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("SET owner")), "{error:?}");
    run(&mut session, "UPDATE folio.portfolio SET owner = 'alice' WHERE name = 'left'");
    allowed(&mut session, "alice", "CALL rebalance('left', force => true)");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_name_in_an_open_transaction_is_not_waited_for_without_end() {
    let (database, mut session) = database();
    let mut his = database.session();
    run(&mut his, &format!("SET ROLE mallory; BEGIN; SELECT create_portfolio('core', {PORTFOLIO})"));
    let create = format!("SELECT create_portfolio('core', {PORTFOLIO})");
    let error = as_role(&mut session, "alice", &create).expect_err("the name is taken");
    let error = error.as_db_error().expect("an error of the server");
    assert_eq!(
        (error.code().code(), error.message()),
        ("55P03", "portfolio \"core\" is being made by another session")
    );
    // Her own patience, if she has set one, and it is as it was afterwards.
    run(&mut session, "SET lock_timeout = '100ms'");
    assert_eq!(refused(&mut session, "alice", &create), "55P03");
    allowed(&mut session, "alice", &create.replace("core", "mine"));
    assert_eq!(text(&mut session, "SHOW lock_timeout"), "100ms");
    run(&mut his, "ROLLBACK");
    allowed(&mut session, "alice", &create);
    assert_eq!(refused(&mut session, "mallory", &create), "42710");
}
