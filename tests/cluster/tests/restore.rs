//! A desk comes back: by whoever restores, over what is there, and where roles are missing. Against the cluster with
//! `cron.conf` only.

use cluster_tests::strangers::{allowed, database, refused, run, text, two_owners};
use cluster_tests::{Database, RESULT_TABLES, host, program};
use postgres::Client;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A database's dump in the custom format; its file goes with the value.
struct Dump(PathBuf);

impl Dump {
    fn of(database: &Database) -> Self {
        let file = std::env::temp_dir().join(format!("{}.dump", database.name()));
        let dumped =
            client("pg_dump", "postgres").args(["-F", "c", "-f"]).arg(&file).arg(database.name()).output();
        succeeded(&dumped.expect("pg_dump"));
        Self(file)
    }

    fn restore(&self, role: &str, database: &Database, arguments: &[&str]) -> Output {
        let mut restore = client("pg_restore", role);
        restore.args(["-d", database.name()]).args(arguments).arg(&self.0).output().expect("pg_restore")
    }
}

impl Drop for Dump {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn client(name: &str, role: &str) -> Command {
    let mut command = Command::new(program(name));
    command.args(["-h", &host(), "-U", role]);
    command
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// How many rows each table of the desk has, and their digest.
fn contents(session: &mut Client) -> Vec<String> {
    let of = |table: &&str| {
        let digest = format!(
            "SELECT concat('{table} ', count(*), ' ', md5(string_agg(t::text, ';' ORDER BY t::text))) FROM folio.{table} AS t"
        );
        text(session, &digest)
    };
    RESULT_TABLES.iter().map(of).collect()
}

/// The desk works: its owner runs, another one may not, and no id is given twice.
fn assert_alive(session: &mut Client) {
    allowed(session, "alice", "CALL rebalance('hers', force => true)");
    assert_eq!(refused(session, "mallory", "CALL rebalance('hers')"), "42704");
    let newest = "SELECT (max(run_id) = (SELECT last_value FROM folio.run_run_id_seq))::text FROM folio.run";
    assert_eq!(text(session, newest), "true");
    allowed(
        session,
        "alice",
        "SELECT create_portfolio('another', tickers => '{GE,KO}', models => '{naive}')",
    );
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_restore_over_a_desk_that_is_there_gives_back_the_dump() {
    let (database, mut session) = database();
    two_owners(&mut session);
    run(
        &mut session,
        "CREATE VIEW public.held AS SELECT portfolio, ticker, weight FROM folio.current_weight;
         CREATE MATERIALIZED VIEW public.stored AS SELECT * FROM folio.run_history;
         CREATE TABLE public.watched (portfolio folio.portfolio, of folio.run[]);
         CREATE FUNCTION public.first_of(portfolio) RETURNS text LANGUAGE sql AS 'SELECT $1.name'",
    );
    let expected = contents(&mut session);
    let dump = Dump::of(&database);
    for jobs in ["1", "4"] {
        // What came after the dump goes.
        allowed(&mut session, "alice", "CALL rebalance('hers', force => true)");
        allowed(&mut session, "mallory", "SELECT drop_portfolio('his')");
        let arguments = ["--clean", "--if-exists", "--exit-on-error", "-j", jobs];
        succeeded(&dump.restore("postgres", &database, &arguments));
        session = database.session();
        assert_eq!(contents(&mut session), expected, "{jobs} jobs");
        assert_ne!(text(&mut session, "SELECT count(*)::text FROM public.held"), "0");
    }
    assert_alive(&mut session);
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn what_misses_its_role_comes_when_the_role_is_there() {
    let (database, mut session) = database();
    two_owners(&mut session);
    let leaver = format!("leaver_{}", database.name());
    run(
        &mut session,
        &format!(
            "CREATE ROLE {leaver}; SELECT grant_desk('{leaver}'); GRANT SELECT ON prices TO {leaver}; GRANT {leaver} TO CURRENT_USER"
        ),
    );
    allowed(
        &mut session,
        &leaver,
        "SELECT create_portfolio('theirs', tickers => '{GE,KO}', horizon => 2, models => '{naive}')",
    );
    allowed(&mut session, &leaver, "CALL rebalance('theirs')");
    allowed(&mut session, "alice", &format!("SELECT share_portfolio('hers', '{leaver}')"));
    let expected = contents(&mut session);
    let dump = Dump::of(&database);
    run(&mut session, &format!("DROP OWNED BY {leaver}; DROP ROLE {leaver}"));

    let copy = Database::bare();
    let first = dump.restore("postgres", &copy, &["-j", "2"]);
    let said = String::from_utf8_lossy(&first.stderr).into_owned();
    assert!(!first.status.success() && said.contains(&format!("role \"{leaver}\" does not exist")), "{said}");
    let mut restored = copy.session();
    // Results without their run are nobody's: not those of whoever comes first either.
    assert_ne!(text(&mut restored, "SELECT count(*)::text FROM folio.weight"), "0");
    allowed(
        &mut restored,
        "mallory",
        "DO $$ BEGIN ASSERT (SELECT count(*) FROM folio.weight) = 0 AND (SELECT count(*) FROM folio.forecast) = 0; END $$",
    );
    for table in ["weight", "forecast", "value", "failure"] {
        let state = refused(&mut restored, "mallory", &format!("DELETE FROM folio.{table}"));
        assert_eq!(state, "42501", "{table}");
    }
    // A grant to nobody takes those of its table to others with it.
    run(
        &mut restored,
        "SELECT grant_desk('alice'), grant_desk('mallory'); GRANT SELECT ON prices TO alice, mallory",
    );
    // What is new does not meet what is still to come.
    allowed(
        &mut restored,
        "mallory",
        "SELECT create_portfolio('early', tickers => '{GE,KO}', models => '{naive}')",
    );
    allowed(&mut restored, "mallory", "CALL rebalance('early')");
    run(&mut restored, &format!("CREATE ROLE {leaver}; SELECT drop_portfolio('early')"));
    let again = dump.restore("postgres", &copy, &["-a", "-n", "folio", "-j", "2"]);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(
        said.lines().filter(|line| line.contains("ERROR")).all(|line| line.contains("duplicate key")),
        "{said}"
    );
    assert_eq!(contents(&mut restored), expected);
    assert_alive(&mut restored);
    run(
        &mut restored,
        &format!(
            "SELECT grant_desk('{leaver}'); GRANT SELECT ON prices TO {leaver}; GRANT {leaver} TO CURRENT_USER"
        ),
    );
    allowed(&mut restored, &leaver, "CALL rebalance('theirs', force => true)");
    drop(restored);
    drop(copy);
    run(&mut session, &format!("DROP ROLE {leaver}"));
}

#[test]
#[cfg_attr(not(feature = "cron"), ignore = "needs pg_cron")]
fn a_role_that_is_no_superuser_restores_with_what_the_documentation_grants() {
    let (database, mut session) = database();
    two_owners(&mut session);
    let expected = contents(&mut session);
    let dump = Dump::of(&database);
    let restorer = format!("restorer_{}", database.name());
    run(&mut session, &format!("CREATE ROLE {restorer} LOGIN BYPASSRLS"));

    let copy = Database::with_prices();
    let mut restored = copy.session();
    let only_the_desk = ["-a", "-n", "folio", "-j", "2", "--exit-on-error"];
    assert!(!dump.restore(&restorer, &copy, &only_the_desk).status.success());
    run(
        &mut restored,
        &format!(
            "GRANT INSERT ON ALL TABLES IN SCHEMA folio TO {restorer}; GRANT UPDATE ON ALL SEQUENCES IN SCHEMA folio TO {restorer}"
        ),
    );
    succeeded(&dump.restore(&restorer, &copy, &only_the_desk));
    assert_eq!(contents(&mut restored), expected);
    // No more than that: he locks, changes and deletes nothing.
    for statement in [
        "DELETE FROM folio.run",
        "BEGIN; LOCK TABLE folio.run",
        "UPDATE folio.portfolio SET owner = current_user::regrole",
    ] {
        assert_eq!(refused(&mut restored, &restorer, statement), "42501", "{statement}");
    }
    run(
        &mut restored,
        &format!("DROP OWNED BY {restorer}; SELECT grant_desk('alice'), grant_desk('mallory')"),
    );
    run(&mut restored, "GRANT SELECT ON prices TO alice");
    assert_alive(&mut restored);
    drop(restored);
    run(&mut session, &format!("DROP ROLE {restorer}"));
}
