//! What is odd about prices: holes, repeats, jumps, ends. It looks at the rows as they are, before any of them is refused.

mod finding;
mod moves;
mod times;
mod twins;

pub use finding::{Finding, Kind, PriceReport};

use self::finding::{Findings, Looked, Prices};
use crate::calendar::zone::Zone;
use crate::calendar::{Calendar, Told};
use crate::price::{BadPriceReason, PriceRow, Timestamp};
use crate::task::Cancel;
use crate::{Result, sort, work};

/// Work for a row that is looked at once, in [`work`]'s units.
const UNITS_OF_A_ROW: usize = 10;

/// A report of each ticker, in their order, from its rows in any order; the newest `history` of them are looked at,
/// in the zone of their market, which None finds from the times themselves.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn price_reports(
    tickers: Vec<(String, Vec<PriceRow>)>,
    history: usize,
    zone: Option<&Zone>,
    cancel: &Cancel,
) -> Result<Vec<PriceReport>> {
    let mut all = Vec::with_capacity(tickers.len());
    for (ticker, rows) in tickers {
        all.push(look_at(ticker, rows, history, zone, cancel)?);
    }
    let newest = all.iter().filter_map(|looked| looked.report.last).max();
    for Looked { span, findings, .. } in &mut all {
        findings.extend(span.as_ref().zip(newest).and_then(|(span, newest)| times::ended(span, newest)));
    }
    twins::find(&mut all, cancel)?;
    let whole = |Looked { report, findings, .. }| PriceReport { findings: findings.into_list(), ..report };
    Ok(all.into_iter().map(whole).collect())
}

/// Looks at a ticker by itself.
fn look_at(
    ticker: String,
    mut rows: Vec<PriceRow>,
    history: usize,
    zone: Option<&Zone>,
    cancel: &Cancel,
) -> Result<Looked> {
    sort::by_key(&mut rows, |row| row.ts, cancel)?;
    rows.drain(..rows.len().saturating_sub(history));
    let mut findings = Findings::default();
    findings.extend(faults(&rows, cancel)?);
    let mut report = PriceReport {
        ticker,
        rows: rows.len(),
        last: None,
        frequency: None,
        fit: 0.0,
        periods_per_year: f64::NAN,
        findings: Vec::new(),
    };
    rows.retain(|row| row.fault().is_none());
    if rows.is_empty() {
        return Ok(Looked { report, span: None, print: None, findings });
    }
    let prices = prices_of(rows, &mut findings, zone, cancel)?;
    let frequency = prices.calendar.frequency();
    report.last = prices.ts.last().copied();
    report.frequency = Some(frequency.name());
    report.fit = frequency.fit();
    report.periods_per_year = frequency.periods_per_year();
    findings.extend(times::irregular(&prices));
    findings.extend(times::shifted(&prices, cancel)?);
    times::gaps(&prices, &mut findings, cancel)?;
    findings.extend(moves::stale(&prices, cancel)?);
    moves::large(&prices, &mut findings, cancel)?;
    let print = twins::print(&prices);
    Ok(Looked { report, span: prices.into_span(), print, findings })
}

/// The rows that no model may see, a finding for each kind; one for no row at all.
fn faults(rows: &[PriceRow], cancel: &Cancel) -> Result<Vec<Finding>> {
    use BadPriceReason::{Infinite, Negative, NoTime, NotANumber, Zero};
    if rows.is_empty() {
        let detail = "no row at all".to_owned();
        return Ok(vec![Finding { kind: Kind::Missing, ts: None, until: None, value: 0.0, detail }]);
    }
    let mut missing = Faults::default();
    let mut not_positive = Faults::default();
    for row in work::watched(rows, UNITS_OF_A_ROW, cancel) {
        let row = row?;
        match row.fault() {
            Some(NotANumber | Infinite | NoTime) => missing.add(row),
            Some(Zero | Negative) => not_positive.add(row),
            _ => (),
        }
    }
    let of = |faults: Faults, kind, what| {
        let (first, last) = faults.ends?;
        let detail = format!("{} of {} rows {what}", faults.count, rows.len());
        Some(Finding::at(kind, first, faults.count as f64, detail).until(last))
    };
    let missing = of(missing, Kind::Missing, "have no price that is a number, or no time");
    let not_positive = of(not_positive, Kind::NotPositive, "have a price of zero or less");
    Ok(missing.into_iter().chain(not_positive).collect())
}

/// Rows of one fault.
#[derive(Default)]
struct Faults {
    count: usize,
    /// The times of the first and the last.
    ends: Option<(Timestamp, Timestamp)>,
}

impl Faults {
    fn add(&mut self, row: &PriceRow) {
        self.count += 1;
        self.ends = Some((self.ends.map_or(row.ts, |(first, _)| first), row.ts));
    }
}

/// Each bar's last price; bars with several are a finding.
fn prices_of(
    rows: Vec<PriceRow>,
    findings: &mut Findings,
    zone: Option<&Zone>,
    cancel: &Cancel,
) -> Result<Prices> {
    let mut stamps: Vec<Timestamp> = rows.iter().map(|row| row.ts).collect();
    stamps.dedup();
    let calendar = Calendar::of(&stamps, zone, Told::Nothing, cancel)?;
    let mut kept: Vec<PriceRow> = Vec::with_capacity(rows.len());
    let mut bar_before = None;
    for row in work::watched(rows, 5 * UNITS_OF_A_ROW, cancel) {
        let row = row?;
        let bar = calendar.frequency().bar(row.ts);
        if bar_before == Some(bar) {
            let before = kept.pop().unwrap_or(row);
            let detail = format!("{} and {} are two prices of one bar", before.close, row.close);
            findings.push(Finding::at(Kind::Duplicate, before.ts, 2.0, detail).until(row.ts));
        }
        kept.push(row);
        bar_before = Some(bar);
    }
    let (ts, close): (Vec<_>, Vec<_>) = kept.into_iter().map(|row| (row.ts, row.close)).unzip();
    let log = close.iter().map(|price: &f64| price.ln()).collect();
    Ok(Prices { ts, log, close, calendar })
}
