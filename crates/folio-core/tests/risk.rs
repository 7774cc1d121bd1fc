//! The ensemble of volatility models, and what an evaluation says of it.

mod common;

use std::time::Duration;

use folio_core::Error;
use folio_core::forecast::{Horizon, Level};
use folio_core::frequency::PeriodsPerYear;
use folio_core::risk::{
    Bars, ENSEMBLE, Evaluation, ModelSet, Report, Request, Row, SAMPLE, Schedule, Status, Summary, evaluate,
    forecast,
};
use folio_core::task::{Cancel, Inline, Seed};

fn request(models: &[&str], horizon: i64) -> Request {
    Request {
        horizon: Horizon::new(horizon).unwrap(),
        level: Level::new(0.8).unwrap(),
        models: if models.is_empty() { ModelSet::all() } else { ModelSet::new(models).unwrap() },
        periods: PeriodsPerYear::default(),
        clock: || Duration::ZERO,
    }
}

fn bars(
    (ticker, series): (String, folio_core::Result<folio_core::panel::Series>),
) -> (String, folio_core::Result<Bars>) {
    (ticker, series.map(|series| Bars { series, ranges: None }))
}

fn real() -> Vec<(String, folio_core::Result<Bars>)> {
    let all = common::log_prices().into_iter();
    all.map(|(ticker, y)| bars(common::column(&ticker, &common::prices_of(&y)))).collect()
}

fn of(tickers: Vec<(String, folio_core::Result<Bars>)>, request: &Request) -> Vec<Report> {
    forecast(tickers, request, &Inline, &Cancel::default()).unwrap()
}

#[test]
fn an_ensemble_is_the_weighted_sum_of_its_members() {
    let horizon = 21;
    let one = |models: &[&str]| of(real().into_iter().take(3).collect(), &request(models, horizon));
    let names = ["ewma", "garch", "gjr_garch", "garch_t", "egarch", "har"];
    let alone: Vec<Vec<Report>> = names.iter().map(|name| one(&[name])).collect();
    for (place, report) in one(&[]).into_iter().enumerate() {
        let ensemble = report.outcome.unwrap();
        assert_eq!((ensemble.status, ensemble.members.len()), (Status::Complete, names.len()));
        let mut mean = 0.0;
        for step in 0..horizon as usize {
            let weights: f64 =
                ensemble.members.iter().map(|m| m.outcome.as_ref().unwrap().weights[step]).sum();
            assert!((weights - 1.0).abs() < 1e-12);
            let part = |(member, alone): (&folio_core::risk::Member, &Vec<Report>)| {
                let own = alone[place].outcome.as_ref().unwrap().steps[step].volatility.powi(2);
                member.outcome.as_ref().unwrap().weights[step] * own
            };
            let variance: f64 = ensemble.members.iter().zip(&alone).map(part).sum();
            let found = ensemble.steps[step];
            assert!((found.volatility.powi(2) / variance - 1.0).abs() < 1e-12, "{step}");
            mean += variance;
            assert!((found.mean_volatility.powi(2) * (step + 1) as f64 / mean - 1.0).abs() < 1e-12, "{step}");
            assert!(found.lower < found.mean_volatility && found.mean_volatility < found.upper, "{found:?}");
        }
    }
}

#[test]
fn a_ticker_that_cannot_be_forecast_costs_itself_only() {
    let flat = bars(common::column("FLAT", &[5.0; 300]));
    let short = bars(common::column("SHORT", &[5.0, 5.1, 5.0, 5.2, 5.1]));
    let two = bars(common::column("TWO", &[5.0, 5.1]));
    let good = bars(common::series("AAPL"));
    let reports = of(vec![flat, short, two, good], &request(&[], 5));
    assert!(matches!(reports[0].outcome, Err(Error::NoModel { .. })));
    let short = reports[1].outcome.as_ref().unwrap();
    assert_eq!(short.status, Status::ShortHistory { prices: 5 });
    let failed = short.members.iter().filter(|member| member.outcome.is_err()).count();
    assert_eq!(failed, short.members.len() - 1, "only EWMA forecasts from four returns");
    assert!(matches!(reports[2].outcome, Err(Error::TooShort { need: 3, .. })));
    assert_eq!(reports[3].outcome.as_ref().unwrap().status, Status::Complete);
    let named = of(vec![bars(common::series("AAPL"))], &request(&["garch", "har_range"], 5));
    let Status::Partial { missing } = &named[0].outcome.as_ref().unwrap().status else { panic!() };
    assert_eq!(missing[0].0, "har_range");
    assert!(ModelSet::new(&["garhc"]).is_err());
}

#[test]
fn intervals_hold_what_they_say_of_returns_that_a_garch_made() {
    let (mut inside, mut count) = (0, 0);
    for seed in 0..40 {
        let mut noise = common::normal(Seed(seed));
        let (mut variance, mut price, mut prices) = (1.0_f64, 100.0_f64, Vec::new());
        for _ in 0..605 {
            let shock: f64 = variance.sqrt() * noise();
            price *= (0.01 * shock).exp();
            prices.push(price);
            variance = 0.05 + 0.1 * shock * shock + 0.85 * variance;
        }
        let ensemble =
            of(vec![bars(common::column("A", &prices[..600]))], &request(&[], 5)).remove(0).outcome.unwrap();
        let squares = prices[599..].windows(2).map(|pair| (pair[1] / pair[0]).ln().powi(2)).sum::<f64>();
        let realised = (squares / 5.0 * ensemble.series.frequency().periods_per_year()).sqrt();
        let last = ensemble.steps[4];
        inside += usize::from((last.lower..=last.upper).contains(&realised));
        count += 1;
    }
    let share = inside as f64 / f64::from(count);
    assert!((share - 0.8).abs() < 0.15, "{share} inside of intervals of 0.8");
}

fn rows(models: &[&str], stride: i64, refit_every: i64) -> (Vec<Row>, Summary) {
    let schedule = Schedule { origins: 12, stride: Some(stride), refit_every, history: 600 };
    let evaluation = Evaluation::new(request(models, 5), &schedule).unwrap();
    let summary = evaluate(real(), &evaluation, Summary::default(), &Inline, &Cancel::default()).unwrap();
    (summary.rows(evaluation.stride(), &Cancel::default()).unwrap(), summary)
}

#[test]
fn an_evaluation_is_that_of_forecasts_made_on_the_day() {
    let (rows, _) = rows(&["garch", "har"], 5, 1);
    let row =
        |model: &str, step: usize| rows.iter().find(|row| row.model == model && row.step == step).unwrap();
    let (mut squared, mut n) = (0.0, 0.0);
    for (ticker, y) in common::log_prices() {
        for origin in (0..12).map(|back| 999 - 5 - 5 * back) {
            // So many returns, and one more price, are known.
            let prices = common::prices_of(&y[origin + 1 - 600..=origin]);
            let report =
                of(vec![bars(common::column(&ticker, &prices))], &request(&["garch", "har"], 5)).remove(0);
            let ensemble = report.outcome.unwrap();
            let annual = ensemble.series.frequency().periods_per_year();
            let variance = ensemble.steps[4].mean_volatility.powi(2) / annual;
            let realised =
                (0..5).map(|day| (y[origin + day + 1] - y[origin + day]).powi(2)).sum::<f64>() / 5.0;
            squared += (1e4 * (variance - realised)).powi(2);
            n += 1.0;
        }
    }
    assert_eq!(row(ENSEMBLE, 5).n, n as usize);
    assert!(
        (row(ENSEMBLE, 5).mse / (squared / n) - 1.0).abs() < 1e-9,
        "{} {}",
        row(ENSEMBLE, 5).mse,
        squared / n
    );
    assert_eq!(row("ewma", 1).against_ewma, None, "EWMA does not differ from itself");
    assert_eq!(row(SAMPLE, 5).against_sample, None);
    assert!(row(SAMPLE, 5).mincer_zarnowitz.is_some() && row(ENSEMBLE, 3).coverage.is_some());
}

#[test]
fn refits_are_rarer_and_nothing_else_changes() {
    let ((every, _), (seldom, summary)) = (rows(&["garch"], 5, 1), rows(&["garch"], 5, 4));
    assert_eq!(every.len(), seldom.len());
    assert_eq!((summary.failures().count(), summary.failed().len()), (0, 0));
    for (every, seldom) in every.iter().zip(&seldom) {
        assert_eq!((every.model, every.step, every.n), (seldom.model, seldom.step, seldom.n));
        assert!((every.qlike - seldom.qlike).abs() < 0.1, "{every:?} {seldom:?}");
    }
    let too_many = Schedule { origins: 0, stride: None, refit_every: 1, history: 600 };
    assert!(matches!(Evaluation::new(request(&[], 5), &too_many), Err(Error::InvalidArgument { .. })));
}

#[test]
fn however_short_the_history_enough_is_read_for_every_origin() {
    let (ticker, y) = common::log_prices().remove(0);
    for history in [10, 50, 67, 68, 69, 300] {
        let schedule = Schedule { origins: 3, stride: Some(7), refit_every: 1, history };
        let evaluation = Evaluation::new(request(&["ewma"], 5), &schedule).unwrap();
        let prices = common::prices_of(&y[..evaluation.prices()]);
        let panel = vec![bars(common::column(&ticker, &prices))];
        let summary = evaluate(panel, &evaluation, Summary::default(), &Inline, &Cancel::default());
        let rows = summary.unwrap().rows(evaluation.stride(), &Cancel::default()).unwrap();
        assert!(!rows.is_empty() && rows.iter().all(|row| row.n == 3), "history {history}: {rows:?}");
    }
}
