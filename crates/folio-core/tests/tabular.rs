//! XGBoost and ridge, from prices to forecasts: what can be learned is learned, and nothing else.

mod common;

use common::{normal, task};
use folio_core::model::{Fitted, by_name};
use folio_core::task::Seed;

const COUNT: usize = 1400;
const TRAIN: usize = 1000;
const SD: f64 = 0.01;

/// Log prices whose return is `mean` of the last three returns plus noise.
fn series(seed: u64, mean: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut error = normal(Seed(seed));
    let mut returns = vec![0.0; 3];
    let mut price = 4.0;
    (0..COUNT)
        .map(|_| {
            let value = mean(&returns[returns.len() - 3..]) + SD * error();
            returns.push(value);
            price += value;
            price
        })
        .collect()
}

fn fit(model: &str, y: &[f64]) -> Box<dyn Fitted> {
    by_name(model).unwrap().fit(&y[..TRAIN], 21, &task()).unwrap()
}

/// The root mean squared error `step` days ahead over the days after the fit, relative to the random walk with drift.
fn relative_error(model: &str, y: &[f64], step: usize) -> f64 {
    let origins: Vec<usize> = (TRAIN..=COUNT - step).collect();
    let rmse = |model: &str| {
        let paths = fit(model, y).forecast(y, &origins, 21, &task()).unwrap();
        let square = |(origin, path): (&usize, &folio_core::model::Path)| {
            (y[origin - 1 + step] - path.mean[step - 1]).powi(2)
        };
        (origins.iter().zip(&paths).map(square).sum::<f64>() / origins.len() as f64).sqrt()
    };
    rmse(model) / rmse("drift")
}

#[test]
fn a_linear_signal_is_found() {
    // An AR(1) with coefficient 0.6: the best forecast errs 0.8 as much a day ahead; half of the way there, 0.854.
    let y = series(1, |past| 0.6 * past[2]);
    for model in ["ridge", "xgboost"] {
        let error = relative_error(model, &y, 1);
        assert!((0.80..0.93).contains(&error), "{model}: {error}");
        let error = relative_error(model, &y, 5);
        assert!(error < 0.99, "{model}: {error}");
    }
}

#[test]
fn trees_find_what_lines_do_not() {
    // After a large move of either sign the price falls back, after a small one it rises.
    let y = series(2, |past| if past[2].abs() > 0.7 * SD { -SD } else { SD });
    let (trees, lines) = (relative_error("xgboost", &y, 1), relative_error("ridge", &y, 1));
    assert!(trees < 0.93, "{trees}");
    assert!(lines > trees + 0.03, "{lines} {trees}");
}

#[test]
fn without_a_signal_they_are_the_drift() {
    for seed in 10..14 {
        let y = series(seed, |_| 0.0004);
        for model in ["ridge", "xgboost"] {
            let error = relative_error(model, &y, 5);
            assert!((0.97..1.02).contains(&error), "{model}: {error}");
        }
    }
}

#[test]
fn the_detail_names_what_matters() {
    let y = series(1, |past| 0.6 * past[2]);
    for (model, key) in [("ridge", "coefficients"), ("xgboost", "gain")] {
        let detail = fit(model, &y).detail();
        let step = &detail["steps"][0];
        assert_eq!(step["step"], 1, "{detail}");
        assert_eq!(step[key][0]["feature"], "lag_1", "{detail}");
    }
}
