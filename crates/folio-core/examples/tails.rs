//! Whether values at risk hold on random portfolios: the table of `docs/risk.md`.
//!
//! ```text
//! cargo run --release -p folio-core --example tails -- FILE [ORIGINS [HORIZON]]
//! ```
//!
//! FILE is CSV: a header of tickers after `Date`, a row of prices a day; days without all prices are left out. Of 100 portfolios
//! with random weights over zero (the spacings of uniform draws) each value at risk is made of the 1,000 days before it, ORIGINS
//! times, 500 if it is not given. Printed is the share of the portfolios on which a test does not refuse it at 5 %.

#[path = "../tests/common/csv.rs"]
mod csv;
#[path = "../tests/common/pool.rs"]
mod pool;

use std::error::Error;
use std::sync::Arc;

use folio_core::panel::ReturnPanel;
use folio_core::risk::{TailEvaluation, TailRequest, TailSchedule, TailScore, Test};
use folio_core::task::{Cancel, Outcome, Seed, map};
use rand_core::Rng;
use serde_json::{Map, Value, json};

const PORTFOLIOS: usize = 100;
const HISTORY: usize = 1001;
const REFUSED: f64 = 0.05;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default: i64| arguments.get(place).map_or(Ok(default), |text| text.parse());
    let (origins, horizon) = (number(1, 500)?, number(2, 1)?);
    let file = arguments.first().ok_or("usage: tails FILE [ORIGINS [HORIZON]]")?;
    let panel = ReturnPanel::aligned(&csv::prices(&std::fs::read_to_string(file)?)?, usize::MAX - 1, 2)?;
    let panel = Arc::new(panel);
    let executor = pool::Threads::start(std::thread::available_parallelism()?.get());
    let mut rng = Seed(1).rng();
    let mut portfolio = || {
        let draw = |_| -(1.0 - rng.next_u64() as f64 / (u64::MAX as f64 + 1.0)).ln();
        let parts: Vec<f64> = panel.tickers().iter().map(draw).collect();
        let total: f64 = parts.iter().sum();
        let weights =
            panel.tickers().iter().zip(&parts).map(|(ticker, part)| (ticker.clone(), json!(part / total)));
        Value::Object(weights.collect::<Map<_, _>>())
    };
    let portfolios: Vec<Value> = (0..PORTFOLIOS).map(|_| portfolio()).collect();
    println!(
        "{:>6} {:20} {:>7} {:>7} {:>14} {:>7} {:>8}",
        "level", "method", "passed", "Kupiec", "Christoffersen", "both", "A-S"
    );
    for level in [0.95, 0.99] {
        let schedule = TailSchedule { origins, stride: None, history: HISTORY };
        let (panel, cancel) = (Arc::clone(&panel), Cancel::default());
        let flag = cancel.clone();
        let scored = map(&executor, &cancel, portfolios.clone(), move |weights| {
            let request = TailRequest::new(&weights, level, horizon, None);
            let evaluation = request.and_then(|request| TailEvaluation::new(request, &schedule));
            Scored(evaluation.and_then(|evaluation| evaluation.scores(&panel, &flag)))
        })?;
        let all: Vec<Vec<TailScore>> =
            scored.into_iter().map(|scored| Ok(scored?.0?)).collect::<Result<_, Box<dyn Error>>>()?;
        for place in 0..all[0].len() {
            let scores: Vec<&TailScore> = all.iter().map(|scores| &scores[place]).collect();
            let share = |test: fn(&TailScore) -> Option<Test>| {
                let holds = |score: &&&TailScore| test(score).is_some_and(|test| test.p_value > REFUSED);
                scores.iter().filter(holds).count() as f64 / scores.len() as f64
            };
            let both = |score: &&&TailScore| {
                [score.kupiec, score.christoffersen]
                    .iter()
                    .all(|test| test.is_some_and(|test| test.p_value > REFUSED))
            };
            let both = scores.iter().filter(both).count() as f64 / scores.len() as f64;
            let passed: usize = scores.iter().map(|score| score.exceedances).sum();
            let n: usize = scores.iter().map(|score| score.n).sum();
            println!(
                "{level:>6} {:20} {:>7.4} {:>7.2} {:>14.2} {both:>7.2} {:>8.2}",
                scores[0].method,
                passed as f64 / n as f64,
                share(|score| score.kupiec),
                share(|score| score.christoffersen),
                share(|score| score.acerbi_szekely),
            );
        }
    }
    Ok(())
}

/// The scores of a portfolio.
struct Scored(folio_core::Result<Vec<TailScore>>);

impl Outcome for Scored {}
