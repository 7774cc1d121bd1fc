//! The forecast models: what one is, and the list of all of them.
//!
//! Every model reads a series of **log prices**, one value a trading day or other period, and forecasts the log price at steps
//! 1, 2, ..., horizon with a standard deviation per step. A new model is one file in `model/` that implements
//! [`Model`] and [`Fitted`], and one line in the list at the end of this file.

use crate::task::{Cancelled, Task};

/// The largest horizon, one trading year: beyond it daily models say nothing that the drift does not.
pub const MAX_HORIZON: usize = 252;

/// A model that can be fitted to a series. Stateless: it stands in a static list.
pub trait Model: Send + Sync {
    /// Its name in SQL.
    fn name(&self) -> &'static str;

    /// The fewest log prices it can be fitted to.
    fn min_observations(&self) -> usize;

    /// Fits the model to log prices `y` for forecasts of up to `horizon` steps.
    ///
    /// # Errors
    /// A named [`Failure`]; never a panic and never a non-finite parameter.
    fn fit(&self, y: &[f64], horizon: usize, task: &Task) -> Result<Box<dyn Fitted>, Failure>;

    /// The same by a model that has its own way with seasons of these lengths; None of one that is to be fitted to the
    /// seasonally adjusted series, which [`adjusted::fit`] does.
    fn fit_seasonal(
        &self,
        _y: &[f64],
        _seasons: &[usize],
        _horizon: usize,
        _task: &Task,
    ) -> Option<Result<Box<dyn Fitted>, Failure>> {
        None
    }

    /// Whether it is of no use without a season.
    fn needs_season(&self) -> bool {
        false
    }
}

/// A fitted model: its parameters are fixed, and it forecasts from any origin of a series.
pub trait Fitted: Send + Sync {
    /// The forecasts from each origin: from origin `o` only `y[..o]` is used. Serving is the one origin `y.len()`;
    /// validation rolls the origin over data that the fit did not see, so both go through the same code.
    ///
    /// # Errors
    /// A named [`Failure`].
    fn forecast(
        &self,
        y: &[f64],
        origins: &[usize],
        horizon: usize,
        task: &Task,
    ) -> Result<Vec<Path>, Failure>;

    /// What a user should know of the fit: orders, coefficients, the features that matter.
    fn detail(&self) -> serde_json::Value;
}

/// A forecast of the log price at steps 1, 2, ..., horizon.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// The mean of the log price.
    pub mean: Vec<f64>,
    /// Its standard deviation as the model sees it; not decreasing.
    pub sd: Vec<f64>,
}

/// Why a model has no forecast for a series.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The caller asked to stop; the call ends, it is not reported as the model's failure.
    #[error("cancelled")]
    Cancelled,
    /// Fewer observations than the model needs.
    #[error("history too short: {need} observations needed, {got} found")]
    TooShort {
        /// How many it needs.
        need: usize,
        /// How many there are.
        got: usize,
    },
    /// The series does not move, so there is nothing to fit.
    #[error("constant series")]
    Constant,
    /// The series has no season, which the model needs.
    #[error("no season found")]
    NoSeason,
    /// The fit did not converge.
    #[error("diverged: {0}")]
    Diverged(&'static str),
    /// A parameter or a forecast is not finite.
    #[error("not finite: {0}")]
    NotFinite(&'static str),
    /// The library behind the model refused.
    #[error("{library}: {message}")]
    Library {
        /// The library.
        library: &'static str,
        /// Its own message.
        message: String,
    },
    /// A defect: the model panicked.
    #[error("panicked: {0}")]
    Panicked(String),
}

impl From<Cancelled> for Failure {
    fn from(_: Cancelled) -> Self {
        Failure::Cancelled
    }
}

/// Fails with [`Failure::TooShort`] where `y` is shorter than the model needs.
pub(crate) fn require_observations(model: &dyn Model, y: &[f64]) -> Result<(), Failure> {
    let (need, got) = (model.min_observations(), y.len());
    if got < need { Err(Failure::TooShort { need, got }) } else { Ok(()) }
}

/// Fails with [`Failure::NotFinite`] where a path is not finite.
pub(crate) fn require_finite(paths: &[Path]) -> Result<(), Failure> {
    let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
    if paths.iter().all(|path| finite(&path.mean) && finite(&path.sd)) {
        Ok(())
    } else {
        Err(Failure::NotFinite("forecast"))
    }
}

/// The model of this name.
///
/// # Errors
/// [`crate::Error::UnknownName`] with the valid names.
pub fn by_name(name: &str) -> crate::Result<&'static dyn Model> {
    MODELS.iter().copied().find(|model| model.name() == name).ok_or_else(|| crate::Error::UnknownName {
        kind: "model",
        name: name.to_owned(),
        valid: MODELS.iter().map(|model| model.name().to_owned()).collect(),
    })
}

/// Declares the module of each model and puts it into [`MODELS`].
macro_rules! models {
    ($($(#[$doc:meta])* $module:ident :: $model:ident),+ $(,)?) => {
        $($(#[$doc])* pub mod $module;)+
        /// Every model, in the order in which reports list them.
        pub static MODELS: &[&dyn Model] = &[$(&$module::$model),+];
    };
}

pub mod adjusted;
mod features;
pub(crate) mod nelder_mead;
pub(crate) mod season;
mod smoothing;
mod tabular;

models! {
    naive::Naive,
    seasonal_naive::SeasonalNaive,
    drift::Drift,
    theta::Theta,
    arima::Arima,
    ets::Ets,
    xgboost::XgBoost,
    lstm::Lstm,
    ridge::Ridge,
}
