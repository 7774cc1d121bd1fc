//! The backtest.

use std::collections::HashSet;

use folio_core::panel::{ReturnPanel, Times};
use folio_core::portfolio::backtest::{self, Backtest, Day, Rebalance};
use folio_core::portfolio::memory;
use folio_core::task::{self, Cancel};
use pgrx::prelude::*;

use super::portfolio::{Inputs, MIN_RETURNS, Source};
use super::{arguments, periods};
use crate::backend::budget::{self, HeldBy};
use crate::backend::datum::{Json, Names, Regclass, Text};
use crate::backend::pool::{self, Pool};
use crate::backend::prices::{self, Selection};
use crate::backend::report::{Result, or_raise};
use crate::backend::settings::Settings;
use crate::backend::timestamp::with_time_zone;

/// What an objective would have earned: a row per trading day from the first rebalance on.
#[pg_extern(stable, parallel_unsafe, cost = 10000000)]
#[allow(clippy::too_many_arguments, reason = "the arguments of the SQL function")]
fn backtest(
    tickers: default!(Option<Names>, "NULL"),
    rebalance: default!(Option<Text>, "'month_end'"),
    lookback: default!(Option<i64>, "252"),
    objective: default!(Option<Text>, "NULL"),
    constraints: default!(Option<Json>, "NULL"),
    prior: default!(Option<Text>, "NULL"),
    market_caps: default!(Option<Json>, "NULL"),
    risk_aversion: default!(Option<f64>, "NULL"),
    risk_free_rate: default!(Option<f64>, "NULL"),
    covariance: default!(Option<Text>, "NULL"),
    transaction_cost: default!(Option<f64>, "0"),
    benchmark: default!(Option<Text>, "NULL"),
    history: default!(Option<i64>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
    periods_per_year: default!(Option<f64>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(ts, TimestampWithTimeZone),
        name!(value, f64),
        name!(daily_return, f64),
        name!(turnover, Option<f64>),
        name!(cost, f64),
        name!(drawdown, f64),
        name!(benchmark_value, f64),
        name!(risk_free_value, f64),
    ),
> {
    let tau = None;
    let inputs =
        Inputs { market_caps, prior, risk_aversion, tau, risk_free_rate, covariance, objective, constraints };
    let relation = prices.map(|relation| relation.0);
    let source = Source { tickers: None, history, as_of, relation, periods_per_year };
    let days = inputs.request(None).and_then(|request| {
        let tickers = tickers.map(arguments::unique_tickers).transpose()?;
        let backtest = Backtest {
            request,
            rebalance: Rebalance::parse(rebalance.as_deref().unwrap_or("month_end"))?,
            lookback: backtest::lookback(lookback.unwrap_or(252))?,
            transaction_cost: transaction_cost.unwrap_or(0.0),
            hold_benchmark: holds(tickers.as_deref(), benchmark.as_deref()),
            benchmark: benchmark.map(|Text(ticker)| ticker),
        };
        run(backtest.validated()?, tickers, source)
    });
    let (days, times) = or_raise(days);
    TableIterator::new(days.map(move |day| {
        let Day { ts, value, gain, turnover, cost, drawdown, benchmark_value, risk_free_value } = day;
        (with_time_zone(ts, times), value, gain, turnover, cost, drawdown, benchmark_value, risk_free_value)
    }))
}

/// Whether the benchmark was asked for as a ticker to hold; among all tickers it was not.
fn holds(tickers: Option<&[String]>, benchmark: Option<&str>) -> bool {
    let Some(benchmark) = benchmark else { return false };
    tickers.is_some_and(|tickers| tickers.iter().any(|ticker| ticker == benchmark))
}

fn run(
    backtest: Backtest,
    tickers: Option<Vec<String>>,
    source: Source,
) -> Result<(HeldBy<std::vec::IntoIter<Day>>, Times)> {
    let Source { history, as_of, relation, periods_per_year, .. } = source;
    let settings = Settings::read();
    let history = prices::history(history.unwrap_or(settings.history))?;
    let periods = settings.periods_per_year(periods_per_year)?;
    let read: Option<Vec<String>> = tickers.map(|tickers| {
        let mut seen = HashSet::new();
        tickers
            .into_iter()
            .chain(backtest.benchmark.clone())
            .filter(|name| seen.insert(name.clone()))
            .collect()
    });
    let selection = Selection { relation, tickers: read, as_of, history };
    let pool = Pool::start(settings.threads_per_call)?;
    let panel = prices::read(&selection, &settings)?;
    let (threads, limit) = (pool.threads(), settings.memory_limit);
    budget::reserve(memory::check_backtest(&panel, backtest.lookback, threads, limit)?)?;
    let result_bytes = memory::result_bytes(&panel);
    let cancel = pool::cancel_flag();
    let aligned = move |_: &Cancel| ReturnPanel::aligned(&panel, history - 1, MIN_RETURNS);
    let returns = task::one(&pool, &cancel, aligned)?.with_periods(periods);
    let days = backtest::run(backtest, &returns, &pool, &cancel)?;
    periods::say(periods.remark(returns.frequency()));
    Ok((budget::hold(result_bytes)?.by(days.into_iter()), returns.times()))
}
