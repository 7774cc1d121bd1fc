//! The whole calls: what the SQL functions ask for, in one value, and the rows that they return.

use ndarray::{Array1, Array2};
use serde_json::Value;

use super::black_litterman::{self, Omega, ViewReport};
use super::covariance::{Covariance, CovarianceMethod};
use super::frontier::{self, FrontierPoint, Performance, RiskMap};
use super::market::{self, Market, MarketCaps, Prior, RiskAversion, RiskFreeRate, Tau};
use super::objective::{self, Constraints, MAX_SHARPE, Objective};
use super::scenario;
use super::views::Views;
use crate::Result;
use crate::panel::ReturnPanel;
use crate::task::Cancel;

/// What is asked for. Every part was validated by its own constructor; [`Request::default`] is an equal prior, no
/// views, Ledoit-Wolf, the largest Sharpe ratio, long only.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The views, for `black_litterman`.
    pub views: Views,
    /// The uncertainty of the views; without it each view's own.
    pub omega: Omega,
    /// Market capitalisations; without them the market weights are equal.
    pub market_caps: Option<MarketCaps>,
    /// The prior; without it `market` where there are capitalisations, else `equal`.
    pub prior: Option<Prior>,
    /// The price of risk.
    pub risk_aversion: RiskAversion,
    /// The uncertainty of the prior.
    pub tau: Tau,
    /// The risk-free rate a year.
    pub risk_free_rate: RiskFreeRate,
    /// How the covariance is estimated.
    pub covariance: CovarianceMethod,
    /// What the weights are to be best at.
    pub objective: &'static dyn Objective,
    /// What the weights must keep to.
    pub constraints: Constraints,
}

impl Default for Request {
    fn default() -> Request {
        Request {
            views: Views::default(),
            omega: Omega::PerView,
            market_caps: None,
            prior: None,
            risk_aversion: RiskAversion::default(),
            tau: Tau::default(),
            risk_free_rate: RiskFreeRate::default(),
            covariance: CovarianceMethod::default(),
            objective: MAX_SHARPE,
            constraints: Constraints::default(),
        }
    }
}

/// The row of one ticker. Returns and volatilities are a year; returns are total, the risk-free rate included.
#[derive(Debug, Clone, PartialEq)]
pub struct Holding {
    /// The ticker.
    pub ticker: String,
    /// Its share of the market capitalisation, or 1/N where none was given.
    pub market_weight: f64,
    /// The expected return before the views.
    pub prior_return: f64,
    /// What the views alone would make of it, if all of them held with certainty; `None` where no view touches it.
    pub view_return: Option<f64>,
    /// The expected return after the views; without views the prior's.
    pub posterior_return: f64,
    /// The volatility after the views: the square root of the diagonal of Sigma + M.
    pub posterior_volatility: f64,
    /// The weight.
    pub weight: f64,
    /// The weight less the market's.
    pub active_weight: f64,
    /// The share of the portfolio's variance, which sums to one; `None` for a portfolio without risk.
    pub risk_contribution: Option<f64>,
}

/// The answer of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Allocation {
    /// A row for each ticker, in the order of the panel.
    pub holdings: Vec<Holding>,
    /// A row for each view, in the order of the views.
    pub views: Vec<ViewReport>,
    /// The expected total return of the weights.
    pub expected_return: f64,
    /// Their volatility.
    pub volatility: f64,
    /// Their Sharpe ratio; `None` for a portfolio without risk.
    pub sharpe_ratio: Option<f64>,
    /// The volatility of the difference to the benchmark's weights, which are the market's where none was named.
    pub tracking_error: f64,
    /// The sum of |w - w0| from the current weights; `None` where none were given.
    pub turnover: Option<f64>,
    /// What to know of how the weights were found, where they may not be the best ones.
    pub notice: Option<String>,
    /// The covariance that the weights were chosen with, in the order of the panel.
    pub covariance: Array2<f64>,
}

/// What to know of an optimum that is the assumption that went in.
pub const EQUAL_BY_CONSTRUCTION: &str = "the weights are 1/N by construction: the prior \"equal\" expects the returns at \
    which 1/N has the largest Sharpe ratio; give market_caps, views, another prior or another objective";

/// Weights that differ by less are the same, and smaller ones are held by nobody.
const SAME: f64 = 1e-9;

/// What both calls know before there are views.
struct Ground {
    covariance: Covariance,
    market_weights: Array1<f64>,
    prior: Array1<f64>,
}

impl Request {
    fn ground(&self, returns: &ReturnPanel, cancel: &Cancel) -> Result<Ground> {
        let covariance = self.covariance.estimate(returns, cancel)?;
        let universe = covariance.universe();
        let caps = self.market_caps.as_ref().map(|caps| caps.weights(universe)).transpose()?;
        let default = if caps.is_some() { Prior::Market } else { Prior::Equal };
        let prior = self.prior.as_ref().unwrap_or(&default).returns(
            caps.as_ref(),
            returns,
            &covariance,
            self.risk_aversion,
            self.risk_free_rate.value(),
            cancel,
        )?;
        let market_weights = caps.unwrap_or_else(|| market::equal_weights(universe.len()));
        Ok(Ground { covariance, market_weights, prior })
    }

    /// The covariance Sigma + M, and everything else that the views make of the prior.
    fn posterior(&self, ground: &Ground, cancel: &Cancel) -> Result<(Covariance, black_litterman::Outcome)> {
        let universe = ground.covariance.universe();
        let views =
            self.views.resolve(universe, &self.constraints.limits.groups.labels, &ground.market_weights)?;
        let model = black_litterman::Model {
            covariance: ground.covariance.matrix(),
            prior: &ground.prior,
            views: &views,
            omega: &self.omega,
            tau: self.tau,
            risk_aversion: self.risk_aversion,
            risk_free_rate: self.risk_free_rate.value(),
        };
        let outcome = model.solve(cancel)?;
        let covariance = Covariance::derived(universe.clone(), outcome.posterior.covariance.clone());
        Ok((covariance, outcome))
    }

    /// Does something with the posterior, or with the prior where there are no views.
    fn with_market<T>(
        &self,
        returns: &ReturnPanel,
        cancel: &Cancel,
        work: impl FnOnce(&Market<'_>) -> Result<T>,
    ) -> Result<T> {
        let ground = self.ground(returns, cancel)?;
        let market = |covariance: &Covariance, expected: &Array1<f64>| {
            work(&Market {
                covariance,
                returns: expected,
                risk_aversion: self.risk_aversion,
                risk_free_rate: self.risk_free_rate.value(),
                market_weights: Some(&ground.market_weights),
                history: Some(returns.returns()),
            })
        };
        if self.is_silent() {
            // A view that nobody is confident in is a view all the same: its names have to be right.
            let labels = &self.constraints.limits.groups.labels;
            self.views.resolve(ground.covariance.universe(), labels, &ground.market_weights)?;
            return market(&ground.covariance, &ground.prior);
        }
        let (covariance, outcome) = self.posterior(&ground, cancel)?;
        market(&covariance, &outcome.posterior.mean)
    }

    /// Whether no view says anything.
    fn is_silent(&self) -> bool {
        self.views.is_silent() && (self.views.views().is_empty() || self.omega == Omega::PerView)
    }

    fn turnover(&self, covariance: &Covariance, weights: &Array1<f64>) -> Result<Option<f64>> {
        let Some(current) = &self.constraints.limits.trades.current_weights else { return Ok(None) };
        let current = Array1::from(covariance.universe().join_or(current, 0.0)?);
        Ok(Some((weights - &current).iter().map(|change| change.abs()).sum()))
    }

    /// Whether the largest Sharpe ratio is where it was put: equal weights are what the equal prior is made of.
    pub fn is_equal_by_construction(&self) -> bool {
        let equal = match &self.prior {
            None => self.market_caps.is_none(),
            Some(prior) => *prior == Prior::Equal,
        };
        equal && self.is_silent() && self.objective == MAX_SHARPE
    }

    /// What to know of the weights.
    fn notice(&self, market: &Market<'_>, weights: &Array1<f64>, cancel: &Cancel) -> Result<Option<String>> {
        let share = 1.0 / weights.len() as f64;
        let is_equal = weights.len() > 1 && weights.iter().all(|weight| (weight - share).abs() < SAME);
        if is_equal && self.is_equal_by_construction() {
            return Ok(Some(EQUAL_BY_CONSTRUCTION.to_owned()));
        }
        let Some(most) = self.constraints.limits.cardinality.max_assets else { return Ok(None) };
        let all =
            objective::optimize(market, self.objective, &self.constraints.without_max_assets(), cancel)?;
        let held = all.iter().filter(|weight| weight.abs() > SAME).count();
        Ok((held > most).then(|| {
            format!(
                "max_assets {most} is met by backward elimination, a heuristic: other tickers may be better"
            )
        }))
    }

    #[expect(clippy::too_many_arguments, reason = "what the two calls know, put together once")]
    fn allocate(
        &self,
        ground: &Ground,
        history: &Array2<f64>,
        covariance: &Covariance,
        expected: &Array1<f64>,
        view_returns: &[Option<f64>],
        views: Vec<ViewReport>,
        cancel: &Cancel,
    ) -> Result<Allocation> {
        let rate = self.risk_free_rate.value();
        let market = Market {
            covariance,
            returns: expected,
            risk_aversion: self.risk_aversion,
            risk_free_rate: rate,
            market_weights: Some(&ground.market_weights),
            history: Some(history),
        };
        let weights = objective::optimize(&market, self.objective, &self.constraints, cancel)?;
        let contributions = frontier::risk_contributions(covariance, &weights);
        let volatilities = covariance.volatility();
        let holding = |i: usize| Holding {
            ticker: covariance.universe().tickers()[i].clone(),
            market_weight: ground.market_weights[i],
            prior_return: ground.prior[i],
            view_return: view_returns.get(i).copied().flatten(),
            posterior_return: expected[i],
            posterior_volatility: volatilities[i],
            weight: weights[i],
            active_weight: weights[i] - ground.market_weights[i],
            risk_contribution: contributions.as_ref().map(|shares| shares[i]),
        };
        let benchmark = match &self.constraints.limits.tracking.benchmark {
            Some(weights) => Array1::from(covariance.universe().join_or(weights, 0.0)?),
            None => ground.market_weights.clone(),
        };
        let performance = frontier::performance(&market, &weights, Some(&benchmark));
        Ok(Allocation {
            holdings: (0..weights.len()).map(holding).collect(),
            views,
            expected_return: performance.expected_return,
            volatility: performance.volatility,
            sharpe_ratio: performance.sharpe_ratio,
            tracking_error: performance.tracking_error.unwrap_or_default(),
            turnover: self.turnover(covariance, &weights)?,
            notice: self.notice(&market, &weights, cancel)?,
            covariance: covariance.matrix().clone(),
        })
    }
}

/// Prior and views become weights. The weights are chosen on the posterior mean and on Sigma + M; without views that
/// is the prior with a covariance of Sigma (1 + tau). What looks at days, `min_cvar` and `min_cdar`, looks at those of the
/// history moved to that mean and covariance ([`super::scenario`]).
///
/// # Errors
/// Those of the parts: [`crate::Error::UnknownName`], [`crate::Error::InvalidArgument`],
/// [`crate::Error::InvalidView`], [`crate::Error::TooShort`], [`crate::Error::Infeasible`],
/// [`crate::Error::SolverFailed`], [`crate::Error::Cancelled`].
pub fn black_litterman(request: &Request, returns: &ReturnPanel, cancel: &Cancel) -> Result<Allocation> {
    let ground = request.ground(returns, cancel)?;
    let (covariance, outcome) = request.posterior(&ground, cancel)?;
    let moved = if request.objective.looks_at_days() {
        let (mean, periods) = (&outcome.posterior.mean, returns.periods_per_year());
        Some(scenario::of_posterior(returns.returns(), mean, covariance.matrix(), periods, cancel)?)
    } else {
        None
    };
    request.allocate(
        &ground,
        moved.as_ref().unwrap_or(returns.returns()),
        &covariance,
        &outcome.posterior.mean,
        &outcome.view_returns,
        outcome.reports,
        cancel,
    )
}

/// Weights from the prior alone, on Sigma: no views, no tau.
///
/// # Errors
/// As [`black_litterman`]; [`crate::Error::InvalidArgument`] where the request has views.
pub fn optimize_portfolio(request: &Request, returns: &ReturnPanel, cancel: &Cancel) -> Result<Allocation> {
    if !request.views.views().is_empty() {
        return Err(crate::Error::InvalidArgument {
            argument: "views",
            value: format!("{} views", request.views.views().len()),
            expected: "none; views belong to black_litterman".to_owned(),
        });
    }
    let ground = request.ground(returns, cancel)?;
    request.allocate(&ground, returns.returns(), &ground.covariance, &ground.prior, &[], Vec::new(), cancel)
}

/// The efficient frontier of the posterior, or of the prior where the request has no views, from the least
/// volatility to the largest return in equal steps of return. The request's objective is not looked at.
///
/// # Errors
/// As [`black_litterman`], and [`crate::Error::InvalidArgument`] for `points` outside 2 to
/// [`frontier::MAX_POINTS`].
pub fn efficient_frontier(
    request: &Request,
    returns: &ReturnPanel,
    points: i64,
    cancel: &Cancel,
) -> Result<Vec<FrontierPoint>> {
    request.with_market(returns, cancel, |market| {
        frontier::efficient_frontier(market, &request.constraints, points, cancel)
    })
}

/// [`efficient_frontier`] among the tickers that it is made of, with the portfolio of the largest Sharpe ratio.
///
/// # Errors
/// As [`efficient_frontier`].
pub fn risk_map(request: &Request, returns: &ReturnPanel, points: i64, cancel: &Cancel) -> Result<RiskMap> {
    request.with_market(returns, cancel, |market| {
        frontier::risk_map(market, &request.constraints, points, cancel)
    })
}

/// What the posterior, or the prior where the request has no views, expects of weights, `{"AAPL": 0.3, ...}`; beside
/// a benchmark where one is given. What the weights leave of one is cash, which earns the risk-free rate, as it does in a
/// backtest. The request's objective and constraints are not looked at.
///
/// # Errors
/// As [`black_litterman`], [`crate::Error::UnknownName`] for a ticker of the weights outside the panel, and
/// [`crate::Error::InvalidArgument`] for weights of more than one.
pub fn portfolio_performance(
    request: &Request,
    returns: &ReturnPanel,
    weights: &Value,
    benchmark: Option<&Value>,
    cancel: &Cancel,
) -> Result<Performance> {
    request.with_market(returns, cancel, |market| {
        let universe = market.covariance.universe();
        let weights = frontier::parse_weights("weights", weights, universe)?;
        let benchmark = benchmark.map(|value| frontier::parse_benchmark(value, universe)).transpose()?;
        let interest = frontier::cash("weights", &weights)? * market.risk_free_rate;
        let performance = frontier::performance(market, &weights, benchmark.as_ref());
        Ok(Performance { expected_return: performance.expected_return + interest, ..performance })
    })
}
