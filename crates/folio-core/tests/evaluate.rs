//! Evaluation: its numbers by hand, that nothing after an origin is read, and that a broken model is seen.

mod common;

use std::collections::BTreeMap;

use common::pool::Threads;
use common::{column, normal, prices_of, real, request};
use folio_core::Error;
use folio_core::forecast::{
    ENSEMBLE, Evaluated, Evaluation, FitWindow, Level, Record, Request, Schedule, Scored, Scores, Summary,
    evaluate, forecast, measure,
};
use folio_core::panel::PricePanel;
use folio_core::task::{Cancel, Executor, Inline, Seed};

/// A schedule of the last `origins` months.
fn months(origins: i64, history: usize) -> Schedule {
    Schedule { origins, stride: None, gap: 0, refit_every: 1, window: FitWindow::Rolling, history }
}

fn run_on(
    columns: &[(String, Vec<f64>)],
    request: &Request,
    schedule: &Schedule,
    executor: &dyn Executor,
) -> Vec<Evaluated> {
    let columns = columns.iter().map(|(ticker, prices)| column(ticker, prices)).collect();
    let evaluation = Evaluation::new(request.clone(), schedule).unwrap();
    evaluate(PricePanel::new(columns), &evaluation, executor, &Cancel::default()).unwrap()
}

fn one(prices: &[f64], request: &Request, schedule: &Schedule) -> Record {
    let mut all = run_on(&[("A".to_owned(), prices.to_vec())], request, schedule, &Inline);
    all.remove(0).outcome.unwrap()
}

fn walk(seed: u64, days: usize) -> Vec<f64> {
    let mut normal = normal(Seed(seed));
    let mut price = 4.0;
    (0..days)
        .map(|_| {
            price += 0.02 * normal();
            price
        })
        .collect()
}

fn of_model<'a>(record: &'a Record, model: &'a str) -> impl Iterator<Item = &'a Scored> {
    record.scored.iter().filter(move |scored| scored.model == model)
}

fn scores(record: &Record) -> Scores {
    let mut scores = Scores::default();
    record.scored.iter().for_each(|scored| scores.add(scored));
    scores
}

fn near(a: f64, b: f64, what: &str) {
    assert!((a - b).abs() < 1e-9, "{what}: {a} is not {b}");
}

/// A price that grows by 1 % a day: the last price errs by 1 % a step, the drift by nothing.
#[test]
fn a_line_has_the_errors_that_one_sees() {
    let prices: Vec<f64> = (0..200).map(|day| (0.01 * f64::from(day)).exp()).collect();
    let record = one(&prices, &request(&["drift"], 3), &months(5, 100));
    assert_eq!((record.origins, record.failures.len()), (5, 0));
    let scores = scores(&record);
    let rows: Vec<_> = scores.iter().map(|score| (score.model, score.step)).collect();
    let each = |model| (1..=3).map(move |step| (model, step));
    assert_eq!(rows, each("ensemble").chain(each("naive")).chain(each("drift")).collect::<Vec<_>>());
    for score in scores.iter() {
        let (metrics, step) = (score.metrics, score.step as f64);
        assert_eq!(metrics.count(), 5);
        if score.model == "naive" {
            near(metrics.mae(), 0.01 * step, "MAE");
            near(metrics.rmse(), 0.01 * step, "RMSE");
            near(metrics.mase().unwrap(), step, "MASE");
            assert_eq!((metrics.relative_mae(), metrics.direction()), (Some(1.0), None));
        } else {
            near(metrics.mae(), 0.0, score.model);
            near(metrics.relative_mae().unwrap(), 0.0, score.model);
            assert_eq!((metrics.direction(), metrics.coverage()), (Some(1.0), [1.0, 1.0]));
        }
    }
}

/// Which origins, which prices each fit sees: told by the drift, which is the mean change of what it is fitted to.
#[test]
fn each_fit_sees_its_window_and_no_more() {
    let y = walk(1, 400);
    let request = request(&["drift"], 4);
    for (window, gap, refit_every, stride) in [
        (FitWindow::Rolling, 0, 1, 4),
        (FitWindow::Rolling, 7, 3, 5),
        (FitWindow::Expanding, 0, 2, 1),
        (FitWindow::Expanding, 3, 1, 30),
    ] {
        let schedule = Schedule { origins: 8, stride: Some(stride), gap, refit_every, window, history: 100 };
        let evaluation = Evaluation::new(request.clone(), &schedule).unwrap();
        // As the caller reads them: the newest prices that the evaluation needs.
        let read = &y[y.len() - evaluation.prices()..];
        let record = one(&prices_of(read), &request, &schedule);
        assert_eq!(record.origins, 8);
        for (index, scored) in of_model(&record, "drift").enumerate() {
            let (number, step) = (index / 4, index % 4 + 1);
            let origin = y.len() - 4 - (7 - number) * stride as usize;
            let refit =
                y.len() - 4 - (7 - number / refit_every as usize * refit_every as usize) * stride as usize;
            let end = refit - gap as usize;
            let start = if window == FitWindow::Rolling { end - 100 } else { y.len() - evaluation.prices() };
            let drift = (y[end - 1] - y[start]) / (end - 1 - start) as f64;
            near(scored.last, y[origin - 1], "last");
            near(scored.forecast, y[origin - 1] + step as f64 * drift, "forecast");
            near(scored.actual, y[origin - 1 + step], "actual");
            assert_eq!(scored.step, step);
            assert_eq!(scored.origin.day() as usize, 18_000 + origin - 1 - (y.len() - read.len()));
        }
    }
}

/// An evaluation says what `forecast` would have said: from the prices up to the origin alone, which is all that
/// `forecast` is given here. A model, weight or interval that sees a day more differs.
#[test]
fn a_forecast_of_the_past_is_the_one_of_that_day() {
    let (ticker, prices) = real(1, 700).remove(0);
    let levels = [0.8, 0.95].map(|level| Level::new(level).unwrap());
    let request = Request { levels: levels.to_vec(), ..request(&[], 5) };
    let schedule = months(3, 600);
    let record =
        run_on(&[(ticker.clone(), prices.clone())], &request, &schedule, &Inline).remove(0).outcome.unwrap();
    let mut seen = 0;
    for number in 0..3 {
        let origin = prices.len() - 5 - (2 - number) * 5;
        let panel = PricePanel::new(vec![column(&ticker, &prices[origin - 600..origin])]);
        let report = forecast(panel, &request, &Inline, &Cancel::default()).unwrap().remove(0);
        let ensemble = report.outcome.unwrap();
        let wide = ensemble.steps_at(levels[1]).unwrap();
        let at_origin = |scored: &&Scored| scored.origin.day() as usize == 18_000 + origin - 1;
        for scored in record.scored.iter().filter(at_origin) {
            let step = scored.step - 1;
            if scored.model == ENSEMBLE {
                let price = ensemble.last_close * (scored.forecast - scored.last).exp();
                assert_eq!(price, ensemble.steps[step].forecast);
                let upper = |level: usize| (scored.forecast + scored.half_widths[level]).exp();
                near(upper(0), ensemble.steps[step].upper, "upper at 80 %");
                near(upper(1), wide[step].upper, "upper at 95 %");
            } else {
                let member = ensemble.members.iter().find(|member| member.model == scored.model).unwrap();
                let fit = member.outcome.as_ref().unwrap();
                assert_eq!(scored.forecast, fit.path().mean[step], "{}", scored.model);
                assert_eq!((scored.weight, scored.validated_mae), (fit.weights[step], fit.relative_mae));
            }
            assert_eq!(scored.actual, prices[origin + step].ln());
            seen += 1;
        }
    }
    assert_eq!(seen, 3 * 5 * 9);
}

/// With fits that serve several origins too: what follows an origin changes no forecast from it, and what lies in the
/// gap changes no fit and no weight.
#[test]
fn nothing_after_an_origin_or_in_the_gap_is_read() {
    let y = walk(2, 500);
    let request = request(&["naive", "drift", "theta", "ets"], 5);
    let schedule = Schedule { gap: 9, refit_every: 2, ..months(4, 400) };
    let record = |y: &[f64]| one(&prices_of(y), &request, &schedule);
    let expected = record(&y);
    let forecasts = |record: &Record, day: usize| -> Vec<(u64, [u64; 2], u64)> {
        let of_day = record.scored.iter().filter(|scored| scored.origin.day() as usize == 18_000 + day);
        of_day
            .map(|one| (one.forecast.to_bits(), one.half_widths.map(f64::to_bits), one.weight.to_bits()))
            .collect()
    };
    for number in 0..4 {
        let origin = 500 - 5 - (3 - number) * 5;
        let mut later = y.clone();
        later[origin..].iter_mut().for_each(|value| *value += 1.0);
        let changed = record(&later);
        assert_eq!(forecasts(&expected, origin - 1).len(), 5 * 5);
        assert_eq!(forecasts(&expected, origin - 1), forecasts(&changed, origin - 1), "origin {number}");
        let mut newest = y.clone();
        newest[origin - 1] += 0.01;
        assert_ne!(forecasts(&expected, origin - 1), forecasts(&record(&newest), origin - 1));
    }
    // The first fit ends nine days before the first origin, 480.
    let mut in_gap = y.clone();
    in_gap[472..].iter_mut().for_each(|value| *value += 0.1);
    let weights = |record: &Record| -> Vec<(f64, Option<f64>, f64)> {
        let first = record.scored.iter().filter(|scored| scored.origin.day() as usize <= 18_000 + 484);
        first.map(|one| (one.weight, one.validated_mae, one.scale)).collect()
    };
    assert_eq!(weights(&expected), weights(&record(&in_gap)));
    in_gap[470] += 0.1;
    assert_ne!(weights(&expected), weights(&record(&in_gap)), "the last day before the gap counts");
}

/// On random walks the next change cannot be known: a model that saw a day too much would have an error near zero at
/// the first step. And intervals hold what they say.
#[test]
fn nothing_beats_the_last_price_on_random_walks() {
    let (models, walks) = (["naive", "drift", "theta", "arima", "ets", "ridge"], 12);
    let mut scores = Scores::default();
    for seed in 0..walks {
        let schedule = Schedule { stride: Some(3), refit_every: 5, ..months(40, 460) };
        let record = one(&prices_of(&walk(seed, 600)), &request(&models, 3), &schedule);
        record.scored.iter().for_each(|scored| scores.add(scored));
    }
    let mut count = 0;
    for score in scores.iter() {
        let relative = score.metrics.relative_mae().unwrap();
        assert!((0.97..1.15).contains(&relative), "{} {}: {relative}", score.model, score.step);
        let [narrow, wide] = score.metrics.coverage();
        assert!(
            (narrow - 0.8).abs() < 0.06 && (wide - 0.95).abs() < 0.04,
            "{}: {narrow} {wide}",
            score.model
        );
        count += 1;
    }
    assert_eq!(count, 7 * 3);
}

/// Where there is something to learn the network learns it. One that answers with a constant, be it the last price, the
/// drift or any other return, has an error of about the last price's.
#[test]
fn a_network_that_returns_a_constant_is_seen() {
    let mut normal = normal(Seed(8));
    let wave: Vec<f64> =
        (0..700).map(|day| 4.0 + 0.05 * (f64::from(day) / 4.0).sin() + 0.002 * normal()).collect();
    let schedule = Schedule { refit_every: 30, stride: Some(5), ..months(30, 500) };
    let record = one(&prices_of(&wave), &request(&["lstm"], 5), &schedule);
    for score in scores(&record).iter().filter(|score| score.model == "lstm") {
        let (relative, right) = (score.metrics.relative_mae().unwrap(), score.metrics.direction().unwrap());
        assert!(relative < 0.75 && right > 0.75, "step {}: {relative}, direction {right}", score.step);
        let statistic = score.differences.diebold_mariano(0).unwrap();
        assert!(statistic.statistic < -3.0 && statistic.p_value < 0.01, "{statistic:?}");
    }
    let outcomes: Vec<f64> = of_model(&record, "lstm").map(|scored| scored.forecast - scored.last).collect();
    assert!(outcomes.iter().any(|change| *change > 0.01) && outcomes.iter().any(|change| *change < -0.01));
}

/// A ticker's record is that of its own prices: of tickers of another volatility and level, in another order, and alone.
#[test]
fn swapped_tickers_are_seen() {
    let mut columns = real(3, 300);
    columns.push((
        "CALM".to_owned(),
        prices_of(&walk(3, 300).iter().map(|value| value * 0.1).collect::<Vec<_>>()),
    ));
    let request = request(&["naive", "drift", "ridge"], 5);
    let schedule = Schedule { refit_every: 2, ..months(6, 200) };
    let records = |columns: &[(String, Vec<f64>)]| -> BTreeMap<String, Record> {
        let all = run_on(columns, &request, &schedule, &Inline);
        all.into_iter().map(|evaluated| (evaluated.ticker, evaluated.outcome.unwrap())).collect()
    };
    let all = records(&columns);
    let mut reversed = columns.clone();
    reversed.reverse();
    assert_eq!(all, records(&reversed));
    for (ticker, prices) in &columns {
        let alone = records(&[(ticker.clone(), prices.clone())]);
        assert_eq!(alone[ticker], all[ticker]);
        for scored in &all[ticker].scored {
            let day = scored.origin.day() as usize - 18_000;
            assert_eq!(scored.last, prices[day].ln(), "{ticker}");
            assert_eq!(scored.actual, prices[day + scored.step].ln(), "{ticker}");
        }
    }
}

#[test]
fn threads_and_batches_change_no_bit() {
    let columns = real(3, 400);
    let (request, schedule) = (request(&[], 5), months(3, 330));
    let inline = run_on(&columns, &request, &schedule, &Inline);
    let threads = run_on(&columns, &request, &schedule, &Threads::start(3));
    for (a, b) in inline.iter().zip(&threads) {
        assert_eq!((&a.ticker, a.outcome.as_ref().unwrap()), (&b.ticker, b.outcome.as_ref().unwrap()));
    }
}

/// A bad ticker costs itself; a model that needs more than there is costs itself, with its reason.
#[test]
fn what_cannot_be_evaluated_is_named() {
    let mut columns = real(2, 300);
    columns.push(("SHORT".to_owned(), vec![1.0; 71]));
    columns.push(("NAN".to_owned(), vec![1.0, f64::NAN]));
    columns.push(("STILL".to_owned(), vec![7.0; 300]));
    let request = request(&["drift", "theta", "ridge"], 5);
    let all = run_on(&columns, &request, &months(20, 250), &Inline);
    let failed = |index: usize| all[index].outcome.as_ref().unwrap_err();
    assert!(matches!(failed(2), Error::TooShort { need: 72, found } if found[0].1 == 71), "{:?}", failed(2));
    assert!(matches!(failed(3), Error::BadPrices { total: 1, .. }));
    let still = all[4].outcome.as_ref().unwrap();
    assert!(still.failures.iter().any(|missing| missing.reason == "constant series"), "{still:?}");
    let measured = measure(all.clone(), &Inline, &Cancel::default()).unwrap();
    for (evaluated, measured) in all.iter().zip(measured) {
        let scores_of = |record: &Record| {
            let mut scores = Scores::default();
            record.scored.iter().for_each(|scored| scores.add(scored));
            (scores, record.failures.clone())
        };
        assert_eq!(measured.ticker, evaluated.ticker);
        let expected = evaluated.outcome.as_ref().map(scores_of).map_err(Clone::clone);
        // As texts: a price that is no number is not equal to itself.
        assert_eq!(format!("{:?}", measured.outcome), format!("{expected:?}"));
    }
    let summary = Summary::default().with(all, &Inline, &Cancel::default()).unwrap();
    let (summary, tests) = summary.diebold_mariano(5, &Inline, &Cancel::default()).unwrap();
    assert_eq!(tests.len(), summary.scores().iter().count());
    assert!(tests.iter().any(Option::is_some) && tests.iter().any(Option::is_none));
    assert_eq!([summary.tickers("naive"), summary.tickers("drift"), summary.tickers("ridge")], [3, 3, 0]);
    assert_eq!(summary.failed().len(), 2);
    let ridge = summary.failures().iter().find(|missing| missing.model == "ridge").unwrap();
    assert!(ridge.origins == 60 && ridge.reason.contains("too short"), "{ridge:?}");
    for score in summary.scores().iter() {
        let numbers = [score.metrics.mae(), score.metrics.rmse(), score.metrics.interval_score()[1]];
        assert!(numbers.iter().all(|number| number.is_finite()), "{}", score.model);
    }
}

#[test]
fn a_schedule_out_of_range_is_refused() {
    let bad = [
        ("origins", Schedule { origins: 0, ..months(1, 100) }),
        ("origins", Schedule { origins: 10_001, ..months(1, 100) }),
        ("stride", Schedule { stride: Some(0), ..months(1, 100) }),
        ("gap", Schedule { gap: -1, ..months(1, 100) }),
        ("refit_every", Schedule { refit_every: 0, ..months(1, 100) }),
    ];
    for (name, schedule) in bad {
        let error = Evaluation::new(request(&[], 5), &schedule).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument { argument, .. } if argument == name), "{name}");
    }
    assert!(matches!(FitWindow::new("sliding"), Err(Error::UnknownName { valid, .. }) if valid.len() == 2));
}

#[test]
fn a_cancelled_evaluation_says_so() {
    let evaluation = Evaluation::new(request(&["lstm"], 5), &months(3, 250)).unwrap();
    let panel =
        || PricePanel::new(real(1, 300).iter().map(|(ticker, prices)| column(ticker, prices)).collect());
    let cancel = Cancel::default();
    cancel.cancel();
    assert_eq!(evaluate(panel(), &evaluation, &Inline, &cancel).unwrap_err(), Error::Cancelled);
    let while_it_runs = Cancel::polling(|| true);
    assert_eq!(evaluate(panel(), &evaluation, &Inline, &while_it_runs).unwrap_err(), Error::Cancelled);
}

#[test]
fn however_short_the_history_enough_is_read_for_every_origin() {
    for history in [2, 50, 66, 67, 68, 300] {
        let schedule = Schedule { stride: Some(7), gap: 4, ..months(3, history) };
        let request = request(&["naive"], 5);
        let prices = Evaluation::new(request.clone(), &schedule).unwrap().prices();
        let record = one(&prices_of(&walk(7, prices)), &request, &schedule);
        let mut origins: Vec<_> = record.scored.iter().map(|scored| scored.origin).collect();
        origins.dedup();
        assert_eq!(origins.len(), 3, "history {history}");
    }
}
