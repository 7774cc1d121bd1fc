//! The backtest: its days, its weights, and what it comes to.

use std::rc::Rc;

use pgrx::prelude::*;

use crate::backend::datum::{Json, Names, Regclass, Text};
use crate::backend::timestamp::with_time_zone;

sql_function! {
    /// What an objective would have earned: a row per trading day from the first rebalance on.
    #[pg_extern(stable, parallel_unsafe, cost = 10000000)]
    fn backtest(
        tickers, rebalance, lookback, objective, constraints, prior, market_caps, risk_aversion, risk_free_rate, covariance,
        transaction_cost, benchmark, source, later, on_failure, views, tau
    ) given arguments
    -> rows of day, times {
        ts: TimestampWithTimeZone = with_time_zone(day.ts, times), value: f64, daily_return: f64 = day.gain,
        turnover: Option<f64>, cost: f64, drawdown: f64, benchmark_value: f64, risk_free_value: f64,
    } {
        let tested = arguments.backtest()?;
        let times = tested.times;
        Ok(tested.days()?.map(move |day| (day, times)))
    }
}

sql_function! {
    /// The weights of a backtest: a row per rebalance date and ticker.
    #[pg_extern(stable, parallel_unsafe, cost = 10000000)]
    fn backtest_weights(
        tickers, rebalance, lookback, objective, constraints, prior, market_caps, risk_aversion, risk_free_rate, covariance,
        transaction_cost, benchmark, source, later, on_failure, views, tau
    ) given arguments
    -> rows of trade, tickers, times, position {
        ts: TimestampWithTimeZone = with_time_zone(trade.ts, times), ticker: Text = Text(tickers[position].clone()),
        held_weight: f64 = trade.held[position], weight: f64 = trade.weights[position],
        change: f64 = trade.weights[position] - trade.held[position], remark: Option<Text> = trade.remark.clone().map(Text),
    } {
        let mut tested = arguments.backtest()?;
        let times = tested.times;
        let tickers = Rc::new(std::mem::take(&mut tested.track.tickers));
        Ok(tested.trades()?.flat_map(move |trade| {
            let (trade, tickers) = (Rc::new(trade), tickers.clone());
            (0..tickers.len()).map(move |position| (trade.clone(), tickers.clone(), times, position))
        }))
    }
}

sql_function! {
    /// What a backtest comes to: one row.
    #[pg_extern(stable, parallel_unsafe, cost = 10000000)]
    fn backtest_summary(
        tickers, rebalance, lookback, objective, constraints, prior, market_caps, risk_aversion, risk_free_rate, covariance,
        transaction_cost, benchmark, source, later, on_failure, views, tau
    ) given arguments
    -> rows of record, times {
        first_ts: TimestampWithTimeZone = with_time_zone(record.first, times),
        last_ts: TimestampWithTimeZone = with_time_zone(record.last, times),
        periods: i64 = record.periods as i64, periods_per_year: f64, total_return: f64, annual_return: f64,
        volatility: Option<f64>, sharpe_ratio: Option<f64>, sortino_ratio: Option<f64>, calmar_ratio: Option<f64>,
        max_drawdown: f64, drawdown_from: TimestampWithTimeZone = with_time_zone(record.drawdown_from, times),
        drawdown_to: TimestampWithTimeZone = with_time_zone(record.drawdown_to, times),
        longest_drawdown: i64 = record.longest_drawdown as i64, hit_rate: f64, skewness: Option<f64>,
        excess_kurtosis: Option<f64>, rebalances: i64 = record.rebalances as i64, failures: i64 = record.failures as i64,
        turnover: f64, cost: f64, benchmark_return: f64, tracking_error: Option<f64>, information_ratio: Option<f64>,
    } {
        let tested = arguments.backtest()?;
        Ok(Some((tested.record(), tested.times)))
    }
}
