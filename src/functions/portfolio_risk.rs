//! The functions of the risk of given weights.

use folio_core::portfolio::group::Groups;
use folio_core::risk::{DEFAULT_TAIL_HORIZON, DEFAULT_TAIL_LEVEL, TailRequest, attribute, weighted_tickers};
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

sql_function! {
    /// Where the risk of given weights comes from: a row of the total, one per ticker and one per group, each kind of which sums
    /// to the total.
    #[pg_extern(stable, parallel_unsafe, cost = 1000000)]
    fn risk_attribution(weights: Json, groups: Json = "NULL", covariance, source, later) given arguments
    -> rows of part {
        kind: Text = Text(part.kind), name: Option<Text> = part.name.map(Text), weight: f64, volatility: f64,
        marginal: Option<f64>, contribution: f64, share: Option<f64>,
    } {
        let Json(weights) = required("weights", weights)?;
        let groups = groups.map_or(Ok(Groups::default()), |Json(groups)| Groups::from_json(&groups))?;
        let method = arguments.request()?.covariance;
        let names = weighted_tickers(&weights)?.into_iter().map(Some).collect();
        let arguments = Arguments { tickers: Some(Names(names)), ..arguments };
        let (parts, held) = arguments
            .compute_and_hold(move |returns, cancel| attribute(&weights, &groups, method, returns, cancel))?;
        Ok(held.by(parts.into_iter()))
    }
}
