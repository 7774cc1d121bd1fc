//! One model of one ticker: fitted to the first part of the history, validated on the rest, then fitted to all.

use std::time::Duration;

use super::request::Request;
use crate::model::{Failure, Fitted, Model, Path, adjusted};
use crate::price::price_of_log;
use crate::task::{Cancel, Outcome, Seed, Task};

/// The share of the history that validates.
const VALIDATION_SHARE: f64 = 0.3;

/// At most this many days validate (two trading years): older errors say little about today's market.
const MAX_VALIDATION_DAYS: usize = 504;

/// At most this many origins; with more days the origins stand further apart. Errors of neighbouring origins overlap,
/// so more of them cost time and add little.
pub(super) const MAX_ORIGINS: usize = 120;

/// With fewer days than this before the first origin no model is worth validating.
const MIN_TRAINING_DAYS: usize = 40;

/// Fewer validated origins than this give no weights and no quantiles.
pub(super) const MIN_ORIGINS: usize = 20;

/// Where a history is cut, and from where forecasts are validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Split {
    /// The fit sees `y[..training]`.
    pub training: usize,
    /// The origins, rising; all at or after `training`.
    pub origins: Vec<usize>,
}

impl Split {
    /// The split of a history of `n` prices; None where it is too short to validate anything.
    pub fn of(n: usize) -> Option<Split> {
        let training = Split::training_days(n);
        let validation = n - training;
        if training < MIN_TRAINING_DAYS || validation < MIN_ORIGINS {
            return None;
        }
        let stride = validation.div_ceil(MAX_ORIGINS);
        // Counted back from the last day that has a known outcome, so that the newest errors are always in.
        let mut origins: Vec<usize> = (training..n).rev().step_by(stride).collect();
        origins.reverse();
        Some(Split { training, origins })
    }

    /// Days from one origin to the next.
    pub fn stride(&self) -> usize {
        self.origins.windows(2).map(|pair| pair[1] - pair[0]).next().unwrap_or(1)
    }

    /// The shortest history that can be validated on.
    pub fn shortest_history() -> usize {
        (MIN_TRAINING_DAYS..).find(|&n| Split::of(n).is_some()).unwrap_or(usize::MAX)
    }

    fn training_days(n: usize) -> usize {
        n - ((n as f64 * VALIDATION_SHARE) as usize).min(MAX_VALIDATION_DAYS)
    }

    /// The shortest history with this many days to train on.
    fn history_for(training: usize) -> usize {
        (training..=training + MAX_VALIDATION_DAYS)
            .find(|&n| Split::training_days(n) >= training)
            .unwrap_or(training + MAX_VALIDATION_DAYS)
    }
}

/// What a model did for a ticker.
#[derive(Debug, Clone)]
pub struct Member {
    /// The model's name.
    pub model: &'static str,
    /// The forecast and what is known of its quality, or why there is none.
    pub outcome: Result<MemberFit, Failure>,
    /// The CPU time of both fits and all forecasts.
    pub elapsed: Duration,
}

impl Outcome for Member {
    fn succeeded(&self) -> bool {
        self.outcome.is_ok()
    }
}

/// A model's forecast of a ticker, and what is known of its quality.
#[derive(Debug, Clone)]
pub struct MemberFit {
    /// The forecasts of the log price, one for each origin of the plan.
    pub(super) paths: Vec<Path>,
    /// The weight at each step; zero until the ensemble is combined.
    pub weights: Vec<f64>,
    /// The root mean squared error of the log price, out of sample, over all steps; None without validation.
    pub validation_rmse: Option<f64>,
    /// The mean absolute error relative to naive's at the same origins and steps.
    pub relative_mae: Option<f64>,
    /// The fit's own report.
    pub detail: serde_json::Value,
    /// The validated errors: a row per origin, a column per step that has an outcome.
    pub(super) errors: Vec<Vec<f64>>,
}

impl MemberFit {
    /// Frees the validated errors, which are of no use once the ensemble is combined.
    pub(super) fn forget_errors(&mut self) {
        self.errors = Vec::new();
    }

    /// The forecast of the log price, from a fit to the whole history.
    pub fn path(&self) -> &Path {
        &self.paths[self.paths.len() - 1]
    }

    /// The mean of the weights over the steps.
    pub fn weight(&self) -> f64 {
        self.weights.iter().sum::<f64>() / self.weights.len() as f64
    }

    /// The forecast price at each step.
    pub fn prices(&self) -> Vec<f64> {
        self.path().mean.iter().map(|&log| price_of_log(log)).collect()
    }
}

/// What a model has to do.
pub(super) struct Work<'a> {
    /// The log prices that may be read.
    pub y: &'a [f64],
    /// How many of them are known when the model is fitted and validated.
    pub fitted: usize,
    /// Where to forecast from: at least one origin.
    pub origins: &'a [usize],
    /// How it is validated.
    pub split: Option<&'a Split>,
    /// The lengths of the seasons of the log prices.
    pub seasons: &'a [usize],
}

/// Fits, validates and forecasts.
pub(super) fn run(
    model: &'static dyn Model,
    ticker_seed: Seed,
    work: &Work<'_>,
    request: &Request,
    cancel: &Cancel,
) -> Member {
    let start = (request.clock)();
    let task = Task { cancel: cancel.clone(), seed: ticker_seed.derive(model.name()) };
    let outcome = fit_and_forecast(model, work, request.horizon.steps(), &task);
    Member { model: model.name(), outcome, elapsed: (request.clock)().saturating_sub(start) }
}

impl Work<'_> {
    /// The model fitted to the first `count` prices.
    fn fit(
        &self,
        model: &dyn Model,
        count: usize,
        horizon: usize,
        task: &Task,
    ) -> Result<Box<dyn Fitted>, Failure> {
        match self.seasons {
            [] if model.needs_season() => Err(Failure::NoSeason),
            [] => model.fit(&self.y[..count], horizon, task),
            seasons => adjusted::fit(model, &self.y[..count], seasons, horizon, task),
        }
    }
}

fn fit_and_forecast(
    model: &dyn Model,
    work: &Work<'_>,
    horizon: usize,
    task: &Task,
) -> Result<MemberFit, Failure> {
    // A model that is too long for the training days is told in days of history, the number that a user can change.
    let of_history = |failure| match failure {
        Failure::TooShort { need, .. } => {
            Failure::TooShort { need: Split::history_for(need), got: work.fitted }
        }
        other => other,
    };
    let validated = work.split.map(|split| validate(model, work, split, horizon, task)).transpose();
    let errors = validated.map_err(of_history)?.unwrap_or_default();
    let fitted = work.fit(model, work.fitted, horizon, task)?;
    let paths = fitted.forecast(work.y, work.origins, horizon, task)?;
    if paths.len() != work.origins.len() || paths.is_empty() {
        return Err(Failure::NotFinite("forecast"));
    }
    paths.iter().try_for_each(require_prices)?;
    Ok(MemberFit {
        paths,
        weights: vec![0.0; horizon],
        validation_rmse: root_mean_square(&errors),
        relative_mae: None,
        detail: fitted.detail(),
        errors,
    })
}

fn validate(
    model: &dyn Model,
    work: &Work<'_>,
    split: &Split,
    horizon: usize,
    task: &Task,
) -> Result<Vec<Vec<f64>>, Failure> {
    // Whatever comes after it is known to the forecasts only, not to the fit nor to the weights.
    let y = &work.y[..work.fitted];
    let fitted = work.fit(model, split.training, horizon, task)?;
    let paths = fitted.forecast(y, &split.origins, horizon, task)?;
    paths.iter().try_for_each(require_finite)?;
    let errors_from = |(&origin, path): (&usize, &Path)| {
        y[origin..].iter().zip(&path.mean).map(|(outcome, forecast)| outcome - forecast).collect()
    };
    Ok(split.origins.iter().zip(&paths).map(errors_from).collect())
}

fn require_finite(path: &Path) -> Result<(), Failure> {
    let finite = path.mean.iter().chain(&path.sd).all(|value| value.is_finite());
    if finite { Ok(()) } else { Err(Failure::NotFinite("forecast")) }
}

/// A path that is finite, and whose logarithms are those of prices.
fn require_prices(path: &Path) -> Result<(), Failure> {
    require_finite(path)?;
    if path.mean.iter().any(|log| !(log.exp() > 0.0 && log.exp().is_finite())) {
        return Err(Failure::NotFinite("price"));
    }
    Ok(())
}

fn root_mean_square(errors: &[Vec<f64>]) -> Option<f64> {
    let count = errors.iter().map(Vec::len).sum::<usize>();
    let squares = errors.iter().flatten().map(|error| error * error).sum::<f64>();
    (count > 0).then(|| (squares / count as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_trains_before_it_validates() {
        assert_eq!((Split::of(66), Split::shortest_history()), (None, 67));
        for n in [67, 100, 1000, 8000] {
            let split = Split::of(n).unwrap();
            assert!(split.training >= MIN_TRAINING_DAYS && split.training <= split.origins[0]);
            assert!((MIN_ORIGINS..=MAX_ORIGINS).contains(&split.origins.len()), "{n}");
            assert_eq!(split.origins.last(), Some(&(n - 1)));
        }
        assert_eq!(Split::of(1000).unwrap().origins.len(), 100);
        assert_eq!(Split::of(8000).unwrap().training, 8000 - MAX_VALIDATION_DAYS);
    }

    #[test]
    fn a_history_for_so_many_training_days_has_them() {
        for training in [48, 316, 1000, 5000] {
            let n = Split::history_for(training);
            assert_eq!(Split::of(n).map(|split| split.training >= training), Some(true), "{training}");
            assert!(Split::of(n - 1).is_none_or(|split| split.training < training), "{training}");
        }
    }
}
