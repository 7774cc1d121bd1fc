//! EGARCH(1,1) (Nelson, Econometrica 59, 1991), normal innovations z(t) = (r(t) - mu) / sqrt(h(t)):
//!
//! ```text
//! log h(t) = omega + alpha (|z(t-1)| - sqrt(2/pi)) + gamma z(t-1) + beta log h(t-1)
//! ```
//!
//! The first return has no z before it, and the log variance before it is the one of [`super::recursion`], as in the
//! package arch. Later steps are expected variances in closed form: log h moves on by independent shocks
//! g(z) = alpha |z| + gamma z, and with the normal distribution function N
//!
//! ```text
//! E exp(s g(z)) = N(s (gamma + alpha)) exp(s^2 (gamma + alpha)^2 / 2) + N(s (alpha - gamma)) exp(s^2 (alpha - gamma)^2 / 2)
//! ```

use serde_json::{Value, json};
use statrs::distribution::{ContinuousCDF, Normal};

use super::recursion::{MIN_OBSERVATIONS, Scaled};
use super::{FittedVolatility, Observed, VolatilityModel, bfgs, require, require_variances};
use crate::model::Failure;
use crate::task::{Cancel, Cancelled};
use crate::work;

/// The log likelihood is found to about this, and the length of a search's first step.
const TOLERANCE: f64 = 1e-9;
const FIRST_STEP: f64 = 0.05;

/// Log variances further than this from that of all returns are those of a search that went astray.
const LARGEST_LOG: f64 = 40.0;

/// Units of [`work`] for one return in a likelihood with its gradient, and in a filter; returns between two looks.
const SLOPED: usize = 60;
const FILTERED: usize = 30;
const CHUNK: usize = 50_000;

/// The exponential GARCH.
#[derive(Debug, Clone, Copy)]
pub struct Egarch;

/// mu, omega, alpha, gamma and the inverse hyperbolic tangent of beta, in units of the returns' standard deviation.
type Free = [f64; 5];

impl VolatilityModel for Egarch {
    fn name(&self) -> &'static str {
        "egarch"
    }

    fn min_observations(&self) -> usize {
        MIN_OBSERVATIONS
    }

    fn fit(
        &self,
        observed: &Observed<'_>,
        start: Option<&[f64]>,
        cancel: &Cancel,
    ) -> Result<Box<dyn FittedVolatility>, Failure> {
        require(self, observed)?;
        let scaled = Scaled::of(observed.returns, cancel)?;
        let given = start.and_then(|start| Free::try_from(start).ok());
        let mut starts = Vec::new();
        for x in begin(&scaled).into_iter().chain(given) {
            starts.push((loss(&x, &scaled, cancel)?.0, x));
        }
        starts.sort_by(|a, b| a.0.total_cmp(&b.0));
        if !starts[0].0.is_finite() {
            return Err(Failure::Diverged("no likelihood at any start"));
        }
        let found = bfgs::minimise(starts[0].1, FIRST_STEP, TOLERANCE, |x| loss(x, &scaled, cancel))?;
        let Scaled { scale, backcast, y, .. } = scaled;
        Ok(Box::new(Fit { free: found.at, scale, backcast, log_likelihood: -found.value, count: y.len() }))
    }
}

/// Points from which a search may begin.
fn begin(scaled: &Scaled) -> Vec<Free> {
    let mut all = Vec::new();
    for beta in [0.7_f64, 0.93, 0.985] {
        for alpha in [0.08, 0.2] {
            for gamma in [0.0, -0.08] {
                all.push([scaled.mean, 0.0, alpha, gamma, beta.atanh()]);
            }
        }
    }
    all
}

/// Minus the log likelihood, with its gradient.
fn loss(x: &Free, scaled: &Scaled, cancel: &Cancel) -> Result<bfgs::Sloped<5>, Cancelled> {
    let [mu, omega, alpha, gamma, _] = *x;
    let beta = x[4].tanh();
    let mean = std::f64::consts::FRAC_2_PI.sqrt();
    let first = scaled.backcast.ln();
    let mut log = omega + beta * first;
    // The derivatives of log h over mu, omega, alpha, gamma and beta.
    let mut d = [0.0, 1.0, 0.0, 0.0, first];
    let (mut sum, mut slopes) = (0.0, [0.0; 5]);
    for chunk in scaled.y.chunks(CHUNK) {
        cancel.check()?;
        work::count(SLOPED * chunk.len());
        for y in chunk {
            if log.is_nan() || log.abs() > LARGEST_LOG {
                return Ok((f64::INFINITY, [f64::NAN; 5]));
            }
            let inverse = (-0.5 * log).exp();
            let z = (y - mu) * inverse;
            sum += log + z * z;
            let over_log = 0.5 * (1.0 - z * z);
            slopes.iter_mut().zip(&d).for_each(|(slope, d)| *slope += over_log * d);
            slopes[0] -= z * inverse;
            let pull = alpha * z.signum() + gamma;
            let carried = beta - 0.5 * pull * z;
            let added = [-pull * inverse, 1.0, z.abs() - mean, z, log];
            d.iter_mut().zip(added).for_each(|(d, added)| *d = added + carried * *d);
            log = omega + alpha * (z.abs() - mean) + gamma * z + beta * log;
        }
    }
    slopes[4] *= 1.0 - beta * beta;
    let value = 0.5 * (scaled.y.len() as f64 * (2.0 * std::f64::consts::PI).ln() + sum);
    Ok((value, slopes))
}

struct Fit {
    free: Free,
    scale: f64,
    backcast: f64,
    log_likelihood: f64,
    count: usize,
}

impl Fit {
    /// The log variance of each return and of the one after the last, in scaled units.
    fn logs(&self, returns: &[f64], cancel: &Cancel) -> Result<Vec<f64>, Cancelled> {
        let [mu, omega, alpha, gamma, _] = self.free;
        let (beta, mean) = (self.free[4].tanh(), std::f64::consts::FRAC_2_PI.sqrt());
        let mut log = omega + beta * self.backcast.ln();
        let mut all = Vec::with_capacity(returns.len() + 1);
        all.push(log);
        for chunk in returns.chunks(CHUNK) {
            cancel.check()?;
            work::count(FILTERED * chunk.len());
            for value in chunk {
                let z = (value / self.scale - mu) * (-0.5 * log).exp();
                log = omega + alpha * (z.abs() - mean) + gamma * z + beta * log;
                all.push(log);
            }
        }
        Ok(all)
    }

    /// For each step after the first the part of the expected log variance that does not depend on where it starts, and
    /// the power of the start's.
    fn ahead(&self, horizon: usize) -> Vec<(f64, f64)> {
        let [_, omega, alpha, gamma, _] = self.free;
        let (beta, mean) = (self.free[4].tanh(), std::f64::consts::FRAC_2_PI.sqrt());
        let normal = Normal::standard();
        let shock = |s: f64| {
            let half = |slope: f64| normal.cdf(s * slope) * (0.5 * (s * slope).powi(2)).exp();
            (half(alpha + gamma) + half(alpha - gamma)).ln()
        };
        work::count(100 * horizon);
        let (mut constant, mut power) = (0.0, 1.0);
        let mut step = || {
            let now = (constant, power);
            constant += (omega - alpha * mean) * power + shock(power);
            power *= beta;
            now
        };
        (0..horizon).map(|_| step()).collect()
    }
}

impl FittedVolatility for Fit {
    fn forecast(
        &self,
        observed: &Observed<'_>,
        origins: &[usize],
        horizon: usize,
        cancel: &Cancel,
    ) -> Result<Vec<Vec<f64>>, Failure> {
        let logs = self.logs(observed.returns, cancel)?;
        let (ahead, unit) = (self.ahead(horizon), self.scale * self.scale);
        let path = |origin: Result<&usize, Cancelled>| {
            let log = logs[*origin?];
            Ok(ahead.iter().map(|(constant, power)| unit * (constant + power * log).exp()).collect())
        };
        let paths: Vec<Vec<f64>> =
            work::watched(origins, 15 * horizon, cancel).map(path).collect::<Result<_, Cancelled>>()?;
        require_variances(&paths)?;
        Ok(paths)
    }

    fn parameters(&self) -> &[f64] {
        &self.free
    }

    fn detail(&self) -> Value {
        let percent = 100.0 * self.scale;
        let [mu, omega, alpha, gamma, _] = self.free;
        let beta = self.free[4].tanh();
        json!({
            "mu": mu * percent,
            "omega": omega + (1.0 - beta) * 2.0 * percent.ln(),
            "alpha": alpha,
            "gamma": gamma,
            "beta": beta,
            "log_likelihood": self.log_likelihood - self.count as f64 * percent.ln(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_those_of_differences() {
        let cancel = Cancel::default();
        let wave = |t: usize| ((t * t) as f64 * 0.37).sin() * (1.0 + 0.5 * (t as f64 / 17.0).sin()) + 0.05;
        let returns: Vec<f64> = (0..300).map(wave).collect();
        let scaled = Scaled::of(&returns, &cancel).unwrap();
        for x in begin(&scaled) {
            let (_, exact) = loss(&x, &scaled, &cancel).unwrap();
            for i in 0..x.len() {
                let at = |step: f64| {
                    let mut aside = x;
                    aside[i] += step;
                    loss(&aside, &scaled, &cancel).unwrap().0
                };
                let quotient = (at(1e-6) - at(-1e-6)) / 2e-6;
                let off = (quotient - exact[i]).abs() / (1.0 + exact[i].abs());
                // |z| has a corner: a difference that crosses one is off by its share of all returns.
                assert!(off < 1e-5, "{i}: {quotient} {}", exact[i]);
            }
        }
    }
}
