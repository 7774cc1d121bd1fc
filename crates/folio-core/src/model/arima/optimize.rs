//! Small dense numerics for the fit: a Cholesky solve, and BFGS from a start whose curvature is known.

use super::arma::{MAX_PARAMETERS, Matrix, Vector};

/// The most iterations of [`minimize`]; a fit that needs more is not at a maximum.
const MAX_ITERATIONS: usize = 60;

/// The relative step of the difference quotients. One-sided ones are enough: with curvatures of the order of one, the
/// error of 1e-6 in a gradient is far under what a tolerance of 1e-9 in the value can see, at half the cost.
const DIFFERENCE: f64 = 1e-6;

/// The sum of a_i b_i.
pub(super) fn dot(a: &Vector, b: &Vector) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The lower Cholesky factor of the leading `k` by `k` block; none where it is not positive definite.
pub(super) fn cholesky(matrix: &Matrix, k: usize) -> Option<Matrix> {
    let mut lower = Matrix::default();
    for i in 0..k {
        for j in 0..=i {
            let value = matrix[i][j] - (0..j).map(|l| lower[i][l] * lower[j][l]).sum::<f64>();
            if i == j {
                if !(value > 0.0 && value.is_finite()) {
                    return None;
                }
                lower[i][i] = value.sqrt();
            } else {
                lower[i][j] = value / lower[j][j];
            }
        }
    }
    Some(lower)
}

/// Solves L L' x = b.
pub(super) fn solve(lower: &Matrix, b: &Vector, k: usize) -> Vector {
    let mut x = Vector::default();
    for i in 0..k {
        x[i] = (b[i] - (0..i).map(|j| lower[i][j] * x[j]).sum::<f64>()) / lower[i][i];
    }
    for i in (0..k).rev() {
        x[i] = (x[i] - (i + 1..k).map(|j| lower[j][i] * x[j]).sum::<f64>()) / lower[i][i];
    }
    x
}

/// The inverse of L L'.
pub(super) fn inverse(lower: &Matrix, k: usize) -> Matrix {
    let mut inverse = Matrix::default();
    for column in 0..k {
        let mut unit = Vector::default();
        unit[column] = 1.0;
        let x = solve(lower, &unit, k);
        for row in 0..k {
            inverse[row][column] = x[row];
        }
    }
    inverse
}

/// Where [`minimize`] stopped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Minimum {
    pub at: Vector,
    pub value: f64,
    /// Whether the expected further decrease fell under the tolerance.
    pub converged: bool,
}

/// Minimises `f` over its first `k` arguments by BFGS (Nocedal & Wright 2006, algorithm 6.1, with backtracking),
/// from `start` with the inverse Hessian `inverse_hessian`. `f` gives infinity where it is not defined. Stops where
/// the decrease that the quadratic model expects is under `tolerance`.
///
/// # Errors
/// Those of `f`, at once.
pub(super) fn minimize<E>(
    mut f: impl FnMut(&Vector) -> Result<f64, E>,
    k: usize,
    start: Vector,
    mut inverse_hessian: Matrix,
    tolerance: f64,
) -> Result<Minimum, E> {
    let mut at = start;
    let mut value = f(&at)?;
    let mut gradient = difference_quotient(&mut f, k, &at, value)?;
    for _ in 0..MAX_ITERATIONS {
        let mut direction = product(&inverse_hessian, &gradient).map(|value| -value);
        let mut slope = dot(&gradient, &direction);
        if slope >= 0.0 || slope.is_nan() {
            // Curvature lost to rounding: start again from the steepest descent.
            inverse_hessian = scaled_identity(1.0);
            direction = gradient.map(|value| -value);
            slope = -dot(&gradient, &gradient);
        }
        if !slope.is_finite() {
            break;
        }
        if -slope / 2.0 < tolerance {
            return Ok(Minimum { at, value, converged: true });
        }
        let Some((next, next_value)) = backtrack(&mut f, &at, value, &direction, slope)? else {
            // No decrease along a descent direction is what rounding leaves at a minimum.
            return Ok(Minimum { at, value, converged: -slope / 2.0 < 1e3 * tolerance });
        };
        let next_gradient = difference_quotient(&mut f, k, &next, next_value)?;
        let step = std::array::from_fn(|i| next[i] - at[i]);
        let change = std::array::from_fn(|i| next_gradient[i] - gradient[i]);
        update(&mut inverse_hessian, &step, &change);
        (at, value, gradient) = (next, next_value, next_gradient);
    }
    Ok(Minimum { at, value, converged: false })
}

/// The first of the points at + direction, at + direction / 2, ... that decreases `f` enough (Armijo).
fn backtrack<E>(
    f: &mut impl FnMut(&Vector) -> Result<f64, E>,
    at: &Vector,
    value: f64,
    direction: &Vector,
    slope: f64,
) -> Result<Option<(Vector, f64)>, E> {
    let mut length = 1.0;
    for _ in 0..30 {
        let next: Vector = std::array::from_fn(|i| at[i] + length * direction[i]);
        let next_value = f(&next)?;
        if next_value <= value + 1e-4 * length * slope && next_value < value {
            return Ok(Some((next, next_value)));
        }
        length /= 2.0;
    }
    Ok(None)
}

fn difference_quotient<E>(
    f: &mut impl FnMut(&Vector) -> Result<f64, E>,
    k: usize,
    at: &Vector,
    value: f64,
) -> Result<Vector, E> {
    let mut gradient = Vector::default();
    for i in 0..k {
        let mut aside = *at;
        aside[i] += DIFFERENCE * at[i].abs().max(1.0);
        gradient[i] = (f(&aside)? - value) / (aside[i] - at[i]);
    }
    Ok(gradient)
}

/// The BFGS update of the inverse Hessian (Nocedal & Wright 6.17), skipped where the curvature is not positive.
fn update(inverse: &mut Matrix, step: &Vector, change: &Vector) {
    let curvature = dot(step, change);
    let least = 1e-12 * (dot(step, step) * dot(change, change)).sqrt();
    if curvature.is_nan() || curvature <= least {
        return;
    }
    let hy = product(inverse, change);
    let scale = (1.0 + dot(change, &hy) / curvature) / curvature;
    for i in 0..MAX_PARAMETERS {
        for j in 0..MAX_PARAMETERS {
            inverse[i][j] += scale * step[i] * step[j] - (hy[i] * step[j] + step[i] * hy[j]) / curvature;
        }
    }
}

fn product(matrix: &Matrix, vector: &Vector) -> Vector {
    std::array::from_fn(|i| dot(&matrix[i], vector))
}

/// `scale` on the diagonal.
pub(super) fn scaled_identity(scale: f64) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| if i == j { scale } else { 0.0 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn rosenbrock_is_minimised() {
        let mut calls = 0;
        let f = |x: &Vector| {
            calls += 1;
            Ok::<_, Infallible>((1.0 - x[0]).powi(2) + 100.0 * (x[1] - x[0] * x[0]).powi(2))
        };
        let mut start = Vector::default();
        (start[0], start[1]) = (-1.2, 1.0);
        let Ok(minimum) = minimize(f, 2, start, scaled_identity(1.0), 1e-10);
        assert!(minimum.converged && minimum.value < 1e-6, "{minimum:?}");
        assert!(calls < 150, "{calls} calls: the curvature is not learnt");
        assert!((minimum.at[0] - 1.0).abs() < 1e-3 && (minimum.at[1] - 1.0).abs() < 2e-3, "{minimum:?}");
    }

    #[test]
    fn an_update_satisfies_the_secant_equation() {
        let (mut step, mut change) = (Vector::default(), Vector::default());
        step[..3].copy_from_slice(&[0.1, -0.2, 0.3]);
        change[..3].copy_from_slice(&[0.5, -0.1, 0.4]);
        let mut inverse = scaled_identity(0.7);
        update(&mut inverse, &step, &change);
        let mapped = product(&inverse, &change);
        assert!(mapped.iter().zip(&step).all(|(a, b)| (a - b).abs() < 1e-15), "{mapped:?}");
        // A step along which the slope falls says nothing of a minimum.
        let before = inverse;
        update(&mut inverse, &step, &change.map(|value| -value));
        assert_eq!(inverse, before);
    }

    #[test]
    fn cholesky_inverts() {
        let mut matrix = scaled_identity(2.0);
        (matrix[0][1], matrix[1][0]) = (0.5, 0.5);
        let inverse = inverse(&cholesky(&matrix, 3).unwrap(), 3);
        assert!((inverse[0][0] - 2.0 / 3.75).abs() < 1e-15 && (inverse[0][1] + 0.5 / 3.75).abs() < 1e-15);
        (matrix[0][1], matrix[1][0]) = (3.0, 3.0);
        assert!(cholesky(&matrix, 3).is_none());
    }
}
