//! What forecasts of volatility would have been worth: the ensemble as a user gets it, from many days of the past, beside
//! what came. From each origin nothing after it is read.
//!
//! A forecast f of the variance up to a step is judged by the mean squared return x of that stretch, over all tickers and
//! origins:
//!
//! ```text
//! QLIKE = mean of x / f + log(f / m) - 1, m the mean square of the returns that were fitted to     (Patton 2011)
//! MSE   = mean of (x - f)^2, in percent to the fourth
//! x = a + b f + error: a is 0 and b is 1 for a forecast without bias     (Mincer & Zarnowitz 1969), in percent squared
//! ```
//!
//! The statistics of Diebold and Mariano are those of the differences in QLIKE against EWMA and against m, clustered by
//! date as [`crate::forecast::Differences`] does it: under zero the forecasts are better.

use std::collections::BTreeMap;

use super::combine::{Combined, Work, combine, loss, means};
use super::ensemble::Bars;
use super::request::Request;
use crate::forecast::{DieboldMariano, Differences, Split, overlap};
use crate::model::Failure;
use crate::task::{self, Cancel, Cancelled, Executor, Outcome, Panicked};
use crate::volatility::{MODELS, Observed, by_name};
use crate::{Error, Result, input, work};

/// The names of the ensemble, of the yardsticks in results.
pub const ENSEMBLE: &str = "ensemble";
const EWMA: &str = "ewma";

/// The mean square of the returns that were fitted to.
pub const SAMPLE: &str = "sample_variance";

/// How many origins there are if nothing is said: at the default stride, 20 months.
pub const DEFAULT_ORIGINS: i64 = 20;

/// The most origins, and the most days between them.
const MOST: i64 = 10_000;

/// Squares of returns in percent.
const PERCENT: f64 = 1e4;

/// Units of [`work`] for a forecast that is counted in.
const COUNTED: usize = 200;

/// What an origin's difference takes in memory, of both yardsticks.
const DIFFERENCE_BYTES: usize = 96;

/// From where and how often to evaluate, as a caller writes it.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// How many origins, counted back from the last that has an outcome for every step.
    pub origins: i64,
    /// Periods from one origin to the next; None takes the horizon.
    pub stride: Option<i64>,
    /// Models are fitted and weighed anew at every so many origins.
    pub refit_every: i64,
    /// How many of the newest prices before it a fit sees.
    pub history: usize,
}

/// A validated request.
#[derive(Debug, Clone)]
pub struct Evaluation {
    request: Request,
    origins: usize,
    stride: usize,
    refit_every: usize,
    history: usize,
}

impl Evaluation {
    /// Evaluates forecasts of `request` by this schedule.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn new(request: Request, schedule: &Schedule) -> Result<Evaluation> {
        let stride = schedule.stride.unwrap_or(request.horizon.steps() as i64);
        Ok(Evaluation {
            origins: input::whole("origins", schedule.origins, 1..=MOST, "")?,
            stride: input::whole("stride", stride, 1..=MOST, "")?,
            refit_every: input::whole("refit_every", schedule.refit_every, 1..=MOST, "")?,
            history: schedule.history,
            request,
        })
    }

    /// How many of a ticker's newest prices it reads: however few a fit sees, the first origin has a whole history.
    pub fn prices(&self) -> usize {
        let first = self.history.max(Split::shortest_history() + 1);
        first.saturating_add((self.origins - 1) * self.stride + self.request.horizon.steps())
    }

    /// What is asked for of each forecast.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// How many bytes the measures of a ticker take, or those of all.
    pub(super) fn measure_bytes(&self) -> usize {
        let scores = (self.request.models.names().len() + 2) * self.request.horizon.steps();
        scores * (size_of::<Measures>() + self.origins * DIFFERENCE_BYTES)
    }

    /// The origins of `n` returns, rising.
    fn origins(&self, ticker: &str, n: usize) -> Result<Vec<usize>> {
        let horizon = self.request.horizon.steps();
        let first = Split::shortest_history();
        let last = n.saturating_sub(horizon);
        let mut origins: Vec<usize> = (first..=last).rev().step_by(self.stride).take(self.origins).collect();
        origins.reverse();
        if origins.is_empty() {
            let (need, found) = (first + horizon + 1, vec![(ticker.to_owned(), n + 1)]);
            return Err(Error::TooShort { need, found });
        }
        Ok(origins)
    }
}

/// The measures of the forecasts of one model up to one step, none of them kept.
#[derive(Debug, Clone, Default, PartialEq)]
struct Measures {
    count: f64,
    qlike: f64,
    squared: f64,
    /// Sums of f, x, f f, f x and x x.
    sums: [f64; 5],
    /// Realised variances inside of the interval, and those that have one.
    inside: [f64; 2],
    against: [Differences; 2],
}

/// A forecast beside what came.
struct Scored<'a> {
    model: usize,
    day: i64,
    path: &'a [f64],
    realised: &'a [f64],
    ratios: Option<&'a [[f64; 2]]>,
    mean_square: f64,
    /// The losses of the yardsticks up to each step.
    yardsticks: [&'a [f64]; 2],
}

/// The measures of one ticker or of many.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    scores: BTreeMap<(usize, usize), Measures>,
    /// How many tickers have forecasts of a model.
    tickers: BTreeMap<usize, usize>,
    failures: BTreeMap<usize, (usize, String)>,
    failed: Vec<(String, Error)>,
}

impl Outcome for Result<Summary> {
    fn succeeded(&self) -> bool {
        self.is_ok()
    }
}

/// The measures of a model's forecasts up to a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The model's name, [`ENSEMBLE`] or [`SAMPLE`].
    pub model: &'static str,
    /// The step.
    pub step: usize,
    /// How many tickers have forecasts.
    pub tickers: usize,
    /// How many forecasts there are.
    pub n: usize,
    /// The mean loss.
    pub qlike: f64,
    /// The mean squared error.
    pub mse: f64,
    /// The constant, the slope and R squared of what came on what was forecast; None where the forecast never varied.
    pub mincer_zarnowitz: Option<[f64; 3]>,
    /// The share of realised volatilities inside of the interval, of the ensemble.
    pub coverage: Option<f64>,
    /// Against EWMA.
    pub against_ewma: Option<DieboldMariano>,
    /// Against the mean square.
    pub against_sample: Option<DieboldMariano>,
}

/// The place of a name in results: the ensemble, the models in their order, the sample.
fn name_of(place: usize) -> &'static str {
    match place {
        0 => ENSEMBLE,
        place => MODELS.get(place - 1).map_or(SAMPLE, |model| model.name()),
    }
}

fn place_of(name: &str) -> usize {
    MODELS.iter().position(|model| model.name() == name).map_or(0, |index| index + 1)
}

impl Measures {
    fn add(&mut self, variance: f64, realised: f64, loss: f64) {
        let (f, x) = (variance * PERCENT, realised * PERCENT);
        self.count += 1.0;
        self.qlike += loss;
        self.squared += (x - f).powi(2);
        self.sums.iter_mut().zip([f, x, f * f, f * x, x * x]).for_each(|(sum, value)| *sum += value);
    }

    fn append(&mut self, other: Measures) {
        self.count += other.count;
        self.qlike += other.qlike;
        self.squared += other.squared;
        self.sums.iter_mut().zip(other.sums).for_each(|(sum, value)| *sum += value);
        self.inside.iter_mut().zip(other.inside).for_each(|(sum, value)| *sum += value);
        self.against.iter_mut().zip(other.against).for_each(|(all, more)| all.append(more));
    }

    fn mincer_zarnowitz(&self) -> Option<[f64; 3]> {
        let [f, x, ff, fx, xx] = self.sums.map(|sum| sum / self.count);
        let (of_f, of_x, both) = (ff - f * f, xx - x * x, fx - f * x);
        // Less of a spread than this is what rounding leaves of none.
        if of_f <= 1e-12 * ff || of_x <= 0.0 {
            return None;
        }
        let slope = both / of_f;
        Some([x - slope * f, slope, both * both / (of_f * of_x)])
    }
}

impl Summary {
    fn score(&mut self, scored: &Scored<'_>) {
        let least = scored.mean_square;
        for (step, (variance, realised)) in means(scored.path).zip(means(scored.realised)).enumerate() {
            let measures = self.scores.entry((scored.model, step + 1)).or_default();
            let own = loss(variance, realised, least);
            measures.add(variance, realised, own);
            for (against, yardstick) in measures.against.iter_mut().zip(scored.yardsticks) {
                against.add_difference(scored.day, own - yardstick[step]);
            }
            if let Some(ratios) = scored.ratios {
                let [low, high] = ratios[step];
                let inside = (low * variance..=high * variance).contains(&realised);
                measures.inside[0] += f64::from(u8::from(inside));
                measures.inside[1] += 1.0;
            }
        }
    }

    fn miss(&mut self, place: usize, origins: usize, reason: impl FnOnce() -> String) {
        self.failures.entry(place).or_insert_with(|| (0, reason())).0 += origins;
    }

    /// Counts in the measures of a ticker.
    fn append(&mut self, other: Summary, cancel: &Cancel) -> Result<(), Cancelled> {
        // Steps count from 1, and every model has the first where it has any.
        for &(place, _) in other.scores.keys().filter(|(_, step)| *step == 1) {
            *self.tickers.entry(place).or_default() += 1;
        }
        for pair in work::watched(other.scores, COUNTED, cancel) {
            let (key, measures) = pair?;
            self.scores.entry(key).or_default().append(measures);
        }
        for (place, (origins, reason)) in other.failures {
            self.miss(place, origins, || reason);
        }
        self.failed.extend(other.failed);
        Ok(())
    }

    /// How many bytes it takes: more than was planned where tickers have days of their own.
    pub fn bytes(&self) -> usize {
        let days = |measures: &Measures| measures.against[0].dates() * DIFFERENCE_BYTES;
        self.scores.values().map(|measures| size_of::<Measures>() + days(measures)).sum()
    }

    /// The measures by model and step, where origins stand so many periods apart.
    pub fn rows(&self, stride: usize, cancel: &Cancel) -> Result<Vec<Row>, Cancelled> {
        let row = |(&(place, step), measures): (&(usize, usize), &Measures)| {
            cancel.check()?;
            let [against_ewma, against_sample] =
                [0, 1].map(|index| measures.against[index].diebold_mariano(overlap(step, stride)));
            Ok(Row {
                model: name_of(place),
                step,
                tickers: self.tickers.get(&place).copied().unwrap_or(0),
                n: measures.count as usize,
                qlike: measures.qlike / measures.count,
                mse: measures.squared / measures.count,
                mincer_zarnowitz: measures.mincer_zarnowitz(),
                coverage: (measures.inside[1] > 0.0).then(|| measures.inside[0] / measures.inside[1]),
                against_ewma,
                against_sample,
            })
        };
        self.scores.iter().map(row).collect()
    }

    /// The models that could not forecast everywhere: from how many origins, and why the first time.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, usize, &str)> {
        self.failures.iter().map(|(&place, (origins, reason))| (name_of(place), *origins, reason.as_str()))
    }

    /// The tickers that could not be evaluated.
    pub fn failed(&self) -> &[(String, Error)] {
        &self.failed
    }
}

impl Evaluation {
    /// Periods from one origin to the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    fn of_ticker(&self, bars: &Bars, cancel: &Cancel) -> Result<Summary> {
        let returns = bars.returns(cancel)?;
        let origins = self.origins(bars.series.ticker(), returns.len())?;
        let mut summary = Summary::default();
        for origins in origins.chunks(self.refit_every) {
            let known = Known { evaluation: self, bars, returns: &returns };
            known.fit(origins, &mut summary, cancel)?;
        }
        Ok(summary)
    }
}

/// The returns of a ticker.
struct Known<'a> {
    evaluation: &'a Evaluation,
    bars: &'a Bars,
    returns: &'a [f64],
}

impl Known<'_> {
    /// Scores the forecasts of one fit from these origins.
    fn fit(&self, origins: &[usize], summary: &mut Summary, cancel: &Cancel) -> Result<()> {
        let (request, horizon) = (&self.evaluation.request, self.evaluation.request.horizon.steps());
        let (fitted, last) = (origins[0], origins[origins.len() - 1]);
        // So many prices have one return less.
        let start = fitted.saturating_sub(self.evaluation.history.saturating_sub(1));
        let observed =
            Observed { returns: self.returns, ranges: self.bars.ranges.as_deref() }.within(start..last);
        let inside: Vec<usize> = origins.iter().map(|origin| origin - start).collect();
        let work = Work { observed, fitted: fitted - start, origins: &inside };
        let combined = combine(&work, request, cancel)?;
        let ewma = by_name(EWMA)?
            .fit(&observed.before(work.fitted), None, cancel)
            .and_then(|fitted| fitted.forecast(&observed, &inside, horizon, cancel))
            .map_err(|failure| named(self.bars.series.ticker(), &failure))?;
        let sample = vec![combined.mean_square; horizon];
        for member in &combined.members {
            if let Err(failure) = &member.outcome {
                summary.miss(place_of(member.model), origins.len(), || failure.to_string());
            }
        }
        for (number, &origin) in origins.iter().enumerate() {
            work::count(COUNTED * horizon * (combined.members.len() + 2));
            cancel.check()?;
            let realised: Vec<f64> = self.returns[origin..origin + horizon].iter().map(|r| r * r).collect();
            self.score(&combined, number, origin, &realised, [&ewma[number], &sample], summary);
        }
        Ok(())
    }

    fn score(
        &self,
        combined: &Combined,
        number: usize,
        origin: usize,
        realised: &[f64],
        yardsticks: [&[f64]; 2],
        summary: &mut Summary,
    ) {
        let mean_square = combined.mean_square;
        let losses = yardsticks.map(|path| {
            means(path).zip(means(realised)).map(|(f, x)| loss(f, x, mean_square)).collect::<Vec<f64>>()
        });
        // The close at the end of the last return that was read.
        let day = self.bars.series.ts()[origin].day();
        let mut one = |model: usize, path: &[f64], ratios: Option<&[[f64; 2]]>| {
            let yardsticks = [losses[0].as_slice(), losses[1].as_slice()];
            summary.score(&Scored { model, day, path, realised, ratios, mean_square, yardsticks });
        };
        if let Some(path) = combined.paths.get(number) {
            one(0, path, Some(&combined.ratios));
        }
        for member in &combined.members {
            if let Ok(fit) = &member.outcome {
                one(place_of(member.model), &fit.paths[number], None);
            }
        }
        if combined.members.iter().all(|member| member.model != EWMA || member.outcome.is_err()) {
            one(place_of(EWMA), yardsticks[0], None);
        }
        one(MODELS.len() + 1, yardsticks[1], None);
    }
}

fn named(ticker: &str, failure: &Failure) -> Error {
    match failure {
        Failure::Cancelled => Error::Cancelled,
        failure => Error::NoModel { ticker: ticker.to_owned(), failures: vec![(EWMA, failure.to_string())] },
    }
}

/// Evaluates every ticker and counts it into `summary`, one after the other so that sums do not depend on the threads.
///
/// # Errors
/// [`Error::Cancelled`].
pub fn evaluate(
    tickers: Vec<(String, Result<Bars>)>,
    evaluation: &Evaluation,
    mut summary: Summary,
    executor: &dyn Executor,
    cancel: &Cancel,
) -> Result<Summary> {
    let names: Vec<String> = tickers.iter().map(|(ticker, _)| ticker.clone()).collect();
    let (settings, flag) = (evaluation.clone(), cancel.clone());
    let all = task::map(executor, cancel, tickers, move |(_, bars)| settings.of_ticker(&bars?, &flag))?;
    task::one(executor, cancel, move |cancel| {
        for (ticker, outcome) in names.into_iter().zip(all) {
            match outcome.unwrap_or_else(|Panicked(message)| Err(Error::Internal { message })) {
                Ok(measures) => summary.append(measures, cancel)?,
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(error) => summary.failed.push((ticker, error)),
            }
        }
        Ok(summary)
    })
}
