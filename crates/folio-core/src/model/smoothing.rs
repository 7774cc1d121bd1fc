//! Exponential smoothing with additive errors in its innovations form, the filter under `ets` and `theta`
//! (Hyndman, Koehler, Ord & Snyder, Forecasting with Exponential Smoothing, Springer 2008, chapter 2):
//!
//! ```text
//! f(t) = l(t-1) + phi b(t-1)        e(t) = y(t) - f(t)
//! l(t) = f(t) + alpha e(t)          b(t) = phi b(t-1) + beta e(t)
//! ```
//!
//! For given smoothing parameters the errors are linear in the initial level and slope, so these two are not searched
//! but solved for, by least squares. What remains to be searched has one to three dimensions.

use super::{Failure, Path};
use crate::work;

/// What an observation takes in the three filters of an initial state.
const FILTERS: usize = 8;

/// The smoothing parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Smoothing {
    /// How much of an error the level keeps, between 0 and 1.
    pub alpha: f64,
    /// How much of an error the slope keeps, between 0 and alpha.
    pub beta: f64,
    /// What is left of the slope a step later; 1 where it is not damped.
    pub phi: f64,
}

/// Level and slope.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct State {
    /// The level; as an initial state, its distance from the first observation, so that a fit does not depend on the
    /// unit of the prices.
    pub level: f64,
    /// The change of the level in a step.
    pub slope: f64,
}

/// What is known of the initial slope when the initial state is solved for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum InitialSlope {
    /// It is this.
    Fixed(f64),
    /// It is estimated.
    Free,
}

impl Smoothing {
    /// One step: the error and the state after it. Linear in `y` and `state` together.
    #[inline(always)]
    fn step(&self, state: State, y: f64) -> (f64, State) {
        let damped = self.phi * state.slope;
        let forecast = state.level + damped;
        let error = y - forecast;
        (error, State { level: forecast + self.alpha * error, slope: damped + self.beta * error })
    }

    /// The initial state that minimises the sum of squared errors over `y`, and that sum.
    pub(crate) fn best_initial_state(&self, y: &[f64], slope: InitialSlope) -> (State, f64) {
        work::count(FILTERS * y.len());
        // Three filters side by side: the series from a state of zero (but for a fixed slope), and what a unit of
        // initial level and of initial slope add to its errors.
        let fixed = if let InitialSlope::Fixed(slope) = slope { slope } else { 0.0 };
        let mut base = State { level: 0.0, slope: fixed };
        let mut of_level = State { level: 1.0, slope: 0.0 };
        let mut of_slope = State { level: 0.0, slope: 1.0 };
        let (mut ll, mut ls, mut ss, mut l0, mut s0, mut sum) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for value in y {
            let (error, level, trend);
            (error, base) = self.step(base, value - y[0]);
            (level, of_level) = self.step(of_level, 0.0);
            (trend, of_slope) = self.step(of_slope, 0.0);
            ll += level * level;
            ls += level * trend;
            ss += trend * trend;
            l0 += level * error;
            s0 += trend * error;
            sum += error * error;
        }
        if slope != InitialSlope::Free {
            let level = -l0 / ll;
            return (State { level, slope: fixed }, (sum + level * l0).max(0.0));
        }
        let determinant = ll * ss - ls * ls;
        let (level, slope) = if determinant > f64::EPSILON * ll * ss {
            ((ls * s0 - ss * l0) / determinant, (ls * l0 - ll * s0) / determinant)
        } else {
            (-l0 / ll, 0.0)
        };
        (State { level, slope }, (sum + level * l0 + slope * s0).max(0.0))
    }

    /// The states after each of `y[..1]`, `y[..2]`, ..., in the unit of `y`.
    pub(crate) fn states(&self, y: &[f64], initial: State) -> Vec<State> {
        let mut state = State { level: y[0] + initial.level, slope: initial.slope };
        y.iter()
            .map(|&value| {
                state = self.step(state, value).1;
                state
            })
            .collect()
    }

    /// The state after all of `y`, in its unit.
    pub(crate) fn last_state(&self, y: &[f64], initial: State) -> State {
        self.states(y, initial).pop().unwrap_or(initial)
    }

    /// The forecasts of the mean from `state`, and their standard deviations for errors of standard deviation
    /// `sigma`: class 1 of Hyndman et al. 2008, table 6.2, v(h) = sigma^2 (1 + sum over j < h of c(j)^2) with
    /// c(j) = alpha + beta (phi + ... + phi^j).
    fn path(&self, state: State, sigma: f64, horizon: usize) -> Path {
        let mut path = Path { mean: Vec::with_capacity(horizon), sd: Vec::with_capacity(horizon) };
        let (mut phis, mut power, mut variance) = (0.0, 1.0, 1.0);
        for _ in 0..horizon {
            power *= self.phi;
            phis += power;
            path.mean.push(state.level + phis * state.slope);
            path.sd.push(sigma * f64::sqrt(variance));
            variance += (self.alpha + self.beta * phis).powi(2);
        }
        path
    }

    /// The forecasts from each origin: one pass of the filter over `y` serves all of them.
    ///
    /// # Errors
    /// [`Failure::NotFinite`].
    pub(crate) fn paths(
        &self,
        y: &[f64],
        origins: &[usize],
        horizon: usize,
        initial: State,
        sigma: f64,
    ) -> Result<Vec<Path>, Failure> {
        let last = origins.iter().copied().max().unwrap_or(0);
        let states = self.states(&y[..last], initial);
        let paths: Vec<Path> =
            origins.iter().map(|&origin| self.path(states[origin - 1], sigma, horizon)).collect();
        super::require_finite(&paths)?;
        Ok(paths)
    }
}

/// Fails where a series is not finite or never moves: neither leaves anything to smooth.
///
/// # Errors
/// [`Failure::NotFinite`], [`Failure::Constant`].
pub(crate) fn require_movement(y: &[f64]) -> Result<(), Failure> {
    let range = |fold: fn(f64, f64) -> f64, start| y.iter().copied().fold(start, fold);
    let span = range(f64::max, f64::NEG_INFINITY) - range(f64::min, f64::INFINITY);
    if !span.is_finite() || y.iter().any(|value| !value.is_finite()) {
        return Err(Failure::NotFinite("log prices"));
    }
    if span == 0.0 { Err(Failure::Constant) } else { Ok(()) }
}

/// Maps the whole line to the open interval from `lower` to `upper`, for a search without bounds.
pub(crate) fn between(lower: f64, upper: f64, x: f64) -> f64 {
    lower + (upper - lower) / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const Y: [f64; 8] = [4.0, 4.1, 4.05, 4.3, 4.2, 4.4, 4.35, 4.6];

    fn sum_of_squares(smoothing: &Smoothing, initial: State) -> f64 {
        let mut state = State { level: Y[0] + initial.level, slope: initial.slope };
        let mut sum = 0.0;
        for value in Y {
            let (error, next) = smoothing.step(state, value);
            state = next;
            sum += error * error;
        }
        sum
    }

    #[test]
    fn the_initial_state_is_the_least_squares_one() {
        for (smoothing, slope) in [
            (Smoothing { alpha: 0.3, beta: 0.0, phi: 1.0 }, InitialSlope::Fixed(0.07)),
            (Smoothing { alpha: 0.3, beta: 0.1, phi: 1.0 }, InitialSlope::Free),
            (Smoothing { alpha: 0.9, beta: 0.2, phi: 0.85 }, InitialSlope::Free),
        ] {
            let (state, sum) = smoothing.best_initial_state(&Y, slope);
            assert!((sum - sum_of_squares(&smoothing, state)).abs() < 1e-13);
            for (level, step) in [(1e-3, 0.0), (-1e-3, 0.0), (0.0, 1e-3), (0.0, -1e-3)] {
                if slope == InitialSlope::Free || step == 0.0 {
                    let near = State { level: state.level + level, slope: state.slope + step };
                    assert!(sum_of_squares(&smoothing, near) > sum);
                }
            }
        }
    }

    #[test]
    fn the_variance_is_that_of_the_book() {
        // Hyndman et al. 2008, table 6.2, the closed forms of (A,N,N) and (A,A,N) at h = 4.
        let (alpha, beta) = (0.6, 0.2);
        let state = State { level: 1.0, slope: 0.1 };
        let level = Smoothing { alpha, beta: 0.0, phi: 1.0 }.path(state, 2.0, 4);
        assert!((level.sd[3].powi(2) - 4.0 * (1.0 + 3.0 * alpha * alpha)).abs() < 1e-12);
        let trend = Smoothing { alpha, beta, phi: 1.0 }.path(state, 2.0, 4);
        let h = 4.0;
        let book =
            1.0 + (h - 1.0) * (alpha * alpha + alpha * beta * h + beta * beta * h * (2.0 * h - 1.0) / 6.0);
        assert!((trend.sd[3].powi(2) - 4.0 * book).abs() < 1e-12);
        assert!((trend.mean[3] - 1.4).abs() < 1e-12);
    }

    /// The forecasts are those of the recursion without errors, and an error in a step moves them as the variance says.
    #[test]
    fn a_damped_path_is_that_of_the_recursion() {
        let smoothing = Smoothing { alpha: 0.5, beta: 0.2, phi: 0.9 };
        let start = State { level: 1.0, slope: 0.3 };
        let path = smoothing.path(start, 2.0, 6);
        let mut state = start;
        for mean in &path.mean {
            let forecast = state.level + smoothing.phi * state.slope;
            assert!((mean - forecast).abs() < 1e-12);
            state = smoothing.step(state, forecast).1;
        }
        // A unit error in the first step, then none: what it adds h steps later is c(h).
        let first = start.level + smoothing.phi * start.slope;
        let shocked = smoothing.path(smoothing.step(start, first + 1.0).1, 2.0, 5);
        let mut variance = 1.0;
        for (step, mean) in shocked.mean.iter().enumerate() {
            assert!((path.sd[step].powi(2) - 4.0 * variance).abs() < 1e-12);
            variance += (mean - path.mean[step + 1]).powi(2);
        }
    }
}
