//! Value at risk and expected shortfall by each method, against definitions, tables and second computations.

mod portfolio_support;

use folio_core::Error;
use folio_core::risk::{Tail, TailRequest, TailRow};
use folio_core::task::Cancel;
use portfolio_support::*;
use serde_json::json;

fn row(returns: &[f64], level: f64, horizon: i64, method: &str) -> TailRow {
    let request = TailRequest::new(&json!({ "A": 1 }), level, horizon, Some(method)).unwrap();
    let panel = panel_of(&[("A", returns.to_vec())]);
    request.rows(&panel, &Cancel::default()).unwrap().remove(0)
}

fn tail(returns: &[f64], level: f64, horizon: i64, method: &str) -> Tail {
    row(returns, level, horizon, method).outcome.unwrap_or_else(|reason| panic!("{method}: {reason}"))
}

fn near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected}");
}

/// Quantiles of a distribution at the middles of n equal shares, in an order that is not theirs: a sample whose moments are
/// known.
fn sample(n: usize, quantile: impl Fn(f64) -> f64) -> Vec<f64> {
    (0..n).map(|i| quantile((((i * 7919) % n) as f64 + 0.5) / n as f64)).collect()
}

/// The normal quantile by bisection of the distribution function, which is an integral by Simpson's rule.
fn normal_quantile(share: f64) -> f64 {
    let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let below = |x: f64| {
        let (steps, width) = (200, x / 200.0);
        let weight = |i: usize| {
            if i == 0 || i == steps {
                1.0
            } else if i % 2 == 1 {
                4.0
            } else {
                2.0
            }
        };
        0.5 + (0..=steps).map(|i| weight(i) * density(i as f64 * width)).sum::<f64>() * width / 3.0
    };
    let (mut low, mut high) = (-9.0, 9.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if below(middle) < share { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[test]
fn historical_is_the_order_of_losses() {
    // Losses of 1 to 100 thousandths: five are beyond 95 %.
    let returns: Vec<f64> = (0..100).map(|i| -f64::from((i * 37) % 100 + 1) / 1000.0).collect();
    let found = tail(&returns, 0.95, 1, "historical");
    near(found.value_at_risk, 0.095, 1e-12, "the 95th of 100");
    near(found.expected_shortfall, 0.098, 1e-12, "the mean of 96 to 100");
    assert_eq!(found.n, 100);
    // Of 2.5 beyond the level two whole ones and half of the third.
    let found = tail(&returns, 0.975, 1, "historical");
    near(found.value_at_risk, 0.098, 1e-12, "the 98th");
    near(found.expected_shortfall, (0.1 + 0.099 + 0.5 * 0.098) / 2.5, 1e-12, "two and a half");
    // Over three periods by plain loops.
    let mut losses: Vec<f64> =
        (0..98).map(|i| 1.0 - (1.0 + returns[i]) * (1.0 + returns[i + 1]) * (1.0 + returns[i + 2])).collect();
    losses.sort_by(|a, b| b.total_cmp(a));
    near(tail(&returns, 0.9, 3, "historical").value_at_risk, losses[9], 1e-12, "98 stretches");
    let short = row(&returns[..19], 0.95, 1, "historical");
    assert_eq!(short.outcome.unwrap_err(), "history too short: 20 observations needed, 19 found");
}

#[test]
fn filtered_historical_follows_the_volatility_of_now() {
    let wave = |i: usize| (1.7 * (i * i) as f64).sin();
    let returns: Vec<f64> = (0..600).map(|i| if i < 300 { 0.01 } else { 0.03 } * wave(i)).collect();
    let found = tail(&returns, 0.95, 1, "filtered_historical");
    // By plain loops: what was known of the variance before each return.
    let variance = |before: usize| {
        let weight = |i: usize| 0.94_f64.powi((before - 1 - i) as i32);
        (0..before).map(|i| weight(i) * returns[i].powi(2)).sum::<f64>()
            / (0..before).map(weight).sum::<f64>()
    };
    let now = variance(600);
    let mut losses: Vec<f64> =
        (60..600).map(|i| 1.0 - (1.0 + returns[i]).powf((now / variance(i)).sqrt())).collect();
    losses.sort_by(|a, b| b.total_cmp(a));
    near(found.value_at_risk, losses[27], 1e-12, "540 losses, 27 beyond");
    near(found.expected_shortfall, losses[..27].iter().sum::<f64>() / 27.0, 1e-12, "their mean");
    let calm: Vec<f64> = (0..600).map(|i| if i < 300 { 0.03 } else { 0.01 } * wave(i)).collect();
    let [filtered, plain] = ["filtered_historical", "historical"].map(|method| tail(&calm, 0.95, 1, method));
    assert!(filtered.value_at_risk < 0.6 * plain.value_at_risk, "{filtered:?} {plain:?}");
    assert!(row(&returns[..79], 0.95, 1, "filtered_historical").outcome.is_err());
    assert!(row(&[0.0; 300], 0.95, 1, "filtered_historical").outcome.is_err());
}

#[test]
fn cornish_fisher_is_normal_without_skewness_and_kurtosis_and_an_integral_with_them() {
    // The middles of shares lack the outermost tails, and so have a little less kurtosis than the distribution. From tables: the normal quantiles 1.644854 and 2.326348; the means beyond them 2.062713 and 2.665214.
    let returns = sample(5000, |share| 0.001 + 0.01 * normal_quantile(share));
    for (level, quantile, beyond) in [(0.95, 1.644_854, 2.062_713), (0.99, 2.326_348, 2.665_214)] {
        let found = tail(&returns, level, 1, "cornish_fisher");
        near(found.value_at_risk, 0.01 * quantile - 0.001, 5e-5, "normal");
        near(found.expected_shortfall, 0.01 * beyond - 0.001, 1e-4, "normal");
    }
    // With moments: the mean of the quantiles beyond the level, by the middles of 20,000 shares.
    let skewed = sample(5000, |share| -0.02 * (0.4 * normal_quantile(share)).exp());
    let n = skewed.len() as f64;
    let mean = skewed.iter().sum::<f64>() / n;
    let moment = |power: i32| skewed.iter().map(|value| (value - mean).powi(power)).sum::<f64>() / n;
    let (horizon, deviation) = (5.0_f64, moment(2).sqrt());
    let (s, k) =
        (moment(3) / deviation.powi(3) / horizon.sqrt(), (moment(4) / moment(2).powi(2) - 3.0) / horizon);
    let loss = |share: f64| {
        let z = normal_quantile(share);
        let w = z + (z * z - 1.0) * s / 6.0 + (z.powi(3) - 3.0 * z) * k / 24.0
            - (2.0 * z.powi(3) - 5.0 * z) * s * s / 36.0;
        -(horizon * mean + horizon.sqrt() * deviation * w)
    };
    let found = tail(&skewed, 0.95, 5, "cornish_fisher");
    near(found.value_at_risk, loss(0.05), 1e-9, "a quantile");
    let middles = (0..5000).map(|i| loss(0.05 * (f64::from(i) + 0.5) / 5000.0));
    near(found.expected_shortfall, middles.sum::<f64>() / 5000.0, 2e-6, "an integral");
    // One crash in a calm year: the expansion falls in the tail.
    let mut crash: Vec<f64> = (0..250).map(|i| 0.001 * (1.7 * f64::from(i * i)).sin()).collect();
    crash[100] = -0.3;
    assert!(row(&crash, 0.95, 1, "cornish_fisher").outcome.unwrap_err().starts_with("no quantile"));
}

#[test]
fn students_t_finds_what_a_sample_was_made_of() {
    // The t of 4 degrees has a quantile in closed form (Shaw 2006), and in tables 2.131847 at 95 % and 3.746947 at 99 %.
    let quantile = |share: f64| {
        let a = 4.0 * share * (1.0 - share);
        let q = (a.sqrt().acos() / 3.0).cos() / a.sqrt();
        (share - 0.5).signum() * 2.0 * (q - 1.0).sqrt()
    };
    near(quantile(0.95), 2.131_847, 1e-6, "the closed form");
    let returns = sample(20_000, |share| 0.0005 + 0.01 * quantile(share));
    for (level, from_table) in [(0.95, 2.131_847), (0.99, 3.746_947)] {
        let found = tail(&returns, level, 1, "student_t");
        near(found.value_at_risk, 0.01 * from_table - 0.0005, 1e-4, "t of 4");
        // f(q) / (1 - a) (4 + q^2) / 3 with the density of 4 degrees 3/8 (1 + q^2/4)^(-5/2).
        let beyond = 0.375 * (1.0 + from_table * from_table / 4.0).powf(-2.5) / (1.0 - level)
            * (4.0 + from_table * from_table)
            / 3.0;
        near(found.expected_shortfall, 0.01 * beyond - 0.0005, 3e-4, "t of 4, beyond");
    }
    // -(h m + sqrt h k) at three horizons, of which two say m and k.
    let [day, days, month] =
        [1, 4, 21].map(|horizon| tail(&returns, 0.95, horizon, "student_t").value_at_risk);
    let k = (4.0 * day - days) / 2.0;
    let m = k - day;
    near(month, -21.0 * m + 21.0_f64.sqrt() * k, 1e-12, "root of time");
    assert!(row(&[0.01; 100], 0.95, 1, "student_t").outcome.is_err());
}

#[test]
fn weights_are_joined_by_name_and_cash_loses_nothing() {
    let (a, b) = (vec![-0.01; 50], (0..50).map(|i| -f64::from(i) / 1000.0).collect::<Vec<f64>>());
    let panel = panel_of(&[("B", b), ("A", a)]);
    let of = |weights: serde_json::Value| {
        let request = TailRequest::new(&weights, 0.9, 1, Some("historical")).unwrap();
        request.rows(&panel, &Cancel::default()).unwrap().remove(0).outcome.unwrap()
    };
    near(of(json!({ "A": 0.5, "B": 0 })).value_at_risk, 0.005, 1e-12, "half of A");
    near(of(json!({ "A": 0.5, "B": 0.5 })).value_at_risk, 0.005 + 0.5 * 0.044, 1e-12, "both");
    near(of(json!({ "A": 0, "B": -1 })).value_at_risk, -0.005, 1e-12, "short of what falls");
    let all = TailRequest::new(&json!({ "A": 1 }), 0.95, 1, None).unwrap();
    assert_eq!(all.rows(&panel, &Cancel::default()).unwrap().len(), 4);
    for (weights, level, horizon, method) in [
        (json!({}), 0.95, 1, None),
        (json!({ "A": 1 }), 0.05, 1, None),
        (json!({ "A": 1 }), f64::NAN, 1, None),
        (json!({ "A": 1 }), 1.0, 1, None),
        (json!({ "A": 1 }), 0.95, 0, None),
        (json!({ "A": "much" }), 0.95, 1, None),
    ] {
        let refused = TailRequest::new(&weights, level, horizon, method);
        assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{weights} {level} {horizon}");
    }
    let unknown = TailRequest::new(&json!({ "A": 1 }), 0.95, 1, Some("gaussian"));
    assert!(matches!(unknown, Err(Error::UnknownName { kind: "method", .. })));
}

#[test]
fn methods_agree_on_real_returns() {
    let returns = returns();
    let weights: serde_json::Map<_, _> =
        returns.tickers().iter().map(|ticker| (ticker.clone(), json!(0.05))).collect();
    for level in [0.95, 0.99] {
        let request = TailRequest::new(&weights.clone().into(), level, 1, None).unwrap();
        for row in request.rows(&returns, &Cancel::default()).unwrap() {
            let Ok(tail) = row.outcome else {
                assert_eq!(row.method, "cornish_fisher");
                continue;
            };
            assert!(tail.expected_shortfall > tail.value_at_risk, "{}", row.method);
            assert!((0.01..0.08).contains(&tail.value_at_risk), "{} at {level}: {tail:?}", row.method);
        }
    }
    let cancelled = Cancel::default();
    cancelled.cancel();
    let request = TailRequest::new(&weights.into(), 0.95, 1, None).unwrap();
    assert!(matches!(request.rows(&returns, &cancelled), Err(Error::Cancelled)));
}
