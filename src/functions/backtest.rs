//! The backtest.

use folio_core::portfolio::backtest::{self, Backtest, Rebalance};
use folio_core::portfolio::objective::Constraints;
use folio_core::portfolio::request::EQUAL_BY_CONSTRUCTION;
use pgrx::prelude::*;

use crate::backend::datum::{Json, Names, Regclass, Text};
use crate::backend::timestamp::with_time_zone;

sql_function! {
    /// What an objective would have earned: a row per trading day from the first rebalance on.
    #[pg_extern(stable, parallel_unsafe, cost = 10000000)]
    fn backtest(
        tickers, rebalance: Text = "'month_end'", lookback: i64 = "252", objective, constraints, prior, market_caps,
        risk_aversion, risk_free_rate, covariance, transaction_cost: f64 = "0", benchmark: Text = "NULL", source, later
    ) given arguments
    -> rows of day, times {
        ts: TimestampWithTimeZone = with_time_zone(day.ts, times), value: f64, daily_return: f64 = day.gain,
        turnover: Option<f64>, cost: f64, drawdown: f64, benchmark_value: f64, risk_free_value: f64,
    } {
        let backtest = Backtest {
            request: arguments.request()?,
            rebalance: Rebalance::parse(rebalance.as_deref().unwrap_or("month_end"))?,
            lookback: backtest::lookback(lookback.unwrap_or(252))?,
            transaction_cost: transaction_cost.unwrap_or(0.0),
            hold_benchmark: holds(arguments.tickers.as_ref(), benchmark.as_deref()),
            benchmark: benchmark.map(|Text(ticker)| ticker),
        };
        let backtest = backtest.validated()?;
        if backtest.request.is_equal_by_construction() && backtest.request.constraints == Constraints::default() {
            notice!("{EQUAL_BY_CONSTRUCTION}");
        }
        let (days, times) = arguments.backtest(backtest)?;
        Ok(days.map(move |day| (day, times)))
    }
}

/// Whether the benchmark was asked for as a ticker to hold; among all tickers it was not.
fn holds(tickers: Option<&Names>, benchmark: Option<&str>) -> bool {
    let Some(benchmark) = benchmark else { return false };
    tickers.is_some_and(|Names(tickers)| tickers.iter().any(|ticker| ticker.as_deref() == Some(benchmark)))
}
