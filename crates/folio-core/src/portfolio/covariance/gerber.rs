//! The Gerber statistic.

use ndarray::{Array2, Axis};

use super::moments::centre;
use super::{Estimate, Estimator, Number};
use crate::Result;
use crate::portfolio::solver::linalg;
use crate::task::Cancel;
use crate::work;

/// What counts as a move for `gerber`, in standard deviations: the middle of what its authors use.
const DEFAULT_THRESHOLD: f64 = 0.5;

/// The Gerber statistic as correlation (Gerber et al. 2022, the form over the days that are not neutral): it counts the
/// days on which both tickers moved by more than a threshold, in standard deviations, and so does not see their sizes.
pub(super) struct Gerber;

impl Estimator for Gerber {
    fn name(&self) -> &'static str {
        "gerber"
    }

    fn number(&self) -> Option<Number> {
        Some(Number {
            default: DEFAULT_THRESHOLD,
            valid: |threshold| threshold > 0.0,
            expected: "a threshold over 0 standard deviations",
            is_horizon: false,
        })
    }

    fn is_semidefinite(&self) -> bool {
        // In practice it is.
        false
    }

    fn estimate(&self, returns: &Array2<f64>, number: f64, cancel: &Cancel) -> Result<Estimate> {
        Ok(Estimate::plain(gerber(returns, number, cancel)?))
    }
}

/// Days on which both moved the same way, less those on which they moved apart, over the days on which at least one
/// moved; times the standard deviations (with T in the denominator).
fn gerber(returns: &Array2<f64>, threshold: f64, cancel: &Cancel) -> Result<Array2<f64>> {
    let (t, n) = returns.dim();
    let sd = centre(returns, cancel)?.map_axis(Axis(0), |column| (column.dot(&column) / t as f64).sqrt());
    cancel.check()?;
    work::count(4 * t * n);
    let moves = Array2::from_shape_fn((t, n), |(day, i)| {
        let value = returns[[day, i]];
        if sd[i] > 0.0 && value.abs() >= threshold * sd[i] { value.signum() } else { 0.0 }
    });
    let agreement = linalg::gram(&moves, cancel)?;
    let neutral = linalg::gram(&moves.mapv(|moved| 1.0 - moved.abs()), cancel)?;
    Ok(Array2::from_shape_fn((n, n), |(i, j)| {
        let counted = t as f64 - neutral[[i, j]];
        let statistic = if counted > 0.0 { agreement[[i, j]] / counted } else { 0.0 };
        sd[i] * sd[j] * if i == j { 1.0 } else { statistic }
    }))
}
