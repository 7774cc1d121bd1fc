//! The LSTM against Keras, against the truth of synthetic series, and on series that are odd.

use folio_core::model::{Failure, Fitted, Model, Path, by_name};
use folio_core::task::{Cancel, Seed, Task};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde::Deserialize;

/// See `bench/golden/lstm.py`, which makes the file.
#[derive(Deserialize)]
struct Golden {
    training: usize,
    series: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    kind: String,
    draw: usize,
    keras_last: f64,
    x: Vec<f64>,
}

impl Golden {
    fn read() -> Golden {
        serde_json::from_str(include_str!("golden/lstm.json")).unwrap()
    }

    fn of(kind: &str) -> (Vec<Series>, usize) {
        let Golden { training, series } = Golden::read();
        (series.into_iter().filter(|series| series.kind == kind).collect(), training)
    }
}

/// Log prices whose returns are `x`.
fn log_prices(x: &[f64]) -> Vec<f64> {
    let mut level = 4.0;
    let rest = x.iter().map(|step| {
        level += step;
        level
    });
    std::iter::once(4.0).chain(rest).collect()
}

fn task(seed: u64) -> Task {
    Task { cancel: Cancel::default(), seed: Seed(seed) }
}

fn lstm() -> &'static dyn Model {
    by_name("lstm").unwrap()
}

fn fit(y: &[f64], horizon: usize, seed: u64) -> Box<dyn Fitted> {
    lstm().fit(y, horizon, &task(seed)).unwrap()
}

fn paths(fitted: &dyn Fitted, y: &[f64], origins: &[usize], horizon: usize) -> Vec<Path> {
    fitted.forecast(y, origins, horizon, &task(0)).unwrap()
}

fn mean_and_variance(x: &[f64]) -> (f64, f64) {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    (mean, x.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / x.len() as f64)
}

/// The mean squared error of the log price `step` steps ahead over all origins from `from` on, and that of the drift
/// of the returns before.
fn squared_errors(fitted: &dyn Fitted, y: &[f64], from: usize, step: usize) -> (f64, f64) {
    let origins: Vec<usize> = (from..=y.len() - step).collect();
    let drift = (y[from - 1] - y[0]) / (from - 1) as f64;
    let (mut model, mut mean) = (0.0, 0.0);
    for (&origin, path) in origins.iter().zip(paths(fitted, y, &origins, step)) {
        let actual = y[origin + step - 1];
        model += (path.mean[step - 1] - actual).powi(2);
        mean += (y[origin - 1] + drift * step as f64 - actual).powi(2);
    }
    (model / origins.len() as f64, mean / origins.len() as f64)
}

#[test]
fn held_out_error_is_at_or_under_keras() {
    const SEEDS: u64 = 5;
    let golden = Golden::read();
    // Ours is held to Keras's median after its last epoch, over the three draws of a kind together. Measured: 0.995 of it
    // on "ar2", 0.952 on "sine", 0.967 on "threshold".
    for kind in ["ar2", "sine", "threshold"] {
        let (mut ours, mut keras) = (0.0, 0.0);
        for series in golden.series.iter().filter(|series| series.kind == kind) {
            let y = log_prices(&series.x);
            let (_, variance) = mean_and_variance(&series.x[..golden.training]);
            let from = golden.training + 1;
            let mut errors: Vec<f64> = (0..SEEDS)
                .map(|seed| squared_errors(&*fit(&y[..from], 1, seed), &y, from, 1).0 / variance)
                .collect();
            errors.sort_by(f64::total_cmp);
            let median = errors[errors.len() / 2];
            println!("{kind} {}: {median:.4}, Keras {:.4}", series.draw, series.keras_last);
            ours += median;
            keras += series.keras_last;
        }
        assert!(keras > 0.0 && ours <= keras, "{kind}: {:.4} of Keras's error", ours / keras);
    }
}

#[test]
fn forecast_follows_the_conditional_mean() {
    let (series, training) = Golden::of("ar2");
    let x = &series[0].x;
    let y = log_prices(x);
    let fitted = fit(&y[..training + 1], 1, 1);
    let origins: Vec<usize> = (training + 1..y.len()).collect();
    let forecast: Vec<f64> = origins
        .iter()
        .zip(paths(&*fitted, &y, &origins, 1))
        .map(|(&origin, path)| path.mean[0] - y[origin - 1])
        .collect();
    // Return t stands at x[t - 1], so that the origin's last two are x[origin - 2] and x[origin - 3].
    let truth: Vec<f64> = origins.iter().map(|&origin| 1.2 * x[origin - 2] - 0.5 * x[origin - 3]).collect();
    let ((a, va), (b, vb)) = (mean_and_variance(&forecast), mean_and_variance(&truth));
    let covariance =
        forecast.iter().zip(&truth).map(|(f, t)| (f - a) * (t - b)).sum::<f64>() / truth.len() as f64;
    let correlation = covariance / (va * vb).sqrt();
    assert!(correlation > 0.98, "correlation {correlation}");
    assert!((va / vb - 1.0).abs() < 0.25, "variance {va}, of the truth {vb}");
}

#[test]
fn paths_are_better_than_the_drift_where_something_can_be_known() {
    // The bounds leave a tenth over what was measured; 21 steps of a sine are nearly one whole period of 25.
    for (kind, step, bound) in
        [("ar2", 5, 0.9), ("sine", 5, 0.18), ("sine", 21, 0.6), ("threshold", 5, 0.8), ("threshold", 21, 1.0)]
    {
        let (series, training) = Golden::of(kind);
        let (mut model, mut mean) = (0.0, 0.0);
        for series in series {
            let y = log_prices(&series.x);
            let errors = squared_errors(&*fit(&y[..training + 1], 21, 1), &y, training + 1, step);
            model += errors.0;
            mean += errors.1;
        }
        println!("{kind} {step}: {:.3}", model / mean);
        assert!(model <= bound * mean, "{kind}, {step} steps: {:.3} of the drift's error", model / mean);
    }
}

#[test]
fn standard_deviations_cover_what_they_should() {
    // Over all series: a band of 1.2816 standard deviations holds 80 % of normal errors.
    let golden = Golden::read();
    for step in [1, 5, 21] {
        let (mut inside, mut count) = (0, 0);
        for series in &golden.series {
            let y = log_prices(&series.x);
            let from = golden.training + 1;
            let fitted = fit(&y[..from], 21, 1);
            let origins: Vec<usize> = (from..=y.len() - step).collect();
            for (&origin, path) in origins.iter().zip(paths(&*fitted, &y, &origins, step)) {
                let error = y[origin + step - 1] - path.mean[step - 1];
                inside += usize::from(error.abs() < 1.2816 * path.sd[step - 1]);
                count += 1;
            }
        }
        let share = inside as f64 / count as f64;
        println!("{step}: {share:.3}");
        assert!((0.72..0.88).contains(&share), "step {step}: {share}");
    }
}

/// The log prices of each of the 20 stocks.
fn stocks() -> Vec<Vec<f64>> {
    let rows: Vec<Vec<f64>> = include_str!("golden/prices.csv")
        .lines()
        .skip(1)
        .map(|line| line.split(',').skip(1).map(|price| price.parse::<f64>().unwrap().ln()).collect())
        .collect();
    (0..rows[0].len()).map(|column| rows.iter().map(|row| row[column]).collect()).collect()
}

#[test]
fn stocks_are_forecast_no_worse_than_by_their_drift() {
    // 905 returns to learn from, 94 to be judged on: little can be known, and nothing may be made up.
    let ratios: Vec<f64> = stocks()
        .iter()
        .map(|y| {
            let (model, mean) = squared_errors(&*fit(&y[..906], 1, 3), y, 906, 1);
            model / mean
        })
        .collect();
    let (mean, _) = mean_and_variance(&ratios);
    let worst = ratios.iter().copied().fold(0.0, f64::max);
    println!("mean {mean:.4}, worst {worst:.4}");
    assert!(ratios.len() == 20 && mean < 1.005 && worst < 1.05, "mean {mean:.4}, worst {worst:.4}");
}

#[test]
fn only_the_past_of_an_origin_is_used() {
    let (series, training) = Golden::of("threshold");
    let y = log_prices(&series[0].x);
    let fitted = fit(&y[..training + 1], 10, 1);
    // From the first log price on, in and out of the training part, and more of them than a batch has rows.
    let origins: Vec<usize> = (1..130).chain((130..=y.len()).step_by(29)).collect();
    let together = paths(&*fitted, &y, &origins, 12);
    for (&origin, path) in origins.iter().zip(&together) {
        assert_eq!(&paths(&*fitted, &y, &[origin], 12)[0], path, "origin {origin}");
        assert_eq!(&paths(&*fitted, &y[..origin], &[origin], 12)[0], path, "origin {origin}");
    }
    assert!(
        together.iter().any(|path| path.mean[1] - path.mean[0] != together[0].mean[1] - together[0].mean[0])
    );
}

#[test]
fn same_seed_same_bits() {
    let (series, training) = Golden::of("sine");
    let y = log_prices(&series[0].x[..training]);
    let at = |seed| paths(&*fit(&y, 5, seed), &y, &[y.len(), y.len() - 7], 5);
    assert_eq!(at(1), at(1));
    assert_ne!(at(1), at(2));
}

#[test]
fn cancel_stops_fit_and_forecast() {
    let y = log_prices(&Golden::read().series[0].x);
    let task = task(1);
    let fitted = lstm().fit(&y, 5, &task).unwrap();
    task.cancel.cancel();
    assert_eq!(lstm().fit(&y, 5, &task).err(), Some(Failure::Cancelled));
    assert_eq!(fitted.forecast(&y, &[y.len()], 5, &task).err(), Some(Failure::Cancelled));
}

/// Every number of the forecasts from all kinds of origins is finite, and the deviations do not decrease.
fn assert_sound(fitted: &dyn Fitted, y: &[f64]) {
    let origins = [1, 2, y.len() / 2, y.len() - 1, y.len()];
    for path in paths(fitted, y, &origins, 252) {
        assert_eq!((path.mean.len(), path.sd.len()), (252, 252));
        assert!(path.mean.iter().chain(&path.sd).all(|value| value.is_finite()));
        assert!(path.sd[0] > 0.0 && path.sd.is_sorted());
    }
}

#[test]
fn failures_have_names() {
    let y = log_prices(&Golden::read().series[0].x);
    let failure = |y: &[f64]| lstm().fit(y, 5, &task(1)).err();
    let need = lstm().min_observations();
    for got in 0..need {
        assert_eq!(failure(&y[..got]), Some(Failure::TooShort { need, got }));
    }
    assert_eq!(failure(&[3.0; 500]), Some(Failure::Constant));
    let growth: Vec<f64> = (0..500).map(|day| 0.001 * f64::from(day)).collect();
    assert_eq!(failure(&growth), Some(Failure::Constant));
    let mut bad = y.clone();
    bad[100] = f64::NAN;
    assert!(matches!(failure(&bad), Some(Failure::NotFinite(_))));
    let fitted = fit(&y[..need], 5, 1);
    for origin in [0, y.len() + 1] {
        assert!(matches!(fitted.forecast(&y, &[origin], 5, &task(1)), Err(Failure::TooShort { .. })));
    }
    assert_eq!(paths(&*fitted, &y, &[], 5), []);
}

#[test]
fn odd_series_are_forecast_soundly() {
    let stock = &stocks()[0];
    assert_sound(&*fit(&stock[..lstm().min_observations()], 252, 1), stock);
    // A constant tail, as of a share that no longer trades: more than half of the returns are 0.
    let mut tail = stock.clone();
    let last = tail[400];
    tail[400..].fill(last);
    assert_sound(&*fit(&tail, 252, 1), &tail);
    // One return that is not 0.
    let mut step = vec![1.0; 400];
    step[200..].fill(2.0);
    assert_sound(&*fit(&step, 252, 1), &step);
    // Thirty years: the stocks one after the other.
    let returns =
        stocks().concat().windows(2).map(|pair| (pair[1] - pair[0]).clamp(-0.2, 0.2)).collect::<Vec<_>>();
    let long = log_prices(&returns[..7_559]);
    assert_sound(&*fit(&long, 252, 1), &long);
}

#[test]
fn a_jump_in_the_data_does_not_spoil_the_fit() {
    let clean = &stocks()[0];
    let mut jump = clean.clone();
    jump[500..].iter_mut().for_each(|value| *value += 10f64.ln());
    let (clean_fit, jump_fit) = (fit(clean, 21, 1), fit(&jump, 21, 1));
    assert_sound(&*jump_fit, &jump);
    let deviation = |fitted: &dyn Fitted, y: &[f64]| paths(fitted, y, &[y.len()], 1)[0].sd[0];
    let ratio = deviation(&*jump_fit, &jump) / deviation(&*clean_fit, clean);
    // Left as it is, the jump alone would make it 3.6.
    assert!((1.0..1.2).contains(&ratio), "{ratio}");
}

#[test]
fn detail_tells_what_the_networks_are_worth() {
    let detail = |y: &[f64]| fit(y, 5, 1).detail();
    let (series, _) = Golden::of("ar2");
    let known = detail(&log_prices(&series[0].x));
    assert!(known["gain_by_step"][0].as_f64().unwrap() > 0.95);
    assert!(known["out_of_fold_mse"].as_f64() < known["out_of_fold_mse_of_mean"].as_f64());
    assert!(known["updates"].as_u64().unwrap() > 0);
    // Numbers without a pattern.
    let noise: Vec<f64> =
        (0..999u64).map(|day| Seed(day).derive("noise").0 as f64 / u64::MAX as f64 - 0.5).collect();
    assert_eq!(detail(&log_prices(&noise))["gain_by_step"].as_array().unwrap().len(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    /// Whatever the returns, there is a sound forecast or a failure with a name.
    #[test]
    fn never_a_panic_and_never_nan(
        returns in prop::collection::vec(
            prop_oneof![6 => -0.05..0.05, 2 => Just(0.0), 1 => -5.0..5.0, 1 => Just(1e-12)],
            1..420,
        ),
        scale in prop_oneof![Just(1.0), Just(1e-6), Just(1e3)],
        horizon in 1usize..=252,
    ) {
        let returns: Vec<f64> = returns.iter().map(|value| value * scale).collect();
        let y = log_prices(&returns);
        match lstm().fit(&y, horizon, &task(9)) {
            Ok(fitted) => assert_sound(&*fitted, &y),
            Err(Failure::TooShort { need, got }) => prop_assert!(got == y.len() && got < need),
            Err(failure) => prop_assert_eq!(failure, Failure::Constant),
        }
    }
}
