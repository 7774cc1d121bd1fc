//! One ticker's models: fitted to the first part of the returns, validated on the rest, fitted to all, weighed and
//! combined.
//!
//! The loss is QLIKE (Patton, Journal of Econometrics 160, 2011): of a variance f that was forecast for a stretch whose
//! mean squared return was x, log f + x / f. It ranks forecasts of the variance rightly though x is but a noisy proxy of
//! it. It is also minus twice the log likelihood of a normal return, so that a member's weight at a step is what its
//! likelihood says: with the losses L of the stretches up to the step, of which n do not overlap,
//!
//! ```text
//! w(i) = 1/2 1/k + 1/2 exp(-n/2 L(i)) / sum over j of exp(-n/2 L(j))
//! ```
//!
//! halfway to equal weights. The intervals are split conformal: the quantiles
//! of x / f at the validated origins, shrunk to those of chi-squared over its degrees of freedom where few stretches do
//! not overlap.

use std::time::Duration;

use statrs::distribution::{ContinuousCDF, Normal};

use super::request::Request;
use crate::forecast::Split;
use crate::model::Failure;
use crate::task::{Cancel, Cancelled};
use crate::volatility::{Observed, VolatilityModel};
use crate::work;

/// How far weights are moved towards equal ones.
const SHRINKAGE: f64 = 0.5;

/// A variance is taken for at least this share of the mean square: QLIKE of a forecast of nothing is infinite.
const LEAST: f64 = 1e-4;

/// At most this many validated steps of all origins: with a longer horizon the origins stand further apart, since their
/// stretches overlap.
const VALIDATED: usize = 12_000;

/// A quantile of b stretches that do not overlap weighs b against this many of the chi-squared one.
const THEORY_BLOCKS: f64 = 10.0;

/// Units of [`work`] for a validated step of a model: its loss.
const LOSS: usize = 15;

/// The chi-squared of a stretch has no more degrees of freedom than this: that of a month would, if the variance were known.
/// With four the intervals of 0.8 held 0.78 to 0.80 of what came on 20 stocks at a day, a week and a month; with no bound
/// 0.65 at the month.
const MOST_DEGREES: usize = 4;

/// What a model did for a ticker.
#[derive(Debug, Clone)]
pub struct Member {
    /// The model's name.
    pub model: &'static str,
    /// What is known of its forecasts, or why there are none.
    pub outcome: Result<MemberFit, Failure>,
    /// The CPU time of both fits and all forecasts.
    pub elapsed: Duration,
}

/// A model's forecasts of a ticker.
#[derive(Debug, Clone)]
pub struct MemberFit {
    /// The variances of the steps, from each origin.
    pub(super) paths: Vec<Vec<f64>>,
    /// The weight at each step.
    pub weights: Vec<f64>,
    /// The mean of x / f + log(f / m) - 1 out of sample over all stretches, m the mean square of the returns that were
    /// fitted to; None without validation.
    pub validation_qlike: Option<f64>,
    /// The fit's own report.
    pub detail: serde_json::Value,
    /// The variances of the steps from each validated origin.
    validated: Vec<Vec<f64>>,
}

impl MemberFit {
    /// The mean of the weights over the steps.
    pub fn weight(&self) -> f64 {
        self.weights.iter().sum::<f64>() / self.weights.len() as f64
    }
}

/// What is fitted, and from where is forecast.
pub(super) struct Work<'a> {
    /// What may be read.
    pub observed: Observed<'a>,
    /// How many periods the models are fitted to, validation included.
    pub fitted: usize,
    /// Where forecasts start, at or after `fitted`.
    pub origins: &'a [usize],
}

/// The members and what they make together.
pub(super) struct Combined {
    pub members: Vec<Member>,
    /// The variances of the steps, from each origin; empty where no model could.
    pub paths: Vec<Vec<f64>>,
    /// For each step, between which shares of the variance up to it the realised one falls.
    pub ratios: Vec<[f64; 2]>,
    /// Whether the members were validated.
    pub validated: bool,
    /// The mean square of the returns that were fitted to.
    pub mean_square: f64,
}

/// Where a ticker's members are validated.
struct Validation {
    training: usize,
    origins: Vec<usize>,
    /// The mean squared return from each origin up to each step that has come.
    realised: Vec<Vec<f64>>,
    /// How many days of returns validate.
    days: usize,
}

impl Validation {
    fn of(returns: &[f64], horizon: usize, cancel: &Cancel) -> Result<Option<Validation>, Cancelled> {
        let n = returns.len();
        let Some(Split { training, .. }) = Split::of(n) else { return Ok(None) };
        let stride = ((n - training) * horizon).div_ceil(VALIDATED);
        let mut origins: Vec<usize> = (training..n).rev().step_by(stride).collect();
        origins.reverse();
        let squares = |origin: Result<&usize, Cancelled>| {
            let mut sum = 0.0;
            let mean = |(step, value): (usize, &f64)| {
                sum += value * value;
                sum / (step + 1) as f64
            };
            Ok(returns[*origin?..].iter().take(horizon).enumerate().map(mean).collect())
        };
        let realised =
            work::watched(&origins, 4 * horizon, cancel).map(squares).collect::<Result<_, Cancelled>>()?;
        Ok(Some(Validation { training, origins, realised, days: n - training }))
    }

    /// How many stretches up to this step do not overlap.
    fn blocks(&self, step: usize) -> f64 {
        let origins = self.realised.iter().filter(|row| row.len() > step).count() as f64;
        origins.min(self.days as f64 / (step + 1) as f64)
    }

    /// The mean loss up to each step of forecasts from the origins; of a step that none reached the one before.
    fn losses(
        &self,
        paths: &[Vec<f64>],
        horizon: usize,
        least: f64,
        cancel: &Cancel,
    ) -> Result<Vec<f64>, Cancelled> {
        let (mut sums, mut counts) = (vec![0.0; horizon], vec![0.0_f64; horizon]);
        for pair in work::watched(paths.iter().zip(&self.realised), LOSS * horizon, cancel) {
            let (path, realised) = pair?;
            for (step, (variance, realised)) in means(path).zip(realised).enumerate() {
                sums[step] += loss(variance, *realised, least);
                counts[step] += 1.0;
            }
        }
        let mut last = 0.0;
        let mean = |(sum, count): (&f64, &f64)| {
            last = if *count > 0.0 { sum / count } else { last };
            last
        };
        Ok(sums.iter().zip(&counts).map(mean).collect())
    }
}

/// The mean of a path up to each step.
pub(super) fn means(path: &[f64]) -> impl Iterator<Item = f64> {
    path.iter().enumerate().scan(0.0, |sum, (step, variance)| {
        *sum += variance;
        Some(*sum / (step + 1) as f64)
    })
}

/// QLIKE, in units of the mean square.
pub(super) fn loss(variance: f64, realised: f64, mean_square: f64) -> f64 {
    let unit = mean_square.max(f64::MIN_POSITIVE);
    let variance = (variance / unit).max(LEAST);
    variance.ln() + realised / unit / variance - 1.0
}

/// Fits, validates, weighs and combines every model.
pub(super) fn combine(work: &Work<'_>, request: &Request, cancel: &Cancel) -> Result<Combined, Cancelled> {
    let known = work.observed.before(work.fitted);
    let horizon = request.horizon.steps();
    let mean_square =
        known.returns.iter().map(|value| value * value).sum::<f64>() / known.returns.len().max(1) as f64;
    let validation = Validation::of(known.returns, horizon, cancel)?;
    let mut members = Vec::new();
    for model in request.models.of(work.observed.ranges.is_some()) {
        let start = (request.clock)();
        let outcome = member(model, work, validation.as_ref(), horizon, cancel);
        if outcome.as_ref().is_err_and(|failure| *failure == Failure::Cancelled) {
            return Err(Cancelled);
        }
        members.push(Member {
            model: model.name(),
            outcome,
            elapsed: (request.clock)().saturating_sub(start),
        });
    }
    let mut fits: Vec<&mut MemberFit> =
        members.iter_mut().filter_map(|member| member.outcome.as_mut().ok()).collect();
    weigh(&mut fits, validation.as_ref(), horizon, mean_square, cancel)?;
    let paths = (0..if fits.is_empty() { 0 } else { work.origins.len() })
        .map(|number| together(&fits, horizon, |fit| &fit.paths[number]))
        .collect();
    let ratios = ratios(&fits, validation.as_ref(), request, mean_square, cancel)?;
    fits.iter_mut().for_each(|fit| fit.validated = Vec::new());
    Ok(Combined { members, paths, ratios, validated: validation.is_some(), mean_square })
}

fn member(
    model: &'static dyn VolatilityModel,
    work: &Work<'_>,
    validation: Option<&Validation>,
    horizon: usize,
    cancel: &Cancel,
) -> Result<MemberFit, Failure> {
    let known = work.observed.before(work.fitted);
    let mut start = None;
    let mut validated = Vec::new();
    if let Some(validation) = validation {
        let fitted = model.fit(&known.before(validation.training), None, cancel)?;
        validated = fitted.forecast(&known, &validation.origins, horizon, cancel)?;
        start = Some(fitted.parameters().to_vec());
    }
    let fitted = model.fit(&known, start.as_deref(), cancel)?;
    let paths = fitted.forecast(&work.observed, work.origins, horizon, cancel)?;
    let weights = vec![0.0; horizon];
    Ok(MemberFit { paths, weights, validation_qlike: None, detail: fitted.detail(), validated })
}

/// Sets the weights by step, and the validated losses.
fn weigh(
    fits: &mut [&mut MemberFit],
    validation: Option<&Validation>,
    horizon: usize,
    mean_square: f64,
    cancel: &Cancel,
) -> Result<(), Cancelled> {
    let equal = 1.0 / fits.len().max(1) as f64;
    let Some(validation) = validation else {
        fits.iter_mut().for_each(|fit| fit.weights = vec![equal; horizon]);
        return Ok(());
    };
    let mut losses = Vec::with_capacity(fits.len());
    for fit in fits.iter_mut() {
        let own = validation.losses(&fit.validated, horizon, mean_square, cancel)?;
        fit.validation_qlike = Some(own.iter().sum::<f64>() / horizon as f64);
        losses.push(own);
    }
    for step in 0..horizon {
        let best = losses.iter().map(|own| own[step]).fold(f64::INFINITY, f64::min);
        let blocks = validation.blocks(step);
        let likelihood = |own: &Vec<f64>| (-0.5 * blocks * (own[step] - best)).exp();
        let total: f64 = losses.iter().map(likelihood).sum();
        for (fit, own) in fits.iter_mut().zip(&losses) {
            fit.weights[step] = SHRINKAGE * equal + (1.0 - SHRINKAGE) * likelihood(own) / total;
        }
    }
    Ok(())
}

/// The weighted sum of the members' paths.
fn together<'a>(
    fits: &'a [&mut MemberFit],
    horizon: usize,
    path: impl Fn(&'a MemberFit) -> &'a [f64],
) -> Vec<f64> {
    let at = |step: usize| fits.iter().map(|fit| fit.weights[step] * path(fit)[step]).sum();
    (0..horizon).map(at).collect()
}

/// For each step the shares of the forecast variance between which the realised one falls.
fn ratios(
    fits: &[&mut MemberFit],
    validation: Option<&Validation>,
    request: &Request,
    mean_square: f64,
    cancel: &Cancel,
) -> Result<Vec<[f64; 2]>, Cancelled> {
    let horizon = request.horizon.steps();
    let tail = (1.0 - request.level.share()) / 2.0;
    let theory =
        |step: usize| [tail, 1.0 - tail].map(|share| chi_squared_share((step + 1).min(MOST_DEGREES), share));
    let Some(validation) = validation.filter(|_| !fits.is_empty()) else {
        return Ok((0..horizon).map(theory).collect());
    };
    let mut by_step: Vec<Vec<f64>> = vec![Vec::new(); horizon];
    let units = (LOSS + 3 * fits.len()) * horizon;
    for pair in work::watched(validation.realised.iter().enumerate(), units, cancel) {
        let (number, realised) = pair?;
        let path = together(fits, horizon, |fit| &fit.validated[number]);
        for (step, (variance, realised)) in means(&path).zip(realised).enumerate() {
            by_step[step].push(realised / variance.max(LEAST * mean_square));
        }
    }
    let units = 20 * validation.origins.len();
    let of_step = |pair: Result<(usize, Vec<f64>), Cancelled>| {
        let (step, mut shares) = pair?;
        let [low, high] = theory(step);
        shares.sort_unstable_by(f64::total_cmp);
        let n = shares.len();
        let blocks = validation.blocks(step);
        let shrunk =
            |own: f64, theory: f64| (blocks * own + THEORY_BLOCKS * theory) / (blocks + THEORY_BLOCKS);
        let rank = ((n + 1) as f64 * tail).floor() as usize;
        if rank == 0 {
            // Too few for this level: split conformal would answer nothing and infinity.
            let (first, last) = (shares.first().copied(), shares.last().copied());
            return Ok([low.min(first.unwrap_or(low)), high.max(last.unwrap_or(high))]);
        }
        Ok([shrunk(shares[rank - 1], low), shrunk(shares[n - rank], high)])
    };
    work::watched(by_step.into_iter().enumerate(), units, cancel).map(of_step).collect()
}

/// The quantile of chi-squared over its degrees of freedom: exact for one, and by Wilson & Hilferty (Proceedings of the
/// National Academy of Sciences 17, 1931) for more.
fn chi_squared_share(degrees: usize, share: f64) -> f64 {
    let normal = Normal::standard();
    if degrees == 1 {
        return normal.inverse_cdf(0.5 + share / 2.0).powi(2);
    }
    let spread = 2.0 / (9.0 * degrees as f64);
    (1.0 - spread + normal.inverse_cdf(share) * spread.sqrt()).max(0.0).powi(3)
}
