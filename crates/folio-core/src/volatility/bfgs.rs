//! Minimisation with analytic gradients: BFGS (Nocedal & Wright, Numerical Optimization, 2006, algorithm 6.1).

use crate::task::Cancelled;

/// The most iterations: a likelihood of seven parameters takes twenty.
const MAX_ITERATIONS: usize = 200;

/// Halvings of a step before it is given up.
const MAX_HALVINGS: usize = 40;

/// The decrease of the value that a step must bring, as a share of what the slope promises (Armijo's rule).
const DECREASE: f64 = 1e-4;

/// A value with its gradient.
pub(crate) type Sloped<const N: usize> = (f64, [f64; N]);

/// Where [`minimise`] stopped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Minimum<const N: usize> {
    pub at: [f64; N],
    pub value: f64,
}

/// Minimises `f`, which gives infinity where it is not defined, from `start`, until the decrease that the quadratic model
/// expects is under `tolerance`. The first step is about `step` long.
///
/// # Errors
/// Those of `f`: it polls the cancel flag.
pub(crate) fn minimise<const N: usize>(
    start: [f64; N],
    step: f64,
    tolerance: f64,
    mut f: impl FnMut(&[f64; N]) -> Result<Sloped<N>, Cancelled>,
) -> Result<Minimum<N>, Cancelled> {
    let mut at = start;
    let (mut value, mut gradient) = f(&at)?;
    let mut inverse = scaled_identity(step / length(&gradient).max(f64::MIN_POSITIVE));
    let mut fresh = true;
    for _ in 0..MAX_ITERATIONS {
        let mut direction = times(&inverse, &gradient).map(|value| -value);
        let mut slope = dot(&gradient, &direction);
        if slope.is_nan() || slope >= 0.0 {
            // Curvature lost to rounding: start again from the steepest descent.
            inverse = scaled_identity(step / length(&gradient).max(f64::MIN_POSITIVE));
            fresh = true;
            direction = times(&inverse, &gradient).map(|value| -value);
            slope = dot(&gradient, &direction);
        }
        if !slope.is_finite() || (!fresh && -slope / 2.0 < tolerance) || slope == 0.0 {
            break;
        }
        let Some((next, next_value, next_gradient)) = descend(&mut f, &at, value, &direction, slope)? else {
            if fresh {
                break;
            }
            inverse = scaled_identity(step / length(&gradient).max(f64::MIN_POSITIVE));
            fresh = true;
            continue;
        };
        let moved: [f64; N] = std::array::from_fn(|i| next[i] - at[i]);
        let change: [f64; N] = std::array::from_fn(|i| next_gradient[i] - gradient[i]);
        if fresh && dot(&moved, &change) > 0.0 {
            // Nocedal & Wright 6.20: the size of the first inverse from the first curvature seen.
            inverse = scaled_identity(dot(&moved, &change) / dot(&change, &change));
        }
        fresh = false;
        update(&mut inverse, &moved, &change);
        (at, value, gradient) = (next, next_value, next_gradient);
    }
    Ok(Minimum { at, value })
}

/// A point along the direction that decreases `f` enough, found by quadratic interpolation.
#[allow(clippy::type_complexity, reason = "a point, its value and its gradient")]
fn descend<const N: usize>(
    f: &mut impl FnMut(&[f64; N]) -> Result<Sloped<N>, Cancelled>,
    at: &[f64; N],
    value: f64,
    direction: &[f64; N],
    slope: f64,
) -> Result<Option<([f64; N], f64, [f64; N])>, Cancelled> {
    let mut size = 1.0;
    for _ in 0..MAX_HALVINGS {
        let next: [f64; N] = std::array::from_fn(|i| at[i] + size * direction[i]);
        let (next_value, gradient) = f(&next)?;
        if next_value <= value + DECREASE * size * slope && next_value < value {
            return Ok(Some((next, next_value, gradient)));
        }
        let bend = next_value - value - size * slope;
        let best = -slope * size * size / (2.0 * bend);
        size = if best.is_finite() { best.clamp(0.1 * size, 0.5 * size) } else { 0.1 * size };
    }
    Ok(None)
}

/// The update of the inverse Hessian (Nocedal & Wright 6.17), skipped where the curvature is not positive.
fn update<const N: usize>(inverse: &mut [[f64; N]; N], moved: &[f64; N], change: &[f64; N]) {
    let curvature = dot(moved, change);
    let least = 1e-12 * (dot(moved, moved) * dot(change, change)).sqrt();
    if curvature.is_nan() || curvature <= least {
        return;
    }
    let hy = times(inverse, change);
    let scale = (1.0 + dot(change, &hy) / curvature) / curvature;
    for i in 0..N {
        for j in 0..N {
            inverse[i][j] += scale * moved[i] * moved[j] - (hy[i] * moved[j] + moved[i] * hy[j]) / curvature;
        }
    }
}

fn dot<const N: usize>(a: &[f64; N], b: &[f64; N]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn length<const N: usize>(a: &[f64; N]) -> f64 {
    dot(a, a).sqrt()
}

fn times<const N: usize>(matrix: &[[f64; N]; N], vector: &[f64; N]) -> [f64; N] {
    std::array::from_fn(|i| dot(&matrix[i], vector))
}

fn scaled_identity<const N: usize>(scale: f64) -> [[f64; N]; N] {
    std::array::from_fn(|i| std::array::from_fn(|j| if i == j { scale } else { 0.0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_valley_of_rosenbrock_has_its_minimum() {
        let mut calls = 0;
        let valley = |x: &[f64; 2]| {
            calls += 1;
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            Ok((a * a + 100.0 * b * b, [-2.0 * a - 400.0 * b * x[0], 200.0 * b]))
        };
        let minimum = minimise([-1.2, 1.0], 0.1, 1e-14, valley).unwrap();
        assert!(minimum.value < 1e-12 && (minimum.at[0] - 1.0).abs() < 1e-6, "{minimum:?}");
        assert!(calls < 100, "{calls} calls: the curvature is not learnt");
    }

    #[test]
    fn a_wall_is_not_passed_and_a_cancel_ends_it() {
        let wall = |x: &[f64; 1]| {
            Ok(if x[0] < 0.0 {
                (f64::INFINITY, [f64::NAN])
            } else {
                ((x[0] - 0.1).powi(2), [2.0 * (x[0] - 0.1)])
            })
        };
        let minimum = minimise([3.0], 10.0, 1e-16, wall).unwrap();
        assert!((minimum.at[0] - 0.1).abs() < 1e-7, "{minimum:?}");
        assert_eq!(minimise([3.0], 1.0, 1e-16, |_| Err(Cancelled)).unwrap_err(), Cancelled);
    }
}
