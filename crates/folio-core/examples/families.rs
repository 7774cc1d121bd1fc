//! What forecasts and intervals are worth off the beaten track: on families of synthetic series, short ones, and the 20
//! stocks that ship with the tests.
//!
//! ```text
//! cargo run --release -p folio-core --example families [-- FAMILY...]
//! ```
//!
//! A line is a family: the ensemble's mean absolute error of the log price relative to the last price's at the first, the
//! middle and the last step, that of the best member there (the least of the members' errors, chosen afterwards), and the
//! share of outcomes inside of its 80 % and 95 % intervals. Models are fitted at every fifth origin. `make families` runs it.

#[path = "../tests/common/mod.rs"]
mod common;

use std::error::Error;

use common::{column, log_prices, normal, pool::Threads, prices_of, request};
use folio_core::forecast::{
    ENSEMBLE, Evaluation, FitWindow, Level, NAIVE, Request, Schedule, Scored, evaluate, forecast,
};
use folio_core::panel::PricePanel;
use folio_core::task::{Cancel, Seed};

/// Series of a synthetic family, prices that each forecast sees, origins and the days between them.
const SERIES: u64 = 10;
const HISTORY: usize = 600;
const ORIGINS: usize = 50;
const STRIDE: usize = 7;
const REFIT_EVERY: i64 = 5;
/// Days between the short histories that are cut from the stocks.
const SHORT_STRIDE: usize = 30;

fn main() -> Result<(), Box<dyn Error>> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let executor = Threads::start(std::thread::available_parallelism()?.get());
    println!("| family | n | steps | relative MAE | best member | 80 % holds | 95 % holds |");
    println!("|---|---|---|---|---|---|---|");
    for family in FAMILIES.iter().filter(|family| wanted.is_empty() || wanted.contains(&family.name.into())) {
        let scored = match family.series {
            Source::Made(make) => {
                let days = HISTORY + (ORIGINS - 1) * STRIDE + family.horizon;
                let made = (0..SERIES).map(|seed| (format!("S{seed}"), make(&mut normal(Seed(seed)), days)));
                evaluated(made.collect(), family.horizon, &executor)?
            }
            Source::Stocks => evaluated(log_prices(), family.horizon, &executor)?,
            Source::Short(prices) => short(prices, family.horizon, &executor)?,
        };
        println!("{}", line(family, &scored));
    }
    Ok(())
}

struct Family {
    name: &'static str,
    horizon: usize,
    series: Source,
}

enum Source {
    /// Log prices from standard normal draws.
    Made(fn(&mut dyn FnMut() -> f64, usize) -> Vec<f64>),
    Stocks,
    /// Histories of so many prices of the stocks.
    Short(usize),
}

const FAMILIES: &[Family] = &[
    Family { name: "stocks", horizon: 21, series: Source::Stocks },
    Family { name: "random walk", horizon: 21, series: Source::Made(walk) },
    Family { name: "AR(2) returns", horizon: 21, series: Source::Made(autoregression) },
    Family { name: "threshold returns", horizon: 21, series: Source::Made(threshold) },
    Family { name: "Ornstein-Uhlenbeck", horizon: 21, series: Source::Made(reverting) },
    Family { name: "weekly season", horizon: 7, series: Source::Made(season) },
    Family { name: "regimes", horizon: 21, series: Source::Made(regimes) },
    Family { name: "stale", horizon: 21, series: Source::Made(stale) },
    Family { name: "tick", horizon: 21, series: Source::Made(tick) },
    Family { name: "pegged", horizon: 21, series: Source::Made(pegged) },
    Family { name: "60 prices", horizon: 21, series: Source::Short(60) },
    Family { name: "30 prices", horizon: 21, series: Source::Short(30) },
    Family { name: "12 prices", horizon: 21, series: Source::Short(12) },
    Family { name: "100 prices", horizon: 21, series: Source::Short(100) },
];

/// Changes to levels, from a log price of 4.
fn summed(changes: impl Iterator<Item = f64>) -> Vec<f64> {
    let add = |level: &mut f64, change: f64| {
        *level += change;
        Some(*level)
    };
    changes.scan(4.0, add).collect()
}

fn walk(normal: &mut dyn FnMut() -> f64, days: usize) -> Vec<f64> {
    summed((0..days).map(|_| 0.01 * normal()))
}

/// Of the variance of a return, 72 % are known the day before.
fn autoregression(normal: &mut dyn FnMut() -> f64, days: usize) -> Vec<f64> {
    let (mut last, mut before) = (0.0, 0.0);
    summed((0..days).map(|_| {
        (before, last) = (last, 1.2 * last - 0.6 * before + 0.005 * normal());
        last
    }))
}

/// Every return is pulled down by the size of the one before.
fn threshold(normal: &mut dyn FnMut() -> f64, days: usize) -> Vec<f64> {
    let mut last = 0.0f64;
    summed((0..days).map(|_| {
        last = 0.007 - 0.9 * last.abs() + 0.01 * normal();
        last
    }))
}

fn reverting(normal: &mut dyn FnMut() -> f64, days: usize) -> Vec<f64> {
    let mut level = 0.0;
    (0..days)
        .map(|_| {
            level = 0.9 * level + 0.01 * normal();
            4.0 + level
        })
        .collect()
}

/// A level for each of seven days, on a slow walk.
fn season(normal: &mut dyn FnMut() -> f64, days: usize) -> Vec<f64> {
    let levels: Vec<f64> = (0..7).map(|_| 0.1 * normal()).collect();
    let slow = summed((0..days).map(|_| 0.003 * normal()));
    slow.iter().enumerate().map(|(day, level)| level + levels[day % 7] + 0.01 * normal()).collect()
}

/// Calm and wild times that change every 50 days or so.
fn regimes(normal: &mut dyn FnMut() -> f64, days: usize) -> Vec<f64> {
    let mut wild = false;
    summed((0..days).map(|_| {
        wild ^= normal() > 2.05;
        if wild { 0.03 * normal() } else { 0.006 * normal() }
    }))
}

/// One day in twenty moves.
fn stale(normal: &mut dyn FnMut() -> f64, days: usize) -> Vec<f64> {
    summed((0..days).map(|_| if normal() > 1.645 { 0.03 * normal() } else { 0.0 }))
}

/// A price of about 20 ticks, a day's volatility of half of one.
fn tick(normal: &mut dyn FnMut() -> f64, days: usize) -> Vec<f64> {
    let mut level = (0.2f64).ln();
    (0..days)
        .map(|_| {
            level = level - 0.005 * (level - (0.2f64).ln()) + 0.025 * normal();
            ((level.exp() * 100.0).round().max(1.0) / 100.0).ln()
        })
        .collect()
}

/// A price that is held at 1, to four places.
fn pegged(normal: &mut dyn FnMut() -> f64, days: usize) -> Vec<f64> {
    let mut off = 0.0;
    (0..days)
        .map(|_| {
            off = 0.7 * off + 1.0 * normal();
            (1.0 + f64::round(off) * 1e-4).ln()
        })
        .collect()
}

/// A forecast of some model beside what came.
struct Outcome {
    model: &'static str,
    step: usize,
    error: f64,
    inside: [bool; 2],
}

fn asked(horizon: usize) -> Request {
    let levels = [0.8, 0.95].map(|level| Level::new(level).expect("a level"));
    Request { levels: levels.to_vec(), ..request(&[], horizon as i64) }
}

fn panel(columns: &[(String, Vec<f64>)]) -> PricePanel {
    PricePanel::new(columns.iter().map(|(name, y)| column(name, &prices_of(y))).collect())
}

/// As many origins as the series have room for.
fn evaluated(
    columns: Vec<(String, Vec<f64>)>,
    horizon: usize,
    executor: &Threads,
) -> Result<Vec<Outcome>, Box<dyn Error>> {
    let schedule = Schedule {
        origins: ((columns[0].1.len() - HISTORY - horizon) / STRIDE + 1) as i64,
        stride: Some(STRIDE as i64),
        gap: 0,
        refit_every: REFIT_EVERY,
        window: FitWindow::Rolling,
        history: HISTORY,
    };
    let evaluation = Evaluation::new(asked(horizon), &schedule)?;
    let mut outcomes = Vec::new();
    for one in evaluate(panel(&columns), &evaluation, executor, &Cancel::default())? {
        outcomes.extend(one.outcome?.scored.iter().map(|scored: &Scored| {
            let error = scored.actual - scored.forecast;
            Outcome {
                model: scored.model,
                step: scored.step,
                error: error.abs(),
                inside: scored.half_widths.map(|width| error.abs() <= width),
            }
        }));
    }
    Ok(outcomes)
}

/// Forecasts of histories that are too short to validate.
fn short(prices: usize, horizon: usize, executor: &Threads) -> Result<Vec<Outcome>, Box<dyn Error>> {
    let (stocks, mut outcomes) = (log_prices(), Vec::new());
    for start in (0..stocks[0].1.len() - prices - horizon).step_by(SHORT_STRIDE) {
        let seen: Vec<_> =
            stocks.iter().map(|(name, y)| (name.clone(), y[start..start + prices].to_vec())).collect();
        let reports = forecast(panel(&seen), &asked(horizon), executor, &Cancel::default())?;
        for (report, (_, y)) in reports.into_iter().zip(&stocks) {
            let ensemble = report.outcome?;
            let levels = asked(horizon).levels;
            for step in 0..horizon {
                let actual = y[start + prices + step];
                let mut add = |model, forecast: f64, inside| {
                    outcomes.push(Outcome {
                        model,
                        step: step + 1,
                        error: (actual - forecast).abs(),
                        inside,
                    });
                };
                let inside = [0, 1].map(|level| {
                    let at = ensemble.steps_at(levels[level]).expect("a level that was asked")[step];
                    (at.lower..=at.upper).contains(&actual.exp())
                });
                add(ENSEMBLE, ensemble.steps[step].forecast.ln(), inside);
                for member in &ensemble.members {
                    if let Ok(fit) = &member.outcome {
                        add(member.model, fit.path().mean[step], [false; 2]);
                    }
                }
            }
        }
    }
    Ok(outcomes)
}

fn line(family: &Family, outcomes: &[Outcome]) -> String {
    let steps = [1, family.horizon.div_ceil(2), family.horizon];
    let of = |model: &str, step: usize| -> Vec<&Outcome> {
        outcomes.iter().filter(|one| one.model == model && one.step == step).collect()
    };
    let mean_error = |model: &str, step: usize| {
        let all = of(model, step);
        all.iter().map(|one| one.error).sum::<f64>() / all.len() as f64
    };
    let models: std::collections::BTreeSet<&str> = outcomes.iter().map(|one| one.model).collect();
    let cells = |value: &dyn Fn(usize) -> String| steps.map(value).join(" ");
    let relative = |model: &str, step: usize| mean_error(model, step) / mean_error(NAIVE, step);
    let best = |step: usize| {
        let all =
            models.iter().filter(|model| **model != ENSEMBLE).map(|model| (relative(model, step), *model));
        let (error, model) = all.min_by(|a, b| a.0.total_cmp(&b.0)).expect("a member");
        format!("{error:.3} {model}")
    };
    let inside = |level: usize, step: usize| {
        let all = of(ENSEMBLE, step);
        format!("{:.1}", 100.0 * all.iter().filter(|one| one.inside[level]).count() as f64 / all.len() as f64)
    };
    format!(
        "| {} | {} | {} | {} | {} | {} | {} |",
        family.name,
        of(ENSEMBLE, 1).len(),
        cells(&|step| step.to_string()),
        cells(&|step| format!("{:.3}", relative(ENSEMBLE, step))),
        steps.map(best).join(", "),
        cells(&|step| inside(0, step)),
        cells(&|step| inside(1, step)),
    )
}
