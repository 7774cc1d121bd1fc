//! What the desk's SQL needs of the engine: stored forecasts, their fingerprints, and the views they amount to. The rest
//! of a run is SQL, in sql/desk.

use folio_core::Error;
use folio_core::forecast::{self, Fingerprint, Horizon, Level};
use folio_core::panel::{PricePanel, Timestamp};
use folio_core::portfolio::view_of_forecast::view_of_step;
use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;

use super::forecast::{
    Arguments, ForecastRow, MemberRow, Plan, Rows, ensemble_rows, failed, member_row, one,
};
use crate::backend::datum::{Json, Names, Regclass, Text};
use crate::backend::pool;
use crate::backend::query;
use crate::backend::report::{Report, Result, SqlState, or_raise};
use crate::backend::run_lock;
use crate::backend::server;
use crate::backend::settings::Settings;
use crate::backend::snapshot;
use crate::backend::subtransaction;
use crate::backend::timestamp::with_time_zone;

/// A hash of the prices that a forecast reads and of all else that it depends on.
#[pg_extern(stable, parallel_unsafe, cost = 10000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn forecast_fingerprint(
    tickers: default!(Option<Names>, "NULL"),
    horizon: default!(Option<i64>, "NULL"),
    models: default!(Option<Names>, "NULL"),
    level: default!(Option<f64>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    history: default!(Option<i64>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
) -> Text {
    let relation = prices.map(|relation| relation.0);
    let arguments = Arguments { tickers: None, horizon, models, level, as_of, history, relation };
    or_raise(arguments.with_tickers(tickers).and_then(|arguments| {
        let plan = arguments.plan()?;
        let mut seen = Seen::new(&plan);
        plan.read(|panel| seen.add(panel))?;
        Ok(Text(seen.fingerprint.finish()))
    }))
}

/// The view that a stored forecast amounts to, from its last step; NULL where it says nothing.
#[pg_extern(immutable, parallel_safe)]
fn forecast_view(
    ticker: Text,
    last_close: f64,
    forecast: f64,
    upper: f64,
    horizon: i32,
    level: f64,
) -> Option<Json> {
    let view = Horizon::new(horizon.into()).and_then(|horizon| {
        let (steps, level) = (horizon.steps(), Level::new(level)?.share());
        Ok(view_of_step(&ticker, last_close, forecast, upper, steps, level))
    });
    or_raise(view.map_err(Report::from)).map(Json)
}

/// Forecasts for a run that was started, or finds the stored forecasts that are the same, and writes into the run's row
/// what it read. A procedure, since the snapshot of a CALL can be given up while the models train, a query's cannot. With
/// `record_failure` a failure goes into the row too instead of being raised: PL/pgSQL could catch it only in a block, and
/// a CALL in a block has a snapshot that cannot be given up.
#[pg_extern(sql = r#"
CREATE PROCEDURE @extschema@."forecast_run"("run_id" bigint, "record_failure" boolean)
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn forecast_run(run_id: i64, record_failure: bool) {
    let forecast = || Run::read(run_id).and_then(Run::forecast);
    if !record_failure {
        return or_raise(forecast());
    }
    snapshot::release_that_of_call();
    if let Err(Report { state, message, detail, hint, .. }) = subtransaction::attempt(forecast) {
        let text = |text: String| Text(text);
        let arguments = [
            run_id.into(),
            Text(state.to_string()).into(),
            Text(message).into(),
            detail.map(text).into(),
            hint.map(text).into(),
        ];
        or_raise(query::write(FAIL_RUN, &arguments));
    }
}

/// What folio.prices says. current_setting does not know it before the session has loaded the library.
#[pg_extern(stable, parallel_unsafe)]
fn prices_setting() -> Text {
    Text(Settings::read().prices)
}

/// The class of the advisory locks of runs; the key is the portfolio's id.
#[pg_extern(immutable, parallel_safe)]
fn run_lock_class() -> i32 {
    run_lock::CLASS
}

/// Takes the lock of a portfolio's runs, if it is free: for the session, until unlock_run or an abort, or for the
/// transaction.
#[pg_extern(volatile, parallel_unsafe)]
fn try_lock_run(portfolio_id: i32, for_session: bool) -> bool {
    run_lock::try_acquire(portfolio_id, for_session)
}

/// Gives the session's lock back.
#[pg_extern(volatile, parallel_unsafe)]
fn unlock_run() {
    run_lock::release();
}

/// What was read of the prices.
struct Seen {
    fingerprint: Fingerprint,
    tickers: Vec<String>,
    newest: Option<Timestamp>,
    first_error: Option<Error>,
}

impl Seen {
    fn new(plan: &Plan) -> Seen {
        let fingerprint = Fingerprint::new(&plan.request, &time_zone());
        Seen { fingerprint, tickers: Vec::new(), newest: None, first_error: None }
    }

    fn add(&mut self, panel: &PricePanel) -> Result<()> {
        self.fingerprint.add(panel, &pool::cancel_flag()).map_err(Error::from)?;
        self.tickers.extend(panel.columns().iter().map(|(ticker, _)| ticker.clone()));
        self.newest = self.newest.max(panel.newest());
        self.first_error = self.first_error.take().or_else(|| panel.series().err());
        Ok(())
    }

    /// The row's part of it, unless no ticker has prices that can be used.
    fn read(self, run_id: i64) -> Result<Read> {
        let Seen { fingerprint, tickers, newest, first_error } = self;
        let no_prices =
            || first_error.unwrap_or(Error::TooShort { need: 2, found: vec![("any ticker".to_owned(), 0)] });
        Ok(Read { run_id, as_of: newest.ok_or_else(no_prices)?, tickers, fingerprint: fingerprint.finish() })
    }
}

/// The session's time zone: prices are read and forecasts are dated in it.
fn time_zone() -> String {
    // SAFETY: on the main thread; the setting exists in every server, and its text is copied at once.
    unsafe {
        let name = pg_sys::GetConfigOptionByName(c"TimeZone".as_ptr(), std::ptr::null_mut(), true);
        std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}

/// A run as its row says.
struct Run {
    id: i64,
    use_forecasts: bool,
    arguments: Arguments,
}

const READ_RUN: &str = "
    SELECT coalesce(s.use_forecasts, true), s.tickers, s.horizon, s.models, s.level, run.as_of, s.history,
           folio.price_relation(s.prices)::oid
    FROM folio.run, pg_catalog.jsonb_to_record(run.settings) AS s(use_forecasts boolean, tickers text, horizon integer,
         models text, level float8, history integer, prices text)
    WHERE run.run_id OPERATOR(pg_catalog.=) $1";

const FIND_FORECASTS: &str = "
    SELECT pg_catalog.max(run_id) FROM folio.run
    WHERE fingerprint OPERATOR(pg_catalog.=) $1 AND forecast_run_id OPERATOR(pg_catalog.=) run_id
      AND run_id OPERATOR(pg_catalog.<>) $2";

const UPDATE_RUN: &str = "
    UPDATE folio.run SET as_of = $2, tickers = $3, fingerprint = $4, forecast_run_id = $5
    WHERE run_id OPERATOR(pg_catalog.=) $1";

const FAIL_RUN: &str = "SELECT folio.fail_run($1, $2, $3, $4, $5)";

const INSERT_FORECASTS: &str = "
    INSERT INTO folio.forecast (run_id, level, ticker, step, ts, forecast, lower, upper, last_close, status)
    SELECT $1, $2, * FROM unnest($3::text[], $4::integer[], $5::timestamptz[], $6::float8[], $7::float8[],
                                 $8::float8[], $9::float8[], $10::text[])";

const INSERT_MEMBERS: &str = "
    INSERT INTO folio.forecast_member (run_id, ticker, model, weight, status, validation_rmse, relative_mae, fit_ms, detail)
    SELECT $1, ticker, model, weight, status, rmse, mae, fit_ms, detail::jsonb
    FROM unnest($2::text[], $3::text[], $4::float8[], $5::text[], $6::float8[], $7::float8[], $8::float8[],
                $9::text[]) AS m(ticker, model, weight, status, rmse, mae, fit_ms, detail)";

impl Run {
    fn read(id: i64) -> Result<Run> {
        let found = query::first(READ_RUN, &[id.into()], |row| {
            let arguments = Arguments {
                tickers: None,
                horizon: row.integer(3).map(i64::from),
                models: names(row.text(4)?)?,
                level: row.float8(5),
                as_of: row.bigint(6).and_then(|ts| TimestampWithTimeZone::try_from(ts).ok()),
                history: row.integer(7).map(i64::from),
                relation: row.oid(8),
            };
            Ok((row.boolean(1).unwrap_or(true), names(row.text(2)?)?, arguments))
        });
        let (use_forecasts, tickers, arguments) = found?.ok_or_else(|| no_such_run(id))?;
        Ok(Run { id, use_forecasts, arguments: arguments.with_tickers(tickers)? })
    }

    fn forecast(self) -> Result<()> {
        let plan = self.arguments.plan()?;
        let mut seen = Seen::new(&plan);
        plan.read(|panel| seen.add(panel))?;
        let read = seen.read(self.id)?;
        if !self.use_forecasts {
            return read.write(None);
        }
        if let Some(stored) = stored_forecasts(self.id, &read.fingerprint)? {
            return read.write(Some(stored));
        }
        let mut seen = Seen::new(&plan);
        let level = plan.request.levels[0];
        let forecasts = plan.forecast(|panel| seen.add(panel), |report| Ok(Forecast::of(report)))?;
        // What is stored is named by the prices that it was computed from.
        seen.read(self.id)?.write(Some(self.id))?;
        write_forecasts(self.id, level, forecasts)
    }
}

/// A list of names as the settings of a run have it: a JSON array.
fn names(json: Option<String>) -> Result<Option<Names>> {
    let list = json.map(|json| serde_json::from_str(&json).map(Names)).transpose();
    list.map_err(|cause| Report::internal("cannot read a run", format!("{cause}.")))
}

/// What a run read, for its row.
struct Read {
    run_id: i64,
    as_of: Timestamp,
    tickers: Vec<String>,
    fingerprint: String,
}

impl Read {
    fn write(self, forecasts: Option<i64>) -> Result<()> {
        let as_of = with_time_zone(self.as_of);
        let arguments = [
            self.run_id.into(),
            as_of.into(),
            texts(self.tickers),
            Text(self.fingerprint).into(),
            forecasts.into(),
        ];
        query::write(UPDATE_RUN, &arguments)
    }
}

/// The run whose stored forecasts have this fingerprint.
fn stored_forecasts(run_id: i64, fingerprint: &str) -> Result<Option<i64>> {
    let arguments = [Text(fingerprint.to_owned()).into(), run_id.into()];
    Ok(query::first(FIND_FORECASTS, &arguments, |row| Ok(row.bigint(1)))?.flatten())
}

/// What is stored of one ticker.
struct Forecast {
    last_close: Option<f64>,
    steps: Rows<ForecastRow>,
    members: Vec<MemberRow>,
}

impl Forecast {
    fn of(report: forecast::Report) -> Forecast {
        let ticker = report.ticker;
        match report.outcome {
            Ok(mut ensemble) => Forecast {
                last_close: Some(ensemble.last_close),
                members: std::mem::take(&mut ensemble.members)
                    .into_iter()
                    .map(|member| member_row(&ticker, member))
                    .collect(),
                steps: ensemble_rows(ticker, ensemble),
            },
            Err(error) => Forecast {
                last_close: None,
                steps: one((Text(ticker), Some(0), None, None, None, None, failed(error))),
                members: Vec::new(),
            },
        }
    }
}

/// Tickers written at a time: enough to make the statements' cost small, few enough that their arrays are too.
const WRITE_TICKERS: usize = 500;

fn write_forecasts(run_id: i64, level: Level, forecasts: Vec<Forecast>) -> Result<()> {
    let mut forecasts = forecasts.into_iter();
    while forecasts.len() > 0 {
        let batch = forecasts.by_ref().take(WRITE_TICKERS);
        write_batch(run_id, level, batch)?;
    }
    Ok(())
}

fn write_batch(run_id: i64, level: Level, forecasts: impl Iterator<Item = Forecast>) -> Result<()> {
    let mut steps = Steps::default();
    let mut members = Members::default();
    for forecast in forecasts {
        server::check_interrupts()?;
        forecast.steps.for_each(|step| steps.push(step, forecast.last_close));
        forecast.members.into_iter().for_each(|member| members.push(member));
    }
    query::write(INSERT_FORECASTS, &steps.arguments(run_id, level))?;
    query::write(INSERT_MEMBERS, &members.arguments(run_id))
}

/// Rows of folio.forecast by column, as one statement writes them.
#[derive(Default)]
struct Steps {
    ticker: Vec<Text>,
    step: Vec<Option<i32>>,
    ts: Vec<Option<TimestampWithTimeZone>>,
    forecast: Vec<Option<f64>>,
    lower: Vec<Option<f64>>,
    upper: Vec<Option<f64>>,
    last_close: Vec<Option<f64>>,
    status: Vec<Text>,
}

impl Steps {
    fn push(&mut self, row: ForecastRow, last_close: Option<f64>) {
        let (ticker, step, ts, forecast, lower, upper, status) = row;
        self.ticker.push(ticker);
        self.step.push(step);
        self.ts.push(ts);
        self.forecast.push(forecast);
        self.lower.push(lower);
        self.upper.push(upper);
        self.last_close.push(last_close);
        self.status.push(status);
    }

    fn arguments(self, run_id: i64, level: Level) -> [DatumWithOid<'static>; 10] {
        [
            run_id.into(),
            level.share().into(),
            self.ticker.into(),
            self.step.into(),
            self.ts.into(),
            self.forecast.into(),
            self.lower.into(),
            self.upper.into(),
            self.last_close.into(),
            self.status.into(),
        ]
    }
}

/// Rows of folio.forecast_member by column.
#[derive(Default)]
struct Members {
    ticker: Vec<Text>,
    model: Vec<Option<Text>>,
    weight: Vec<Option<f64>>,
    status: Vec<Text>,
    rmse: Vec<Option<f64>>,
    mae: Vec<Option<f64>>,
    fit_ms: Vec<Option<f64>>,
    detail: Vec<Option<Text>>,
}

impl Members {
    fn push(&mut self, row: MemberRow) {
        let (ticker, model, weight, status, rmse, mae, fit_ms, detail) = row;
        self.ticker.push(ticker);
        self.model.push(model);
        self.weight.push(weight);
        self.status.push(status);
        self.rmse.push(rmse);
        self.mae.push(mae);
        self.fit_ms.push(fit_ms);
        self.detail.push(detail.map(|Json(detail)| Text(detail.to_string())));
    }

    fn arguments(self, run_id: i64) -> [DatumWithOid<'static>; 9] {
        [
            run_id.into(),
            self.ticker.into(),
            self.model.into(),
            self.weight.into(),
            self.status.into(),
            self.rmse.into(),
            self.mae.into(),
            self.fit_ms.into(),
            self.detail.into(),
        ]
    }
}

fn texts(texts: Vec<String>) -> DatumWithOid<'static> {
    texts.into_iter().map(Text).collect::<Vec<_>>().into()
}

fn no_such_run(id: i64) -> Report {
    Report::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("run {id} does not exist"),
        "folio.run has no such row that you may read.",
        "CALL folio.rebalance('portfolio') starts a run.",
    )
}
