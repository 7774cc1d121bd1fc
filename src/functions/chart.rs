//! The charts: SVG from the same numbers that the other functions give as rows.

use folio_chart::{Options, Theme, WeightsChart, Width};
use folio_core::forecast::Report;
use folio_core::portfolio::request;
use pgrx::prelude::*;

use crate::arguments::{Arguments, required};
use crate::backend::datum::{Json, Names, Regclass, Text};
use crate::backend::report::Result;
use crate::call::chart::{Fan, accuracy_of, frontier_of, outcomes, rebalances};

/// The default width in pixels: a column of text on a desktop.
const DEFAULT_WIDTH: i64 = 800;

/// The points of a frontier: enough for a smooth line.
const FRONTIER_POINTS: i64 = 40;

/// Numbers of which each may be NULL.
type Numbers = Vec<Option<f64>>;

sql_function! {
    /// Draws a forecast as SVG: recent prices, the median path, and the fan of its intervals.
    #[pg_extern(stable, parallel_unsafe, cost = 100000)]
    fn forecast_chart(
        ticker: Text, horizon, models, levels: Numbers = "NULL", members: bool = "NULL", recent: i64 = "NULL", as_of,
        history, prices, width, theme
    ) given arguments
    -> Text {
        let options = options(&arguments)?;
        let fan = Fan::new(levels, members, recent)?;
        let tickers = Some(Names(vec![Some(required("ticker", ticker)?.0)]));
        let chart = |Report { ticker, outcome }| Ok(fan.chart(ticker, &outcome?));
        let plan = Arguments { tickers, ..arguments }.plan()?.at(&fan.levels);
        let (charts, _held) = plan.forecast(|_| Ok(()), chart)?;
        let chart = charts.into_iter().next().ok_or(folio_chart::Error::Empty { what: "forecast" })?;
        Ok(Text(chart.svg(options)?))
    }
}

sql_function! {
    /// Draws the efficient frontier as SVG, among the tickers that it is made of.
    #[pg_extern(stable, parallel_unsafe, cost = 1000000)]
    fn frontier_chart(tickers, views, market, constraints, source, width, theme, later, universe) given arguments
    -> Text {
        let (options, request) = (options(&arguments)?, arguments.request()?);
        let map = arguments
            .compute(move |returns, cancel| request::risk_map(&request, returns, FRONTIER_POINTS, cancel))?;
        Ok(Text(frontier_of(map).svg(options)?))
    }
}

sql_function! {
    /// Draws the weights of a portfolio over time as SVG, from weight_history.
    #[pg_extern(stable, parallel_unsafe, cost = 10000)]
    fn weights_chart(portfolio: Text, width, theme) given arguments
    -> Text {
        let options = options(&arguments)?;
        let Text(portfolio) = required("portfolio", portfolio)?;
        let rebalances = rebalances(&portfolio)?;
        Ok(Text(WeightsChart { portfolio, rebalances }.svg(options)?))
    }
}

sql_function! {
    /// Draws what was forecast of a ticker against what came as SVG, from forecast_accuracy, whose functions are not
    /// declared parallel safe.
    #[pg_extern(stable, parallel_unsafe, cost = 10000)]
    fn accuracy_chart(ticker: Text, step: i64 = "NULL", width, theme) given arguments
    -> Text {
        let options = options(&arguments)?;
        let Text(ticker) = required("ticker", ticker)?;
        let outcomes = outcomes(&ticker, step)?;
        Ok(Text(accuracy_of(ticker, step, outcomes).svg(options)?))
    }
}

fn options(arguments: &Arguments) -> Result<Options> {
    Ok(Options {
        width: Width::new(arguments.width.unwrap_or(DEFAULT_WIDTH))?,
        theme: arguments.theme.as_deref().map_or(Ok(Theme::Auto), Theme::parse)?,
    })
}
