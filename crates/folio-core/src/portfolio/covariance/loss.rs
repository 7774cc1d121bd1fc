//! How good a covariance forecast was, beside returns that came: QLIKE of many tickers (Patton & Sheppard, 'Evaluating volatility
//! and correlation forecasts', Handbook of Financial Time Series, 2009), which is the loss of Stein up to what no forecast changes.
//!
//! With the forecast H of n tickers, the returns r of h periods and the mean squares m of the returns that H was made from,
//!
//! ```text
//! QLIKE = 1/n (mean over the periods of r' H^-1 r + log det H - sum of log m) - 1
//! ```
//!
//! Of one ticker it is x / f + log(f / m) - 1. A singular H says that something cannot happen, and has none.

use ndarray::{Array1, Array2, ArrayView2};

use crate::Result;
use crate::portfolio::solver::linalg;
use crate::task::Cancel;
use crate::work;

/// An eigenvalue under this share of the largest is rounding.
const NOTHING: f64 = 1e-12;

/// The eigenvalues of a covariance, rising, and its eigenvectors, a column each.
pub(crate) struct Spectrum {
    values: Array1<f64>,
    vectors: Array2<f64>,
}

impl Spectrum {
    /// # Errors
    /// [`crate::Error::SolverFailed`], [`crate::Error::Cancelled`].
    pub(crate) fn of(covariance: ArrayView2<'_, f64>, cancel: &Cancel) -> Result<Spectrum> {
        let (values, vectors) = linalg::eigen(covariance, cancel)?;
        Ok(Spectrum { values, vectors })
    }

    /// The largest eigenvalue over the least; None where the covariance is singular.
    pub(crate) fn condition(&self) -> Option<f64> {
        let (least, largest) = (self.values[0], self.values[self.values.len() - 1]);
        (least > NOTHING * largest).then(|| largest / least)
    }

    /// The loss beside returns that came, a row a period; None where the covariance is singular, or a mean square is zero.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`].
    pub(crate) fn qlike(
        &self,
        came: ArrayView2<'_, f64>,
        mean_squares: &Array1<f64>,
        cancel: &Cancel,
    ) -> Result<Option<f64>> {
        if self.condition().is_none() || mean_squares.iter().any(|square| *square <= 0.0) {
            return Ok(None);
        }
        let (periods, n) = came.dim();
        let along = linalg::product(came, self.vectors.view(), cancel)?;
        let mut squares = 0.0;
        for row in work::watched(along.rows(), work::PRODUCTS * n, cancel) {
            squares += row?.iter().zip(&self.values).map(|(part, value)| part * part / value).sum::<f64>();
        }
        let determinant = self.values.iter().map(|value| value.ln()).sum::<f64>();
        let unit = mean_squares.iter().map(|square| square.ln()).sum::<f64>();
        Ok(Some((squares / periods as f64 + determinant - unit) / n as f64 - 1.0))
    }
}
