//! The forecast functions.

use folio_core::forecast::{
    self, Batches, Clock, DEFAULT_HORIZON, DEFAULT_LEVEL, Horizon, Level, ModelSet, Request, Status,
};
use folio_core::panel::Timestamp;
use folio_core::task::Seed;
use pgrx::prelude::*;
use pgrx::{JsonB, PgRelation};

use super::arguments::{Names, not_null, unique_tickers};
use crate::backend::pool::{self, Pool};
use crate::backend::prices::{self, Selection};
use crate::backend::report::{Report, Result, SqlState, or_raise};
use crate::backend::settings::Settings;

/// A row of forecast_ensemble.
type ForecastRow =
    (String, Option<i32>, Option<TimestampWithTimeZone>, Option<f64>, Option<f64>, Option<f64>, String);

/// Forecasts one ticker: a row per step. A ticker that cannot be forecast is an error.
#[pg_extern(name = "forecast_ensemble", stable, parallel_safe, cost = 100000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn forecast_one(
    ticker: Option<String>,
    horizon: default!(Option<i32>, "NULL"),
    models: default!(Option<Names>, "NULL"),
    level: default!(Option<f64>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    history: default!(Option<i32>, "NULL"),
    prices: default!(Option<PgRelation>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(ticker, String),
        name!(step, Option<i32>),
        name!(ts, Option<TimestampWithTimeZone>),
        name!(forecast, Option<f64>),
        name!(lower, Option<f64>),
        name!(upper, Option<f64>),
        name!(status, String),
    ),
> {
    let relation = prices.map(|relation| relation.oid());
    TableIterator::new(or_raise(one_ticker(ticker).and_then(|tickers| {
        let arguments =
            Arguments { tickers: Some(tickers), horizon, models, level, as_of, history, relation };
        arguments.forecast(|report| Ok(ensemble_rows(&report.ticker, &report.outcome?)))
    })))
}

/// Forecasts many tickers, every ticker if none is named: a row per ticker and step. A ticker that cannot be forecast
/// is one row whose status says why.
#[pg_extern(name = "forecast_ensemble", stable, parallel_safe, cost = 1000000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn forecast_many(
    tickers: default!(Option<Names>, "NULL"),
    horizon: default!(Option<i32>, "NULL"),
    models: default!(Option<Names>, "NULL"),
    level: default!(Option<f64>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    history: default!(Option<i32>, "NULL"),
    prices: default!(Option<PgRelation>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(ticker, String),
        name!(step, Option<i32>),
        name!(ts, Option<TimestampWithTimeZone>),
        name!(forecast, Option<f64>),
        name!(lower, Option<f64>),
        name!(upper, Option<f64>),
        name!(status, String),
    ),
> {
    let relation = prices.map(|relation| relation.oid());
    let arguments = Arguments { tickers: None, horizon, models, level, as_of, history, relation };
    TableIterator::new(or_raise(arguments.with_tickers(tickers).and_then(|arguments| {
        let rows = |report: forecast::Report| match report.outcome {
            Ok(ensemble) => Ok(ensemble_rows(&report.ticker, &ensemble)),
            Err(error) => {
                Ok(vec![(report.ticker, None, None, None, None, None, Report::from(error).status())])
            }
        };
        arguments.forecast(rows)
    })))
}

/// Says how each model did: its weight in the ensemble, its errors out of sample, its time, and why it is missing.
#[pg_extern(stable, parallel_safe, cost = 1000000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn forecast_members(
    tickers: default!(Option<Names>, "NULL"),
    horizon: default!(Option<i32>, "NULL"),
    models: default!(Option<Names>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    history: default!(Option<i32>, "NULL"),
    prices: default!(Option<PgRelation>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(ticker, String),
        name!(model, Option<String>),
        name!(weight, Option<f64>),
        name!(status, String),
        name!(validation_rmse, Option<f64>),
        name!(relative_mae, Option<f64>),
        name!(fit_ms, Option<f64>),
        name!(detail, Option<JsonB>),
    ),
> {
    let relation = prices.map(|relation| relation.oid());
    let arguments = Arguments { tickers: None, horizon, models, level: None, as_of, history, relation };
    TableIterator::new(or_raise(arguments.with_tickers(tickers).and_then(|arguments| {
        let rows = |report: forecast::Report| match report.outcome {
            Ok(ensemble) => {
                Ok(ensemble.members.into_iter().map(|member| member_row(&report.ticker, member)).collect())
            }
            Err(error) => {
                Ok(vec![(report.ticker, None, None, Report::from(error).status(), None, None, None, None)])
            }
        };
        arguments.forecast(rows)
    })))
}

/// Forecasts as views for black_litterman: the annual return of each ticker's forecast at the horizon, with the variance
/// of its calibrated interval. A ticker that cannot be forecast has no view.
#[pg_extern(stable, parallel_safe, cost = 1000000)]
fn forecast_views(
    tickers: default!(Option<Names>, "NULL"),
    horizon: default!(Option<i32>, "NULL"),
    models: default!(Option<Names>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    history: default!(Option<i32>, "NULL"),
    prices: default!(Option<PgRelation>, "NULL"),
) -> JsonB {
    let relation = prices.map(|relation| relation.oid());
    let arguments = Arguments { tickers: None, horizon, models, level: None, as_of, history, relation };
    JsonB(or_raise(arguments.with_tickers(tickers).and_then(|arguments| {
        let level = Level::new(DEFAULT_LEVEL)?;
        let view = |report: forecast::Report| {
            let ensemble = report.outcome.iter();
            Ok(ensemble.filter_map(|ensemble| forecast::view(&report.ticker, ensemble, level)).collect())
        };
        Ok(serde_json::Value::Array(arguments.forecast(view)?))
    })))
}

/// What the forecast functions have in common: their arguments, where NULL takes the setting or the default.
struct Arguments {
    tickers: Option<Vec<String>>,
    horizon: Option<i32>,
    models: Option<Names>,
    level: Option<f64>,
    as_of: Option<TimestampWithTimeZone>,
    history: Option<i32>,
    relation: Option<pg_sys::Oid>,
}

impl Arguments {
    fn with_tickers(self, tickers: Option<Names>) -> Result<Arguments> {
        Ok(Arguments { tickers: tickers.map(unique_tickers).transpose()?, ..self })
    }

    fn request(&self, settings: &Settings) -> Result<Request> {
        let models = match &self.models {
            Some(names) => ModelSet::new(&not_null("models", names.clone())?),
            None if settings.models.is_empty() => Ok(ModelSet::all()),
            None => ModelSet::new(&settings.models),
        };
        Ok(Request {
            horizon: Horizon::new(self.horizon.map_or(DEFAULT_HORIZON as i64, i64::from))?,
            level: Level::new(self.level.unwrap_or(DEFAULT_LEVEL))?,
            models: models?,
            seed: Seed(settings.seed),
            clock: pool::thread_cpu_time as Clock,
        })
    }

    /// The whole way from SQL's arguments to rows, in batches that fit into folio.memory_limit. A model's numbers do not
    /// depend on what else is computed, so neither do the rows depend on the batches.
    fn forecast<Row>(self, rows: impl Fn(forecast::Report) -> Result<Vec<Row>>) -> Result<Vec<Row>> {
        let settings = Settings::read();
        let request = self.request(&settings)?;
        let history = prices::history(self.history.unwrap_or(settings.history))?;
        let selection =
            Selection { relation: self.relation, tickers: self.tickers, as_of: self.as_of, history };
        let mut pool = Pool::start(settings.threads_per_call)?;
        let cancel = pool::cancel_flag();
        let mut all = Vec::new();
        prices::read_in_batches(&selection, &settings.prices, settings.price_bytes(), |panel, tickers| {
            pool.announce(tickers * request.models.models().len());
            let batches = Batches::new(&panel, tickers, &request, pool.threads(), settings.memory_limit)?;
            pool.limit_threads(batches.threads);
            for batch in panel.into_batches(batches.tickers) {
                for report in forecast::forecast(batch, &request, &pool, &cancel)? {
                    all.extend(rows(report)?);
                }
            }
            pool.reading();
            Ok(())
        })?;
        Ok(all)
    }
}

fn one_ticker(ticker: Option<String>) -> Result<Vec<String>> {
    ticker.map(|ticker| vec![ticker]).ok_or_else(|| {
        Report::new(
            SqlState::NULL_VALUE_NOT_ALLOWED,
            "ticker must not be NULL",
            "Given: NULL.",
            "Name a ticker, or write tickers => NULL to forecast every one.",
        )
    })
}

fn ensemble_rows(ticker: &str, ensemble: &forecast::Ensemble) -> Vec<ForecastRow> {
    let status = status(&ensemble.status);
    let row = |(index, step): (usize, &forecast::Step)| {
        let ts = Some(with_time_zone(step.ts));
        let number = Some(index as i32 + 1);
        (
            ticker.to_owned(),
            number,
            ts,
            Some(step.forecast),
            Some(step.lower),
            Some(step.upper),
            status.clone(),
        )
    };
    ensemble.steps.iter().enumerate().map(row).collect()
}

/// The time in the session's time zone, in which the prices' own times were read.
pub(super) fn with_time_zone(ts: Timestamp) -> TimestampWithTimeZone {
    prices::to_postgres(ts).into()
}

fn status(status: &Status) -> String {
    match status {
        Status::Complete => "ok".to_owned(),
        Status::Partial { missing } => format!("ok without {}", missing.join(", ")),
        Status::ShortHistory { prices } => {
            format!("short history: {prices} prices; equal weights and the interval of a random walk")
        }
    }
}

type MemberRow =
    (String, Option<String>, Option<f64>, String, Option<f64>, Option<f64>, Option<f64>, Option<JsonB>);

fn member_row(ticker: &str, member: forecast::Member) -> MemberRow {
    let (ticker, model) = (ticker.to_owned(), Some(member.model.to_owned()));
    let fit_ms = Some(member.elapsed.as_secs_f64() * 1e3);
    match member.outcome {
        Ok(fit) => {
            let (weight, rmse, mae) = (Some(fit.weight()), fit.validation_rmse, fit.relative_mae);
            (ticker, model, weight, "ok".to_owned(), rmse, mae, fit_ms, Some(JsonB(fit.detail)))
        }
        Err(failure) => (ticker, model, None, failure.to_string(), None, None, fit_ms, None),
    }
}
