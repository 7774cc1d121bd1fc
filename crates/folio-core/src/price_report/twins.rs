//! Tickers that have the same returns: one instrument under two names, or one feed in the place of another.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::finding::{Finding, Kind, Looked, Prices};
use crate::Result;
use crate::price::Timestamp;
use crate::task::Cancel;

/// How many of the newest returns are compared.
const COMPARED: usize = 60;

/// Returns are the same up to so many parts of one.
const PARTS: f64 = 1e5;

/// The newest returns with their times, rounded, as a number, and the time from which on; None of a series that is short or
/// does not move.
pub(super) fn print(prices: &Prices) -> Option<(Timestamp, u64)> {
    let from = prices.log.len().checked_sub(COMPARED + 1)?;
    let parts = |pair: &[f64]| ((pair[1] - pair[0]) * PARTS).round();
    let mut hasher = DefaultHasher::new();
    for (pair, ts) in prices.log[from..].windows(2).zip(&prices.ts[from + 1..]) {
        (parts(pair) as i64, ts).hash(&mut hasher);
    }
    let moves = prices.log[from..].windows(2).any(|pair| parts(pair) != 0.0);
    moves.then(|| (prices.ts[from], hasher.finish()))
}

/// Names for each ticker the first other one that it is a twin of.
pub(super) fn find(all: &mut [Looked], cancel: &Cancel) -> Result<()> {
    let mut known: HashMap<u64, usize> = HashMap::new();
    for index in 0..all.len() {
        cancel.check()?;
        let Some((from, print)) = all[index].print else { continue };
        let first = *known.entry(print).or_insert(index);
        if first == index {
            continue;
        }
        for (one, other) in [(index, first), (first, index)] {
            if !all[one].findings.has(Kind::Twin) {
                let detail = format!("the last {COMPARED} returns are those of {}", all[other].report.ticker);
                all[one].findings.push(Finding::at(Kind::Twin, from, COMPARED as f64, detail));
            }
        }
    }
    Ok(())
}
