//! The ensemble as a whole: what holds for its weights, its intervals and its bits, on real prices and on bad ones.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use common::pool::Threads;
use common::{QUICK, column, normal, real, request};
use folio_core::Error;
use folio_core::forecast::{
    Ensemble, Evaluation, FitWindow, Level, Report, Request, Schedule, Scores, Status, evaluate, forecast,
};
use folio_core::model::Failure;
use folio_core::panel::{PricePanel, PriceRow, Series, Timestamp};
use folio_core::task::{Cancel, Executor, Inline, Seed};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const DAY: i64 = 86_400_000_000;

fn run_on(columns: &[(String, Vec<f64>)], request: &Request, executor: &dyn Executor) -> Vec<Report> {
    let columns = columns.iter().map(|(ticker, prices)| column(ticker, prices)).collect();
    forecast(PricePanel::new(columns), request, executor, &Cancel::default()).unwrap()
}

fn run(columns: &[(String, Vec<f64>)], request: &Request) -> Vec<Report> {
    run_on(columns, request, &Inline)
}

fn one(prices: &[f64], request: &Request) -> Result<Ensemble, Error> {
    run(&[("A".to_owned(), prices.to_vec())], request).remove(0).outcome
}

/// Everything of a report but its times, each float by its bits.
fn bits(report: &Report) -> String {
    let ensemble = report.outcome.as_ref().unwrap();
    let steps: Vec<[u64; 3]> =
        ensemble.steps.iter().map(|step| [step.forecast, step.lower, step.upper].map(f64::to_bits)).collect();
    let members: Vec<String> = ensemble
        .members
        .iter()
        .map(|member| match &member.outcome {
            Ok(fit) => {
                let numbers = fit.weights.iter().chain(&fit.path().mean).chain(&fit.path().sd);
                let numbers: Vec<u64> = numbers.map(|value| value.to_bits()).collect();
                format!("{} {numbers:?} {:?} {:?}", member.model, fit.validation_rmse, fit.relative_mae)
            }
            Err(failure) => format!("{} {failure}", member.model),
        })
        .collect();
    format!("{} {steps:?} {members:?} {:?}", report.ticker, ensemble.status)
}

/// What holds for every forecast, of whatever prices.
fn assert_sound(ensemble: &Ensemble, horizon: usize, name: &str) {
    assert_eq!(ensemble.steps.len(), horizon, "{name}");
    for step in &ensemble.steps {
        let numbers = [step.lower, step.forecast, step.upper];
        assert!(numbers.iter().all(|value| value.is_finite()) && numbers.is_sorted(), "{name}: {step:?}");
        assert!(step.forecast > 0.0, "{name}: {step:?}");
    }
    assert!(ensemble.steps.windows(2).all(|pair| pair[0].ts < pair[1].ts), "{name}");
    let fits: Vec<_> = ensemble.members.iter().filter_map(|member| member.outcome.as_ref().ok()).collect();
    for step in 0..horizon {
        let weights: Vec<f64> = fits.iter().map(|fit| fit.weights[step]).collect();
        assert!(weights.iter().all(|weight| (0.0..=1.0).contains(weight)), "{name}: {weights:?}");
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{name}: {weights:?}");
    }
    for fit in fits {
        let quality = fit.validation_rmse.into_iter().chain(fit.relative_mae);
        assert!(quality.chain(fit.path().mean.iter().copied()).all(f64::is_finite), "{name}");
    }
}

/// What holds for every evaluation, of whatever prices: finite measures, or an error with a name.
fn assert_sound_evaluation(panel: PricePanel, request: &Request, name: &str) {
    let schedule = Schedule {
        origins: 3,
        stride: None,
        gap: 0,
        refit_every: 2,
        window: FitWindow::Rolling,
        history: 1000,
    };
    let evaluation = Evaluation::new(request.clone(), &schedule).unwrap();
    let evaluated = evaluate(panel, &evaluation, &Inline, &Cancel::default()).unwrap().remove(0);
    let record = match evaluated.outcome {
        Ok(record) => record,
        Err(Error::BadPrices { .. } | Error::TooShort { .. }) => return,
        Err(other) => panic!("{name}: {other}"),
    };
    let mut scores = Scores::default();
    record.scored.iter().for_each(|scored| scores.add(scored));
    for score in scores.iter() {
        let metrics = score.metrics;
        let known = [metrics.mase(), metrics.relative_mae(), metrics.direction()].into_iter().flatten();
        let shares = metrics.coverage().into_iter().chain(metrics.direction());
        assert!(shares.into_iter().all(|share| (0.0..=1.0).contains(&share)), "{name}: {metrics:?}");
        let numbers = [metrics.mae(), metrics.rmse()].into_iter().chain(known);
        let mut numbers = numbers.chain(metrics.mean_width()).chain(metrics.interval_score());
        assert!(numbers.all(f64::is_finite), "{name}: {} {metrics:?}", score.model);
    }
    let panicked = record.failures.iter().any(|missing| missing.reason.contains("panicked"));
    assert!(!panicked, "{name}: {:?}", record.failures);
}

/// The half-width of the logarithm does not shrink from step to step.
fn assert_widening(ensemble: &Ensemble, name: &str) {
    let widths: Vec<f64> = ensemble.steps.iter().map(|step| (step.upper / step.lower).ln()).collect();
    assert!(widths.windows(2).all(|pair| pair[1] >= pair[0] - 1e-12), "{name}: {widths:?}");
}

#[test]
fn real_prices_have_sound_forecasts_of_every_model() {
    let columns = real(2, 1000);
    for horizon in [1, 21] {
        for (report, (ticker, prices)) in run(&columns, &request(&[], horizon)).iter().zip(&columns) {
            assert_eq!(&report.ticker, ticker);
            let ensemble = report.outcome.as_ref().unwrap();
            assert_sound(ensemble, horizon as usize, ticker);
            assert_widening(ensemble, ticker);
            assert_eq!(ensemble.status, Status::Complete);
            let last = prices[prices.len() - 1];
            assert!(ensemble.steps.iter().all(|step| (step.forecast / last).ln().abs() < 0.1), "{ticker}");
            // A year's volatility of these stocks is 15 to 80 %: a day's interval at 80 % is 2 to 13 % wide.
            let day = (ensemble.steps[0].upper / ensemble.steps[0].lower).ln();
            assert!((0.01..0.15).contains(&day), "{ticker}: {day}");
        }
    }
}

/// The forecast is the mean of the members' log prices by their weights.
#[test]
fn the_forecast_is_the_weighted_mean_of_its_members() {
    let ensemble = one(&real(1, 500)[0].1, &request(&QUICK, 21)).unwrap();
    for (index, step) in ensemble.steps.iter().enumerate() {
        let fits = ensemble.members.iter().map(|member| member.outcome.as_ref().unwrap());
        let mean: f64 = fits.map(|fit| fit.weights[index] * fit.path().mean[index]).sum();
        assert!((step.forecast.ln() - mean).abs() < 1e-12, "{index}");
    }
}

#[test]
fn a_higher_level_holds_a_lower_one() {
    let levels = [0.8, 0.5, 0.95, 0.99].map(|level| Level::new(level).unwrap());
    let alone = one(&real(1, 500)[0].1, &request(&QUICK, 21)).unwrap();
    let asked = Request { levels: levels.to_vec(), ..request(&QUICK, 21) };
    let ensemble = one(&real(1, 500)[0].1, &asked).unwrap();
    assert_eq!(ensemble.steps_at(levels[0]), Some(alone.steps.as_slice()));
    assert_eq!((&ensemble.steps, alone.steps_at(levels[1])), (&alone.steps, None));
    let levels = [1, 0, 2, 3].map(|number| ensemble.steps_at(levels[number]).unwrap());
    for pair in levels.windows(2) {
        for (narrow, wide) in pair[0].iter().zip(pair[1]) {
            assert!(wide.lower < narrow.lower && wide.upper > narrow.upper);
            assert_eq!(wide.forecast, narrow.forecast);
        }
    }
}

#[test]
fn any_number_of_threads_and_of_calls_gives_the_same_bits() {
    let columns = real(3, 500);
    let request = request(&[], 5);
    let inline: Vec<String> = run(&columns, &request).iter().map(bits).collect();
    for threads in [1, 2, 8] {
        let reports = run_on(&columns, &request, &Threads::start(threads));
        assert_eq!(inline, reports.iter().map(bits).collect::<Vec<_>>(), "{threads} threads");
    }
}

/// Intervals of several levels lie in one another, on real prices, short ones and odd ones.
#[test]
fn a_higher_level_is_nowhere_narrower() {
    let levels = Level::several(&[0.95, 0.01, 0.5, 0.8, 0.99, 0.9, 0.8]).unwrap();
    assert_eq!(
        levels.iter().map(|level| level.share()).collect::<Vec<_>>(),
        [0.01, 0.5, 0.8, 0.9, 0.95, 0.99]
    );
    assert!(Level::several(&[]).is_err() && Level::several(&[0.5, 1.0]).is_err());
    let mut cases = odd_series();
    cases.push(("real", real(1, 1000).remove(0).1));
    for count in [2, 5, 40, 70, 100] {
        cases.push(("short", real(1, count).remove(0).1));
    }
    for (name, prices) in cases {
        let asked = Request { levels: levels.clone(), ..request(&["naive", "drift"], 63) };
        let ensemble = one(&prices, &asked).unwrap();
        let steps: Vec<_> = levels.iter().map(|&level| ensemble.steps_at(level).unwrap()).collect();
        for (narrow, wide) in steps.windows(2).flat_map(|pair| pair[0].iter().zip(pair[1])) {
            assert!(wide.lower <= narrow.lower && narrow.upper <= wide.upper, "{name}: {narrow:?} {wide:?}");
            assert_eq!(wide.forecast, narrow.forecast);
        }
    }
}

#[test]
fn another_seed_changes_the_models_that_draw() {
    // A wave in noise: on a stock's prices the network may well say no more than the mean, whatever its seed.
    let mut normal = normal(Seed(5));
    let wave = (0..500).map(|day| (0.1 * (day as f64 / 3.0).sin() + 0.01 * normal()).exp()).collect();
    let columns = [("A".to_owned(), wave)];
    let mut request = request(&["lstm"], 5);
    let first = bits(&run(&columns, &request)[0]);
    request.seed = Seed(43);
    assert_ne!(first, bits(&run(&columns, &request)[0]));
}

/// A ticker's numbers depend on its own prices and name, not on what stands beside it. Swapped columns would show.
#[test]
fn other_tickers_change_nothing() {
    let columns = real(5, 400);
    let request = request(&["naive", "drift", "ridge", "xgboost", "lstm"], 5);
    let by_ticker = |columns: &[(String, Vec<f64>)]| -> std::collections::BTreeMap<String, String> {
        run(columns, &request).iter().map(|report| (report.ticker.clone(), bits(report))).collect()
    };
    let all = by_ticker(&columns);
    assert_eq!(all.values().collect::<std::collections::BTreeSet<_>>().len(), 5);
    let mut reversed = columns.clone();
    reversed.reverse();
    assert_eq!(all, by_ticker(&reversed));
    for column in &columns[..2] {
        let alone = by_ticker(std::slice::from_ref(column));
        assert_eq!(alone[&column.0], all[&column.0]);
    }
    // Each forecast starts at its own ticker's last price; those of the five differ by more than a tenth.
    for (report, (ticker, prices)) in run(&columns, &request).iter().zip(&columns) {
        let forecast = report.outcome.as_ref().unwrap().steps[0].forecast;
        assert!((forecast / prices[prices.len() - 1]).ln().abs() < 0.05, "{ticker}");
    }
}

/// A ticker without usable prices costs itself only.
#[test]
fn a_bad_ticker_leaves_the_others_alone() {
    let good = real(2, 300);
    let request = request(&QUICK, 5);
    let alone: Vec<String> = run(&good, &request).iter().map(bits).collect();
    let mut columns = good.clone();
    columns.insert(0, ("EMPTY".to_owned(), Vec::new()));
    columns.insert(2, ("NAN".to_owned(), vec![1.0, f64::NAN]));
    let reports = run(&columns, &request);
    assert!(matches!(&reports[0].outcome, Err(Error::TooShort { need: 2, found }) if found[0].1 == 0));
    assert!(matches!(&reports[2].outcome, Err(Error::BadPrices { total: 1, .. })));
    assert_eq!([bits(&reports[1]), bits(&reports[3])], alone[..]);
}

/// Of a panel that ends at a day, nothing later is read: not for the fit, not for weights, not for intervals.
#[test]
fn later_prices_change_nothing() {
    let (ticker, prices) = real(1, 700).remove(0);
    let request = request(&[], 5);
    let panel_to = |prices: &[f64], last_day: i64| {
        let row = |(day, &close): (i64, &f64)| PriceRow { ts: Timestamp(day * DAY), close };
        let rows = (0..).zip(prices).map(row).filter(|row| row.ts <= Timestamp(last_day * DAY)).collect();
        PricePanel::new(vec![(ticker.clone(), Series::new(ticker.clone(), rows, 500))])
    };
    let report = |prices: &[f64]| {
        let panel = panel_to(prices, 599);
        bits(&forecast(panel, &request, &Inline, &Cancel::default()).unwrap()[0])
    };
    let expected = report(&prices[..600]);
    let mut changed = prices.clone();
    changed[600..].iter_mut().for_each(|price| *price *= 3.0);
    assert_eq!(expected, report(&changed));
    changed[599] *= 1.01;
    assert_ne!(expected, report(&changed), "the last day counts");
}

/// Validation is out of sample. On a random walk the next change cannot be known, so no member's validated error is
/// much under that of the last price; a member that saw one day ahead would halve it at the first step.
#[test]
fn nothing_beats_the_last_price_on_random_walks() {
    let request = request(&[], 1);
    let mut means = vec![0.0; request.models.of_series(false).len()];
    let walks = 6;
    for seed in 0..walks {
        let prices = walk(seed, 500);
        for (mean, member) in means.iter_mut().zip(one(&prices, &request).unwrap().members) {
            *mean += member.outcome.unwrap().relative_mae.unwrap() / walks as f64;
        }
    }
    assert!(means.iter().all(|mean| (0.97..1.2).contains(mean)), "{means:?}");
    assert!((means[0] - 1.0).abs() < 1e-12, "the last price itself: {means:?}");
}

/// Prices of a random walk of their logarithm, 2 % a day.
fn walk(seed: u64, days: usize) -> Vec<f64> {
    let mut normal = normal(Seed(seed));
    let mut price = 4.0;
    (0..days)
        .map(|_| {
            price += 0.02 * normal();
            f64::exp(price)
        })
        .collect()
}

/// A member with a better record weighs more, at every step and in no case all or nothing.
#[test]
fn members_weigh_by_what_they_showed() {
    // A steady trend: the drift knows it, the last price does not.
    let mut normal = normal(Seed(3));
    let trend: Vec<f64> = (0..500).map(|day| (0.01 * day as f64 + 0.005 * normal()).exp()).collect();
    let ensemble = one(&trend, &request(&["naive", "drift"], 21)).unwrap();
    let [naive, drift] = ensemble.members.as_slice() else { panic!() };
    let (naive, drift) = (naive.outcome.as_ref().unwrap(), drift.outcome.as_ref().unwrap());
    assert!(naive.weights.iter().zip(&drift.weights).all(|(naive, drift)| naive < drift && *naive > 0.0));
    assert!(drift.relative_mae.unwrap() < 0.5 && (naive.relative_mae.unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn short_histories_have_a_status_or_a_named_error() {
    let (_, prices) = real(1, 100).remove(0);
    for count in 0..=prices.len() {
        for models in [&[] as &[&str], &["lstm"], &["naive"]] {
            // The slow models need more than this anyway; every tenth length is enough for all of them together.
            if models.is_empty() && count % 10 != 0 && count > 12 {
                continue;
            }
            let name = format!("{count} prices, {models:?}");
            let panel = PricePanel::new(vec![column("A", &prices[..count])]);
            assert_sound_evaluation(panel, &request(models, 21), &name);
            match one(&prices[..count], &request(models, 21)) {
                Ok(ensemble) => {
                    assert_sound(&ensemble, 21, &name);
                    let validated = ensemble
                        .members
                        .iter()
                        .any(|member| member.outcome.as_ref().is_ok_and(|fit| fit.validation_rmse.is_some()));
                    match ensemble.status {
                        Status::ShortHistory { prices, .. } => {
                            assert!(prices == count && !validated, "{name}")
                        }
                        _ => assert!(validated, "{name}"),
                    }
                }
                Err(Error::TooShort { need: 2, found }) => {
                    assert!(found[0].1 == count && count < 2, "{name}")
                }
                Err(Error::NoModel { failures, .. }) => {
                    assert!(
                        models == ["lstm"] && failures[0].1.contains("too short"),
                        "{name}: {failures:?}"
                    );
                }
                Err(other) => panic!("{name}: {other}"),
            }
        }
    }
}

/// Series that a table of prices may well hold.
fn odd_series() -> Vec<(&'static str, Vec<f64>)> {
    let (_, prices) = real(1, 600).remove(0);
    let times = |factor: f64| prices.iter().map(|price| price * factor).collect::<Vec<f64>>();
    let mut split = prices.clone();
    split[300..].iter_mut().for_each(|price| *price *= 10.0);
    let mut fresh_split = prices.clone();
    fresh_split[590..].iter_mut().for_each(|price| *price /= 10.0);
    let mut halt = prices.clone();
    let stale = halt[400];
    halt[400..560].fill(stale);
    let mut halted_still = prices.clone();
    halted_still[400..].fill(stale);
    let alternating =
        |low: f64, high: f64| (0..600).map(|day| if day % 2 == 0 { low } else { high }).collect();
    let penny = prices.iter().map(|price| (price * 0.0001 * 100.0).round().max(1.0) / 100.0).collect();
    vec![
        ("constant", vec![100.0; 600]),
        ("split", split),
        ("split ten days ago", fresh_split),
        ("halt", halt),
        ("halted still", halted_still),
        ("penny", penny),
        ("30 years", walk(1, 7560)),
        ("huge", times(1e304)),
        ("tiny", times(1e-302)),
        ("subnormal", times(1e-312)),
        ("at the largest", vec![f64::MAX; 600]),
        ("at the smallest", vec![5e-324; 600]),
        ("from 1e-300 to 1e308", alternating(1e-300, 1e308)),
        ("from the smallest to the largest", alternating(5e-324, f64::MAX)),
        ("rising to the largest", (0..600).map(|day| f64::MAX * 0.9_f64.powi(599 - day)).collect()),
        (
            "falling to the smallest",
            (0..600).map(|day| (1e-323 * 1.1_f64.powi(599 - day)).max(5e-324)).collect(),
        ),
        ("one move at the end", (0..600).map(|day| if day == 599 { 101.0 } else { 100.0 }).collect()),
    ]
}

#[test]
fn odd_series_have_finite_forecasts_or_named_errors() {
    for (name, prices) in odd_series() {
        for horizon in [1, 63] {
            let outcome = catch_unwind(AssertUnwindSafe(|| one(&prices, &request(&[], horizon))));
            let ensemble = outcome.unwrap_or_else(|_| panic!("{name} panicked"));
            // The last price is a forecast of any series.
            let ensemble = ensemble.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_sound(&ensemble, horizon as usize, name);
            for member in ensemble.members {
                assert!(!matches!(member.outcome, Err(Failure::Panicked(_))), "{name}: {member:?}");
            }
        }
        assert_sound_evaluation(PricePanel::new(vec![column("A", &prices)]), &request(&QUICK, 21), name);
    }
}

/// A halt that left no rows: the days that have rows are the trading days, and the forecast falls on days after the last.
#[test]
fn months_without_rows_are_no_days() {
    let (ticker, prices) = real(1, 500).remove(0);
    let report = |halt: i64| {
        let row = |(day, &close): (i64, &f64)| PriceRow {
            ts: Timestamp((if day < 300 { day } else { day + halt }) * DAY),
            close,
        };
        let rows = (0..).zip(&prices).map(row).collect();
        let panel = PricePanel::new(vec![(ticker.clone(), Series::new(ticker.clone(), rows, 1000))]);
        forecast(panel, &request(&QUICK, 21), &Inline, &Cancel::default()).unwrap().remove(0)
    };
    let (halted, steady) = (report(150), report(0));
    assert_eq!(bits(&halted), bits(&steady));
    let first = halted.outcome.unwrap().steps[0].ts.unwrap();
    assert!(first > Timestamp(649 * DAY) && first <= Timestamp(652 * DAY));
}

#[test]
fn prices_that_do_not_move_are_forecast_as_they_are() {
    let ensemble = one(&[100.0; 300], &request(&[], 5)).unwrap();
    for step in ensemble.steps {
        for value in [step.lower, step.forecast, step.upper] {
            assert!((value - 100.0).abs() < 1e-9, "{step:?}");
        }
    }
    // A price whose logarithm does not give it back.
    for models in [&[][..], &["naive", "drift"]] {
        for step in one(&[7.0; 300], &request(models, 21)).unwrap().steps {
            assert_eq!([step.lower, step.forecast, step.upper], [7.0; 3]);
        }
    }
}

/// What stands still, moves on few days, or by a tick, is inside of its interval as it is.
#[test]
fn a_price_that_does_not_move_is_inside() {
    let mut normal = normal(Seed(6));
    let mut halted = walk(6, 842);
    halted.extend([*halted.last().unwrap(); 158]);
    let mut level = 4.0;
    let stale: Vec<f64> = (0..600)
        .map(|day| {
            level += if day % 20 == 7 { 0.03 * normal() } else { 0.0 };
            f64::exp(level)
        })
        .collect();
    let tick: Vec<f64> = walk(7, 600).iter().map(|price| (price * 20.0).round() / 100.0).collect();
    for (name, prices) in [("halted", halted), ("stale", stale), ("tick", tick)] {
        let last = *prices.last().unwrap();
        let ensemble = one(&prices, &request(&[], 3)).unwrap();
        for step in &ensemble.steps {
            assert!(step.lower <= last && last <= step.upper, "{name}: {last} {step:?}");
        }
    }
}

/// A step's forecast and interval are what they are whatever is asked for after it.
#[test]
fn a_further_horizon_changes_no_nearer_step() {
    let (_, prices) = real(1, 600).remove(0);
    let near = one(&prices, &request(&[], 21)).unwrap();
    let far = one(&prices, &request(&[], 252)).unwrap();
    for (near, far) in near.steps.iter().zip(&far.steps) {
        let width = |step: &folio_core::forecast::Step| (step.upper / step.lower).ln();
        assert!((width(near) / width(far) - 1.0).abs() < 1e-9, "{near:?} {far:?}");
        assert!((near.forecast / far.forecast - 1.0).abs() < 1e-9, "{near:?} {far:?}");
    }
}

#[test]
fn a_time_at_the_end_of_the_calendar_is_no_panic() {
    let rows = (0..300).map(|day| PriceRow { ts: Timestamp(i64::MAX - 300 + day), close: 100.0 }).collect();
    let panel = PricePanel::new(vec![("A".to_owned(), Series::new("A".to_owned(), rows, 1000))]);
    let report = forecast(panel, &request(&QUICK, 252), &Inline, &Cancel::default()).unwrap().remove(0);
    assert!(matches!(report.outcome, Err(Error::BadPrices { .. })));
}

#[test]
fn a_cancelled_run_says_so() {
    let columns = || real(2, 300).iter().map(|(ticker, prices)| column(ticker, prices)).collect();
    let cancel = Cancel::default();
    cancel.cancel();
    for executor in [&Inline as &dyn Executor, &Threads::start(2)] {
        let outcome = forecast(PricePanel::new(columns()), &request(&[], 5), executor, &cancel);
        assert_eq!(outcome.unwrap_err(), Error::Cancelled);
    }
    // Cancelled while it runs: by the first model that asks.
    let outcome =
        forecast(PricePanel::new(columns()), &request(&["lstm"], 5), &Inline, &Cancel::polling(|| true));
    assert_eq!(outcome.unwrap_err(), Error::Cancelled);
}

/// Damage as a table may hold it: where, and what.
#[derive(Debug, Clone, Copy)]
enum Damage {
    NotANumber,
    Zero,
    Infinite,
    Negative,
    Huge,
    Tiny,
    Duplicate,
    Moved(i64),
    Bit(u32),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        1 => Just(Damage::NotANumber),
        1 => Just(Damage::Zero),
        1 => Just(Damage::Infinite),
        1 => Just(Damage::Negative),
        6 => Just(Damage::Huge),
        6 => Just(Damage::Tiny),
        1 => Just(Damage::Duplicate),
        6 => (-500..500_i64).prop_map(Damage::Moved),
        6 => (0..63_u32).prop_map(Damage::Bit),
    ]
}

fn apply(damage: Damage, rows: &mut [PriceRow], at: usize) {
    let price = rows[at].close;
    match damage {
        Damage::NotANumber => rows[at].close = f64::NAN,
        Damage::Zero => rows[at].close = 0.0,
        Damage::Infinite => rows[at].close = f64::INFINITY,
        Damage::Negative => rows[at].close = -price,
        Damage::Huge => rows[at].close = 1e308,
        Damage::Tiny => rows[at].close = 1e-300,
        Damage::Duplicate => rows[at].ts = rows[at.saturating_sub(1)].ts,
        // Half a day beside another, so that it is no duplicate.
        Damage::Moved(days) => rows[at].ts = Timestamp(rows[at].ts.0 + days * DAY + DAY / 2),
        Damage::Bit(bit) => rows[at].close = f64::from_bits(price.to_bits() ^ (1 << bit)),
    }
}

/// The models of a trial, and how many prices there are: enough for each of them to be validated.
fn trial() -> impl Strategy<Value = (&'static [&'static str], usize)> {
    prop_oneof![
        16 => Just((&["naive", "drift", "theta"] as &[&str], 300)),
        2 => Just((&["ets", "arima"] as &[&str], 300)),
        1 => Just((&["ridge", "lstm"] as &[&str], 460)),
        1 => Just((&[] as &[&str], 460)),
    ]
}

proptest! {
    // A thousand trials, the same in every run.
    #![proptest_config(ProptestConfig {
        cases: 1000,
        rng_seed: RngSeed::Fixed(20_221_228),
        ..ProptestConfig::default()
    })]

    /// One price in a hundred is damaged: a finite forecast and (of the quick models) a finite evaluation, or an error
    /// that names the ticker's bad rows.
    #[test]
    fn damaged_prices_are_no_panic(
        start in 0..500_usize,
        (models, count) in trial(),
        damages in prop::collection::vec((damage(), 0..300_usize), 1..=3),
    ) {
        let prices = &real(1, 1000)[0].1[start..start + count];
        let row = |(day, &close): (i64, &f64)| PriceRow { ts: Timestamp(day * DAY), close };
        let mut rows: Vec<PriceRow> = (0..).zip(prices).map(row).collect();
        for (damage, at) in damages {
            apply(damage, &mut rows, at + count - 300);
        }
        let panel = || {
            let series = Series::new("A".to_owned(), rows.clone(), 1000);
            PricePanel::new(vec![("A".to_owned(), series)])
        };
        let request = request(models, 21);
        match forecast(panel(), &request, &Inline, &Cancel::default()).unwrap().remove(0).outcome {
            Ok(ensemble) => {
                assert_sound(&ensemble, 21, "damaged");
                for member in &ensemble.members {
                    prop_assert!(!matches!(member.outcome, Err(Failure::Panicked(_))), "{:?}", member);
                }
            }
            Err(Error::BadPrices { total, .. }) => prop_assert!((1..=6).contains(&total)),
            Err(Error::NoModel { failures, .. }) => {
                prop_assert!(!models.contains(&"naive") && !models.is_empty(), "{:?}", failures);
                prop_assert!(!failures.iter().any(|(_, why)| why.contains("panicked")), "{:?}", failures);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
        if models.contains(&"naive") {
            assert_sound_evaluation(panel(), &request, "damaged");
        }
    }
}
