//! The heterogeneous autoregression of realised variances (Corsi, Journal of Financial Econometrics 7, 2009): tomorrow's
//! on those of the last day, week and month, by ordinary least squares,
//!
//! ```text
//! v(t+1) = c + d v(t) + w (v(t) + ... + v(t-4)) / 5 + m (v(t) + ... + v(t-21)) / 22
//! ```
//!
//! Later steps by the same equation with forecasts in the place of what has not come. A forecast outside of what the fit
//! has seen, under its calmest month or over its wildest day, is set to that ('insanity filter' of Bollerslev, Patton &
//! Quaedvlieg, Journal of Econometrics 192, 2016): squares are noisy, and a least squares fit of them can be negative.

use std::collections::VecDeque;

use crate::model::Failure;
use crate::task::{Cancel, Cancelled};
use crate::work;

/// Days of a week and of a month.
const WEEK: usize = 5;
pub(super) const MONTH: usize = 22;

/// The fewest values of a fit: a month of lags, and two months to tell four coefficients from.
pub(super) const MIN_OBSERVATIONS: usize = 3 * MONTH;

/// Units of [`work`] for a row of the regression and for a step of a forecast.
const ROW: usize = 40;
const STEP: usize = 10;

/// A pivot under this share of its diagonal has nothing but rounding in it.
const SINGULAR: f64 = 1e-12;

/// The coefficients c, d, w, m, and between what forecasts may lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Regression {
    pub coefficients: [f64; 4],
    low: f64,
    high: f64,
}

/// The means of the last day, week and month.
struct Lags {
    last: VecDeque<f64>,
    week: f64,
    month: f64,
}

impl Lags {
    /// After these values, at least a month of them.
    fn after(values: &[f64]) -> Lags {
        let last: VecDeque<f64> = values[values.len() - MONTH..].iter().copied().collect();
        let week = last.iter().skip(MONTH - WEEK).sum();
        Lags { month: last.iter().sum(), last, week }
    }

    fn means(&self) -> [f64; 3] {
        [self.last[MONTH - 1], self.week / WEEK as f64, self.month / MONTH as f64]
    }

    fn push(&mut self, value: f64) {
        self.week += value - self.last[MONTH - WEEK];
        self.month += value - self.last.pop_front().unwrap_or(0.0);
        self.last.push_back(value);
    }
}

impl Regression {
    /// Fits to realised variances, at least [`MIN_OBSERVATIONS`].
    pub fn fit(values: &[f64], cancel: &Cancel) -> Result<Regression, Failure> {
        let n = values.len() as f64;
        // In units of their mean, around which all are centred: the moments then are as well conditioned as can be.
        let unit = values.iter().sum::<f64>() / n;
        if !(unit > 0.0 && (1.0 / unit).is_finite()) {
            return Err(Failure::Constant);
        }
        let rows = rows(values, unit, cancel)?;
        let count = rows.len() as f64;
        let mean = |column: usize| rows.iter().map(|row| row[column]).sum::<f64>() / count;
        let means: [f64; 4] = std::array::from_fn(mean);
        let mut moments = [[0.0; 4]; 3];
        for row in work::watched(&rows, ROW, cancel) {
            let centred: [f64; 4] = std::array::from_fn({
                let row = row?;
                move |column| row[column] - means[column]
            });
            for i in 0..3 {
                for j in 0..4 {
                    moments[i][j] += centred[i] * centred[j];
                }
            }
        }
        let slopes = solve(moments).ok_or(Failure::Constant)?;
        let constant = means[3] - slopes.iter().zip(&means).map(|(slope, mean)| slope * mean).sum::<f64>();
        let low = rows.iter().map(|row| row[2]).fold(f64::INFINITY, f64::min) * unit;
        let high = values.iter().copied().fold(0.0, f64::max);
        let [day, week, month] = slopes;
        Ok(Regression { coefficients: [constant * unit, day, week, month], low, high })
    }

    /// The forecasts after these values, at least a month of them.
    fn path(&self, values: &[f64], horizon: usize) -> Vec<f64> {
        let mut lags = Lags::after(values);
        let [constant, slopes @ ..] = self.coefficients;
        let mut next = || {
            let expected =
                constant + slopes.iter().zip(lags.means()).map(|(slope, mean)| slope * mean).sum::<f64>();
            let expected = expected.clamp(self.low, self.high);
            lags.push(expected);
            expected
        };
        (0..horizon).map(|_| next()).collect()
    }

    /// The forecasts from each origin, times `factor`.
    pub fn forecast(
        &self,
        values: &[f64],
        factor: f64,
        origins: &[usize],
        horizon: usize,
        cancel: &Cancel,
    ) -> Result<Vec<Vec<f64>>, Failure> {
        let path = |origin: Result<&usize, Cancelled>| {
            let origin = *origin?;
            if origin < MONTH {
                return Err(Failure::TooShort { need: MONTH, got: origin });
            }
            Ok(self.path(&values[..origin], horizon).into_iter().map(|value| factor * value).collect())
        };
        work::watched(origins, STEP * horizon + 2 * MONTH, cancel).map(path).collect()
    }
}

/// The lags of each value and the value itself, in units of `unit`.
fn rows(values: &[f64], unit: f64, cancel: &Cancel) -> Result<Vec<[f64; 4]>, Cancelled> {
    let mut lags = Lags::after(&values[..MONTH]);
    let row = |value: Result<&f64, Cancelled>| {
        let value = *value?;
        let [day, week, month] = lags.means();
        lags.push(value);
        Ok([day / unit, week / unit, month / unit, value / unit])
    };
    work::watched(&values[MONTH..], ROW, cancel).map(row).collect()
}

/// Solves the normal equations, the last column being the right side, by elimination with pivots from the diagonal.
fn solve(mut m: [[f64; 4]; 3]) -> Option<[f64; 3]> {
    let diagonal: [f64; 3] = std::array::from_fn(|i| m[i][i]);
    for i in 0..3 {
        if m[i][i].is_nan() || m[i][i] <= SINGULAR * diagonal[i] {
            return None;
        }
        for row in i + 1..3 {
            let factor = m[row][i] / m[i][i];
            let pivot = m[i];
            m[row].iter_mut().zip(pivot).for_each(|(value, above)| *value -= factor * above);
        }
    }
    let mut x = [0.0; 3];
    for i in (0..3).rev() {
        x[i] = (m[i][3] - (i + 1..3).map(|j| m[i][j] * x[j]).sum::<f64>()) / m[i][i];
    }
    x.iter().all(|value| value.is_finite()).then_some(x)
}
