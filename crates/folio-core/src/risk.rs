//! Risk that is forecast: the volatility of each ticker by an ensemble of models that are weighed by what they showed out
//! of sample, and how good such forecasts would have been; and what a portfolio may lose, how good that is, and where the
//! risk comes from.

mod attribution;
mod combine;
mod covariance_evaluate;
mod ensemble;
mod evaluate;
mod exceedance;
mod memory;
mod request;
mod stress;
mod tail;
mod tail_evaluate;
mod weights;

pub use attribution::{Part, TOTAL, attribute};
pub use combine::{Member, MemberFit};
pub use covariance_evaluate::{
    CovarianceEvaluation, CovarianceSchedule, CovarianceScore, DEFAULT_COVARIANCE_HORIZON,
    DEFAULT_COVARIANCE_ORIGINS, PortfolioScore,
};
pub use ensemble::{Bars, Ensemble, Report, Status, Step, forecast};
pub use evaluate::{DEFAULT_ORIGINS, ENSEMBLE, Evaluation, Row, SAMPLE, Schedule, Summary, evaluate};
pub use exceedance::Test;
pub use memory::{of_evaluation, of_forecast, of_members};
pub use request::{ModelSet, Request};
pub use stress::{Stress, Stressed};
pub use tail::{DEFAULT_TAIL_HORIZON, DEFAULT_TAIL_LEVEL, Tail, TailRequest, TailRow};
pub use tail_evaluate::{DEFAULT_TAIL_ORIGINS, TailEvaluation, TailSchedule, TailScore};
pub use weights::Weights;
