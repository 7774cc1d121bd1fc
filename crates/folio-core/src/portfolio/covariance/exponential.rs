//! Exponential weights.

use ndarray::{Array1, Array2, Axis};

use super::moments::centre;
use super::{Estimate, Estimator, Number};
use crate::Result;
use crate::portfolio::solver::linalg;
use crate::task::Cancel;
use crate::work;

/// The span of `exp_cov` in days, PyPortfolioOpt's default.
const DEFAULT_SPAN: f64 = 180.0;

/// What a power of any exponent takes.
const POWER: usize = 50;

/// Exponentially weighted with a span in days: the weight falls by 1 - 2 / (span + 1) a day.
pub(super) struct Exponential;

impl Estimator for Exponential {
    fn name(&self) -> &'static str {
        "exp_cov"
    }

    fn number(&self) -> Option<Number> {
        Some(Number {
            default: DEFAULT_SPAN,
            valid: |span| span > 1.0,
            expected: "a span over 1 day",
            is_horizon: false,
        })
    }

    fn estimate(&self, returns: &Array2<f64>, number: f64, cancel: &Cancel) -> Result<Estimate> {
        let centred = centre(returns, cancel)?;
        Ok(Estimate::plain(exponentially_weighted(&centred, number, cancel)?))
    }
}

fn exponentially_weighted(centred: &Array2<f64>, span: f64, cancel: &Cancel) -> Result<Array2<f64>> {
    let decay: f64 = 1.0 - 2.0 / (span + 1.0);
    let days = centred.nrows();
    let weights = Array1::from_shape_fn(days, |day| decay.powf((days - 1 - day) as f64));
    let total = weights.sum();
    cancel.check()?;
    work::count(centred.len() + POWER * days);
    let roots = weights.mapv(f64::sqrt).insert_axis(Axis(1));
    Ok(linalg::gram(&(centred * &roots), cancel)? / total)
}
