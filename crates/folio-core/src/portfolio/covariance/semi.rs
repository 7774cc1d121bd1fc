//! The covariance of shortfalls.

use ndarray::Array2;

use super::{Estimate, Estimator, Number};
use crate::Result;
use crate::portfolio::solver::linalg;
use crate::task::Cancel;

/// The covariance of the shortfalls under a daily return.
pub(super) struct Semi;

impl Estimator for Semi {
    fn name(&self) -> &'static str {
        "semicovariance"
    }

    fn number(&self) -> Option<Number> {
        Some(Number { default: 0.0, valid: |_| true, expected: "a daily return", is_horizon: false })
    }

    fn estimate(&self, returns: &Array2<f64>, number: f64, cancel: &Cancel) -> Result<Estimate> {
        let shortfalls = returns.mapv(|value| (value - number).min(0.0));
        Ok(Estimate::plain(linalg::gram(&shortfalls, cancel)? / returns.nrows() as f64))
    }
}
