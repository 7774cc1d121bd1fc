//! What the GARCH models with one lag share: returns in units of their standard deviation, the recursion of the variance,
//! its likelihood with an analytic gradient, and the search for its maximum.
//!
//! With the innovation e(t) = r(t) - mu and its variance h(t) (Bollerslev, Journal of Econometrics 31, 1986; Glosten,
//! Jagannathan & Runkle, Journal of Finance 48, 1993):
//!
//! ```text
//! h(t) = omega + (alpha + gamma [e(t-1) < 0]) e(t-1)^2 + beta h(t-1)
//! normal:    log f = -1/2 (log 2 pi + log h + e^2 / h)
//! Student t: log f = log G((nu+1)/2) - log G(nu/2) - 1/2 log(pi (nu-2)) - 1/2 log h - (nu+1)/2 log(1 + e^2 / (h (nu-2)))
//! ```
//!
//! The variance before the first return is an exponentially weighted mean of the first squares, as in the package arch,
//! so that likelihoods can be compared. omega > 0, alpha >= 0, alpha + gamma >= 0, beta >= 0 and
//! alpha + gamma/2 + beta <= 1 hold by the way the parameters are written ([`shares`]).

use serde_json::{Value, json};
use statrs::function::gamma::{digamma, ln_gamma};

use super::{FittedVolatility, Observed, VolatilityModel, bfgs, require, require_variances, shares};
use crate::model::Failure;
use crate::task::{Cancel, Cancelled};
use crate::work;

/// The fewest returns of a likelihood with up to six parameters.
pub(crate) const MIN_OBSERVATIONS: usize = 60;

/// How many of the first squares make the variance before the first return, and by what their weight falls.
const BACKCAST: usize = 75;
const BACKCAST_DECAY: f64 = 0.94;

/// The log likelihood is found to about this.
const TOLERANCE: f64 = 1e-9;

/// The length of a search's first step, in the free parameters.
const FIRST_STEP: f64 = 0.05;

/// Degrees of freedom of Student's t: its variance is finite from 2 on, and beyond 500 it is the normal distribution.
const FEWEST_DEGREES: f64 = 2.05;
const MOST_DEGREES: f64 = 500.0;

/// With fewer degrees than this the variance is not to be told from the scale of the middle: it is a number of the search's
/// last step, off by any factor. Series with many days without a move do this.
const FEWEST_WITH_VARIANCE: f64 = 2.5;

/// Units of [`work`] for one return in a likelihood with its gradient, and in a filter; returns between two looks.
const SLOPED: usize = 40;
const FILTERED: usize = 8;
const CHUNK: usize = 50_000;

/// Logarithms are taken of products that stay between this and its inverse.
const PRODUCT: f64 = 1e-120;

/// Returns in units of their standard deviation, in which every search takes the same steps.
pub(crate) struct Scaled {
    pub y: Vec<f64>,
    /// The standard deviation.
    pub scale: f64,
    pub mean: f64,
    /// The variance before the first return.
    pub backcast: f64,
}

impl Scaled {
    /// # Errors
    /// [`Failure::Constant`].
    pub fn of(returns: &[f64], cancel: &Cancel) -> Result<Scaled, Failure> {
        cancel.check()?;
        work::count(4 * returns.len());
        let n = returns.len() as f64;
        let mean = returns.iter().sum::<f64>() / n;
        let scale = (returns.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
        if !(scale > 0.0 && (1.0 / scale).is_finite()) {
            return Err(Failure::Constant);
        }
        let y: Vec<f64> = returns.iter().map(|value| value / scale).collect();
        let mean = mean / scale;
        Ok(Scaled { backcast: backcast(&y, mean), y, scale, mean })
    }
}

/// The exponentially weighted mean of the first squared innovations.
pub(crate) fn backcast(y: &[f64], mean: f64) -> f64 {
    let (mut weight, mut total, mut sum) = (1.0, 0.0, 0.0);
    for value in y.iter().take(BACKCAST) {
        sum += weight * (value - mean).powi(2);
        total += weight;
        weight *= BACKCAST_DECAY;
    }
    // Prices that did not move at first: the variance of all, which is 1.
    if sum > 0.0 { sum / total } else { 1.0 }
}

/// A sum of logarithms, few of them taken.
pub(crate) struct Logarithms {
    product: f64,
    sum: f64,
}

impl Logarithms {
    pub fn new() -> Logarithms {
        Logarithms { product: 1.0, sum: 0.0 }
    }

    #[inline]
    pub fn add(&mut self, value: f64) {
        self.product *= value;
        if !(PRODUCT..1.0 / PRODUCT).contains(&self.product) {
            self.sum += self.product.ln();
            self.product = 1.0;
        }
    }

    pub fn sum(&self) -> f64 {
        self.sum + self.product.ln()
    }
}

/// Which of the models.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Family {
    /// Whether falls weigh otherwise than rises.
    pub asymmetric: bool,
    /// Whether innovations are Student t.
    pub student: bool,
}

/// mu, omega, alpha, alpha + gamma, beta, nu, in units of the returns' standard deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Parameters {
    pub mu: f64,
    pub omega: f64,
    pub up: f64,
    pub down: f64,
    pub beta: f64,
    pub nu: f64,
}

impl Parameters {
    /// What of a variance remains a step later.
    pub fn persistence(&self) -> f64 {
        (self.up + self.down) / 2.0 + self.beta
    }
}

/// The free parameters: mu, log omega, the points of the shares of alpha/2 up and down, beta and the rest, and nu's.
type Free = [f64; 7];

/// The derivatives over mu, omega, up, down, beta and nu.
type Slopes = [f64; 6];

impl Family {
    fn parameters(self, x: &Free) -> Parameters {
        let (up, down, beta) = if self.asymmetric {
            let [up, down, beta, _] = shares::at([x[2], x[3], x[4], x[5]]);
            (2.0 * up, 2.0 * down, beta)
        } else {
            let [alpha, beta, _] = shares::at([x[2], x[4], x[5]]);
            (alpha, alpha, beta)
        };
        let nu = if self.student { 1.0 / inverse_degrees(x[6]).0 } else { f64::INFINITY };
        Parameters { mu: x[0], omega: x[1].exp(), up, down, beta, nu }
    }

    fn free(self, parameters: &Parameters) -> Free {
        let Parameters { mu, omega, up, down, beta, nu } = *parameters;
        let rest = 1.0 - parameters.persistence();
        let mut x = [mu, omega.ln(), 0.0, 0.0, 0.0, 0.0, 0.0];
        if self.asymmetric {
            x[2..6].copy_from_slice(&shares::point([up / 2.0, down / 2.0, beta, rest]));
        } else {
            let [alpha, beta, rest] = shares::point([up, beta, rest]);
            (x[2], x[4], x[5]) = (alpha, beta, rest);
        }
        if self.student {
            let (low, high) = (1.0 / MOST_DEGREES, 1.0 / FEWEST_DEGREES);
            let share = (1.0 / nu - low) / (high - low);
            x[6] = (share / (1.0 - share)).ln();
        }
        x
    }

    /// The gradient over the free parameters.
    fn over_free(self, x: &Free, parameters: &Parameters, slopes: &Slopes) -> Free {
        let [mu, omega, up, down, beta, nu] = *slopes;
        let mut over = [mu, omega * parameters.omega, 0.0, 0.0, 0.0, 0.0, 0.0];
        if self.asymmetric {
            let of = shares::gradient([x[2], x[3], x[4], x[5]], [2.0 * up, 2.0 * down, beta, 0.0]);
            over[2..6].copy_from_slice(&of);
        } else {
            let [alpha, beta, rest] = shares::gradient([x[2], x[4], x[5]], [up + down, beta, 0.0]);
            (over[2], over[4], over[5]) = (alpha, beta, rest);
        }
        if self.student {
            let (inverse, slope) = inverse_degrees(x[6]);
            over[6] = nu * -slope / (inverse * inverse);
        }
        over
    }

    /// Minus the log likelihood of the scaled returns, with its gradient over the free parameters.
    fn loss(self, x: &Free, scaled: &Scaled, cancel: &Cancel) -> Result<bfgs::Sloped<7>, Cancelled> {
        let parameters = self.parameters(x);
        let (value, slopes) = if self.student {
            loss::<true>(&parameters, scaled, cancel)?
        } else {
            loss::<false>(&parameters, scaled, cancel)?
        };
        if !value.is_finite() {
            return Ok((f64::INFINITY, [f64::NAN; 7]));
        }
        Ok((value, self.over_free(x, &parameters, &slopes)))
    }

    /// Points from which a search may begin: what markets show, more or less persistent.
    fn starts(self, scaled: &Scaled) -> Vec<Free> {
        let mut all = Vec::new();
        for persistence in [0.6, 0.9, 0.97, 0.992] {
            for alpha in [0.03, 0.08, 0.2] {
                let (up, down) = if self.asymmetric { (0.4 * alpha, 1.6 * alpha) } else { (alpha, alpha) };
                let (mu, omega, beta) = (scaled.mean, 1.0 - persistence, persistence - alpha);
                all.push(self.free(&Parameters { mu, omega, up, down, beta, nu: 8.0 }));
            }
        }
        all
    }

    /// The parameters at which the likelihood of these returns is largest, and its logarithm.
    fn search(self, scaled: &Scaled, start: Option<&[f64]>, cancel: &Cancel) -> Result<(Free, f64), Failure> {
        let given = start.and_then(|start| Free::try_from(start).ok());
        let mut starts = Vec::new();
        for x in self.starts(scaled).into_iter().chain(given) {
            starts.push((self.loss(&x, scaled, cancel)?.0, x));
        }
        starts.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (value, best) = starts[0];
        if !value.is_finite() {
            return Err(Failure::Diverged("no likelihood at any start"));
        }
        let found = bfgs::minimise(best, FIRST_STEP, TOLERANCE, |x| self.loss(x, scaled, cancel))?;
        Ok((found.at, -found.value))
    }
}

/// 1/nu of its free parameter, and the derivative.
fn inverse_degrees(x: f64) -> (f64, f64) {
    let (low, high) = (1.0 / MOST_DEGREES, 1.0 / FEWEST_DEGREES);
    let share = 1.0 / (1.0 + (-x).exp());
    (low + (high - low) * share, (high - low) * share * (1.0 - share))
}

/// Minus the log likelihood, with its derivatives.
fn loss<const STUDENT: bool>(
    parameters: &Parameters,
    scaled: &Scaled,
    cancel: &Cancel,
) -> Result<(f64, Slopes), Cancelled> {
    let Parameters { mu, omega, up, down, beta, nu } = *parameters;
    // h of the first return, with its derivatives over mu, omega, up, down and beta.
    let mut h = omega + ((up + down) / 2.0 + beta) * scaled.backcast;
    let mut dh = [0.0, 1.0, scaled.backcast / 2.0, scaled.backcast / 2.0, scaled.backcast];
    let (mut logarithms, mut tails) = (Logarithms::new(), Logarithms::new());
    let (mut squares, mut of_nu, mut slopes) = (0.0, 0.0, [0.0; 5]);
    for chunk in scaled.y.chunks(CHUNK) {
        cancel.check()?;
        work::count(SLOPED * chunk.len());
        for &y in chunk {
            let e = y - mu;
            let inverse = 1.0 / h;
            let ratio = e * e * inverse;
            logarithms.add(h);
            // The derivatives of minus log f over h and over mu with h fixed.
            let (over_h, over_mu) = if STUDENT {
                let q = ratio / (nu - 2.0);
                let pull = (nu + 1.0) / (1.0 + q) / (nu - 2.0);
                tails.add(1.0 + q);
                of_nu += q / (1.0 + q);
                (0.5 * inverse * (1.0 - pull * ratio), -pull * e * inverse)
            } else {
                squares += ratio;
                (0.5 * inverse * (1.0 - ratio), -e * inverse)
            };
            for (slope, dh) in slopes.iter_mut().zip(&dh) {
                *slope += over_h * dh;
            }
            slopes[0] += over_mu;
            let square = e * e;
            let (pull, [rise, fall]) = if e < 0.0 { (down, [0.0, square]) } else { (up, [square, 0.0]) };
            let added = [-2.0 * pull * e, 1.0, rise, fall, h];
            for (dh, added) in dh.iter_mut().zip(added) {
                *dh = added + beta * *dh;
            }
            h = omega + pull * square + beta * h;
        }
    }
    let n = scaled.y.len() as f64;
    let [mu, omega, up, down, beta] = slopes;
    if !STUDENT {
        let value = 0.5 * (n * (2.0 * std::f64::consts::PI).ln() + logarithms.sum() + squares);
        return Ok((value, [mu, omega, up, down, beta, 0.0]));
    }
    let constant =
        ln_gamma((nu + 1.0) / 2.0) - ln_gamma(nu / 2.0) - 0.5 * (std::f64::consts::PI * (nu - 2.0)).ln();
    let value = -n * constant + 0.5 * logarithms.sum() + (nu + 1.0) / 2.0 * tails.sum();
    let constant_slope = 0.5 * (digamma((nu + 1.0) / 2.0) - digamma(nu / 2.0) - 1.0 / (nu - 2.0));
    let over_nu = -n * constant_slope + 0.5 * tails.sum() - (nu + 1.0) / 2.0 / (nu - 2.0) * of_nu;
    Ok((value, [mu, omega, up, down, beta, over_nu]))
}

/// A model of the family, fitted.
pub(crate) struct Fit {
    family: Family,
    free: Free,
    /// In units of `scale`.
    pub parameters: Parameters,
    pub scale: f64,
    backcast: f64,
    log_likelihood: f64,
    count: usize,
}

impl Fit {
    /// The maximum of the likelihood.
    pub fn new(
        model: &dyn VolatilityModel,
        family: Family,
        observed: &Observed<'_>,
        start: Option<&[f64]>,
        cancel: &Cancel,
    ) -> Result<Fit, Failure> {
        require(model, observed)?;
        let scaled = Scaled::of(observed.returns, cancel)?;
        let (free, log_likelihood) = family.search(&scaled, start, cancel)?;
        let parameters = family.parameters(&free);
        if parameters.nu < FEWEST_WITH_VARIANCE {
            return Err(Failure::Diverged("tails so heavy that there is no variance to speak of"));
        }
        let Scaled { scale, backcast, y, .. } = scaled;
        Ok(Fit { family, free, parameters, scale, backcast, log_likelihood, count: y.len() })
    }

    /// The variance of each return as it was expected the period before, and of the one after the last; in units of the
    /// returns.
    pub fn variances(&self, returns: &[f64], cancel: &Cancel) -> Result<Vec<f64>, Cancelled> {
        let Parameters { mu, omega, up, down, beta, .. } = self.parameters;
        let unit = self.scale * self.scale;
        let mut h = omega + self.parameters.persistence() * self.backcast;
        let mut all = Vec::with_capacity(returns.len() + 1);
        all.push(unit * h);
        for chunk in returns.chunks(CHUNK) {
            cancel.check()?;
            work::count(FILTERED * chunk.len());
            for value in chunk {
                let e = value / self.scale - mu;
                h = omega + if e < 0.0 { down } else { up } * e * e + beta * h;
                all.push(unit * h);
            }
        }
        Ok(all)
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
        let variances = self.variances(observed.returns, cancel)?;
        let (persistence, omega) =
            (self.parameters.persistence(), self.parameters.omega * self.scale.powi(2));
        let path = |origin: usize| {
            let mut variance = variances[origin];
            let mut step = || {
                let now = variance;
                variance = omega + persistence * now;
                now
            };
            (0..horizon).map(|_| step()).collect()
        };
        let paths: Vec<Vec<f64>> = work::watched(origins, 3 * horizon, cancel)
            .map(|origin| Ok(path(*origin?)))
            .collect::<Result<_, Cancelled>>()?;
        require_variances(&paths)?;
        Ok(paths)
    }

    fn parameters(&self) -> &[f64] {
        &self.free
    }

    fn detail(&self) -> Value {
        let percent = 100.0 * self.scale;
        let Parameters { mu, omega, up, down, beta, nu } = self.parameters;
        let mut detail = json!({
            "mu": mu * percent,
            "omega": omega * percent * percent,
            "alpha": up,
            "beta": beta,
            "log_likelihood": self.log_likelihood - self.count as f64 * percent.ln(),
        });
        if self.family.asymmetric {
            detail["gamma"] = json!(down - up);
        }
        if self.family.student {
            detail["nu"] = json!(nu);
        }
        detail
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
        for (asymmetric, student) in [(false, false), (true, false), (false, true), (true, true)] {
            let family = Family { asymmetric, student };
            for x in family.starts(&scaled) {
                let (_, exact) = family.loss(&x, &scaled, &cancel).unwrap();
                for i in 0..x.len() {
                    let at = |step: f64| {
                        let mut aside = x;
                        aside[i] += step;
                        family.loss(&aside, &scaled, &cancel).unwrap().0
                    };
                    let quotient = (at(1e-5) - at(-1e-5)) / 2e-5;
                    let off = (quotient - exact[i]).abs() / (1.0 + exact[i].abs());
                    assert!(off < 1e-6, "{family:?} {i}: {quotient} {}", exact[i]);
                }
            }
        }
    }

    #[test]
    fn free_parameters_are_the_parameters() {
        let family = Family { asymmetric: true, student: true };
        let parameters = Parameters { mu: 0.1, omega: 0.02, up: 0.01, down: 0.15, beta: 0.85, nu: 6.0 };
        let back = family.parameters(&family.free(&parameters));
        let off = [back.up - 0.01, back.down - 0.15, back.beta - 0.85, back.nu - 6.0, back.omega - 0.02];
        assert!(off.iter().all(|off| off.abs() < 1e-12), "{back:?}");
    }
}
