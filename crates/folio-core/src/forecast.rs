//! Forecasts of many tickers: every model of a ticker is validated out of sample, weighted by what it showed there,
//! and combined into one path with a calibrated interval.

mod ensemble;
mod fingerprint;
mod interval;
mod member;
mod memory;
mod request;
mod view;
mod weight;

pub use ensemble::{Ensemble, Report, Status, Step, forecast};
pub use fingerprint::Fingerprint;
pub use member::{Member, MemberFit};
pub use memory::Batches;
pub use request::{Clock, DEFAULT_HORIZON, DEFAULT_LEVEL, Horizon, Level, ModelSet, Request};
pub use view::{view, view_of_step};
