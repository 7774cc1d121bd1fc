//! What the ensemble is worth on series with seasons.
//!
//! ```text
//! cargo run --release -p folio-core --example seasons -- FILE
//! ```
//!
//! FILE is CSV with the columns frequency, series, part (train or test), i and value: `bench/seasons.py` writes one of
//! classic series, and runs statsforecast on it. From the end of each training part the test part is forecast, with the
//! seasons of the frequency told. A line is a frequency and a forecaster: the mean of MASE (Hyndman and Koehler 2006, scaled by
//! the error of the seasonal naive forecast of the shortest season in the training part), the CPU time of one thread, and
//! for the ensemble the share of the values inside of its intervals.

#[path = "../tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::error::Error;

use common::{column, request};
use cpu_time::ThreadTime;
use folio_core::forecast::{ENSEMBLE, Ensemble, Level, Request, SeasonLengths, forecast};
use folio_core::panel::PricePanel;
use folio_core::task::{Cancel, Inline};

/// The seasons of a frequency, by its name.
const SEASONS: [(&str, &[i64]); 5] =
    [("hourly", &[24, 168]), ("weekly", &[52]), ("monthly", &[12]), ("quarterly", &[4]), ("daily", &[7])];

const LEVELS: [f64; 2] = [0.8, 0.95];

/// The training and the test part.
type Parts = [Vec<f64>; 2];

/// Sums over the series of a frequency.
#[derive(Default)]
struct Sums {
    series: usize,
    seconds: f64,
    /// By forecaster, of how many series, and the sum of their MASE.
    mase: BTreeMap<String, (usize, f64)>,
    values: usize,
    inside: [usize; 2],
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("usage: seasons FILE")?;
    let each = std::env::args().nth(2).is_some();
    let mut all: BTreeMap<String, Sums> = BTreeMap::new();
    for ((frequency, series), parts) in read(&file)? {
        let lengths = SEASONS.iter().find(|(name, _)| *name == frequency).map_or(&[][..], |(_, all)| all);
        let horizon = parts[1].len();
        let levels = LEVELS.map(|level| Level::new(level).expect("a level"));
        let asked = Request {
            levels: levels.to_vec(),
            season_lengths: SeasonLengths::told(lengths)?,
            ..request(&[], horizon as i64)
        };
        let start = ThreadTime::now();
        let panel = PricePanel::new(vec![column(&series, &parts[0])]);
        let report = forecast(panel, &asked, &Inline, &Cancel::default())?.remove(0);
        let sums = all.entry(frequency.clone()).or_default();
        sums.seconds += start.elapsed().as_secs_f64();
        sums.add(&report.outcome?, &parts, lengths.first().map_or(1, |length| *length as usize), levels);
        if each {
            println!("{frequency} {series} {}", sums.values);
        }
    }
    println!("| frequency | forecaster | series | mean MASE | CPU s | 80 % holds | 95 % holds |");
    println!("|---|---|---|---|---|---|---|");
    for (frequency, sums) in &all {
        sums.print(frequency);
    }
    Ok(())
}

fn read(file: &str) -> Result<BTreeMap<(String, String), Parts>, Box<dyn Error>> {
    let mut all: BTreeMap<(String, String), Parts> = BTreeMap::new();
    for line in std::fs::read_to_string(file)?.lines().skip(1) {
        let [frequency, series, part, _, value] = line.split(',').collect::<Vec<_>>()[..] else {
            return Err(format!("not five columns: {line}").into());
        };
        let parts = all.entry((frequency.to_owned(), series.to_owned())).or_default();
        parts[usize::from(part == "test")].push(value.parse()?);
    }
    Ok(all)
}

impl Sums {
    fn add(&mut self, ensemble: &Ensemble, [train, test]: &Parts, season: usize, levels: [Level; 2]) {
        let changes = train.iter().zip(&train[season..]).map(|(before, after)| (after - before).abs());
        let scale = changes.sum::<f64>() / (train.len() - season) as f64;
        let mut count = |model: &str, path: &mut dyn Iterator<Item = f64>| {
            let error = path.zip(test).map(|(forecast, value)| (forecast - value).abs()).sum::<f64>();
            let of_model = self.mase.entry(model.to_owned()).or_default();
            *of_model = (of_model.0 + 1, of_model.1 + error / test.len() as f64 / scale);
        };
        count(ENSEMBLE, &mut ensemble.steps.iter().map(|step| step.forecast));
        for member in &ensemble.members {
            if let Ok(fit) = &member.outcome {
                count(member.model, &mut fit.prices().into_iter());
            }
        }
        self.series += 1;
        self.values += test.len();
        for (inside, level) in self.inside.iter_mut().zip(levels) {
            let steps = ensemble.steps_at(level).expect("a level that was asked");
            let holds =
                steps.iter().zip(test).filter(|(step, value)| (step.lower..=step.upper).contains(value));
            *inside += holds.count();
        }
    }

    fn print(&self, frequency: &str) {
        for (model, (series, sum)) in &self.mase {
            let mean = sum / *series as f64;
            let rest = if model == ENSEMBLE {
                let [first, second] = self.inside.map(|inside| 100.0 * inside as f64 / self.values as f64);
                format!("{:.1} | {first:.1} | {second:.1}", self.seconds)
            } else {
                " | | ".to_owned()
            };
            println!("| {frequency} | {model} | {series} | {mean:.4} | {rest} |");
        }
    }
}
