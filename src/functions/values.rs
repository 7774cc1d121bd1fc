//! Values in, values out: forecasts of bare numbers, which read no table and no setting that changes a number, so that
//! parallel queries, partitions and other servers can run them anywhere.

use std::cell::Cell;

use folio_core::forecast::{
    self, Batches, DEFAULT_HORIZON, Ensemble, Horizon, ValueOptions, forecast as run_forecast,
};
use folio_core::panel::{PricePanel, PriceRow, Series};
use folio_core::{Error, panel};
use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::datum::Datum;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::prelude::*;
use pgrx::{AllocatedByRust, Array, Internal, PgMemoryContexts, pg_sys};
use serde_json::Value;

use crate::arguments::required;
use crate::backend::array;
use crate::backend::budget::Held;
use crate::backend::datum::Json;
use crate::backend::memory;
use crate::backend::pool::{self, Pool};
use crate::backend::report::{Report, Result, SqlState, or_raise};
use crate::backend::settings::Settings;
use crate::backend::timestamp::from_micros;
use crate::call::forecast::status;

extension_sql!(
    r"
CREATE TYPE forecast_result AS (forecast float8[], lower float8[], upper float8[], status text);
",
    name = "forecast_result_type"
);

/// A value of that type.
struct ForecastResult(PgHeapTuple<'static, AllocatedByRust>);

// SAFETY: hands on the tuple as it is.
unsafe impl BoxRet for ForecastResult {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: fcinfo is that of the call that returns.
        unsafe { self.0.box_into(fcinfo) }
    }
}

// SAFETY: composite() makes a tuple of the type of this name.
unsafe impl SqlTranslatable for ForecastResult {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(ForecastResult);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: std::result::Result<SqlMappingRef, ArgumentError> =
        Ok(SqlMappingRef::literal("forecast_result"));
    const RETURN_SQL: std::result::Result<ReturnsRef, ReturnsError> =
        Ok(ReturnsRef::One(SqlMappingRef::literal("forecast_result")));
}

/// Forecasts prices given as an array, oldest first.
#[pg_extern(immutable, parallel_safe, cost = 100000, requires = ["forecast_result_type"])]
fn forecast_values(
    prices: Option<Array<'_, f64>>,
    horizon: default!(Option<i64>, "21"),
    options: default!(Option<Json>, "'{}'"),
) -> ForecastResult {
    or_raise(required("prices", prices).and_then(|prices| {
        let prices = array::vector("prices", prices)?;
        let options = ValueOptions::from_json(&options.map_or(Value::Null, |Json(options)| options))?;
        forecast_series(options.series(&prices.to_vec())?, horizon, &options)
    }))
}

/// Forecasts one series: the result of both functions.
fn forecast_series(series: Series, horizon: Option<i64>, options: &ValueOptions) -> Result<ForecastResult> {
    let settings = Settings::read();
    let horizon = Horizon::new(horizon.unwrap_or(DEFAULT_HORIZON as i64))?;
    let request = options.request(horizon, pool::thread_cpu_time);
    let panel = PricePanel::new(vec![(options.ticker().to_owned(), Ok(series))]);
    let mut pool = Pool::start(settings.threads_per_call)?;
    pool.plan(settings.memory_limit, |threads, limit| Batches::new(&panel, 1, &request, threads, limit))?;
    let reports = run_forecast(panel, &request, &pool, &pool::cancel_flag())?;
    let outcome = reports.into_iter().next().map(|report| report.outcome);
    composite(&outcome.unwrap_or(Err(Error::Cancelled))?)
}

fn composite(ensemble: &Ensemble) -> Result<ForecastResult> {
    let column = |value: fn(&forecast::Step) -> f64| ensemble.steps.iter().map(value).collect::<Vec<f64>>();
    let internal =
        |error: &dyn std::fmt::Display| Report::internal("cannot build the result", error.to_string());
    let mut tuple = PgHeapTuple::<AllocatedByRust>::new_composite_type("folio.forecast_result")
        .map_err(|error| internal(&error))?;
    tuple.set_by_name("forecast", column(|step| step.forecast)).map_err(|error| internal(&error))?;
    tuple.set_by_name("lower", column(|step| step.lower)).map_err(|error| internal(&error))?;
    tuple.set_by_name("upper", column(|step| step.upper)).map_err(|error| internal(&error))?;
    tuple.set_by_name("status", status(ensemble)).map_err(|error| internal(&error))?;
    Ok(ForecastResult(tuple))
}

thread_local! {
    /// What the rows of all groups take that the session's aggregates have not finished: memory that Postgres does not see.
    static GROUP_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// What an aggregate has seen: the rows, and what the first of them said of horizon and options.
struct State {
    rows: Vec<PriceRow>,
    horizon: Option<i64>,
    options: ValueOptions,
    /// The rows' part of what all sessions may take.
    held: Held,
}

impl State {
    /// Adds a row, if there is room for it beside those of the other groups.
    fn push(&mut self, row: PriceRow) -> Result<()> {
        if self.rows.len() == self.rows.capacity() {
            let more = self.rows.len().max(FIRST_ROWS);
            let need_bytes = GROUP_BYTES.get() + more * size_of::<PriceRow>();
            let limit_bytes = Settings::read().price_bytes();
            if need_bytes > limit_bytes {
                return Err(Error::MemoryLimit { need_bytes, limit_bytes }.into());
            }
            self.held.grow(more * size_of::<PriceRow>())?;
            if !memory::is_there((self.rows.len() + more) * size_of::<PriceRow>()) {
                return Err(Report::out_of_memory());
            }
            self.rows.reserve_exact(more);
            GROUP_BYTES.set(need_bytes);
        }
        self.rows.push(row);
        Ok(())
    }
}

impl Drop for State {
    fn drop(&mut self) {
        GROUP_BYTES.set(GROUP_BYTES.get().saturating_sub(self.rows.capacity() * size_of::<PriceRow>()));
    }
}

/// The rows that a group has room for at first.
const FIRST_ROWS: usize = 16;

/// Takes a row into the aggregate.
#[pg_extern(immutable, parallel_safe)]
fn forecast_agg_row(
    state: Internal,
    ts: Option<TimestampWithTimeZone>,
    price: Option<f64>,
    horizon: Option<i64>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Internal {
    add_row(state, ts, price, horizon, None, fcinfo)
}

/// Takes a row into the aggregate with options.
#[pg_extern(name = "forecast_agg_row", immutable, parallel_safe)]
fn forecast_agg_row_with_options(
    state: Internal,
    ts: Option<TimestampWithTimeZone>,
    price: Option<f64>,
    horizon: Option<i64>,
    options: Option<Json>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Internal {
    add_row(state, ts, price, horizon, options, fcinfo)
}

/// The forecast of the rows that the aggregate has seen; NULL of none.
#[pg_extern(immutable, parallel_safe, requires = ["forecast_result_type"])]
fn forecast_agg_result(state: Internal) -> Option<ForecastResult> {
    // SAFETY: only add_row makes the state, and it makes this.
    let state = unsafe { state.get::<State>() }?;
    let State { rows, horizon, options, .. } = state;
    Some(or_raise(
        options
            .series_of_rows(rows.clone())
            .map_err(Report::from)
            .and_then(|series| forecast_series(series, *horizon, options)),
    ))
}

fn add_row(
    mut state: Internal,
    ts: Option<TimestampWithTimeZone>,
    price: Option<f64>,
    horizon: Option<i64>,
    options: Option<Json>,
    fcinfo: pg_sys::FunctionCallInfo,
) -> Internal {
    if !state.initialized() {
        let options = options.map_or(Value::Null, |Json(options)| options);
        let options = or_raise(ValueOptions::from_json(&options).map_err(Report::from));
        let empty = State { rows: Vec::new(), horizon, options, held: Held::default() };
        let mut context: pg_sys::MemoryContext = std::ptr::null_mut();
        // SAFETY: fcinfo is that of this call; the context that it names outlives the group, and drops the state.
        state = unsafe {
            pg_sys::AggCheckCallContext(fcinfo, &mut context);
            if context.is_null() {
                or_raise::<()>(Err(only_in_an_aggregate()));
            }
            PgMemoryContexts::For(context).switch_to(|_| Internal::new(empty))
        };
    }
    // SAFETY: only this function makes the state, and it makes this.
    if let Some(state) = unsafe { state.get_mut::<State>() } {
        let ts = from_micros(ts.map(TimestampWithTimeZone::into_inner));
        // NULL is no price, here as in a table: see the engine's panel.
        or_raise(state.push(panel::PriceRow { ts, close: price.unwrap_or(f64::NAN) }));
    }
    state
}

fn only_in_an_aggregate() -> Report {
    Report::new(
        SqlState::INVALID_PARAMETER_VALUE,
        "forecast_agg_row is no function to call",
        "It was called outside of an aggregate.",
        "Use the aggregate forecast_agg.",
    )
}

extension_sql!(
    r#"
CREATE AGGREGATE forecast_agg(ts timestamptz, price float8, horizon bigint) (
    SFUNC = forecast_agg_row, STYPE = internal, FINALFUNC = forecast_agg_result, PARALLEL = SAFE
);
CREATE AGGREGATE forecast_agg(ts timestamptz, price float8, horizon bigint, options jsonb) (
    SFUNC = forecast_agg_row, STYPE = internal, FINALFUNC = forecast_agg_result, PARALLEL = SAFE
);
"#,
    name = "forecast_agg",
    requires = [forecast_agg_row, forecast_agg_row_with_options, forecast_agg_result]
);
