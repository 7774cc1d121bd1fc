//! The functions of what a portfolio may lose.

use folio_core::risk::{DEFAULT_TAIL_HORIZON, DEFAULT_TAIL_LEVEL, TailRequest};
use pgrx::prelude::*;

use crate::arguments::{Arguments, required};
use crate::backend::datum::{Json, Names, Regclass, Text};

sql_function! {
    /// What given weights may lose over the horizon: value at risk and expected shortfall as shares of the portfolio's value, a
    /// row per method.
    #[pg_extern(stable, parallel_unsafe, cost = 1000000)]
    fn value_at_risk(weights: Json, level, horizon, method: Text = "NULL", source) given arguments
    -> rows of row, tail, status {
        method: Text = Text(row.method.to_owned()),
        value_at_risk: Option<f64> = tail.map(|tail| tail.value_at_risk),
        expected_shortfall: Option<f64> = tail.map(|tail| tail.expected_shortfall),
        n: i64 = tail.map_or(0, |tail| tail.n as i64),
        status: Text = Text(status),
    } {
        let Json(weights) = required("weights", weights)?;
        let (level, horizon) = (arguments.level, arguments.horizon);
        let request = TailRequest::new(
            &weights,
            level.unwrap_or(DEFAULT_TAIL_LEVEL),
            horizon.unwrap_or(DEFAULT_TAIL_HORIZON),
            method.as_deref(),
        )?;
        let names = request.tickers().into_iter().map(Some).collect();
        let arguments = Arguments {
            tickers: Some(Names(names)),
            // Nothing here is of a year, so there is nothing to say of its periods.
            periods_per_year: Some(1.0),
            // Losses that were, and none that are made up for a ticker that was not there.
            alignment: Some(Text("common".to_owned())),
            ..arguments
        };
        let rows = arguments.compute(move |returns, cancel| request.rows(returns, cancel))?;
        Ok(rows.into_iter().map(|row| {
            let tail = row.outcome.as_ref().ok().copied();
            let status = row.outcome.as_ref().err().cloned().unwrap_or_else(|| "ok".to_owned());
            (row, tail, status)
        }))
    }
}
