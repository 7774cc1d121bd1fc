//! The likelihoods of the time-series models against independent computations of the same numbers: a Kalman filter
//! written with nalgebra for ARIMA, the crate augurs for ETS.

mod common;

use augurs::ets::AutoETS;
use augurs::prelude::*;
use common::{log_prices, task};
use folio_core::model::arima::{fit_auto, log_likelihood};
use folio_core::model::by_name;
use nalgebra::{DMatrix, DVector};

/// The exact log-likelihood of an ARMA process by the Kalman filter in Harvey's state-space form (Harvey 1989, 3.4.1),
/// started from the stationary covariance, with sigma^2 at its maximum.
fn kalman_log_likelihood(w: &[f64], ar: &[f64], ma: &[f64]) -> f64 {
    let size = ar.len().max(ma.len() + 1);
    let transition = DMatrix::<f64>::from_fn(size, size, |row, column| match column {
        0 => ar.get(row).copied().unwrap_or(0.0),
        _ => f64::from(column == row + 1),
    });
    let noise =
        DVector::from_fn(size, |row, _| if row == 0 { 1.0 } else { ma.get(row - 1).copied().unwrap_or(0.0) });
    let shock = &noise * noise.transpose();
    // P = T P T' + R R', as one linear system.
    let system = DMatrix::identity(size * size, size * size) - transition.kronecker(&transition);
    let stationary =
        system.lu().solve(&DVector::from_column_slice(shock.as_slice())).expect("a stationary process");
    let mut covariance = DMatrix::<f64>::from_column_slice(size, size, stationary.as_slice());
    let mut state = DVector::<f64>::zeros(size);
    let (mut squares, mut log_variances) = (0.0f64, 0.0f64);
    for observation in w {
        let variance = covariance[(0, 0)];
        let surprise = observation - state[0];
        squares += surprise * surprise / variance;
        log_variances += variance.ln();
        let gain: DVector<f64> = covariance.column(0) / variance;
        let filtered: DMatrix<f64> = &covariance - &gain * covariance.row(0);
        state = &transition * (state + gain * surprise);
        covariance = &transition * filtered * transition.transpose() + &shock;
    }
    let n = w.len() as f64;
    -0.5 * (n * ((2.0 * std::f64::consts::PI * squares / n).ln() + 1.0) + log_variances)
}

#[test]
fn the_likelihood_of_arima_is_that_of_a_kalman_filter() {
    for (ticker, y) in log_prices().into_iter().step_by(4) {
        let fit = fit_auto(&y, &task()).unwrap();
        let order = fit.order();
        let w: Vec<f64> = match order.d {
            0 => y.iter().map(|value| value - fit.mean()).collect(),
            _ => y.windows(2).map(|pair| pair[1] - pair[0] - fit.mean()).collect(),
        };
        let expected = kalman_log_likelihood(&w, fit.ar(), fit.ma());
        let ours = log_likelihood(&y, order.d, fit.ar(), fit.ma(), fit.mean()).unwrap();
        assert!((ours - expected).abs() < 1e-6 * expected.abs(), "{ticker}: {ours} for {expected}");
        assert!((fit.log_likelihood() - expected).abs() < 1e-6 * expected.abs(), "{ticker}: at the maximum");
    }
}

#[test]
fn ets_finds_no_worse_a_criterion_than_augurs() {
    let mut equal = 0;
    for (ticker, y) in log_prices() {
        // Its AICc counts the variance in the correction but not in the AIC, so it is 2 lower for the same likelihood.
        let theirs = AutoETS::new(1, "ZZN").unwrap().fit(&y).unwrap().model().aicc() + 2.0;
        let ours = by_name("ets").unwrap().fit(&y, 21, &task()).unwrap().detail()["aicc"].as_f64().unwrap();
        assert!(ours < theirs + 2e-2, "{ticker}: {ours} for {theirs}");
        equal += usize::from((ours - theirs).abs() < 2e-2);
    }
    // On the others its search ends before the minimum.
    assert!(equal >= 12, "{equal} of 20 are equal");
}
