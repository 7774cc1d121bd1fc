//! a and b of dynamic correlations: the largest composite likelihood of pairs of tickers (Pakel, Shephard, Sheppard & Engle,
//! 'Fitting vast dimensional time-varying covariance models', Journal of Business & Economic Statistics 39, 2021).
//!
//! With the correlation r of a pair on a day and its residuals x and y,
//!
//! ```text
//! minus log L = 1/2 sum over pairs and days of log(1 - r^2) + (x^2 + y^2 - 2 r x y) / (1 - r^2), over the number of pairs
//! ```
//!
//! up to what does not depend on a and b. Of two tickers it is the whole likelihood. The full likelihood of many takes the
//! inverse of a matrix for every day, and estimates a and b with a bias towards zero that grows with the number of tickers.
//! Pairs are all that there are, up to [`MOST_PAIRS`]; of more tickers the neighbours in their order.

use ndarray::Array2;

use crate::task::{Cancel, Cancelled};
use crate::volatility::bfgs::{self, Sloped};
use crate::volatility::recursion::Logarithms;
use crate::volatility::shares;
use crate::work;

/// The most pairs, but for a neighbour to each: that many estimate a and b as well as all do.
const MOST_PAIRS: usize = 500;

/// A pair whose residuals are nearer to each other than this says nothing.
const TWINS: f64 = 1e-6;

/// 1 - r^2 is taken for at least this.
const LEAST: f64 = 1e-12;

/// The log likelihood of a pair is found to about this, by first steps of so much.
const TOLERANCE: f64 = 1e-8;
const FIRST_STEP: f64 = 0.02;

/// Units of [`work`] for a ticker and for a pair on a day, with the gradient.
const OF_TICKER: usize = 12;
const OF_PAIR: usize = 18;

/// How correlations follow what comes, and how long they remember.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Parameters {
    pub a: f64,
    pub b: f64,
}

/// A value that follows the recursion, with its derivatives over a and b.
#[derive(Debug, Clone, Copy)]
struct Followed {
    value: f64,
    over_a: f64,
    over_b: f64,
}

impl Followed {
    fn at(value: f64) -> Followed {
        Followed { value, over_a: 0.0, over_b: 0.0 }
    }

    /// The next day's, where `target` draws and `shock` came.
    #[inline]
    fn step(&mut self, target: f64, shock: f64, Parameters { a, b }: Parameters) {
        self.over_a = shock - target + b * self.over_a;
        self.over_b = self.value - target + b * self.over_b;
        self.value = target + a * (shock - target) + b * (self.value - target);
    }
}

/// Residuals and what their correlations move around.
pub(super) struct Correlations<'a> {
    residuals: &'a Array2<f64>,
    target: &'a Array2<f64>,
    pairs: Vec<(usize, usize)>,
}

impl<'a> Correlations<'a> {
    pub(super) fn new(residuals: &'a Array2<f64>, target: &'a Array2<f64>) -> Correlations<'a> {
        let n = target.nrows();
        let varies: Vec<bool> =
            residuals.columns().into_iter().map(|column| column.iter().any(|value| *value != 0.0)).collect();
        let says = |i: usize, j: usize| varies[i] && varies[j] && target[[i, j]].abs() < 1.0 - TWINS;
        let mut pairs = Vec::new();
        for apart in 1..n {
            if !pairs.is_empty() && pairs.len() + n - apart > MOST_PAIRS {
                break;
            }
            pairs.extend((0..n - apart).map(|i| (i, i + apart)).filter(|&(i, j)| says(i, j)));
        }
        Correlations { residuals, target, pairs }
    }

    /// The a and b at which the pairs are most likely; zero where there is none.
    pub(super) fn most_likely(&self, cancel: &Cancel) -> Result<Parameters, Cancelled> {
        if self.pairs.is_empty() {
            return Ok(Parameters { a: 0.0, b: 0.0 });
        }
        let mut best = (f64::INFINITY, [0.0; 3]);
        for persistence in [0.8, 0.95, 0.99] {
            for a in [0.01, 0.04] {
                let x = shares::point([a, persistence - a, 1.0 - persistence]);
                let (value, _) = self.loss(&x, cancel)?;
                if value < best.0 {
                    best = (value, x);
                }
            }
        }
        let found = bfgs::minimise(best.1, FIRST_STEP, TOLERANCE, |x| self.loss(x, cancel))?;
        let [a, b, _] = shares::at(found.at);
        Ok(Parameters { a, b })
    }

    fn loss(&self, x: &[f64; 3], cancel: &Cancel) -> Result<Sloped<3>, Cancelled> {
        let [a, b, _] = shares::at(*x);
        let (value, [over_a, over_b]) = self.minus_log_likelihood(Parameters { a, b }, cancel)?;
        if !value.is_finite() {
            return Ok((f64::INFINITY, [f64::NAN; 3]));
        }
        Ok((value, shares::gradient(*x, [over_a, over_b, 0.0])))
    }

    /// With its derivatives over a and b.
    fn minus_log_likelihood(
        &self,
        parameters: Parameters,
        cancel: &Cancel,
    ) -> Result<(f64, [f64; 2]), Cancelled> {
        let n = self.target.nrows();
        let mut own = vec![Followed::at(1.0); n];
        // Of each ticker's own: 1 / sqrt(q), and half the derivatives of log q.
        let mut scales = vec![Followed::at(1.0); n];
        let mut both: Vec<Followed> =
            self.pairs.iter().map(|&(i, j)| Followed::at(self.target[[i, j]])).collect();
        let (mut logarithms, mut squares, mut slopes) = (Logarithms::new(), 0.0, [0.0; 2]);
        let units = OF_TICKER * n + OF_PAIR * self.pairs.len();
        for row in work::watched(self.residuals.rows(), units, cancel) {
            let row = row?;
            for (scale, q) in scales.iter_mut().zip(&own) {
                let half = 0.5 / q.value;
                *scale = Followed {
                    value: 1.0 / q.value.sqrt(),
                    over_a: half * q.over_a,
                    over_b: half * q.over_b,
                };
            }
            for (&(i, j), q) in self.pairs.iter().zip(&mut both) {
                let ((x, y), (of_x, of_y)) = ((row[i], row[j]), (&scales[i], &scales[j]));
                let unit = of_x.value * of_y.value;
                let r = q.value * unit;
                let left = (1.0 - r * r).max(LEAST);
                let square = (x * x + y * y - 2.0 * r * x * y) / left;
                logarithms.add(left);
                squares += square;
                let over_r = (r * (square - 1.0) - x * y) / left;
                slopes[0] += over_r * (q.over_a * unit - r * (of_x.over_a + of_y.over_a));
                slopes[1] += over_r * (q.over_b * unit - r * (of_x.over_b + of_y.over_b));
                q.step(self.target[[i, j]], x * y, parameters);
            }
            for (q, z) in own.iter_mut().zip(row) {
                q.step(1.0, z * z, parameters);
            }
        }
        let count = self.pairs.len() as f64;
        Ok((0.5 * (logarithms.sum() + squares) / count, slopes.map(|slope| slope / count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn residuals(days: usize, n: usize) -> (Array2<f64>, Array2<f64>) {
        let noise =
            |t: usize, i: usize| ((t * t + 3 * i * i + 7 * t * i) as f64 * 0.754_877_666).fract() - 0.5;
        let z = Array2::from_shape_fn((days, n), |(t, i)| {
            let together = 0.5 + 0.4 * (t as f64 / 50.0).sin();
            3.0 * (together * noise(t, 0) + (1.0 - together) * noise(t, i + 1))
        });
        let second = |i: usize, j: usize| z.column(i).dot(&z.column(j));
        let target =
            Array2::from_shape_fn((n, n), |(i, j)| second(i, j) / (second(i, i) * second(j, j)).sqrt());
        (z, target)
    }

    #[test]
    fn the_likelihood_is_that_of_plain_loops_and_its_gradient_that_of_differences() {
        let (z, target) = residuals(200, 5);
        let all = Correlations::new(&z, &target);
        assert_eq!(all.pairs.len(), 10);
        let cancel = Cancel::default();
        for (a, b) in [(0.02, 0.9), (0.2, 0.3), (0.0, 0.5), (0.05, 0.95)] {
            // A matrix a day, the densities of each pair by its own two by two matrix.
            let (mut q, mut plain) = (target.clone(), 0.0);
            for row in z.rows() {
                for i in 0..5 {
                    for j in i + 1..5 {
                        let r = q[[i, j]] / (q[[i, i]] * q[[j, j]]).sqrt();
                        let determinant = 1.0 - r * r;
                        let (x, y) = (row[i], row[j]);
                        plain += 0.5 * (determinant.ln() + (x * (x - r * y) + y * (y - r * x)) / determinant);
                    }
                }
                q = Array2::from_shape_fn((5, 5), |(i, j)| {
                    (1.0 - a - b) * target[[i, j]] + a * row[i] * row[j] + b * q[[i, j]]
                });
            }
            let at = |a: f64, b: f64| all.minus_log_likelihood(Parameters { a, b }, &cancel).unwrap();
            let (value, slopes) = at(a, b);
            assert!((value - plain / 10.0).abs() < 1e-8 * plain.abs(), "{value} {}", plain / 10.0);
            let step = 1e-6;
            let quotients = [
                (at(a + step, b).0 - at(a - step, b).0) / (2.0 * step),
                (at(a, b + step).0 - at(a, b - step).0) / (2.0 * step),
            ];
            for (slope, quotient) in slopes.iter().zip(quotients) {
                assert!((slope - quotient).abs() < 1e-5 * (1.0 + slope.abs()), "{slopes:?} {quotients:?}");
            }
        }
    }

    #[test]
    fn no_point_near_the_largest_likelihood_is_more_likely() {
        let (z, target) = residuals(600, 6);
        let all = Correlations::new(&z, &target);
        let cancel = Cancel::default();
        let found = all.most_likely(&cancel).unwrap();
        let value = |a: f64, b: f64| all.minus_log_likelihood(Parameters { a, b }, &cancel).unwrap().0;
        let best = value(found.a, found.b);
        for a in 0..40 {
            for b in 0..40 {
                let (a, b) = (f64::from(a) / 40.0, f64::from(b) / 40.0);
                assert!(a + b > 1.0 || value(a, b) > best - 1e-6, "{a} {b} is more likely than {found:?}");
            }
        }
    }

    #[test]
    fn many_tickers_have_neighbours() {
        let (z, target) = residuals(60, 40);
        let pairs = Correlations::new(&z, &target).pairs;
        assert!((450..=500).contains(&pairs.len()), "{}", pairs.len());
        let (z, target) = residuals(60, 700);
        assert_eq!(Correlations::new(&z, &target).pairs.len(), 699);
    }
}
