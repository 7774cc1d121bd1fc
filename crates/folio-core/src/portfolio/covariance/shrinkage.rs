//! What the estimators that shrink share.

use ndarray::Array2;

use super::Estimate;
use crate::Result;
use crate::task::Cancel;
use crate::work;

/// (1 - delta) S + delta F.
pub(super) fn shrink(
    sample: Array2<f64>,
    target: &Array2<f64>,
    delta: f64,
    cancel: &Cancel,
) -> Result<Estimate> {
    cancel.check()?;
    work::count(4 * sample.len());
    Ok(Estimate::shrunk(sample * (1.0 - delta) + target * delta, delta))
}

/// kappa / T of the papers, kept between 0 and 1; where the target already is the sample there is nothing to shrink.
pub(super) fn intensity(excess: f64, gamma: f64, days: f64) -> f64 {
    if gamma > 0.0 { (excess / gamma / days).clamp(0.0, 1.0) } else { 0.0 }
}
