//! A run of the desk: what it read, the forecasts that it stores or finds, its weights and views.

use std::fmt::Display;

use folio_core::Error;
use folio_core::forecast::{self, Fingerprint, Level};
use folio_core::frequency::PeriodsPerYear;
use folio_core::panel::{PricePanel, Times, Timestamp};
use folio_core::portfolio::black_litterman::ViewReport;
use folio_core::portfolio::request::{Allocation, Holding};
use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;
use serde_json::{Value, json};

use super::forecast::{MemberRow, Plan, Rows, StepRow};
use super::portfolio::by_ticker;
use crate::arguments::Arguments;
use crate::backend::as_role::as_role;
use crate::backend::datum::{Json, Names, Regclass, Text};
use crate::backend::pool;
use crate::backend::query;
use crate::backend::relation::{PriceRelation, stored};
use crate::backend::report::{Report, Result, SqlState};
use crate::backend::server;
use crate::backend::settings::Settings;
use crate::backend::timestamp::in_utc;

/// A stored as_of as this session compares it with the prices: of days that begin in `time_zone` that day.
pub fn written(
    relation: Option<pg_sys::Oid>,
    as_of: Option<TimestampWithTimeZone>,
    time_zone: Text,
) -> Result<Option<TimestampWithTimeZone>> {
    if PriceRelation::find(relation, "")?.times == Times::Instants {
        return Ok(as_of);
    }
    let statement = "SELECT pg_catalog.timezone($2, $1)::pg_catalog.timestamptz";
    let found = query::first(statement, &[as_of.into(), time_zone.into()], |row| Ok(row.bigint(1)))?;
    Ok(found.flatten().and_then(|ts| TimestampWithTimeZone::try_from(ts).ok()))
}

/// The weights of an allocation and what its views did, each a list of JSON objects.
pub fn as_json(allocation: Allocation) -> (Json, Json) {
    let Allocation { holdings, views, .. } = allocation;
    let tickers: Vec<String> = holdings.iter().map(|holding| holding.ticker.clone()).collect();
    let weights = holdings.into_iter().map(holding_object).collect();
    let views = views.into_iter().map(|view| view_object(view, &tickers)).collect();
    (Json(Value::Array(weights)), Json(Value::Array(views)))
}

fn holding_object(holding: Holding) -> Value {
    json!({
        "ticker": holding.ticker,
        "market_weight": holding.market_weight,
        "prior_return": holding.prior_return,
        "view_return": holding.view_return,
        "posterior_return": holding.posterior_return,
        "posterior_volatility": holding.posterior_volatility,
        "weight": holding.weight,
        "active_weight": holding.active_weight,
        "risk_contribution": holding.risk_contribution,
    })
}

fn view_object(view: ViewReport, tickers: &[String]) -> Value {
    json!({
        "view": view.view,
        "view_return": view.view_return,
        "prior_return": view.prior_return,
        "posterior_return": view.posterior_return,
        "pull": view.pull,
        "variance": view.omega,
        "implied_confidence": view.implied_confidence,
        "contribution": by_ticker(tickers, &view.contribution).0,
    })
}

/// What was read of the prices.
pub struct Seen {
    fingerprint: Fingerprint,
    tickers: Vec<String>,
    newest: Option<Timestamp>,
    times: Times,
    first_error: Option<Error>,
}

impl Seen {
    pub fn new(plan: &Plan) -> Seen {
        let context = format!("{} {:?}", time_zone_of_days(), plan.periods);
        let fingerprint = Fingerprint::new(&plan.request, &context);
        Seen { fingerprint, tickers: Vec::new(), newest: None, times: Times::default(), first_error: None }
    }

    pub fn add(&mut self, panel: &PricePanel) -> Result<()> {
        self.fingerprint.add(panel, &pool::cancel_flag()).map_err(Error::from)?;
        self.tickers.extend(panel.columns().iter().map(|(ticker, _)| ticker.clone()));
        self.newest = self.newest.max(panel.newest());
        self.times = panel.times();
        self.first_error = self.first_error.take().or_else(|| panel.series().err());
        Ok(())
    }

    pub fn fingerprint(self) -> String {
        self.fingerprint.finish()
    }

    /// The row's part of it, unless no ticker has prices that can be used.
    fn read(self, run_id: i64) -> Result<Read> {
        let Seen { fingerprint, tickers, newest, times, first_error } = self;
        let no_prices =
            || first_error.unwrap_or(Error::TooShort { need: 2, found: vec![("any ticker".to_owned(), 0)] });
        let (as_of, fingerprint) = (newest.ok_or_else(no_prices)?, fingerprint.finish());
        Ok(Read { run_id, as_of, times, tickers, fingerprint })
    }
}

/// The zone in which the days of stored runs begin, where prices have dates or times without a zone: folio.time_zone, or
/// the server's own, which no session changes, so that runs of one day have one as_of.
fn time_zone_of_days() -> String {
    let Settings { time_zone, .. } = Settings::read();
    if !time_zone.is_empty() {
        return time_zone;
    }
    // SAFETY: on the main thread; the setting exists in every server, and its text is copied at once.
    unsafe {
        let name = pg_sys::GetConfigOptionByName(c"log_timezone".as_ptr(), std::ptr::null_mut(), true);
        std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}

/// A run as its row says.
pub struct Run {
    id: i64,
    /// Whose rights prices are read with.
    owner: pg_sys::Oid,
    prices: String,
    use_forecasts: bool,
    arguments: Arguments,
}

const READ_RUN: &str = "
    SELECT coalesce(s.use_forecasts, true), s.tickers, s.horizon, s.models, s.level, run.as_of, s.history, s.prices,
           folio_internal.owner_of(run)::pg_catalog.oid
    FROM folio.run, pg_catalog.jsonb_to_record(run.settings) AS s(use_forecasts boolean, tickers pg_catalog.text, horizon bigint,
         models pg_catalog.text, level pg_catalog.float8, history bigint, prices pg_catalog.text)
    WHERE run.run_id OPERATOR(pg_catalog.=) $1";

/// Only forecasts of the same owner's: what somebody else shows is not what was computed.
const FIND_FORECASTS: &str = "
    SELECT pg_catalog.max(run_id) FROM folio.run
    WHERE fingerprint OPERATOR(pg_catalog.=) $1 AND forecast_run_id OPERATOR(pg_catalog.=) run_id
      AND run_id OPERATOR(pg_catalog.<>) $2 AND folio_internal.owner_of(run) OPERATOR(pg_catalog.=) $3";

const UPDATE_RUN: &str = "
    UPDATE folio.run SET as_of = CASE WHEN $7 THEN pg_catalog.timezone($6, pg_catalog.timezone('UTC', $2)) ELSE $2 END,
        tickers = $3, fingerprint = $4, forecast_run_id = $5, time_zone = $6
    WHERE run_id OPERATOR(pg_catalog.=) $1";

const FAIL_RUN: &str = "SELECT folio_internal.fail_run($1, $2, $3, $4, $5)";

/// `unnest` of several arrays is of the grammar, which knows it by this name and takes Postgres' own.
const INSERT_FORECASTS: &str = "
    INSERT INTO folio.forecast
        (run_id, level, ticker, step, ts, forecast, lower, upper, last_close, periods_per_year, status)
    SELECT $1, $2, ticker, step, coalesce(pg_catalog.timezone($12, pg_catalog.timezone('UTC', ts)), ts), forecast, lower, upper,
        last_close, periods, status
    FROM unnest($3, $4, $5, $6, $7, $8, $9, $10, $11)
        AS f(ticker, step, ts, forecast, lower, upper, last_close, periods, status)";

const INSERT_MEMBERS: &str = "
    INSERT INTO folio.forecast_member (run_id, ticker, model, weight, status, validation_rmse, relative_mae, fit_ms, detail)
    SELECT $1, ticker, model, weight, status, rmse, mae, fit_ms, detail::pg_catalog.jsonb
    FROM unnest($2, $3, $4, $5, $6, $7, $8, $9) AS m(ticker, model, weight, status, rmse, mae, fit_ms, detail)";

/// Writes the failure of a run into its row.
pub fn fail(run_id: i64, failure: Report) -> Result<()> {
    let Report { state, message, detail, hint, .. } = failure;
    let arguments = [
        run_id.into(),
        Text(state.to_string()).into(),
        Text(message).into(),
        detail.map(Text).into(),
        hint.map(Text).into(),
    ];
    query::write(FAIL_RUN, &arguments)
}

impl Run {
    pub fn read(id: i64) -> Result<Run> {
        let found = query::first(READ_RUN, &[id.into()], |row| {
            let arguments = Arguments {
                tickers: names(row.text(2)?)?,
                horizon: row.bigint(3),
                models: names(row.text(4)?)?,
                level: row.float8(5),
                as_of: row.bigint(6).and_then(|ts| TimestampWithTimeZone::try_from(ts).ok()),
                history: row.bigint(7),
                ..Arguments::default()
            };
            let prices = row.text(8)?.unwrap_or_default();
            let owner = row.oid(9).unwrap_or(pg_sys::InvalidOid);
            Ok(Run { id, owner, prices, use_forecasts: row.boolean(1).unwrap_or(true), arguments })
        });
        found?.ok_or_else(|| no_such_run(id))
    }

    pub fn forecast(self) -> Result<()> {
        let Run { id, owner, prices, use_forecasts, arguments } = self;
        let (plan, seen) = as_role(owner, || {
            let plan = Arguments { prices: Some(Regclass(stored(&prices)?)), ..arguments }.plan()?;
            let mut seen = Seen::new(&plan);
            plan.read(|panel| seen.add(panel))?;
            Ok((plan, seen))
        })?;
        let read = seen.read(id)?;
        if !use_forecasts {
            return read.write(None);
        }
        if let Some(stored) = stored_forecasts(id, &read.fingerprint, owner)? {
            return read.write(Some(stored));
        }
        let mut seen = Seen::new(&plan);
        let (level, periods) = (plan.request.levels[0], plan.periods);
        let (forecasts, _held) = as_role(owner, || {
            plan.forecast(|panel| seen.add(panel), |report| Ok(Forecast::of(report, periods)))
        })?;
        // What is stored is named by the prices that it was computed from.
        let read = seen.read(id)?;
        let written_in = (read.times == Times::Written).then(time_zone_of_days);
        read.write(Some(id))?;
        write_forecasts(id, level, written_in.as_deref(), forecasts)
    }
}

/// A list of names as the settings of a run have it: a JSON array, of arrays where SQL's had several dimensions.
fn names(json: Option<String>) -> Result<Option<Names>> {
    let Some(json) = json else { return Ok(None) };
    let unreadable = |cause: &dyn Display| Report::internal("cannot read a run", format!("{cause}."));
    let mut left: Vec<Value> = vec![serde_json::from_str(&json).map_err(|cause| unreadable(&cause))?];
    let mut names = Vec::new();
    while let Some(value) = left.pop() {
        match value {
            Value::Array(values) => left.extend(values.into_iter().rev()),
            Value::String(name) => names.push(Some(name)),
            Value::Null => names.push(None),
            other => return Err(unreadable(&format!("{other} is no name"))),
        }
    }
    Ok(Some(Names(names)))
}

/// What a run read, for its row.
struct Read {
    run_id: i64,
    as_of: Timestamp,
    times: Times,
    tickers: Vec<String>,
    fingerprint: String,
}

impl Read {
    fn write(self, forecasts: Option<i64>) -> Result<()> {
        let as_of = in_utc(self.as_of);
        let arguments = [
            self.run_id.into(),
            as_of.into(),
            texts(self.tickers),
            Text(self.fingerprint).into(),
            forecasts.into(),
            Text(time_zone_of_days()).into(),
            (self.times == Times::Written).into(),
        ];
        query::write(UPDATE_RUN, &arguments)
    }
}

/// The run of this owner whose stored forecasts have this fingerprint.
fn stored_forecasts(run_id: i64, fingerprint: &str, owner: pg_sys::Oid) -> Result<Option<i64>> {
    let arguments = [Text(fingerprint.to_owned()).into(), run_id.into(), owner.into()];
    Ok(query::first(FIND_FORECASTS, &arguments, |row| Ok(row.bigint(1)))?.flatten())
}

/// What is stored of one ticker.
struct Forecast {
    last_close: Option<f64>,
    periods_per_year: Option<f64>,
    steps: Rows<StepRow>,
    members: Vec<MemberRow>,
}

impl Forecast {
    fn of(report: forecast::Report, periods: PeriodsPerYear) -> Forecast {
        let ticker = report.ticker;
        match report.outcome {
            Ok(mut ensemble) => Forecast {
                last_close: Some(ensemble.last_close),
                periods_per_year: Some(periods.of(ensemble.history().frequency())),
                members: std::mem::take(&mut ensemble.members)
                    .into_iter()
                    .map(|member| MemberRow::new(&ticker, member))
                    .collect(),
                // No session's zone is put on what is stored.
                steps: StepRow::all(ticker, ensemble, |ts, _| in_utc(ts)),
            },
            Err(error) => Forecast {
                last_close: None,
                periods_per_year: None,
                steps: Box::new([StepRow { step: Some(0), ..StepRow::failed(ticker, error) }].into_iter()),
                members: Vec::new(),
            },
        }
    }
}

/// Tickers written at a time: enough to make the statements' cost small, few enough that their arrays are too.
const WRITE_TICKERS: usize = 500;

/// Stores them; times without a zone are those of `zone`.
fn write_forecasts(run_id: i64, level: Level, zone: Option<&str>, forecasts: Vec<Forecast>) -> Result<()> {
    let mut forecasts = forecasts.into_iter();
    while forecasts.len() > 0 {
        let batch = forecasts.by_ref().take(WRITE_TICKERS);
        write_batch(run_id, level, zone, batch)?;
    }
    Ok(())
}

fn write_batch(
    run_id: i64,
    level: Level,
    zone: Option<&str>,
    forecasts: impl Iterator<Item = Forecast>,
) -> Result<()> {
    let mut steps = Steps::default();
    let mut members = Members::default();
    for forecast in forecasts {
        server::check_interrupts()?;
        for step in forecast.steps {
            steps.push(step, forecast.last_close, forecast.periods_per_year);
        }
        forecast.members.into_iter().for_each(|member| members.push(member));
    }
    query::write(INSERT_FORECASTS, &steps.arguments(run_id, level, zone))?;
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
    periods_per_year: Vec<Option<f64>>,
    status: Vec<Text>,
}

impl Steps {
    fn push(&mut self, row: StepRow, last_close: Option<f64>, periods_per_year: Option<f64>) {
        self.ticker.push(row.ticker);
        self.step.push(row.step);
        self.ts.push(row.ts);
        self.forecast.push(row.forecast);
        self.lower.push(row.lower);
        self.upper.push(row.upper);
        self.last_close.push(last_close);
        self.periods_per_year.push(periods_per_year);
        self.status.push(row.status);
    }

    fn arguments(self, run_id: i64, level: Level, zone: Option<&str>) -> [DatumWithOid<'static>; 12] {
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
            self.periods_per_year.into(),
            self.status.into(),
            zone.map(|zone| Text(zone.to_owned())).into(),
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
        self.ticker.push(row.ticker);
        self.model.push(row.model);
        self.weight.push(row.weight);
        self.status.push(row.status);
        self.rmse.push(row.validation_rmse);
        self.mae.push(row.relative_mae);
        self.fit_ms.push(row.fit_ms);
        self.detail.push(row.detail.map(|Json(detail)| Text(detail.to_string())));
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
