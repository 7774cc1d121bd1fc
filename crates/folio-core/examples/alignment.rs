//! What portfolios risk whose tickers have histories that differ: the table of `docs/portfolio.md`.
//!
//! ```text
//! cargo run -p folio-core --example alignment [-- FILE [HISTORY [STRIDE]]]
//! ```
//!
//! FILE is CSV: a header of tickers after `Date`, a row of prices a day; without it, the 1,000 days of 20 stocks that the tests
//! have. Portfolios are made at days STRIDE (15) apart, each from the newest HISTORY (600) returns before it.

#[path = "../tests/plantings/mod.rs"]
mod plantings;

use std::error::Error;

use folio_core::panel::{PriceRow, Series, Timestamp};
use plantings::{Planting, realised};

const DAY: i64 = 86_400_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default: usize| arguments.get(place).map_or(Ok(default), |text| text.parse());
    let (history, stride) = (number(1, 600)?, number(2, 15)?);
    let text = match arguments.first() {
        Some(file) => std::fs::read_to_string(file)?,
        None => include_str!("../tests/golden/prices.csv").to_owned(),
    };
    let series = parse(&text)?;
    println!(
        "{:8} {:>5} {:>9} {:>7} {:>7} {:>7}",
        "planting", "late", "portfolios", "all", "common", "whole"
    );
    for planting in Planting::BOTH {
        for late in [28, 60, 120, 250] {
            let found = realised(&series, planting, late, history, stride);
            println!(
                "{:8} {late:>5} {:>10} {:>7.2} {:>7.2} {:>7.2}",
                format!("{planting:?}"),
                found.plantings,
                found.all,
                found.common,
                found.whole
            );
        }
    }
    Ok(())
}

/// The series of the file; every ticker has a price on every day, or the planting would not be the only gap.
fn parse(text: &str) -> Result<Vec<Series>, Box<dyn Error>> {
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let header = lines.next().ok_or("an empty file")?;
    let tickers: Vec<&str> = header.split(',').skip(1).collect();
    let mut rows = vec![Vec::new(); tickers.len()];
    for line in lines {
        let (date, prices) = line.split_once(',').ok_or("a line without prices")?;
        let date: jiff::civil::Date = date.parse().map_err(|error: jiff::Error| error.to_string())?;
        let ts = Timestamp(i64::from((date - jiff::civil::date(1970, 1, 1)).get_days()) * DAY);
        for (rows, price) in rows.iter_mut().zip(prices.split(',')) {
            rows.push(PriceRow { ts, close: price.parse()? });
        }
    }
    let series = tickers.iter().zip(rows);
    Ok(series
        .map(|(ticker, rows)| Series::new((*ticker).to_owned(), rows, usize::MAX))
        .collect::<Result<_, _>>()?)
}
