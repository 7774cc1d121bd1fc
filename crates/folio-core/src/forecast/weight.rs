//! The weights of an ensemble's members, by step, from their errors out of sample.
//!
//! A member is compared with the best one at that step: d are the differences of their absolute errors from the same
//! origins, t their mean over its standard error, as in the test of Diebold and Mariano (1995), where errors that
//! overlap count as the fewer independent ones that they are worth. Its weight is the likelihood of so large a t
//! where the two are as good as one another, Student's t density beyond a first unit that the choice of the best out of
//! several explains:
//!
//! ```text
//! w ~ (1 + max(t - 1, 0)^2 / n)^(-(n + 1) / 2)
//! ```
//!
//! with n the independent errors. So members that nothing tells apart weigh the same, and what is clearly worse loses
//! its weight as the evidence grows. Without validation the last price forecasts.

use super::member::MemberFit;
use super::names::NAIVE;
use crate::task::{Cancel, Cancelled};
use crate::work;

/// A step's errors are pooled with those of so many steps before it, so that weights change smoothly. Never with later
/// ones: which of those there are depends on the horizon. Where the series has a season they are not pooled: the last price is
/// good a season ahead and bad before.
pub(super) const POOLED_STEPS: usize = 4;

/// A statistic up to this is what the best of several equal members shows over another.
const CHANCE: f64 = 1.0;

/// Units of [`work`] for the pooled errors of one origin.
const UNITS: usize = 20;

/// How many independent errors `count` overlapping ones over `step` steps are worth, from origins `stride` apart.
pub(super) fn independent(count: usize, stride: usize, step: usize) -> f64 {
    count as f64 * stride as f64 / stride.max(step) as f64
}

/// Sets the weights of the members, of which all that validated have errors from the same origins, `stride` apart; they
/// sum to one at each step.
pub(super) fn assign(
    members: &mut [(&'static str, &mut MemberFit)],
    stride: usize,
    horizon: usize,
    seasonal: bool,
    cancel: &Cancel,
) -> Result<(), Cancelled> {
    let pooled = if seasonal { 0 } else { POOLED_STEPS };
    let rows: usize = members.iter().map(|(_, member)| member.errors.len()).sum();
    let mut scores = unvalidated(members, seasonal);
    for step in work::watched(0..horizon, UNITS * (rows + members.len()), cancel) {
        let step = step?;
        let losses: Vec<Vec<f64>> =
            members.iter().map(|(_, member)| losses(&member.errors, step, pooled)).collect();
        // Beyond the last step that has an outcome its weights hold on.
        if losses.iter().any(|losses| !losses.is_empty()) {
            scores = likelihoods(&losses, stride, step + 1);
        }
        let total: f64 = scores.iter().sum();
        for ((_, member), score) in members.iter_mut().zip(&scores) {
            member.weights[step] = score / total;
        }
    }
    Ok(())
}

/// Without validation: the last price, or all alike where it is not asked for. Where the series has a season, all that know
/// it alike.
fn unvalidated(members: &[(&'static str, &mut MemberFit)], seasonal: bool) -> Vec<f64> {
    let is = |(name, _): &(&'static str, &mut MemberFit)| (*name == NAIVE) != seasonal;
    let some = members.iter().any(is);
    members.iter().map(|member| f64::from(u8::from(!some || is(member)))).collect()
}

/// The likelihood that each member is as good as the best.
fn likelihoods(losses: &[Vec<f64>], stride: usize, step: usize) -> Vec<f64> {
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let validated = losses.iter().filter(|losses| !losses.is_empty());
    let Some(best) = validated.min_by(|a, b| mean(a).total_cmp(&mean(b))) else { return vec![] };
    let n = independent(best.len(), stride, step);
    let likelihood = |losses: &Vec<f64>| {
        if losses.is_empty() {
            return 0.0;
        }
        let differences: Vec<f64> = losses.iter().zip(best).map(|(own, best)| own - best).collect();
        let mean = mean(&differences);
        let variance = differences.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / best.len() as f64;
        if mean <= 0.0 {
            return 1.0;
        }
        let beyond = (mean / (variance / n).sqrt() - CHANCE).max(0.0);
        (1.0 + beyond * beyond / n).powf(-(n + 1.0) / 2.0)
    };
    losses.iter().map(likelihood).collect()
}

/// From each origin that has an outcome at `step`, the mean absolute error there and shortly before. Divided by the root
/// of the step: a random walk's error grows with it, and no step shall drown another.
fn losses(errors: &[Vec<f64>], step: usize, pooled: usize) -> Vec<f64> {
    let low = step.saturating_sub(pooled);
    let loss = |row: &Vec<f64>| {
        let near = row.get(low..=step)?.iter().zip(low + 1..);
        let sum: f64 = near.map(|(error, at)| error.abs() / (at as f64).sqrt()).sum();
        Some(sum / (step + 1 - low) as f64)
    };
    errors.iter().filter_map(loss).collect()
}
