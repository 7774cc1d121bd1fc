//! What the desk's SQL needs of the engine: stored forecasts, their fingerprints, and the views they amount to. The rest
//! of a run is SQL, in sql/desk.

use std::time::Duration;

use folio_core::forecast::{Horizon, Level};
use folio_core::portfolio::request;
use folio_core::portfolio::view_of_forecast::view_of_step;
use pgrx::pg_sys::Oid;
use pgrx::prelude::*;

use crate::arguments::{Arguments, required};
use crate::backend::as_role::as_role;
use crate::backend::bounded;
use crate::backend::datum::{Json, Names, Regclass, Text};
use crate::backend::relation::{PriceRelation, stored};
use crate::backend::report::{Report, SqlState, or_raise};
use crate::backend::run_lock;
use crate::backend::settings::{self, Settings};
use crate::backend::snapshot;
use crate::backend::subtransaction;
use crate::backend::time_limit;
use crate::call::desk;
use crate::call::past_prices::{self, Span};
use crate::call::portfolio::noticed;
use crate::call::run::{self, Run, Seen, as_json, written};

sql_function! {
    /// A hash of the prices that a forecast reads and of all else that it depends on.
    #[pg_extern(stable, parallel_unsafe, cost = 10000)]
    fn forecast_fingerprint(tickers, horizon, models, level, as_of, history, prices) given arguments
    -> Text {
        let plan = arguments.plan()?;
        let mut seen = Seen::new(&plan);
        plan.read(|panel| seen.add(panel))?;
        Ok(Text(seen.fingerprint()))
    }
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
    if let Err(failure) = subtransaction::attempt(forecast) {
        or_raise(run::fail(run_id, failure));
    }
}

/// The name of a price relation with its schema: of this one, or of the one that folio.prices names in the caller's
/// search_path.
#[pg_extern(schema = "folio_internal", stable, parallel_unsafe)]
fn relation_name(prices: Option<Regclass>) -> Text {
    let relation = prices.map(|relation| relation.0);
    Text(or_raise(PriceRelation::find(relation, &Settings::read().prices)).name)
}

/// A text as an error shows it: cut, with its length, where it is longer.
#[pg_extern(schema = "folio_internal", immutable, parallel_safe)]
fn bounded(value: Text, longest: i32) -> Text {
    Text(bounded::bounded(&value, usize::try_from(longest).unwrap_or(0), 0))
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
    or_raise(desk::lock_of(portfolio_id).map(|key| run_lock::try_acquire(key, for_session)))
}

/// Gives the session's lock back.
#[pg_extern(schema = "folio_internal", volatile, parallel_unsafe)]
fn unlock_run() {
    run_lock::release();
}

/// Deletes a portfolio of the caller's with all that it has.
#[pg_extern(schema = "folio_internal", volatile, parallel_unsafe)]
fn delete_own_portfolio(portfolio_id: i32) {
    or_raise(desk::delete_portfolio(portfolio_id));
}

/// Deletes such runs of the caller's; gives their number.
#[pg_extern(schema = "folio_internal", volatile, parallel_unsafe)]
fn delete_own_runs(portfolio_id: Option<i32>, before: TimestampWithTimeZone) -> i64 {
    or_raise(desk::delete_runs(portfolio_id, before))
}

sql_function! {
    /// The jobs of the caller's portfolios. pg_cron's own table shows everybody those that run as him, so it is read as the
    /// role that owns the desk.
    #[pg_extern(schema = "folio_internal", stable, parallel_unsafe)]
    fn jobs() given _arguments
    -> rows of job, name, user {
        job_id: Option<i64> = job.0, portfolio_id: Option<i64> = job.1, schedule: Option<Text> = name,
        username: Option<Text> = user, active: Option<bool> = job.2,
    } {
        desk::jobs(|row| {
            let job = (row.bigint(1), row.bigint(2), row.boolean(5));
            Ok((job, row.text(3)?.map(Text), row.text(4)?.map(Text)))
        })
    }
}

/// Ends every job of a portfolio of the caller's; gives their number.
#[pg_extern(schema = "folio_internal", volatile, parallel_unsafe)]
fn unschedule_own(portfolio_id: i32) -> i64 {
    or_raise(desk::unschedule(portfolio_id))
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
    let span = Span { tickers, first, last, time_zone };
    TableIterator::new(or_raise(past_prices::between(role, &prices, span)))
}

/// Sets folio.refresh_timeout as a limit of time, less what was spent of it, until it is ended or the subtransaction ends.
#[pg_extern(schema = "folio_internal", volatile, parallel_unsafe)]
fn begin_time_limit(spent_milliseconds: i64) {
    let spent = Duration::from_millis(u64::try_from(spent_milliseconds).unwrap_or(0));
    // What has no time left has its limit at once.
    time_limit::begin(settings::refresh_timeout().map(|limit| limit.saturating_sub(spent)));
}

/// Ends the limit of time; whether it had passed.
#[pg_extern(schema = "folio_internal", volatile, parallel_unsafe)]
fn end_time_limit() -> bool {
    or_raise(time_limit::end())
}

sql_function! {
    /// The weights of a portfolio and what its views did, from one computation on prices that are read with the rights of
    /// `role`, of which the caller must be a member. `as_of` is of days that begin in `time_zone`.
    #[pg_extern(schema = "folio_internal", volatile, parallel_unsafe)]
    fn weights_and_views(
        role: Oid, relation: Text, time_zone: Text, tickers, views, market, objective, constraints, history, as_of
    ) given arguments
    -> rows of weights, views {
        weights: Json = weights, views: Json = views,
    } {
        let (role, relation) = (required("role", role)?, required("relation", relation)?);
        let time_zone = required("time_zone", time_zone)?;
        let request = arguments.request()?;
        let allocation = as_role(role, || {
            let relation = stored(&relation)?;
            let as_of = written(Some(relation), arguments.as_of, time_zone)?;
            let arguments = Arguments { as_of, prices: Some(Regclass(relation)), ..arguments };
            arguments.compute(move |returns, cancel| request::black_litterman(&request, returns, cancel))
        })?;
        Ok(Some(as_json(noticed(allocation))))
    }
}
