//! What the regression models see of a series: lags, averages, volatilities and oscillators of its log returns.
//!
//! A row belongs to an origin and is computed from the [`WARMUP`] returns before it, so it cannot see the future.
//! Returns are standardised by the mean and standard deviation of the training stretch, and every feature is scaled to
//! about unit variance for independent returns, so that one penalty suits all and no feature knows the unit or the
//! level of the prices.

use ndarray::Array2;

use super::Failure;
use crate::task::Cancel;
use crate::work::watched;

/// What the features of an origin take.
const ROW: usize = 500;

/// The returns that a row looks back on: a quarter.
pub(crate) const WARMUP: usize = 63;

/// The names of the features, in the order of the columns. Windows are in trading days.
pub(crate) const NAMES: [&str; 17] = [
    "lag_1",
    "lag_2",
    "lag_3",
    "lag_4",
    "lag_5",
    "mean_5",
    "mean_10",
    "mean_21",
    "mean_63",
    "momentum_63_21",
    "sd_5",
    "sd_21",
    "sd_63",
    "rsi_14",
    "below_high_63",
    "above_low_63",
    "up_days_21",
];

/// The first two moments of the training returns, by which all returns are standardised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    /// The mean daily log return.
    pub mean: f64,
    /// Its standard deviation; over zero.
    pub sd: f64,
}

impl Scale {
    /// The moments of the returns of these log prices, of which there are at least two.
    ///
    /// # Errors
    /// [`Failure::NotFinite`], and [`Failure::Constant`] where the returns do not vary by more than rounding.
    pub(crate) fn of(y: &[f64]) -> Result<Scale, Failure> {
        let count = (y.len() - 1) as f64;
        let mean = (y[y.len() - 1] - y[0]) / count;
        let sd = (y.windows(2).map(|pair| (pair[1] - pair[0] - mean).powi(2)).sum::<f64>() / count).sqrt();
        if !(mean.is_finite() && sd.is_finite()) {
            return Err(Failure::NotFinite("log prices"));
        }
        let rounding = 4.0 * f64::EPSILON * y.iter().fold(0.0_f64, |size, value| size.max(value.abs()));
        if sd > rounding { Ok(Scale { mean, sd }) } else { Err(Failure::Constant) }
    }
}

/// The features at each origin, a row an origin and a column a name. From origin `o` only `y[..o]` is read; it must be
/// over [`WARMUP`].
pub(crate) fn matrix(
    y: &[f64],
    origins: impl ExactSizeIterator<Item = usize>,
    scale: Scale,
    cancel: &Cancel,
) -> Result<Array2<f64>, Failure> {
    let mut matrix = Array2::zeros((origins.len(), NAMES.len()));
    let mut returns = [0.0; WARMUP];
    for pair in watched(matrix.rows_mut().into_iter().zip(origins), ROW, cancel) {
        let (mut row, origin) = pair?;
        let window = &y[origin - WARMUP - 1..origin];
        for (value, pair) in returns.iter_mut().zip(window.windows(2)) {
            *value = (pair[1] - pair[0] - scale.mean) / scale.sd;
        }
        for (cell, value) in row.iter_mut().zip(features(&returns, window, scale.sd)) {
            *cell = value;
        }
    }
    Ok(matrix)
}

/// The features of one origin, from the standardised returns and the log prices of its window, oldest first.
fn features(returns: &[f64; WARMUP], prices: &[f64], sd: f64) -> [f64; NAMES.len()] {
    let last = |count: usize| &returns[WARMUP - count..];
    let lag = |count: usize| returns[WARMUP - count];
    // A sum of n independent returns of unit variance has the variance n.
    let mean = |values: &[f64]| values.iter().sum::<f64>() / (values.len() as f64).sqrt();
    // The logarithm makes volatility about normal; the floor keeps days without trade finite.
    let log_sd = |count: usize| {
        let square = last(count).iter().map(|value| value * value).sum::<f64>() / count as f64;
        0.5 * square.max(1e-6).ln()
    };
    let price = prices[WARMUP];
    let high = prices.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let low = prices.iter().copied().fold(f64::INFINITY, f64::min);
    let spread = sd * (WARMUP as f64).sqrt();
    let days_up = last(21).iter().filter(|&&value| value > 0.0).count() as f64;
    [
        lag(1),
        lag(2),
        lag(3),
        lag(4),
        lag(5),
        mean(last(5)),
        mean(last(10)),
        mean(last(21)),
        mean(last(63)),
        mean(&returns[..WARMUP - 21]),
        log_sd(5),
        log_sd(21),
        log_sd(63),
        relative_strength(last(14)),
        (price - high) / spread,
        (price - low) / spread,
        (days_up - 10.5) / (21.0_f64 / 4.0).sqrt(),
    ]
}

/// The relative strength index (Wilder 1978) with plain averages, moved from 0..100 to -1..1: the gains' share of all
/// movement.
fn relative_strength(returns: &[f64]) -> f64 {
    let (sum, size) = returns.iter().fold((0.0, 0.0), |(sum, size), value| (sum + value, size + value.abs()));
    if size > 0.0 { sum / size } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn walk(returns: &[f64]) -> Vec<f64> {
        let mut price = 4.0;
        std::iter::once(price)
            .chain(returns.iter().map(|value| {
                price += value;
                price
            }))
            .collect()
    }

    proptest! {
        /// The future does not reach a row.
        #[test]
        fn a_row_sees_only_the_past(returns in proptest::collection::vec(-0.1..0.1, 80..120), other in -0.5..0.5) {
            let y = walk(&returns);
            let scale = Scale { mean: 0.001, sd: 0.02 };
            for origin in [WARMUP + 1, WARMUP + 7, y.len() - 1] {
                let mut changed = y.clone();
                changed[origin..].iter_mut().for_each(|value| *value += other);
                let rows = [&y, &changed, &y[..origin].to_vec()].map(|y| matrix(y, std::iter::once(origin), scale, &Cancel::default()).unwrap());
                prop_assert_eq!(&rows[0], &rows[1]);
                prop_assert_eq!(&rows[0], &rows[2]);
                // And the last day it may see does reach it.
                changed[origin - 1] += 0.01;
                prop_assert_ne!(&rows[0], &matrix(&changed, std::iter::once(origin), scale, &Cancel::default()).unwrap());
            }
        }

        /// Neither the level of the prices nor their unit changes a row.
        #[test]
        fn rows_do_not_know_the_price_level(returns in proptest::collection::vec(-0.1..0.1, 80..90), unit in -9.0..9.0) {
            let y = walk(&returns);
            let moved: Vec<f64> = y.iter().map(|value| value + unit).collect();
            let scale = Scale { mean: 0.001, sd: 0.02 };
            let row = |y: &[f64]| matrix(y, std::iter::once(80), scale, &Cancel::default()).unwrap();
            let (a, b) = (row(&y), row(&moved));
            prop_assert!((a - b).iter().all(|difference| difference.abs() < 1e-9));
        }
    }

    #[test]
    fn the_features_of_a_steady_rise() {
        let y: Vec<f64> = (0..=WARMUP).map(|t| t as f64 * 0.02).collect();
        let scale = Scale { mean: 0.0, sd: 0.02 };
        let row = matrix(&y, std::iter::once(y.len()), scale, &Cancel::default()).unwrap();
        let of = |name: &str| row[[0, NAMES.iter().position(|&other| other == name).unwrap()]];
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} is not {b}");
        near(of("lag_1"), 1.0);
        near(of("mean_21"), 21.0_f64.sqrt());
        near(of("momentum_63_21"), 42.0_f64.sqrt());
        near(of("sd_5"), 0.0);
        near(of("rsi_14"), 1.0);
        near(of("below_high_63"), 0.0);
        near(of("above_low_63"), 63.0_f64.sqrt());
        near(of("up_days_21"), 10.5 / 5.25_f64.sqrt());
    }
}
