//! What the SQL functions stand on: settings, prices, the compute pool, and errors.

pub mod array;
pub mod budget;
pub mod pool;
pub mod prices;
pub mod report;
pub mod run_lock;
pub mod settings;
pub mod subtransaction;
pub mod timestamp;
