//! Rolling evaluation of the whole ensemble, as a user gets it: each forecast is made of the 1,000 days before it, with the
//! default settings. It is what `folio.forecast_evaluate` computes, in slices.
//!
//! ```text
//! cargo run --release -p folio-core --example evaluate -- FILE [STRIDE [FORECASTS.csv]]
//! ```
//!
//! FILE is CSV: a header of tickers after `Date`, a row of prices a day. Origins lie STRIDE days apart, 21 if it is not
//! given; where that is less than the horizon, the sets of origins whose forecasts do not overlap are slices of their own.
//! FORECASTS.csv gets every forecast of every model at the steps of the table. The errors are those of the log price.
//! `make evaluate` runs it on the prices of `docs/evaluation.md`.

#[path = "../tests/common/pool.rs"]
mod pool;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::time::Duration;

use folio_core::forecast::{
    Batches, DEFAULT_HORIZON, DEFAULT_LEVEL, ENSEMBLE, Evaluation, FitWindow, Horizon, Level, ModelSet,
    Request, Schedule, Score, Scored, Scores, SeasonLengths, evaluate, overlap,
};
use folio_core::panel::{PricePanel, PriceRow, Series, Timestamp};
use folio_core::task::{Cancel, Seed};

const HISTORY: usize = 1000;
const STEPS: [usize; 3] = [1, 5, 21];
/// Years of a slice of the table.
const SLICE: i32 = 5;
/// Memory of the results that are not counted yet.
const MEMORY: usize = 512 << 20;
const DAY: i64 = 86_400_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (file, stride, output) = match arguments.as_slice() {
        [file] => (file, DEFAULT_HORIZON, None),
        [file, stride] => (file, stride.parse()?, None),
        [file, stride, output] => (file, stride.parse()?, Some(output)),
        _ => return Err("usage: evaluate FILE [STRIDE [FORECASTS.csv]]".into()),
    };
    let prices = Prices::parse(&std::fs::read_to_string(file)?)?;
    let mut log = output.map(std::fs::File::create).transpose()?.map(std::io::BufWriter::new);
    if let Some(log) = &mut log {
        writeln!(
            log,
            "date,ticker,model,step,weight,relative_mae,last,forecast,half_width_80,half_width_95,actual"
        )?;
    }
    let evaluation = evaluation(prices.dates.len(), stride)?;
    let threads = std::thread::available_parallelism()?.get();
    let executor = pool::Threads::start(threads);
    let mut table = Table { stride, days: prices.dates.len(), slices: BTreeMap::new() };
    let panel = prices.panel();
    let batches = Batches::of_evaluation(&panel, prices.tickers.len(), &evaluation, threads, MEMORY)?;
    for batch in panel.into_batches(batches.tickers) {
        for evaluated in evaluate(batch, &evaluation, &executor, &Cancel::default())? {
            for scored in evaluated.outcome?.scored.iter().filter(|scored| STEPS.contains(&scored.step)) {
                let date = &prices.dates[scored.origin.day() as usize];
                if let Some(log) = &mut log {
                    writeln!(log, "{date},{},{}", evaluated.ticker, Line(scored))?;
                }
                table.add(date.split('-').next().unwrap_or_default().parse()?, scored);
            }
        }
    }
    print!("{table}");
    Ok(())
}

/// Every origin of `days` prices with a full history before it, `stride` days apart, counted back from the last day that
/// has an outcome for every step, as `folio.forecast_evaluate` does.
fn evaluation(days: usize, stride: usize) -> Result<Evaluation, Box<dyn Error>> {
    let request = Request {
        horizon: Horizon::new(DEFAULT_HORIZON as i64)?,
        levels: vec![Level::new(DEFAULT_LEVEL)?],
        models: ModelSet::all(),
        season_lengths: SeasonLengths::default(),
        seed: Seed(1),
        clock: || Duration::ZERO,
    };
    let origins = days.saturating_sub(HISTORY + DEFAULT_HORIZON) / stride.max(1) + 1;
    let schedule = Schedule {
        origins: origins as i64,
        stride: Some(stride as i64),
        gap: 0,
        refit_every: 1,
        window: FitWindow::Rolling,
        history: HISTORY,
    };
    Ok(Evaluation::new(request, &schedule)?)
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

    /// All prices. Their days are but numbered: only their order matters.
    fn panel(&self) -> PricePanel {
        let column = |(ticker, prices): (&String, &Vec<f64>)| {
            let row = |(day, &close): (i64, &f64)| PriceRow { ts: Timestamp(day * DAY), close };
            let rows = (0..).zip(prices).map(row).collect();
            (ticker.clone(), Series::new(ticker.clone(), rows, usize::MAX))
        };
        PricePanel::new(self.tickers.iter().zip(&self.columns).map(column).collect())
    }
}

/// A forecast as a line of CSV.
struct Line<'a>(&'a Scored);

impl std::fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Scored { model, step, weight, last, forecast, half_widths, actual, .. } = self.0;
        let validated = self.0.validated_mae.unwrap_or(f64::NAN);
        let [width_80, width_95] = half_widths;
        write!(f, "{model},{step},{weight:.5},{validated:.5},{last:.6},{forecast:.6},")?;
        write!(f, "{width_80:.6},{width_95:.6},{actual:.6}")
    }
}

/// A part of the forecasts that has a line of its own in the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Slice {
    All,
    /// Those whose outcomes do not overlap, by the days that lie between the last of them and the end of the prices.
    Apart(usize),
    /// Those of [`SLICE`] years from this one on.
    Years(i32),
}

impl std::fmt::Display for Slice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Slice::All => f.write_str("all"),
            Slice::Apart(0) => f.write_str("all, months that end with the prices"),
            Slice::Apart(days) => write!(f, "all, months that end {days} days earlier"),
            Slice::Years(first) => write!(f, "{first} to {}", first + SLICE - 1),
        }
    }
}

/// The scores of each slice.
struct Table {
    stride: usize,
    days: usize,
    slices: BTreeMap<Slice, Scores>,
}

impl Table {
    fn add(&mut self, year: i32, scored: &Scored) {
        let left = self.days - 1 - DEFAULT_HORIZON - scored.origin.day() as usize;
        let overlap = self.stride < DEFAULT_HORIZON && DEFAULT_HORIZON.is_multiple_of(self.stride);
        let apart = overlap.then_some(Slice::Apart(left % DEFAULT_HORIZON));
        let years = Slice::Years(year.div_euclid(SLICE) * SLICE);
        for slice in [Some(Slice::All), apart, Some(years)].into_iter().flatten() {
            self.slices.entry(slice).or_default().add(scored);
        }
    }

    /// The days between the origins of a slice.
    fn stride(&self, slice: Slice) -> usize {
        if matches!(slice, Slice::Apart(_)) { DEFAULT_HORIZON } else { self.stride }
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "At 1, 5 and 21 days:\n")?;
        writeln!(
            f,
            "| forecasts | model | n | MAE relative to naive | t | 80 % holds | 95 % holds | interval score |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        for (slice, scores) in &self.slices {
            let all: Vec<Score<'_>> = scores.iter().collect();
            // Of a part the ensemble alone: its members' numbers are noise there.
            for steps in all.chunk_by(|a, b| a.model == b.model) {
                if *slice != Slice::All && steps[0].model != ENSEMBLE {
                    continue;
                }
                let cells = |value: &dyn Fn(&Score<'_>) -> String| {
                    steps.iter().map(value).collect::<Vec<_>>().join(" ")
                };
                let statistic = |score: &Score<'_>| {
                    score.differences.diebold_mariano(overlap(score.step, self.stride(*slice)))
                };
                writeln!(
                    f,
                    "| {slice} | {} | {} | {} | {} | {} | {} | {} |",
                    steps[0].model,
                    steps[0].metrics.count(),
                    cells(&|score| format!("{:.4}", score.metrics.relative_mae().unwrap_or(f64::NAN))),
                    cells(&|score| statistic(score).map_or("-".to_owned(), |t| format!("{:.1}", t.statistic))),
                    cells(&|score| format!("{:.1}", 100.0 * score.metrics.coverage()[0])),
                    cells(&|score| format!("{:.1}", 100.0 * score.metrics.coverage()[1])),
                    cells(&|score| format!("{:.4}", score.metrics.interval_score()[0])),
                )?;
            }
        }
        Ok(())
    }
}
