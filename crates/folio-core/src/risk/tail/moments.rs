//! Mean, standard deviation, skewness and excess kurtosis.

use super::{Refusal, require};
use crate::model::Failure;
use crate::task::Cancel;
use crate::work;

/// The fewest returns that say anything of a fourth moment.
pub(super) const MIN_RETURNS: usize = 30;

/// A standard deviation under this share of the largest return is rounding.
const NOTHING: f64 = 1e-12;

/// Moments of returns, with n in the denominators.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub mean: f64,
    pub deviation: f64,
    pub skewness: f64,
    pub kurtosis: f64,
}

impl Moments {
    pub(super) fn of(returns: &[f64], cancel: &Cancel) -> Result<Moments, Refusal> {
        require(MIN_RETURNS, returns.len())?;
        let n = returns.len() as f64;
        let mean = returns.iter().sum::<f64>() / n;
        let mut sums = [0.0; 3];
        for value in work::watched(returns, 8, cancel) {
            let apart = value? - mean;
            let square = apart * apart;
            sums.iter_mut()
                .zip([square, square * apart, square * square])
                .for_each(|(sum, power)| *sum += power);
        }
        let [second, third, fourth] = sums.map(|sum| sum / n);
        let deviation = second.sqrt();
        let largest = returns.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        if deviation <= NOTHING * largest {
            return Err(Failure::Constant.into());
        }
        let (skewness, kurtosis) = (third / deviation.powi(3), fourth / second.powi(2) - 3.0);
        if !(skewness.is_finite() && kurtosis.is_finite()) {
            return Err(Failure::NotFinite("moment").into());
        }
        Ok(Moments { mean, deviation, skewness, kurtosis })
    }
}
