//! What the tests of this crate stand on: the cluster that `scripts/test.sh cluster` has started, and databases in it.
//!
//! The script runs the tests once against a cluster with `default.conf` and once with `preload.conf`, those of the desk
//! against one with `cron.conf`, and says which by the environment: `FOLIO_TEST_HOST` is the folder of the cluster's socket, `FOLIO_TEST_CONF` the configuration's name.

pub mod calls;
pub mod documentation;
pub mod load;
pub mod private;
pub mod process;
pub mod proxy;
pub mod strangers;

use postgres::{Client, Config, NoTls};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

/// The user that owns every throw-away cluster.
const SUPERUSER: &str = "postgres";

/// Rows of real prices that the demo ships, as COPY reads them.
const PRICES: &str = "demo/prices.csv.gz";

fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run these tests with `make test-cluster`"))
}

/// The folder of the project.
pub fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder of the cluster's socket.
pub fn host() -> String {
    variable("FOLIO_TEST_HOST")
}

/// A program of the cluster's server.
pub fn program(name: &str) -> String {
    let folder = std::fs::read_to_string(format!("{}/bin", host())).expect("the cluster's programs");
    format!("{}/{name}", folder.trim())
}

/// What psql prints to these arguments, from the project's folder and without a table's frame.
pub fn psql(database: &str, arguments: &[&str]) -> String {
    let output = Command::new(program("psql"))
        .args(["-X", "-qAt", "-h", &host(), "-U", SUPERUSER, "-d", database, "-v", "ON_ERROR_STOP=1"])
        .args(arguments)
        .current_dir(project())
        .output()
        .expect("psql");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Whether the cluster has the extension in `shared_preload_libraries`.
pub fn is_preloaded() -> bool {
    match variable("FOLIO_TEST_CONF").as_str() {
        "default" => false,
        "preload" | "cron" => true,
        other => panic!("FOLIO_TEST_CONF={other}: no such configuration in pg_test_config"),
    }
}

/// A session of the superuser in database `name`.
pub fn connect(name: &str) -> Client {
    connect_at(&host(), name)
}

fn connect_at(host: &str, name: &str) -> Client {
    config(host, name).connect(NoTls).unwrap_or_else(|error| panic!("no session in database {name}: {error}"))
}

fn config(host: &str, name: &str) -> Config {
    let mut config = Config::new();
    config.host(host).user(SUPERUSER).dbname(name).connect_timeout(Duration::from_secs(10));
    config
}

/// What no machine takes, however busy, so that what lasts longer does not end: a guard, not a measure. How soon a call ends is
/// judged by the work between two looks in the engine's tests, and by the clock in a soak.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The first in `make test`, which must not depend on who else computes; the second in a soak.
pub fn soak_or<T>(test: T, soak: T) -> T {
    if std::env::var_os("FOLIO_TEST_SOAK").is_some() { soak } else { test }
}

/// The tables of the desk's results, those that others refer to first.
pub const RESULT_TABLES: [&str; 10] = [
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

/// A new database with the extension on its search path, dropped with the value. Tests run at the same time, each in
/// its own.
pub struct Database {
    host: String,
    name: String,
}

impl Database {
    /// A database with the extension and nothing else.
    pub fn empty() -> Self {
        Self::empty_at(host())
    }

    fn empty_at(host: String) -> Self {
        let database = Self::bare_at(host);
        database.session().batch_execute("CREATE EXTENSION pg_folio").expect("CREATE EXTENSION");
        database
    }

    /// A database without the extension.
    pub fn bare() -> Self {
        Self::bare_at(host())
    }

    fn bare_at(host: String) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut admin = connect_at(&host, "postgres");
        admin.batch_execute(&format!("CREATE DATABASE {name}")).expect("CREATE DATABASE");
        admin
            .batch_execute(&format!("ALTER DATABASE {name} SET search_path = \"$user\", public, folio"))
            .expect("ALTER DATABASE");
        Self { host, name }
    }

    /// A database with all that `make demo` loads.
    pub fn demo() -> Self {
        let database = Self::bare();
        psql(database.name(), &["-f", "demo/load.sql"]);
        database
    }

    /// A database with the demo's table `prices`: 20 tickers of 1,000 days.
    pub fn with_prices() -> Self {
        Self::with_prices_at(host())
    }

    fn with_prices_at(host: String) -> Self {
        let database = Self::empty_at(host);
        let output = Command::new("gzip").arg("-dc").arg(project().join(PRICES)).output().expect("gzip");
        assert!(output.status.success(), "{PRICES}: {}", String::from_utf8_lossy(&output.stderr));
        let mut session = database.session();
        session
            .batch_execute(
                "CREATE TABLE prices (ticker text, ts date, close float8, PRIMARY KEY (ticker, ts))",
            )
            .expect("CREATE TABLE");
        let mut copy = session.copy_in("COPY prices FROM STDIN WITH (FORMAT csv, HEADER)").expect("COPY");
        std::io::Write::write_all(&mut copy, &output.stdout).expect("COPY data");
        assert_eq!(copy.finish().expect("COPY end"), 20_000);
        database
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A new session in it.
    pub fn session(&self) -> Client {
        connect_at(&self.host, &self.name)
    }

    /// A new session in it, if the server takes one now.
    pub fn try_session(&self) -> Option<Client> {
        config(&self.host, &self.name).connect(NoTls).ok()
    }

    /// A new session in it that sends the server's notices.
    pub fn session_with_notices(&self, notices: Sender<String>) -> Client {
        config(&self.host, &self.name)
            .notice_callback(move |notice| drop(notices.send(notice.message().to_owned())))
            .connect(NoTls)
            .expect("a session")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A failing test drops it while unwinding, where a second panic would abort the process and hide the first.
        if let Ok(mut admin) = config(&self.host, "postgres").connect(NoTls) {
            let _ = admin.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        }
    }
}

/// The process id of a session's backend.
pub fn backend(session: &mut Client) -> i32 {
    session.query_one("SELECT pg_backend_pid()", &[]).expect("pg_backend_pid").get(0)
}

/// The number of threads of a process; 0 if it is gone.
pub fn threads(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// What [`sqlstate`] says where the driver only knows that the server closed the connection.
pub const CLOSED: &str = "connection closed";

/// The SQLSTATE of a statement that must fail.
pub fn sqlstate(result: Result<impl Sized, postgres::Error>) -> String {
    let error = result.err().expect("the statement should have failed");
    match error.code() {
        Some(code) => code.code().to_owned(),
        None if error.is_closed() => CLOSED.to_owned(),
        None => format!("not an error of the server: {error}"),
    }
}

/// Waits until `condition` holds, as long as it may take on a machine that is busy with something else.
pub fn wait_for(what: &str, condition: impl FnMut() -> bool) {
    wait(what, Duration::from_secs(60), Duration::from_millis(5), condition);
}

/// Waits until `condition` holds, as long as pg_cron may take for a job of every minute there.
pub fn wait_long_for(what: &str, condition: impl FnMut() -> bool) {
    wait(what, Duration::from_secs(180), Duration::from_millis(250), condition);
}

fn wait(what: &str, at_most: Duration, pause: Duration, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + at_most;
    while !condition() {
        assert!(Instant::now() < end, "after {at_most:?}: {what}");
        thread::sleep(pause);
    }
}
