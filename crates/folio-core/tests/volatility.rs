//! The volatility models against the Python packages arch and statsmodels (`bench/golden/volatility.py`), and what every
//! one of them must keep to.

mod common;

use folio_core::model::Failure;
use folio_core::task::{Cancel, Seed};
use folio_core::volatility::{MODELS, Observed, by_name};
use serde_json::Value;

const HORIZON: usize = 21;

/// Each 37th variance is in the file.
const EVERY: usize = 37;

fn returns() -> Vec<(String, Vec<f64>)> {
    let changes = |y: Vec<f64>| y.windows(2).map(|pair| pair[1] - pair[0]).collect();
    common::log_prices().into_iter().map(|(ticker, y)| (ticker, changes(y))).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

/// The variances, in squares of a percent, that each of these periods was expected to have.
fn expected(model: &str, returns: &[f64], origins: &[usize], horizon: usize) -> (Vec<Vec<f64>>, Value) {
    let (observed, cancel) = (Observed::of(returns), Cancel::default());
    let fitted = by_name(model).unwrap().fit(&observed, None, &cancel).unwrap();
    let paths = fitted.forecast(&observed, origins, horizon, &cancel).unwrap();
    (
        paths.into_iter().map(|path| path.into_iter().map(|value| value * 1e4).collect()).collect(),
        fitted.detail(),
    )
}

/// The largest relative distance.
fn off(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| (a / b - 1.0).abs()).fold(0.0, f64::max)
}

#[test]
fn likelihoods_are_those_of_arch_or_better() {
    let golden = common::golden("volatility.json");
    for (ticker, returns) in returns() {
        for model in ["garch", "gjr_garch", "garch_t", "egarch"] {
            let theirs = &golden[&ticker][model];
            let origins: Vec<usize> = (0..returns.len()).step_by(EVERY).collect();
            let (paths, detail) = expected(model, &returns, &origins, 1);
            let better =
                detail["log_likelihood"].as_f64().unwrap() - theirs["log_likelihood"].as_f64().unwrap();
            assert!(better > -1e-5, "{ticker} {model}: {better} {detail} {theirs}");
            if better > 1e-4 {
                println!(
                    "{ticker} {model} has a likelihood larger by {better}: {detail} {}",
                    theirs["parameters"]
                );
                continue;
            }
            let path: Vec<f64> = paths.into_iter().map(|path| path[0]).collect();
            let path_off = off(&path, &numbers(&theirs["variances"]));
            assert!(path_off < 1e-4, "{ticker} {model}: a variance is off by {path_off}");
            let (ahead, _) = expected(model, &returns, &[returns.len()], HORIZON);
            let ahead_off = off(&ahead[0], &numbers(&theirs["ahead"]));
            assert!(ahead_off < 1e-3, "{ticker} {model}: a forecast is off by {ahead_off}");
            for (name, value) in theirs["parameters"].as_object().unwrap() {
                let (ours, theirs) = (detail[name].as_f64().unwrap(), value.as_f64().unwrap());
                let distance = (ours - theirs).abs() / (0.01 + theirs.abs());
                assert!(
                    distance < 2e-3 || name == "nu" && theirs > 100.0,
                    "{ticker} {model} {name}: {ours} {theirs}"
                );
            }
        }
    }
}

#[test]
fn har_is_the_least_squares_of_statsmodels() {
    let golden = common::golden("volatility.json");
    for (ticker, returns) in returns() {
        let theirs = &golden[&ticker]["har"];
        let (ahead, detail) = expected("har", &returns, &[returns.len()], HORIZON);
        let names = ["constant", "day", "week", "month"];
        for (name, value) in names.into_iter().zip(numbers(&theirs["coefficients"])) {
            let distance = (detail[name].as_f64().unwrap() - value).abs() / (1.0 + value.abs());
            assert!(distance < 1e-10, "{ticker} {name}: {} {value}", detail[name]);
        }
        assert!(off(&ahead[0], &numbers(&theirs["ahead"])) < 1e-10, "{ticker}");
    }
}

/// The variances of the steps, from each origin.
type Paths = Vec<Vec<f64>>;

/// The models without ranges and all with them.
fn all_forecast(
    returns: &[f64],
    ranges: &[f64],
    origins: &[usize],
) -> Vec<(&'static str, Result<Paths, Failure>)> {
    let (observed, cancel) = (Observed { returns, ranges: Some(ranges) }, Cancel::default());
    let forecast = |model: &&'static dyn folio_core::volatility::VolatilityModel| {
        let fitted = model.fit(&observed, None, &cancel);
        (model.name(), fitted.and_then(|fitted| fitted.forecast(&observed, origins, HORIZON, &cancel)))
    };
    MODELS.iter().map(forecast).collect()
}

#[test]
fn nothing_after_an_origin_is_read() {
    let (_, mut returns) = returns().swap_remove(0);
    let ranges: Vec<f64> = returns.iter().map(|value| value * value + 1e-5).collect();
    for model in MODELS {
        let cancel = Cancel::default();
        let known = Observed { returns: &returns[..500], ranges: Some(&ranges[..500]) };
        let fitted = model.fit(&known, None, &cancel).unwrap();
        let before = fitted.forecast(&known, &[300, 500], HORIZON, &cancel).unwrap();
        returns[500..].iter_mut().for_each(|value| *value *= 3.0);
        let longer = Observed { returns: &returns, ranges: Some(&ranges) };
        let after = fitted.forecast(&longer, &[300, 500], HORIZON, &cancel).unwrap();
        assert_eq!(before, after, "{}", model.name());
    }
}

#[test]
fn odd_returns_give_variances_or_a_named_failure() {
    let mut noise = common::normal(Seed(5));
    let quiet: Vec<f64> = (0..400).map(|_| 0.01 * noise()).collect();
    let jump: Vec<f64> = quiet.iter().enumerate().map(|(t, &r)| if t == 200 { 2.0 } else { r }).collect();
    let mostly_zero: Vec<f64> =
        quiet.iter().enumerate().map(|(t, &r)| if t % 50 == 7 { r } else { 0.0 }).collect();
    let quiet_start: Vec<f64> =
        quiet.iter().enumerate().map(|(t, &r)| if t < 100 { 0.0 } else { r }).collect();
    let tiny: Vec<f64> = quiet.iter().map(|r| r * 1e-9).collect();
    let huge: Vec<f64> = quiet.iter().map(|r| r * 1e3).collect();
    let alternating: Vec<f64> = (0..400).map(|t| if t % 2 == 0 { 0.01 } else { -0.01 }).collect();
    let growing: Vec<f64> =
        (0..400).map(|t| 1e-4 * 1.02_f64.powi(t) * if t % 2 == 0 { 1.0 } else { -1.0 }).collect();
    for returns in [quiet.clone(), jump, mostly_zero, quiet_start, tiny, huge, alternating, growing] {
        let ranges: Vec<f64> = returns.iter().map(|value| value * value).collect();
        for (model, paths) in all_forecast(&returns, &ranges, &[100, returns.len()]) {
            match paths {
                Ok(paths) => assert!(paths.iter().flatten().all(|v| v.is_finite() && *v >= 0.0), "{model}"),
                Err(failure) => assert!(!failure.to_string().is_empty(), "{model}"),
            }
        }
    }
    for (model, paths) in all_forecast(&[0.0; 300], &[0.0; 300], &[300]) {
        assert_eq!(paths, Err(Failure::Constant), "{model}");
    }
    for (model, paths) in all_forecast(&quiet[..1], &quiet[..1], &[1]) {
        assert!(matches!(paths, Err(Failure::TooShort { .. })), "{model}");
    }
}

#[test]
fn a_fit_finds_the_parameters_that_made_the_returns() {
    let mut noise = common::normal(Seed(11));
    let (mut variance, mut returns) = (1.0_f64, Vec::new());
    for _ in 0..20_000 {
        let shock: f64 = variance.sqrt() * noise();
        returns.push(0.01 * shock);
        variance = 0.05 + (0.04 + if shock < 0.0 { 0.1 } else { 0.0 }) * shock * shock + 0.86 * variance;
    }
    let (_, detail) = expected("gjr_garch", &returns, &[1], 1);
    for (name, value) in [("omega", 0.05), ("alpha", 0.04), ("gamma", 0.1), ("beta", 0.86)] {
        let found = detail[name].as_f64().unwrap();
        assert!((found - value).abs() < 0.02, "{name}: {found}, made with {value}");
    }
}
