//! Risk that is forecast: the volatility of each ticker by an ensemble of models that are weighed by what they showed out
//! of sample, and how good such forecasts would have been.

mod combine;
mod ensemble;
mod evaluate;
mod memory;
mod request;

pub use combine::{Member, MemberFit};
pub use ensemble::{Bars, Ensemble, Report, Status, Step, forecast};
pub use evaluate::{DEFAULT_ORIGINS, ENSEMBLE, Evaluation, Row, SAMPLE, Schedule, Summary, evaluate};
pub use memory::{of_evaluation, of_forecast, of_members};
pub use request::{ModelSet, Request};
