//! Shrinkage towards equal correlations.

use ndarray::{Array1, Array2};

use super::moments::second_moments;
use super::shrinkage::{intensity, shrink};
use super::{Estimate, Estimator};
use crate::Result;
use crate::task::Cancel;
use crate::work::{self, watched};

/// Ledoit and Wolf (2003), shrunk towards equal correlations.
pub(super) struct ConstantCorrelation;

impl Estimator for ConstantCorrelation {
    fn name(&self) -> &'static str {
        "ledoit_wolf_constant_correlation"
    }

    fn estimate(&self, returns: &Array2<f64>, _: f64, cancel: &Cancel) -> Result<Estimate> {
        let (centred, gram) = second_moments(returns, cancel)?;
        constant_correlation(&centred, gram, cancel)
    }
}

/// Ledoit and Wolf, 'Honey, I shrunk the sample covariance matrix' (2003), appendix B. Tickers that never move
/// count as uncorrelated.
///
/// Sums over pairs of terms that are products of a factor of i and a factor of j are products of sums, day by day.
fn constant_correlation(centred: &Array2<f64>, gram: Array2<f64>, cancel: &Cancel) -> Result<Estimate> {
    let (t, n) = centred.dim();
    let days = t as f64;
    let sample = &gram / (days - 1.0);
    let second = gram / days;
    let sd = sample.diag().mapv(f64::sqrt);
    let inverse = sd.mapv(|sd| if sd > 0.0 { 1.0 / sd } else { 0.0 });
    let moving = inverse.iter().filter(|value| **value > 0.0).count() as f64;
    if moving < 2.0 {
        return Ok(Estimate::shrunk(sample, 0.0));
    }
    work::count(4 * n * n);
    let correlations = inverse.dot(&sample.dot(&inverse));
    let mean_correlation = (correlations - moving) / (moving * (moving - 1.0));
    let target =
        Array2::from_shape_fn(
            (n, n),
            |(i, j)| {
                if i == j { sample[[i, i]] } else { mean_correlation * sd[i] * sd[j] }
            },
        );

    let mut fourth_all = 0.0;
    let mut fourth_own = Array1::<f64>::zeros(n);
    let mut cubes = 0.0;
    for row in watched(centred.rows(), 8 * n, cancel) {
        let row = row?;
        let squares = row.mapv(|value| value * value);
        fourth_all += squares.sum().powi(2);
        fourth_own += &squares.mapv(|value| value * value);
        // Over i <> j of sd_j / sd_i times x_i^3 x_j.
        let left: f64 = (0..n).map(|i| squares[i] * row[i] * inverse[i]).sum();
        let own: f64 = (0..n).map(|i| squares[i] * squares[i] * inverse[i] * sd[i]).sum();
        cubes += left * row.dot(&sd) - own;
    }
    let pi_all = fourth_all / days - 2.0 * (&second * &sample).sum() + (&sample * &sample).sum();
    let pi_own: f64 = (0..n)
        .map(|i| fourth_own[i] / days - 2.0 * second[[i, i]] * sample[[i, i]] + sample[[i, i]].powi(2))
        .sum();
    // theta_ii,ij of the appendix: E[(x_i^2 - s_ii)(x_i x_j - s_ij)], with both denominators kept apart.
    let mut theta = cubes / days;
    for i in watched(0..n, 2 * n, cancel) {
        let i = i?;
        for j in (0..n).filter(|&j| j != i) {
            let rest = second[[i, i]] * sample[[i, j]] + second[[i, j]] * sample[[i, i]]
                - sample[[i, i]] * sample[[i, j]];
            theta -= sd[j] * inverse[i] * rest;
        }
    }
    let rho = pi_own + mean_correlation * theta;
    let gamma = (&sample - &target).iter().map(|value| value * value).sum::<f64>();
    let delta = intensity(pi_all - rho, gamma, days);
    shrink(sample, &target, delta, cancel)
}
