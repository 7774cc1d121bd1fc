//! The calls that build a portfolio from returns, or look at one.

use folio_core::panel::{PricePanel, ReturnPanel, Times, Timestamp};
use folio_core::portfolio::alignment::Alignment;
use folio_core::portfolio::backtest::{self, Backtest, Day};
use folio_core::portfolio::covariance::CovarianceMethod;
use folio_core::portfolio::market::{MarketCaps, Prior, RiskAversion, RiskFreeRate, Tau};
use folio_core::portfolio::memory;
use folio_core::portfolio::objective::{self, Constraints};
use folio_core::portfolio::request::{Allocation, Request};
use folio_core::portfolio::view_input;
use folio_core::task::{self, Cancel};
use pgrx::prelude::*;
use serde_json::Value;

use super::{histories, periods};
use crate::arguments::Arguments;
use crate::backend::budget::{self, Held, HeldBy};
use crate::backend::datum::Json;
use crate::backend::pool::{self, Pool};
use crate::backend::prices;
use crate::backend::report::Result;
use crate::backend::settings::Settings;

/// The fewest common returns that a covariance is estimated from.
const MIN_RETURNS: usize = 2;

/// A whole call of the engine's that ends in weights.
type Allocate = fn(&Request, &ReturnPanel, &Cancel) -> folio_core::Result<Allocation>;

impl Arguments {
    /// What is asked for of a portfolio; NULL takes the engine's default.
    pub fn request(&self) -> Result<Request> {
        let default = Request::default();
        let (views, omega) =
            self.views.as_ref().map(|Json(views)| view_input::parse(views)).transpose()?.unwrap_or_default();
        let rate = self.risk_free_rate.map(RiskFreeRate::new).transpose()?;
        Ok(Request {
            views,
            omega,
            market_caps: self
                .market_caps
                .as_ref()
                .map(|Json(caps)| MarketCaps::from_json(caps))
                .transpose()?,
            prior: self.prior.as_deref().map(Prior::parse).transpose()?,
            risk_aversion: self.risk_aversion.map_or(Ok(default.risk_aversion), RiskAversion::new)?,
            tau: self.tau.map_or(Ok(default.tau), Tau::new)?,
            risk_free_rate: rate.unwrap_or(default.risk_free_rate),
            covariance: self.covariance.as_deref().map_or(Ok(default.covariance), CovarianceMethod::parse)?,
            objective: self.objective.as_deref().map_or(Ok(default.objective), objective::by_name)?,
            constraints: self
                .constraints
                .as_ref()
                .map_or(Ok(Constraints::default()), |Json(constraints)| {
                    Constraints::from_json(constraints)
                })?,
        })
    }

    /// Reads the prices and computes on the pool, from returns that are aligned as the arguments say.
    pub fn compute<T: Send + 'static>(
        self,
        work: impl FnOnce(&ReturnPanel, &Cancel) -> folio_core::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.compute_and_hold(work).map(|(result, _)| result)
    }

    /// The same of a result that waits to be asked for: it counts until the second value is gone.
    pub fn compute_and_hold<T: Send + 'static>(
        mut self,
        work: impl FnOnce(&ReturnPanel, &Cancel) -> folio_core::Result<T> + Send + 'static,
    ) -> Result<(T, Held)> {
        let settings = Settings::read();
        let selection = self.selection(&settings)?;
        let periods = settings.periods_per_year(self.periods_per_year)?;
        let alignment = self.alignment.as_deref().map_or(Ok(Alignment::default()), Alignment::parse)?;
        let pool = Pool::start(1)?;
        let panel = prices::read(&selection, &settings)?;
        let result_bytes = memory::result_bytes(&panel);
        let (cancel, history) = (pool::cancel_flag(), selection.history - 1);
        let (panel, times) = aligned_times(alignment, panel, history, &pool, &cancel)?;
        budget::reserve(memory::check(&panel, times.len(), settings.memory_limit)?)?;
        let (result, remark, differing) = task::one(&pool, &cancel, move |cancel| {
            let (returns, differing) = alignment.between(&panel, times, history, MIN_RETURNS, cancel)?;
            let returns = returns.with_periods(periods);
            Ok((work(&returns, cancel)?, periods.remark(returns.frequency()), differing))
        })?;
        periods::say(remark);
        histories::say(differing);
        Ok((result, budget::hold(result_bytes)?))
    }

    /// Weights by one of the engine's whole calls.
    pub fn allocate(self, allocate: Allocate) -> Result<Allocation> {
        let request = self.request()?;
        self.compute(move |returns, cancel| allocate(&request, returns, cancel))
    }

    /// The days of a backtest, and what their times are. A benchmark is read with the tickers that may be held.
    pub fn backtest(mut self, backtest: Backtest) -> Result<(HeldBy<std::vec::IntoIter<Day>>, Times)> {
        let settings = Settings::read();
        let mut selection = self.selection(&settings)?;
        let periods = settings.periods_per_year(self.periods_per_year)?;
        let benchmark = backtest.benchmark.clone().filter(|_| !backtest.hold_benchmark);
        selection.tickers.iter_mut().for_each(|tickers| tickers.extend(benchmark.clone()));
        let pool = Pool::start(settings.threads_per_call)?;
        let panel = prices::read(&selection, &settings)?;
        let (threads, limit) = (pool.threads(), settings.memory_limit);
        budget::reserve(memory::check_backtest(&panel, backtest.lookback, threads, limit)?)?;
        let result_bytes = memory::result_bytes(&panel);
        let cancel = pool::cancel_flag();
        let history = selection.history - 1;
        // A backtest earns what was paid, and nothing completed.
        let (returns, differing) = task::one(&pool, &cancel, move |cancel| {
            Alignment::Common.returns(&panel, history, MIN_RETURNS, cancel)
        })?;
        histories::say(differing);
        let returns = returns.with_periods(periods);
        let days = backtest::run(backtest, &returns, &pool, &cancel)?;
        periods::say(periods.remark(returns.frequency()));
        Ok((budget::hold(result_bytes)?.by(days.into_iter()), returns.times()))
    }
}

/// The times that returns are taken between, and the panel again: how many they are says how much memory the rest takes.
fn aligned_times(
    alignment: Alignment,
    panel: PricePanel,
    history: usize,
    pool: &Pool,
    cancel: &Cancel,
) -> Result<(PricePanel, Vec<Timestamp>)> {
    Ok(task::one(pool, cancel, move |cancel| {
        let times = alignment.times(&panel, history, cancel)?;
        Ok((panel, times))
    })?)
}

/// Tells the user what there is to know of how the weights were found.
pub fn noticed(allocation: Allocation) -> Allocation {
    if let Some(notice) = &allocation.notice {
        notice!("{notice}");
    }
    allocation
}

/// Numbers as a JSON object by ticker.
pub fn by_ticker<'a>(tickers: &[String], values: impl IntoIterator<Item = &'a f64>) -> Json {
    let values = values.into_iter().map(|value| Value::from(*value));
    Json(Value::Object(tickers.iter().cloned().zip(values).collect()))
}
