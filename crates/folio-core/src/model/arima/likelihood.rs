//! The exact Gaussian likelihood of an ARMA process by the innovations algorithm.
//!
//! Brockwell & Davis (1991), Time Series: Theory and Methods, 5.2.16 and 5.3: with m = max(p, q), the transformed
//! series (x(1), ..., x(m), phi(B) x(m+1), phi(B) x(m+2), ...) has a banded covariance. Its L D L' factors turn the
//! series into uncorrelated innovations. It is the same likelihood as the Kalman filter's from the stationary initial
//! state, at q^2 / 2 multiplications a step instead of max(p, q + 1)^2; and once the factors have converged to theta
//! and 1, which they do geometrically, a step costs p + q.

use super::arma::{Arma, MAX_LAG};
use crate::work;

/// What an observation takes in the innovations algorithm.
const INNOVATION: usize = 8;

/// How near the factors must be to their limit to be replaced by it: far under what the optimiser's difference
/// quotients can see, far over the rounding of the recursion.
const CONVERGED: f64 = 1e-12;

/// The L D L' factors of the covariance of the transformed series for innovations of variance 1, up to the row where
/// they have converged. They depend on the coefficients only, not on the data.
#[derive(Debug, Clone, Default)]
pub(super) struct Factors {
    /// Row t of L: entry j multiplies the innovation at t - 1 - j.
    rows: Vec<[f64; MAX_LAG]>,
    /// One over the variance of the innovation at t; it rises to 1.
    precisions: Vec<f64>,
    /// Every row after the last one.
    limit: [f64; MAX_LAG],
}

impl Factors {
    /// Computes the factors for series of up to `n` observations; `false` where the process is not stationary or
    /// the covariance is singular in floating point.
    pub fn compute(&mut self, arma: &Arma, n: usize) -> bool {
        self.rows.clear();
        self.precisions.clear();
        self.limit = std::array::from_fn(|j| arma.theta().get(j).copied().unwrap_or(0.0));
        let Some(gamma) = arma.autocovariances() else { return false };
        let covariance = Covariance::new(arma, gamma);
        match covariance.band {
            0 => self.fill::<0>(arma, n, &covariance),
            1 => self.fill::<1>(arma, n, &covariance),
            2 => self.fill::<2>(arma, n, &covariance),
            3 => self.fill::<3>(arma, n, &covariance),
            4 => self.fill::<4>(arma, n, &covariance),
            _ => self.fill::<5>(arma, n, &covariance),
        }
    }

    /// The rows of a factorisation with band width `B`: L(t, s) D(s) = cov(t, s) - sum over r < s of L(t, r) L(s, r)
    /// D(r). With the width known, the inner loops are unrolled.
    fn fill<const B: usize>(&mut self, arma: &Arma, n: usize, covariance: &Covariance) -> bool {
        let settle = arma.theta().len().max(1);
        let mut settled = 0;
        // The last B rows and precisions, the newest first; zeros and ones before the first row.
        let mut rows = [[0.0; B]; B];
        let mut precisions = [1.0; B];
        for t in 0..n {
            if settled >= settle {
                break;
            }
            let mut scaled = [0.0; B];
            let mut row = [0.0; B];
            let mut variance = covariance.at(t, 0);
            for j in (0..B.min(t)).rev() {
                let mut value = covariance.at(t, j + 1);
                for i in j + 1..B {
                    value -= scaled[i] * rows[j][i - j - 1];
                }
                scaled[j] = value;
                row[j] = value * precisions[j];
                variance -= value * row[j];
            }
            if !(variance > 0.0 && variance.is_finite()) {
                return false;
            }
            let near = (variance - 1.0).abs() < CONVERGED
                && row.iter().zip(&self.limit).all(|(a, b)| (a - b).abs() < CONVERGED);
            // Before 2 m the covariances themselves still change.
            settled = if near && t >= 2 * arma.order() { settled + 1 } else { 0 };
            let precision = 1.0 / variance;
            for j in (1..B).rev() {
                (rows[j], precisions[j]) = (rows[j - 1], precisions[j - 1]);
            }
            if B > 0 {
                (rows[0], precisions[0]) = (row, precision);
            }
            self.rows.push(std::array::from_fn(|j| if j < B { row[j] } else { 0.0 }));
            self.precisions.push(precision);
        }
        true
    }

    /// ln |D|, with ones after the last row.
    pub fn log_determinant(&self) -> f64 {
        // One logarithm per 16 rows: the product of 16 precisions neither overflows nor underflows, each being between 1
        // and one over the variance of the process.
        -self.precisions.chunks(16).map(|chunk| chunk.iter().product::<f64>().ln()).sum::<f64>()
    }

    /// Row t of L.
    pub fn row(&self, t: usize) -> &[f64; MAX_LAG] {
        self.rows.get(t).unwrap_or(&self.limit)
    }
}

/// The covariances of the transformed series (Brockwell & Davis 5.3.5).
struct Covariance {
    m: usize,
    band: usize,
    /// Both times in the first m.
    gamma: [f64; MAX_LAG],
    /// Only the earlier time in the first m.
    mixed: [f64; MAX_LAG + 1],
    /// Neither.
    moving_average: [f64; MAX_LAG + 1],
}

impl Covariance {
    fn new(arma: &Arma, gamma: [f64; MAX_LAG]) -> Covariance {
        let m = arma.order();
        let mut psi = [1.0; MAX_LAG + 1];
        psi[1..].copy_from_slice(&arma.psi(0, MAX_LAG));
        let theta = std::array::from_fn(|lag| match lag {
            0 => 1.0,
            _ => arma.theta().get(lag - 1).copied().unwrap_or(0.0),
        });
        Covariance {
            m,
            band: m.saturating_sub(1).max(arma.theta().len()),
            gamma,
            mixed: std::array::from_fn(|lag| arma.moving_average_covariance(lag, &psi)),
            moving_average: std::array::from_fn(|lag| arma.moving_average_covariance(lag, &theta)),
        }
    }

    fn at(&self, t: usize, lag: usize) -> f64 {
        if t < self.m {
            self.gamma[lag]
        } else if t - lag < self.m {
            self.mixed[lag]
        } else {
            self.moving_average[lag]
        }
    }
}

/// The innovations' sums of squares and products, each divided by its variance.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    /// Of the series.
    xx: f64,
    /// Of the series and of the series of ones.
    x1: f64,
    /// Of the series of ones.
    one: f64,
}

impl Sums {
    fn add(&mut self, x: f64, one: f64, precision: f64) {
        self.xx += x * x * precision;
        self.x1 += x * one * precision;
        self.one += one * one * precision;
    }
}

/// What the likelihood of a series needs, with sigma^2 and the mean at their maximum for the given coefficients.
#[derive(Debug, Clone, Copy)]
pub(super) struct Profile {
    /// The generalised least squares mean; 0 for a model without one.
    pub mean: f64,
    /// The sum of the squared innovations, each over its relative variance.
    pub squares: f64,
    /// The sum of the logarithms of the relative variances.
    pub log_determinant: f64,
    /// The number of observations.
    pub n: usize,
}

impl Profile {
    /// The negative log-likelihood per observation but for its constant: (ln(S / n) + ln|D| / n) / 2.
    pub fn objective(&self) -> f64 {
        let n = self.n as f64;
        ((self.squares / n).ln() + self.log_determinant / n) / 2.0
    }

    /// The log-likelihood with sigma^2 = S / n (Brockwell & Davis 8.7.4).
    pub fn log_likelihood(&self) -> f64 {
        let n = self.n as f64;
        -n * (self.objective() + ((2.0 * std::f64::consts::PI).ln() + 1.0) / 2.0)
    }
}

/// Computes likelihoods; keeps its buffers between calls.
#[derive(Debug, Default)]
pub(super) struct Likelihood {
    pub factors: Factors,
    innovations: Vec<f64>,
}

impl Likelihood {
    /// The profile likelihood of `z`, with a mean to be estimated or none; `None` where the process is not
    /// stationary or a sum is not a positive finite number.
    pub fn profile(&mut self, arma: &Arma, z: &[f64], constant: bool) -> Option<Profile> {
        work::count(INNOVATION * z.len());
        if !self.factors.compute(arma, z.len()) {
            return None;
        }
        transform(arma, z, &mut self.innovations);
        let sums = whiten(arma, &self.factors, &mut self.innovations, constant);
        // A mean enters the innovations linearly, so its maximum has a closed form: generalised least squares.
        let mean = if constant { sums.x1 / sums.one } else { 0.0 };
        let squares = sums.xx - mean * if constant { sums.x1 } else { 0.0 };
        let log_determinant = self.factors.log_determinant();
        let profile = Profile { mean, squares, log_determinant, n: z.len() };
        (squares > 0.0 && profile.objective().is_finite() && mean.is_finite()).then_some(profile)
    }

    /// The innovations of `z`, a series of mean zero, and the factors for `n` observations, which may be more than
    /// `z` has; `None` where the process is not stationary.
    pub fn innovations(&mut self, arma: &Arma, z: &[f64], n: usize) -> Option<&[f64]> {
        if !self.factors.compute(arma, n) {
            return None;
        }
        transform(arma, z, &mut self.innovations);
        whiten(arma, &self.factors, &mut self.innovations, false);
        Some(&self.innovations)
    }
}

/// The transformed series: x(t) for t < m, phi(B) x(t) from there on.
fn transform(arma: &Arma, z: &[f64], out: &mut Vec<f64>) {
    out.clear();
    out.extend_from_slice(z);
    let m = arma.order().min(z.len());
    for (lag, phi) in (1..).zip(arma.phi()) {
        // One pass a lag: each vectorises.
        for (out, z) in out[m..].iter_mut().zip(&z[m - lag.min(m)..]) {
            *out -= phi * z;
        }
    }
}

/// Turns the transformed series into innovations in place, and sums them.
fn whiten(arma: &Arma, factors: &Factors, x: &mut [f64], constant: bool) -> Sums {
    match (arma.theta().len(), constant) {
        (0, false) => whiten_of::<0, false>(arma, factors, x),
        (1, false) => whiten_of::<1, false>(arma, factors, x),
        (2, false) => whiten_of::<2, false>(arma, factors, x),
        (3, false) => whiten_of::<3, false>(arma, factors, x),
        (4, false) => whiten_of::<4, false>(arma, factors, x),
        (_, false) => whiten_of::<5, false>(arma, factors, x),
        (0, true) => whiten_of::<0, true>(arma, factors, x),
        (1, true) => whiten_of::<1, true>(arma, factors, x),
        (2, true) => whiten_of::<2, true>(arma, factors, x),
        (3, true) => whiten_of::<3, true>(arma, factors, x),
        (4, true) => whiten_of::<4, true>(arma, factors, x),
        (_, true) => whiten_of::<5, true>(arma, factors, x),
    }
}

/// [`whiten`] for q = `Q`: with the length known, the loop over lags is unrolled and the state stays in registers.
/// With `ONES`, the series of ones goes through the same filter beside the data.
fn whiten_of<const Q: usize, const ONES: bool>(arma: &Arma, factors: &Factors, x: &mut [f64]) -> Sums {
    let mut sums = Sums::default();
    let early = factors.rows.len().min(x.len());
    let m = arma.order().min(early);
    // The first m rows reach back to the first observation, the later ones q steps.
    let mut ones = [1.0; MAX_LAG];
    for t in 0..m {
        for j in 0..t {
            x[t] -= factors.rows[t][j] * x[t - 1 - j];
            ones[t] -= factors.rows[t][j] * ones[t - 1 - j];
        }
        sums.add(x[t], ones[t], factors.precisions[t]);
    }
    let one_after_m = 1.0 - arma.phi().iter().sum::<f64>();
    // q is at most m, so the past is known but where the series ends before.
    let mut past: [f64; Q] = std::array::from_fn(|j| if j < m { x[m - 1 - j] } else { 0.0 });
    let mut past_ones: [f64; Q] = std::array::from_fn(|j| if j < m { ones[m - 1 - j] } else { 0.0 });
    let rows = factors.rows[m..early].iter().zip(&factors.precisions[m..early]);
    for (x, (row, &precision)) in x[m..early].iter_mut().zip(rows) {
        let weights: [f64; Q] = std::array::from_fn(|j| row[j]);
        *x = step(*x, &weights, &mut past);
        let one = if ONES { step(one_after_m, &weights, &mut past_ones) } else { 0.0 };
        sums.add(*x, one, precision);
    }
    let theta: [f64; Q] = std::array::from_fn(|j| arma.theta()[j]);
    for x in &mut x[early..] {
        let value = step(*x, &theta, &mut past);
        *x = value;
        sums.xx += value * value;
        if ONES {
            let one = step(one_after_m, &theta, &mut past_ones);
            sums.x1 += value * one;
            sums.one += one * one;
        }
    }
    sums
}

/// One step of the filter: the newest innovation last, since only it has to be waited for.
#[inline(always)]
fn step<const Q: usize>(x: f64, theta: &[f64; Q], past: &mut [f64; Q]) -> f64 {
    let mut value = x;
    for j in (0..Q).rev() {
        value -= theta[j] * past[j];
    }
    for j in (1..Q).rev() {
        past[j] = past[j - 1];
    }
    if Q > 0 {
        past[0] = value;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The log-likelihood by the definition: the density of a normal vector with the process's covariance matrix,
    /// by a dense Cholesky factorisation. Shares only the psi weights with the code above.
    fn dense_log_likelihood(arma: &Arma, z: &[f64], constant: bool) -> (f64, f64) {
        let n = z.len();
        let mut psi = arma.psi(0, 4000);
        psi.insert(0, 1.0);
        let gamma: Vec<f64> = (0..n).map(|k| psi.iter().zip(&psi[k..]).map(|(a, b)| a * b).sum()).collect();
        let mut lower = vec![vec![0.0; n]; n];
        for i in 0..n {
            for j in 0..=i {
                let dot: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
                let value: f64 = gamma[i - j] - dot;
                lower[i][j] = if i == j { value.sqrt() } else { value / lower[j][j] };
            }
        }
        let solve = |b: &[f64]| {
            let mut x = b.to_vec();
            for i in 0..n {
                let dot: f64 = (0..i).map(|k| lower[i][k] * x[k]).sum();
                x[i] = (x[i] - dot) / lower[i][i];
            }
            x
        };
        let (x, ones) = (solve(z), solve(&vec![1.0; n]));
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mean = if constant { dot(&x, &ones) / dot(&ones, &ones) } else { 0.0 };
        let residual: Vec<f64> = x.iter().zip(&ones).map(|(x, one)| x - mean * one).collect();
        let sigma2 = dot(&residual, &residual) / n as f64;
        let log_det: f64 = (0..n).map(|i| 2.0 * lower[i][i].ln()).sum();
        let constant_part = (2.0 * std::f64::consts::PI).ln() + 1.0;
        (-(n as f64) / 2.0 * (constant_part + sigma2.ln()) - log_det / 2.0, mean)
    }

    fn series(n: usize) -> Vec<f64> {
        let mut state = 0.3_f64;
        let chaotic = (0..n).map(|t| {
            state = 3.9 * state * (1.0 - state);
            state + (t as f64 * 0.7).sin()
        });
        chaotic.collect()
    }

    #[test]
    fn the_likelihood_is_that_of_the_dense_normal_density() {
        let cases: [(&[f64], &[f64]); 9] = [
            (&[], &[]),
            (&[0.6], &[]),
            (&[], &[0.5]),
            (&[0.99], &[-0.3]),
            (&[0.5, -0.3, 0.2], &[0.4]),
            (&[0.3], &[-0.4, 0.25, 0.1]),
            (&[0.2, 0.1, -0.1, 0.05, 0.3], &[]),
            (&[-1.6, -0.8], &[1.5, 0.7]),
            (&[0.2, 0.1, -0.1, 0.05, 0.3], &[0.5, 0.2, -0.1, 0.3, 0.4]),
        ];
        let mut likelihood = Likelihood::default();
        for (phi, theta) in cases {
            for n in [1, 2, 3, 5, 8, 120] {
                for constant in [false, true] {
                    // With a mean, one observation leaves no square at all.
                    if constant && n == 1 {
                        continue;
                    }
                    let (arma, z) = (Arma::new(phi, theta), series(n));
                    let profile = likelihood.profile(&arma, &z, constant).unwrap();
                    let (expected, mean) = dense_log_likelihood(&arma, &z, constant);
                    let got = profile.log_likelihood();
                    assert!((got - expected).abs() < 1e-7, "{phi:?} {theta:?} {n}: {got} {expected}");
                    assert!((profile.mean - mean).abs() < 1e-9, "{phi:?} {theta:?} {n}");
                }
            }
        }
    }

    #[test]
    fn the_fast_path_is_taken_and_a_process_that_is_not_stationary_is_refused() {
        let mut factors = Factors::default();
        assert!(factors.compute(&Arma::new(&[0.5], &[0.3]), 1000));
        assert!(factors.rows.len() < 40, "{} rows before convergence", factors.rows.len());
        assert!(factors.compute(&Arma::new(&[], &[0.999]), 1000));
        assert_eq!(factors.rows.len(), 1000);
        assert!(Likelihood::default().profile(&Arma::new(&[1.0], &[]), &series(20), false).is_none());
    }
}
