//! From weights to whole shares, by a rule of thumb or exactly.

use std::collections::BTreeMap;

use super::universe::Universe;
use super::whole_shares;
use crate::input;
use crate::panel::{PricePanel, Series};
use crate::rate::{self, Kind};
use crate::task::Cancel;
use crate::{Error, Result, work};

/// How whole shares are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// Rounded down, then one share at a time to the ticker furthest under its weight in what is invested.
    #[default]
    Greedy,
    /// The least sum of |shares price - weight value| that leaves the cash which the weights leave.
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

/// How far weights that were rounded may miss a sum of one, and still invest the whole value: those of a thousand tickers
/// with five decimals miss it by less than this.
const ROUNDED: f64 = 1e-3;

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
    /// The cash: what the shares leave of the value, short ones adding to it.
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
/// [`Error::InvalidArgument`] for something that is not a share, 60 for 60 % included.
pub fn parse_weights(weights: &serde_json::Value) -> Result<BTreeMap<String, f64>> {
    rate::by_name("weights", Kind::Weight, weights)
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

/// Whole shares as near to the weights as the money allows; the rest of the value is cash.
///
/// A weight is a share of `value`, and is kept as it is given: weights that sum to one half leave the other half in cash.
/// What the shares of both sides leave is cash too, and never less than what the weights leave, but for a share of a
/// cent: short positions are sold first, and what they bring is what there is more to buy with.
///
/// Exactly, that is the least sum of |shares price - weight value| of all whole shares that leave this cash, where a short
/// position is at most rounded up, [`super::whole_shares`]; where its search comes to no end, `method` of the result says
/// so and the shares are the greedy ones. Greedily: first each ticker gets the shares that its weight pays for, rounded
/// down. Then one share at a time goes to the ticker that is furthest under its weight in what is invested so far, of those
/// whose price is left (PyPortfolioOpt's rule), until no ticker that is under its weight can be paid for.
///
/// `weights` and `prices` are by ticker; what has no weight is not bought.
///
/// # Errors
/// [`Error::UnknownName`] for a ticker outside the universe, [`Error::InvalidArgument`] for a missing price or one
/// that is not over zero, a value that is not over zero, weights without a long position, or whose sum is not finite or over
/// one, a value under the price of every share or one that buys over 2^53 of them; [`Error::Cancelled`].
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
    require_numbers(universe, &weights, &prices)?;
    let money = invested(&weights, value)?;
    require_countable(universe, &weights, &prices, value)?;
    let account = Account { weights: &weights, prices: &prices, value, money };
    let greedy = account.greedy(cancel)?;
    let (shares, method) = match method {
        Method::Greedy => (greedy, "greedy"),
        Method::Exact => match account.nearest(&greedy, cancel)? {
            Some(shares) => (shares, "exact"),
            None => (greedy, NO_PROOF),
        },
    };
    let cheapest = (0..prices.len()).filter(|&i| weights[i] != 0.0).map(|i| prices[i]);
    let cheapest = cheapest.fold(f64::INFINITY, f64::min);
    // Where one could be paid, none at all is what is nearest to the weights.
    if cheapest > value && shares.iter().all(|count| *count == 0) {
        let expected = format!("enough for one share: the cheapest costs {cheapest}");
        return Err(input::invalid("value", value, expected));
    }
    Ok(DiscreteAllocation { leftover: value - account.worth(&shares), shares, method })
}

fn require_numbers(universe: &Universe, weights: &[f64], prices: &[f64]) -> Result<()> {
    for (ticker, (price, weight)) in universe.tickers().iter().zip(prices.iter().zip(weights)) {
        for (argument, number, valid) in
            [("prices", *price, price.is_finite() && *price > 0.0), ("weights", *weight, weight.is_finite())]
        {
            if !valid {
                let expected = "finite numbers, prices over 0";
                return Err(input::invalid(argument, format!("{ticker}: {number}"), expected));
            }
        }
    }
    Ok(())
}

/// The money that the weights invest, what short positions bring taken off.
fn invested(weights: &[f64], value: f64) -> Result<f64> {
    let side = |sign: f64| weights.iter().map(|weight| (sign * weight).max(0.0)).sum::<f64>();
    let (long, short) = (side(1.0), side(-1.0));
    input::within("weights", long, f64::is_finite, "long weights with a finite sum")?;
    input::within("weights", short, f64::is_finite, "short weights with a finite sum")?;
    if long <= 0.0 {
        return Err(input::invalid("weights", "no weight over 0", "a long position"));
    }
    for side in [long, short] {
        input::within("value", value * side, |money| money <= MAX_VALUE, EXPECTED_VALUE)?;
    }
    let sum = long - short;
    if (sum - 1.0).abs() <= ROUNDED {
        return Ok(value);
    }
    let expected = "a sum of at most 1: for what is over it there is no money";
    input::within("weights", sum, |sum| sum < 1.0, expected).map(|sum| sum * value)
}

/// Fails where the money of a ticker buys more shares of it than can be counted.
fn require_countable(universe: &Universe, weights: &[f64], prices: &[f64], value: f64) -> Result<()> {
    for (ticker, (weight, price)) in universe.tickers().iter().zip(weights.iter().zip(prices)) {
        let shares = weight.abs() * value / price;
        if shares > MAX_SHARES {
            let given = format!("{value}, which buys {shares:e} shares of {ticker} at {price}");
            let expected =
                format!("at most {MAX_SHARES} shares of a ticker, beyond which they cannot be counted");
            return Err(input::invalid("value", given, expected));
        }
    }
    Ok(())
}

/// What is to be allocated, in the order of the universe.
struct Account<'a> {
    weights: &'a [f64],
    prices: &'a [f64],
    value: f64,
    /// What all shares together may be worth, short ones taken off.
    money: f64,
}

impl Account<'_> {
    fn worth(&self, shares: &[i64]) -> f64 {
        shares.iter().zip(self.prices).map(|(count, price)| *count as f64 * price).sum()
    }

    /// The greedy shares of both sides.
    fn greedy(&self, cancel: &Cancel) -> Result<Vec<i64>> {
        let side = |sign: f64| -> Vec<f64> { self.weights.iter().map(|w| (sign * w).max(0.0)).collect() };
        let (longs, shorts) = (side(1.0), side(-1.0));
        let short = shorts.iter().sum::<f64>();
        let sold = greedy(&shorts, short, self.prices, short * self.value, cancel)?;
        let money = self.money + self.worth(&sold);
        let bought = greedy(&longs, longs.iter().sum(), self.prices, money, cancel)?;
        Ok(bought.iter().zip(&sold).map(|(long, short)| long - short).collect())
    }

    /// The exact shares; `None` where their search comes to no end.
    ///
    /// A short position is one share of it more than its weight sells, rounded down, and what is bought back of that:
    /// so all tickers are bought, from the money that these bring.
    fn nearest(&self, known: &[i64], cancel: &Cancel) -> Result<Option<Vec<i64>>> {
        let amounts = self.weights.iter().zip(self.prices);
        let sold = amounts.map(|(weight, price)| (-(weight * self.value) / price).max(0.0).ceil() as i64);
        let sold: Vec<i64> = sold.collect();
        let proceeds = |i: usize| sold[i] as f64 * self.prices[i];
        let amounts: Vec<f64> =
            (0..sold.len()).map(|i| (self.weights[i] * self.value + proceeds(i)).max(0.0)).collect();
        let money = self.money + (0..sold.len()).map(proceeds).sum::<f64>();
        let shifted: Vec<i64> = known.iter().zip(&sold).map(|(known, sold)| known + sold).collect();
        let found = whole_shares::nearest(self.prices, &amounts, money, &shifted, cancel)?;
        Ok(found.map(|shares| shares.iter().zip(&sold).map(|(bought, sold)| bought - sold).collect()))
    }
}

/// The shares of one side. Weights are not negative and sum to `total`; a side without any has none.
///
/// With r the amount that a ticker is short of, it is under its weight where its r / amount is over that of the whole. One
/// share more than its weight pays for makes its r negative, so a ticker is bought once, and the steps are no more than the
/// tickers, but for rounding.
fn greedy(weights: &[f64], total: f64, prices: &[f64], money: f64, cancel: &Cancel) -> Result<Vec<i64>> {
    if total <= 0.0 {
        return Ok(vec![0; weights.len()]);
    }
    let ideal: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
    let mut shares: Vec<i64> =
        ideal.iter().zip(prices).map(|(share, price)| (share * money / price) as i64).collect();
    let spent = |shares: &[i64]| -> f64 {
        shares.iter().zip(prices).map(|(count, price)| *count as f64 * price).sum()
    };
    let mut left = money - spent(&shares);
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
    Ok(shares)
}
