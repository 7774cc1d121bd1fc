//! Tests of the best of many strategies, on plain arrays.

use folio_core::portfolio::overfitting::{DEFAULT_BLOCKS, overfitting};
use folio_core::task;
use pgrx::Array;
use pgrx::prelude::*;

use crate::backend::array;
use crate::backend::pool::{self, Pool};
use crate::backend::report::or_raise;

/// Whether the best of the strategies that were tried is more than the luckiest: one row of an array of returns, a row a
/// period, a column a strategy.
#[pg_extern(immutable, parallel_safe, cost = 1000000)]
#[allow(clippy::type_complexity, reason = "the row of a SQL function")]
fn overfitting_report(
    returns: Option<Array<'_, f64>>,
    blocks: default!(Option<i64>, "16"),
) -> TableIterator<
    'static,
    (
        name!(strategy, i64),
        name!(strategies, i64),
        name!(periods, i64),
        name!(sharpe_ratio, f64),
        name!(expected_maximum, f64),
        name!(deflated_sharpe_ratio, f64),
        name!(backtest_overfitting, f64),
        name!(reality_check, f64),
    ),
> {
    let result = (|| {
        let returns = array::table("returns", returns.ok_or_else(|| array::missing("returns"))?)?;
        let blocks = blocks.unwrap_or(DEFAULT_BLOCKS);
        let pool = Pool::start(1)?;
        Ok(task::one(&pool, &pool::cancel_flag(), move |cancel| overfitting(returns.view(), blocks, cancel))?)
    })();
    let found = or_raise(result);
    TableIterator::once((
        found.strategy as i64 + 1,
        found.strategies as i64,
        found.periods as i64,
        found.sharpe_ratio,
        found.expected_maximum,
        found.deflated_sharpe_ratio,
        found.backtest_overfitting,
        found.reality_check,
    ))
}
