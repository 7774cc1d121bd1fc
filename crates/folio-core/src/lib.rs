//! The engine of pg_folio: forecast models, their ensemble with calibrated intervals, and portfolio construction.
//!
//! It knows no database, no clock, no environment and starts no thread: prices, seeds, times and the
//! [`task::Executor`] that runs its jobs are arguments, and every failure is a value with a name.

pub mod calendar;
pub mod error;
pub mod forecast;
pub mod frequency;
mod input;
pub mod model;
pub mod orders;
pub mod panel;
pub mod portfolio;
pub mod price;
pub mod price_report;
mod rate;
pub mod risk;
pub mod sort;
pub mod stale;
pub mod task;
pub mod volatility;
pub mod work;

pub use error::{Error, Result};
