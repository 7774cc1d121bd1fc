//! ETS and theta against statsforecast 2.1.1 on the 20 real series; `bench/golden/ets_theta.py` makes the numbers.

mod common;

use common::{golden, log_prices, normal, task};
use folio_core::model::by_name;
use folio_core::task::Seed;

#[test]
fn ets_chooses_the_form_and_aicc_of_statsforecast() {
    let golden = golden("ets_theta.json");
    let mut equal = 0;
    for (ticker, y) in log_prices() {
        let expected = &golden["series"][&ticker]["ets"];
        let detail = by_name("ets").unwrap().fit(&y, 21, &task()).unwrap().detail();
        let aicc = |value: &serde_json::Value| value.as_f64().unwrap();
        let (ours, theirs) = (aicc(&detail["aicc"]), aicc(&expected["aicc"]));
        // Lower is better, and its search for the simple form stops early on some series (UNH, GE, KO): there ours
        // has the value of a patient search.
        let least = aicc(&expected["simple_aicc"]).min(theirs);
        assert!((ours - least).abs() < 2e-3, "{ticker}: {ours} for {least}");
        if least > theirs - 2e-3 {
            assert_eq!(detail["form"], expected["form"], "{ticker}");
            equal += 1;
        }
    }
    assert_eq!(equal, 17);
}

#[test]
fn theta_forecasts_as_statsforecast() {
    let golden = golden("ets_theta.json");
    let steps: Vec<usize> = serde_json::from_value(golden["steps"].clone()).unwrap();
    for (ticker, y) in log_prices() {
        let expected = &golden["series"][&ticker]["theta"];
        let fit = by_name("theta").unwrap().fit(&y, 63, &task()).unwrap();
        let (ours, theirs) = (fit.detail()["alpha"].as_f64().unwrap(), expected["alpha"].as_f64().unwrap());
        assert!((ours - theirs).abs() < 1e-4, "{ticker}: alpha {ours} for {theirs}");
        let path = fit.forecast(&y, &[y.len()], 63, &task()).unwrap().remove(0);
        for (step, theirs) in steps.iter().zip(expected["mean"].as_array().unwrap()) {
            let (ours, theirs) = (path.mean[step - 1], theirs.as_f64().unwrap());
            assert!((ours - theirs).abs() < 1e-5, "{ticker} step {step}: {ours} for {theirs}");
        }
    }
}

/// A series whose slope wanders and is damped, made by the recursion of AAdN.
#[test]
fn ets_finds_a_damped_trend() {
    let (alpha, beta, phi) = (0.6, 0.4, 0.9);
    let mut error = normal(Seed(3));
    let (mut level, mut slope) = (4.0, 0.0);
    let y: Vec<f64> = (0..1500)
        .map(|_| {
            let e = 0.01 * error();
            let forecast = level + phi * slope;
            (level, slope) = (forecast + alpha * e, phi * slope + beta * e);
            forecast + e
        })
        .collect();
    let fit = by_name("ets").unwrap().fit(&y, 21, &task()).unwrap().detail();
    assert_eq!(fit["form"], "AAdN");
    for (name, truth) in [("alpha", alpha), ("beta", beta), ("phi", phi), ("sigma", 0.01)] {
        let estimate = fit[name].as_f64().unwrap();
        assert!((estimate / truth - 1.0).abs() < 0.12, "{name}: {estimate} for {truth}");
    }
}

/// The components in `detail` are those of the forecast: level, trend and damping give its path.
#[test]
fn the_components_make_the_forecast() {
    for (ticker, y) in log_prices() {
        for model in ["ets", "theta"] {
            let fit = by_name(model).unwrap().fit(&y, 21, &task()).unwrap();
            let detail = fit.detail();
            let number = |key: &str, default: f64| detail[key].as_f64().unwrap_or(default);
            let (trend, phi) = match model {
                "theta" => (number("trend", f64::NAN) / 2.0, 1.0),
                _ => (number("trend", 0.0), number("phi", 1.0)),
            };
            let path = fit.forecast(&y, &[y.len()], 21, &task()).unwrap().remove(0);
            let mut damped = 0.0;
            for (step, mean) in (1..).zip(path.mean) {
                damped += phi.powi(step);
                let expected = number("level", f64::NAN).ln() + damped * trend;
                assert!((mean - expected).abs() < 1e-9, "{ticker} {model} {step}: {mean} {detail}");
            }
        }
    }
}
