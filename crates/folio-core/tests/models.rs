//! What holds for every model.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use common::{log_prices, normal, task};
use folio_core::model::{Failure, MODELS, Model, Path};
use folio_core::task::{Cancel, Seed, Task};
use proptest::prelude::*;

const HORIZON: usize = 21;

/// A random walk of `count` log prices with daily volatility `sd`; the seed makes it, so that it is always the same.
fn walk(seed: u64, count: usize, sd: f64) -> Vec<f64> {
    let mut normal = normal(Seed(seed));
    let mut price = 4.0;
    (0..count)
        .map(|_| {
            price += 0.0003 + sd * normal();
            price
        })
        .collect()
}

/// The forecasts, or the reason why there are none.
fn forecast(model: &dyn Model, y: &[f64], origins: &[usize], horizon: usize) -> Result<Vec<Path>, Failure> {
    model.fit(y, horizon, &task())?.forecast(y, origins, horizon, &task())
}

fn assert_sound(name: &str, path: &Path, horizon: usize) {
    assert_eq!((path.mean.len(), path.sd.len()), (horizon, horizon), "{name}");
    assert!(path.mean.iter().all(|mean| mean.is_finite()), "{name}: {:?}", path.mean);
    assert!(path.sd.iter().all(|sd| sd.is_finite() && *sd > 0.0), "{name}: {:?}", path.sd);
    assert!(path.sd.is_sorted(), "{name}: {:?}", path.sd);
}

#[test]
fn names_are_unique_and_found() {
    for model in MODELS {
        let found = folio_core::model::by_name(model.name()).unwrap();
        assert_eq!(found.name(), model.name());
        assert_eq!(MODELS.iter().filter(|other| other.name() == model.name()).count(), 1);
    }
}

#[test]
fn every_model_forecasts_real_series_soundly() {
    for (_, y) in log_prices().iter().take(3) {
        for model in MODELS {
            for horizon in [1, 5, 63] {
                let paths = forecast(*model, y, &[y.len() - 100, y.len()], horizon)
                    .unwrap_or_else(|failure| panic!("{}: {failure}", model.name()));
                assert_eq!(paths.len(), 2);
                paths.iter().for_each(|path| assert_sound(model.name(), path, horizon));
                // Nobody can promise to know the price of the next day within one hundredth of its volatility.
                let last = y[y.len() - 1];
                assert!(
                    (paths[1].mean[0] - last).abs() < 0.05,
                    "{}: {} {last}",
                    model.name(),
                    paths[1].mean[0]
                );
            }
        }
    }
}

#[test]
fn the_shortest_series_is_enough_and_a_shorter_one_is_refused() {
    for model in MODELS {
        let need = model.min_observations();
        let y = walk(7, need, 0.02);
        let path = forecast(*model, &y, &[need], HORIZON)
            .unwrap_or_else(|failure| panic!("{}: {failure}", model.name()))
            .remove(0);
        assert!(path.mean.iter().chain(&path.sd).all(|value| value.is_finite()), "{}", model.name());
        for got in 0..need {
            let outcome = model.fit(&y[..got], HORIZON, &task()).err();
            assert_eq!(outcome, Some(Failure::TooShort { need, got }), "{}", model.name());
        }
    }
}

#[test]
fn a_cancelled_fit_says_so() {
    let (_, y) = &log_prices()[0];
    let cancel = Cancel::default();
    cancel.cancel();
    let task = Task { cancel, seed: Seed(1) };
    for model in MODELS {
        // A model that is done before its first poll may answer.
        match model.fit(y, HORIZON, &task) {
            Err(failure) => assert_eq!(failure, Failure::Cancelled, "{}", model.name()),
            Ok(_) => assert!(["naive", "drift"].contains(&model.name()), "{} does not poll", model.name()),
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let (_, y) = &log_prices()[4];
    for model in MODELS {
        let run = || forecast(*model, y, &[800, y.len()], HORIZON).unwrap();
        assert_eq!(run(), run(), "{}", model.name());
    }
}

/// Series that no market makes, but a table may hold.
fn strange_series() -> Vec<(&'static str, Vec<f64>)> {
    let count = 600;
    let mut one_jump = walk(1, count, 0.01);
    one_jump[count / 2..].iter_mut().for_each(|value| *value += 3.0);
    let mut one_move = vec![4.0; count];
    one_move[count - 1] = 4.1;
    let mut stale_end = walk(2, count, 0.01);
    let last = stale_end[count / 3];
    stale_end[count / 3..].fill(last);
    vec![
        ("constant", vec![4.0; count]),
        ("line", (0..count).map(|t| 0.01 * t as f64).collect()),
        ("parabola", (0..count).map(|t| (0.001 * t as f64).powi(2)).collect()),
        ("saw", (0..count).map(|t| 4.0 + 0.1 * (t % 2) as f64).collect()),
        ("one jump", one_jump),
        ("one move", one_move),
        ("stale end", stale_end),
        ("explosive", (0..count).map(|t| 1.01_f64.powi(t as i32)).collect()),
        ("tiny", walk(4, count, 0.01).iter().map(|value| value * 1e-12).collect()),
        // The logarithms of the smallest and the largest double.
        ("widest", (0..count).map(|t| if t % 2 == 0 { -744.44 } else { 709.78 }).collect()),
        ("wild", walk(5, count, 5.0)),
    ]
}

#[test]
fn strange_series_fail_by_name_or_give_finite_paths() {
    for (kind, y) in strange_series() {
        for model in MODELS {
            let name = format!("{} on {kind}", model.name());
            let outcome = catch_unwind(AssertUnwindSafe(|| forecast(*model, &y, &[y.len()], HORIZON)));
            match outcome.unwrap_or_else(|_| panic!("{name} panicked")) {
                Ok(paths) => {
                    let path = &paths[0];
                    let finite = path.mean.iter().chain(&path.sd).all(|value| value.is_finite());
                    assert!(
                        finite && path.sd.iter().all(|sd| *sd >= 0.0) && path.sd.is_sorted(),
                        "{name}: {path:?}"
                    );
                }
                Err(Failure::Cancelled | Failure::Panicked(_) | Failure::TooShort { .. }) => {
                    panic!("{name}: not the failure that it is")
                }
                Err(_) => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// From an origin a model sees nothing of what follows: the rows after it may as well not exist, or be others.
    #[test]
    fn no_forecast_sees_the_future(seed in any::<u64>(), cut in 0.0..1.0) {
        let y = walk(seed, 500, 0.015);
        for model in MODELS {
            let fit = model.fit(&y[..400], HORIZON, &task()).unwrap();
            let origin = 300 + (199.0 * cut) as usize;
            let whole = fit.forecast(&y, &[origin, y.len()], HORIZON, &task()).unwrap();
            let cut_off = fit.forecast(&y[..origin], &[origin], HORIZON, &task()).unwrap();
            prop_assert_eq!(&whole[0], &cut_off[0], "{}", model.name());
            let mut other = y.clone();
            other[origin..].iter_mut().for_each(|value| *value += 1.0);
            let changed = fit.forecast(&other, &[y.len(), origin], HORIZON, &task()).unwrap();
            prop_assert_eq!(&whole[0], &changed[1], "{}", model.name());
        }
    }

    /// Random walks of any volatility give sound paths.
    #[test]
    fn random_walks_give_sound_paths(seed in any::<u64>(), log_sd in -9.0..0.0_f64) {
        let y = walk(seed, 400, log_sd.exp());
        for model in MODELS {
            for path in forecast(*model, &y, &[350, 400], HORIZON).unwrap() {
                assert_sound(model.name(), &path, HORIZON);
            }
        }
    }
}
