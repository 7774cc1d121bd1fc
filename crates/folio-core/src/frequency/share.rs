//! What most of the stamps say, and how many of them make it a pattern.

use crate::calendar::zone::DAY;
use crate::price::Timestamp;

/// The share of the newest stamps that must fit a pattern, and of the pattern's times that must have a stamp: more than a
/// half, which any two days have of each other.
pub(super) const MIN_FIT: f64 = 0.8;
pub(super) const MIN_COVERAGE: f64 = 0.55;

/// The share of equal distances, and of their sum in the whole span, that makes even spacing around the clock; below it
/// lies the week of a market that closes at weekends (5 of 7).
const EVEN: f64 = 0.9;

/// The step of even spacing around the clock.
pub(super) fn even_step(stamps: &[Timestamp]) -> Option<i64> {
    let gaps: Vec<i64> = stamps.windows(2).map(|pair| pair[1].0.saturating_sub(pair[0].0)).collect();
    let (step, share) = mode(&gaps)?;
    let span = stamps.last()?.0.saturating_sub(stamps.first()?.0);
    let covered = step as f64 * gaps.len() as f64 / span as f64;
    (step < DAY && share >= EVEN && covered >= EVEN).then_some(step)
}

/// The most frequent value, the smallest of several, and its share.
pub(super) fn mode(values: &[i64]) -> Option<(i64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let mut best: Option<(i64, usize)> = None;
    for run in sorted.chunk_by(|a, b| a == b) {
        if best.is_none_or(|(_, count)| run.len() > count) {
            best = Some((run[0], run.len()));
        }
    }
    best.map(|(value, count)| (value, count as f64 / values.len() as f64))
}

/// The middle value, the lower of two.
pub(super) fn median(values: &[i64]) -> Option<i64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}
