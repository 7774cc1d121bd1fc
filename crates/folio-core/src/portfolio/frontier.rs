//! The efficient frontier, and how given weights do.

use std::collections::BTreeMap;

use ndarray::Array1;
use serde_json::Value;

use super::benchmark;
use super::covariance::Covariance;
use super::limit::turnover::TradeCosts;
use super::market::Market;
use super::objective::{self, Constraints, MAX_SHARPE, MIN_VOLATILITY, efficient_return};
use super::solver::quadratic::variance;
use super::universe::Universe;
use crate::input;
use crate::rate::{self, Kind};
use crate::task::Cancel;
use crate::{Error, Result};

/// The most points of a frontier; a chart shows no more.
pub const MAX_POINTS: i64 = 1000;

/// A portfolio of the frontier.
#[derive(Debug, Clone, PartialEq)]
pub struct FrontierPoint {
    /// The expected total return, a year, net of what the trades to the weights cost, where the constraints say that.
    pub expected_return: f64,
    /// The volatility, a year.
    pub volatility: f64,
    /// The Sharpe ratio; `None` without risk.
    pub sharpe_ratio: Option<f64>,
    /// The weights, in the order of the tickers.
    pub weights: Array1<f64>,
}

/// Portfolios of least risk from the one of least volatility to the one of the largest return, in equal steps of
/// return, net of costs. `points` is at least 2.
///
/// # Errors
/// Those of [`problem::optimize`], and [`Error::InvalidArgument`] for `points`.
pub fn efficient_frontier(
    market: &Market<'_>,
    constraints: &Constraints,
    points: i64,
    cancel: &Cancel,
) -> Result<Vec<FrontierPoint>> {
    let points = input::whole("points", points, 2..=MAX_POINTS, "")?;
    if let Some(most) = constraints.limits.cardinality.max_assets {
        let expected = "none: a heuristic's portfolios are no frontier";
        return Err(input::invalid("max_assets", format!("{most}, for a frontier"), expected));
    }
    let free = constraints.without_transaction_cost();
    let first = objective::optimize(market, MIN_VOLATILITY, &free, cancel)?;
    let costs = TradeCosts::of(&constraints.limits.trades, market.covariance.universe())?;
    let largest = objective::largest_return(market, &constraints.limits, cancel)?;
    let least = market.returns.dot(&first) - costs.of_trades_to(&first);
    let mut frontier = vec![describe(market, first, &costs)];
    for step in 1..points {
        let target = least + (largest - least) * step as f64 / (points - 1) as f64;
        let weights = efficient_return::least_volatile(market, &constraints.limits, target, cancel);
        // Between the least and the largest there is a portfolio for each return.
        let weights = weights.map_err(|error| match error {
            Error::Infeasible { .. } => Error::SolverFailed {
                status: format!("no point {} of {points} of the frontier, a return of {target}", step + 1),
            },
            error => error,
        })?;
        frontier.push(describe(market, weights, &costs));
    }
    Ok(frontier)
}

/// The frontier among the tickers that it is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct RiskMap {
    /// The frontier.
    pub frontier: Vec<FrontierPoint>,
    /// The portfolio of the largest Sharpe ratio; `None` where none beats the risk-free rate.
    pub max_sharpe: Option<FrontierPoint>,
    /// The tickers.
    pub tickers: Vec<String>,
    /// What is expected of each ticker alone, in the order of the tickers.
    pub single: Vec<Performance>,
}

/// The frontier, its portfolio of the largest Sharpe ratio, and each ticker alone.
///
/// # Errors
/// As [`efficient_frontier`].
pub fn risk_map(
    market: &Market<'_>,
    constraints: &Constraints,
    points: i64,
    cancel: &Cancel,
) -> Result<RiskMap> {
    let frontier = efficient_frontier(market, constraints, points, cancel)?;
    let max_sharpe = match objective::optimize(market, MAX_SHARPE, constraints, cancel) {
        Ok(weights) => {
            let costs = TradeCosts::of(&constraints.limits.trades, market.covariance.universe())?;
            Some(describe(market, weights, &costs))
        }
        // The constraints have a portfolio, as there is a frontier: it is the risk-free rate that none beats.
        Err(Error::Infeasible { .. }) => None,
        Err(error) => return Err(error),
    };
    let tickers = market.covariance.universe().tickers().to_vec();
    let alone = |index: usize| Array1::from_shape_fn(tickers.len(), |i| f64::from(u8::from(i == index)));
    let single = (0..tickers.len()).map(|index| {
        cancel.check()?;
        Ok(performance(market, &alone(index), None))
    });
    let single = single.collect::<Result<Vec<Performance>>>()?;
    Ok(RiskMap { frontier, max_sharpe, tickers, single })
}

fn describe(market: &Market<'_>, weights: Array1<f64>, costs: &TradeCosts) -> FrontierPoint {
    let performance = performance(market, &weights, None);
    let cost = costs.of_trades_to(&weights);
    FrontierPoint {
        expected_return: performance.expected_return - cost,
        volatility: performance.volatility,
        sharpe_ratio: performance.sharpe_ratio.map(|ratio| ratio - cost / performance.volatility),
        weights,
    }
}

/// What is expected of weights. All figures are a year.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Performance {
    /// The expected total return.
    pub expected_return: f64,
    /// The volatility.
    pub volatility: f64,
    /// The excess return for each unit of volatility; `None` without risk.
    pub sharpe_ratio: Option<f64>,
    /// The volatility of the difference to the benchmark's return; `None` without a benchmark.
    pub tracking_error: Option<f64>,
    /// The sum of the weights that change from the benchmark, |w - b|; `None` without a benchmark.
    pub turnover: Option<f64>,
}

/// What a market expects of weights, beside a benchmark or the weights held before.
///
/// Weights that sum to zero finance themselves, so their excess return is their return.
pub fn performance(
    market: &Market<'_>,
    weights: &Array1<f64>,
    benchmark: Option<&Array1<f64>>,
) -> Performance {
    let expected_return = market.returns.dot(weights);
    let risk = volatility(market.covariance, weights);
    let excess = expected_return - weights.sum() * market.risk_free_rate;
    let active = benchmark.map(|benchmark| weights - benchmark);
    Performance {
        expected_return,
        volatility: risk,
        sharpe_ratio: (risk > 0.0).then(|| excess / risk),
        tracking_error: active.as_ref().map(|active| volatility(market.covariance, active)),
        turnover: active.map(|active| active.iter().map(|change| change.abs()).sum()),
    }
}

/// Weights by ticker from JSON, `{"AAPL": 0.3, "MSFT": 0.7}`; a ticker that is not named has the weight 0.
///
/// # Errors
/// [`Error::UnknownName`] for a ticker outside the universe, [`Error::InvalidArgument`] for anything but shares.
pub fn parse_weights(argument: &'static str, value: &Value, universe: &Universe) -> Result<Array1<f64>> {
    let weights: BTreeMap<String, f64> = rate::by_name(argument, Kind::Weight, value)?;
    universe.join_or(&weights, 0.0).map(Array1::from)
}

/// How far the sum of weights may lie over one: what people round to tenths of a percent.
const SUM: f64 = 1e-3;

/// What weights leave in cash, which earns the risk-free rate; 0 where they sum to about one.
///
/// # Errors
/// [`Error::InvalidArgument`] for a sum over one: nobody says what the borrowed money costs.
pub(crate) fn cash(argument: &'static str, weights: &Array1<f64>) -> Result<f64> {
    let sum = weights.sum();
    if sum > 1.0 + SUM {
        let expected =
            "weights that sum to at most 1; what they leave of 1 is cash, which earns the risk-free rate";
        return Err(input::invalid(argument, format!("a sum of {sum}"), expected));
    }
    Ok(if sum < 1.0 - SUM { 1.0 - sum } else { 0.0 })
}

/// A benchmark by ticker from JSON: the same, or the name of one ticker.
///
/// # Errors
/// Those of [`parse_weights`].
pub(crate) fn parse_benchmark(value: &Value, universe: &Universe) -> Result<Array1<f64>> {
    universe.join_or(&benchmark::weights(value)?, 0.0).map(Array1::from)
}

/// The volatility of weights.
pub(crate) fn volatility(covariance: &Covariance, weights: &Array1<f64>) -> f64 {
    variance(covariance.matrix(), weights.view()).max(0.0).sqrt()
}

/// The share of each ticker in the variance, w_i (Sigma w)_i / w'Sigma w; they sum to one. `None` for weights without
/// risk.
pub fn risk_contributions(covariance: &Covariance, weights: &Array1<f64>) -> Option<Array1<f64>> {
    let marginal = covariance.matrix().dot(weights);
    let total = weights.dot(&marginal);
    (total > 0.0).then(|| weights * &marginal / total)
}
