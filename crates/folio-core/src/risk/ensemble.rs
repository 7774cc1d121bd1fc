//! Forecasts of the volatility of many tickers: a job for each.

use super::combine::{Combined, Member, Work, combine, means};
use super::request::Request;
use crate::forecast::Dates;
use crate::frequency::Remark;
use crate::panel::{PricePanel, Series, Timestamp};
use crate::task::{self, Cancel, Executor, Outcome, Panicked};
use crate::volatility::Observed;
use crate::{Error, Result, work};

/// The fewest prices that give two returns, which a variance needs.
const MIN_PRICES: usize = 3;

/// Units of [`work`] for a logarithm.
const LOGARITHM: usize = 10;

/// The prices of a ticker, and what the ranges of its days say.
#[derive(Debug, Clone, PartialEq)]
pub struct Bars {
    /// The closes.
    pub series: Series,
    /// For each close but the first the variance of its period from the range of its prices, where there are ranges.
    pub ranges: Option<Vec<f64>>,
}

impl Bars {
    /// The tickers of a panel, without ranges.
    pub fn of(panel: PricePanel) -> Vec<(String, Result<Bars>)> {
        let bars = |series: Series| Bars { series, ranges: None };
        panel.into_columns().into_iter().map(|(ticker, series)| (ticker, series.map(bars))).collect()
    }

    /// The log returns.
    pub(super) fn returns(&self, cancel: &Cancel) -> Result<Vec<f64>> {
        let got = self.series.close().len();
        if got < MIN_PRICES {
            return Err(Error::TooShort {
                need: MIN_PRICES,
                found: vec![(self.series.ticker().to_owned(), got)],
            });
        }
        let change = |pair: Result<&[f64], _>| pair.map(|pair| (pair[1] / pair[0]).ln());
        Ok(work::watched(self.series.close().windows(2), LOGARITHM, cancel)
            .map(change)
            .collect::<Result<_, _>>()?)
    }
}

/// A step of a forecast: volatilities a year, as shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// When it falls, if that can be known.
    pub ts: Option<Timestamp>,
    /// The volatility of the step alone.
    pub volatility: f64,
    /// That of all steps up to it: the root of the mean variance.
    pub mean_volatility: f64,
    /// Between these the realised volatility of the steps up to it falls, at the level that was asked for.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
}

/// How a ticker's forecast came about.
#[derive(Debug, Clone, PartialEq)]
pub enum Status {
    /// Every model took part, weighed by its loss out of sample.
    Complete,
    /// Some models could not.
    Partial {
        /// Which, with the reason.
        missing: Vec<(&'static str, String)>,
    },
    /// Too few prices to validate on: equal weights of the models that could fit, and the interval of normal returns.
    ShortHistory {
        /// How many prices there are.
        prices: usize,
    },
}

/// One ticker's forecast.
#[derive(Debug, Clone)]
pub struct Ensemble {
    /// The steps 1, 2, ..., horizon.
    pub steps: Vec<Step>,
    /// The models, in the order of [`crate::volatility::MODELS`].
    pub members: Vec<Member>,
    /// How it came about.
    pub status: Status,
    /// What is to be said of the periods of a year.
    pub remark: Option<Remark>,
    /// When its steps fall.
    pub dates: Dates,
    /// The prices that it was forecast from.
    pub series: Series,
}

impl Outcome for Result<Ensemble> {
    fn succeeded(&self) -> bool {
        self.is_ok()
    }
}

/// A ticker with its forecast, or why it has none.
#[derive(Debug, Clone)]
pub struct Report {
    /// The ticker.
    pub ticker: String,
    /// The forecast.
    pub outcome: Result<Ensemble>,
}

/// Forecasts the volatility of every ticker; one that fails costs its own report only.
///
/// # Errors
/// [`Error::Cancelled`].
pub fn forecast(
    tickers: Vec<(String, Result<Bars>)>,
    request: &Request,
    executor: &dyn Executor,
    cancel: &Cancel,
) -> Result<Vec<Report>> {
    let names: Vec<String> = tickers.iter().map(|(ticker, _)| ticker.clone()).collect();
    let (settings, flag) = (request.clone(), cancel.clone());
    let outcomes = task::map(executor, cancel, tickers, move |(_, bars)| of_ticker(bars?, &settings, &flag))?;
    let report = |(ticker, outcome): (String, Result<Result<Ensemble>, Panicked>)| {
        let outcome = outcome.unwrap_or_else(|Panicked(message)| Err(Error::Internal { message }));
        match outcome {
            Err(Error::Cancelled) => Err(Error::Cancelled),
            outcome => Ok(Report { ticker, outcome }),
        }
    };
    names.into_iter().zip(outcomes).map(report).collect()
}

fn of_ticker(bars: Bars, request: &Request, cancel: &Cancel) -> Result<Ensemble> {
    let returns = bars.returns(cancel)?;
    let observed = Observed { returns: &returns, ranges: bars.ranges.as_deref() };
    let work = Work { observed, fitted: returns.len(), origins: &[returns.len()] };
    let Combined { members, paths, ratios, validated, .. } = combine(&work, request, cancel)?;
    let Some(path) = paths.first() else { return Err(no_model(bars.series.ticker(), &members)) };
    let frequency = bars.series.frequency();
    let annual = |variance: f64| (request.periods.of(frequency) * variance).max(0.0).sqrt();
    let dates = Dates::after(&bars.series, request.horizon.steps(), cancel)?;
    let times = dates.ts().iter().copied();
    let step = |((ts, (variance, mean)), [low, high]): ((_, (&f64, f64)), &[f64; 2])| Step {
        ts,
        volatility: annual(*variance),
        mean_volatility: annual(mean),
        lower: annual(low * mean),
        upper: annual(high * mean),
    };
    let steps = times.zip(path.iter().zip(means(path))).zip(&ratios).map(step).collect();
    let status = status(&members, validated, bars.series.close().len());
    let remark = request.periods.remark(frequency);
    Ok(Ensemble { steps, members, status, remark, dates, series: bars.series })
}

fn status(members: &[Member], validated: bool, prices: usize) -> Status {
    let failed = |member: &Member| Some((member.model, member.outcome.as_ref().err()?.to_string()));
    let missing: Vec<_> = members.iter().filter_map(failed).collect();
    match (validated, missing.is_empty()) {
        (false, _) => Status::ShortHistory { prices },
        (true, true) => Status::Complete,
        (true, false) => Status::Partial { missing },
    }
}

fn no_model(ticker: &str, members: &[Member]) -> Error {
    let reason = |member: &Member| Some((member.model, member.outcome.as_ref().err()?.to_string()));
    Error::NoModel { ticker: ticker.to_owned(), failures: members.iter().filter_map(reason).collect() }
}
