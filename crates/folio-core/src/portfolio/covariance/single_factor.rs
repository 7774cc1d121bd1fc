//! Shrinkage towards one factor.

use ndarray::{Array2, Axis};

use super::moments::second_moments;
use super::shrinkage::{intensity, shrink};
use super::{Estimate, Estimator};
use crate::Result;
use crate::task::Cancel;
use crate::work::{self, watched};

/// Ledoit and Wolf (2003), shrunk towards Sharpe's single-index model; the index is the mean of all tickers.
pub(super) struct SingleFactor;

impl Estimator for SingleFactor {
    fn name(&self) -> &'static str {
        "ledoit_wolf_single_factor"
    }

    fn estimate(&self, returns: &Array2<f64>, _: f64, cancel: &Cancel) -> Result<Estimate> {
        let (centred, gram) = second_moments(returns, cancel)?;
        let sample = gram / centred.nrows() as f64;
        single_factor(&centred, sample, cancel)
    }
}

/// Ledoit and Wolf, 'Improved estimation of the covariance matrix of stock returns' (2003), section 3, with the
/// equally weighted mean of the tickers as the index; `sample` has T in the denominator.
fn single_factor(centred: &Array2<f64>, sample: Array2<f64>, cancel: &Cancel) -> Result<Estimate> {
    let (t, n) = centred.dim();
    let days = t as f64;
    cancel.check()?;
    work::count(2 * centred.len() + 4 * n * n);
    let index = centred.sum_axis(Axis(1)) / n as f64;
    let index_variance = index.dot(&index) / days;
    if index_variance <= 0.0 {
        return Ok(Estimate::shrunk(sample, 0.0));
    }
    // Covariances with the index.
    let c = centred.t().dot(&index) / days;
    let target =
        Array2::from_shape_fn(
            (n, n),
            |(i, j)| {
                if i == j { sample[[i, i]] } else { c[i] * c[j] / index_variance }
            },
        );
    let gamma = (&sample - &target).iter().map(|value| value * value).sum::<f64>();

    // pi_ij sums to the asymptotic variance of the sample, rho_ij (formula of the paper's lemma 2 for i <> j) to
    // its asymptotic covariance with the target; on the diagonal the two are the same and cancel.
    let (mut pi, mut rho) = (0.0, 0.0);
    let scaled = &c / index_variance;
    for pair in watched(centred.rows().into_iter().zip(&index), 12 * n, cancel) {
        let (row, &m) = pair?;
        let along = row.dot(&scaled);
        let squares = row.dot(&row);
        pi += squares * squares - row.iter().map(|x| x.powi(4)).sum::<f64>();
        rho += 2.0 * squares * m * along - (m * along).powi(2);
        let own = |(x, b): (&f64, &f64)| 2.0 * x * x * x * m * b - (x * m * b).powi(2);
        rho -= row.iter().zip(&scaled).map(own).sum::<f64>();
    }
    let squared = |matrix: &Array2<f64>| matrix.iter().map(|value| value * value).sum::<f64>();
    let pi = pi / days - (squared(&sample) - sample.diag().dot(&sample.diag()));
    let off_diagonal = |matrix: &Array2<f64>| (matrix * &sample).sum() - matrix.diag().dot(&sample.diag());
    let rho = rho / days - off_diagonal(&target);
    let delta = intensity(pi - rho, gamma, days);
    shrink(sample, &target, delta, cancel)
}
