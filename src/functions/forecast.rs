//! The forecast functions.

use folio_core::forecast::{DEFAULT_LEVELS, Ensemble, Level, Report};
use folio_core::frequency::Remark;
use folio_core::portfolio::view_of_forecast::view_of_step;
use pgrx::Array;
use pgrx::prelude::*;
use serde_json::Value;

use crate::arguments::Arguments;
use crate::backend::array;
use crate::backend::datum::{Json, Names, Regclass, Text};
use crate::backend::query;
use crate::backend::report::{self, Result, SqlState};
use crate::backend::timestamp::with_time_zone;
use crate::call::forecast::{MemberRow, Rows, RowsOfAll, StepRow};
use crate::call::periods;

sql_function! {
    /// Forecasts one ticker: a row per step. A ticker that cannot be forecast is an error.
    #[pg_extern(name = "forecast_ensemble", stable, parallel_unsafe, cost = 100000)]
    fn forecast_one(ticker: Text, horizon, models, level, as_of, history, prices) given arguments
    -> rows of row {
        ticker: Text, step: Option<i32>, ts: Option<TimestampWithTimeZone>, forecast: Option<f64>,
        lower: Option<f64>, upper: Option<f64>, status: Text,
    } {
        let ticker = one_ticker(ticker)?;
        if let Some(tickers) = list_in_text(&ticker)? {
            return each_ticker(Arguments { tickers: Some(tickers), ..arguments });
        }
        let arguments = Arguments { tickers: Some(Names(vec![Some(ticker)])), ..arguments };
        arguments.plan()?.rows(|report| Ok(StepRow::all(report.ticker, report.outcome?, with_time_zone)))
    }
}

sql_function! {
    /// Forecasts many tickers, every ticker if none is named: a row per ticker and step. A ticker that cannot be forecast
    /// is one row whose status says why.
    #[pg_extern(name = "forecast_ensemble", stable, parallel_unsafe, cost = 1000000)]
    fn forecast_many(tickers, horizon, models, level, as_of, history, prices) given arguments
    -> rows of row {
        ticker: Text, step: Option<i32>, ts: Option<TimestampWithTimeZone>, forecast: Option<f64>,
        lower: Option<f64>, upper: Option<f64>, status: Text,
    } {
        each_ticker(arguments)
    }
}

/// The rows of many tickers: of one that failed a single row that says why.
fn each_ticker(arguments: Arguments) -> Result<RowsOfAll<StepRow>> {
    arguments.plan()?.rows(|Report { ticker, outcome }| {
        Ok(match outcome {
            Ok(ensemble) => StepRow::all(ticker, ensemble, with_time_zone),
            Err(error) => one(StepRow::failed(ticker, error)),
        })
    })
}

/// The only row of a ticker.
fn one<Row: 'static>(row: Row) -> Rows<Row> {
    Box::new(std::iter::once(row))
}

fn one_ticker(ticker: Option<Text>) -> Result<String> {
    ticker.map(|Text(ticker)| ticker).ok_or_else(|| {
        report::Report::new(
            SqlState::NULL_VALUE_NOT_ALLOWED,
            "ticker must not be NULL",
            "Given: NULL.",
            "Name a ticker, or write tickers => NULL to forecast every one.",
        )
    })
}

/// The list that a text in braces is: many clients bind a list without saying its type, and so does psql's '{AAPL,MSFT}'. The
/// server then takes it for the text of one ticker. (A ticker that is written in braces can be named in an array.)
fn list_in_text(text: &str) -> Result<Option<Names>> {
    if !(text.starts_with('{') && text.ends_with('}')) {
        return Ok(None);
    }
    let elements = "SELECT element FROM pg_catalog.unnest($1::pg_catalog.text[]) AS element";
    query::all(elements, &[Text(text.to_owned()).into()], |row| row.text(1)).map(|list| Some(Names(list)))
}

sql_function! {
    /// Says how each model did: its weight in the ensemble, its errors out of sample, its time, and why it is missing.
    #[pg_extern(stable, parallel_unsafe, cost = 1000000)]
    fn forecast_members(tickers, horizon, models, as_of, history, prices) given arguments
    -> rows of row {
        ticker: Text, model: Option<Text>, weight: Option<f64>, status: Text, validation_rmse: Option<f64>,
        relative_mae: Option<f64>, fit_ms: Option<f64>, detail: Option<Json>,
    } {
        arguments.plan()?.of_members().rows(|Report { ticker, outcome }| {
            Ok(match outcome {
                Ok(ensemble) => {
                    Box::new(ensemble.members.into_iter().map(move |member| MemberRow::new(&ticker, member)))
                }
                Err(error) => one(MemberRow::failed(ticker, error)),
            })
        })
    }
}

sql_function! {
    /// Forecasts with intervals of several levels: a row per ticker, step and level. The models run once.
    #[pg_extern(stable, parallel_unsafe, cost = 1000000)]
    fn forecast_intervals(tickers, levels: Array = "NULL", horizon, models, as_of, history, prices) given arguments
    -> rows of row {
        ticker: Text, step: Option<i32>, ts: Option<TimestampWithTimeZone>, level: Option<f64>,
        forecast: Option<f64>, lower: Option<f64>, upper: Option<f64>, status: Text,
    } {
        let levels = levels.map(|levels| array::vector("levels", levels)).transpose()?;
        let levels = Level::several(&levels.map_or(DEFAULT_LEVELS.to_vec(), |levels| levels.to_vec()))?;
        arguments.plan()?.at(&levels).rows(|Report { ticker, outcome }| {
            Ok(match outcome {
                Ok(ensemble) => StepRow::at_levels(&ticker, &ensemble, &levels),
                Err(error) => one(StepRow::failed(ticker, error)),
            })
        })
    }
}

sql_function! {
    /// Forecasts as views for black_litterman: the annual arithmetic return of each ticker's forecast at the horizon, with the
    /// variance of its calibrated interval. A ticker that cannot be forecast has no view.
    #[pg_extern(stable, parallel_unsafe, cost = 1000000)]
    fn forecast_views(tickers, horizon, models, as_of, history, prices, later) given arguments
    -> Json {
        let plan = arguments.plan()?;
        let (level, periods) = (plan.request.levels[0].share(), plan.periods);
        let mut said: Vec<Remark> = Vec::new();
        let view = |Report { ticker, outcome }: Report| {
            let view = |ensemble: &Ensemble| {
                let frequency = ensemble.history().frequency();
                said.extend(periods.remark(frequency).filter(|remark| !said.contains(remark)));
                let (steps, periods) = (ensemble.steps.len(), periods.of(frequency));
                let (last_close, last) = (ensemble.last_close, ensemble.steps.last()?);
                view_of_step(&ticker, last_close, last.forecast, last.upper, steps, periods, level)
            };
            Ok(outcome.as_ref().ok().and_then(view))
        };
        let (views, _held) = plan.forecast(|_| Ok(()), view)?;
        periods::say(said);
        Ok(Json(Value::Array(views.into_iter().flatten().collect())))
    }
}
