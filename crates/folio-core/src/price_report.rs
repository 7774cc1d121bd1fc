//! What is odd about prices: holes, repeats, jumps, ends. It looks at the rows as they are, before any of them is refused.

mod finding;
mod moves;
mod times;
mod twins;

pub use finding::{Finding, Kind, PriceReport};

use self::finding::Prices;
use crate::calendar::zone::Zone;
use crate::calendar::{Calendar, Told};
use crate::price::{BadPriceReason, PriceRow, Timestamp};
use crate::task::Cancel;
use crate::{Result, work};

/// How many findings of a kind are listed of a ticker; the last one says how many more there are.
const MAX_OF_A_KIND: usize = 20;

/// Work for a price, all kinds together: what one takes in benches, in [`work`]'s units.
const UNITS_OF_A_PRICE: usize = 200;

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
    let mut reports = Vec::with_capacity(tickers.len());
    let mut seen = Vec::with_capacity(tickers.len());
    for (ticker, rows) in tickers {
        let (report, prices) = report_of(ticker, rows, history, zone, cancel)?;
        reports.push(report);
        seen.push(prices);
    }
    let newest = reports.iter().filter_map(|report| report.last).max();
    for (report, prices) in reports.iter_mut().zip(&seen) {
        report
            .findings
            .extend(prices.as_ref().zip(newest).and_then(|(prices, newest)| times::ended(prices, newest)));
    }
    twins::find(&mut reports, &seen, cancel)?;
    for report in &mut reports {
        report.findings.sort_by_key(|finding| (finding.kind, finding.ts));
        cut(&mut report.findings);
    }
    Ok(reports)
}

fn report_of(
    ticker: String,
    mut rows: Vec<PriceRow>,
    history: usize,
    zone: Option<&Zone>,
    cancel: &Cancel,
) -> Result<(PriceReport, Option<Prices>)> {
    cancel.check()?;
    work::count(rows.len() * UNITS_OF_A_PRICE);
    rows.sort_by_key(|row| row.ts);
    rows.drain(..rows.len().saturating_sub(history));
    let mut findings = faults(&rows);
    if rows.is_empty() {
        findings.push(Finding {
            kind: Kind::Missing,
            ts: None,
            until: None,
            value: 0.0,
            detail: "no row at all".to_owned(),
        });
    }
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
        report.findings = findings;
        return Ok((report, None));
    }
    let prices = prices_of(rows, &mut findings, zone, cancel)?;
    let frequency = prices.calendar.frequency();
    report.last = prices.ts.last().copied();
    report.frequency = Some(frequency.name());
    report.fit = frequency.fit();
    report.periods_per_year = frequency.periods_per_year();
    findings.extend(times::irregular(&prices));
    findings.extend(times::shifted(&prices));
    findings.extend(times::gaps(&prices, cancel)?);
    cancel.check()?;
    findings.extend(moves::stale(&prices));
    findings.extend(moves::large(&prices));
    report.findings = findings;
    Ok((report, Some(prices)))
}

/// The rows that no model may see, a finding for each kind.
fn faults(rows: &[PriceRow]) -> Vec<Finding> {
    let of = |kind: Kind, what: &str, is: fn(BadPriceReason) -> bool| {
        let bad: Vec<&PriceRow> = rows.iter().filter(|row| row.fault().is_some_and(is)).collect();
        let (first, last) = (bad.first()?, bad.last()?);
        let detail = format!("{} of {} rows {what}", bad.len(), rows.len());
        Some(Finding::at(kind, first.ts, bad.len() as f64, detail).until(last.ts))
    };
    use BadPriceReason::{Infinite, Negative, NoTime, NotANumber, Zero};
    let missing = of(Kind::Missing, "have no price that is a number, or no time", |reason| {
        matches!(reason, NotANumber | Infinite | NoTime)
    });
    let not_positive =
        of(Kind::NotPositive, "have a price of zero or less", |reason| matches!(reason, Zero | Negative));
    missing.into_iter().chain(not_positive).collect()
}

/// Each bar's last price; bars with several are a finding.
fn prices_of(
    rows: Vec<PriceRow>,
    findings: &mut Vec<Finding>,
    zone: Option<&Zone>,
    cancel: &Cancel,
) -> Result<Prices> {
    let mut stamps: Vec<Timestamp> = rows.iter().map(|row| row.ts).collect();
    stamps.dedup();
    let calendar = Calendar::of(&stamps, zone, Told::Nothing, cancel)?;
    let mut kept: Vec<PriceRow> = Vec::with_capacity(rows.len());
    let mut bar_before = None;
    for row in rows {
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

/// Keeps so many of each kind, and says in the last one how many there are.
fn cut(findings: &mut Vec<Finding>) {
    let mut kept: Vec<Finding> = Vec::with_capacity(findings.len().min(64));
    for run in findings.chunk_by(|a, b| a.kind == b.kind) {
        kept.extend(run.iter().take(MAX_OF_A_KIND).cloned());
        if let Some(last) = kept.last_mut().filter(|_| run.len() > MAX_OF_A_KIND) {
            last.detail.push_str(&format!("; {} more of this kind", run.len() - MAX_OF_A_KIND));
        }
    }
    *findings = kept;
}
