//! What the desk's SQL needs of the engine: stored forecasts, their fingerprints, and the views they amount to. The rest
//! of a run is SQL, in sql/desk.

use folio_core::Error;
use folio_core::forecast::{self, Fingerprint, Horizon, Level};
use folio_core::frequency::PeriodsPerYear;
use folio_core::panel::{PricePanel, Times, Timestamp};
use folio_core::portfolio::black_litterman::ViewReport;
use folio_core::portfolio::request::{self, Allocation, Holding};
use folio_core::portfolio::view_of_forecast::view_of_step;
use pgrx::datum::DatumWithOid;
use pgrx::prelude::*;
use serde_json::{Value, json};

use super::forecast::{
    Arguments, ForecastRow, MemberRow, Plan, Rows, ensemble_rows, failed, member_row, one,
};
use super::portfolio::{Inputs, Source, by_ticker, noticed};
use crate::backend::as_role::{as_role, switched_to};
use crate::backend::datum::{Json, Names, Regclass, Text};
use crate::backend::pool;
use crate::backend::query;
use crate::backend::relation::{PriceRelation, stored};
use crate::backend::report::{Report, Result, SqlState, or_raise};
use crate::backend::run_lock;
use crate::backend::server;
use crate::backend::settings::Settings;
use crate::backend::snapshot;
use crate::backend::subtransaction;
use crate::backend::timestamp::in_utc;

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
    horizon: i64,
    level: f64,
    periods_per_year: f64,
) -> Option<Json> {
    let view = Horizon::new(horizon).and_then(|horizon| {
        let (steps, level) = (horizon.steps(), Level::new(level)?.share());
        Ok(view_of_step(&ticker, last_close, forecast, upper, steps, periods_per_year, level))
    });
    or_raise(view.map_err(Report::from)).map(Json)
}

/// Forecasts for a run that was started, or finds the stored forecasts that are the same, and writes into the run's row
/// what it read. A procedure, since the snapshot of a CALL can be given up while the models train, a query's cannot. With
/// `record_failure` a failure goes into the row too instead of being raised: PL/pgSQL could catch it only in a block, and
/// a CALL in a block has a snapshot that cannot be given up.
#[pg_extern(sql = r#"
CREATE PROCEDURE folio_internal."forecast_run"("run_id" bigint, "record_failure" boolean)
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

/// The name of a price relation with its schema: of this one, or of the one that folio.prices names in the caller's
/// search_path.
#[pg_extern(schema = "folio_internal", stable, parallel_unsafe)]
fn relation_name(prices: Option<Regclass>) -> Text {
    let relation = prices.map(|relation| relation.0);
    Text(or_raise(PriceRelation::find(relation, &Settings::read().prices)).name)
}

/// Refuses, without the lines of our functions as CONTEXT: they say nothing to whoever lacks a right.
#[pg_extern(schema = "folio_internal", stable, parallel_unsafe)]
fn refuse(message: Text, detail: Text, hint: Text) {
    // SAFETY: on the main thread; whatever catches the error restores the callbacks.
    unsafe { pg_sys::error_context_stack = std::ptr::null_mut() };
    or_raise(Err(Report::new(SqlState::INSUFFICIENT_PRIVILEGE, message.0, detail.0, hint.0)))
}

/// Fails where a procedure could not COMMIT, before it has done anything.
#[pg_extern(sql = r#"
CREATE PROCEDURE folio_internal."require_nonatomic"("procedure" text)
LANGUAGE c AS 'MODULE_PATHNAME', '@FUNCTION_NAME@';
"#)]
fn require_nonatomic(procedure: Text, fcinfo: pg_sys::FunctionCallInfo) {
    // SAFETY: the server's own struct for this call; a CALL has its context in it.
    let atomic = unsafe {
        let context = (*fcinfo).context;
        let is_call = !context.is_null() && (*context).type_ == pg_sys::NodeTag::T_CallContext;
        !is_call || (*context.cast::<pg_sys::CallContext>()).atomic || pg_sys::IsSubTransaction()
    };
    if !atomic {
        return;
    }
    let name = procedure.0;
    // A job's portfolio is run in a transaction by its name.
    let function = if name == "rebalance_portfolio" { "rebalance" } else { &name };
    // SAFETY: as in refuse.
    unsafe { pg_sys::error_context_stack = std::ptr::null_mut() };
    or_raise(Err(Report::new(
        SqlState::INVALID_TRANSACTION_TERMINATION,
        format!("CALL folio.{name} commits, so it cannot run inside a transaction"),
        "The statement is in a transaction block, in a function, or in a block with EXCEPTION.",
        format!(
            "SELECT folio.{function}_now(...) does the same in your transaction; or turn on autocommit in your client."
        ),
    )))
}

/// Takes the lock of the runs of a portfolio that the caller may run, or of his forecasts, if it is free: for the session,
/// until unlock_run or an abort, or for the transaction.
#[pg_extern(schema = "folio_internal", volatile, parallel_unsafe)]
fn try_lock_run(portfolio_id: Option<i32>, for_session: bool) -> bool {
    or_raise(lock_of(portfolio_id).map(|key| run_lock::try_acquire(key, for_session)))
}

const OWN_LOCK: &str = "
    SELECT CASE WHEN $1 IS NULL THEN 'folio.run'::pg_catalog.regclass ELSE 'folio.portfolio'::pg_catalog.regclass END::pg_catalog.oid,
           $1 IS NULL OR EXISTS (
               SELECT FROM folio.portfolio AS p
               WHERE p.portfolio_id OPERATOR(pg_catalog.=) $1 AND pg_catalog.pg_has_role(p.owner, 'USAGE'))";

fn lock_of(portfolio_id: Option<i32>) -> Result<run_lock::Key> {
    let found = query::first(OWN_LOCK, &[portfolio_id.into()], |row| Ok((row.oid(1), row.boolean(2))))?;
    let Some((Some(table), Some(true))) = found else {
        return Err(Report::new(
            SqlState::INSUFFICIENT_PRIVILEGE,
            "permission denied for the lock of a portfolio",
            "There is no such portfolio that you own.",
            "Its owner runs it; folio.portfolio lists those that you see.",
        ));
    };
    // SAFETY: a plain read.
    let user = unsafe { pg_sys::GetUserId() };
    Ok(run_lock::Key { table, number: portfolio_id.map_or(user.to_u32(), i32::cast_unsigned) })
}

/// Gives the session's lock back.
#[pg_extern(schema = "folio_internal", volatile, parallel_unsafe)]
fn unlock_run() {
    run_lock::release();
}

const DELETE_PORTFOLIO: &str = "
    DELETE FROM folio.portfolio
    WHERE portfolio_id OPERATOR(pg_catalog.=) $1 AND pg_catalog.pg_has_role($2, owner, 'USAGE')";

/// Deletes a portfolio of the caller's with all that it has.
#[pg_extern(schema = "folio_internal", volatile, parallel_unsafe)]
fn delete_own_portfolio(portfolio_id: i32) {
    or_raise(as_desk(|user| query::write(DELETE_PORTFOLIO, &[portfolio_id.into(), user.into()])));
}

/// The runs of a portfolio of a role's, or of its forecasts, that started before a time.
const OLD_RUNS: &str = "
    FROM folio.run
    WHERE started_at OPERATOR(pg_catalog.<) $3
      AND CASE WHEN $1 IS NULL THEN portfolio_id IS NULL AND pg_catalog.pg_has_role($2, run_by, 'USAGE')
               ELSE portfolio_id OPERATOR(pg_catalog.=) $1 AND EXISTS (
                   SELECT FROM folio.portfolio AS p
                   WHERE p.portfolio_id OPERATOR(pg_catalog.=) $1 AND pg_catalog.pg_has_role($2, p.owner, 'USAGE')) END";

/// Deletes such runs of the caller's; gives their number.
#[pg_extern(schema = "folio_internal", volatile, parallel_unsafe)]
fn delete_own_runs(portfolio_id: Option<i32>, before: TimestampWithTimeZone) -> i64 {
    or_raise(as_desk(|user| {
        let arguments = [portfolio_id.into(), user.into(), before.into()];
        let count = format!("SELECT pg_catalog.count(*) {OLD_RUNS}");
        let count = query::first(&count, &arguments, |row| Ok(row.bigint(1)))?.flatten();
        query::write(&format!("DELETE {OLD_RUNS}"), &arguments)?;
        Ok(count.unwrap_or(0))
    }))
}

/// The jobs of a role's portfolios, whoever made them.
const OWN_JOBS: &str = "
    FROM folio_internal.visible_jobs() AS job
    JOIN folio.portfolio AS p ON job.name OPERATOR(pg_catalog.=) folio_internal.job_name(p.portfolio_id)
    WHERE pg_catalog.pg_has_role($1, p.owner, 'USAGE')";

/// The jobs of the caller's portfolios. pg_cron's own table shows everybody those that run as him, so it is read as the
/// role that owns the desk.
#[pg_extern(schema = "folio_internal", stable, parallel_unsafe)]
#[allow(clippy::type_complexity, reason = "the columns of the SQL function")]
fn jobs() -> TableIterator<
    'static,
    (
        name!(job_id, Option<i64>),
        name!(portfolio_id, Option<i64>),
        name!(schedule, Option<Text>),
        name!(username, Option<Text>),
        name!(active, Option<bool>),
    ),
> {
    let columns = "job.job_id, p.portfolio_id::pg_catalog.int8, job.schedule, job.username, job.active";
    TableIterator::new(or_raise(as_desk(|user| {
        query::all(&format!("SELECT {columns} {OWN_JOBS}"), &[user.into()], |row| {
            Ok((row.bigint(1), row.bigint(2), row.text(3)?.map(Text), row.text(4)?.map(Text), row.boolean(5)))
        })
    })))
}

/// Ends every job of a portfolio of the caller's; gives their number.
#[pg_extern(schema = "folio_internal", volatile, parallel_unsafe)]
fn unschedule_own(portfolio_id: i32) -> i64 {
    or_raise(as_desk(|user| {
        let arguments = [user.into(), portfolio_id.into()];
        let own = format!("{OWN_JOBS} AND p.portfolio_id OPERATOR(pg_catalog.=) $2");
        let count = format!("SELECT pg_catalog.count(*) {own}");
        let count = query::first(&count, &arguments, |row| Ok(row.bigint(1)))?.flatten().unwrap_or(0);
        if count > 0 {
            query::write("SELECT folio_internal.unschedule($1)", &[portfolio_id.into()])?;
        }
        Ok(count)
    }))
}

const DESK: &str = "
    SELECT relowner FROM pg_catalog.pg_class WHERE oid OPERATOR(pg_catalog.=) 'folio.portfolio'::pg_catalog.regclass";

/// Works as the role that owns the desk's tables; the work gets the user who called. A user has no DELETE of his own, since
/// whoever may delete from a table may also lock it against everybody, and no sight of others' jobs.
fn as_desk<T>(work: impl FnOnce(pg_sys::Oid) -> Result<T>) -> Result<T> {
    let owner = query::first(DESK, &[], |row| Ok(row.oid(1)))?.flatten();
    let owner =
        owner.ok_or_else(|| Report::internal("the desk has no owner", "folio.portfolio is missing."))?;
    // SAFETY: a plain read; what is done to the desk's rows is for this user's only.
    unsafe {
        let user = pg_sys::GetUserId();
        switched_to(owner, || work(user))
    }
}

/// The prices of tickers within a time, both ends included, read with the rights of `role`, of which the caller must be a
/// member. Dates and timestamps are those of the time zone.
#[pg_extern(schema = "folio_internal", volatile, parallel_unsafe)]
fn prices_between(
    role: pg_sys::Oid,
    prices: Text,
    tickers: Names,
    first: Option<TimestampWithTimeZone>,
    last: Option<TimestampWithTimeZone>,
    time_zone: Text,
) -> TableIterator<
    'static,
    (name!(ticker, Text), name!(ts, Option<TimestampWithTimeZone>), name!(close, Option<f64>)),
> {
    TableIterator::new(or_raise(as_role(role, || {
        let relation = stored(&prices)?;
        let statement = between(&PriceRelation::find(Some(relation), "")?);
        let tickers = tickers.0.into_iter().map(|ticker| ticker.map(Text)).collect::<Vec<_>>();
        // Instants have no use for the zone.
        let arguments: [DatumWithOid<'_>; 4] = [tickers.into(), first.into(), last.into(), time_zone.into()];
        query::all(&statement, &arguments, |row| {
            let ts = row.bigint(2).and_then(|ts| TimestampWithTimeZone::try_from(ts).ok());
            Ok((Text(row.text(1)?.unwrap_or_default()), ts, row.float8(3)))
        })
    })))
}

fn between(PriceRelation { name, times }: &PriceRelation) -> String {
    let ts = match times {
        Times::Instants => "ts::pg_catalog.timestamptz",
        Times::Written => "pg_catalog.timezone($4, ts::pg_catalog.timestamp)",
    };
    format!(
        "SELECT ticker::pg_catalog.text, {ts}, close::pg_catalog.float8 FROM {name}
         WHERE ticker::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($1)
           AND ($2 IS NULL OR {ts} OPERATOR(pg_catalog.>=) $2) AND ($3 IS NULL OR {ts} OPERATOR(pg_catalog.<=) $3)"
    )
}

/// The weights of a portfolio and what its views did, from one computation on prices that are read with the rights of
/// `role`, of which the caller must be a member.
#[pg_extern(schema = "folio_internal", volatile, parallel_unsafe)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn weights_and_views(
    role: pg_sys::Oid,
    prices: Text,
    tickers: Option<Names>,
    views: Option<Json>,
    market_caps: Option<Json>,
    prior: Option<Text>,
    risk_aversion: Option<f64>,
    tau: Option<f64>,
    risk_free_rate: Option<f64>,
    covariance: Option<Text>,
    objective: Option<Text>,
    constraints: Option<Json>,
    history: Option<i64>,
    as_of: Option<TimestampWithTimeZone>,
    time_zone: Text,
) -> TableIterator<'static, (name!(weights, Json), name!(views, Json))> {
    let inputs =
        Inputs { market_caps, prior, risk_aversion, tau, risk_free_rate, covariance, objective, constraints };
    let allocation = inputs.request(views).and_then(|request| {
        as_role(role, || {
            let relation = Some(stored(&prices)?);
            let as_of = written(relation, as_of, time_zone)?;
            let source = Source { tickers, history, as_of, relation, periods_per_year: None };
            source.compute(move |returns, cancel| request::black_litterman(&request, returns, cancel))
        })
    });
    let Allocation { holdings, views, .. } = noticed(or_raise(allocation));
    let tickers: Vec<String> = holdings.iter().map(|holding| holding.ticker.clone()).collect();
    let weights = holdings.into_iter().map(holding_object).collect();
    let views = views.into_iter().map(|view| view_object(view, &tickers)).collect();
    TableIterator::once((Json(Value::Array(weights)), Json(Value::Array(views))))
}

/// A stored as_of as this session compares it with the prices: of days that begin in `time_zone` that day.
fn written(
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
        "contribution": by_ticker(tickers.iter().cloned(), view.contribution.iter()).0,
    })
}

/// What was read of the prices.
struct Seen {
    fingerprint: Fingerprint,
    tickers: Vec<String>,
    newest: Option<Timestamp>,
    times: Times,
    first_error: Option<Error>,
}

impl Seen {
    fn new(plan: &Plan) -> Seen {
        let context = format!("{} {:?}", time_zone_of_days(), plan.periods);
        let fingerprint = Fingerprint::new(&plan.request, &context);
        Seen { fingerprint, tickers: Vec::new(), newest: None, times: Times::default(), first_error: None }
    }

    fn add(&mut self, panel: &PricePanel) -> Result<()> {
        self.fingerprint.add(panel, &pool::cancel_flag()).map_err(Error::from)?;
        self.tickers.extend(panel.columns().iter().map(|(ticker, _)| ticker.clone()));
        self.newest = self.newest.max(panel.newest());
        self.times = panel.times();
        self.first_error = self.first_error.take().or_else(|| panel.series().err());
        Ok(())
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
struct Run {
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

impl Run {
    fn read(id: i64) -> Result<Run> {
        let found = query::first(READ_RUN, &[id.into()], |row| {
            let arguments = Arguments {
                tickers: None,
                horizon: row.bigint(3),
                models: names(row.text(4)?)?,
                level: row.float8(5),
                as_of: row.bigint(6).and_then(|ts| TimestampWithTimeZone::try_from(ts).ok()),
                history: row.bigint(7),
                relation: None,
            };
            let arguments = arguments.with_tickers(names(row.text(2)?)?)?;
            let prices = row.text(8)?.unwrap_or_default();
            let owner = row.oid(9).unwrap_or(pg_sys::InvalidOid);
            Ok(Run { id, owner, prices, use_forecasts: row.boolean(1).unwrap_or(true), arguments })
        });
        found?.ok_or_else(|| no_such_run(id))
    }

    fn forecast(self) -> Result<()> {
        let Run { id, owner, prices, use_forecasts, arguments } = self;
        let (plan, seen) = as_role(owner, || {
            let plan = Arguments { relation: Some(stored(&prices)?), ..arguments }.plan()?;
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

/// A list of names as the settings of a run have it: a JSON array.
fn names(json: Option<String>) -> Result<Option<Names>> {
    let list = json.map(|json| serde_json::from_str(&json).map(Names)).transpose();
    list.map_err(|cause| Report::internal("cannot read a run", format!("{cause}.")))
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
    steps: Rows<ForecastRow>,
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
                    .map(|member| member_row(&ticker, member))
                    .collect(),
                // No session's zone is put on what is stored.
                steps: ensemble_rows(ticker, ensemble, |ts, _| in_utc(ts)),
            },
            Err(error) => Forecast {
                last_close: None,
                periods_per_year: None,
                steps: one((Text(ticker), Some(0), None, None, None, None, failed(error))),
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
    fn push(&mut self, row: ForecastRow, last_close: Option<f64>, periods_per_year: Option<f64>) {
        let (ticker, step, ts, forecast, lower, upper, status) = row;
        self.ticker.push(ticker);
        self.step.push(step);
        self.ts.push(ts);
        self.forecast.push(forecast);
        self.lower.push(lower);
        self.upper.push(upper);
        self.last_close.push(last_close);
        self.periods_per_year.push(periods_per_year);
        self.status.push(status);
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
