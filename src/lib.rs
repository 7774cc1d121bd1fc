//! pg_folio: forecasting and portfolio construction inside Postgres.
//!
//! This crate is the shell: it turns SQL arguments into requests, reads prices, runs the engine's jobs on the
//! backend's compute pool and turns results into rows. It computes nothing; the engine is `folio-core`.

use pgrx::prelude::*;

#[macro_use]
mod arguments;
mod backend;
mod call;
mod functions;

pg_module_magic!(name, version);

/// The schema of what is not for users; sql/desk/schema.sql makes it before pgrx does.
#[pg_schema]
mod folio_internal {}

extension_sql_file!("../sql/desk/schema.sql", name = "desk_schema", bootstrap);
extension_sql_file!("../sql/views.sql", name = "views", requires = [running_calls, thread_slots]);
extension_sql_file!("../sql/inputs.sql", name = "inputs");
extension_sql_file!("../sql/desk/tables.sql", name = "desk_tables", requires = ["views"]);
extension_sql_file!("../sql/desk/rights.sql", name = "desk_rights", requires = ["desk_tables", refuse]);
extension_sql_file!("../sql/desk/views.sql", name = "desk_views", requires = ["desk_rights"]);
extension_sql_file!(
    "../sql/desk/runs.sql",
    name = "desk_runs",
    requires = ["desk_views", forecast_view, weights_and_views, try_lock_run, relation_name, delete_own_runs]
);
extension_sql_file!(
    "../sql/desk/portfolios.sql",
    name = "desk_portfolios",
    requires = ["desk_runs", delete_own_portfolio]
);
extension_sql_file!(
    "../sql/desk/schedule.sql",
    name = "desk_schedule",
    requires = ["desk_portfolios", jobs, unschedule_own]
);
extension_sql_file!(
    "../sql/desk/outcomes.sql",
    name = "desk_outcomes",
    requires = ["desk_schedule", prices_between]
);
extension_sql_file!(
    "../sql/desk/comments.sql",
    name = "desk_comments",
    requires = ["desk_outcomes", forecast_fingerprint, forecast_run, require_nonatomic, unlock_run]
);
extension_sql_file!("../sql/comments.sql", name = "comments", requires = ["desk_comments", "inputs"]);
extension_sql_file!("../sql/desk/seal.sql", name = "desk_seal", requires = ["comments"], finalize);

/// Called by the server when the library is loaded, in the postmaster if it is preloaded. Starts no thread.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    backend::memory::register();
    backend::settings::register();
    backend::budget::register();
    backend::inject::register();
}

#[cfg(any(test, feature = "pg_test"))]
mod tests;

/// What `cargo pgrx test` calls to set up its server.
#[cfg(test)]
pub mod pg_test {
    /// Called once before the first test.
    pub fn setup(_options: Vec<&str>) {}

    /// Settings of the test server.
    #[must_use]
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        vec![]
    }
}
