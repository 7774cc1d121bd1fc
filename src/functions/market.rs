//! What the prices themselves say of a portfolio's inputs: the price of risk, the number of observations.

use folio_core::frequency::TRADING_DAYS;
use folio_core::panel::Series;
use folio_core::portfolio::market::{RiskAversion, RiskFreeRate};
use folio_core::task;
use pgrx::prelude::*;

use crate::arguments::{Arguments, required};
use crate::backend::datum::{Names, Regclass, Text};
use crate::backend::pool::{self, Pool};
use crate::backend::prices::{self, Selection};
use crate::backend::settings::Settings;
use crate::call::periods;

sql_function! {
    /// The risk aversion at which the market of this index is in equilibrium: its excess return over its variance, both a
    /// year.
    #[pg_extern(stable, parallel_unsafe, cost = 100000)]
    fn market_implied_risk_aversion(ticker: Text, risk_free_rate: f64 = "0", source, later) given arguments
    -> Option<f64> {
        let mut arguments = arguments;
        let Text(ticker) = required("ticker", ticker)?;
        let rate = RiskFreeRate::new(risk_free_rate.unwrap_or(0.0))?;
        let settings = Settings::read();
        let selection = Selection { tickers: Some(vec![ticker]), ..arguments.selection(&settings)? };
        let periods = settings.periods_per_year(arguments.periods_per_year)?;
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
    }
}

sql_function! {
    /// The number of returns that a covariance of these tickers is estimated from: T in tau = 1/T.
    #[pg_extern(stable, parallel_unsafe, cost = 100000)]
    fn observations(tickers, source, universe) given arguments
    -> i32 {
        // Nothing of a number of observations is annual.
        let arguments = Arguments { periods_per_year: Some(TRADING_DAYS), ..arguments };
        arguments.compute(|returns, _| Ok(returns.days().len() as i32))
    }
}
