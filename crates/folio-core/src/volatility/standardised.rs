//! Returns in units of their volatility by GARCH(1,1), and the variances to come: what models of correlations read.

use super::garch::Garch;
use super::recursion::{Family, Fit};
use super::{FittedVolatility, Observed};
use crate::model::Failure;
use crate::task::Cancel;
use crate::{Error, Result, work};

pub(crate) use super::recursion::MIN_OBSERVATIONS;

/// Units of [`work`] for a residual.
const RESIDUAL: usize = 10;

/// A series as GARCH(1,1) with normal innovations sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Standardised {
    /// The innovations, each over the volatility that was expected of it.
    pub residuals: Vec<f64>,
    /// The variances of the steps to come.
    pub variances: Vec<f64>,
}

/// Fits the returns; None where they never differ.
///
/// # Errors
/// [`Error::SolverFailed`] with the reason, [`Error::Cancelled`].
pub(crate) fn standardised(returns: &[f64], horizon: usize, cancel: &Cancel) -> Result<Option<Standardised>> {
    let observed = Observed::of(returns);
    let fit = || {
        let fit = Fit::new(&Garch, Family { asymmetric: false, student: false }, &observed, None, cancel)?;
        let before = fit.variances(returns, cancel)?;
        let mean = fit.parameters.mu * fit.scale;
        cancel.check()?;
        work::count(RESIDUAL * returns.len());
        let residuals = returns.iter().zip(&before).map(|(value, variance)| (value - mean) / variance.sqrt());
        let residuals: Vec<f64> = residuals.collect();
        if residuals.iter().any(|value| !value.is_finite()) {
            return Err(Failure::NotFinite("residual"));
        }
        let variances = fit.forecast(&observed, &[returns.len()], horizon, cancel)?.remove(0);
        Ok(Standardised { residuals, variances })
    };
    match fit() {
        Ok(standardised) => Ok(Some(standardised)),
        Err(Failure::Constant) => Ok(None),
        Err(Failure::Cancelled) => Err(Error::Cancelled),
        Err(failure) => Err(Error::SolverFailed { status: format!("GARCH of a ticker: {failure}") }),
    }
}
