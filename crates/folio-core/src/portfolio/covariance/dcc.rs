//! Dynamic conditional correlation (Engle, Journal of Business & Economic Statistics 20, 2002), scalar.
//!
//! Each ticker's returns in units of their volatility by GARCH(1,1) are z. With C, the correlation of all z,
//!
//! ```text
//! Q(t+1) = (1 - a - b) C + a z(t) z(t)' + b Q(t),  Q(1) = C,  R(t) = Q(t) with its diagonal made 1
//! ```
//!
//! a and b by the likelihood of pairs of tickers ([`likelihood`]). Q after the last return is a sum with the weights a b^k, so
//! that no matrix is kept for a day. Of the steps to come the variances are those of GARCH, and the correlations go home as
//! Engle and Sheppard (NBER working paper 8554, 2001) approximate them; the covariance is the mean of the steps:
//!
//! ```text
//! R(T+k) = C + (a + b)^(k-1) (R(T+1) - C),  H = mean over k = 1 .. horizon of D(T+k) R(T+k) D(T+k)
//! ```

mod likelihood;

use ndarray::{Array1, Array2, Axis};

use self::likelihood::{Correlations, Parameters};
use super::{Estimate, Estimator, Number};
use crate::Result;
use crate::portfolio::solver::linalg;
use crate::task::Cancel;
use crate::volatility::standardised::{MIN_OBSERVATIONS, standardised};
use crate::work::{self, watched};

/// What GARCH needs.
pub(super) const MIN_RETURNS: usize = MIN_OBSERVATIONS;

/// The longest horizon: a year of days.
const MOST_STEPS: f64 = 252.0;

/// Units of [`work`] for a power, and for an element of a matrix that a few numbers make.
const POWER: usize = 50;
const ELEMENT: usize = 8;

/// Correlations that move around those of the sample.
pub(super) struct Dcc;

impl Estimator for Dcc {
    fn name(&self) -> &'static str {
        "dcc"
    }

    fn number(&self) -> Option<Number> {
        Some(horizon())
    }

    fn min_returns(&self) -> usize {
        MIN_RETURNS
    }

    fn estimate(&self, returns: &Array2<f64>, number: f64, cancel: &Cancel) -> Result<Estimate> {
        let sample = |z: &Array2<f64>| Ok(linalg::gram(z, cancel)? / z.nrows() as f64);
        estimate(returns, number as usize, sample, cancel)
    }
}

/// The number that these covariances take.
pub(super) fn horizon() -> Number {
    let valid = |steps: f64| steps.fract() == 0.0 && (1.0..=MOST_STEPS).contains(&steps);
    Number { default: 1.0, valid, expected: "a horizon of 1 to 252 periods", is_horizon: true }
}

/// The covariance over so many steps, with correlations that move around those of `moments` of the residuals.
pub(super) fn estimate(
    returns: &Array2<f64>,
    horizon: usize,
    moments: impl FnOnce(&Array2<f64>) -> Result<Array2<f64>>,
    cancel: &Cancel,
) -> Result<Estimate> {
    let Filtered { residuals, variances } = Filtered::of(returns, horizon, cancel)?;
    let target = correlation(moments(&residuals)?, cancel)?;
    let parameters = Correlations::new(&residuals, &target).most_likely(cancel)?;
    let next = correlation(after(&residuals, &target, parameters, cancel)?, cancel)?;
    Ok(Estimate::plain(mean_of_steps(&variances, &target, &next, parameters, cancel)?))
}

/// Residuals of the days, and variances of the steps to come, a column a ticker.
struct Filtered {
    residuals: Array2<f64>,
    variances: Array2<f64>,
}

impl Filtered {
    fn of(returns: &Array2<f64>, horizon: usize, cancel: &Cancel) -> Result<Filtered> {
        let (days, n) = returns.dim();
        let mut filtered =
            Filtered { residuals: Array2::zeros((days, n)), variances: Array2::zeros((horizon, n)) };
        for pair in watched(returns.columns().into_iter().enumerate(), work::PRODUCTS * days, cancel) {
            let (i, column) = pair?;
            // A price that never moves has neither.
            if let Some(own) = standardised(&column.to_vec(), horizon, cancel)? {
                filtered.residuals.column_mut(i).assign(&Array1::from(own.residuals));
                filtered.variances.column_mut(i).assign(&Array1::from(own.variances));
            }
        }
        Ok(filtered)
    }
}

/// A matrix of moments with its diagonal made 1; what does not vary goes with nothing.
fn correlation(moments: Array2<f64>, cancel: &Cancel) -> Result<Array2<f64>> {
    let n = moments.nrows();
    let scale = moments.diag().mapv(|variance| if variance > 0.0 { 1.0 / variance.sqrt() } else { 0.0 });
    let mut matrix = moments;
    for pair in watched(matrix.rows_mut().into_iter().enumerate(), ELEMENT * n, cancel) {
        let (i, mut row) = pair?;
        // The product of both scales first: the same for i, j and j, i.
        row.zip_mut_with(&scale, |element, other| *element *= scale[i] * other);
        row[i] = 1.0;
    }
    Ok(matrix)
}

/// Q after the last day.
fn after(
    residuals: &Array2<f64>,
    target: &Array2<f64>,
    Parameters { a, b }: Parameters,
    cancel: &Cancel,
) -> Result<Array2<f64>> {
    let days = residuals.nrows();
    cancel.check()?;
    work::count(residuals.len() + 2 * target.len() + POWER * days);
    let faded = b.powi(days as i32);
    // What the constant and the first day bring; with b = 1 there is no constant and nothing fades.
    let of_target = if b < 1.0 { (1.0 - a - b) * (1.0 - faded) / (1.0 - b) + faded } else { 1.0 };
    let roots = Array1::from_shape_fn(days, |day| (a * b.powi((days - 1 - day) as i32)).sqrt());
    let shocks = linalg::gram(&(residuals * &roots.insert_axis(Axis(1))), cancel)?;
    Ok(shocks + target * of_target)
}

/// The mean of the covariances of the steps.
fn mean_of_steps(
    variances: &Array2<f64>,
    target: &Array2<f64>,
    next: &Array2<f64>,
    Parameters { a, b }: Parameters,
    cancel: &Cancel,
) -> Result<Array2<f64>> {
    let steps = variances.nrows();
    let left = Array1::from_shape_fn(steps, |step| (a + b).powi(step as i32));
    let weighted = |weights: Array1<f64>| {
        cancel.check()?;
        work::count(POWER * variances.len());
        let roots = weights.mapv(|weight| (weight.max(0.0) / steps as f64).sqrt()).insert_axis(Axis(1));
        linalg::gram(&(variances.mapv(f64::sqrt) * &roots), cancel)
    };
    let (of_next, mut mean) = (weighted(left.clone())?, weighted(1.0 - left)?);
    for pair in watched(mean.indexed_iter_mut(), ELEMENT, cancel) {
        let (place, element) = pair?;
        *element = *element * target[place] + of_next[place] * next[place];
    }
    Ok(mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns of a market whose volatility and correlation swing, by a generator of its own.
    fn returns(days: usize, n: usize) -> Array2<f64> {
        let mut state = 7_u64;
        let mut normal = move || {
            let mut sum = 0.0;
            for _ in 0..12 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                sum += (state >> 11) as f64 / (1_u64 << 53) as f64;
            }
            sum - 6.0
        };
        let mut returns = Array2::zeros((days, n));
        for day in 0..days {
            let size = 0.01 * (1.0 + 0.6 * (day as f64 / 60.0).sin());
            let together = 0.5 + 0.45 * (day as f64 / 90.0).cos();
            let market = normal();
            for i in 0..n {
                let own = normal();
                returns[[day, i]] = size * (together * market + (1.0 - together * together).sqrt() * own);
            }
        }
        returns
    }

    /// Everything by plain loops, one matrix a day.
    fn plain(z: &Array2<f64>, target: &Array2<f64>, Parameters { a, b }: Parameters) -> Array2<f64> {
        let mut q = target.clone();
        for row in z.rows() {
            for i in 0..z.ncols() {
                for j in 0..z.ncols() {
                    q[[i, j]] = (1.0 - a - b) * target[[i, j]] + a * row[i] * row[j] + b * q[[i, j]];
                }
            }
        }
        q
    }

    #[test]
    fn the_covariance_is_that_of_plain_loops() {
        let cancel = Cancel::default();
        let returns = returns(400, 4);
        for steps in [1, 7] {
            let found = Dcc.estimate(&returns, steps as f64, &cancel).unwrap().matrix;
            let Filtered { residuals: z, variances } = Filtered::of(&returns, steps, &cancel).unwrap();
            let mut target = Array2::zeros((4, 4));
            let second = |i: usize, j: usize| z.rows().into_iter().map(|row| row[i] * row[j]).sum::<f64>();
            for i in 0..4 {
                for j in 0..4 {
                    target[[i, j]] = second(i, j) / (second(i, i) * second(j, j)).sqrt();
                }
            }
            let parameters = Correlations::new(&z, &target).most_likely(&cancel).unwrap();
            assert!(parameters.a > 0.005 && parameters.b > 0.5, "a market that swings: {parameters:?}");
            let q = plain(&z, &target, parameters);
            for i in 0..4 {
                for j in 0..4 {
                    let next = q[[i, j]] / (q[[i, i]] * q[[j, j]]).sqrt();
                    let step = |k: usize| {
                        let left = (parameters.a + parameters.b).powi(k as i32);
                        let size = (variances[[k, i]] * variances[[k, j]]).sqrt();
                        size * (target[[i, j]] + left * (next - target[[i, j]]))
                    };
                    let mean = (0..steps).map(step).sum::<f64>() / steps as f64;
                    assert!((found[[i, j]] / mean - 1.0).abs() < 1e-8, "{i} {j}: {} {mean}", found[[i, j]]);
                }
            }
            assert_eq!(found, found.t());
        }
    }

    #[test]
    fn what_never_moves_and_what_moves_as_another_do_no_harm() {
        let cancel = Cancel::default();
        let mut returns = returns(300, 4);
        returns.column_mut(1).fill(0.0);
        let twin = returns.column(2).to_owned();
        returns.column_mut(3).assign(&twin);
        let found = Dcc.estimate(&returns, 5.0, &cancel).unwrap().matrix;
        assert!(found.row(1).iter().all(|element| *element == 0.0), "{found}");
        assert!((found[[2, 3]] / found[[2, 2]] - 1.0).abs() < 1e-8, "{found}");
        let alone = Dcc.estimate(&returns.select(Axis(1), &[0]), 1.0, &cancel).unwrap().matrix;
        assert!(alone[[0, 0]] > 0.0);
    }
}
