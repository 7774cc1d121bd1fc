//! Strangers in one database: an attacker, a runner, a reader, a role with nothing; portfolios of two of them, and code that an
//! attacker wants to run as somebody else.

use crate::{Database, sqlstate};
use postgres::Client;

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
pub const TRAP: &str = "
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

/// The arguments of a small portfolio.
pub const PORTFOLIO: &str = "tickers => '{AAPL,GE,XOM}', horizon => 3, models => '{naive,drift}'";

/// A database with the roles, and a session of the superuser in it.
pub fn database() -> (Database, Client) {
    let database = Database::with_prices();
    let mut session = database.session();
    run(&mut session, ROLES);
    (database, session)
}

/// Runs what must succeed.
pub fn run(session: &mut Client, statement: &str) {
    session.batch_execute(statement).unwrap_or_else(|error| panic!("{statement}: {error:?}"));
}

/// The first column of the only row; empty for NULL.
pub fn text(session: &mut Client, query: &str) -> String {
    let row = session.query_one(query, &[]).unwrap_or_else(|error| panic!("{query}: {error:?}"));
    row.get::<_, Option<String>>(0).unwrap_or_default()
}

/// Runs a statement as a role, and goes back to the superuser.
pub fn as_role(session: &mut Client, role: &str, statement: &str) -> Result<(), postgres::Error> {
    run(session, &format!("SET ROLE {role}"));
    let result = session.batch_execute(statement);
    run(session, "ROLLBACK; RESET ROLE");
    result
}

/// What a role may do.
pub fn allowed(session: &mut Client, role: &str, statement: &str) {
    as_role(session, role, statement).unwrap_or_else(|error| panic!("{role}: {statement}: {error:?}"));
}

/// What a role may not do; the SQLSTATE that says so.
pub fn refused(session: &mut Client, role: &str, statement: &str) -> String {
    let result = as_role(session, role, statement);
    assert!(result.is_err(), "{role}: {statement}");
    sqlstate(result)
}

/// Makes a portfolio of alice's and one of mallory's, both with a run.
pub fn two_owners(session: &mut Client) {
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
pub fn nobody_was_caught(session: &mut Client) {
    let caught = text(
        session,
        "SELECT string_agg(DISTINCT who || ': ' || how, ', ') FROM stash.loot WHERE who <> 'mallory'",
    );
    assert_eq!(caught, "");
    assert_eq!(text(session, "SELECT rolsuper::text FROM pg_roles WHERE rolname = 'mallory'"), "false");
}

/// The views of the desk.
pub const VIEWS: [&str; 10] = [
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
