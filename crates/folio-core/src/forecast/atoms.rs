//! Prices that repeat: stale ones, those on a coarse tick, pegged and constant ones. A change that often comes again to
//! the last digit is an atom of the distribution; an interval that ends just short of it holds far less than its level,
//! so it has to reach it.
//!
//! Ties are those of prices: on a tick the same number of ticks is another logarithm at every price.

use crate::price::price_of_log;

/// A change that at least this share of the history has is an atom.
const MASS: f64 = 0.05;

/// Prices repeat where at most this share of them is distinct, or at least [`MASS`] of the days do not move.
const DISTINCT: f64 = 0.5;

/// Prices that differ by less than this share of the last one are the same.
const SAME: f64 = 1e-9;

/// What repeats in a history.
pub(super) struct Atoms {
    /// The prices, where they repeat; else empty.
    prices: Vec<f64>,
    /// For how many steps the last price has been what it is.
    still: usize,
}

impl Atoms {
    /// What repeats in these log prices.
    pub fn of(y: &[f64]) -> Atoms {
        let Some(last) = y.last().map(|last| price_of_log(*last)) else {
            return Atoms { prices: vec![], still: 0 };
        };
        let same = |a: f64, b: f64| (a - b).abs() <= SAME * last;
        let prices: Vec<f64> = y.iter().map(|log| price_of_log(*log)).collect();
        let still = prices.iter().rev().skip(1).take_while(|price| same(**price, last)).count();
        let days = y.len() as f64;
        let unmoved = prices.windows(2).filter(|pair| same(pair[0], pair[1])).count() as f64;
        let mut sorted = prices.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let distinct = 1 + sorted.windows(2).filter(|pair| !same(pair[0], pair[1])).count();
        let repeats = unmoved >= MASS * days || distinct as f64 <= DISTINCT * days;
        Atoms { prices: if repeats { prices } else { Vec::new() }, still }
    }

    /// The sizes of the changes over `step` steps, rising; none where prices do not repeat.
    pub fn changes(&self, step: usize) -> Vec<f64> {
        let pairs = self.prices.iter().zip(self.prices.iter().skip(step));
        let mut changes: Vec<f64> = pairs.map(|(before, after)| (after - before).abs()).collect();
        changes.sort_unstable_by(f64::total_cmp);
        changes
    }

    /// How far from the last price, as a logarithm, an interval of this share has to reach at `step`, of whose changes
    /// these are the sizes; None where no atom says so. It does not fall as the share rises.
    pub fn reach(&self, changes: &[f64], step: usize, share: f64) -> Option<f64> {
        // After k still steps the next h are still as well with a probability of about k / (k + h) (Laplace's rule of
        // succession): what has more mass than lies outside of the interval belongs inside.
        let still = self.still as f64;
        let stays = still * share > step as f64 * (1.0 - share);
        let last = self.prices.last().copied().unwrap_or(1.0);
        let size = largest_atom(changes, share, SAME * last);
        let size = if stays { Some(size.unwrap_or(0.0)) } else { size }?;
        if size == 0.0 {
            return Some(0.0);
        }
        let moved = size / last * (1.0 + SAME);
        // Of prices from 1e-300 to 1e308 the ratio is no double, its logarithm is.
        let up = if moved.is_finite() { moved.ln_1p() } else { size.ln() - last.ln() };
        Some(up.max(-(-moved.min(0.9)).ln_1p()))
    }
}

/// The largest atom among sorted sizes that the quantile of this share reaches.
fn largest_atom(sizes: &[f64], share: f64, same: f64) -> Option<f64> {
    let rank = ((sizes.len() as f64 * share).ceil() as usize).min(sizes.len());
    let mut end = sizes.len();
    while end > 0 {
        let value = sizes[end - 1];
        let begin = sizes[..end].partition_point(|size| *size < value - same);
        if begin < rank && (end - begin) as f64 >= MASS * sizes.len() as f64 {
            return Some(value);
        }
        end = begin;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs(prices: &[f64]) -> Vec<f64> {
        prices.iter().map(|price| price.ln()).collect()
    }

    /// On a tick of 0.01, 70 % of the days do not move, 20 % move by one tick and 10 % by two.
    #[test]
    fn an_interval_reaches_the_tick_that_its_quantile_falls_on() {
        let moves = [0.0, 0.01, 0.0, 0.0, -0.02, 0.0, 0.0, 0.01, 0.0, 0.0];
        let mut price = 0.3;
        let prices: Vec<f64> = (0..200)
            .map(|day| {
                let before = price;
                price += moves[day % 10];
                before
            })
            .collect();
        let atoms = Atoms::of(&logs(&prices));
        let changes = atoms.changes(1);
        let (last, reach) = (prices[199], |share| atoms.reach(&changes, 1, share).unwrap());
        assert_eq!((reach(0.5), reach(0.69)), (0.0, 0.0));
        for (share, ticks) in [(0.8, 0.01), (0.95, 0.02)] {
            let width = reach(share);
            assert!(last * (-width).exp() <= last - ticks && last * width.exp() >= last + ticks, "{share}");
            assert!(last * (-width).exp() > last - ticks - 1e-6, "{share}");
        }
    }

    #[test]
    fn prices_that_do_not_repeat_have_no_atoms() {
        let prices: Vec<f64> = (0..200).map(|day| 100.0 + (f64::from(day) * 0.7).sin()).collect();
        let atoms = Atoms::of(&logs(&prices));
        assert!(atoms.changes(1).is_empty() && atoms.reach(&[], 1, 0.95).is_none());
    }

    #[test]
    fn a_price_that_has_stood_still_for_long_may_go_on() {
        let mut prices: Vec<f64> = (0..1000).map(|day| 100.0 + f64::from(day).sin()).collect();
        prices.extend([99.0; 41]);
        let atoms = Atoms { prices: Vec::new(), ..Atoms::of(&logs(&prices)) };
        assert_eq!(atoms.reach(&[], 21, 0.8), Some(0.0));
        assert_eq!(atoms.reach(&[], 200, 0.8), None);
        assert_eq!(atoms.reach(&[], 200, 0.95), Some(0.0));
    }
}
