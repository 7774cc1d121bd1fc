//! What forecasts of volatility would have been worth: the tables of `docs/risk.md`.
//!
//! ```text
//! cargo run -p folio-core --example volatility -- FILE [STRIDE [REFIT_EVERY]]
//! ```
//!
//! FILE is CSV: a header of tickers after `Date`, a row of prices a day; an empty field is a day without a price. Each
//! forecast is made of the 1,000 days before it; origins lie STRIDE days apart, 21 if it is not given.

#[path = "../tests/common/pool.rs"]
mod pool;

use std::error::Error;
use std::time::Duration;

use folio_core::forecast::{Horizon, Level};
use folio_core::frequency::PeriodsPerYear;
use folio_core::panel::{PriceRow, Series, Timestamp};
use folio_core::risk::{Bars, Evaluation, ModelSet, Request, Schedule, Summary, evaluate};
use folio_core::task::Cancel;

const HISTORY: usize = 1000;
const STEPS: [usize; 3] = [1, 5, 21];
const DAY: i64 = 86_400_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default: i64| arguments.get(place).map_or(Ok(default), |text| text.parse());
    let (stride, refit_every) = (number(1, 21)?, number(2, 1)?);
    let file = arguments.first().ok_or("usage: volatility FILE [STRIDE [REFIT_EVERY]]")?;
    let tickers = parse(&std::fs::read_to_string(file)?)?;
    let days = tickers.iter().filter_map(|(_, bars)| Some(bars.as_ref().ok()?.series.close().len())).max();
    let request = Request {
        horizon: Horizon::new(21)?,
        level: Level::new(0.8)?,
        models: ModelSet::all(),
        periods: PeriodsPerYear::default(),
        clock: || Duration::ZERO,
    };
    let origins = (days.unwrap_or(0).saturating_sub(HISTORY) as i64 / stride).max(1);
    let schedule = Schedule { origins, stride: Some(stride), refit_every, history: HISTORY };
    let evaluation = Evaluation::new(request, &schedule)?;
    let executor = pool::Threads::start(std::thread::available_parallelism()?.get());
    let (cancel, start) = (Cancel::default(), cpu_time::ProcessTime::now());
    let summary = evaluate(tickers, &evaluation, Summary::default(), &executor, &cancel)?;
    let rows = summary.rows(evaluation.stride(), &cancel)?;
    println!(
        "{:>4} {:16} {:>6} {:>8} {:>9} {:>7} {:>7} {:>6} {:>8} {:>8} {:>6}",
        "step", "model", "n", "QLIKE", "MSE", "a", "b", "R2", "t EWMA", "t sample", "inside"
    );
    for row in rows.iter().filter(|row| STEPS.contains(&row.step)) {
        let [a, b, r] = row.mincer_zarnowitz.unwrap_or([f64::NAN; 3]);
        let [ewma, sample] =
            [&row.against_ewma, &row.against_sample].map(|test| test.map_or(f64::NAN, |test| test.statistic));
        let inside = row.coverage.map_or(String::new(), |share| format!("{share:.3}"));
        println!(
            "{:>4} {:16} {:>6} {:>8.4} {:>9.2} {a:>7.3} {b:>7.3} {r:>6.3} {ewma:>8.2} {sample:>8.2} {inside:>6}",
            row.step, row.model, row.n, row.qlike, row.mse
        );
    }
    for (model, origins, reason) in summary.failures() {
        println!("{model}: no forecast from {origins} origins: {reason}");
    }
    for (ticker, error) in summary.failed() {
        println!("{ticker}: {error}");
    }
    println!("{:.1} s of CPU", start.elapsed().as_secs_f64());
    Ok(())
}

type Tickers = Vec<(String, folio_core::Result<Bars>)>;

fn parse(text: &str) -> Result<Tickers, Box<dyn Error>> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().ok_or("no header")?.split(',').skip(1).collect();
    let mut rows: Vec<Vec<PriceRow>> = vec![Vec::new(); names.len()];
    for line in lines {
        let mut fields = line.split(',');
        let date = fields.next().ok_or("no date")?;
        let number = |range: std::ops::Range<usize>| date[range].parse::<i64>();
        let ts = Timestamp(days(number(0..4)?, number(5..7)?, number(8..10)?) * DAY);
        for (rows, field) in rows.iter_mut().zip(fields) {
            if let Ok(close) = field.parse() {
                rows.push(PriceRow { ts, close });
            }
        }
    }
    let bars = |(name, rows): (&str, Vec<PriceRow>)| {
        let series = Series::new(name.to_owned(), rows, usize::MAX);
        (name.to_owned(), series.map(|series| Bars { series, ranges: None }))
    };
    Ok(names.into_iter().zip(rows).map(bars).collect())
}

/// Days since 1970 (Hinnant, days_from_civil).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}
