//! What forecasts would have been worth: the functions over past origins.

use folio_core::forecast::{self, Summary};
use pgrx::prelude::*;

use crate::backend::datum::{Names, Regclass, Text};
use crate::backend::pool;
use crate::backend::server;
use crate::call::evaluate::ScoreRow;

sql_function! {
    /// How good the forecasts of each ticker would have been from many days of its past: a row per ticker, model and step.
    /// A ticker that cannot be evaluated is one row whose status says why.
    #[pg_extern(stable, parallel_unsafe, cost = 10000000)]
    fn forecast_evaluate(tickers, horizon, schedule, models, source) given arguments
    -> rows of row {
        ticker: Text, model: Option<Text>, step: Option<i32>, n: i64, mae: Option<f64>, rmse: Option<f64>,
        mase: Option<f64>, relative_mae: Option<f64>, direction: Option<f64>, coverage_80: Option<f64>,
        coverage_95: Option<f64>, mean_width_80: Option<f64>, mean_width_95: Option<f64>,
        interval_score_80: Option<f64>, interval_score_95: Option<f64>, status: Text,
    } {
        let mut rows = Vec::new();
        arguments.evaluate(|evaluated, pool, cancel| {
            for measured in forecast::measure(evaluated, pool, cancel)? {
                server::check_interrupts()?;
                rows.extend(ScoreRow::of_ticker(measured));
            }
            Ok(())
        })?;
        Ok(rows)
    }
}

sql_function! {
    /// The same over all tickers: a row per model and step, with the statistic of Diebold and Mariano against the last
    /// price, clustered by date.
    #[pg_extern(stable, parallel_unsafe, cost = 10000000)]
    fn forecast_evaluate_summary(tickers, horizon, schedule, models, source) given arguments
    -> rows of row {
        model: Option<Text>, step: Option<i32>, tickers: i32, n: i64, mae: Option<f64>, rmse: Option<f64>,
        mase: Option<f64>, relative_mae: Option<f64>, dm_statistic: Option<f64>, p_value: Option<f64>,
        direction: Option<f64>, coverage_80: Option<f64>, coverage_95: Option<f64>, mean_width_80: Option<f64>,
        mean_width_95: Option<f64>, interval_score_80: Option<f64>, interval_score_95: Option<f64>, status: Text,
    } {
        let mut summary = Summary::default();
        let (evaluation, pool) = arguments.evaluate(|evaluated, pool, cancel| {
            summary = std::mem::take(&mut summary).with(evaluated, pool, cancel)?;
            Ok(())
        })?;
        let (summary, tests) = summary.diebold_mariano(evaluation.stride(), &pool, &pool::cancel_flag())?;
        Ok(ScoreRow::of_all(&summary, tests))
    }
}
