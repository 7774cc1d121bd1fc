//! The charts' data: from what the engine gives, or from the desk's views.

use folio_chart::{
    AccuracyChart, Band, ForecastChart, FrontierChart, MemberPath, Outcome, Rebalance, RiskReturn, Time,
};
use folio_core::Error;
use folio_core::forecast::{self, Level, Status};
use folio_core::panel::Timestamp;
use folio_core::portfolio::frontier::{FrontierPoint, Performance, RiskMap};

use super::forecast::dated_status;
use crate::arguments::required;
use crate::backend::datum::Text;
use crate::backend::query::{self, Row};
use crate::backend::report::{Report, Result, SqlState};
use crate::backend::timestamp::from_micros;

/// The levels of a fan if none are named: what half of the outcomes, most, and nearly all of them are within.
const DEFAULT_LEVELS: [f64; 3] = [0.5, 0.8, 0.95];

/// More levels cannot be told apart.
const MAX_LEVELS: usize = 5;

/// The most prices that a chart shows before the forecast: more than a screen has pixels.
const MAX_RECENT: usize = 5000;

/// So many prices are shown for each step of the forecast, if nothing is said.
const RECENT_PER_STEP: usize = 6;

/// From a quarter of a year to a year of prices, if nothing is said.
const DEFAULT_RECENT: std::ops::RangeInclusive<usize> = 63..=252;

/// What a chart of a forecast shows.
pub struct Fan {
    pub levels: Vec<Level>,
    members: bool,
    /// How many prices before the forecast; None takes as many as suit the horizon.
    recent: Option<usize>,
}

impl Fan {
    pub fn new(levels: Option<Vec<Option<f64>>>, members: Option<bool>, recent: Option<i64>) -> Result<Fan> {
        let mut levels = match levels {
            None => DEFAULT_LEVELS.to_vec(),
            Some(levels) => levels
                .into_iter()
                .map(|level| required("an element of levels", level))
                .collect::<Result<Vec<f64>>>()?,
        };
        levels.sort_by(f64::total_cmp);
        levels.dedup();
        if levels.len() > MAX_LEVELS {
            return Err(invalid(
                "levels",
                format!("{} levels", levels.len()),
                format!("at most {MAX_LEVELS}"),
            ));
        }
        let number = |recent: i64| {
            let valid = usize::try_from(recent).ok().filter(|number| (2..=MAX_RECENT).contains(number));
            valid.ok_or_else(|| invalid("recent", recent.to_string(), format!("2 to {MAX_RECENT} prices")))
        };
        Ok(Fan {
            levels: levels.into_iter().map(Level::new).collect::<folio_core::Result<_>>()?,
            members: members.unwrap_or(false),
            recent: recent.map(number).transpose()?,
        })
    }

    pub fn chart(&self, ticker: String, ensemble: &forecast::Ensemble) -> ForecastChart {
        let series = ensemble.history();
        let steps = ensemble.steps.len();
        let suited = (RECENT_PER_STEP * steps).clamp(*DEFAULT_RECENT.start(), *DEFAULT_RECENT.end());
        let from = series.close().len().saturating_sub(self.recent.unwrap_or(suited));
        let times = series.ts()[from..].iter().map(|ts| time(*ts));
        let band = |level: &Level| {
            let steps = ensemble.steps_at(*level)?;
            Some(Band {
                level: level.share(),
                bounds: steps.iter().map(|step| (step.lower, step.upper)).collect(),
            })
        };
        let member = |member: &forecast::Member| {
            let path = member.outcome.as_ref().ok()?.prices();
            Some(MemberPath { name: member.model.to_owned(), path })
        };
        ForecastChart {
            ticker,
            history: times.zip(series.close()[from..].iter().copied()).collect(),
            path: (1..)
                .zip(&ensemble.steps)
                .map(|(number, step)| {
                    (time(step.ts.unwrap_or_else(|| series.after_average_steps(number))), step.forecast)
                })
                .collect(),
            bands: self.levels.iter().filter_map(band).collect(),
            members: if self.members { ensemble.members.iter().filter_map(member).collect() } else { vec![] },
            note: (ensemble.status != Status::Complete || ensemble.dates().remark().is_some())
                .then(|| dated_status(ensemble)),
        }
    }
}

fn time(ts: Timestamp) -> Time {
    Time(ts.0)
}

fn invalid(argument: &'static str, value: String, expected: String) -> Report {
    Error::InvalidArgument { argument, value, expected }.into()
}

pub fn frontier_of(map: RiskMap) -> FrontierChart {
    let portfolio = |point: FrontierPoint| RiskReturn {
        name: String::new(),
        volatility: point.volatility,
        expected_return: point.expected_return,
        sharpe_ratio: point.sharpe_ratio,
    };
    let single = |(name, performance): (String, Performance)| RiskReturn {
        name,
        volatility: performance.volatility,
        expected_return: performance.expected_return,
        sharpe_ratio: performance.sharpe_ratio,
    };
    FrontierChart {
        frontier: map.frontier.into_iter().map(portfolio).collect(),
        assets: map.tickers.into_iter().zip(map.single).map(single).collect(),
        max_sharpe: map.max_sharpe.map(portfolio),
    }
}

/// A time of the session's zone.
fn time_at(row: &Row<'_>, column: usize) -> Time {
    time(from_micros(row.bigint(column)))
}

/// A number; NULL is not a number, which no chart draws.
fn number_at(row: &Row<'_>, column: usize) -> f64 {
    row.float8(column).unwrap_or(f64::NAN)
}

pub fn rebalances(portfolio: &str) -> Result<Vec<Rebalance>> {
    let statement = "SELECT as_of::timestamp, ticker, weight FROM folio.weight_history WHERE portfolio OPERATOR(pg_catalog.=) $1
                     ORDER BY as_of, ticker";
    let rows = query::all(statement, &[Text(portfolio.to_owned()).into()], |row| {
        Ok((time_at(row, 1), row.text(2)?.unwrap_or_default(), number_at(row, 3)))
    })?;
    let mut rebalances: Vec<Rebalance> = Vec::new();
    for (time, ticker, weight) in rows {
        match rebalances.last_mut() {
            Some(last) if last.time == time => last.weights.push((ticker, weight)),
            _ => rebalances.push(Rebalance { time, weights: vec![(ticker, weight)] }),
        }
    }
    if rebalances.is_empty() { Err(no_weights(portfolio)) } else { Ok(rebalances) }
}

/// A row of forecast_accuracy that has an outcome.
pub struct StoredOutcome {
    as_of: Time,
    level: f64,
    outcome: Outcome,
}

pub fn outcomes(ticker: &str, step: Option<i64>) -> Result<Vec<StoredOutcome>> {
    let statement =
        "SELECT as_of::timestamp, ts::timestamp, forecast, lower, upper, actual, naive_error, level
                     FROM folio.forecast_accuracy
                     WHERE ticker OPERATOR(pg_catalog.=) $1 AND actual IS NOT NULL
                       AND ($2 IS NULL OR step OPERATOR(pg_catalog.=) $2)
                     ORDER BY as_of, step";
    let outcomes = query::all(statement, &[Text(ticker.to_owned()).into(), step.into()], |row| {
        let outcome = Outcome {
            time: time_at(row, 2),
            forecast: number_at(row, 3),
            lower: number_at(row, 4),
            upper: number_at(row, 5),
            actual: number_at(row, 6),
            naive_error: number_at(row, 7),
        };
        Ok(StoredOutcome { as_of: time_at(row, 1), level: number_at(row, 8), outcome })
    })?;
    if outcomes.is_empty() { Err(no_outcomes(ticker, step)) } else { Ok(outcomes) }
}

/// The forecasts of one step as one line, or the newest forecasts that do not overlap, each as its own.
pub fn accuracy_of(ticker: String, step: Option<i64>, stored: Vec<StoredOutcome>) -> AccuracyChart {
    let level = stored.first().map(|first| first.level);
    let level = level.filter(|level| stored.iter().all(|other| other.level == *level));
    let step = step.and_then(|step| usize::try_from(step).ok());
    let paths = if step.is_some() {
        vec![stored.into_iter().map(|row| row.outcome).collect()]
    } else {
        let by_origin = stored.chunk_by(|a, b| a.as_of == b.as_of);
        folio_chart::apart(by_origin.map(|rows| rows.iter().map(|row| row.outcome).collect()).collect())
    };
    AccuracyChart { ticker, step, level, paths }
}

fn no_weights(portfolio: &str) -> Report {
    Report::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("no weights of portfolio \"{portfolio}\""),
        format!("folio.weight_history has no row of portfolio \"{portfolio}\" that you may read."),
        "Rebalance it first: CALL folio.rebalance(...).",
    )
}

fn no_outcomes(ticker: &str, step: Option<i64>) -> Report {
    let which = step.map(|step| format!(" at step {step}")).unwrap_or_default();
    Report::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("no forecast of {ticker} has an outcome"),
        format!("folio.forecast_accuracy has no row of ticker \"{ticker}\"{which} with a price that came."),
        "Store forecasts, CALL folio.refresh_forecasts(...), as of a day that has prices after it; tickers are \
         compared as they are written.",
    )
}
