//! Whole shares that are nearest to amounts of money: the least sum of |shares price - amount| with the money there is.
//!
//! It is an integer program with one constraint. Each share beyond an amount and each one short of it costs its whole
//! price, so that only the last share around an amount is in question: rounding it up gains 2 rest - price, where rest is
//! what rounding down leaves. Branch and bound, depth first, over the tickers in the order of that gain for each unit of
//! money; the bound lets shares be split, and is then that of a knapsack, filled in the same order.

use crate::task::Cancel;
use crate::{Result, work};

/// The most nodes of a search: about a second. What is not proven by then is rarely far from the best.
const MAX_NODES: usize = 5_000_000;

/// The most numbers of shares that are tried, those included from which no node follows: no other bound holds where a share
/// costs less than the rounding of the money, and stepping down share by share changes nothing. Ten for each node.
const MAX_TRIALS: usize = 10 * MAX_NODES;

/// Trials between two looks at the cancel flag.
const LOOK: usize = 1 << 14;

/// What a trial takes.
const TRIAL: usize = 100;

/// Differences under this share of the money are rounding.
const ROUNDING: f64 = 1e-12;

/// What is bought: for each ticker what a lot is worth, the cash that it takes, and the amount that is aimed at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lots {
    prices: Vec<f64>,
    cash: Vec<f64>,
    amounts: Vec<f64>,
}

impl Lots {
    /// Adds a ticker.
    pub(crate) fn push(&mut self, price: f64, cash: f64, amount: f64) {
        self.prices.push(price);
        self.cash.push(cash);
        self.amounts.push(amount);
    }
}

struct Ticker {
    place: usize,
    price: f64,
    /// What it takes of the money: the price, and what buying costs.
    cash: f64,
    /// Shares rounded down.
    floor: i64,
    /// What they leave of the amount.
    rest: f64,
}

impl Ticker {
    /// What rounding up takes off the deviation.
    fn gain(&self) -> f64 {
        2.0 * self.rest - self.price
    }
}

struct Search<'a> {
    tickers: Vec<Ticker>,
    /// Those that gain by rounding up; they come first.
    gaining: usize,
    money: f64,
    /// Sums over the tickers from each place on: what rounding down leaves, and what it spends.
    rest_from: Vec<f64>,
    spent_from: Vec<f64>,
    /// Sums over the gaining tickers before each place: prices and gains.
    price_before: Vec<f64>,
    gain_before: Vec<f64>,
    /// The least that a unit of money buys.
    worth_of_money: f64,
    shares: Vec<i64>,
    best: Option<Vec<i64>>,
    least: f64,
    nodes: usize,
    trials: usize,
    cancel: &'a Cancel,
}

/// The sum of |shares price - amount|.
pub(crate) fn deviation(shares: &[i64], prices: &[f64], amounts: &[f64]) -> f64 {
    let one = |((shares, price), amount): ((&i64, &f64), &f64)| (*shares as f64 * price - amount).abs();
    shares.iter().zip(prices).zip(amounts).map(one).sum()
}

/// The shares with the least deviation among those that `money` pays for, or `None` where the search ended without a
/// proof. `known` are some that it pays for.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub(crate) fn nearest(
    prices: &[f64],
    amounts: &[f64],
    money: f64,
    known: &[i64],
    cancel: &Cancel,
) -> Result<Option<Vec<i64>>> {
    let (prices, amounts) = (prices.to_vec(), amounts.to_vec());
    nearest_lots(&Lots { cash: prices.clone(), prices, amounts }, money, known, cancel)
}

/// The same of lots that take another sum of cash than they are worth.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub(crate) fn nearest_lots(
    lots: &Lots,
    money: f64,
    known: &[i64],
    cancel: &Cancel,
) -> Result<Option<Vec<i64>>> {
    let Lots { prices, cash, amounts } = lots;
    cancel.check()?;
    let ticker = |(place, ((&price, &cash), &amount)): (usize, ((&f64, &f64), &f64))| {
        let floor = (amount / price).floor();
        Ticker { place, price, cash, floor: floor as i64, rest: amount - floor * price }
    };
    let mut tickers: Vec<Ticker> = prices.iter().zip(cash).zip(amounts).enumerate().map(ticker).collect();
    let density = |ticker: &Ticker| ticker.gain() / ticker.cash;
    // Cheap ones last: their shares fill what is left.
    tickers.sort_by(|a, b| match (a.gain() > 0.0, b.gain() > 0.0) {
        (true, true) => density(b).total_cmp(&density(a)),
        (false, false) => b.price.total_cmp(&a.price),
        (a, b) => b.cmp(&a),
    });
    let mut search = Search {
        gaining: tickers.iter().filter(|ticker| ticker.gain() > 0.0).count(),
        money: money * (1.0 + ROUNDING),
        rest_from: sums_from(&tickers, |ticker| ticker.rest),
        spent_from: sums_from(&tickers, |ticker| ticker.floor as f64 * ticker.cash),
        price_before: sums_before(&tickers, |ticker| ticker.cash),
        gain_before: sums_before(&tickers, Ticker::gain),
        worth_of_money: tickers.iter().map(|ticker| ticker.price / ticker.cash).fold(1.0, f64::min),
        shares: vec![0; tickers.len()],
        best: None,
        least: deviation(known, prices, amounts) - ROUNDING * money,
        nodes: 0,
        trials: 0,
        tickers,
        cancel,
    };
    search.visit(0, 0.0, 0.0)?;
    Ok((!search.is_over()).then(|| search.best.unwrap_or_else(|| known.to_vec())))
}

fn sums_from(tickers: &[Ticker], of: impl Fn(&Ticker) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; tickers.len() + 1];
    for (i, ticker) in tickers.iter().enumerate().rev() {
        sums[i] = sums[i + 1] + of(ticker);
    }
    sums
}

fn sums_before(tickers: &[Ticker], of: impl Fn(&Ticker) -> f64) -> Vec<f64> {
    let sums = tickers.iter().scan(0.0, |sum, ticker| {
        *sum += of(ticker);
        Some(*sum)
    });
    std::iter::once(0.0).chain(sums).collect()
}

impl Search<'_> {
    /// Whether the search ended without a proof.
    fn is_over(&self) -> bool {
        self.nodes >= MAX_NODES || self.trials >= MAX_TRIALS
    }

    /// Decides on the tickers from `place` on, after `spent` and `deviation` for those before.
    fn visit(&mut self, place: usize, spent: f64, deviation: f64) -> Result<()> {
        self.nodes += 1;
        let Some(&Ticker { price, cash, floor, rest, .. }) = self.tickers.get(place) else {
            return self.keep(deviation);
        };
        let most = if place < self.gaining { floor + 1 } else { floor };
        // More than the money that is left pays for need not be tried; one more, since the quotient is rounded.
        let paid = ((self.money - spent) / cash).floor() as i64;
        for shares in (0..=most.min(paid.saturating_add(1))).rev() {
            self.take(1)?;
            if self.is_over() {
                return Ok(());
            }
            let off = if shares > floor { price - rest } else { rest + (floor - shares) as f64 * price };
            let (spent, deviation) = (spent + shares as f64 * cash, deviation + off);
            let bound = self.bound(place + 1, spent, deviation);
            if bound < self.least {
                self.shares[place] = shares;
                self.visit(place + 1, spent, deviation)?;
            } else if shares <= floor && bound.is_finite() && (price == cash || deviation >= self.least) {
                // Still fewer shares cost their whole price, and split ones buy less than that with it; where cash buys more of
                // one ticker than of another, only the cost is sure.
                break;
            }
        }
        Ok(())
    }

    /// Keeps the shares of the path, the best so far.
    fn keep(&mut self, deviation: f64) -> Result<()> {
        self.take(self.tickers.len())?;
        self.least = deviation - ROUNDING * self.money;
        let best = self.best.get_or_insert_with(|| vec![0; self.shares.len()]);
        for (ticker, shares) in self.tickers.iter().zip(&self.shares) {
            best[ticker.place] = *shares;
        }
        Ok(())
    }

    /// Counts what is about to be done, with a look at the cancel flag now and then.
    fn take(&mut self, trials: usize) -> Result<()> {
        let before = self.trials;
        self.trials += trials;
        if before / LOOK < self.trials / LOOK {
            self.cancel.check()?;
        }
        work::count(TRIAL * trials);
        Ok(())
    }

    /// The least deviation that shares which may be split can have, infinite where money is short of any.
    fn bound(&self, place: usize, spent: f64, deviation: f64) -> f64 {
        if spent > self.money {
            return f64::INFINITY;
        }
        let deviation = deviation + self.rest_from[place];
        let left = self.money - spent - self.spent_from[place];
        if left < 0.0 {
            return deviation - left * self.worth_of_money;
        }
        let first = place.min(self.gaining);
        let limit = self.price_before[first] + left;
        let filled =
            first + self.price_before[first + 1..=self.gaining].partition_point(|price| *price <= limit);
        let whole = self.gain_before[filled] - self.gain_before[first];
        let part = match self.tickers.get(filled) {
            Some(next) if filled < self.gaining => {
                (limit - self.price_before[filled]) / next.cash * next.gain()
            }
            _ => 0.0,
        };
        deviation - whole - part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least deviation of all shares that the money pays for, one by one.
    fn by_trial(prices: &[f64], amounts: &[f64], money: f64) -> f64 {
        let Some((price, prices)) = prices.split_first() else { return 0.0 };
        let rest = |shares: i64| {
            let spent = shares as f64 * price;
            (spent <= money)
                .then(|| (spent - amounts[0]).abs() + by_trial(prices, &amounts[1..], money - spent))
        };
        (0..=(money / price) as i64).filter_map(rest).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn no_other_shares_are_nearer() {
        let number = |i: usize| ((i as f64 * 12.9898).sin() * 43_758.545).fract().abs();
        for trial in 0..300 {
            let count = 1 + trial % 4;
            let prices: Vec<f64> = (0..count).map(|i| 3.0 + 40.0 * number(7 * trial + i)).collect();
            let raw: Vec<f64> = (0..count).map(|i| 0.01 + number(1000 + 5 * trial + i)).collect();
            let money = 30.0 + 150.0 * number(trial);
            let amounts: Vec<f64> = raw.iter().map(|r| r / raw.iter().sum::<f64>() * money).collect();
            let shares =
                nearest(&prices, &amounts, money, &vec![0; count], &Cancel::default()).unwrap().unwrap();
            let spent: f64 = shares.iter().zip(&prices).map(|(shares, price)| *shares as f64 * price).sum();
            assert!(spent <= money * (1.0 + 1e-11) && shares.iter().all(|shares| *shares >= 0));
            let (found, least) = (deviation(&shares, &prices, &amounts), by_trial(&prices, &amounts, money));
            assert!((found - least).abs() <= 1e-9 * money, "{trial}: {found} instead of {least}");
        }
    }

    #[test]
    fn a_cancelled_search_stops() {
        let cancel = Cancel::default();
        cancel.cancel();
        assert_eq!(nearest(&[5.0], &[7.0], 7.0, &[0], &cancel), Err(crate::Error::Cancelled));
    }
}
