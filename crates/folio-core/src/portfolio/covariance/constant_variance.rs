//! Shrinkage towards a multiple of the identity.

use ndarray::Array2;

use super::moments::second_moments;
use super::shrinkage::shrink;
use super::{Estimate, Estimator};
use crate::Result;
use crate::task::Cancel;
use crate::work::watched;

/// Ledoit and Wolf (2004), shrunk towards a multiple of the identity.
pub(super) struct LedoitWolf;

impl Estimator for LedoitWolf {
    fn name(&self) -> &'static str {
        "ledoit_wolf"
    }

    fn estimate(&self, returns: &Array2<f64>, _: f64, cancel: &Cancel) -> Result<Estimate> {
        let (centred, gram) = second_moments(returns, cancel)?;
        let sample = gram / centred.nrows() as f64;
        constant_variance(&centred, sample, cancel)
    }
}

/// The same by its longer name.
pub(super) struct ConstantVariance;

impl Estimator for ConstantVariance {
    fn name(&self) -> &'static str {
        "ledoit_wolf_constant_variance"
    }

    fn estimate(&self, returns: &Array2<f64>, number: f64, cancel: &Cancel) -> Result<Estimate> {
        LedoitWolf.estimate(returns, number, cancel)
    }
}

/// Ledoit and Wolf, 'A well-conditioned estimator for large-dimensional covariance matrices' (2004), section 3.2;
/// `sample` has T in the denominator.
///
/// The sum over all pairs of x_i^2 x_j^2 of a day is the square of the day's sum of squares, so b^2 costs O(TN).
fn constant_variance(centred: &Array2<f64>, sample: Array2<f64>, cancel: &Cancel) -> Result<Estimate> {
    let (days, assets) = (centred.nrows() as f64, centred.ncols() as f64);
    let mean_variance = sample.diag().sum() / assets;
    let norm = sample.iter().map(|value| value * value).sum::<f64>();
    let dispersion = (norm - assets * mean_variance * mean_variance) / assets;
    let mut fourth = 0.0;
    for row in watched(centred.rows(), centred.ncols(), cancel) {
        let row = row?;
        fourth += row.dot(&row).powi(2);
    }
    fourth /= days;
    let error = ((fourth - norm) / (assets * days)).min(dispersion);
    let delta = if error <= 0.0 { 0.0 } else { error / dispersion };
    shrink(sample, &(Array2::eye(centred.ncols()) * mean_variance), delta, cancel)
}
