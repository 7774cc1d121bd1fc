//! What the SQL functions stand on: settings, prices, the compute pool, and errors.

pub mod array;
pub mod budget;
#[allow(dead_code, reason = "the points follow with the reading path")]
pub mod inject;
pub mod pool;
pub mod prices;
pub mod report;
pub mod run_lock;
pub mod settings;
pub mod subtransaction;
pub mod timestamp;
