//! A correlation without what noise explains of it.

use ndarray::{Array1, Array2};

use super::moments::second_moments;
use super::{Estimate, Estimator};
use crate::Result;
use crate::portfolio::solver::linalg;
use crate::task::Cancel;

/// The sample covariance whose correlation's eigenvalues that noise explains are set to their mean (Laloux, Cizeau,
/// Bouchaud and Potters 1999).
pub(super) struct Denoised;

impl Estimator for Denoised {
    fn name(&self) -> &'static str {
        "denoised"
    }

    fn estimate(&self, returns: &Array2<f64>, _: f64, cancel: &Cancel) -> Result<Estimate> {
        let (centred, gram) = second_moments(returns, cancel)?;
        let days = centred.nrows() as f64;
        Ok(Estimate::plain(denoised(days, gram / (days - 1.0), cancel)?))
    }
}

/// The sample covariance with the eigenvalues of its correlation clipped: those under the Marchenko-Pastur edge
/// s (1 + sqrt(N / T))^2, where s is the variance that the largest one leaves, become their mean, and the diagonal is
/// set back to one.
fn denoised(days: f64, sample: Array2<f64>, cancel: &Cancel) -> Result<Array2<f64>> {
    let n = sample.nrows();
    let sd = sample.diag().mapv(f64::sqrt);
    let inverse = sd.mapv(|sd| if sd > 0.0 { 1.0 / sd } else { 0.0 });
    let correlation =
        Array2::from_shape_fn(
            (n, n),
            |(i, j)| {
                if i == j { 1.0 } else { sample[[i, j]] * inverse[i] * inverse[j] }
            },
        );
    let (values, vectors) = linalg::eigen(correlation.view(), cancel)?;
    let edge = (1.0 - values[n - 1] / n as f64) * (1.0 + (n as f64 / days).sqrt()).powi(2);
    let noise: Vec<f64> = values.iter().copied().filter(|value| *value <= edge).collect();
    let mean = noise.iter().sum::<f64>() / noise.len().max(1) as f64;
    let scaled = &vectors * &values.mapv(|value| if value <= edge { mean } else { value }.max(0.0).sqrt());
    let cleaned = linalg::product(scaled.view(), scaled.t(), cancel)?;
    let unit =
        Array1::from_shape_fn(
            n,
            |i| if cleaned[[i, i]] > 0.0 { sd[i] / cleaned[[i, i]].sqrt() } else { 0.0 },
        );
    Ok(Array2::from_shape_fn((n, n), |(i, j)| {
        if i == j { sample[[i, i]] } else { cleaned[[i.max(j), i.min(j)]] * unit[i] * unit[j] }
    }))
}
