//! Dynamic conditional correlation around correlations that are shrunk: DCC-NL (Engle, Ledoit & Wolf, 'Large dynamic
//! covariance matrices', Journal of Business & Economic Statistics 37, 2019).
//!
//! C is the correlation of the nonlinear shrinkage of the residuals ([`super::nonlinear_shrinkage`]), which with many tickers
//! is far nearer to the true one than the sample's; all else as in [`super::dcc`].

use ndarray::Array2;

use super::dcc;
use super::nonlinear_shrinkage::NonlinearShrinkage;
use super::{Estimate, Estimator, Number};
use crate::Result;
use crate::task::Cancel;

/// Correlations that move around shrunk ones.
pub(super) struct DccNl;

impl Estimator for DccNl {
    fn name(&self) -> &'static str {
        "dcc_nl"
    }

    fn number(&self) -> Option<Number> {
        Some(dcc::horizon())
    }

    fn min_returns(&self) -> usize {
        dcc::MIN_RETURNS
    }

    fn estimate(&self, returns: &Array2<f64>, number: f64, cancel: &Cancel) -> Result<Estimate> {
        let shrunk = |z: &Array2<f64>| Ok(NonlinearShrinkage.estimate(z, 0.0, cancel)?.matrix);
        dcc::estimate(returns, number as usize, shrunk, cancel)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::s;

    use super::*;

    #[test]
    fn with_more_tickers_than_returns_it_is_not_singular_and_what_never_moves_stays() {
        let noise =
            |t: usize, i: usize| ((t * t + 3 * i * i + 7 * t * i) as f64 * 0.754_877_666).fract() - 0.5;
        let mut returns = Array2::from_shape_fn((70, 90), |(t, i)| 0.01 * (noise(t, 0) + noise(t, i + 1)));
        let cancel = Cancel::default();
        let smallest = |matrix: &Array2<f64>| {
            crate::portfolio::solver::linalg::eigen(matrix.view(), &cancel).unwrap().0[0] / matrix[[0, 0]]
        };
        let shrunk = DccNl.estimate(&returns, 1.0, &cancel).unwrap().matrix;
        let plain = dcc::Dcc.estimate(&returns, 1.0, &cancel).unwrap().matrix;
        assert!(smallest(&plain).abs() < 1e-9 && smallest(&shrunk) > 1e-3, "{}", smallest(&shrunk));
        // The variances are those of GARCH, whatever is shrunk.
        assert!((0..90).all(|i| (shrunk[[i, i]] / plain[[i, i]] - 1.0).abs() < 1e-12));
        returns.slice_mut(s![.., 1]).fill(0.0);
        let flat = DccNl.estimate(&returns, 5.0, &cancel).unwrap().matrix;
        assert!(
            flat.row(1).iter().all(|element| *element == 0.0) && flat.iter().all(|value| value.is_finite())
        );
    }
}
