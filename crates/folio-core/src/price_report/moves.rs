//! What is odd about the moves of prices, by the ticker's own habit: its usual move at the time, its usual repeats.

use super::finding::{Finding, Findings, Kind, Prices};
use crate::task::Cancel;
use crate::{Result, work};

/// Moves whose median is taken for what is usual at a time: half a year of days, with the half years beside it.
const BLOCK: usize = 126;

/// A normal variable's standard deviation over the median of its absolute value.
const NORMAL: f64 = 1.4826;

/// The same over the mean of its absolute value.
const NORMAL_OF_MEAN: f64 = 1.2533;

/// How many usual moves an outlier and a split have, and a jump, of which large stocks have had many with eight.
const FAR: f64 = 8.0;
const VERY_FAR: f64 = 20.0;

/// The share of an outlier's move that may be left after the next.
const MAX_LEFT: f64 = 0.25;

/// How often an outlier's move is the largest of the days around it: in a panic every day's is large and half of it comes back.
const ABOVE_AROUND: f64 = 3.0;
const DAYS_AROUND: usize = 5;

/// The usual moves by which a split's day may be away from its ratio, and at most this much.
const SPLIT_TOLERANCE: f64 = 3.0;
const MAX_SPLIT_TOLERANCE: f64 = 0.06;

/// How much livelier than before the days after a move are where it was news and no split.
const AFTERMATH: f64 = 2.5;
const DAYS_AFTER: usize = 5;

/// The smallest move that is called a jump: nobody is told of a currency's two per cent.
const MIN_JUMP: f64 = 0.2;

/// Equal prices in a row that are nothing odd in any series, and how often longer runs may be expected by chance.
const MIN_EQUAL: usize = 5;
const CHANCE: f64 = 1e-3;

/// The share of moves of zero from which on a series is stale as a whole.
const MOSTLY_STALE: f64 = 0.5;

/// Work for a move that is looked at, in [`work`]'s units: for a split and for what is usual around it, and for a repeat.
const UNITS_OF_A_MOVE: usize = 60;
const UNITS_OF_A_REPEAT: usize = 10;

/// Ratios of splits that companies have made; their inverses are reverse splits.
const SPLITS: [(u32, u32); 17] = [
    (3, 2),
    (2, 1),
    (5, 2),
    (3, 1),
    (4, 1),
    (5, 1),
    (6, 1),
    (7, 1),
    (8, 1),
    (10, 1),
    (12, 1),
    (15, 1),
    (20, 1),
    (25, 1),
    (30, 1),
    (50, 1),
    (100, 1),
];

/// The usual size of a move around each block of the series.
fn usual(returns: &[f64], cancel: &Cancel) -> Result<Vec<f64>> {
    let blocks = returns.len().div_ceil(BLOCK);
    let around = |block: usize| {
        let from = block.saturating_sub(1) * BLOCK;
        let to = ((block + 2) * BLOCK).min(returns.len());
        let mut sizes: Vec<f64> =
            returns[from..to].iter().map(|r| r.abs()).filter(|size| *size > 0.0).collect();
        if sizes.is_empty() {
            return 0.0;
        }
        let middle = sizes.len() / 2;
        NORMAL * *sizes.select_nth_unstable_by(middle, f64::total_cmp).1
    };
    let each = work::watched(0..blocks, BLOCK * UNITS_OF_A_REPEAT, cancel);
    each.map(|block| Ok(around(block?))).collect()
}

/// Outliers, splits and jumps.
pub(super) fn large(prices: &Prices, findings: &mut Findings, cancel: &Cancel) -> Result<()> {
    let returns = prices.returns();
    let usual = usual(&returns, cancel)?;
    // The move after an outlier is its way back.
    let mut is_way_back = false;
    for index in work::watched(0..returns.len(), UNITS_OF_A_MOVE, cancel) {
        let index = index? + 1;
        let size = usual[(index - 1) / BLOCK];
        let (value, next) = (returns[index - 1], returns.get(index).copied());
        if std::mem::take(&mut is_way_back) {
            continue;
        }
        if value.abs() <= FAR * size || size == 0.0 {
            continue;
        }
        let (ts, before, price) = (prices.ts[index], prices.close[index - 1], prices.close[index]);
        if next.is_some_and(|next| comes_back(value, next))
            && value.abs() > ABOVE_AROUND * around(&returns, index - 1)
        {
            let detail = format!("{price} stands between {before} and {}", prices.close[index + 1]);
            findings.push(Finding::at(Kind::Outlier, ts, price / before, detail));
            is_way_back = true;
        } else if let Some(ratio) = split(value, lately(size, &returns[..index - 1]), &returns[index..]) {
            let detail = format!("{price} after {before} looks like a split of {ratio} without adjustment");
            findings.push(Finding::at(Kind::Split, ts, before / price, detail));
        } else if value.abs() > (VERY_FAR * size).max(MIN_JUMP) {
            let detail = format!("{price} after {before}, {:.0} times the usual move", value.abs() / size);
            findings.push(Finding::at(Kind::Jump, ts, price / before - 1.0, detail));
        }
    }
    Ok(())
}

fn comes_back(value: f64, next: f64) -> bool {
    value * next < 0.0 && (value + next).abs() < MAX_LEFT * value.abs()
}

/// The largest move of the days around this one and the next.
fn around(returns: &[f64], index: usize) -> f64 {
    let before = &returns[index.saturating_sub(DAYS_AROUND)..index];
    let after = &returns[(index + 2).min(returns.len())..(index + 2 + DAYS_AROUND).min(returns.len())];
    before.iter().chain(after).fold(0.0, |most, value| most.max(value.abs()))
}

/// The usual move, or that of the last days where it is larger.
fn lately(usual: f64, before: &[f64]) -> f64 {
    let last = &before[before.len().saturating_sub(2 * DAYS_AROUND)..];
    let mean = last.iter().map(|value| value.abs()).sum::<f64>() / last.len().max(1) as f64;
    usual.max(NORMAL_OF_MEAN * mean)
}

/// The ratio of the split that a move looks like: near one, and the days after it are no livelier than those before.
fn split(value: f64, usual: f64, after: &[f64]) -> Option<String> {
    let after = &after[..after.len().min(DAYS_AFTER)];
    let mean = after.iter().map(|r| r.abs()).sum::<f64>() / after.len().max(1) as f64;
    if mean > AFTERMATH * usual {
        return None;
    }
    let tolerance = (SPLIT_TOLERANCE * usual).min(MAX_SPLIT_TOLERANCE);
    let away = |&(new, old): &(u32, u32)| ((f64::from(new) / f64::from(old)).ln() - value.abs()).abs();
    let nearest = SPLITS.iter().min_by(|a, b| away(a).total_cmp(&away(b)))?;
    let (new, old) = if value < 0.0 { *nearest } else { (nearest.1, nearest.0) };
    (away(nearest) <= tolerance).then(|| format!("{new} for {old}"))
}

/// Runs of one price that are longer than the ticker's own repeats explain.
pub(super) fn stale(prices: &Prices, cancel: &Cancel) -> Result<Vec<Finding>> {
    let mut runs = Vec::new();
    let (mut from, mut repeats) = (0, 0);
    for index in work::watched(1..=prices.close.len(), UNITS_OF_A_REPEAT, cancel) {
        let index = index?;
        if prices.close.get(index) != Some(&prices.close[from]) {
            if index - from >= MIN_EQUAL {
                runs.push((from, index - 1));
            } else {
                repeats += index - from - 1;
            }
            from = index;
        }
    }
    let moves = prices.close.len().saturating_sub(1);
    let all: usize = repeats + runs.iter().map(|(from, to)| to - from).sum::<usize>();
    let first = prices.ts.first().copied();
    if moves >= MIN_EQUAL && all as f64 > MOSTLY_STALE * moves as f64 {
        let share = all as f64 / moves as f64;
        let detail = format!("{:.0} % of the prices are the one before", 100.0 * share);
        return Ok(first.map(|ts| Finding::at(Kind::Stale, ts, all as f64, detail)).into_iter().collect());
    }
    // A run of k repeats begins at one of the moves by chance with probability p^k each.
    let chance = (repeats.max(1) as f64 / moves.max(1) as f64).min(MOSTLY_STALE);
    let is_odd = |run: &&(usize, usize)| moves as f64 * chance.powi((run.1 - run.0) as i32) < CHANCE;
    let finding = |&(from, to): &(usize, usize)| {
        let detail = format!("{} for {} bars", prices.close[from], to - from + 1);
        Finding::at(Kind::Stale, prices.ts[from], (to - from + 1) as f64, detail).until(prices.ts[to])
    };
    Ok(runs.iter().filter(is_odd).map(finding).collect())
}
