//! ARIMA(p, d, q): d from the KPSS test, p and q by a stepwise search over the corrected information criterion, and
//! the coefficients by exact maximum likelihood (Hyndman & Khandakar 2008; Brockwell & Davis 1991, chapters 5 and 8).
//!
//! The model of the series y, differenced d times to w, is phi(B) (w(t) - mean) = theta(B) e(t). With d = 0 the
//! constant is the mean of y, with d = 1 it is its drift.

mod arma;
mod css;
mod estimate;
mod fit;
mod likelihood;
mod optimize;
mod search;
mod unit_root;

use serde_json::{Value, json};

use self::arma::Arma;
use self::fit::{Fitter, Working};
use self::likelihood::Likelihood;
use super::{Failure, Fitted, Model, Path, require_observations};
use crate::task::{Cancel, Task};
use crate::work;

pub use self::arma::MAX_LAG;
pub use self::estimate::{Estimate, Order};

/// The ARIMA whose order the data choose.
#[derive(Debug, Clone, Copy)]
pub struct Arima;

impl Model for Arima {
    fn name(&self) -> &'static str {
        "arima"
    }

    fn min_observations(&self) -> usize {
        // Under ten changes the criterion's correction exceeds what any coefficient can gain.
        10
    }

    fn fit(&self, y: &[f64], _horizon: usize, task: &Task) -> Result<Box<dyn Fitted>, Failure> {
        require_observations(self, y)?;
        Ok(Box::new(fit_auto(y, task)?))
    }
}

/// The ARIMA of the order that the data choose.
///
/// # Errors
/// [`Failure::Constant`], [`Failure::NotFinite`], [`Failure::Diverged`] or [`Failure::Cancelled`].
pub fn fit_auto(y: &[f64], task: &Task) -> Result<Estimate, Failure> {
    check(y)?;
    let d = usize::from(unit_root::has_unit_root(y, &task.cancel)?);
    let w = difference(y, d)?;
    let found = search::stepwise(&w, d, &task.cancel)?;
    finite(found.ok_or(Failure::Diverged("no order has a maximum of its likelihood"))?)
}

/// The ARIMA of a given order, however near its roots are to the unit circle.
///
/// # Errors
/// [`Failure::TooShort`] under p + q + d + 3 observations, and those of [`fit_auto`]. An order outside its limits is
/// [`Failure::Diverged`].
pub fn fit_order(y: &[f64], order: Order, task: &Task) -> Result<Estimate, Failure> {
    if order.p > MAX_LAG || order.q > MAX_LAG || order.d > 1 {
        return Err(Failure::Diverged("the order is outside its limits"));
    }
    let need = order.coefficients() + order.d + 3;
    if y.len() < need {
        return Err(Failure::TooShort { need, got: y.len() });
    }
    check(y)?;
    let w = difference(y, order.d)?;
    let working = Working::new(&w, order.constant, &task.cancel)?.ok_or(Failure::Constant)?;
    let found = Fitter::default().fit(&working, order, None, 1.0, &task.cancel)?;
    finite(found.ok_or(Failure::Diverged("the likelihood has no maximum for this order"))?)
}

/// The exact log-likelihood of `y` at given coefficients and mean (of the differenced series), sigma^2 at its
/// maximum; none where the autoregression is not stationary, or there are more than [`MAX_LAG`] coefficients of a
/// kind.
pub fn log_likelihood(y: &[f64], d: usize, ar: &[f64], ma: &[f64], mean: f64) -> Option<f64> {
    if ar.len() > MAX_LAG || ma.len() > MAX_LAG {
        return None;
    }
    let w: Vec<f64> = difference(y, d).ok()?.iter().map(|w| w - mean).collect();
    let working = Working::new(&w, false, &Cancel::default()).ok()??;
    let profile = Fitter::default().profile(&working, &Arma::new(ar, ma))?;
    Some(profile.log_likelihood() - w.len() as f64 * working.scale.ln())
}

/// Fails where a number of the estimate has left the range of floating point.
fn finite(estimate: Estimate) -> Result<Estimate, Failure> {
    let Estimate { mean, sigma2, log_likelihood, .. } = estimate;
    let finite = mean.is_finite() && sigma2.is_normal() && log_likelihood.is_finite();
    if finite { Ok(estimate) } else { Err(Failure::NotFinite("the variance of the innovations")) }
}

/// Fails where `y` has a value that is not finite, or does not move by more than rounding.
fn check(y: &[f64]) -> Result<(), Failure> {
    if !y.iter().all(|y| y.is_finite()) {
        return Err(Failure::NotFinite("a log price"));
    }
    if moves(y, y) { Ok(()) } else { Err(Failure::Constant) }
}

/// Whether `w` moves by more than the rounding of `y`, of which it is a difference.
fn moves(w: &[f64], y: &[f64]) -> bool {
    let (low, high) = w.iter().fold((f64::MAX, f64::MIN), |(low, high), &w| (low.min(w), high.max(w)));
    let largest = y.iter().fold(0.0_f64, |largest, y| largest.max(y.abs()));
    high / 2.0 - low / 2.0 > 8.0 * f64::EPSILON * largest
}

/// The series differenced `d` times.
fn difference(y: &[f64], d: usize) -> Result<Vec<f64>, Failure> {
    let mut w = y.to_vec();
    for _ in 0..d {
        w = w.windows(2).map(|pair| pair[1] - pair[0]).collect();
    }
    match () {
        () if !w.iter().all(|w| w.is_finite()) => Err(Failure::NotFinite("a change of the log price")),
        () if !moves(&w, y) => {
            Err(Failure::Diverged("the changes are constant: no innovation is left to model"))
        }
        () => Ok(w),
    }
}

impl Estimate {
    /// The forecasts' standard deviations: sigma^2 (1 + psi(1)^2 + ... + psi(h-1)^2), psi of the undifferenced
    /// process (Brockwell & Davis 9.5.6). The uncertainty of the coefficients is not in them.
    fn standard_deviations(&self, horizon: usize) -> Vec<f64> {
        let psi = self.arma.psi(self.order.d, horizon.saturating_sub(1));
        let mut sum = 0.0;
        std::iter::once(1.0)
            .chain(psi)
            .take(horizon)
            .map(|psi| {
                sum += psi * psi;
                (self.sigma2 * sum).sqrt()
            })
            .collect()
    }

    /// The best linear forecasts of the demeaned differences `w` after the first `n`, given their innovations
    /// (Brockwell & Davis 5.3.15).
    fn forecast_differences(
        &self,
        w: &[f64],
        innovations: &[f64],
        factors: &likelihood::Factors,
        n: usize,
        horizon: usize,
    ) -> Vec<f64> {
        let mut ahead: Vec<f64> = Vec::with_capacity(horizon);
        for t in n..n + horizon {
            let mut value = 0.0;
            if t >= self.arma.order() {
                for (lag, phi) in (1..).zip(self.arma.phi()) {
                    let s = t - lag;
                    value += phi * if s < n { w[s] } else { ahead[s - n] };
                }
            }
            // Only innovations before the origin are known; the later ones have mean zero.
            for (lag, weight) in (1..=t).zip(factors.row(t)).filter(|&(lag, _)| t - lag < n) {
                value += weight * innovations[t - lag];
            }
            ahead.push(value);
        }
        ahead
    }
}

impl Fitted for Estimate {
    fn forecast(
        &self,
        y: &[f64],
        origins: &[usize],
        horizon: usize,
        task: &Task,
    ) -> Result<Vec<Path>, Failure> {
        let (first, last) = origins.iter().fold((usize::MAX, 0), |(a, b), &o| (a.min(o), b.max(o)));
        if first == 0 {
            return Err(Failure::TooShort { need: 1, got: 0 });
        }
        let known = y.get(..last).ok_or(Failure::TooShort { need: last, got: y.len() })?;
        let mut w = known.to_vec();
        if self.order.d == 1 {
            w = known.windows(2).map(|pair| pair[1] - pair[0]).collect();
        }
        w.iter_mut().for_each(|w| *w -= self.mean);
        if !w.iter().all(|w| w.is_finite()) {
            return Err(Failure::NotFinite("a log price"));
        }
        let sd = self.standard_deviations(horizon);
        let mut likelihood = Likelihood::default();
        let innovations = likelihood
            .innovations(&self.arma, &w, w.len() + arma::MAX_LAG)
            .ok_or(Failure::Diverged("the fitted process is not stationary"))?
            .to_vec();
        let mut paths = Vec::with_capacity(origins.len());
        for &origin in origins {
            task.cancel.check()?;
            work::count(10 * horizon);
            let n = origin - self.order.d;
            let mut mean = self.forecast_differences(&w, &innovations, &likelihood.factors, n, horizon);
            let mut level = y[origin - 1];
            for value in &mut mean {
                *value += self.mean;
                if self.order.d == 1 {
                    level += *value;
                    *value = level;
                }
            }
            if !mean.iter().chain(&sd).all(|value| value.is_finite()) {
                return Err(Failure::NotFinite("a forecast"));
            }
            paths.push(Path { mean, sd: sd.clone() });
        }
        Ok(paths)
    }

    fn detail(&self) -> Value {
        let constant = match (self.order.constant, self.order.d) {
            (false, _) => json!(null),
            (true, 0) => json!({ "mean": self.mean }),
            (true, _) => json!({ "drift": self.mean }),
        };
        json!({
            "order": [self.order.p, self.order.d, self.order.q],
            "constant": constant,
            "ar": self.ar(),
            "ma": self.ma(),
            "sigma2": self.sigma2,
            "loglik": self.log_likelihood,
            "aicc": self.aicc,
            "observations": self.observations,
        })
    }
}
