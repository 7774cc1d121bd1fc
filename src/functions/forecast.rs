//! The forecast functions.

use folio_core::forecast::{
    self, Batches, Clock, DEFAULT_HORIZON, DEFAULT_LEVEL, DEFAULT_LEVELS, Horizon, Level, ModelSet, Request,
    Status,
};
use folio_core::frequency::{PeriodsPerYear, Remark};
use folio_core::panel::{PricePanel, Times, Timestamp};
use folio_core::portfolio::view_of_forecast::view_of_step;
use folio_core::task::Seed;
use pgrx::Array;
use pgrx::prelude::*;

use super::arguments::{not_null, unique_tickers};
use super::periods;
use crate::backend::array;
use crate::backend::budget::{self, Held, HeldBy};
use crate::backend::datum::{Json, Names, Regclass, Text};
use crate::backend::pool::{self, Pool};
use crate::backend::prices::{self, Selection};
use crate::backend::query;
use crate::backend::report::{Report, Result, SqlState, or_raise};
use crate::backend::server;
use crate::backend::settings::Settings;
use crate::backend::timestamp::with_time_zone;

/// A row of forecast_ensemble.
pub(super) type ForecastRow =
    (Text, Option<i32>, Option<TimestampWithTimeZone>, Option<f64>, Option<f64>, Option<f64>, Text);

/// Forecasts one ticker: a row per step. A ticker that cannot be forecast is an error.
#[pg_extern(name = "forecast_ensemble", stable, parallel_unsafe, cost = 100000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn forecast_one(
    ticker: Option<Text>,
    horizon: default!(Option<i64>, "NULL"),
    models: default!(Option<Names>, "NULL"),
    level: default!(Option<f64>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    history: default!(Option<i64>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(ticker, Text),
        name!(step, Option<i32>),
        name!(ts, Option<TimestampWithTimeZone>),
        name!(forecast, Option<f64>),
        name!(lower, Option<f64>),
        name!(upper, Option<f64>),
        name!(status, Text),
    ),
> {
    let relation = prices.map(|relation| relation.0);
    TableIterator::new(or_raise(one_ticker(ticker).and_then(|ticker| {
        let arguments = Arguments { tickers: None, horizon, models, level, as_of, history, relation };
        if let Some(tickers) = list_in_text(&ticker)? {
            return arguments.with_tickers(Some(tickers))?.forecast(rows_or_status);
        }
        let arguments = Arguments { tickers: Some(vec![ticker]), ..arguments };
        arguments.forecast(|report| Ok(ensemble_rows(report.ticker, report.outcome?, with_time_zone)))
    })))
}

/// Forecasts many tickers, every ticker if none is named: a row per ticker and step. A ticker that cannot be forecast
/// is one row whose status says why.
#[pg_extern(name = "forecast_ensemble", stable, parallel_unsafe, cost = 1000000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn forecast_many(
    tickers: default!(Option<Names>, "NULL"),
    horizon: default!(Option<i64>, "NULL"),
    models: default!(Option<Names>, "NULL"),
    level: default!(Option<f64>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    history: default!(Option<i64>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(ticker, Text),
        name!(step, Option<i32>),
        name!(ts, Option<TimestampWithTimeZone>),
        name!(forecast, Option<f64>),
        name!(lower, Option<f64>),
        name!(upper, Option<f64>),
        name!(status, Text),
    ),
> {
    let relation = prices.map(|relation| relation.0);
    let arguments = Arguments { tickers: None, horizon, models, level, as_of, history, relation };
    let rows = arguments.with_tickers(tickers).and_then(|arguments| arguments.forecast(rows_or_status));
    TableIterator::new(or_raise(rows))
}

/// The rows of one ticker among many: of one that failed a single row that says why.
fn rows_or_status(report: forecast::Report) -> Result<Rows<ForecastRow>> {
    Ok(match report.outcome {
        Ok(ensemble) => ensemble_rows(report.ticker, ensemble, with_time_zone),
        Err(error) => one((Text(report.ticker), None, None, None, None, None, failed(error))),
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

/// Says how each model did: its weight in the ensemble, its errors out of sample, its time, and why it is missing.
#[pg_extern(stable, parallel_unsafe, cost = 1000000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn forecast_members(
    tickers: default!(Option<Names>, "NULL"),
    horizon: default!(Option<i64>, "NULL"),
    models: default!(Option<Names>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    history: default!(Option<i64>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(ticker, Text),
        name!(model, Option<Text>),
        name!(weight, Option<f64>),
        name!(status, Text),
        name!(validation_rmse, Option<f64>),
        name!(relative_mae, Option<f64>),
        name!(fit_ms, Option<f64>),
        name!(detail, Option<Json>),
    ),
> {
    let relation = prices.map(|relation| relation.0);
    let arguments = Arguments { tickers: None, horizon, models, level: None, as_of, history, relation };
    TableIterator::new(or_raise(arguments.with_tickers(tickers).and_then(|arguments| {
        let rows = |report: forecast::Report| match report.outcome {
            Ok(ensemble) => {
                let row = |member| member_row(&report.ticker, member);
                Ok(ensemble.members.into_iter().map(row).collect::<Vec<_>>())
            }
            Err(error) => Ok(vec![(Text(report.ticker), None, None, failed(error), None, None, None, None)]),
        };
        arguments.plan()?.of_members().forecast(|_| Ok(()), rows).map(flatten)
    })))
}

/// Forecasts with intervals of several levels: a row per ticker, step and level. The models run once.
#[pg_extern(stable, parallel_unsafe, cost = 1000000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn forecast_intervals(
    tickers: default!(Option<Names>, "NULL"),
    levels: default!(Option<Array<'_, f64>>, "NULL"),
    horizon: default!(Option<i64>, "NULL"),
    models: default!(Option<Names>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    history: default!(Option<i64>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(ticker, Text),
        name!(step, Option<i32>),
        name!(ts, Option<TimestampWithTimeZone>),
        name!(level, Option<f64>),
        name!(forecast, Option<f64>),
        name!(lower, Option<f64>),
        name!(upper, Option<f64>),
        name!(status, Text),
    ),
> {
    let relation = prices.map(|relation| relation.0);
    let arguments = Arguments { tickers: None, horizon, models, level: None, as_of, history, relation };
    TableIterator::new(or_raise(arguments.with_tickers(tickers).and_then(|arguments| {
        let levels = levels.map(|levels| array::vector("levels", levels)).transpose()?;
        let levels = Level::several(&levels.map_or(DEFAULT_LEVELS.to_vec(), |levels| levels.to_vec()))?;
        let rows = |report: forecast::Report| {
            Ok(match report.outcome {
                Ok(ensemble) => interval_rows(report.ticker, &ensemble, &levels),
                Err(error) => one((Text(report.ticker), None, None, None, None, None, None, failed(error))),
            })
        };
        arguments.plan()?.at(&levels).forecast(|_| Ok(()), rows).map(flatten)
    })))
}

/// Forecasts as views for black_litterman: the annual return of each ticker's forecast at the horizon, with the variance
/// of its calibrated interval. A ticker that cannot be forecast has no view.
#[pg_extern(stable, parallel_unsafe, cost = 1000000)]
fn forecast_views(
    tickers: default!(Option<Names>, "NULL"),
    horizon: default!(Option<i64>, "NULL"),
    models: default!(Option<Names>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    history: default!(Option<i64>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
    periods_per_year: default!(Option<f64>, "NULL"),
) -> Json {
    let relation = prices.map(|relation| relation.0);
    let arguments = Arguments { tickers: None, horizon, models, level: None, as_of, history, relation };
    Json(or_raise(arguments.with_tickers(tickers).and_then(|arguments| {
        let level = Level::new(DEFAULT_LEVEL)?;
        let periods = Settings::read().periods_per_year(periods_per_year)?;
        let mut said: Vec<Remark> = Vec::new();
        let view = |report: forecast::Report| {
            let view = |ensemble: &forecast::Ensemble| {
                let frequency = ensemble.history().frequency();
                said.extend(periods.remark(frequency).filter(|remark| !said.contains(remark)));
                let (steps, periods) = (ensemble.steps.len(), periods.of(frequency));
                let (last_close, last) = (ensemble.last_close, ensemble.steps.last()?);
                view_of_step(
                    &report.ticker,
                    last_close,
                    last.forecast,
                    last.upper,
                    steps,
                    periods,
                    level.share(),
                )
            };
            Ok(report.outcome.iter().filter_map(view).collect::<Vec<_>>())
        };
        let views = arguments.forecast(view)?.collect();
        periods::say(said);
        Ok(serde_json::Value::Array(views))
    })))
}

/// What the forecast functions have in common: their arguments, where NULL takes the setting or the default.
pub(super) struct Arguments {
    pub tickers: Option<Vec<String>>,
    pub horizon: Option<i64>,
    pub models: Option<Names>,
    pub level: Option<f64>,
    pub as_of: Option<TimestampWithTimeZone>,
    pub history: Option<i64>,
    pub relation: Option<pg_sys::Oid>,
}

impl Arguments {
    pub fn with_tickers(self, tickers: Option<Names>) -> Result<Arguments> {
        Ok(Arguments { tickers: tickers.map(unique_tickers).transpose()?, ..self })
    }

    pub fn request(&self, settings: &Settings) -> Result<Request> {
        let models = match &self.models {
            Some(names) => ModelSet::new(&not_null("models", names.clone())?),
            None if settings.models.is_empty() => Ok(ModelSet::all()),
            None => ModelSet::new(&settings.models),
        };
        Ok(Request {
            horizon: Horizon::new(self.horizon.unwrap_or(DEFAULT_HORIZON as i64))?,
            levels: vec![Level::new(self.level.unwrap_or(DEFAULT_LEVEL))?],
            models: models?,
            seed: Seed(settings.seed),
            clock: pool::thread_cpu_time as Clock,
        })
    }

    /// The whole way from SQL's arguments to rows.
    pub fn forecast<I: IntoIterator>(
        self,
        rows: impl FnMut(forecast::Report) -> Result<I>,
    ) -> Result<Flat<I>> {
        self.plan()?.forecast(|_| Ok(()), rows).map(flatten)
    }

    /// The arguments validated, with the settings in the place of NULLs.
    pub fn plan(self) -> Result<Plan> {
        let settings = Settings::read();
        let request = self.request(&settings)?;
        let history = prices::history(self.history.unwrap_or(settings.history))?;
        let periods = settings.periods_per_year(None)?;
        let selection =
            Selection { relation: self.relation, tickers: self.tickers, as_of: self.as_of, history };
        Ok(Plan { settings, request, periods, selection, estimate: Batches::new })
    }
}

/// What is to be forecast.
pub(super) struct Plan {
    settings: Settings,
    pub request: Request,
    /// What views of the forecasts are annualised by.
    pub periods: PeriodsPerYear,
    selection: Selection,
    /// What it takes: of the panel, all tickers, the request, threads and the limit.
    estimate: fn(&PricePanel, usize, &Request, usize, usize) -> folio_core::Result<Batches>,
}

impl Plan {
    /// Keeps a row for each model instead of the steps.
    fn of_members(self) -> Plan {
        Plan { estimate: Batches::of_members, ..self }
    }

    /// Reads the prices alone, in panels that fit into folio.memory_limit.
    pub fn read(&self, mut look: impl FnMut(&PricePanel) -> Result<()>) -> Result<()> {
        prices::read_in_batches(&self.selection, &self.settings, |panel, _| look(&panel))
    }

    /// With intervals of these levels.
    pub fn at(mut self, levels: &[Level]) -> Plan {
        self.request.levels = levels.to_vec();
        self
    }

    /// From prices to what `each` keeps of a ticker, in batches that fit into folio.memory_limit. A model's numbers do not
    /// depend on what else is computed, so neither do the results depend on the batches. `look` sees the prices before
    /// they are used. What is kept counts until the second value is gone.
    pub fn forecast<T>(
        self,
        mut look: impl FnMut(&PricePanel) -> Result<()>,
        mut each: impl FnMut(forecast::Report) -> Result<T>,
    ) -> Result<(Vec<T>, Held)> {
        let Plan { settings, request, selection, estimate, .. } = self;
        let mut pool = Pool::start(settings.threads_per_call)?;
        let cancel = pool::cancel_flag();
        let (mut all, mut result_bytes) = (Vec::new(), 0);
        prices::read_in_batches(&selection, &settings, |panel, tickers| {
            look(&panel)?;
            pool.announce(tickers * (request.models.models().len() + 1));
            let batches = pool.plan(settings.memory_limit, |threads, limit| {
                estimate(&panel, tickers, &request, threads, limit)
            })?;
            result_bytes = batches.result_bytes;
            for batch in panel.into_batches(batches.tickers) {
                for report in forecast::forecast(batch, &request, &pool, &cancel)? {
                    server::check_interrupts()?;
                    all.push(each(report)?);
                }
            }
            pool.reading();
            Ok(())
        })?;
        Ok((all, budget::hold(result_bytes)?))
    }
}

/// The status of a ticker that could not be forecast.
pub(super) fn failed(error: folio_core::Error) -> Text {
    Text(Report::from(error).status())
}

fn one_ticker(ticker: Option<Text>) -> Result<String> {
    ticker.map(|Text(ticker)| ticker).ok_or_else(|| {
        Report::new(
            SqlState::NULL_VALUE_NOT_ALLOWED,
            "ticker must not be NULL",
            "Given: NULL.",
            "Name a ticker, or write tickers => NULL to forecast every one.",
        )
    })
}

/// Rows of one ticker. They are made as the executor asks for them: all at once would take more memory than the numbers,
/// and time without a look at interrupts.
pub(super) type Rows<Row> = Box<dyn Iterator<Item = Row>>;

/// The only row of a ticker.
pub(super) fn one<Row: 'static>(row: Row) -> Rows<Row> {
    Box::new(std::iter::once(row))
}

/// The rows of many tickers.
type Flat<I> = HeldBy<std::iter::Flatten<std::vec::IntoIter<I>>>;

fn flatten<I: IntoIterator>((all, held): (Vec<I>, Held)) -> Flat<I> {
    held.by(all.into_iter().flatten())
}

/// The rows of forecast_ensemble for a ticker.
pub(super) fn ensemble_rows(
    ticker: String,
    ensemble: forecast::Ensemble,
    stamp: fn(Timestamp, Times) -> TimestampWithTimeZone,
) -> Rows<ForecastRow> {
    let (ticker, status) = (Text(ticker), Text(dated_status(&ensemble)));
    let times = ensemble.history().times();
    let row = move |(number, step): (i32, forecast::Step)| {
        let (ts, forecast) = (step.ts.map(|ts| stamp(ts, times)), Some(step.forecast));
        (ticker.clone(), Some(number), ts, forecast, Some(step.lower), Some(step.upper), status.clone())
    };
    Box::new((1..).zip(ensemble.steps).map(row))
}

/// A row of forecast_intervals.
type IntervalRow = (
    Text,
    Option<i32>,
    Option<TimestampWithTimeZone>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Text,
);

fn interval_rows(ticker: String, ensemble: &forecast::Ensemble, levels: &[Level]) -> Rows<IntervalRow> {
    let (ticker, status) = (Text(ticker), Text(dated_status(ensemble)));
    let times = ensemble.history().times();
    let steps_at = |&level: &Level| Some((level.share(), ensemble.steps_at(level)?.to_vec()));
    let by_level: Vec<(f64, Vec<forecast::Step>)> = levels.iter().filter_map(steps_at).collect();
    let count = by_level.len();
    let row = move |index: usize| {
        let (number, (level, steps)) = (index / count, &by_level[index % count]);
        let step = steps[number];
        let (number, ts) = (Some(number as i32 + 1), step.ts.map(|ts| with_time_zone(ts, times)));
        let (level, forecast) = (Some(*level), Some(step.forecast));
        (ticker.clone(), number, ts, level, forecast, Some(step.lower), Some(step.upper), status.clone())
    };
    Box::new((0..count * ensemble.steps.len()).map(row))
}

/// How a forecast came about, and what is to be said of its dates.
pub(super) fn dated_status(ensemble: &forecast::Ensemble) -> String {
    let status = status(&ensemble.status);
    ensemble.dates().remark().map_or(status.clone(), |remark| format!("{status}; {remark}"))
}

pub(super) fn status(status: &Status) -> String {
    match status {
        Status::Complete => "ok".to_owned(),
        Status::Partial { missing } => format!("ok without {}", missing.join(", ")),
        Status::ShortHistory { prices } => {
            format!("short history: {prices} prices; equal weights and the interval of a random walk")
        }
    }
}

/// A row of forecast_members.
pub(super) type MemberRow =
    (Text, Option<Text>, Option<f64>, Text, Option<f64>, Option<f64>, Option<f64>, Option<Json>);

pub(super) fn member_row(ticker: &str, member: forecast::Member) -> MemberRow {
    let (ticker, model) = (Text(ticker.to_owned()), Some(Text(member.model.to_owned())));
    let fit_ms = Some(member.elapsed.as_secs_f64() * 1e3);
    match member.outcome {
        Ok(fit) => {
            let (weight, rmse, mae) = (Some(fit.weight()), fit.validation_rmse, fit.relative_mae);
            (ticker, model, weight, Text("ok".to_owned()), rmse, mae, fit_ms, Some(Json(fit.detail)))
        }
        Err(failure) => (ticker, model, None, Text(failure.to_string()), None, None, fit_ms, None),
    }
}
