//! The charts: SVG from the same numbers that the other functions give as rows.

use folio_chart::{
    AccuracyChart, Band, ForecastChart, FrontierChart, MemberPath, Options, Outcome, Rebalance, RiskReturn,
    Theme, Time, WeightsChart, Width,
};
use folio_core::Error;
use folio_core::forecast::{self, Level, Status};
use folio_core::panel::Timestamp;
use folio_core::portfolio::frontier::{FrontierPoint, Performance, RiskMap};
use folio_core::portfolio::request;
use pgrx::prelude::*;

use super::arguments::required;
use super::forecast::{Arguments, dated_status};
use super::portfolio::{Inputs, Source};
use crate::backend::datum::{Json, Names, Regclass, Text};
use crate::backend::query::{self, Row};
use crate::backend::report::{Report, Result, SqlState, or_raise};
use crate::backend::timestamp::from_micros;

/// The default width in pixels: a column of text on a desktop.
const DEFAULT_WIDTH: i64 = 800;

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

/// The points of a frontier: enough for a smooth line.
const FRONTIER_POINTS: i64 = 40;

/// Draws a forecast as SVG: recent prices, the median path, and the fan of its intervals.
#[pg_extern(stable, parallel_unsafe, cost = 100000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn forecast_chart(
    ticker: Option<Text>,
    horizon: default!(Option<i64>, "NULL"),
    models: default!(Option<Names>, "NULL"),
    levels: default!(Option<Vec<Option<f64>>>, "NULL"),
    members: default!(Option<bool>, "NULL"),
    recent: default!(Option<i64>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    history: default!(Option<i64>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
    width: default!(Option<i64>, "NULL"),
    theme: default!(Option<Text>, "NULL"),
) -> Text {
    let relation = prices.map(|relation| relation.0);
    or_raise((|| {
        let options = options(width, theme)?;
        let fan = Fan::new(levels, members, recent)?;
        let tickers = Some(vec![required("ticker", ticker)?.0]);
        let arguments = Arguments { tickers, horizon, models, level: None, as_of, history, relation };
        let chart = |report: forecast::Report| Ok(fan.chart(report.ticker, &report.outcome?));
        let (charts, _held) = arguments.plan()?.at(&fan.levels).forecast(|_| Ok(()), chart)?;
        let chart = charts.into_iter().next().ok_or(folio_chart::Error::Empty { what: "forecast" })?;
        Ok(Text(chart.svg(options)?))
    })())
}

/// Draws the efficient frontier as SVG, among the tickers that it is made of.
#[pg_extern(stable, parallel_unsafe, cost = 1000000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn frontier_chart(
    tickers: default!(Option<Names>, "NULL"),
    views: default!(Option<Json>, "'[]'"),
    market_caps: default!(Option<Json>, "NULL"),
    prior: default!(Option<Text>, "NULL"),
    risk_aversion: default!(Option<f64>, "NULL"),
    tau: default!(Option<f64>, "NULL"),
    risk_free_rate: default!(Option<f64>, "NULL"),
    covariance: default!(Option<Text>, "NULL"),
    constraints: default!(Option<Json>, "NULL"),
    history: default!(Option<i64>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
    width: default!(Option<i64>, "NULL"),
    theme: default!(Option<Text>, "NULL"),
    periods_per_year: default!(Option<f64>, "NULL"),
) -> Text {
    let relation = prices.map(|relation| relation.0);
    let source = Source { tickers, history, as_of, relation, periods_per_year };
    let objective = None;
    let inputs =
        Inputs { market_caps, prior, risk_aversion, tau, risk_free_rate, covariance, objective, constraints };
    or_raise((|| {
        let options = options(width, theme)?;
        let request = inputs.request(views)?;
        let map = source
            .compute(move |returns, cancel| request::risk_map(&request, returns, FRONTIER_POINTS, cancel))?;
        Ok(Text(frontier_of(map).svg(options)?))
    })())
}

/// Draws the weights of a portfolio over time as SVG, from weight_history.
#[pg_extern(stable, parallel_unsafe, cost = 10000)]
fn weights_chart(
    portfolio: Option<Text>,
    width: default!(Option<i64>, "NULL"),
    theme: default!(Option<Text>, "NULL"),
) -> Text {
    or_raise((|| {
        let options = options(width, theme)?;
        let Text(portfolio) = required("portfolio", portfolio)?;
        let rebalances = rebalances(&portfolio)?;
        if rebalances.is_empty() {
            return Err(no_weights(&portfolio));
        }
        Ok(Text(WeightsChart { portfolio, rebalances }.svg(options)?))
    })())
}

/// Draws what was forecast of a ticker against what came as SVG, from forecast_accuracy, whose functions are not declared
/// parallel safe.
#[pg_extern(stable, parallel_unsafe, cost = 10000)]
fn accuracy_chart(
    ticker: Option<Text>,
    step: default!(Option<i64>, "NULL"),
    width: default!(Option<i64>, "NULL"),
    theme: default!(Option<Text>, "NULL"),
) -> Text {
    or_raise((|| {
        let options = options(width, theme)?;
        let Text(ticker) = required("ticker", ticker)?;
        let outcomes = outcomes(&ticker, step)?;
        if outcomes.is_empty() {
            return Err(no_outcomes(&ticker, step));
        }
        Ok(Text(accuracy_of(ticker, step, outcomes).svg(options)?))
    })())
}

fn options(width: Option<i64>, theme: Option<Text>) -> Result<Options> {
    Ok(Options {
        width: Width::new(width.unwrap_or(DEFAULT_WIDTH))?,
        theme: theme.map_or(Ok(Theme::Auto), |name| Theme::parse(&name))?,
    })
}

/// What a chart of a forecast shows.
struct Fan {
    levels: Vec<Level>,
    members: bool,
    /// How many prices before the forecast; None takes as many as suit the horizon.
    recent: Option<usize>,
}

impl Fan {
    fn new(levels: Option<Vec<Option<f64>>>, members: Option<bool>, recent: Option<i64>) -> Result<Fan> {
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

    fn chart(&self, ticker: String, ensemble: &forecast::Ensemble) -> ForecastChart {
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

fn frontier_of(map: RiskMap) -> FrontierChart {
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

fn rebalances(portfolio: &str) -> Result<Vec<Rebalance>> {
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
    Ok(rebalances)
}

/// A row of forecast_accuracy that has an outcome.
struct StoredOutcome {
    as_of: Time,
    level: f64,
    outcome: Outcome,
}

fn outcomes(ticker: &str, step: Option<i64>) -> Result<Vec<StoredOutcome>> {
    let statement =
        "SELECT as_of::timestamp, ts::timestamp, forecast, lower, upper, actual, naive_error, level
                     FROM folio.forecast_accuracy
                     WHERE ticker OPERATOR(pg_catalog.=) $1 AND actual IS NOT NULL
                       AND ($2 IS NULL OR step OPERATOR(pg_catalog.=) $2)
                     ORDER BY as_of, step";
    query::all(statement, &[Text(ticker.to_owned()).into(), step.into()], |row| {
        let outcome = Outcome {
            time: time_at(row, 2),
            forecast: number_at(row, 3),
            lower: number_at(row, 4),
            upper: number_at(row, 5),
            actual: number_at(row, 6),
            naive_error: number_at(row, 7),
        };
        Ok(StoredOutcome { as_of: time_at(row, 1), level: number_at(row, 8), outcome })
    })
}

/// The forecasts of one step as one line, or the newest forecasts that do not overlap, each as its own.
fn accuracy_of(ticker: String, step: Option<i64>, stored: Vec<StoredOutcome>) -> AccuracyChart {
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
