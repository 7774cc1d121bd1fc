//! Tickers that have the same returns: one instrument under two names, or one feed in the place of another.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Finding, Kind, PriceReport, Prices};
use crate::Result;
use crate::task::Cancel;

/// How many of the newest returns are compared.
const COMPARED: usize = 60;

/// Returns are the same up to so many parts of one.
const PARTS: f64 = 1e5;

/// The newest returns with their times, rounded, as a number; None of a series that is short or does not move.
fn print(prices: &Prices) -> Option<u64> {
    let returns = prices.returns();
    let from = returns.len().checked_sub(COMPARED)?;
    let mut hasher = DefaultHasher::new();
    for (value, ts) in returns[from..].iter().zip(&prices.ts[from + 1..]) {
        ((value * PARTS).round() as i64, ts).hash(&mut hasher);
    }
    returns[from..].iter().any(|value| (value * PARTS).round() != 0.0).then(|| hasher.finish())
}

/// Names for each ticker the first other one that it is a twin of.
pub(super) fn find(reports: &mut [PriceReport], prices: &[Option<Prices>], cancel: &Cancel) -> Result<()> {
    let mut known: HashMap<u64, usize> = HashMap::new();
    for (index, prices) in prices.iter().enumerate() {
        cancel.check()?;
        let Some((prices, print)) = prices.as_ref().and_then(|prices| Some((prices, print(prices)?))) else {
            continue;
        };
        let first = *known.entry(print).or_insert(index);
        if first != index {
            let from = prices.ts[prices.ts.len() - 1 - COMPARED];
            for (one, other) in [(index, first), (first, index)] {
                if reports[one].findings.iter().all(|finding| finding.kind != Kind::Twin) {
                    let detail =
                        format!("the last {COMPARED} returns are those of {}", reports[other].ticker);
                    reports[one].findings.push(Finding::at(Kind::Twin, from, COMPARED as f64, detail));
                }
            }
        }
    }
    Ok(())
}
