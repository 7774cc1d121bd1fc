//! Analytical nonlinear shrinkage: each eigenvalue by the density of the others around it.
//!
//! Ledoit and Wolf, 'Analytical nonlinear shrinkage of large-dimensional covariance matrices', Annals of Statistics 48
//! (2020). With the eigenvalues l(1), ..., l(p) of the sample covariance of n returns a ticker (one less than there are, for
//! the mean), the bandwidth h = n^(-1/3) and the share c = p/n, their density f and its Hilbert transform H f are sums over
//! Epanechnikov kernels with x(i,j) = (l(i) - l(j)) / (h l(j)):
//!
//! ```text
//! f(i)   = 1/p sum over j of 3 / (4 sqrt 5 h l(j)) max(0, 1 - x^2 / 5)                                           (4.7)
//! H f(i) = 1/p sum over j of 1 / (pi h l(j)) (-3x/10 + 3 / (4 sqrt 5) (1 - x^2/5) log |(sqrt 5 - x) / (sqrt 5 + x)|) (4.8)
//! d(i)   = l(i) / ((pi c l(i) f(i))^2 + (1 - c - pi c l(i) H f(i))^2)                                            (4.3)
//! ```
//!
//! With more tickers than returns p - n eigenvalues are zero; the sums are over the others, and (section C)
//!
//! ```text
//! d(i) = 1 / (pi^2 l(i) (f(i)^2 + H f(i)^2)),  and of the zeros  d = 1 / (pi (p - n)/n H f(0))
//! H f(0) = 1/pi (3 / (10 h^2) + 3 / (4 sqrt 5 h) (1 - 1 / (5 h^2)) log((1 + sqrt 5 h) / (1 - sqrt 5 h))) mean of 1/l
//! ```

use std::f64::consts::PI;

use ndarray::Array2;

use super::moments::second_moments;
use super::{Estimate, Estimator};
use crate::Result;
use crate::portfolio::solver::linalg;
use crate::task::Cancel;
use crate::work::watched;

/// Under 12 effective returns H f(0) is no number; one more is there for the mean.
const MIN_RETURNS: usize = 13;

/// An eigenvalue under this share of the largest is rounding: the returns have no part in its direction.
const NOTHING: f64 = 1e-10;

/// Units of [`crate::work`] for a kernel and its logarithm.
const KERNEL: usize = 15;

/// The sample covariance with each eigenvalue shrunk by itself.
pub(super) struct NonlinearShrinkage;

impl Estimator for NonlinearShrinkage {
    fn name(&self) -> &'static str {
        "nonlinear_shrinkage"
    }

    fn min_returns(&self) -> usize {
        MIN_RETURNS
    }

    fn estimate(&self, returns: &Array2<f64>, _: f64, cancel: &Cancel) -> Result<Estimate> {
        let (centred, gram) = second_moments(returns, cancel)?;
        let effective = centred.nrows() - 1;
        let (values, vectors) = linalg::eigen((gram / effective as f64).view(), cancel)?;
        let shrunk = shrunk(&values.to_vec(), effective, cancel)?;
        let roots = ndarray::Array1::from(shrunk).mapv(f64::sqrt);
        let scaled = &vectors * &roots;
        let mut matrix = linalg::product(scaled.view(), scaled.t(), cancel)?;
        let n = matrix.nrows();
        for row in watched(0..n, n, cancel) {
            let row = row?;
            // Symmetric to the last bit.
            for column in 0..row {
                matrix[[row, column]] = matrix[[column, row]];
            }
        }
        Ok(Estimate::plain(matrix))
    }
}

/// The eigenvalues, rising, shrunk.
fn shrunk(values: &[f64], effective: usize, cancel: &Cancel) -> Result<Vec<f64>> {
    let largest = values.last().copied().unwrap_or(0.0);
    let zeros = values.iter().filter(|value| **value <= NOTHING * largest).count();
    // Where there are no more tickers than returns a zero is that of a price that never moves, or of a ticker that others
    // make up: its direction has no variance, and is none of those that are shrunk.
    let wide = values.len() > effective;
    let zeros = if wide { zeros.max(values.len() - effective) } else { zeros };
    let known = &values[zeros..];
    let (count, n) = (known.len() as f64, effective as f64);
    let h = n.powf(-1.0 / 3.0);
    let mut shrunk = vec![0.0; zeros];
    for value in watched(known, KERNEL * known.len(), cancel) {
        let value = value?;
        let (density, transform) = density(*value, known, h);
        shrunk.push(if wide {
            1.0 / (PI.powi(2) * value * (density.powi(2) + transform.powi(2)))
        } else {
            let share = count / n;
            let part = PI * share * value;
            value / ((part * density).powi(2) + (1.0 - share - part * transform).powi(2))
        });
    }
    if wide && !known.is_empty() {
        let inverse = known.iter().map(|value| 1.0 / value).sum::<f64>() / count;
        let root = 5.0_f64.sqrt();
        let logarithm = ((1.0 + root * h) / (1.0 - root * h)).ln();
        let at_zero =
            (0.3 / h.powi(2) + 0.75 / (root * h) * (1.0 - 0.2 / h.powi(2)) * logarithm) / PI * inverse;
        shrunk[..zeros].fill(1.0 / (PI * zeros as f64 / count * at_zero));
    }
    Ok(shrunk)
}

/// The density of the eigenvalues at a place, and its Hilbert transform.
fn density(at: f64, values: &[f64], h: f64) -> (f64, f64) {
    let root = 5.0_f64.sqrt();
    let (mut density, mut transform) = (0.0, 0.0);
    for value in values {
        let width = h * value;
        let x = (at - value) / width;
        let kernel = 0.75 / root * (1.0 - x * x / 5.0);
        // At the kernel's ends the logarithm is infinite and what it is multiplied with zero: so is the limit.
        let logarithm =
            if kernel == 0.0 || x.abs() == root { 0.0 } else { ((root - x) / (root + x)).abs().ln() };
        density += kernel.max(0.0) / width;
        transform += (kernel * logarithm - 0.3 * x) / (PI * width);
    }
    let count = values.len() as f64;
    (density / count, transform / count)
}
