//! The theta method (Assimakopoulos & Nikolopoulos, International Journal of Forecasting 16, 2000), in the form that
//! Hyndman & Billah (International Journal of Forecasting 19, 2003) showed it to have: simple exponential smoothing
//! with a drift of half the slope of the linear trend.
//!
//! The smoothing parameter and the initial level minimise the squared one-step errors with that drift in place; the
//! slope is the least squares one of the fitted history.

use serde_json::{Value, json};

use super::nelder_mead::minimise;
use super::smoothing::{InitialSlope, Smoothing, State, between, require_movement};
use super::{Failure, Fitted, Model, Path, require_observations};
use crate::task::Task;

/// Simple exponential smoothing with a drift of half the trend.
#[derive(Debug, Clone, Copy)]
pub struct Theta;

/// The bounds of the smoothing parameter; those of `ets`.
const ALPHA: (f64, f64) = (1e-4, 0.9999);

/// The parameters behind `sigma`: alpha, the initial level and the slope.
const PARAMETERS: f64 = 3.0;

impl Model for Theta {
    fn name(&self) -> &'static str {
        "theta"
    }

    fn min_observations(&self) -> usize {
        10
    }

    fn fit(&self, y: &[f64], _horizon: usize, task: &Task) -> Result<Box<dyn Fitted>, Failure> {
        require_observations(self, y)?;
        require_movement(y)?;
        let drift = slope(y) / 2.0;
        let smoothing = |x: f64| Smoothing { alpha: between(ALPHA.0, ALPHA.1, x), beta: 0.0, phi: 1.0 };
        let count = y.len() as f64;
        let (at, _) = minimise([2.0], 1.0, 1e-9, |x| {
            task.cancel.check()?;
            let (_, squares) = smoothing(x[0]).best_initial_state(y, InitialSlope::Fixed(drift));
            Ok(count * squares.max(f64::MIN_POSITIVE).ln())
        })?;
        let smoothing = smoothing(at[0]);
        let (initial, squares) = smoothing.best_initial_state(y, InitialSlope::Fixed(drift));
        let sigma = (squares / (count - PARAMETERS)).sqrt();
        if !(sigma.is_finite() && initial.level.is_finite() && drift.is_finite()) {
            return Err(Failure::NotFinite("theta"));
        }
        let level = smoothing.last_state(y, initial).level;
        Ok(Box::new(Fit { smoothing, initial, level, sigma }))
    }
}

/// The slope of the least squares line through the series, a step.
fn slope(y: &[f64]) -> f64 {
    let middle = (y.len() - 1) as f64 / 2.0;
    let (mut products, mut squares) = (0.0, 0.0);
    for (t, value) in y.iter().enumerate() {
        let time = t as f64 - middle;
        products += time * (value - y[0]);
        squares += time * time;
    }
    products / squares
}

struct Fit {
    smoothing: Smoothing,
    /// Its slope is the drift; without beta it never changes.
    initial: State,
    /// The level after the last price.
    level: f64,
    sigma: f64,
}

impl Fitted for Fit {
    fn forecast(
        &self,
        y: &[f64],
        origins: &[usize],
        horizon: usize,
        _task: &Task,
    ) -> Result<Vec<Path>, Failure> {
        self.smoothing.paths(y, origins, horizon, self.initial, self.sigma)
    }

    fn detail(&self) -> Value {
        json!({
            "alpha": self.smoothing.alpha,
            "level": self.level.exp(),
            "drift": self.initial.slope,
            "trend": 2.0 * self.initial.slope,
            "sigma": self.sigma,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_the_least_squares_one() {
        assert!((slope(&[1.0, 3.0, 5.0, 7.0]) - 2.0).abs() < 1e-15);
        assert!((slope(&[0.0, 1.0, 1.0]) - 0.5).abs() < 1e-15);
    }
}
