//! What the forecasts would have been worth: the ensemble as a user gets it, from many days of the past, beside what
//! came.
//!
//! From each origin nothing after it is read: not for the fit, nor for weights, nor for intervals. With `refit_every` 1
//! and no gap a forecast is, bit for bit, the one that [`super::forecast`] gives of the prices up to its origin.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::interval::History;
use super::member::{Member, MemberFit, Split};
use super::metrics::{DieboldMariano, EVALUATED_LEVELS, Score, Scored, Scores, overlap};
use super::names::{ENSEMBLE, NAIVE};
use super::plan::{self, Errors, Plan};
use super::request::{Level, Request};
use crate::frequency::Frequency;
use crate::panel::{PricePanel, Series};
use crate::task::{self, Cancel, Cancelled, Executor, Outcome, Panicked};
use crate::{Error, Result, work};

/// The default number of origins: at the default stride, 20 months.
pub const DEFAULT_ORIGINS: i64 = 20;

/// The most origins, and the most days between them: 30 years of days fit.
const MAX_ORIGINS: i64 = 10_000;
const MAX_DAYS: i64 = 10_000;

/// Which prices each fit sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FitWindow {
    /// The newest `history` before it, as a forecast of that day would.
    Rolling,
    /// All from the first: the first fit sees `history` prices, each later one more.
    Expanding,
}

impl FitWindow {
    /// The window of this name.
    ///
    /// # Errors
    /// [`Error::UnknownName`].
    pub fn new(name: &str) -> Result<FitWindow> {
        match name {
            "rolling" => Ok(FitWindow::Rolling),
            "expanding" => Ok(FitWindow::Expanding),
            _ => Err(Error::UnknownName {
                kind: "fit_window",
                name: name.to_owned(),
                valid: vec!["rolling".to_owned(), "expanding".to_owned()],
            }),
        }
    }
}

/// From where and how often to evaluate, as a caller writes it.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// How many origins, counted back from the last day that has an outcome for every step.
    pub origins: i64,
    /// Trading days from one origin to the next; None takes the horizon, so that no two forecasts share an outcome.
    pub stride: Option<i64>,
    /// How many of the newest prices before an origin fits and weights do not see; forecasts start from the origin.
    pub gap: i64,
    /// Models are fitted and weighed anew at every so many origins.
    pub refit_every: i64,
    /// Which prices each fit sees.
    pub window: FitWindow,
    /// How many prices a fit sees: [`FitWindow`].
    pub history: usize,
}

/// A validated request.
#[derive(Debug, Clone)]
pub struct Evaluation {
    request: Request,
    origins: usize,
    stride: usize,
    gap: usize,
    refit_every: usize,
    window: FitWindow,
    history: usize,
}

impl Evaluation {
    /// Evaluates forecasts of `request`, whose level does not matter, by this schedule.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn new(request: Request, schedule: &Schedule) -> Result<Evaluation> {
        let horizon = request.horizon.steps();
        Ok(Evaluation {
            origins: within("origins", schedule.origins, 1..MAX_ORIGINS + 1)?,
            stride: within("stride", schedule.stride.unwrap_or(horizon as i64), 1..MAX_DAYS + 1)?,
            gap: within("gap", schedule.gap, 0..MAX_DAYS + 1)?,
            refit_every: within("refit_every", schedule.refit_every, 1..MAX_ORIGINS + 1)?,
            window: schedule.window,
            history: schedule.history,
            request,
        })
    }

    /// How many of a ticker's newest prices it reads: however few a fit sees, the first origin has a whole history.
    pub fn prices(&self) -> usize {
        let first = self.history.max(Split::shortest_history());
        first.saturating_add(self.gap + (self.origins - 1) * self.stride + self.request.horizon.steps())
    }

    /// Trading days from one origin to the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// What each forecast is asked.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// How many jobs a ticker has at most: every model at each fit, the forecasts of each fit beside what came, and the
    /// measures of all.
    pub fn tasks(&self) -> usize {
        self.fits() * (self.request.models.models().len() + 1) + 1
    }

    /// How many bytes a ticker's results take until its forecasts are counted: see `memory.rs`.
    pub(super) fn report_bytes(&self, fit_bytes: usize) -> usize {
        let forecasters = self.request.models.models().len() + 2;
        let scored = self.origins * forecasters * self.request.horizon.steps() * size_of::<Scored>();
        self.fits() * fit_bytes + 2 * scored
    }

    fn fits(&self) -> usize {
        self.origins.div_ceil(self.refit_every)
    }

    /// A plan for each fit to a series of `n` prices. The last origins count; those whose fit could not be validated are
    /// left out.
    fn plans(&self, series: &Series, cancel: &Cancel) -> Result<Vec<Arc<Plan>>> {
        let (n, horizon) = (series.close().len(), self.request.horizon.steps());
        let first = Split::shortest_history() + self.gap;
        let mut origins: Vec<usize> =
            (first..=n.saturating_sub(horizon)).rev().step_by(self.stride).take(self.origins).collect();
        origins.reverse();
        if origins.is_empty() {
            return Err(Error::TooShort {
                need: first + horizon,
                found: vec![(series.ticker().to_owned(), n)],
            });
        }
        let log_prices = plan::log_prices(series, cancel)?;
        let plan = |origins: &[usize]| {
            let end = origins[0] - self.gap;
            let lengths = |start: usize| -> Result<Vec<usize>, Cancelled> {
                if !self.request.models.know_seasons() || self.request.season_lengths.lengths().is_some() {
                    return Ok(self.request.season_lengths.lengths().unwrap_or_default().to_vec());
                }
                // Of the stamps up to there: which frequency a series will have later is the future.
                let zone = series.frequency().zone();
                Ok(Frequency::infer(&series.ts()[start..end], Some(zone), cancel)?.season_lengths())
            };
            let start = match self.window {
                FitWindow::Rolling => end.saturating_sub(self.history),
                FitWindow::Expanding => 0,
            };
            let log_prices = Arc::clone(&log_prices);
            let plan = Plan::new(series.ticker(), log_prices, start..end, origins, &lengths(start)?, cancel)?;
            Ok(Arc::new(plan))
        };
        origins.chunks(self.refit_every).map(plan).collect()
    }
}

/// The number, or an error that names the argument and what it may be; `range` is half open.
fn within(argument: &'static str, value: i64, range: Range<i64>) -> Result<usize> {
    let number = usize::try_from(value).ok().filter(|_| range.contains(&value));
    number.ok_or_else(|| Error::InvalidArgument {
        argument,
        value: value.to_string(),
        expected: format!("a number from {} to {}", range.start, range.end - 1),
    })
}

/// A ticker with what its forecasts would have been worth, or why there were none.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// The ticker.
    pub ticker: String,
    /// Its forecasts.
    pub outcome: Result<Record>,
}

/// The forecasts of a ticker beside what came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// From how many days there were forecasts.
    pub origins: usize,
    /// Every forecast, in the order of the origins.
    pub scored: Vec<Scored>,
    /// The models that could not forecast from some origins.
    pub failures: Vec<Missing>,
}

/// A model that could not forecast.
#[derive(Debug, Clone, PartialEq)]
pub struct Missing {
    /// The model.
    pub model: &'static str,
    /// From how many origins.
    pub origins: usize,
    /// Why, the first time.
    pub reason: String,
}

impl Outcome for Result<Record, Cancelled> {}

impl Record {
    fn miss(&mut self, model: &'static str, origins: usize, reason: impl FnOnce() -> String) {
        match self.failures.iter_mut().find(|missing| missing.model == model) {
            Some(missing) => missing.origins += origins,
            None => self.failures.push(Missing { model, origins, reason: reason() }),
        }
    }

    fn append(&mut self, later: Record) {
        self.origins += later.origins;
        self.scored.extend(later.scored);
        for Missing { model, origins, reason } in later.failures {
            self.miss(model, origins, || reason);
        }
    }
}

/// A ticker with its measures, or why there are none.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The ticker.
    pub ticker: String,
    /// The measures by model and step, and the models that could not forecast from some origins.
    pub outcome: Result<(Scores, Vec<Missing>)>,
}

impl Outcome for Measured {}

/// The measures of each ticker alone.
///
/// # Errors
/// [`Error::Cancelled`].
pub fn measure(evaluated: Vec<Evaluated>, executor: &dyn Executor, cancel: &Cancel) -> Result<Vec<Measured>> {
    let flag = cancel.clone();
    let measured = task::map(executor, cancel, evaluated, move |Evaluated { ticker, outcome }| {
        let outcome = outcome.and_then(|record| {
            let mut scores = Scores::default();
            scores.add_all(&record.scored, &flag)?;
            Ok((scores, record.failures))
        });
        Measured { ticker, outcome }
    })?;
    let whole =
        |one: Result<Measured, Panicked>| one.map_err(|Panicked(message)| Error::Internal { message });
    measured.into_iter().map(whole).collect()
}

/// The evaluation of many tickers as one, none of the forecasts kept.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    scores: Scores,
    tickers: BTreeMap<&'static str, usize>,
    failures: Record,
    failed: Vec<(String, Error)>,
}

impl Summary {
    /// Counts more tickers in, one after the other so that sums do not depend on the threads.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn with(
        mut self,
        evaluated: Vec<Evaluated>,
        executor: &dyn Executor,
        cancel: &Cancel,
    ) -> Result<Summary> {
        task::one(executor, cancel, move |cancel| {
            for evaluated in evaluated {
                self.add(evaluated, cancel)?;
            }
            Ok(self)
        })
    }

    fn add(&mut self, evaluated: Evaluated, cancel: &Cancel) -> Result<(), Cancelled> {
        let record = match evaluated.outcome {
            Ok(record) => record,
            Err(error) => {
                self.failed.push((evaluated.ticker, error));
                return Ok(());
            }
        };
        let models: BTreeSet<&'static str> = record.scored.iter().map(|scored| scored.model).collect();
        models.into_iter().for_each(|model| *self.tickers.entry(model).or_default() += 1);
        self.scores.add_all(&record.scored, cancel)?;
        for Missing { model, origins, reason } in record.failures {
            self.failures.miss(model, origins, || format!("{}: {reason}", evaluated.ticker));
        }
        Ok(())
    }

    /// The statistic of Diebold and Mariano of each of the scores, where origins stand so many days apart.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn diebold_mariano(
        self,
        stride: usize,
        executor: &dyn Executor,
        cancel: &Cancel,
    ) -> Result<(Summary, Vec<Option<DieboldMariano>>)> {
        task::one(executor, cancel, move |cancel| {
            let test = |score: Score<'_>| {
                cancel.check()?;
                Ok(score.differences.diebold_mariano(overlap(score.step, stride)))
            };
            let tests = self.scores.iter().map(test).collect::<Result<_>>()?;
            Ok((self, tests))
        })
    }

    /// The measures by model and step.
    pub fn scores(&self) -> &Scores {
        &self.scores
    }

    /// Of how many tickers this model has forecasts.
    pub fn tickers(&self, model: &str) -> usize {
        self.tickers.get(model).copied().unwrap_or(0)
    }

    /// The models that could not forecast everywhere, with the first reason.
    pub fn failures(&self) -> &[Missing] {
        &self.failures.failures
    }

    /// The tickers without a record.
    pub fn failed(&self) -> &[(String, Error)] {
        &self.failed
    }
}

/// A ticker to evaluate.
struct Planned {
    series: Arc<Series>,
    plans: Vec<Arc<Plan>>,
}

/// Evaluates every ticker of the panel; one that fails costs its own record only.
///
/// # Errors
/// [`Error::Cancelled`].
pub fn evaluate(
    panel: PricePanel,
    evaluation: &Evaluation,
    executor: &dyn Executor,
    cancel: &Cancel,
) -> Result<Vec<Evaluated>> {
    let planned = |series: Series| {
        cancel.check()?;
        let plans = evaluation.plans(&series, cancel)?;
        Ok(Planned { series: Arc::new(series), plans })
    };
    let tickers: Vec<(String, Result<Planned>)> =
        panel.into_columns().into_iter().map(|(ticker, series)| (ticker, series.and_then(planned))).collect();
    let fits: Vec<(Arc<Series>, Arc<Plan>)> = tickers
        .iter()
        .filter_map(|(_, planned)| planned.as_ref().ok())
        .flat_map(|ticker| ticker.plans.iter().map(|plan| (Arc::clone(&ticker.series), Arc::clone(plan))))
        .collect();
    let plans: Vec<Arc<Plan>> = fits.iter().map(|(_, plan)| Arc::clone(plan)).collect();
    let members = plan::run(&plans, &evaluation.request, executor, cancel)?;
    let items: Vec<_> = fits.into_iter().zip(members).collect();
    let (horizon, flag) = (evaluation.request.horizon.steps(), cancel.clone());
    let levels = [Level::new(EVALUATED_LEVELS[0])?, Level::new(EVALUATED_LEVELS[1])?];
    let records = task::map(executor, cancel, items, move |((series, plan), members)| {
        Judge { series: &series, plan: &plan, horizon, levels }.record(members, &flag)
    })?;
    let mut records = records.into_iter();
    let evaluated = |(ticker, planned): (String, Result<Planned>)| {
        let outcome = planned.and_then(|planned| {
            let mut all = Record::default();
            for record in records.by_ref().take(planned.plans.len()) {
                all.append(record.map_err(|Panicked(message)| Error::Internal { message })??);
            }
            Ok(all)
        });
        Evaluated { ticker, outcome }
    };
    Ok(tickers.into_iter().map(evaluated).collect())
}

/// Units of [`work`] for a forecast beside what came.
const SCORED: usize = 20;

/// Compares the forecasts of one fit with what came.
struct Judge<'a> {
    series: &'a Series,
    plan: &'a Plan,
    horizon: usize,
    levels: [Level; 2],
}

/// What forecasts, beside its paths: a member, or all of them.
struct Forecaster {
    model: &'static str,
    errors: Errors,
    weights: Vec<f64>,
    validated_mae: Option<f64>,
    /// A path for each origin; None is the last price's own.
    paths: Option<Vec<Vec<f64>>>,
}

impl Judge<'_> {
    fn record(&self, mut members: Vec<Member>, cancel: &Cancel) -> Result<Record, Cancelled> {
        let origins = self.plan.origins().count();
        let mut record = Record { origins, ..Record::default() };
        plan::weigh(self.plan, &mut members, self.horizon, cancel)?;
        for member in &members {
            if let Err(failure) = &member.outcome {
                record.miss(member.model, origins, || failure.to_string());
            }
        }
        let forecasters = self.forecasters(&members, cancel)?;
        if plan::fits(&members).next().is_none() {
            record.miss(ENSEMBLE, origins, || "no model could forecast".to_owned());
        }
        for number in 0..origins {
            self.score(number, &forecasters, &mut record.scored, cancel)?;
        }
        Ok(record)
    }

    /// The ensemble, if it has a member, every member, and the last price.
    fn forecasters(&self, members: &[Member], cancel: &Cancel) -> Result<Vec<Forecaster>, Cancelled> {
        let numbers = || 0..self.plan.origins().count();
        let mut all = Vec::new();
        if plan::fits(members).next().is_some() {
            all.push(Forecaster {
                model: ENSEMBLE,
                errors: plan::combined_errors(self.plan, members, cancel)?,
                weights: vec![1.0; self.horizon],
                validated_mae: None,
                paths: Some(
                    numbers().map(|number| plan::path(self.plan, members, number, self.horizon)).collect(),
                ),
            });
        }
        let member = |(model, fit): (&'static str, &MemberFit)| Forecaster {
            model,
            errors: plan::own_errors(self.plan, fit),
            weights: fit.weights.clone(),
            validated_mae: fit.relative_mae,
            paths: Some(fit.paths.iter().map(|path| path.mean.clone()).collect()),
        };
        all.extend(
            members.iter().filter_map(|one| Some((one.model, one.outcome.as_ref().ok()?))).map(member),
        );
        if all.iter().all(|forecaster| forecaster.model != NAIVE) {
            all.push(Forecaster {
                model: NAIVE,
                errors: Errors::new(),
                weights: vec![0.0; self.horizon],
                validated_mae: None,
                paths: None,
            });
        }
        Ok(all)
    }

    /// Every forecast from an origin, by its number.
    fn score(
        &self,
        number: usize,
        forecasters: &[Forecaster],
        scored: &mut Vec<Scored>,
        cancel: &Cancel,
    ) -> Result<(), Cancelled> {
        let before = self.plan.before(number);
        let outcomes = self.plan.outcomes(number, self.horizon);
        let base = self.plan.base(number, self.horizon, cancel)?;
        let history = History::new(&base.y, cancel)?;
        let [first, second] = self.levels;
        let last_price = [
            history.last_price(first, self.horizon, cancel)?,
            history.last_price(second, self.horizon, cancel)?,
        ];
        let last = before[before.len() - 1];
        let last_day = self.plan.origins().nth(number).unwrap_or(1) - 1;
        let scale = mean_absolute_change(self.plan.fitted());
        for forecaster in work::watched(forecasters, SCORED * self.horizon, cancel) {
            let forecaster = forecaster?;
            let path = match &forecaster.paths {
                Some(paths) => &paths[number],
                None => &vec![last; self.horizon],
            };
            let scores = history.scores(forecaster.errors.clone(), self.horizon, cancel)?;
            let base_path = base.path(path);
            let widths = |level: usize| {
                history.half_widths(&last_price[level], &scores, self.levels[level], &base_path, cancel)
            };
            let widths = [widths(0)?, widths(1)?];
            scored.extend((0..self.horizon).map(|step| Scored {
                model: forecaster.model,
                origin: self.series.ts()[last_day],
                step: step + 1,
                last,
                forecast: path[step],
                half_widths: [0, 1].map(|level| widths[level][step]),
                actual: outcomes[step],
                scale,
                weight: forecaster.weights[step],
                validated_mae: forecaster.validated_mae,
            }));
        }
        Ok(())
    }
}

fn mean_absolute_change(y: &[f64]) -> f64 {
    y.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum::<f64>() / (y.len() - 1) as f64
}
