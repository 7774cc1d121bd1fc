//! The sample covariance.

use ndarray::Array2;

use super::moments::second_moments;
use super::{Estimate, Estimator};
use crate::Result;
use crate::task::Cancel;

/// The sample covariance with T - 1 in the denominator; singular where there are fewer returns than tickers.
pub(super) struct Sample;

impl Estimator for Sample {
    fn name(&self) -> &'static str {
        "sample_cov"
    }

    fn estimate(&self, returns: &Array2<f64>, _: f64, cancel: &Cancel) -> Result<Estimate> {
        let (centred, gram) = second_moments(returns, cancel)?;
        Ok(Estimate::plain(gram / (centred.nrows() as f64 - 1.0)))
    }
}
