//! Oracle approximating shrinkage.

use ndarray::Array2;

use super::moments::second_moments;
use super::shrinkage::shrink;
use super::{Estimate, Estimator};
use crate::Result;
use crate::task::Cancel;

/// Oracle approximating shrinkage, Chen, Wiesel, Eldar and Hero (2010).
pub(super) struct Oas;

impl Estimator for Oas {
    fn name(&self) -> &'static str {
        "oas"
    }

    fn estimate(&self, returns: &Array2<f64>, _: f64, cancel: &Cancel) -> Result<Estimate> {
        let (centred, gram) = second_moments(returns, cancel)?;
        let days = centred.nrows() as f64;
        oracle_approximating(days, gram / days, cancel)
    }
}

/// Chen, Wiesel, Eldar and Hero, 'Shrinkage algorithms for MMSE covariance estimation' (2010), formula 23 in the
/// form with 2/p left out that scikit-learn uses; `sample` has T in the denominator.
fn oracle_approximating(days: f64, sample: Array2<f64>, cancel: &Cancel) -> Result<Estimate> {
    let n = sample.nrows();
    let assets = n as f64;
    let mean_variance = sample.diag().sum() / assets;
    let alpha = sample.iter().map(|value| value * value).sum::<f64>() / (assets * assets);
    let denominator = (days + 1.0) * (alpha - mean_variance.powi(2) / assets);
    let ratio = (alpha + mean_variance.powi(2)) / denominator;
    let delta = if denominator <= 0.0 { 1.0 } else { ratio.min(1.0) };
    shrink(sample, &(Array2::eye(n) * mean_variance), delta, cancel)
}
