//! The efficient frontier, and how given weights do.

use std::collections::BTreeMap;

use ndarray::Array1;
use serde_json::Value;

use super::limit::constraint::Constraints;
use super::objective::problem::{self, Market, Objective};
use super::universe::{self, Universe};
use crate::task::Cancel;
use crate::{Error, Result};

/// The most points of a frontier; a chart shows no more.
pub const MAX_POINTS: usize = 1000;

/// A portfolio of the frontier.
#[derive(Debug, Clone, PartialEq)]
pub struct FrontierPoint {
    /// The expected total return, a year.
    pub expected_return: f64,
    /// The volatility, a year.
    pub volatility: f64,
    /// The Sharpe ratio; `None` without risk.
    pub sharpe_ratio: Option<f64>,
    /// The weights, in the order of the tickers.
    pub weights: Array1<f64>,
}

/// Portfolios of least risk from the one of least volatility to the one of the largest return, in equal steps of
/// return. `points` is at least 2.
///
/// # Errors
/// Those of [`problem::optimize`], and [`Error::InvalidArgument`] for `points`.
pub fn efficient_frontier(
    market: &Market<'_>,
    constraints: &Constraints,
    points: usize,
    cancel: &Cancel,
) -> Result<Vec<FrontierPoint>> {
    if !(2..=MAX_POINTS).contains(&points) {
        return Err(Error::InvalidArgument {
            argument: "points",
            value: points.to_string(),
            expected: format!("2 to {MAX_POINTS}"),
        });
    }
    if let Some(most) = constraints.max_assets {
        return Err(Error::InvalidArgument {
            argument: "max_assets",
            value: format!("{most}, for a frontier"),
            expected: "none: a heuristic's portfolios are no frontier".to_owned(),
        });
    }
    let free = constraints.without_transaction_cost();
    let first = problem::optimize(market, Objective::MinVolatility, &free, cancel)?;
    let largest = problem::largest_return(market, constraints, cancel)?;
    let least = market.returns.dot(&first);
    let mut frontier = vec![describe(market, first)];
    for step in 1..points {
        let target = least + (largest - least) * step as f64 / (points - 1) as f64;
        let constraints = Constraints { target_return: Some(target), ..constraints.clone() };
        let weights = problem::optimize(market, Objective::EfficientReturn, &constraints, cancel)?;
        frontier.push(describe(market, weights));
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
    points: usize,
    cancel: &Cancel,
) -> Result<RiskMap> {
    let frontier = efficient_frontier(market, constraints, points, cancel)?;
    let max_sharpe = match problem::optimize(market, Objective::MaxSharpe, constraints, cancel) {
        Ok(weights) => Some(describe(market, weights)),
        // The constraints have a portfolio, as there is a frontier: it is the risk-free rate that none beats.
        Err(Error::Infeasible { .. }) => None,
        Err(error) => return Err(error),
    };
    let tickers = market.covariance.universe().tickers().to_vec();
    let alone = |index: usize| Array1::from_shape_fn(tickers.len(), |i| f64::from(u8::from(i == index)));
    let single = (0..tickers.len()).map(|index| performance(market, &alone(index), None)).collect();
    Ok(RiskMap { frontier, max_sharpe, tickers, single })
}

fn describe(market: &Market<'_>, weights: Array1<f64>) -> FrontierPoint {
    let performance = performance(market, &weights, None);
    FrontierPoint {
        expected_return: performance.expected_return,
        volatility: performance.volatility,
        sharpe_ratio: performance.sharpe_ratio,
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
    let volatility = problem::volatility(market.covariance, weights);
    let excess = expected_return - weights.sum() * market.risk_free_rate;
    let active = benchmark.map(|benchmark| weights - benchmark);
    Performance {
        expected_return,
        volatility,
        sharpe_ratio: (volatility > 0.0).then(|| excess / volatility),
        tracking_error: active.as_ref().map(|active| problem::volatility(market.covariance, active)),
        turnover: active.map(|active| active.iter().map(|change| change.abs()).sum()),
    }
}

/// Weights by ticker from JSON, `{"AAPL": 0.3, "MSFT": 0.7}`; a ticker that is not named has the weight 0.
///
/// # Errors
/// [`Error::UnknownName`] for a ticker outside the universe, [`Error::InvalidArgument`] for anything but numbers.
pub fn parse_weights(argument: &'static str, value: &Value, universe: &Universe) -> Result<Array1<f64>> {
    let weights: BTreeMap<String, f64> = universe::numbers(argument, value)?;
    universe.join_or(&weights, 0.0).map(Array1::from)
}
