//! Clusters of a test's own, for what would disturb the others: crashes, limits, standbys.

use crate::{Database, connect_at, project};
use postgres::Client;
use std::process::Command;

/// A throw-away cluster that ends with the value.
pub struct Cluster {
    name: String,
    host: String,
}

impl Cluster {
    /// A new cluster with these pieces of configuration.
    pub fn start(name: &str, conf: &[&str]) -> Self {
        let mut arguments = vec!["start", name, "dev"];
        arguments.extend(conf);
        Self::made_by(name, &arguments)
    }

    /// A streaming standby of this cluster.
    pub fn standby(&self, name: &str) -> Self {
        Self::made_by(name, &["standby", name, &self.name])
    }

    fn made_by(name: &str, arguments: &[&str]) -> Self {
        script(arguments);
        Self { name: name.to_owned(), host: script(&["path", name]).trim().to_owned() }
    }

    /// A database in it with the demo's prices.
    pub fn database(&self) -> Database {
        Database::with_prices_at(self.host.clone())
    }

    /// A session in the database of this name.
    pub fn session_in(&self, database: &str) -> Client {
        connect_at(&self.host, database)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The log goes with the cluster, and says what the sessions cannot.
            let log = std::fs::read(format!("{}/log", self.host)).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let lines: Vec<&str> =
                log.lines().filter(|line| is_crash(line) || line.contains("FATAL:")).collect();
            let last: Vec<&str> = log.lines().rev().take(LAST_LINES).collect();
            eprintln!("cluster {}, crashes and ends of sessions in its log: {lines:#?}", self.name);
            eprintln!("its newest lines, the last one first: {last:#?}");
        }
        let _ = Command::new("scripts/cluster.sh").args(["stop", &self.name]).current_dir(project()).status();
    }
}

fn script(arguments: &[&str]) -> String {
    shell("scripts/cluster.sh", arguments)
}

/// Runs a program that must succeed, in the project's folder; gives its output.
pub fn shell(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(project()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Lets the system refuse every further thread of a process of the server. Root may have to be the server's user for it.
pub fn forbid_threads(pid: i32) {
    let limit = ["prlimit", "--pid", &pid.to_string(), "--nproc=1:1"].map(str::to_owned);
    let as_server = ["runuser", "-u", "postgres", "--"].map(str::to_owned);
    let run = |command: &[String]| {
        Command::new(&command[0]).args(&command[1..]).output().is_ok_and(|output| output.status.success())
    };
    assert!(run(&limit) || run(&[&as_server[..], &limit[..]].concat()), "prlimit was refused");
}

/// The database that `cron.conf` names.
const CRON_DATABASE: &str = "postgres";

/// What the server's log says of a process that a signal ended.
const CRASH: &str = "was terminated by signal";

/// How much of a log is shown where a test fails.
const LAST_LINES: usize = 30;

fn is_crash(line: &str) -> bool {
    line.contains(CRASH) || line.contains("PANIC:")
}

impl Cluster {
    /// A database in it with the extension and nothing else.
    pub fn empty(&self) -> Database {
        Database::empty_at(self.host.clone())
    }

    /// A database in it in which every statement of [`crate::calls`] runs.
    pub fn for_calls(&self) -> Database {
        let database = self.empty();
        // To compile a plan over hundreds of partitions takes the server seconds in which it answers no cancel.
        let jit = format!("ALTER DATABASE {} SET jit = off", database.name());
        database.session().batch_execute(&jit).expect("ALTER DATABASE");
        crate::calls::prepare(&mut database.session());
        database
    }

    /// The one database that pg_cron works in, with both extensions, the prices of [`crate::calls`] and a portfolio that
    /// was run: its name. For a cluster with `cron.conf`.
    pub fn for_all_calls(&self) -> &'static str {
        let mut session = self.session_in(CRON_DATABASE);
        session
            .batch_execute(&format!(
                "CREATE EXTENSION pg_cron; CREATE EXTENSION pg_folio;
                 ALTER DATABASE {CRON_DATABASE} SET search_path = \"$user\", public, folio;
                 ALTER DATABASE {CRON_DATABASE} SET jit = off;
                 SET search_path = public, folio"
            ))
            .expect("CREATE EXTENSION");
        crate::calls::prepare(&mut session);
        crate::calls::prepare_desk(&mut session);
        CRON_DATABASE
    }

    /// The folder of its socket.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The lines of the server's log with a process that was ended by a signal.
    pub fn crashes(&self) -> Vec<String> {
        let log = std::fs::read(format!("{}/log", self.host)).expect("the server's log");
        let log = String::from_utf8_lossy(&log);
        log.lines().filter(|line| is_crash(line)).map(str::to_owned).collect()
    }

    /// No process of the cluster was ended by a signal.
    pub fn assert_no_crash(&self) {
        let crashes = self.crashes();
        assert!(crashes.is_empty(), "{crashes:#?}");
    }
}
