//! The charts of pg_folio: values in, SVG out.
//!
//! It knows no database, no clock, no fonts and starts no thread. The same values give the same bytes.

mod accuracy;
mod axis;
mod calendar;
mod error;
mod forecast;
mod frontier;
mod label;
mod number;
mod options;
mod page;
mod palette;
mod text;
mod weights;

pub use accuracy::{AccuracyChart, Outcome, apart};
pub use calendar::Time;
pub use error::{Error, Result};
pub use forecast::{Band, ForecastChart, MemberPath};
pub use frontier::{FrontierChart, RiskReturn};
pub use options::{Options, Theme, Width};
pub use weights::{Rebalance, WeightsChart};
