//! Rolling evaluation of the whole ensemble, as a user gets it: forecasts that do not overlap, each from the 1,000 days
//! before it, with the default settings.
//!
//! ```text
//! cargo run --release -p folio-core --example evaluate -- FILE [EVERY [FORECASTS.csv]]
//! ```
//!
//! FILE is CSV: a header of tickers after `Date`, a row of prices a day. With EVERY = 3 only every third origin is
//! evaluated. FORECASTS.csv gets every forecast of every member. The errors are those of the log price. The table in
//! `docs/evaluation.md` is that of skfolio 1.12's `sp500_dataset.csv` with EVERY = 3.

#[path = "../tests/common/pool.rs"]
mod pool;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::time::Duration;

use folio_core::forecast::{DEFAULT_HORIZON, Ensemble, Horizon, Level, ModelSet, Report, Request, forecast};
use folio_core::panel::{PricePanel, PriceRow, Series, Timestamp};
use folio_core::task::{Cancel, Seed};

const HISTORY: usize = 1000;
const STEPS: [usize; 3] = [1, 5, 21];
const LEVELS: [f64; 2] = [0.8, 0.95];
/// Years of a slice of the table.
const SLICE: i32 = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (file, every, output) = match arguments.as_slice() {
        [file] => (file, 1, None),
        [file, every] => (file, every.parse()?, None),
        [file, every, output] => (file, every.parse()?, Some(output)),
        _ => return Err("usage: evaluate FILE [EVERY [FORECASTS.csv]]".into()),
    };
    let prices = Prices::parse(&std::fs::read_to_string(file)?)?;
    let mut log = output.map(std::fs::File::create).transpose()?.map(std::io::BufWriter::new);
    if let Some(log) = &mut log {
        writeln!(
            log,
            "date,ticker,model,step,weight,relative_mae,last,forecast,lower_80,upper_80,lower_95,upper_95,actual"
        )?;
    }
    let request = Request {
        horizon: Horizon::new(DEFAULT_HORIZON as i64)?,
        level: Level::new(LEVELS[0])?,
        models: ModelSet::all(),
        seed: Seed(1),
        clock: || Duration::ZERO,
    };
    let threads = pool::Threads::start(std::thread::available_parallelism()?.get());
    let mut table = Table::default();
    let days = prices.dates.len();
    for origin in (HISTORY..=days.saturating_sub(DEFAULT_HORIZON)).step_by(DEFAULT_HORIZON * every) {
        let reports = forecast(prices.panel(origin), &request, &threads, &Cancel::default())?;
        for (report, column) in reports.iter().zip(&prices.columns) {
            for line in lines(report, &column[..origin + DEFAULT_HORIZON], origin)? {
                if let Some(log) = &mut log {
                    writeln!(log, "{},{},{line}", prices.dates[origin - 1], report.ticker)?;
                }
                table.add(prices.year(origin - 1)?, &line);
            }
        }
    }
    print!("{table}");
    Ok(())
}

/// A CSV panel.
struct Prices {
    dates: Vec<String>,
    tickers: Vec<String>,
    columns: Vec<Vec<f64>>,
}

impl Prices {
    fn parse(text: &str) -> Result<Prices, Box<dyn Error>> {
        let mut rows = text.lines().map(|line| line.split(','));
        let tickers: Vec<String> = rows.next().ok_or("no header")?.skip(1).map(str::to_owned).collect();
        let (mut dates, mut columns) = (Vec::new(), vec![Vec::new(); tickers.len()]);
        for mut row in rows {
            dates.push(row.next().ok_or("no date")?.to_owned());
            for (column, price) in columns.iter_mut().zip(row) {
                column.push(price.parse()?);
            }
        }
        Ok(Prices { dates, tickers, columns })
    }

    fn year(&self, day: usize) -> Result<i32, std::num::ParseIntError> {
        self.dates[day].split('-').next().unwrap_or_default().parse()
    }

    /// The days that a forecast from `origin` reads. Their times are but numbered: only their order matters.
    fn panel(&self, origin: usize) -> PricePanel {
        let column = |(ticker, prices): (&String, &Vec<f64>)| {
            let row = |day: usize| PriceRow { ts: Timestamp(day as i64), close: prices[day] };
            let rows = (origin - HISTORY..origin).map(row).collect();
            (ticker.clone(), Series::new(ticker.clone(), rows, HISTORY))
        };
        PricePanel::new(self.tickers.iter().zip(&self.columns).map(column).collect())
    }
}

/// A forecast of one model at one step, beside what came. All prices are logarithms.
struct Line {
    model: &'static str,
    step: usize,
    weight: f64,
    relative_mae: f64,
    last: f64,
    forecast: f64,
    bounds: [(f64, f64); 2],
    actual: f64,
}

/// The ensemble's forecasts, their equally weighted mean ("soft voting"), and those of each member.
fn lines(report: &Report, prices: &[f64], origin: usize) -> Result<Vec<Line>, Box<dyn Error>> {
    let ensemble: &Ensemble = report.outcome.as_ref().map_err(Clone::clone)?;
    let levels = [ensemble.steps_at(Level::new(LEVELS[0])?), ensemble.steps_at(Level::new(LEVELS[1])?)];
    let last = prices[origin - 1].ln();
    let mut lines = Vec::new();
    for step in STEPS {
        let bounds = [0, 1].map(|level| {
            let step = &levels[level][step - 1];
            (step.lower.ln(), step.upper.ln())
        });
        let actual = prices[origin + step - 1].ln();
        let line = |model, weight, relative_mae, forecast| Line {
            model,
            step,
            weight,
            relative_mae,
            last,
            forecast,
            bounds,
            actual,
        };
        lines.push(line("ensemble", 1.0, f64::NAN, ensemble.steps[step - 1].forecast.ln()));
        let fits: Vec<_> = ensemble
            .members
            .iter()
            .filter_map(|member| Some((member.model, member.outcome.as_ref().ok()?)))
            .collect();
        let mean = fits.iter().map(|(_, fit)| fit.path.mean[step - 1]).sum::<f64>() / fits.len() as f64;
        lines.push(line("equal weights", 1.0, f64::NAN, mean));
        for (model, fit) in fits {
            let relative_mae = fit.relative_mae.unwrap_or(f64::NAN);
            lines.push(line(model, fit.weights[step - 1], relative_mae, fit.path.mean[step - 1]));
        }
    }
    Ok(lines)
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Line { model, step, weight, relative_mae, last, forecast, bounds, actual } = self;
        let [(lower_80, upper_80), (lower_95, upper_95)] = bounds;
        write!(f, "{model},{step},{weight:.5},{relative_mae:.5},{last:.6},{forecast:.6},")?;
        write!(f, "{lower_80:.6},{upper_80:.6},{lower_95:.6},{upper_95:.6},{actual:.6}")
    }
}

/// Sums over forecasts.
#[derive(Default, Clone, Copy)]
struct Sums {
    count: f64,
    absolute: f64,
    squared: f64,
    weight: f64,
    naive_absolute: f64,
    naive_squared: f64,
    inside: [f64; 2],
}

/// The sums of each slice of years, model and step; the slice None holds all.
#[derive(Default)]
struct Table(BTreeMap<(Option<i32>, &'static str), [Sums; STEPS.len()]>);

impl Table {
    fn add(&mut self, year: i32, line: &Line) {
        let column = STEPS.iter().position(|step| *step == line.step).unwrap_or_default();
        for slice in [None, Some(year.div_euclid(SLICE) * SLICE)] {
            let sums = &mut self.0.entry((slice, line.model)).or_default()[column];
            let (error, naive) = (line.actual - line.forecast, line.actual - line.last);
            sums.count += 1.0;
            sums.absolute += error.abs();
            sums.squared += error * error;
            sums.weight += line.weight;
            sums.naive_absolute += naive.abs();
            sums.naive_squared += naive * naive;
            for (inside, (lower, upper)) in sums.inside.iter_mut().zip(line.bounds) {
                *inside += f64::from(u8::from((lower..=upper).contains(&line.actual)));
            }
        }
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "| years | model | n | MAE relative to naive at 1, 5, 21 | RMSE | weight | 80 % holds | 95 % holds |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        for ((slice, model), columns) in &self.0 {
            let years = slice.map_or("all".to_owned(), |first| format!("{first} to {}", first + SLICE - 1));
            let cells = |value: &dyn Fn(&Sums) -> f64, digits: usize| {
                columns.map(|sums| format!("{:.digits$}", value(&sums))).join(" ")
            };
            let coverage = |level: usize| match *model {
                "ensemble" => cells(&|sums| 100.0 * sums.inside[level] / sums.count, 1),
                _ => String::new(),
            };
            writeln!(
                f,
                "| {years} | {model} | {} | {} | {} | {} | {} | {} |",
                columns[0].count,
                cells(&|sums| sums.absolute / sums.naive_absolute, 4),
                cells(&|sums| (sums.squared / sums.naive_squared).sqrt(), 4),
                cells(&|sums| sums.weight / sums.count, 3),
                coverage(0),
                coverage(1),
            )?;
        }
        Ok(())
    }
}
