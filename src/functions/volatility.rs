//! The functions of volatility.

use folio_core::risk;
use pgrx::prelude::*;

use crate::backend::datum::{Json, Names, Regclass, Text};
use crate::call::volatility::{VolatilityMemberRow, VolatilityRow};

sql_function! {
    /// Forecasts the annual volatility of many tickers, every ticker if none is named: a row per ticker and step. A ticker that
    /// cannot be forecast is one row whose status says why.
    #[pg_extern(stable, parallel_unsafe, cost = 1000000)]
    fn forecast_volatility(tickers, horizon, models, level, source, later) given arguments
    -> rows of row {
        ticker: Text, step: Option<i32>, ts: Option<TimestampWithTimeZone>, volatility: Option<f64>,
        mean_volatility: Option<f64>, lower: Option<f64>, upper: Option<f64>, status: Text,
    } {
        arguments.volatility(risk::of_forecast, VolatilityRow::all)
    }
}

sql_function! {
    /// Says how each volatility model did: its weight in the ensemble, its loss out of sample, its time, and why it is
    /// missing.
    #[pg_extern(stable, parallel_unsafe, cost = 1000000)]
    fn volatility_members(tickers, horizon, models, source) given arguments
    -> rows of row {
        ticker: Text, model: Option<Text>, weight: Option<f64>, status: Text, validation_qlike: Option<f64>,
        fit_ms: Option<f64>, detail: Option<Json>,
    } {
        arguments.volatility(risk::of_members, VolatilityMemberRow::all)
    }
}

sql_function! {
    /// How good forecasts of volatility would have been from many past days, over all tickers: a row per model and step.
    #[pg_extern(stable, parallel_unsafe, cost = 10000000)]
    fn volatility_evaluate(
        tickers, horizon, origins, stride, refit_every, models, level, source
    ) given arguments
    -> rows of row {
        model: Option<Text>, step: Option<i32>, tickers: i32, n: i64, qlike: Option<f64>, mse: Option<f64>,
        mz_constant: Option<f64>, mz_slope: Option<f64>, mz_r_squared: Option<f64>, coverage: Option<f64>,
        dm_ewma: Option<f64>, p_value_ewma: Option<f64>, dm_sample: Option<f64>, p_value_sample: Option<f64>,
        status: Text,
    } {
        arguments.evaluate_volatility()
    }
}
