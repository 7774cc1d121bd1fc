//! The KPSS test of level stationarity, which decides whether the series is differenced.

use crate::task::{Cancel, Cancelled};
use crate::work;

/// The 5 % critical value of the level statistic (Kwiatkowski, Phillips, Schmidt & Shin 1992, table 1).
const CRITICAL_5_PERCENT: f64 = 0.463;

/// Whether the KPSS test rejects at 5 % that `y` is stationary around a level.
///
/// The long-run variance has Bartlett weights up to lag 3 sqrt(n) / 13, as in auto.arima (Hyndman & Khandakar 2008).
pub(super) fn has_unit_root(y: &[f64], cancel: &Cancel) -> Result<bool, Cancelled> {
    Ok(kpss_level(y, cancel)? > CRITICAL_5_PERCENT)
}

/// The KPSS level statistic: the sum of the squared partial sums over n^2 times the long-run variance; 0 for a
/// constant series.
fn kpss_level(y: &[f64], cancel: &Cancel) -> Result<f64, Cancelled> {
    let n = y.len() as f64;
    let lags = (3.0 * n.sqrt() / 13.0) as usize;
    let mean = y.iter().map(|y| y / n).sum::<f64>();
    let mut residuals: Vec<f64> = y.iter().map(|y| y - mean).collect();
    // The statistic has no unit; in units of the largest residual the squares neither overflow nor vanish.
    let largest = residuals.iter().fold(0.0_f64, |largest, e| largest.max(e.abs()));
    residuals.iter_mut().for_each(|e| *e /= largest);
    let mut partial = 0.0;
    let mut squares = 0.0;
    for e in &residuals {
        partial += e;
        squares += partial * partial;
    }
    let mut long_run: f64 = residuals.iter().map(|e| e * e).sum();
    for lag in 1..=lags.min(residuals.len().saturating_sub(1)) {
        cancel.check()?;
        work::count(residuals.len());
        let weight = 1.0 - lag as f64 / (lags as f64 + 1.0);
        let covariance: f64 = residuals[lag..].iter().zip(&residuals).map(|(a, b)| a * b).sum();
        long_run += 2.0 * weight * covariance;
    }
    Ok(if long_run > 0.0 { squares / (n * long_run) } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statistic_is_that_of_its_definition() {
        // By hand for four observations and no lags: residuals -1, 1, -1, 1 have partial sums -1, 0, -1, 0, so the
        // statistic is 2 / (4 * 4).
        let statistic = kpss_level(&[1.0, 3.0, 1.0, 3.0], &Cancel::default()).unwrap();
        assert!((statistic - 0.125).abs() < 1e-15, "{statistic}");
    }

    #[test]
    fn a_trend_has_a_unit_root_and_a_wave_has_none_whatever_the_unit() {
        for unit in [1e-300, 1.0, 1e300] {
            let trend: Vec<f64> = (0..200).map(|t| unit * f64::from(t)).collect();
            assert!(has_unit_root(&trend, &Cancel::default()).unwrap());
            let wave: Vec<f64> = (0..200).map(|t| unit * f64::from(t).sin()).collect();
            assert!(!has_unit_root(&wave, &Cancel::default()).unwrap());
        }
    }
}
