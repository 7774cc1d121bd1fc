//! From weights to whole shares, by a rule of thumb or exactly.

use std::collections::BTreeMap;

use super::universe::Universe;
use super::whole_shares;
use crate::input;
use crate::panel::{PricePanel, Series};
use crate::task::Cancel;
use crate::{Error, Result, work};

/// How whole shares are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// Rounded down, then one share at a time to the ticker furthest under its weight.
    #[default]
    Greedy,
    /// The least sum of |shares price - weight value|.
    Exact,
}

impl Method {
    /// The names in SQL.
    const ALL: [(&'static str, Method); 2] = [("greedy", Method::Greedy), ("exact", Method::Exact)];

    /// # Errors
    /// [`Error::UnknownName`] with the valid names.
    pub fn parse(name: &str) -> Result<Method> {
        let found = Method::ALL.iter().find(|(known, _)| *known == name.trim()).map(|(_, method)| *method);
        found.ok_or_else(|| Error::UnknownName {
            kind: "method",
            name: name.to_owned(),
            valid: Method::ALL.iter().map(|(name, _)| (*name).to_owned()).collect(),
        })
    }
}

/// The most shares of a ticker: beyond this not every whole number is a double, so that one share more is none.
const MAX_SHARES: f64 = (1_u64 << 53) as f64;

/// The most money on a side of a portfolio: a few times as much is still a double.
const MAX_VALUE: f64 = 1e300;

/// What the value has to be.
const EXPECTED_VALUE: &str = "money, over 0 and at most 1e300 on a side";

/// The most single shares that are bought for each ticker after its weight was rounded down. A ticker with one more than
/// that has its weight, so there is one; rounding may add another.
const MAX_EXTRA: usize = 4;

/// What a ticker takes in a step of the greedy method.
const STEP: usize = 5;

/// What is said where an exact allocation was asked for and its search came to no end.
const NO_PROOF: &str = "greedy: exact came to no end";

/// Whole shares for weights.
#[derive(Debug, Clone, PartialEq)]
pub struct DiscreteAllocation {
    /// The number of shares of each ticker, in the order of the universe; negative for a short position.
    pub shares: Vec<i64>,
    /// The money that is left, of both sides of a portfolio with short positions.
    pub leftover: f64,
    /// How they were found.
    pub method: &'static str,
}

/// A row of an order list: a ticker's shares, or the cash that is left.
#[derive(Debug, Clone, PartialEq)]
pub struct Position {
    /// The ticker; `None` for cash.
    pub ticker: Option<String>,
    /// The number of shares, negative for a short position; `None` for cash.
    pub shares: Option<i64>,
    /// The last price; `None` for cash.
    pub price: Option<f64>,
    /// What the position is worth.
    pub amount: f64,
    /// Its share of the whole value.
    pub weight: f64,
    /// How the shares were found.
    pub method: &'static str,
}

/// Reads weights by ticker, `{"AAPL": 0.3, ...}`.
///
/// # Errors
/// [`Error::InvalidArgument`] for something that is not a finite number.
pub fn parse_weights(weights: &serde_json::Value) -> Result<BTreeMap<String, f64>> {
    input::numbers("weights", weights)
}

/// The order list of [`discrete_allocation`] at the last prices of the panel, sorted by ticker, cash last.
///
/// # Errors
/// Those of [`discrete_allocation`], and a ticker's own where it has no good prices.
pub fn positions(
    weights: &BTreeMap<String, f64>,
    panel: &PricePanel,
    value: f64,
    method: Method,
    cancel: &Cancel,
) -> Result<Vec<Position>> {
    let last = |series: &&Series| Some((series.ticker().to_owned(), *series.close().last()?));
    let prices: BTreeMap<String, f64> = panel.series()?.iter().filter_map(last).collect();
    let universe = Universe::new(&weights.keys().cloned().collect::<Vec<_>>())?;
    let bought = discrete_allocation(&universe, weights, &prices, value, method, cancel)?;
    let method = bought.method;
    let position = |(ticker, &shares): (&String, &i64)| {
        let price = prices[ticker];
        let amount = shares as f64 * price;
        Position {
            ticker: Some(ticker.clone()),
            shares: Some(shares),
            price: Some(price),
            amount,
            weight: amount / value,
            method,
        }
    };
    let mut positions: Vec<Position> = universe.tickers().iter().zip(&bought.shares).map(position).collect();
    let amount = bought.leftover;
    positions.push(Position {
        ticker: None,
        shares: None,
        price: None,
        amount,
        weight: amount / value,
        method,
    });
    Ok(positions)
}

/// Buys whole shares as near to the weights as money allows.
///
/// Exactly, that is the least sum of |shares price - weight value|, [`super::whole_shares`]; where its search comes to no
/// end, `method` of the result says so and the shares are the greedy ones. Greedily: first each ticker gets the shares that its weight pays for, rounded down. Then one share at a time goes to the
/// ticker whose share of the money spent is furthest under its weight, among those that can still be paid. This is
/// PyPortfolioOpt's `greedy_portfolio`. Short positions are a portfolio of their own, worth the sum of the short
/// weights for each unit of `value`.
///
/// `weights` and `prices` are by ticker; what has no weight is not bought.
///
/// # Errors
/// [`Error::UnknownName`] for a ticker outside the universe, [`Error::InvalidArgument`] for a missing price or one
/// that is not over zero, a value that is not over zero, weights without a long position or whose sum is not finite, a
/// value under the price of every share or one that buys over 2^53 of them; [`Error::Cancelled`].
pub fn discrete_allocation(
    universe: &Universe,
    weights: &BTreeMap<String, f64>,
    prices: &BTreeMap<String, f64>,
    value: f64,
    method: Method,
    cancel: &Cancel,
) -> Result<DiscreteAllocation> {
    let value = input::within("value", value, |value| value > 0.0 && value <= MAX_VALUE, EXPECTED_VALUE)?;
    let weights = universe.join_or(weights, 0.0)?;
    let prices = universe.join("prices", prices)?;
    for (ticker, (price, weight)) in universe.tickers().iter().zip(prices.iter().zip(&weights)) {
        for (argument, number, valid) in
            [("prices", *price, price.is_finite() && *price > 0.0), ("weights", *weight, weight.is_finite())]
        {
            if !valid {
                return Err(Error::InvalidArgument {
                    argument,
                    value: format!("{ticker}: {number}"),
                    expected: "finite numbers, prices over 0".to_owned(),
                });
            }
        }
    }
    let side = |sign: f64| -> Vec<f64> { weights.iter().map(|weight| (sign * weight).max(0.0)).collect() };
    let (longs, shorts) = (side(1.0), side(-1.0));
    let (long, short): (f64, f64) = (longs.iter().sum(), shorts.iter().sum());
    input::within("weights", long, f64::is_finite, "long weights with a finite sum")?;
    input::within("weights", short, f64::is_finite, "short weights with a finite sum")?;
    if long <= 0.0 {
        return Err(Error::InvalidArgument {
            argument: "weights",
            value: "no weight over 0".to_owned(),
            expected: "a long position".to_owned(),
        });
    }
    let buy = |weights: &[f64], total: f64, value: f64| {
        require_countable(universe, weights, total, &prices, value)?;
        buy(weights, total, &prices, value, method, cancel)
    };
    let bought = buy(&longs, long, value)?;
    input::within("value", value * short, |short| short <= MAX_VALUE, EXPECTED_VALUE)?;
    let sold = buy(&shorts, short, value * short)?;
    let shares: Vec<i64> = bought.shares.iter().zip(&sold.shares).map(|(long, short)| long - short).collect();
    if shares.iter().all(|count| *count == 0) {
        let wanted = (0..prices.len()).filter(|&i| weights[i] != 0.0).map(|i| prices[i]);
        let cheapest = wanted.fold(f64::INFINITY, f64::min);
        // Where one could be paid, none at all is what is nearest to the weights.
        if cheapest <= value {
            return Ok(DiscreteAllocation { shares, leftover: value, method: bought.method });
        }
        return Err(Error::InvalidArgument {
            argument: "value",
            value: value.to_string(),
            expected: format!("enough for one share: the cheapest costs {cheapest}"),
        });
    }
    let method = if sold.method == NO_PROOF { NO_PROOF } else { bought.method };
    Ok(DiscreteAllocation { shares, leftover: bought.leftover + sold.leftover, method })
}

/// Fails where the money of one side buys more shares of a ticker than can be counted.
fn require_countable(
    universe: &Universe,
    weights: &[f64],
    total: f64,
    prices: &[f64],
    value: f64,
) -> Result<()> {
    for (ticker, (weight, price)) in universe.tickers().iter().zip(weights.iter().zip(prices)) {
        let shares = weight / total * value / price;
        // A side without weights divides by zero, and buys nothing.
        if *weight > 0.0 && shares > MAX_SHARES {
            return Err(Error::InvalidArgument {
                argument: "value",
                value: format!("{value}, which buys {shares:e} shares of {ticker} at {price}"),
                expected: format!(
                    "at most {MAX_SHARES} shares of a ticker, beyond which they cannot be counted"
                ),
            });
        }
    }
    Ok(())
}

/// One side of a portfolio. Weights are not negative and sum to `total`.
fn buy(
    weights: &[f64],
    total: f64,
    prices: &[f64],
    value: f64,
    method: Method,
    cancel: &Cancel,
) -> Result<DiscreteAllocation> {
    if total <= 0.0 {
        return Ok(DiscreteAllocation { shares: vec![0; weights.len()], leftover: 0.0, method: "none" });
    }
    let (shares, leftover) = greedy(weights, total, prices, value, cancel)?;
    let greedy = DiscreteAllocation { shares, leftover, method: "greedy" };
    if method == Method::Greedy {
        return Ok(greedy);
    }
    let amounts: Vec<f64> = weights.iter().map(|weight| weight / total * value).collect();
    Ok(match whole_shares::nearest(prices, &amounts, value, &greedy.shares, cancel)? {
        None => DiscreteAllocation { method: NO_PROOF, ..greedy },
        Some(shares) => {
            let spent: f64 = shares.iter().zip(prices).map(|(count, price)| *count as f64 * price).sum();
            DiscreteAllocation { shares, leftover: value - spent, method: "exact" }
        }
    })
}

/// The shares of one side, and the money left. Weights are not negative and sum to `total`.
///
/// With r the amount that a ticker is short of, it is under its weight where its r / amount is over that of the whole. One
/// share more than its weight pays for makes its r negative, so a ticker is bought once, and the steps are no more than the
/// tickers, but for rounding.
fn greedy(
    weights: &[f64],
    total: f64,
    prices: &[f64],
    value: f64,
    cancel: &Cancel,
) -> Result<(Vec<i64>, f64)> {
    let ideal: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
    let mut shares: Vec<i64> =
        ideal.iter().zip(prices).map(|(share, price)| (share * value / price) as i64).collect();
    let spent = |shares: &[i64]| -> f64 {
        shares.iter().zip(prices).map(|(count, price)| *count as f64 * price).sum()
    };
    let mut left = value - spent(&shares);
    for _ in 0..MAX_EXTRA * prices.len() {
        cancel.check()?;
        work::count(STEP * prices.len());
        let invested = spent(&shares);
        let deficit = |i: usize| {
            let now = if invested > 0.0 { shares[i] as f64 * prices[i] / invested } else { 0.0 };
            ideal[i] - now
        };
        let affordable = (0..prices.len()).filter(|&i| prices[i] <= left && deficit(i) > 0.0);
        let Some(next) = affordable.max_by(|&a, &b| deficit(a).total_cmp(&deficit(b)).then(b.cmp(&a))) else {
            break;
        };
        shares[next] += 1;
        left -= prices[next];
    }
    Ok((shares, left))
}
