//! The price panel: rows in any order with any time and price become series, reports, returns and forecasts, or errors.
#![no_main]

use std::time::Duration;

use arbitrary::{Arbitrary, Result, Unstructured};
use folio_core::forecast::{self, Fingerprint, Horizon, Level, ModelSet};
use folio_core::frequency::PeriodsPerYear;
use folio_core::panel::{PricePanel, PriceRow, ReturnPanel, Series, Timestamp};
use folio_core::portfolio::covariance::CovarianceMethod;
use folio_core::price_report::price_reports;
use folio_core::risk::{self, Bars, TailRequest};
use folio_core::task::{Inline, Seed};
use folio_fuzz::{answer, assert_finite, watched};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

/// Those that take less than a millisecond; `tests/models.rs` of the engine has the odd series of the others.
const MODELS: [&str; 5] = ["naive", "drift", "theta", "ets", "ridge"];

const VOLATILITIES: [&str; 3] = ["ewma", "garch", "har"];

const DAY: i64 = 86_400_000_000;

#[derive(Debug)]
struct Input {
    tickers: Vec<Vec<PriceRow>>,
    history: usize,
    models: Vec<&'static str>,
    volatilities: Vec<&'static str>,
    horizon: i64,
    level: f64,
    covariance: &'static str,
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Input> {
        let covariances: Vec<&str> = CovarianceMethod::names().collect();
        let mut input = Input {
            tickers: Vec::new(),
            history: u.int_in_range(2..=400)?,
            models: some_of(u, &MODELS)?,
            volatilities: some_of(u, &VOLATILITIES)?,
            horizon: u.int_in_range(1..=8)?,
            level: f64::from(u.int_in_range(1..=99_u8)?) / 100.0,
            covariance: u.choose(&covariances)?,
        };
        for _ in 0..u.int_in_range(1..=3)? {
            input.tickers.push(rows(u)?);
        }
        Ok(input)
    }
}

fn some_of(u: &mut Unstructured<'_>, names: &[&'static str]) -> Result<Vec<&'static str>> {
    let mask = u.int_in_range(1..=(1_u32 << names.len()) - 1)?;
    Ok(names.iter().enumerate().filter(|(i, _)| mask >> i & 1 == 1).map(|(_, name)| *name).collect())
}

/// Rows on a grid of equal steps with prices that move by small factors, of which every now and then one is anything.
fn rows(u: &mut Unstructured<'_>) -> Result<Vec<PriceRow>> {
    let step = *u.choose(&[DAY, DAY / 24, 7 * DAY, 60_000_000, 1, 30 * DAY])?;
    let (mut ts, mut close) = (17_000 * DAY, 100.0_f64);
    let mut rows = Vec::new();
    for _ in 0..u.int_in_range(0..=300_usize)? {
        let kind: u8 = u.arbitrary()?;
        match kind {
            0 => ts = u.arbitrary()?,
            1 => close = u.arbitrary()?,
            2 => close = f64::from(u.arbitrary::<i8>()?),
            3 => ts = ts.wrapping_add(step.wrapping_mul(u.arbitrary::<i8>()?.into())),
            4 => close *= 10_f64.powi(u.arbitrary::<i8>()?.into()),
            move_by => close *= 1.0 + (f64::from(move_by) - 130.0) / 2_000.0,
        }
        ts = ts.wrapping_add(step);
        rows.push(PriceRow { ts: Timestamp(ts), close });
    }
    Ok(rows)
}

fuzz_target!(|input: Input| {
    let name = |index: usize| format!("T{index}");
    let named = || input.tickers.iter().cloned().enumerate().map(|(index, rows)| (name(index), rows));
    answer(price_reports(named().collect(), input.history, None, &watched()));
    let column = |(ticker, rows): (String, Vec<PriceRow>)| {
        let series = Series::in_zone(ticker.clone(), rows, input.history, None, &watched());
        if let Ok(series) = &series {
            assert!(series.ts().windows(2).all(|pair| pair[0] < pair[1]), "times");
            assert!(series.close().iter().all(|price| *price > 0.0 && price.is_finite()), "prices");
        }
        (ticker, series)
    };
    let panel = PricePanel::new(named().map(column).collect());
    of_the_future(&panel, &input);
    of_risk(panel, &input);
});

fn of_the_future(panel: &PricePanel, input: &Input) {
    let request = forecast::Request {
        horizon: Horizon::new(input.horizon).expect("steps"),
        levels: vec![Level::new(input.level).expect("a level")],
        models: ModelSet::new(&input.models).expect("names of models"),
        season_lengths: forecast::SeasonLengths::default(),
        seed: Seed(1),
        clock: || Duration::ZERO,
    };
    let mut fingerprint = Fingerprint::new(&request, "");
    fingerprint.add(panel, &watched()).expect("nobody cancels");
    assert_eq!(fingerprint.finish().len(), 64);
    let reports = answer(forecast::forecast(panel.clone(), &request, &Inline, &watched()));
    for report in reports.expect("a report of each ticker") {
        let Some(ensemble) = answer(report.outcome) else { continue };
        for step in &ensemble.steps {
            assert_finite("a forecast", [&step.lower, &step.forecast, &step.upper]);
            assert!(
                0.0 <= step.lower && step.lower <= step.forecast && step.forecast <= step.upper,
                "{step:?}"
            );
        }
        let times: Vec<Timestamp> = ensemble.steps.iter().filter_map(|step| step.ts).collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
        assert!(times.first() > ensemble.history().ts().last() || times.is_empty(), "{times:?}");
    }
}

fn of_risk(panel: PricePanel, input: &Input) {
    if let Some(returns) = answer(ReturnPanel::aligned(&panel, input.history, 2)) {
        let method = CovarianceMethod::parse(input.covariance).expect("a name");
        if let Some(covariance) = answer(method.estimate(&returns, &watched())) {
            assert_finite("a covariance", covariance.matrix());
        }
        let weights = json!({ returns.tickers()[0].as_str(): 1 });
        let request = TailRequest::new(&weights, 0.95, input.horizon, None).expect("a request");
        for row in answer(request.rows(&returns, &watched())).into_iter().flatten() {
            let Ok(tail) = row.outcome else { continue };
            assert_finite(row.method, [&tail.value_at_risk, &tail.expected_shortfall]);
        }
    }
    let request = risk::Request {
        horizon: Horizon::new(input.horizon).expect("steps"),
        level: Level::new(input.level).expect("a level"),
        models: risk::ModelSet::new(&input.volatilities).expect("names of models"),
        periods: PeriodsPerYear::default(),
        clock: || Duration::ZERO,
    };
    let reports = answer(risk::forecast(Bars::of(panel), &request, &Inline, &watched()));
    for report in reports.expect("a report of each ticker") {
        let Some(ensemble) = answer(report.outcome) else { continue };
        for step in &ensemble.steps {
            assert_finite(
                "a volatility",
                [&step.lower, &step.volatility, &step.mean_volatility, &step.upper],
            );
            assert!(step.lower <= step.upper, "{step:?}");
        }
    }
}
