//! The start of the fit: least squares on a long autoregression's residuals, then the conditional sum of squares.

use super::arma::{Arma, MAX_LAG, Matrix, Vector};
use super::optimize::{cholesky, solve};
use crate::task::{Cancel, Cancelled};
use crate::work;

/// The longest autoregression whose residuals stand in for the innovations; 10 log10(n) of them is usual.
const MAX_LONG_LAGS: usize = 40;

/// How far out a start's roots must lie. At the unit circle the coordinates of the search are infinite.
const START_RADIUS: f64 = 1.002;

/// The steps end where one gains less than this in units of the log-likelihood.
const TOLERANCE: f64 = 1e-3;

/// What an observation takes in the filters of a conditional sum of squares.
const FILTER: usize = 10;

/// The most Levenberg-Marquardt steps: this is a start, the likelihood decides.
pub(super) const MAX_STEPS: usize = 25;

/// The residuals of a long autoregression of `z`, fitted by the Yule-Walker equations (Levinson's recursion).
pub(super) fn long_residuals(z: &[f64], cancel: &Cancel) -> Result<Vec<f64>, Cancelled> {
    let n = z.len();
    let lags = ((10.0 * (n as f64).log10()) as usize).min(n / 4).min(MAX_LONG_LAGS);
    let autocovariance = |lag: usize| {
        cancel.check()?;
        work::count(n);
        Ok(inner_product(&z[lag..], &z[..n - lag]))
    };
    let gamma = (0..=lags).map(autocovariance).collect::<Result<Vec<f64>, Cancelled>>()?;
    let mut a: Vec<f64> = Vec::with_capacity(lags);
    let mut variance = gamma[0];
    for k in 0..lags {
        let ahead: f64 = a.iter().enumerate().map(|(i, a)| a * gamma[k - i]).sum();
        let r = (gamma[k + 1] - ahead) / variance;
        if r.is_nan() || r.abs() >= 1.0 {
            break;
        }
        let previous = a.clone();
        for i in 0..k {
            a[i] -= r * previous[k - 1 - i];
        }
        a.push(r);
        variance *= 1.0 - r * r;
    }
    let mut residuals = z.to_vec();
    for (lag, a) in (1..).zip(&a) {
        cancel.check()?;
        work::count(n);
        for (out, z) in residuals[lag..].iter_mut().zip(z) {
            *out -= a * z;
        }
    }
    Ok(residuals)
}

/// The regression of z(t) on its own lags and on lags of the long autoregression's residuals (Hannan & Rissanen
/// 1982), moved to where it is stationary and invertible.
pub(super) fn hannan_rissanen(
    z: &[f64],
    residuals: &[f64],
    p: usize,
    q: usize,
    cancel: &Cancel,
) -> Result<Arma, Cancelled> {
    let (k, m) = (p + q, p.max(q));
    if z.len() <= m + k {
        return Ok(Arma::default().resized(p, q));
    }
    let count = z.len() - m;
    let column = |i: usize| match i < p {
        true => &z[m - 1 - i..][..count],
        false => &residuals[m - 1 - (i - p)..][..count],
    };
    cancel.check()?;
    work::count(count * (k + 1) * (k + 1) / 4);
    let (mut normal, right) = normal_equations(k, column, &z[m..]);
    for (i, row) in normal.iter_mut().enumerate() {
        // The regressors are nearly collinear where the process has little memory.
        row[i] *= 1.0 + 1e-8;
    }
    let coefficients = match cholesky(&normal, k) {
        Some(lower) => solve(&lower, &right, k),
        None => Vector::default(),
    };
    Ok(Arma::new(&coefficients[..p], &coefficients[p..k]).pulled_inside(START_RADIUS))
}

/// The sum of a_i b_i in eight partial sums, which the processor adds in parallel.
fn inner_product(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// X' X and X' y for the `k` columns of X.
#[expect(clippy::needless_range_loop, reason = "the lower triangle, mirrored")]
fn normal_equations<'a>(k: usize, column: impl Fn(usize) -> &'a [f64], y: &[f64]) -> (Matrix, Vector) {
    let (mut normal, mut right) = (Matrix::default(), Vector::default());
    for i in 0..k {
        right[i] = inner_product(column(i), y);
        for j in 0..=i {
            normal[i][j] = inner_product(column(i), column(j));
            normal[j][i] = normal[i][j];
        }
    }
    (normal, right)
}

/// The conditional sum of squares at `arma`, and its first and second derivatives by the coefficients.
struct Linearised {
    squares: f64,
    /// J' e
    gradient: Vector,
    /// J' J
    normal: Matrix,
}

/// Minimises conditional sums of squares; keeps its buffers between calls.
#[derive(Debug, Default)]
pub(super) struct ConditionalLeastSquares {
    /// The residuals theta(B)^-1 phi(B) z, and the filtered series theta(B)^-1 z and theta(B)^-1 e.
    residuals: Vec<f64>,
    filtered_z: Vec<f64>,
    filtered_e: Vec<f64>,
}

/// The result of the conditional least squares: a start for the likelihood and the curvature there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// The conditional sum of squares.
    pub squares: f64,
    /// The unconstrained coordinates.
    pub u: Vector,
    /// The Gauss-Newton Hessian of the objective of the likelihood at `u`.
    pub hessian: Matrix,
}

impl ConditionalLeastSquares {
    /// Minimises the conditional sum of squares from `start` by Levenberg-Marquardt in the unconstrained
    /// coordinates. The residuals' derivatives cost two more filters whatever the order: de(t)/dphi_i is -a(t - i)
    /// with theta(B) a = z, and de(t)/dtheta_j is -b(t - j) with theta(B) b = e (Box & Jenkins, 7.2.1).
    pub fn minimize(
        &mut self,
        z: &[f64],
        start: Arma,
        steps: usize,
        cancel: &Cancel,
    ) -> Result<Option<Start>, Cancelled> {
        let (p, q) = (start.phi().len(), start.theta().len());
        let Some(mut u) = start.pulled_inside(START_RADIUS).to_unconstrained() else { return Ok(None) };
        let mut here = self.linearise(z, p, q, &u);
        let mut damping = 1e-3;
        let n = z.len() as f64;
        for _ in 0..steps {
            cancel.check()?;
            let mut damped = here.normal;
            for (i, row) in damped.iter_mut().enumerate().take(p + q) {
                row[i] += damping * row[i].max(1e-12 * here.squares);
            }
            let Some(lower) = cholesky(&damped, p + q) else { break };
            let step = solve(&lower, &here.gradient, p + q);
            let next_u: Vector = std::array::from_fn(|i| u[i] - step[i]);
            let next = self.linearise(z, p, q, &next_u);
            let gain = (here.squares - next.squares) / here.squares;
            if gain > 0.0 {
                (u, here) = (next_u, next);
                damping *= 0.1;
            } else {
                damping *= 10.0;
            }
            // The log-likelihood changes by n / 2 times the relative change of the sum of squares.
            if gain.abs() * n / 2.0 < TOLERANCE || damping > 1e8 {
                break;
            }
        }
        let hessian = here.normal.map(|row| row.map(|value| value / here.squares));
        let usable = here.squares.is_finite() && u.iter().all(|value| value.is_finite());
        Ok(usable.then_some(Start { squares: here.squares, u, hessian }))
    }

    fn linearise(&mut self, z: &[f64], p: usize, q: usize, u: &Vector) -> Linearised {
        work::count(z.len() * (FILTER + (p + q) * (p + q) / 4));
        let arma = Arma::from_unconstrained(p, q, u);
        self.filter(z, &arma);
        let first = MAX_LAG + p.min(z.len());
        let end = MAX_LAG + z.len();
        let residuals = &self.residuals[first..];
        // The derivatives but for their sign: lags of the filtered series.
        let column = |i: usize| match i < p {
            true => &self.filtered_z[first - 1 - i..end - 1 - i],
            false => &self.filtered_e[first - 1 - (i - p)..end - 1 - (i - p)],
        };
        let (normal, right) = normal_equations(p + q, column, residuals);
        let gradient = right.map(|value| -value);
        // To the unconstrained coordinates by the chain rule.
        let jacobian = Arma::jacobian(p, q, u);
        Linearised {
            squares: inner_product(residuals, residuals),
            gradient: pull_vector(&jacobian, &gradient),
            normal: pull_matrix(&jacobian, &normal),
        }
    }

    /// Fills the three series; each starts with [`MAX_LAG`] zeros, the values before the first observation.
    fn filter(&mut self, z: &[f64], arma: &Arma) {
        for buffer in [&mut self.residuals, &mut self.filtered_z, &mut self.filtered_e] {
            buffer.clear();
            buffer.resize(MAX_LAG, 0.0);
        }
        self.filtered_z.extend_from_slice(z);
        // phi(B) z from t = p on; the residuals before are zero, as the sum of squares is conditional on the first p.
        let p = arma.phi().len().min(z.len());
        self.residuals.resize(MAX_LAG + p, 0.0);
        self.residuals.extend_from_slice(&z[p..]);
        for (lag, phi) in (1..).zip(arma.phi()) {
            for (out, z) in self.residuals[MAX_LAG + p..].iter_mut().zip(&z[p - lag.min(p)..]) {
                *out -= phi * z;
            }
        }
        self.filtered_e.resize(MAX_LAG + z.len(), 0.0);
        match arma.theta().len() {
            0 => self.filter_by::<0>(arma),
            1 => self.filter_by::<1>(arma),
            2 => self.filter_by::<2>(arma),
            3 => self.filter_by::<3>(arma),
            4 => self.filter_by::<4>(arma),
            _ => self.filter_by::<5>(arma),
        }
    }

    /// Divides the three series by theta(B), q = `Q`. The three recursions run side by side, because each alone would
    /// wait for its own last value.
    fn filter_by<const Q: usize>(&mut self, arma: &Arma) {
        let theta: [f64; Q] = std::array::from_fn(|j| arma.theta()[j]);
        let mut past = [[0.0; 3]; Q];
        let series = self.residuals.iter_mut().zip(&mut self.filtered_z).zip(&mut self.filtered_e);
        for ((e, a), b) in series.skip(MAX_LAG) {
            let mut now = [*e, *a, 0.0];
            for j in (0..Q).rev() {
                for (now, past) in now.iter_mut().zip(&past[j]) {
                    *now -= theta[j] * past;
                }
            }
            now[2] += now[0];
            for j in (1..Q).rev() {
                past[j] = past[j - 1];
            }
            if Q > 0 {
                past[0] = now;
            }
            (*e, *a, *b) = (now[0], now[1], now[2]);
        }
    }
}

/// J' g
fn pull_vector(jacobian: &Matrix, gradient: &Vector) -> Vector {
    let mut out = Vector::default();
    for (row, g) in jacobian.iter().zip(gradient) {
        for (out, value) in out.iter_mut().zip(row) {
            *out += value * g;
        }
    }
    out
}

/// J' N J
fn pull_matrix(jacobian: &Matrix, normal: &Matrix) -> Matrix {
    let half: Matrix = normal.map(|row| pull_vector(jacobian, &row));
    // half = N J, row by coefficient; J' half column by column.
    let mut out = Matrix::default();
    for (row, half) in jacobian.iter().zip(&half) {
        for (out, value) in out.iter_mut().zip(row) {
            for (out, half) in out.iter_mut().zip(half) {
                *out += value * half;
            }
        }
    }
    out
}
