//! Why each weight is what it is: which limits bind on it, and what it would be without them.
//!
//! A limit binds on a ticker where the weights reach it and the ticker's weight counts in it. The same call without the limits
//! that bind on the ticker, and with all others, gives the weight and the portfolio that they cost: a re-solved difference
//! rather than a multiplier, so that it means the same for every objective, and holds for more than a small change.

use std::collections::BTreeMap;

use ndarray::Array1;

use super::limit::{Limits, Scope};
use super::request::{self, Allocation, Request};
use super::universe::{PerTicker, Universe};
use crate::Result;
use crate::panel::ReturnPanel;
use crate::task::Cancel;

/// How near to a limit weights are that have reached it: what solvers leave.
const REACHED: f64 = 1e-6;

/// The row of a ticker. Returns and volatilities are a year.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightReport {
    /// The ticker.
    pub ticker: String,
    /// Its weight.
    pub weight: f64,
    /// Its share of the market.
    pub market_weight: f64,
    /// What the prior expects of it.
    pub prior_return: f64,
    /// What the views add to that.
    pub view_pull: f64,
    /// Its share of the portfolio's variance.
    pub risk_contribution: Option<f64>,
    /// The limits that bind on it, in words.
    pub limits: Vec<String>,
    /// What they cost; `None` where none binds.
    pub without: Option<Without>,
}

/// The portfolio without the limits that bind on a ticker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Without {
    /// The ticker's weight.
    pub weight: f64,
    /// What the portfolio is expected to return.
    pub expected_return: f64,
    /// Its volatility.
    pub volatility: f64,
}

/// A limit that the weights have reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    Lower(usize),
    Upper(usize),
    GroupMin(String),
    GroupMax(String),
    Turnover,
    Gross,
    Tracking,
    Assets,
}

/// The weights of `black_litterman` and why they are what they are. Each set of limits that binds together on some ticker is a
/// computation more.
///
/// # Errors
/// Those of [`request::black_litterman`].
pub fn weight_report(request: &Request, returns: &ReturnPanel, cancel: &Cancel) -> Result<Vec<WeightReport>> {
    let allocation = request::black_litterman(request, returns, cancel)?;
    let universe = Universe::new(returns.tickers())?;
    let reached = match request.objective.scope() {
        scope if scope >= Scope::Weights => reached(request, &allocation, &universe)?,
        // What follows from the covariance keeps to no limit.
        _ => vec![Vec::new(); universe.len()],
    };
    let mut known: BTreeMap<Vec<Reached>, Allocation> = BTreeMap::new();
    let mut rows = Vec::with_capacity(universe.len());
    for (index, (holding, limits)) in allocation.holdings.iter().zip(reached).enumerate() {
        let names = limits.iter().map(|limit| limit.named(&request.constraints.limits, &universe));
        let names = names.collect::<Result<Vec<String>>>()?;
        let without = if limits.is_empty() {
            None
        } else {
            if !known.contains_key(&limits) {
                let freed = freed(request, &limits, &universe)?;
                known.insert(limits.clone(), request::black_litterman(&freed, returns, cancel)?);
            }
            known.get(&limits).map(|allocation| Without {
                weight: allocation.holdings[index].weight,
                expected_return: allocation.expected_return,
                volatility: allocation.volatility,
            })
        };
        rows.push(WeightReport {
            ticker: holding.ticker.clone(),
            weight: holding.weight,
            market_weight: holding.market_weight,
            prior_return: holding.prior_return,
            view_pull: holding.posterior_return - holding.prior_return,
            risk_contribution: holding.risk_contribution,
            limits: names,
            without,
        });
    }
    Ok(rows)
}

/// The limits that bind on each ticker.
fn reached(request: &Request, allocation: &Allocation, universe: &Universe) -> Result<Vec<Vec<Reached>>> {
    let limits = &request.constraints.limits;
    let set = limits.polytope(universe)?;
    let weights: Array1<f64> = allocation.holdings.iter().map(|holding| holding.weight).collect();
    let over_all = over_all(limits, allocation, &weights);
    let held = weights.iter().filter(|weight| weight.abs() > REACHED).count();
    let assets =
        limits.cardinality.max_assets.is_some_and(|most| held >= most) && allocation.notice.is_some();
    let mut of_each = Vec::with_capacity(weights.len());
    for (index, weight) in weights.iter().enumerate() {
        let mut found = Vec::new();
        if *weight <= set.lower[index] + REACHED {
            found.push(Reached::Lower(index));
        }
        // A whole portfolio of one ticker is not what nobody asked for.
        if *weight >= set.upper[index] - REACHED && set.upper[index] < 1.0 {
            found.push(Reached::Upper(index));
        }
        // The first row is the budget.
        for row in set.rows.iter().skip(1).filter(|row| row.coefficients[index] != 0.0) {
            let sum: f64 = row.coefficients.iter().zip(&weights).map(|(a, weight)| a * weight).sum();
            if sum <= row.lower + REACHED {
                found.push(Reached::GroupMin(row.name.clone()));
            }
            if sum >= row.upper - REACHED {
                found.push(Reached::GroupMax(row.name.clone()));
            }
        }
        found.extend(over_all.iter().cloned());
        if assets && weight.abs() <= REACHED {
            found.push(Reached::Assets);
        }
        of_each.push(found);
    }
    Ok(of_each)
}

/// The limits of all weights together that they have reached.
fn over_all(limits: &Limits, allocation: &Allocation, weights: &Array1<f64>) -> Vec<Reached> {
    let gross: f64 = weights.iter().map(|weight| weight.abs()).sum();
    let at = |limit: Option<f64>, found: Option<f64>| {
        limit.zip(found).is_some_and(|(limit, found)| found >= limit - REACHED)
    };
    let all = [
        (Reached::Turnover, at(limits.trades.max_turnover, allocation.turnover)),
        (Reached::Gross, at(limits.trades.max_gross, Some(gross))),
        (Reached::Tracking, at(limits.tracking.max_tracking_error, Some(allocation.tracking_error))),
    ];
    all.into_iter().filter(|(_, is_reached)| *is_reached).map(|(limit, _)| limit).collect()
}

impl Reached {
    /// As people say it.
    fn named(&self, limits: &Limits, universe: &Universe) -> Result<String> {
        let set = limits.polytope(universe)?;
        Ok(match self {
            Reached::Lower(index) if limits.bounds.min_weight.is_none() && set.lower[*index] == 0.0 => {
                "long only".to_owned()
            }
            Reached::Lower(index) => format!("min_weight {}", set.lower[*index]),
            Reached::Upper(index) => format!("max_weight {}", set.upper[*index]),
            Reached::GroupMin(name) => format!("{name} at least {}", limits.groups.group_min[name]),
            Reached::GroupMax(name) => format!("{name} at most {}", limits.groups.group_max[name]),
            Reached::Turnover => with("max_turnover", limits.trades.max_turnover),
            Reached::Gross => with("max_gross", limits.trades.max_gross),
            Reached::Tracking => with("max_tracking_error", limits.tracking.max_tracking_error),
            Reached::Assets => with("max_assets", limits.cardinality.max_assets),
        })
    }
}

fn with(key: &str, limit: Option<impl ToString>) -> String {
    limit.map_or_else(|| key.to_owned(), |limit| format!("{key} {}", limit.to_string()))
}

/// The request without these limits. A lower bound over zero falls to zero, another one to a short position of the whole value,
/// an upper bound rises to the whole.
fn freed(request: &Request, reached: &[Reached], universe: &Universe) -> Result<Request> {
    let mut freed = request.clone();
    let limits = &mut freed.constraints.limits;
    let set = limits.polytope(universe)?;
    for limit in reached {
        match limit {
            Reached::Lower(index) => {
                let least = if set.lower[*index] > 0.0 { 0.0 } else { -1.0 };
                limits.bounds.min_weight = Some(changed(universe, &set.lower, *index, least));
            }
            Reached::Upper(index) => {
                limits.bounds.max_weight = Some(changed(universe, &set.upper, *index, 1.0));
            }
            Reached::GroupMin(name) => drop(limits.groups.group_min.remove(name)),
            Reached::GroupMax(name) => drop(limits.groups.group_max.remove(name)),
            Reached::Turnover => limits.trades.max_turnover = None,
            Reached::Gross => limits.trades.max_gross = None,
            Reached::Tracking => limits.tracking.max_tracking_error = None,
            Reached::Assets => limits.cardinality.max_assets = None,
        }
    }
    Ok(freed)
}

/// These bounds with another one for one ticker.
fn changed(universe: &Universe, bounds: &[f64], index: usize, bound: f64) -> PerTicker {
    let mut all: BTreeMap<String, f64> =
        universe.tickers().iter().cloned().zip(bounds.iter().copied()).collect();
    all.insert(universe.tickers()[index].clone(), bound);
    PerTicker::Each(all)
}
