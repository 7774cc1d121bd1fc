//! What covariances would have been worth: the tables of `docs/risk.md`.
//!
//! ```text
//! cargo run --release -p folio-core --example covariances -- FILE [HORIZON [STRIDE [NAMES]]]
//! ```
//!
//! FILE is CSV: a header of tickers after `Date`, a row of prices a day; days without all prices are left out. Each covariance
//! is made of the 500 days before it; origins lie STRIDE days apart, HORIZON if it is not given. NAMES are divided by commas.

#[path = "../tests/common/csv.rs"]
mod csv;
#[path = "../tests/common/pool.rs"]
mod pool;

use std::error::Error;

use folio_core::panel::ReturnPanel;
use folio_core::risk::{CovarianceEvaluation, CovarianceSchedule};
use folio_core::task::Cancel;

const HISTORY: usize = 501;
const LEVEL: f64 = 0.95;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default: i64| arguments.get(place).map_or(Ok(default), |text| text.parse());
    let horizon = number(1, 21)?;
    let stride = number(2, horizon)?;
    let file = arguments.first().ok_or("usage: covariances FILE [HORIZON [STRIDE [NAMES]]]")?;
    let names: Option<Vec<String>> =
        arguments.get(3).map(|names| names.split(',').map(str::to_owned).collect());
    let panel = ReturnPanel::aligned(&csv::prices(&std::fs::read_to_string(file)?)?, usize::MAX - 1, 2)?;
    let origins = (panel.days().len().saturating_sub(HISTORY) as i64 / stride).max(1);
    let schedule = CovarianceSchedule { horizon, origins, stride: Some(stride), history: HISTORY };
    let evaluation = CovarianceEvaluation::new(names.as_deref(), LEVEL, &schedule)?;
    let executor = pool::Threads::start(std::thread::available_parallelism()?.get());
    let start = cpu_time::ProcessTime::now();
    let scores = evaluation.scores(&panel, &executor, &Cancel::default())?;
    println!("{} tickers, {} days, every {stride} for {horizon}", panel.tickers().len(), panel.days().len());
    println!(
        "{:32} {:>5} {:>8} {:>7} {:>8} {:>7} {:>8} {:>7} {:>8} {:>7} {:>9}",
        "covariance", "n", "QLIKE", "t", "vol %", "t", "turnover", "inside", "equal %", "inside", "condition"
    );
    let of = |value: Option<f64>| value.unwrap_or(f64::NAN);
    for score in scores {
        let [qlike, variance] = [score.against_qlike, score.against_variance]
            .map(|test| test.map_or(f64::NAN, |test| test.statistic));
        println!(
            "{:32} {:>5} {:>8.4} {qlike:>7.2} {:>8.3} {variance:>7.2} {:>8.3} {:>7.3} {:>8.3} {:>7.3} {:>9.1}",
            score.covariance,
            score.n,
            of(score.qlike),
            100.0 * of(score.least_variance.volatility),
            of(score.least_variance.turnover),
            of(score.least_variance.coverage),
            100.0 * of(score.equal_risk.volatility),
            of(score.equal_risk.coverage),
            of(score.condition),
        );
        if let Some((origins, reason)) = score.missing {
            println!("  none from {origins} origins: {reason}");
        }
    }
    println!("{:.1} s of CPU", start.elapsed().as_secs_f64());
    Ok(())
}
