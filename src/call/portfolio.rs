//! The calls that build a portfolio from returns, or look at one.

use folio_core::panel::{PricePanel, ReturnPanel, Times};
use folio_core::portfolio::backtest::{self, Backtest, Day, OnFailure, Rebalance, Track, Trade};
use folio_core::portfolio::benchmark::Benchmark;
use folio_core::portfolio::covariance::CovarianceMethod;
use folio_core::portfolio::market::{MarketCaps, Prior, RiskAversion, RiskFreeRate, Tau};
use folio_core::portfolio::memory;
use folio_core::portfolio::objective::{self, Constraints};
use folio_core::portfolio::request::{Allocation, EQUAL_BY_CONSTRUCTION, Request};
use folio_core::portfolio::track_record::TrackRecord;
use folio_core::portfolio::view_input;
use folio_core::task::{self, Cancel};
use pgrx::prelude::*;
use serde_json::Value;

use super::periods;
use crate::arguments::Arguments;
use crate::backend::budget::{self, Held, HeldBy};
use crate::backend::datum::{Json, Names};
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
                .filter(|Json(caps)| !caps.is_null())
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

    /// Reads the prices and computes on the pool, from returns on the days that all tickers have.
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
        let pool = Pool::start(1)?;
        let panel = prices::read(&selection, &settings)?;
        budget::reserve(memory::check(&panel, settings.memory_limit)?)?;
        let result_bytes = memory::result_bytes(&panel);
        let (result, remark) = task::one(&pool, &pool::cancel_flag(), move |cancel| {
            let returns = aligned(&panel, selection.history)?.with_periods(periods);
            Ok((work(&returns, cancel)?, periods.remark(returns.frequency())))
        })?;
        periods::say(remark);
        Ok((result, budget::hold(result_bytes)?))
    }

    /// Weights by one of the engine's whole calls.
    pub fn allocate(self, allocate: Allocate) -> Result<Allocation> {
        let request = self.request()?;
        self.compute(move |returns, cancel| allocate(&request, returns, cancel))
    }

    /// What is tested; NULL takes the engine's default.
    fn tested(&self) -> Result<Backtest> {
        let benchmark = self.benchmark.as_deref().map(Benchmark::parse).transpose()?;
        let backtest = Backtest {
            request: self.request()?,
            rebalance: self.rebalance.as_deref().map_or(Ok(Rebalance::default()), Rebalance::parse)?,
            lookback: self.lookback.map_or(Ok(backtest::DEFAULT_LOOKBACK), backtest::lookback)?,
            transaction_cost: self.transaction_cost.unwrap_or(0.0),
            hold_benchmark: holds(self.tickers.as_ref(), benchmark.as_ref()),
            benchmark,
            on_failure: self.on_failure.as_deref().map_or(Ok(OnFailure::default()), OnFailure::parse)?,
        };
        Ok(backtest.validated()?)
    }

    /// Runs a backtest. A benchmark is read with the tickers that may be held, and without a history all prices.
    pub fn backtest(mut self) -> Result<Tested> {
        let backtest = self.tested()?;
        if backtest.request.is_equal_by_construction()
            && backtest.request.constraints == Constraints::default()
        {
            notice!("{EQUAL_BY_CONSTRUCTION}");
        }
        let settings = Settings::read();
        self.history = self.history.or(Some(i64::MAX));
        let mut selection = self.selection(&settings)?;
        let periods = settings.periods_per_year(self.periods_per_year)?;
        let benchmark = match &backtest.benchmark {
            Some(Benchmark::Ticker(ticker)) if !backtest.hold_benchmark => Some(ticker.clone()),
            _ => None,
        };
        selection.tickers.iter_mut().for_each(|tickers| tickers.extend(benchmark.clone()));
        let pool = Pool::start(settings.threads_per_call)?;
        let panel = prices::read(&selection, &settings)?;
        let (threads, limit) = (pool.threads(), settings.memory_limit);
        budget::reserve(memory::check_backtest(&panel, backtest.lookback, threads, limit)?)?;
        let result_bytes = memory::result_bytes(&panel);
        let cancel = pool::cancel_flag();
        let returns =
            task::one(&pool, &cancel, move |_| aligned(&panel, selection.history))?.with_periods(periods);
        let track = backtest::run(backtest, &returns, &pool, &cancel)?;
        periods::say(periods.remark(returns.frequency()));
        Ok(Tested { track, times: returns.times(), result_bytes })
    }
}

/// A backtest that was run.
pub struct Tested {
    pub track: Track,
    /// What its times are.
    pub times: Times,
    result_bytes: usize,
}

impl Tested {
    /// The days, which count as memory until they are gone.
    pub fn days(self) -> Result<HeldBy<std::vec::IntoIter<Day>>> {
        Ok(budget::hold(self.result_bytes)?.by(self.track.days.into_iter()))
    }

    /// The trades, likewise.
    pub fn trades(self) -> Result<HeldBy<std::vec::IntoIter<Trade>>> {
        let trades = self.track.trades;
        let tickers = trades.first().map_or(0, |trade| trade.weights.len());
        Ok(budget::hold(memory::weights_bytes(trades.len(), tickers))?.by(trades.into_iter()))
    }

    /// What it comes to.
    pub fn record(&self) -> TrackRecord {
        TrackRecord::of(&self.track)
    }
}

/// Whether the benchmark was asked for as a ticker to hold; among all tickers it was not.
fn holds(tickers: Option<&Names>, benchmark: Option<&Benchmark>) -> bool {
    let Some(Benchmark::Ticker(benchmark)) = benchmark else { return false };
    tickers.is_some_and(|Names(tickers)| tickers.iter().any(|ticker| ticker.as_deref() == Some(benchmark)))
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

/// The newest returns on the days that all tickers have a price.
fn aligned(panel: &PricePanel, history: usize) -> folio_core::Result<ReturnPanel> {
    ReturnPanel::aligned(panel, history - 1, MIN_RETURNS)
}
