//! The search along a line of quadratic programs for the one whose solution meets a target.

use super::active_set::ActiveSet;
use super::quadratic::Point;
use super::unsolved::Unsolved;
use crate::Error;

/// The most programs that the search for a lambda solves; each halves the interval at the worst, and a double has
/// 64 bits.
pub(crate) const MAX_PROGRAMS: usize = 200;

/// How close a target must be met, relative to its size.
pub(crate) const TARGET: f64 = 1e-10;

/// Lambdas that differ by less are the same.
const ROUNDING: f64 = 1e-14;

/// By how much the search for a lambda grows it while nothing bounds it from above.
const GROWTH: f64 = 8.0;

/// The search ends at this multiple of the lambda at which returns and risks weigh the same: beyond it the risks are
/// lost in the rounding of the returns.
const LARGEST_LAMBDA: f64 = 1e10;

/// Which way lambda has to go.
pub(crate) enum Step {
    /// Nowhere.
    Done,
    /// Up, to this root of the line if there is one.
    Up(Option<f64>),
    /// Down, to this root.
    Down(Option<f64>),
}

/// The side on which a search whose root lies in a jump that doubles do not resolve keeps to its target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Safe {
    /// Below the root.
    Low,
    /// Above it.
    High,
}

/// Moves lambda until `step` is done: to the root that a point's line gives if it lies between the bounds known
/// so far, else to the middle of them.
///
/// `unit` is a lambda of the right size to begin with, `safe` the side to which a search whose root doubles do not
/// resolve keeps.
///
/// # Errors
/// [`Error::SolverFailed`] where no lambda is done; those of `at`.
pub(crate) fn search(
    first: Point,
    unit: f64,
    safe: Safe,
    at: impl Fn(f64, &ActiveSet) -> Result<Point, Unsolved>,
    step: impl Fn(&Point, f64) -> Step,
) -> Result<Point, Unsolved> {
    let (mut low, mut high) = (0.0_f64, f64::INFINITY);
    let (mut lambda, mut point) = (0.0, first);
    let mut kept = None;
    let largest = LARGEST_LAMBDA * unit;
    for _ in 0..MAX_PROGRAMS {
        let (root, side) = match step(&point, lambda) {
            Step::Done => return Ok(point),
            Step::Up(root) => {
                low = low.max(lambda);
                (root, Safe::Low)
            }
            Step::Down(root) => {
                high = high.min(lambda);
                (root, Safe::High)
            }
        };
        if side == safe {
            kept = Some(point.clone());
        }
        let next = match root {
            // A root that is this lambda already is as exact as doubles are.
            Some(root) if (root - lambda).abs() <= ROUNDING * lambda => return Ok(point),
            // A root beyond the largest lambda is that of a line that only rounding keeps from being flat.
            Some(root) if root > low && root < high && root < largest => root,
            _ if high.is_finite() => low + (high - low) / 2.0,
            _ => GROWTH * low.max(unit),
        };
        if next == lambda || next == low || next == high {
            return Ok(kept.unwrap_or(point));
        }
        if next > largest {
            break;
        }
        point = at(next, &point.active)?;
        lambda = next;
    }
    Err(Error::SolverFailed { status: "no point of the frontier meets the objective".to_owned() }.into())
}
