//! What the prices themselves say of a portfolio's inputs: the price of risk, the number of observations.

use folio_core::frequency::TRADING_DAYS;
use folio_core::panel::Series;
use folio_core::portfolio::market::{RiskAversion, RiskFreeRate};
use folio_core::task;
use pgrx::prelude::*;

use super::arguments::required;
use super::periods;
use super::portfolio::Source;
use crate::backend::datum::{Names, Regclass, Text};
use crate::backend::pool::{self, Pool};
use crate::backend::prices::{self, Selection};
use crate::backend::report::or_raise;
use crate::backend::settings::Settings;

/// The risk aversion at which the market of this index is in equilibrium: its excess return over its variance, both a
/// year.
#[pg_extern(stable, parallel_unsafe, cost = 100000)]
fn market_implied_risk_aversion(
    ticker: Option<Text>,
    risk_free_rate: default!(Option<f64>, "0"),
    history: default!(Option<i64>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
    periods_per_year: default!(Option<f64>, "NULL"),
) -> Option<f64> {
    or_raise((|| {
        let Text(ticker) = required("ticker", ticker)?;
        let rate = RiskFreeRate::new(risk_free_rate.unwrap_or(0.0))?;
        let settings = Settings::read();
        let history = prices::history(history.unwrap_or(settings.history))?;
        let periods = settings.periods_per_year(periods_per_year)?;
        let relation = prices.map(|relation| relation.0);
        let selection = Selection { relation, tickers: Some(vec![ticker]), as_of, history };
        let pool = Pool::start(1)?;
        let panel = prices::read(&selection, &settings)?;
        let implied = task::one(&pool, &pool::cancel_flag(), move |_| {
            let index = panel.series()?;
            let of = |index: &&Series| {
                let remark = periods.remark(index.frequency());
                Ok((RiskAversion::implied(index, rate.value(), periods)?, remark))
            };
            index.first().map(of).transpose()
        })?;
        Ok(implied.map(|(implied, remark)| {
            periods::say(remark);
            implied.value()
        }))
    })())
}

/// The number of returns that a covariance of these tickers is estimated from: T in tau = 1/T.
#[pg_extern(stable, parallel_unsafe, cost = 100000)]
fn observations(
    tickers: default!(Option<Names>, "NULL"),
    history: default!(Option<i64>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
) -> i32 {
    let source = Source {
        tickers,
        history,
        as_of,
        relation: prices.map(|relation| relation.0),
        // Nothing of a number of observations is annual.
        periods_per_year: Some(TRADING_DAYS),
    };
    or_raise(source.compute(|returns, _| Ok(returns.days().len() as i32)))
}
