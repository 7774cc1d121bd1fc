//! The data and the plain task that the integration tests share.
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod pool;

use std::time::Duration;

use folio_core::forecast::{Horizon, Level, ModelSet, Request, SeasonLengths};
use folio_core::panel::{PriceRow, Series, Timestamp};
use folio_core::task::{Cancel, Seed, Task};
use rand_core::Rng;

/// Every model that takes less than a few milliseconds: enough to see what the combination does.
pub const QUICK: [&str; 4] = ["naive", "drift", "theta", "ridge"];

/// A task that nobody cancels.
pub fn task() -> Task {
    Task { cancel: Cancel::default(), seed: Seed(42) }
}

/// What a forecast is asked, by these models or by all.
pub fn request(models: &[&str], horizon: i64) -> Request {
    Request {
        horizon: Horizon::new(horizon).unwrap(),
        levels: vec![Level::new(0.8).unwrap()],
        models: if models.is_empty() { ModelSet::all() } else { ModelSet::new(models).unwrap() },
        season_lengths: SeasonLengths::default(),
        seed: Seed(42),
        clock: || Duration::ZERO,
    }
}

/// A file of `tests/golden`, parsed.
pub fn golden(name: &str) -> serde_json::Value {
    serde_json::from_str(&read(name)).unwrap()
}

/// The log prices of the 20 real series: 1,000 days each, 2019-01-10 to 2022-12-28.
pub fn log_prices() -> Vec<(String, Vec<f64>)> {
    let text = read("prices.csv");
    let mut lines = text.lines().map(|line| line.split(',').skip(1));
    let mut series: Vec<(String, Vec<f64>)> =
        lines.next().unwrap().map(|ticker| (ticker.to_owned(), Vec::new())).collect();
    for line in lines {
        for ((_, prices), price) in series.iter_mut().zip(line) {
            prices.push(price.parse::<f64>().unwrap().ln());
        }
    }
    series
}

/// The real prices of the first tickers, their last `days`.
pub fn real(tickers: usize, days: usize) -> Vec<(String, Vec<f64>)> {
    let last_days = |(ticker, y): (String, Vec<f64>)| (ticker, prices_of(&y[y.len() - days..]));
    log_prices().into_iter().take(tickers).map(last_days).collect()
}

/// The prices of these log prices.
pub fn prices_of(y: &[f64]) -> Vec<f64> {
    y.iter().map(|value| value.exp()).collect()
}

/// A column of a panel with these prices on successive days.
pub fn column(ticker: &str, prices: &[f64]) -> (String, folio_core::Result<Series>) {
    let day = |(day, &close): (i64, &f64)| PriceRow { ts: Timestamp(day * 86_400_000_000), close };
    let rows = (18_000..).zip(prices).map(day).collect();
    (ticker.to_owned(), Series::new(ticker.to_owned(), rows, usize::MAX))
}

/// The real series of this ticker as a column of a panel.
pub fn series(ticker: &str) -> (String, folio_core::Result<Series>) {
    let found = log_prices().into_iter().find(|(other, _)| other == ticker);
    let (_, y) = found.unwrap_or_else(|| panic!("no prices of {ticker}"));
    column(ticker, &prices_of(&y))
}

/// Draws from a nearly normal distribution of unit variance (the sum of twelve uniform numbers), always the same.
pub fn normal(seed: Seed) -> impl FnMut() -> f64 {
    let mut rng = seed.rng();
    move || (0..12).map(|_| rng.next_u64() as f64 / u64::MAX as f64).sum::<f64>() - 6.0
}

fn read(name: &str) -> String {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
