//! Forecasts of many tickers: every model of a ticker is validated out of sample, weighted by what it showed there,
//! and combined into one path with a calibrated interval.

mod atoms;
mod dates;
mod ensemble;
mod evaluate;
mod fingerprint;
mod interval;
mod member;
mod memory;
mod metrics;
mod names;
mod plan;
mod request;
mod values;
mod weight;

pub use dates::Dates;
pub use ensemble::{Ensemble, Report, Status, Step, forecast};
pub use evaluate::{
    DEFAULT_ORIGINS, Evaluated, Evaluation, FitWindow, Measured, Missing, Record, Schedule, Summary,
    evaluate, measure,
};
pub use fingerprint::Fingerprint;
pub(crate) use member::Split;
pub use member::{Member, MemberFit};
pub use memory::Batches;
pub(crate) use memory::Sizes;
pub use metrics::{DieboldMariano, Differences, EVALUATED_LEVELS, Metrics, Score, Scored, Scores, overlap};
pub use names::{ENSEMBLE, NAIVE};
pub use request::{
    Clock, DEFAULT_HORIZON, DEFAULT_LEVEL, DEFAULT_LEVELS, Horizon, Level, ModelSet, Request, SeasonLengths,
};
pub use values::{DEFAULT_SEED, ValueOptions};
