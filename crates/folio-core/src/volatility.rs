//! The volatility models: what one is, and the list of all of them.
//!
//! Every model reads the **log returns** of a series, one value a period, and forecasts the variance of the returns at
//! steps 1, 2, ..., horizon. A new model is one file in `volatility/` that implements [`VolatilityModel`] and
//! [`FittedVolatility`], and one line in the list at the end of this file.

use crate::model::Failure;
use crate::task::Cancel;

/// What a volatility model reads: returns, and the variances that the day's open, high and low show where they are known.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// The log returns, a period each.
    pub returns: &'a [f64],
    /// For each return the variance of its period from the range of its prices.
    pub ranges: Option<&'a [f64]>,
}

impl<'a> Observed<'a> {
    /// Returns without ranges.
    pub fn of(returns: &'a [f64]) -> Observed<'a> {
        Observed { returns, ranges: None }
    }

    /// The periods of this range alone.
    pub fn within(&self, periods: std::ops::Range<usize>) -> Observed<'a> {
        let part = |values: &'a [f64]| &values[periods.clone()];
        Observed { returns: part(self.returns), ranges: self.ranges.map(part) }
    }

    /// What was known before an origin.
    pub fn before(&self, origin: usize) -> Observed<'a> {
        self.within(0..origin)
    }
}

/// A model that can be fitted to returns. Stateless: it stands in a static list.
pub trait VolatilityModel: Send + Sync {
    /// Its name in SQL.
    fn name(&self) -> &'static str;

    /// The fewest returns it can be fitted to.
    fn min_observations(&self) -> usize;

    /// Whether it reads [`Observed::ranges`]; where there are none it does not take part.
    fn needs_ranges(&self) -> bool {
        false
    }

    /// Fits the model. `start` are the [`FittedVolatility::parameters`] of a fit to a part of the same returns, near which
    /// a search may begin.
    ///
    /// # Errors
    /// A named [`Failure`]; never a panic and never a parameter that is not finite.
    fn fit(
        &self,
        observed: &Observed<'_>,
        start: Option<&[f64]>,
        cancel: &Cancel,
    ) -> Result<Box<dyn FittedVolatility>, Failure>;
}

/// A fitted model: its parameters are fixed, and it forecasts from any origin of a series.
pub trait FittedVolatility: Send + Sync {
    /// The variances of the steps 1 to `horizon` from each origin: from origin `o` only the first `o` periods are used.
    ///
    /// # Errors
    /// A named [`Failure`].
    fn forecast(
        &self,
        observed: &Observed<'_>,
        origins: &[usize],
        horizon: usize,
        cancel: &Cancel,
    ) -> Result<Vec<Vec<f64>>, Failure>;

    /// Where a later search may begin.
    fn parameters(&self) -> &[f64] {
        &[]
    }

    /// What a user should know of the fit, in returns in percent: the unit of the field's packages.
    fn detail(&self) -> serde_json::Value;
}

/// The model of this name.
///
/// # Errors
/// [`crate::Error::UnknownName`] with the valid names.
pub fn by_name(name: &str) -> crate::Result<&'static dyn VolatilityModel> {
    MODELS.iter().copied().find(|model| model.name() == name).ok_or_else(|| crate::Error::UnknownName {
        kind: "volatility model",
        name: name.to_owned(),
        valid: MODELS.iter().map(|model| model.name().to_owned()).collect(),
    })
}

/// Fails where the model cannot be fitted to these returns.
pub(crate) fn require(model: &dyn VolatilityModel, observed: &Observed<'_>) -> Result<(), Failure> {
    let (need, got) = (model.min_observations(), observed.returns.len());
    if got < need {
        return Err(Failure::TooShort { need, got });
    }
    if observed.returns.iter().any(|value| !value.is_finite()) {
        return Err(Failure::NotFinite("return"));
    }
    if observed.returns.iter().all(|value| *value == observed.returns[0]) {
        return Err(Failure::Constant);
    }
    Ok(())
}

/// Fails where a forecast is no variance.
pub(crate) fn require_variances(paths: &[Vec<f64>]) -> Result<(), Failure> {
    let valid = |variance: &f64| variance.is_finite() && *variance >= 0.0;
    if paths.iter().flatten().all(valid) { Ok(()) } else { Err(Failure::NotFinite("variance")) }
}

/// Declares the module of each model and puts it into [`MODELS`].
macro_rules! models {
    ($($(#[$doc:meta])* $module:ident :: $model:ident),+ $(,)?) => {
        $($(#[$doc])* pub mod $module;)+
        /// Every model, in the order in which reports list them.
        pub static MODELS: &[&dyn VolatilityModel] = &[$(&$module::$model),+];
    };
}

pub(crate) mod bfgs;
pub(crate) mod recursion;
mod regression;
pub(crate) mod shares;
pub(crate) mod standardised;

models! {
    ewma::Ewma,
    garch::Garch,
    gjr_garch::GjrGarch,
    garch_t::GarchT,
    egarch::Egarch,
    har::Har,
    har_range::HarRange,
}
