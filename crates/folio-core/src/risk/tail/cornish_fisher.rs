//! The normal quantile corrected by skewness and kurtosis (Cornish & Fisher, Review of the International Statistical
//! Institute 5, 1937; 'modified value at risk' of Favre & Galeano, Journal of Alternative Investments 5, 2002).
//!
//! With S the skewness and K the excess kurtosis of the sum of h independent returns, S(1) / sqrt h and K(1) / h, and z the
//! normal quantile of 1 - level,
//!
//! ```text
//! w(z)               = z + (z^2 - 1) S/6 + (z^3 - 3z) K/24 - (2z^3 - 5z) S^2/36
//! value at risk      = -(h mean + sqrt h deviation w(z))
//! expected shortfall = -(h mean + sqrt h deviation E),  E = mean of w over what is under z
//!                    = -f(z) / (1 - level) (1 + z S/6 + (z^2 - 1) K/24 - (2z^2 - 1) S^2/36), f the normal density
//! ```
//!
//! The second is the integral of the first (Maillard, 'A user's guide to the Cornish Fisher expansion', 2012). Where w falls
//! anywhere in the tail, it is no quantile, and the method says so.

use statrs::distribution::{Continuous, ContinuousCDF, Normal};

use super::moments::Moments;
use super::{Asked, Refusal, Tail, TailMethod};
use crate::Result;
use crate::task::Cancel;

/// The quantile has to rise from here on: what is under it is a millionth.
const LOWEST: f64 = -4.76;

/// The expansion of the quantile.
pub(super) struct CornishFisher;

impl TailMethod for CornishFisher {
    fn name(&self) -> &'static str {
        "cornish_fisher"
    }

    fn tail(&self, returns: &[f64], asked: Asked, cancel: &Cancel) -> Result<Tail, Refusal> {
        let Moments { mean, deviation, skewness, kurtosis } = Moments::of(returns, cancel)?;
        let periods = asked.horizon as f64;
        let (s, k) = (skewness / periods.sqrt(), kurtosis / periods);
        let normal = Normal::standard();
        let z = normal.inverse_cdf(1.0 - asked.level);
        if least_slope(z, s, k) <= 0.0 {
            let reason = format!("no quantile at a skewness of {s:.2} and an excess kurtosis of {k:.2}");
            return Err(Refusal::Reason(reason));
        }
        let quantile = z + (z * z - 1.0) * s / 6.0 + (z.powi(3) - 3.0 * z) * k / 24.0
            - (2.0 * z.powi(3) - 5.0 * z) * s * s / 36.0;
        let beyond = -normal.pdf(z) / (1.0 - asked.level)
            * (1.0 + z * s / 6.0 + (z * z - 1.0) * k / 24.0 - (2.0 * z * z - 1.0) * s * s / 36.0);
        let loss = |at: f64| -(periods * mean + periods.sqrt() * deviation * at);
        Ok(Tail { value_at_risk: loss(quantile), expected_shortfall: loss(beyond), n: returns.len() })
    }
}

/// The least of the derivative of w, a parabola, from [`LOWEST`] to z.
fn least_slope(z: f64, s: f64, k: f64) -> f64 {
    let [a, b, c] = [k / 8.0 - s * s / 6.0, s / 3.0, 1.0 - k / 8.0 + 5.0 * s * s / 36.0];
    let slope = |at: f64| (a * at + b) * at + c;
    let turn = if a > 0.0 { (-b / (2.0 * a)).clamp(LOWEST, z.max(LOWEST)) } else { z };
    slope(LOWEST).min(slope(z)).min(slope(turn))
}
