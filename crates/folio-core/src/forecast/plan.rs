//! A piece of work: what the models of a ticker are fitted to, and the origins that they then forecast from. Serving has
//! one origin, the end of the history; evaluation has a plan for each fit.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::member::{self, Member, MemberFit, Split};
use super::request::Request;
use super::weight;
use crate::model::season::{self, Seasons};
use crate::model::{Failure, Model};
use crate::panel::Series;
use crate::task::{self, Cancel, Cancelled, Executor, Seed};
use crate::{Result, work};

/// What every model of one ticker reads for one fit.
#[derive(Debug)]
pub(super) struct Plan {
    ticker: String,
    log_prices: Arc<[f64]>,
    /// What may be read: nothing at or after the last origin.
    window: Range<usize>,
    /// How many prices of the window the models are fitted to, validation included.
    fitted: usize,
    /// Where forecasts start, rising, counted in the window; all at or after `fitted`.
    origins: Vec<usize>,
    split: Option<Split>,
    /// The lengths of the seasons found in what the models are fitted to.
    lengths: Vec<usize>,
    seasons: Seasons,
}

/// What an interval of forecasts from an origin is made of.
pub(super) struct Base<'a> {
    /// The log prices before the origin, without their seasons.
    pub y: Cow<'a, [f64]>,
    /// What the seasons add at each step.
    ahead: Vec<f64>,
}

impl Base<'_> {
    /// A path without the seasons.
    pub fn path(&self, path: &[f64]) -> Vec<f64> {
        path.iter().zip(&self.ahead).map(|(mean, season)| mean - season).collect()
    }
}

impl Plan {
    /// Forecasts from each of `origins`, the last of which ends what may be read, by models that are fitted to the part
    /// of `window` before its end. All are positions in `log_prices`. Seasons are looked for among these lengths.
    pub fn new(
        ticker: &str,
        log_prices: Arc<[f64]>,
        window: Range<usize>,
        origins: &[usize],
        season_lengths: &[usize],
        cancel: &Cancel,
    ) -> Result<Plan, Cancelled> {
        let Range { start, end } = window;
        let last = origins.last().copied().unwrap_or(end);
        let lengths = season::found(&log_prices[start..end], season_lengths, cancel)?;
        let seasons = Seasons::of(&log_prices[start..end], &lengths, cancel)?;
        Ok(Plan {
            ticker: ticker.to_owned(),
            log_prices,
            window: start..last,
            fitted: end - start,
            origins: origins.iter().map(|origin| origin - start).collect(),
            split: Split::of(end - start),
            lengths,
            seasons,
        })
    }

    /// The lengths of the seasons, rising.
    pub fn season_lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// What intervals of forecasts from an origin, by its number, are made of.
    pub fn base(&self, number: usize, horizon: usize, cancel: &Cancel) -> Result<Base<'_>, Cancelled> {
        let y = self.before(number);
        if self.lengths.is_empty() {
            return Ok(Base { y: Cow::Borrowed(y), ahead: vec![0.0; horizon] });
        }
        let parts = self.seasons.decompose(y, cancel)?;
        let ahead = (1..=horizon).map(|step| parts.ahead(step)).collect();
        Ok(Base { y: Cow::Owned(parts.adjusted), ahead })
    }

    /// Those of the models that take part.
    fn models(&self, request: &Request) -> Vec<&'static dyn Model> {
        request.models.of_series(!self.lengths.is_empty())
    }

    /// The log prices that may be read.
    fn readable(&self) -> &[f64] {
        &self.log_prices[self.window.clone()]
    }

    /// The log prices before an origin, by its number.
    pub fn before(&self, number: usize) -> &[f64] {
        &self.readable()[..self.origins[number]]
    }

    /// What came after an origin, by its number.
    pub fn outcomes(&self, number: usize, horizon: usize) -> &[f64] {
        let origin = self.window.start + self.origins[number];
        &self.log_prices[origin..origin + horizon]
    }

    /// The log prices that the models are fitted to.
    pub fn fitted(&self) -> &[f64] {
        &self.readable()[..self.fitted]
    }

    /// Where the forecasts start, counted in all log prices of the ticker.
    pub fn origins(&self) -> impl Iterator<Item = usize> {
        self.origins.iter().map(|origin| self.window.start + origin)
    }

    /// Whether members are validated.
    pub fn validates(&self) -> bool {
        self.split.is_some()
    }
}

/// The logarithms of a series' prices, for plans to share.
pub(super) fn log_prices(series: &Series, cancel: &Cancel) -> Result<Arc<[f64]>, Cancelled> {
    work::watched(series.close(), LOGARITHM, cancel).map(|price| Ok(price?.ln())).collect()
}

/// Units of [`work`] for a logarithm, and for what one validated error takes in a sum.
const LOGARITHM: usize = 10;
const ERROR: usize = 3;

/// Runs every model of every plan: the members of each plan, in the order of the plans.
pub(super) fn run(
    plans: &[Arc<Plan>],
    request: &Request,
    executor: &dyn Executor,
    cancel: &Cancel,
) -> Result<Vec<Vec<Member>>> {
    let models: Vec<Vec<&'static dyn Model>> = plans.iter().map(|plan| plan.models(request)).collect();
    let items: Vec<_> = plans
        .iter()
        .zip(&models)
        .flat_map(|(plan, models)| models.iter().map(move |&model| (Arc::clone(plan), model)))
        .collect();
    let names: Vec<&'static str> = items.iter().map(|(_, model)| model.name()).collect();
    let (settings, flag) = (request.clone(), cancel.clone());
    let outcomes = task::map(executor, cancel, items, move |(plan, model)| {
        let seed: Seed = settings.seed.derive(&plan.ticker);
        let work = member::Work {
            y: plan.readable(),
            fitted: plan.fitted,
            origins: &plan.origins,
            split: plan.split.as_ref(),
            seasons: &plan.lengths,
        };
        member::run(model, seed, &work, &settings, &flag)
    })?;
    let member = |(outcome, model): (Result<Member, task::Panicked>, &'static str)| {
        outcome.unwrap_or_else(|task::Panicked(message)| Member {
            model,
            outcome: Err(Failure::Panicked(message)),
            elapsed: Duration::ZERO,
        })
    };
    let mut members = outcomes.into_iter().zip(names).map(member);
    Ok(models.iter().map(|models| members.by_ref().take(models.len()).collect()).collect())
}

/// The validated errors of a forecaster, each row with its origin in the window.
pub(super) type Errors = Vec<(usize, Vec<f64>)>;

/// Sets the weights of the members that could forecast, and their errors relative to naive's.
pub(super) fn weigh(
    plan: &Plan,
    members: &mut [Member],
    horizon: usize,
    cancel: &Cancel,
) -> Result<(), Cancelled> {
    let mut fits: Vec<(&'static str, &mut MemberFit)> =
        members.iter_mut().filter_map(|member| Some((member.model, member.outcome.as_mut().ok()?))).collect();
    let stride = plan.split.as_ref().map_or(1, Split::stride);
    weight::assign(&mut fits, stride, horizon, !plan.lengths.is_empty(), cancel)?;
    if let Some(split) = &plan.split {
        for fit in work::watched(fits, ERROR * split.origins.len() * horizon, cancel) {
            let (_, fit) = fit?;
            fit.relative_mae = relative_mae(plan.readable(), &split.origins, &fit.errors);
        }
    }
    Ok(())
}

/// The forecast log prices of weighed members from an origin, by its number.
///
/// As the last price and what is added to it: members that all forecast the last price then do so to the bit.
pub(super) fn path(plan: &Plan, members: &[Member], number: usize, horizon: usize) -> Vec<f64> {
    let last = plan.before(number).last().copied().unwrap_or(f64::NAN);
    let moved = |fit: &MemberFit, step: usize| fit.weights[step] * (fit.paths[number].mean[step] - last);
    (0..horizon).map(|step| last + fits(members).map(|fit| moved(fit, step)).sum::<f64>()).collect()
}

/// The weighted errors of the members at each origin; the weights sum to one, so they are the ensemble's errors.
pub(super) fn combined_errors(plan: &Plan, members: &[Member], cancel: &Cancel) -> Result<Errors, Cancelled> {
    let Some(split) = &plan.split else { return Ok(Errors::new()) };
    let voters: Vec<&MemberFit> = fits(members).filter(|fit| !fit.errors.is_empty()).collect();
    let Some(first) = voters.first() else { return Ok(Errors::new()) };
    let at =
        |row: usize, step: usize| voters.iter().map(|fit| fit.weights[step] * fit.errors[row][step]).sum();
    let combined = |(row, &origin): (usize, &usize)| {
        (origin, (0..first.errors[row].len()).map(|step| at(row, step)).collect())
    };
    let units = ERROR * voters.len() * first.errors.first().map_or(0, Vec::len);
    work::watched(split.origins.iter().enumerate(), units, cancel).map(|row| row.map(combined)).collect()
}

/// The errors of one member alone.
pub(super) fn own_errors(plan: &Plan, fit: &MemberFit) -> Errors {
    let Some(split) = &plan.split else { return Errors::new() };
    split.origins.iter().copied().zip(fit.errors.iter().cloned()).collect()
}

/// The members that could forecast.
pub(super) fn fits(members: &[Member]) -> impl Iterator<Item = &MemberFit> {
    members.iter().filter_map(|member| member.outcome.as_ref().ok())
}

fn relative_mae(y: &[f64], origins: &[usize], errors: &[Vec<f64>]) -> Option<f64> {
    let own: f64 = errors.iter().flatten().map(|error| error.abs()).sum();
    let naive_from = |(&origin, row): (&usize, &Vec<f64>)| {
        (0..row.len()).map(|step| (y[origin + step] - y[origin - 1]).abs()).sum::<f64>()
    };
    let naive: f64 = origins.iter().zip(errors).map(naive_from).sum();
    (naive > 0.0).then(|| own / naive)
}
