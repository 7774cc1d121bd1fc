//! What the SQL functions stand on: settings, prices, the compute pool, and errors.

pub mod array;
pub mod as_role;
pub mod bounded;
pub mod budget;
mod collected;
pub mod datum;
mod encoding;
mod error;
#[allow(dead_code, reason = "the points follow with the reading path")]
pub mod inject;
pub mod memory;
mod newest;
pub mod pool;
pub mod prices;
pub mod query;
pub mod relation;
pub mod report;
pub mod run_lock;
mod selection;
pub mod server;
pub mod settings;
pub mod snapshot;
pub mod subtransaction;
pub mod time_limit;
pub mod timestamp;
