//! Seasons: found where they are and nowhere else, forecast, and never from the future.

mod common;

use common::{column, log_prices, normal, prices_of, request, task};
use folio_core::forecast::{
    Ensemble, Evaluation, FitWindow, Request, Schedule, Scored, SeasonLengths, evaluate, forecast,
};
use folio_core::model::{MODELS, adjusted, by_name};
use folio_core::panel::{PricePanel, PriceRow, Series, Timestamp};
use folio_core::task::{Cancel, Inline, Seed};

const QUICK: [&str; 5] = ["naive", "seasonal_naive", "drift", "theta", "ets"];

fn told(models: &[&str], horizon: i64, lengths: &[i64]) -> Request {
    Request { season_lengths: SeasonLengths::told(lengths).unwrap(), ..request(models, horizon) }
}

fn one(y: &[f64], request: &Request) -> Ensemble {
    let panel = PricePanel::new(vec![column("A", &prices_of(y))]);
    forecast(panel, request, &Inline, &Cancel::default()).unwrap().remove(0).outcome.unwrap()
}

fn walk(seed: u64, count: usize) -> Vec<f64> {
    let mut normal = normal(Seed(seed));
    let add = |level: &mut f64, change: f64| {
        *level += change;
        Some(*level)
    };
    (0..count).map(|_| 0.01 * normal()).scan(4.0, add).collect()
}

/// A season of seven on a slow walk, with noise.
fn seasonal(seed: u64, count: usize) -> Vec<f64> {
    let mut normal = normal(Seed(seed + 100));
    let levels: Vec<f64> = (0..7).map(|_| 0.1 * normal()).collect();
    let slow = walk(seed, count);
    slow.iter().enumerate().map(|(day, level)| 0.3 * level + levels[day % 7] + 0.01 * normal()).collect()
}

#[test]
fn a_season_is_found_where_it_is_and_in_no_walk() {
    let found =
        |y: &[f64], lengths: &[i64]| one(y, &told(&["naive", "drift"], 3, lengths)).season_lengths().to_vec();
    for seed in 0..5 {
        assert_eq!(found(&seasonal(seed, 100), &[7]), [7]);
        assert_eq!(found(&seasonal(seed, 100), &[5]), [0; 0]);
    }
    let false_alarms = (0..300).filter(|&seed| {
        let y = walk(seed, 60 + seed as usize % 3 * 200);
        !found(&y, &[5, 7, 12]).is_empty()
    });
    // Three lengths are tested on each.
    assert!(false_alarms.count() <= 6);
}

/// Not by what is told, not by the time stamps: to the bit.
#[test]
fn stocks_have_no_season() {
    for (name, y) in log_prices() {
        let (plain, asked) = (one(&y, &told(&QUICK, 5, &[])), one(&y, &told(&QUICK, 5, &[5, 21])));
        assert!(asked.season_lengths().is_empty() && asked.steps == plain.steps, "{name}");
        assert_eq!(asked.season_remark().as_deref(), Some("no season of 5 and 21 prices"));
        // A model that needs one and is named says so; among all of them it stays away.
        assert!(asked.members.iter().any(|one| one.model == "seasonal_naive" && one.outcome.is_err()));
    }
    let (_, y) = &log_prices()[0];
    let all = one(&y[..200], &told(&[], 5, &[5]));
    assert!(all.members.iter().all(|member| member.model != "seasonal_naive"));
}

#[test]
fn a_season_is_forecast_at_every_step() {
    let (mut own, mut naive) = ([0.0; 7], [0.0; 7]);
    for seed in 0..10 {
        let y = seasonal(seed, 307);
        let ensemble = one(&y[..300], &told(&QUICK, 7, &[7]));
        for step in 0..7 {
            own[step] += (ensemble.steps[step].forecast.ln() - y[300 + step]).abs();
            naive[step] += (y[299] - y[300 + step]).abs();
        }
        let holds =
            ensemble.steps.iter().zip(&y[300..]).filter(|(s, y)| s.lower.ln() <= **y && **y <= s.upper.ln());
        assert!(holds.count() >= 3, "{seed}");
    }
    assert!(own[..6].iter().sum::<f64>() < 0.3 * naive[..6].iter().sum::<f64>(), "{own:?} {naive:?}");
    assert!(own[6] < 1.3 * naive[6], "{own:?} {naive:?}");
}

/// A series of hours: its time stamps say 24 and 168.
#[test]
fn time_stamps_say_which_seasons_there_may_be() {
    let mut normal = normal(Seed(3));
    let hour = |hour: i64| PriceRow {
        ts: Timestamp(hour * 3_600_000_000),
        close: 100.0 + 10.0 * (hour as f64 / 24.0 * std::f64::consts::TAU).sin() + normal(),
    };
    let series = Series::new("A".to_owned(), (0..800).map(hour).collect(), usize::MAX).unwrap();
    assert_eq!(series.frequency().season_lengths(), [24, 168]);
    let panel = PricePanel::new(vec![("A".to_owned(), Ok(series))]);
    let report = forecast(panel, &request(&QUICK, 24), &Inline, &Cancel::default()).unwrap().remove(0);
    let ensemble = report.outcome.unwrap();
    assert_eq!(ensemble.season_lengths(), [24]);
    assert_eq!(ensemble.season_remark().as_deref(), Some("season of 24 prices"));
}

fn evaluated(y: &[f64]) -> Vec<Scored> {
    let schedule = Schedule {
        origins: 20,
        stride: Some(7),
        gap: 0,
        refit_every: 3,
        window: FitWindow::Rolling,
        history: 200,
    };
    let evaluation = Evaluation::new(told(&QUICK, 7, &[7]), &schedule).unwrap();
    let panel = PricePanel::new(vec![column("A", &prices_of(y))]);
    evaluate(panel, &evaluation, &Inline, &Cancel::default()).unwrap().remove(0).outcome.unwrap().scored
}

/// A season that begins, or changes, after an origin changes nothing of the forecasts from there.
#[test]
fn no_season_comes_from_the_future() {
    for y in [walk(1, 400), seasonal(1, 400)] {
        let cut = 330;
        let mut other = y.clone();
        for (day, value) in other.iter_mut().enumerate().skip(cut) {
            *value += if day % 7 == 0 { 0.5 } else { 0.0 };
        }
        let (before, after) = (evaluated(&y), evaluated(&other));
        let last_day = Timestamp((18_000 + cut as i64 - 1) * 86_400_000_000);
        let seen = |scored: &&Scored| scored.origin <= last_day;
        let numbers = |all: &[Scored]| -> Vec<(u64, u64)> {
            all.iter()
                .filter(seen)
                .map(|one| (one.forecast.to_bits(), one.half_widths[0].to_bits()))
                .collect()
        };
        assert!(numbers(&before).len() > 100);
        assert_eq!(numbers(&before), numbers(&after));
        // The test can tell: later origins do see it.
        let all = |all: &[Scored]| -> Vec<u64> { all.iter().map(|one| one.forecast.to_bits()).collect() };
        assert_ne!(all(&before), all(&after));
    }
}

#[test]
fn no_seasonal_model_sees_the_future() {
    let y = seasonal(2, 460);
    for model in MODELS {
        let fit = adjusted::fit(*model, &y[..400], &[7], 7, &task()).unwrap();
        let mut other = y.clone();
        other[430..].iter_mut().for_each(|value| *value += 1.0);
        let [known, changed] = [&y, &other].map(|y| fit.forecast(y, &[430], 7, &task()).unwrap().remove(0));
        assert_eq!(known, changed, "{}", model.name());
        assert!(known.mean.iter().all(|mean| mean.is_finite()) && known.sd.is_sorted(), "{}", model.name());
    }
}

#[test]
fn the_seasonal_naive_forecast_is_the_last_season() {
    let y = seasonal(4, 50);
    let fit = adjusted::fit(by_name("seasonal_naive").unwrap(), &y, &[7], 9, &task()).unwrap();
    let path = fit.forecast(&y, &[50], 9, &task()).unwrap().remove(0);
    assert_eq!(path.mean[..7], y[43..]);
    assert_eq!(path.mean[7..], y[43..45]);
}
