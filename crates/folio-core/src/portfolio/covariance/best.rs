//! The covariance that was the best on the returns so far.
//!
//! Each of [`CANDIDATES`] is estimated from origins of the last third of the returns, from those before the origin alone, and
//! loses by QLIKE beside those of the horizon after it ([`super::loss`]). The least mean loss wins; what is singular at an origin
//! does not take part. A winner may be so by luck: `covariance_evaluate` says by how much it was better.

use ndarray::{Array2, Axis, s};

use super::loss::Spectrum;
use super::{CovarianceMethod, Estimate, Estimator, Number};
use crate::task::Cancel;
use crate::{Error, Result, work};

/// What may win; the first where nothing tells them apart.
const CANDIDATES: [&str; 8] = [
    "ledoit_wolf",
    "ledoit_wolf_constant_correlation",
    "ledoit_wolf_single_factor",
    "exp_cov",
    "denoised",
    "nonlinear_shrinkage",
    "dcc",
    "dcc_nl",
];

/// The fewest returns: what is estimated from the first two thirds of them needs 60, and a year is to come.
const MIN_RETURNS: usize = 120;

/// The most origins.
const ORIGINS: usize = 12;

/// A month of days.
const DEFAULT_HORIZON: f64 = 21.0;

/// The winner of the past.
pub(super) struct Best;

impl Estimator for Best {
    fn name(&self) -> &'static str {
        "best"
    }

    fn number(&self) -> Option<Number> {
        Some(Number { default: DEFAULT_HORIZON, ..super::dcc::horizon() })
    }

    fn min_returns(&self) -> usize {
        MIN_RETURNS
    }

    fn estimate(&self, returns: &Array2<f64>, number: f64, cancel: &Cancel) -> Result<Estimate> {
        let horizon = number as usize;
        let mut winner: Option<(f64, CovarianceMethod)> = None;
        for name in CANDIDATES {
            let method = CovarianceMethod::parse_over(name, horizon)?;
            let Some(loss) = loss(method, returns, horizon, cancel)? else { continue };
            if winner.is_none_or(|(least, _)| loss < least) {
                winner = Some((loss, method));
            }
        }
        // Where all are singular, as with a price that never moves, nothing can be told.
        let method = winner.map_or_else(CovarianceMethod::default, |(_, method)| method);
        let estimate = method.estimator.estimate(returns, method.number, cancel)?;
        Ok(Estimate { chosen: Some(method), ..estimate })
    }
}

/// The mean loss of a method; None where it has none from some origin.
fn loss(
    method: CovarianceMethod,
    returns: &Array2<f64>,
    horizon: usize,
    cancel: &Cancel,
) -> Result<Option<f64>> {
    // However far ahead, two thirds are seen before.
    let (mut total, horizon) = (0.0, horizon.min(returns.nrows() / 3));
    let origins = origins(returns.nrows(), horizon);
    for &origin in &origins {
        let past = returns.slice(s![..origin, ..]).to_owned();
        let matrix = match method.estimator.estimate(&past, method.number, cancel) {
            Ok(Estimate { matrix, .. }) => matrix,
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(_) => return Ok(None),
        };
        cancel.check()?;
        work::count(2 * past.len());
        let mean_squares = past.mapv(|earned| earned * earned).mean_axis(Axis(0)).unwrap_or_default();
        let came = returns.slice(s![origin..origin + horizon, ..]);
        let Some(loss) = Spectrum::of(matrix.view(), cancel)?.qlike(came, &mean_squares, cancel)? else {
            return Ok(None);
        };
        total += loss;
    }
    Ok(Some(total / origins.len() as f64))
}

/// Origins in the last third of `n` returns, rising, each with the horizon behind it: as far from each other as they go.
fn origins(n: usize, horizon: usize) -> Vec<usize> {
    let first = (2 * n / 3).min(n - horizon);
    let stride = horizon.max((n - horizon - first) / ORIGINS).max(1);
    let mut origins: Vec<usize> = (first..=n - horizon).rev().step_by(stride).take(ORIGINS).collect();
    origins.reverse();
    origins
}
