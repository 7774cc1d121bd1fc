//! The weights of an ensemble's members, by step, from their errors out of sample.
//!
//! A member's weight at a step is inverse to its mean squared error there (Bates & Granger 1969), shrunk halfway to
//! equal weights: a few hundred overlapping errors tell good members from bad ones, not the best from the second.

use super::member::MemberFit;
use crate::task::{Cancel, Cancelled};
use crate::work;

/// How far weights are moved towards equal ones (soft voting is 1).
const SHRINKAGE: f64 = 0.5;

/// A step's errors are pooled with those of this many neighbours on each side, so that weights change smoothly.
const POOLED_STEPS: usize = 2;

/// Units of [`work`] for the pooled errors of one origin.
const UNITS: usize = 10;

/// Sets the weights of the members that validated; they sum to one at each step. Where none validated, the weights
/// are equal.
pub(super) fn assign(
    members: &mut [&mut MemberFit],
    horizon: usize,
    cancel: &Cancel,
) -> Result<(), Cancelled> {
    let validated = |member: &MemberFit| !member.errors.is_empty();
    let any = members.iter().any(|member| validated(member));
    let rows: usize = members.iter().map(|member| member.errors.len()).sum();
    for step in work::watched(0..horizon, UNITS * (rows + members.len()), cancel) {
        let step = step?;
        let errors: Vec<f64> = members.iter().map(|member| mean_square_near(&member.errors, step)).collect();
        let best =
            members.iter().zip(&errors).filter(|(member, _)| validated(member)).map(|(_, error)| *error);
        let best = best.fold(f64::INFINITY, f64::min);
        let scores: Vec<f64> = members
            .iter()
            .zip(&errors)
            .map(|(member, &error)| match (any, validated(member)) {
                // Without the comparison a perfect member would divide zero by zero.
                (true, true) => {
                    if error == best {
                        1.0
                    } else {
                        best / error
                    }
                }
                (true, false) => 0.0,
                (false, _) => 1.0,
            })
            .collect();
        let total: f64 = scores.iter().sum();
        let voters = members.iter().filter(|member| !any || validated(member)).count() as f64;
        for (member, score) in members.iter_mut().zip(scores) {
            let equal = if !any || validated(member) { 1.0 / voters } else { 0.0 };
            member.weights[step] = SHRINKAGE * equal + (1.0 - SHRINKAGE) * score / total;
        }
    }
    Ok(())
}

fn mean_square_near(errors: &[Vec<f64>], step: usize) -> f64 {
    let squares: Vec<f64> = errors.iter().flat_map(|row| squares_near(row, step)).collect();
    squares.iter().sum::<f64>() / squares.len().max(1) as f64
}

fn squares_near(row: &[f64], step: usize) -> impl Iterator<Item = f64> {
    let low = step.saturating_sub(POOLED_STEPS).min(row.len());
    let high = (step + POOLED_STEPS + 1).min(row.len());
    // Divided by the step: the variance of a random walk's error grows with it, and no step shall drown another.
    row[low..high].iter().zip(low..).map(|(error, at)| error * error / (at + 1) as f64)
}
