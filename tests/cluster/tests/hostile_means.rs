//! Strangers in one database, with the means that every database has: views without end, open transactions, default
//! privileges, plans that outlive a role, foreign servers, roles that come back under an old name. Against the cluster with
//! `cron.conf` only.

use cluster_tests::strangers::{
    TRAP, VIEWS, allowed, as_role, database, nobody_was_caught, refused, run, text, two_owners,
};
use cluster_tests::{Database, PATIENCE, RESULT_TABLES, backend, host, process, sqlstate, wait_for};
use postgres::{Client, SimpleQueryMessage};
use std::io::Read;
use std::thread;
use std::time::Instant;

/// What every cell says that a statement gives.
fn all_cells(session: &mut Client, statement: &str) -> String {
    let messages = session.simple_query(statement).unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    let mut cells = String::new();
    for message in &messages {
        if let SimpleQueryMessage::Row(row) = message {
            (0..row.len()).for_each(|i| cells += row.get(i).unwrap_or_default());
        }
    }
    cells
}

/// Prices of mallory's that come to no end, each in a way of its own.
const ENDLESS: [(&str, &str); 5] = [
    (
        "rows that are asked for",
        "SELECT 'AAPL' AS ticker, date '2022-11-02' AS ts, 1.0 AS close FROM generate_series(1, 1000000000000)",
    ),
    (
        "rows that nobody asks for",
        "SELECT 'ZZZ' || n AS ticker, date '2022-11-02' AS ts, 1.0 AS close FROM generate_series(1, 1000000000000) AS n",
    ),
    ("sleep", "SELECT 'AAPL' AS ticker, date '2022-11-02' AS ts, 1.0 AS close FROM pg_sleep(1000000)"),
    (
        "a loop that catches the cancel once",
        "SELECT 'AAPL' AS ticker, date '2022-11-02' AS ts, 1.0 AS close WHERE stash.stubborn()",
    ),
    (
        "the end of its own limit",
        "SELECT 'AAPL' AS ticker, date '2022-11-02' AS ts, 1.0 AS close WHERE stash.unlimited()",
    ),
];

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_relation_without_end_costs_others_a_limited_time_and_memory() {
    let (_database, mut session) = database();
    two_owners(&mut session);
    run(
        &mut session,
        "SET ROLE mallory;
         CREATE FUNCTION stash.stubborn() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
             BEGIN PERFORM pg_sleep(1000000); EXCEPTION WHEN query_canceled THEN NULL; END;
             PERFORM pg_sleep(1000000); RETURN true; END $$;
         CREATE FUNCTION stash.unlimited() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
             PERFORM set_config('folio.refresh_timeout', '0', false), set_config('statement_timeout', '0', false);
             PERFORM folio_internal.end_time_limit();
             PERFORM folio_internal.begin_time_limit(-1000000000);
             PERFORM pg_sleep(1000000); RETURN true; END $$;
         RESET ROLE;
         SET folio.refresh_timeout = '300ms'; SET folio.memory_limit = '64MB';
         CREATE VIEW public.right_prices AS SELECT * FROM public.prices; GRANT SELECT ON public.right_prices TO alice;
         UPDATE folio.portfolio SET prices = 'public.right_prices' WHERE name = 'hers'",
    );
    let pid = backend(&mut session);
    run(&mut session, "CALL refresh_outcomes()");
    for (name, view) in ENDLESS {
        run(
            &mut session,
            &format!(
                "SET ROLE mallory; CREATE OR REPLACE VIEW stash.endless AS SELECT ticker::text, ts, close::float8 FROM ({view}) AS e;
                 UPDATE folio.portfolio SET prices = 'stash.endless' WHERE name = 'his'; RESET ROLE;
                 DELETE FROM folio.value WHERE portfolio_id = 1; DELETE FROM folio.run WHERE kind = 'outcome'"
            ),
        );
        let before = process::resident(pid);
        process::forget_peak(pid);
        let start = Instant::now();
        run(&mut session, "CALL refresh_outcomes()");
        assert!(start.elapsed() < PATIENCE, "{name}: {:?}", start.elapsed());
        assert!(process::peak(pid) < before + (256 << 20), "{name}: {} bytes", process::peak(pid) - before);
        // What is hers is there, what is his has failed, and says so.
        assert_ne!(
            text(&mut session, "SELECT count(*)::text FROM folio.value WHERE portfolio_id = 1"),
            "0",
            "{name}"
        );
        let failed = "SELECT string_agg(DISTINCT sqlstate, ' ') FROM run_history WHERE kind = 'outcome' AND status = 'failed' AND portfolio = 'his'";
        let states = text(&mut session, failed);
        assert!(["57014", "53200", "53200 57014"].contains(&states.as_str()), "{name}: {states}");
        let others = "SELECT count(*)::text FROM run_history WHERE kind = 'outcome' AND status = 'failed' AND portfolio = 'hers'";
        assert_eq!(text(&mut session, others), "0", "{name}");
    }
    // A timer that is left would meet what comes later.
    run(&mut session, "SELECT pg_sleep(1.5)");
}

/// Functions of mallory's that fail in ways which are not like other failures, and the SQLSTATE that is written down.
const FAILING: [(&str, &str); 7] = [
    ("RAISE EXCEPTION 'feigned' USING ERRCODE = 'query_canceled'", "38000"),
    ("ASSERT false", "P0004"),
    ("RAISE EXCEPTION 'feigned' USING ERRCODE = 'admin_shutdown'", "57P01"),
    ("RAISE EXCEPTION 'feigned' USING ERRCODE = 'data_corrupted'", "XX001"),
    ("RAISE EXCEPTION '%', repeat('x', 30000000) USING DETAIL = repeat('x', 30000000)", "P0001"),
    ("RETURN stash.failing()", "54001"),
    ("PERFORM pg_cancel_backend(pg_backend_pid())", "42501"),
];

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn no_way_to_fail_stops_what_is_others() {
    let (_database, mut session) = database();
    two_owners(&mut session);
    run(
        &mut session,
        "SET ROLE mallory; CREATE FUNCTION stash.failing() RETURNS boolean LANGUAGE sql AS 'SELECT true';
         CREATE VIEW stash.failing AS SELECT ticker, ts, close FROM public.prices WHERE stash.failing();
         UPDATE folio.portfolio SET prices = 'stash.failing' WHERE name = 'his'; RESET ROLE;
         CREATE VIEW public.right_prices AS SELECT * FROM public.prices; GRANT SELECT ON public.right_prices TO alice;
         UPDATE folio.portfolio SET prices = 'public.right_prices' WHERE name = 'hers'",
    );
    for (body, expected) in FAILING {
        run(
            &mut session,
            &format!(
                "SET ROLE mallory;
                 CREATE OR REPLACE FUNCTION stash.failing() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN true; END $$; RESET ROLE;
                 DELETE FROM folio.value WHERE portfolio_id = 1; DELETE FROM folio.run WHERE kind = 'outcome'"
            ),
        );
        run(&mut session, "CALL refresh_outcomes()");
        assert_ne!(
            text(&mut session, "SELECT count(*)::text FROM folio.value WHERE portfolio_id = 1"),
            "0",
            "{body}"
        );
        let failed = "SELECT string_agg(DISTINCT coalesce(portfolio, 'none') || ' ' || sqlstate, ', ') FROM run_history WHERE kind = 'outcome' AND status = 'failed'";
        assert!(
            text(&mut session, failed).contains(&format!("his {expected}")),
            "{body}: {}",
            text(&mut session, failed)
        );
        assert!(!text(&mut session, failed).contains("hers"), "{body}: {}", text(&mut session, failed));
        let longest =
            "SELECT (max(octet_length(concat(message, detail, hint))) < 5000)::text FROM folio.failure";
        assert_eq!(text(&mut session, longest), "true", "{body}");
    }
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn many_relations_without_end_cost_no_more_than_one() {
    let (_database, mut session) = database();
    two_owners(&mut session);
    run(
        &mut session,
        "SET ROLE mallory; CREATE VIEW stash.sleepy AS SELECT 'AAPL'::text AS ticker, date '2022-11-02' AS ts, 1.0::float8 AS close FROM pg_sleep(1000000);
         INSERT INTO folio.portfolio (name, prices) SELECT 'sleepy ' || n, 'stash.sleepy' FROM generate_series(1, 40) AS n;
         INSERT INTO folio.run (kind, portfolio_id, settings) SELECT 'rebalance', portfolio_id, '{}' FROM folio.portfolio WHERE name LIKE 'sleepy%';
         UPDATE folio.portfolio SET prices = 'stash.sleepy' WHERE name = 'his'; RESET ROLE;
         SET folio.refresh_timeout = '2s'",
    );
    let start = Instant::now();
    run(&mut session, "CALL refresh_outcomes()");
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    assert_ne!(text(&mut session, "SELECT count(*)::text FROM folio.value WHERE portfolio_id = 1"), "0");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn the_callers_own_cancel_is_his_and_no_failure_of_a_portfolio() {
    let (database, mut session) = database();
    two_owners(&mut session);
    run(
        &mut session,
        "SET ROLE mallory; CREATE VIEW stash.sleepy AS SELECT 'AAPL'::text AS ticker, date '2022-11-02' AS ts, 1.0::float8 AS close FROM pg_sleep(1000000);
         UPDATE folio.portfolio SET prices = 'stash.sleepy' WHERE name = 'his'; RESET ROLE",
    );
    let pid = backend(&mut session);
    let mut other = database.session();
    let call = thread::spawn(move || (sqlstate(session.batch_execute("CALL refresh_outcomes()")), session));
    let sleeps = format!("SELECT (wait_event = 'PgSleep')::text FROM pg_stat_activity WHERE pid = {pid}");
    wait_for("nobody reads the view", || text(&mut other, &sleeps) == "true");
    run(&mut other, &format!("SELECT pg_cancel_backend({pid})"));
    let (state, mut session) = call.join().expect("the session");
    assert_eq!(state, "57014");
    // So is a timeout of his own.
    run(&mut session, "SET statement_timeout = '200ms'");
    assert_eq!(sqlstate(session.batch_execute("CALL refresh_outcomes()")), "57014");
    run(&mut session, "RESET statement_timeout");
    assert_eq!(text(&mut session, "SELECT count(*)::text FROM folio.run WHERE kind = 'outcome'"), "0");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn rows_in_an_open_transaction_are_not_waited_for_without_end() {
    let (database, mut session) = database();
    two_owners(&mut session);
    run(&mut session, "CALL refresh_outcomes()");
    let mut his = database.session();
    // Every day of his is another value now, so that whoever refreshes would write it.
    run(
        &mut his,
        "SET ROLE mallory; UPDATE folio.outcome SET actual = 1; UPDATE folio.value SET value = 2; BEGIN;
         UPDATE folio.outcome SET actual = 3; UPDATE folio.value SET value = 4",
    );
    run(&mut session, "SET folio.refresh_timeout = '300ms'; CALL refresh_outcomes()");
    let failed = "SELECT string_agg(DISTINCT coalesce(portfolio, 'forecasts') || ' ' || sqlstate, ', ') FROM run_history WHERE kind = 'outcome' AND status = 'failed'";
    assert_eq!(text(&mut session, failed), "forecasts 57014, his 57014");
    allowed(&mut session, "alice", "CALL rebalance('hers', force => true)");
    run(&mut his, "ROLLBACK");
    run(&mut session, "CALL refresh_outcomes()");
    assert_eq!(text(&mut session, "SELECT count(*)::text FROM folio.value WHERE value = 2"), "0");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn default_privileges_give_nobody_the_desks_tables() {
    let database = Database::bare();
    let mut session = database.session();
    // The roles are of the whole cluster.
    drop(cluster_tests::strangers::database());
    let objects = ["TABLES", "SEQUENCES", "FUNCTIONS", "TYPES"];
    for object in objects {
        run(
            &mut session,
            &format!(
                "ALTER DEFAULT PRIVILEGES GRANT ALL ON {object} TO mallory; ALTER DEFAULT PRIVILEGES GRANT ALL ON {object} TO PUBLIC"
            ),
        );
    }
    run(&mut session, "CREATE EXTENSION pg_folio");
    for role in ["mallory", "nobody"] {
        for table in RESULT_TABLES {
            for privilege in ["INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"] {
                let has =
                    format!("SELECT has_table_privilege('{role}', 'folio.{table}', '{privilege}')::text");
                assert_eq!(text(&mut session, &has), "false", "{role}: {table}: {privilege}");
            }
        }
        let open = format!(
            "SELECT concat((SELECT string_agg(oid::regprocedure::text, ' ') FROM pg_proc WHERE pronamespace = 'folio_internal'::regnamespace
                     AND has_function_privilege('{role}', oid, 'EXECUTE') AND proname NOT IN ('require_desk', 'refuse', 'jobs')),
                (SELECT string_agg(oid::regclass::text, ' ') FROM pg_class WHERE relnamespace = 'folio'::regnamespace
                     AND CASE WHEN relkind = 'S' THEN has_sequence_privilege('{role}', oid, 'USAGE, UPDATE') END))"
        );
        assert_eq!(text(&mut session, &open), "", "{role}");
    }
    // Where others may create in every schema that is made, the extension is in none.
    let database = Database::bare();
    let mut session = database.session();
    run(&mut session, "ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO mallory");
    assert_eq!(sqlstate(session.batch_execute("CREATE EXTENSION pg_folio")), "42P06");
    run(
        &mut session,
        "SET client_min_messages = error; CREATE SCHEMA folio; REVOKE ALL ON SCHEMA folio FROM mallory; CREATE EXTENSION pg_folio",
    );
    assert_eq!(
        text(&mut session, "SELECT has_schema_privilege('mallory', 'folio_internal', 'CREATE')::text"),
        "false"
    );
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn no_way_of_reading_shows_what_is_somebody_elses() {
    let (database, mut session) = database();
    two_owners(&mut session);
    run(
        &mut session,
        "UPDATE folio.portfolio SET name = 'hers_secret', views = '[\"AAPL = 12.34%\"]' WHERE name = 'hers'",
    );
    run(&mut session, "ANALYZE");
    let mut his = database.session();
    run(
        &mut his,
        "SET ROLE mallory; SET search_path = stash, folio, public;
         CREATE VIEW stash.as_mallory AS SELECT * FROM folio.portfolio;
         CREATE VIEW stash.as_whoever WITH (security_invoker = true) AS SELECT * FROM folio.portfolio;
         CREATE FUNCTION stash.definer() RETURNS SETOF folio.portfolio LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM folio.portfolio';
         CREATE MATERIALIZED VIEW stash.copied AS SELECT * FROM folio.portfolio",
    );
    for statement in [
        "SELECT query_to_xml('SELECT * FROM folio.portfolio', true, true, '')",
        "SELECT table_to_xml('folio.portfolio', true, true, '')",
        "SELECT schema_to_xml('folio', true, true, '')",
        "SELECT cursor_to_xml('c', 1000, true, true, '') FROM (SELECT 1) AS x LIMIT 0",
        "EXPLAIN (ANALYZE, VERBOSE, COSTS, BUFFERS) SELECT * FROM folio.portfolio",
        "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM folio.current_weight, folio.run_history",
        "SELECT * FROM folio.portfolio TABLESAMPLE SYSTEM (100)",
        "SELECT * FROM ONLY folio.portfolio WHERE ctid IN ('(0,1)', '(0,2)', '(0,3)')",
        "SELECT p.*, p.xmin, p.cmin, p.tableoid FROM folio.portfolio AS p",
        "SELECT row_to_json(p), p::text, to_jsonb(p), hstore FROM folio.portfolio AS p, (VALUES (1)) AS h(hstore)",
        "BEGIN; DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT * FROM folio.portfolio; COMMIT; FETCH ALL FROM c; FETCH BACKWARD ALL FROM c",
        "WITH RECURSIVE r AS (SELECT * FROM folio.portfolio UNION SELECT * FROM r) SELECT * FROM r",
        "SELECT (SELECT string_agg(name, ',') FROM folio.portfolio), (SELECT max(views::text) FROM folio.portfolio)",
        "SELECT * FROM folio.portfolio AS a FULL JOIN folio.portfolio AS b ON a.portfolio_id = b.portfolio_id + 1",
        "SELECT * FROM stash.as_mallory; SELECT * FROM stash.as_whoever; SELECT * FROM stash.definer(); SELECT * FROM stash.copied",
        "SELECT * FROM pg_stats WHERE schemaname = 'folio'; SELECT most_common_vals FROM pg_stats_ext WHERE schemaname = 'folio'",
        "SELECT query FROM pg_stat_activity WHERE usename <> current_user; SELECT * FROM folio.progress",
        "SELECT * FROM folio.running_calls()",
        "SELECT folio.weights_chart('his')",
    ] {
        let seen = all_cells(&mut his, statement);
        assert!(!seen.contains("hers_secret") && !seen.contains("12.34"), "{statement}: {seen}");
    }
    // The owner of such a function is not who looks: mallory's own rights, whoever calls.
    let seen = all_cells(
        &mut session,
        "SELECT * FROM stash.definer(); REFRESH MATERIALIZED VIEW stash.copied; TABLE stash.copied",
    );
    assert!(!seen.contains("hers_secret"), "{seen}");
    for copy in ["COPY folio.portfolio TO STDOUT", "COPY (TABLE folio.portfolio) TO STDOUT"] {
        let mut copied = String::new();
        his.copy_out(copy).expect("COPY").read_to_string(&mut copied).expect("what was copied");
        assert!(copied.contains("his") && !copied.contains("hers_secret"), "{copied}");
    }
    // An error says no more than a look does.
    for statement in [
        "SELECT 1 / (CASE WHEN name = 'hers_secret' THEN 0 ELSE 1 END) FROM folio.portfolio",
        "SELECT name::integer FROM folio.portfolio",
        "SELECT ('{' || name || '}')::jsonb FROM folio.portfolio",
        "CALL rebalance('hers_secre')",
        "SELECT drop_portfolio('hers_secre')",
        "SELECT weights_chart('hers_secre')",
        "INSERT INTO folio.value VALUES (1, now(), 1) ON CONFLICT (portfolio_id, ts) DO UPDATE SET value = 1 RETURNING *",
        "INSERT INTO folio.weight (run_id, ticker) VALUES (1, 'AAPL') ON CONFLICT DO NOTHING RETURNING *",
        "SET row_security = off; SELECT * FROM folio.portfolio",
    ] {
        if let Err(error) = his.batch_execute(statement) {
            let error = format!("{:?}", error.as_db_error());
            assert!(!error.contains("hers_secret") && !error.contains("12.34"), "{statement}: {error}");
        }
        run(&mut his, "SET row_security = on");
    }
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_plan_that_is_kept_is_nobodys_right() {
    let (_database, mut session) = database();
    two_owners(&mut session);
    run(&mut session, "SET plan_cache_mode = force_generic_plan");
    let names = |session: &mut Client, role: &str| {
        run(session, &format!("SET ROLE {role}"));
        let names = text(session, "EXECUTE looked");
        run(session, "RESET ROLE");
        names
    };
    run(&mut session, "PREPARE looked AS SELECT string_agg(name, ' ' ORDER BY name) FROM folio.portfolio");
    for (role, seen) in
        [("postgres", "hers his"), ("alice", "hers"), ("mallory", "his"), ("reader", ""), ("alice", "hers")]
    {
        assert_eq!(names(&mut session, role), seen, "{role}");
    }
    // Plans of the desk's own functions, made for one role and used for the next in a pooled session.
    for _ in 0..7 {
        allowed(&mut session, "alice", "SELECT rebalance_now('hers')");
        allowed(&mut session, "alice", "SELECT share_portfolio('hers', 'desk_team')");
        for statement in [
            "SELECT rebalance_now('hers')",
            "SELECT share_portfolio('hers', 'mallory')",
            "SELECT delete_runs('hers', now())",
            "SELECT drop_portfolio('hers')",
            "CALL refresh_outcomes('hers')",
        ] {
            assert_eq!(refused(&mut session, "mallory", statement), "42704", "{statement}");
        }
    }
    assert_eq!(
        text(
            &mut session,
            "SELECT count(*)::text FROM folio.portfolio WHERE name = 'hers' AND shared_with = '{desk_team}'"
        ),
        "1"
    );
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn who_takes_an_old_name_takes_nothing_else() {
    let (database, mut session) = database();
    let (old, new) = (format!("gone_{}", database.name()), format!("renamed_{}", database.name()));
    run(
        &mut session,
        &format!("CREATE ROLE {old} LOGIN; GRANT SELECT ON prices TO {old}; SELECT grant_desk('{old}')"),
    );
    allowed(
        &mut session,
        &old,
        "SELECT create_portfolio('kept', tickers => '{AAPL,GE}', horizon => 2, models => '{naive}')",
    );
    allowed(&mut session, &old, "CALL rebalance('kept')");
    run(
        &mut session,
        &format!(
            "ALTER ROLE {old} RENAME TO {new}; CREATE ROLE {old} LOGIN; GRANT SELECT ON prices TO {old}; SELECT grant_desk('{old}')"
        ),
    );
    // The job of pg_cron is of a user by his name, so it would run as the new one.
    let runs = "SELECT count(*)::text FROM folio.run";
    let before = text(&mut session, runs);
    allowed(&mut session, &old, "CALL rebalance_portfolio(1)");
    assert_eq!(text(&mut session, runs), before, "to him there is no such portfolio");
    for (statement, state) in [
        ("CALL rebalance('kept')", "42704"),
        ("SELECT drop_portfolio('kept')", "42704"),
        ("SELECT unschedule_rebalance('kept')", "42704"),
    ] {
        assert_eq!(refused(&mut session, &old, statement), state, "{statement}");
    }
    for view in VIEWS.iter().filter(|view| **view != "run_lock") {
        run(&mut session, &format!("SET ROLE {old}"));
        assert_eq!(text(&mut session, &format!("SELECT count(*)::text FROM folio.{view}")), "0", "{view}");
        run(&mut session, "RESET ROLE");
    }
    allowed(&mut session, &new, "CALL rebalance('kept', force => true)");
    // What a role drops or gives away of its own leaves others where they were.
    two_owners(&mut session);
    let hers = "SELECT md5(string_agg(p::text, ';' ORDER BY portfolio_id)) FROM folio.portfolio AS p WHERE name = 'hers'";
    let before = text(&mut session, hers);
    allowed(&mut session, "mallory", "DROP OWNED BY mallory");
    assert_eq!(refused(&mut session, "mallory", "REASSIGN OWNED BY mallory TO alice"), "42501");
    assert_eq!(text(&mut session, hers), before);
    allowed(&mut session, "alice", "CALL rebalance('hers', force => true)");
    run(&mut session, "CALL refresh_outcomes()");
    allowed(&mut session, "mallory", "CALL rebalance('his', force => true)");
    run(
        &mut session,
        &format!("SELECT drop_portfolio('kept'); DROP OWNED BY {old}, {new}; DROP ROLE {old}, {new}"),
    );
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_foreign_table_is_read_without_the_callers_own_way_in() {
    let (database, mut session) = database();
    two_owners(&mut session);
    run(
        &mut session,
        "CREATE EXTENSION postgres_fdw; GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO mallory",
    );
    // The socket trusts everybody, so whoever may connect without a password is the superuser there.
    run(
        &mut session,
        &format!(
            "SET ROLE mallory;
             CREATE SERVER back FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{}', port '5432', dbname '{}');
             CREATE USER MAPPING FOR mallory SERVER back OPTIONS (user 'postgres');
             CREATE FOREIGN TABLE stash.away (ticker text, ts date, close float8) SERVER back OPTIONS (schema_name 'public', table_name 'prices');
             RESET ROLE",
            host(),
            database.name()
        ),
    );
    assert_eq!(
        refused(
            &mut session,
            "mallory",
            "CREATE USER MAPPING FOR PUBLIC SERVER back OPTIONS (user 'postgres', password_required 'false')"
        ),
        "42501"
    );
    allowed(&mut session, "mallory", "UPDATE folio.portfolio SET prices = 'stash.away' WHERE name = 'his'");
    // The superuser's own right to connect without a password is not lent.
    assert_eq!(sqlstate(session.batch_execute("CALL rebalance('his', force => true)")), "2F003");
    run(&mut session, "CALL refresh_outcomes()");
    let failed = "SELECT string_agg(DISTINCT portfolio || ' ' || sqlstate, ', ') FROM run_history WHERE kind = 'outcome' AND status = 'failed'";
    assert_eq!(text(&mut session, failed), "his 2F003");
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn code_that_runs_while_a_query_is_planned_runs_as_the_owner_too() {
    let (_database, mut session) = database();
    run(&mut session, TRAP);
    two_owners(&mut session);
    let kinds = [
        ("folded", "CREATE FUNCTION stash.constant() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN stash.trap('folded'); END $$;
                    CREATE VIEW stash.folded AS SELECT ticker, ts, close FROM public.prices WHERE stash.constant()"),
        ("estimated", "CREATE FUNCTION stash.constant_day() RETURNS date LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM stash.trap('estimated'); RETURN '2000-01-01'; END $$;
                       CREATE VIEW stash.estimated AS SELECT ticker, ts, close FROM public.prices WHERE ts > stash.constant_day()"),
        ("predicate", "CREATE TABLE stash.predicate AS SELECT * FROM public.prices;
                       CREATE FUNCTION stash.always(float8) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN stash.trap('predicate'); END $$;
                       CREATE INDEX ON stash.predicate (ticker) WHERE stash.always(close)"),
        ("limited", "CREATE FUNCTION stash.count() RETURNS bigint LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM stash.trap('limit'); RETURN 1000000; END $$;
                     CREATE VIEW stash.limited AS SELECT ticker, ts, close FROM public.prices LIMIT stash.count()"),
        ("set_returning", "CREATE FUNCTION stash.rows() RETURNS SETOF public.prices LANGUAGE plpgsql AS $$ BEGIN PERFORM stash.trap('rows'); RETURN QUERY SELECT * FROM public.prices; END $$;
                           CREATE VIEW stash.set_returning AS SELECT ticker, ts, close FROM stash.rows()"),
        ("aggregated", "CREATE FUNCTION stash.step(float8, float8) RETURNS float8 LANGUAGE plpgsql AS $$ BEGIN PERFORM stash.trap('aggregate'); RETURN $2; END $$;
                        CREATE AGGREGATE stash.last(float8) (SFUNC = stash.step, STYPE = float8);
                        CREATE VIEW stash.aggregated AS SELECT ticker, ts, stash.last(close) AS close FROM public.prices WHERE ticker IN ('AAPL', 'GE', 'XOM') AND ts > '2022-06-01' GROUP BY ticker, ts"),
    ];
    for (name, create) in kinds {
        run(&mut session, &format!("SET ROLE mallory; {create}; RESET ROLE; DELETE FROM stash.loot"));
        run(
            &mut session,
            &format!(
                "SET ROLE mallory; UPDATE folio.portfolio SET prices = 'stash.{name}' WHERE name = 'his'; RESET ROLE"
            ),
        );
        for statement in [
            "CALL rebalance('his', force => true)",
            "SELECT rebalance_now('his', force => true)",
            "CALL refresh_outcomes()",
        ] {
            run(&mut session, statement);
        }
        // An index that nobody's plan asks about runs nothing.
        if name != "predicate" {
            assert_ne!(
                text(&mut session, "SELECT count(*)::text FROM stash.loot"),
                "0",
                "{name}: the trap was never run"
            );
        }
        nobody_was_caught(&mut session);
    }
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn what_a_runner_writes_into_his_rows_harms_him_alone() {
    let (_database, mut session) = database();
    run(&mut session, TRAP);
    two_owners(&mut session);
    // No row is so large that those who look at others wait for it.
    for (statement, state) in [
        ("SELECT create_portfolio(repeat('x', 1000000))", "22023"),
        ("INSERT INTO folio.portfolio (name, prices) VALUES (repeat('x', 1025), 'public.prices')", "23514"),
        ("UPDATE folio.portfolio SET name = repeat('x', 1000000) WHERE name = 'his'", "23514"),
        (
            "UPDATE folio.portfolio SET shared_with = ARRAY(SELECT n::text::regrole FROM generate_series(100000, 1100000) AS n) WHERE name = 'his'",
            "23514",
        ),
    ] {
        assert_eq!(refused(&mut session, "mallory", statement), state, "{statement}");
    }
    allowed(
        &mut session,
        "mallory",
        "SELECT create_portfolio(repeat('x', 1024), tickers => '{AAPL}', models => '{naive}', horizon => 1)",
    );
    // Columns that are his to write, with what no run of ours would write there.
    for change in [
        "time_zone = 'no/where'",
        "time_zone = ''",
        "time_zone = repeat('x', 1000000)",
        "tickers = '{NULL}'",
        "tickers = NULL",
        "forecast_run_id = 1",
        "forecast_run_id = -1",
        "as_of = 'infinity'",
        "as_of = '4713-01-01 BC'",
        "fingerprint = ''",
        "turnover = 'NaN'",
    ] {
        let _ = as_role(
            &mut session,
            "mallory",
            &format!("UPDATE folio.run SET {change} WHERE status = 'succeeded'"),
        );
        run(&mut session, "CALL refresh_outcomes()");
        allowed(&mut session, "alice", "CALL rebalance('hers', force => true)");
        for view in VIEWS {
            run(&mut session, &format!("SELECT * FROM folio.{view}"));
            allowed(&mut session, "alice", &format!("SELECT * FROM folio.{view}"));
        }
    }
    let others = "SELECT count(*)::text FROM run_history WHERE status = 'failed' AND portfolio = 'hers'";
    assert_eq!(text(&mut session, others), "0");
    nobody_was_caught(&mut session);
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn temporary_objects_of_a_session_take_nothings_place() {
    let (database, mut session) = database();
    run(&mut session, TRAP);
    two_owners(&mut session);
    // As a library that somebody else has written leaves them in the session of whoever uses it.
    for (role, name) in [("alice", "hers"), ("postgres", "hers")] {
        let mut victim = database.session();
        run(
            &mut victim,
            &format!(
                "SET ROLE {role}; GRANT USAGE ON SCHEMA stash TO {role};
                 CREATE TEMP TABLE portfolio (portfolio_id integer, name text, owner regrole); CREATE TEMP TABLE run (run_id bigint);
                 CREATE TEMP TABLE prices (ticker text, ts date, close float8); CREATE TEMP TABLE pg_class (oid oid); CREATE TEMP TABLE pg_roles (rolname name);
                 CREATE TEMP VIEW weight AS SELECT stash.trap('weight'); CREATE TEMP VIEW run_lock AS SELECT stash.trap('run_lock');
                 CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (stash.trap('text')); CREATE DOMAIN pg_temp.int4 AS pg_catalog.int4 CHECK (stash.trap('int4'));
                 CREATE DOMAIN pg_temp.regrole AS pg_catalog.regrole CHECK (stash.trap('regrole')); CREATE DOMAIN pg_temp.timestamptz AS pg_catalog.timestamptz CHECK (stash.trap('timestamptz'));
                 SET search_path = pg_temp, folio, public"
            ),
        );
        for statement in [
            format!("CALL folio.rebalance('{name}', force => true)"),
            format!("SELECT folio.rebalance_now('{name}', force => true)"),
            "CALL folio.refresh_outcomes()".to_owned(),
            format!(
                "SELECT folio.share_portfolio('{name}', 'reader'), folio.unshare_portfolio('{name}', 'reader')"
            ),
            "SELECT * FROM folio.run_history, folio.current_weight, folio.forecast_accuracy".to_owned(),
            format!("SELECT folio.weights_chart('{name}')"),
            "SELECT folio.forecast_fingerprint(prices => 'public.prices')".to_owned(),
        ] {
            run(&mut victim, &statement);
        }
    }
    nobody_was_caught(&mut session);
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_job_under_a_portfolios_name_is_its_makers_own() {
    let mut session = cluster_tests::connect("postgres");
    run(&mut session, "CREATE EXTENSION IF NOT EXISTS pg_cron");
    // The roles are of the whole cluster.
    drop(database());
    run(
        &mut session,
        "SET client_min_messages = warning; DROP EXTENSION IF EXISTS pg_folio CASCADE; CREATE EXTENSION pg_folio",
    );
    run(&mut session, "SET search_path = public, folio; GRANT USAGE ON SCHEMA cron TO mallory, alice; SELECT grant_desk('alice'), grant_desk('mallory');
         DROP TABLE IF EXISTS job_prices; CREATE TABLE job_prices AS SELECT 'A'::text AS ticker, date '2024-01-01' + d AS ts, 100.0::float8 + d AS close FROM generate_series(1, 90) AS d;
         GRANT SELECT ON job_prices TO alice, mallory");
    run(
        &mut session,
        "SET ROLE alice; SELECT create_portfolio('of alice', tickers => '{A}', models => '{naive}', horizon => 1, prices => 'public.job_prices'); RESET ROLE",
    );
    let id = text(&mut session, "SELECT portfolio_id::text FROM folio.portfolio WHERE name = 'of alice'");
    let spoof = format!(
        "SELECT cron.schedule('folio portfolio {id} of postgres', '0 0 1 1 *', 'CALL folio.rebalance_portfolio({id})')"
    );
    let jobs =
        "SELECT string_agg(DISTINCT username, ' ') FROM cron.job WHERE jobname LIKE 'folio portfolio%'";
    run(&mut session, &format!("SET ROLE mallory; {spoof}; RESET ROLE"));
    assert_eq!(text(&mut session, jobs), "mallory");
    // It runs as mallory, to whom there is no such portfolio, so it does nothing and ends itself.
    let runs = "SELECT count(*)::text FROM folio.run";
    let before = text(&mut session, runs);
    allowed(&mut session, "mallory", &format!("CALL folio.rebalance_portfolio({id})"));
    assert_eq!(text(&mut session, runs), before);
    assert_eq!(text(&mut session, jobs), "");
    // One that is left goes with the portfolio like every job of its name.
    run(&mut session, &format!("SET ROLE mallory; {spoof}; RESET ROLE"));
    run(&mut session, "SET ROLE alice; SELECT drop_portfolio('of alice'); RESET ROLE");
    assert_eq!(
        text(
            &mut session,
            &format!(
                "SELECT count(*)::text FROM cron.job WHERE jobname = 'folio portfolio {id} of postgres'"
            )
        ),
        "0"
    );
    run(
        &mut session,
        "SELECT cron.unschedule(jobid) FROM cron.job; DROP TABLE job_prices; SELECT revoke_desk('alice'), revoke_desk('mallory'); REVOKE USAGE ON SCHEMA cron FROM mallory, alice; DROP EXTENSION pg_folio",
    );
}
