//! What is planted into real prices is found, and little else.

mod common;

use folio_core::panel::{PriceRow, Timestamp};
use folio_core::price_report::{Finding, Kind, PriceReport, price_reports};
use folio_core::task::{Cancel, Seed};
use rand_core::Rng;

const DAY: i64 = 86_400_000_000;

/// The real tickers with their own dates.
fn real() -> Vec<(String, Vec<PriceRow>)> {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/prices.csv")).unwrap();
    let mut lines = text.lines().map(|line| line.split(','));
    let mut series: Vec<(String, Vec<PriceRow>)> =
        lines.next().unwrap().skip(1).map(|ticker| (ticker.to_owned(), Vec::new())).collect();
    for mut line in lines {
        let ts = Timestamp(day_of(line.next().unwrap()) * DAY);
        for ((_, rows), price) in series.iter_mut().zip(line) {
            rows.push(PriceRow { ts, close: price.parse().unwrap() });
        }
    }
    series
}

/// The day of a date as the files write it, counted from 1970.
fn day_of(date: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| date[range].parse::<i64>().unwrap();
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    (17_000..20_000)
        .find(|&at| Timestamp(at * DAY).date() == (year, month as u32, day as u32))
        .expect("a date of the files")
}

fn report(tickers: Vec<(String, Vec<PriceRow>)>) -> Vec<PriceReport> {
    price_reports(tickers, 100_000, None, &Cancel::default()).unwrap()
}

fn of(rows: Vec<PriceRow>) -> Vec<Finding> {
    report(vec![("A".to_owned(), rows)]).remove(0).findings
}

fn kinds(findings: &[Finding]) -> Vec<Kind> {
    findings.iter().map(|finding| finding.kind).collect()
}

#[test]
fn real_prices_have_next_to_no_findings() {
    let reports = report(real());
    assert_eq!(reports.len(), 20);
    let mut found = 0;
    for report in &reports {
        assert_eq!((report.frequency.as_deref(), report.periods_per_year), (Some("daily"), 252.0));
        assert!(report.fit > 0.999, "{}: {}", report.ticker, report.fit);
        for finding in &report.findings {
            println!("{}: {finding:?}", report.ticker);
            found += 1;
        }
    }
    // One of 20 tickers' 20,000 days.
    assert!(found <= 1, "{found} findings");
}

/// Plants one thing into each of 100 copies of real prices; says how many were found where they were planted, and how many
/// findings of any kind there were beside it.
fn planted(
    kind: Kind,
    plant: impl Fn(&mut Vec<PriceRow>, &mut dyn FnMut(usize) -> usize) -> usize,
) -> (usize, usize) {
    let mut rng = Seed(7).derive(kind.name()).rng();
    let mut below = |n: usize| (rng.next_u64() % n as u64) as usize;
    let (mut found, mut beside) = (0, 0);
    for index in 0..100 {
        let mut rows = real().swap_remove(index % 20).1;
        let at = plant(&mut rows, &mut below);
        let at = rows[at].ts;
        let findings = of(rows);
        let hit = findings.iter().filter(|finding| finding.kind == kind && finding.ts == Some(at)).count();
        found += hit.min(1);
        beside += findings.len() - hit;
    }
    println!("{}: {found} of 100 found, {beside} beside", kind.name());
    (found, beside)
}

#[test]
fn planted_splits_are_found() {
    let (found, beside) = planted(Kind::Split, |rows, below| {
        let at = 100 + below(rows.len() - 200);
        let ratio = [2.0, 3.0, 4.0, 1.5, 5.0, 7.0, 10.0, 20.0, 0.1, 0.5][below(10)];
        rows[..at].iter_mut().for_each(|row| row.close *= ratio);
        at
    });
    assert!(found >= 95 && beside <= 7, "{found}, {beside}");
}

#[test]
fn planted_gaps_are_found() {
    let (found, beside) = planted(Kind::Gap, |rows, below| {
        let at = 50 + below(rows.len() - 200);
        rows.drain(at + 1..at + 7 + below(60));
        at
    });
    assert!(found >= 95 && beside <= 7, "{found}, {beside}");
}

#[test]
fn planted_stale_runs_are_found() {
    let (found, beside) = planted(Kind::Stale, |rows, below| {
        let at = 50 + below(rows.len() - 200);
        let price = rows[at].close;
        rows[at..at + 8 + below(30)].iter_mut().for_each(|row| row.close = price);
        at
    });
    assert!(found >= 95 && beside <= 9, "{found}, {beside}");
}

#[test]
fn planted_ticks_are_found() {
    let (found, beside) = planted(Kind::Outlier, |rows, below| {
        let at = 1 + below(rows.len() - 2);
        rows[at].close *= [100.0, 0.01, 10.0, 2.0, 0.4][below(5)];
        at
    });
    assert!(found >= 95 && beside <= 7, "{found}, {beside}");
}

#[test]
fn rows_that_no_model_may_see_are_counted() {
    let mut rows = real().remove(0).1;
    rows[3].close = f64::NAN;
    rows[4].close = f64::INFINITY;
    rows[5].close = 0.0;
    rows[6].close = -3.0;
    rows[7].ts = Timestamp::MIN;
    rows.push(rows[20]);
    let late = PriceRow { ts: Timestamp(rows[30].ts.0 + DAY / 2), close: 1.01 * rows[30].close };
    rows.push(late);
    let findings = of(rows);
    let values = |kind| -> Vec<f64> {
        findings.iter().filter(|finding| finding.kind == kind).map(|finding| finding.value).collect()
    };
    assert_eq!(values(Kind::Missing), [3.0]);
    assert_eq!(values(Kind::NotPositive), [2.0]);
    assert_eq!(values(Kind::Duplicate), [2.0, 2.0]);
    assert_eq!(kinds(&of(vec![])), [Kind::Missing]);
    let one = PriceRow { ts: Timestamp(19_000 * DAY), close: f64::NAN };
    assert_eq!(kinds(&of(vec![one])), [Kind::Missing]);
}

#[test]
fn a_ticker_that_ended_and_twins_are_seen_beside_others() {
    let mut tickers = real();
    tickers[2].1.truncate(900);
    tickers[3].1.truncate(997);
    let twin = tickers[5].1.iter().map(|row| PriceRow { close: 3.0 * row.close, ..*row }).collect();
    tickers.push(("AGAIN".to_owned(), twin));
    let reports = report(tickers);
    let with = |kind| -> Vec<usize> {
        let has = |report: &PriceReport| report.findings.iter().any(|finding| finding.kind == kind);
        (0..reports.len()).filter(|&index| has(&reports[index])).collect()
    };
    assert_eq!(with(Kind::Ended), [2]);
    assert_eq!(with(Kind::Twin), [5, 20]);
    assert!(reports[20].findings.iter().any(|finding| finding.detail.ends_with(&reports[5].ticker)));
}

#[test]
fn coarse_and_fine_series_have_gaps_of_their_own_size() {
    let monthly = |without: &[i64]| {
        let months = (0..60).filter(|month| !without.contains(month));
        let day = |month: i64| {
            (14_000..17_000).rev().find(|&day| {
                let (year, of_year, _) = Timestamp(day * DAY).date();
                (year - 2010) * 12 + i64::from(of_year) - 1 == month
            })
        };
        let rows = months.map(|month| (month, day(month).unwrap()));
        rows.map(|(month, day)| PriceRow { ts: Timestamp(day * DAY), close: 100.0 + (month % 7) as f64 })
            .collect()
    };
    assert_eq!(kinds(&of(monthly(&[]))), []);
    assert_eq!(kinds(&of(monthly(&[30]))), [Kind::Gap]);
    let hourly = |without: std::ops::Range<i64>| -> Vec<PriceRow> {
        let hours = (0..2_000).filter(|hour| !without.contains(hour));
        let row = |hour: i64| PriceRow {
            ts: Timestamp(19_000 * DAY + hour * DAY / 24),
            close: 100.0 + (hour % 13) as f64,
        };
        hours.map(row).collect()
    };
    assert_eq!(kinds(&of(hourly(0..0))), []);
    assert_eq!(kinds(&of(hourly(700..703))), []);
    let gap = of(hourly(700..720));
    assert_eq!((kinds(&gap), gap[0].value), (vec![Kind::Gap], 20.0));
}

#[test]
fn a_daily_price_whose_hour_moves_is_said() {
    let mut rows = real().remove(0).1;
    rows[..500].iter_mut().for_each(|row| row.ts = Timestamp(row.ts.0 + 5 * DAY / 24));
    rows[500..].iter_mut().for_each(|row| row.ts = Timestamp(row.ts.0 + 8 * DAY / 24));
    let findings = of(rows);
    assert_eq!(kinds(&findings), [Kind::TimeShift]);
    assert_eq!(findings[0].value, 3.0);
}

#[test]
fn findings_of_a_kind_are_bounded_and_a_cancel_is_answered() {
    let mut rows = real().remove(0).1;
    for at in (10..900).step_by(20) {
        rows[at].close *= 100.0;
    }
    let findings = of(rows.clone());
    let outliers: Vec<_> = findings.iter().filter(|finding| finding.kind == Kind::Outlier).collect();
    assert_eq!(outliers.len(), 20);
    assert!(outliers[19].detail.ends_with("; 25 more of this kind"), "{}", outliers[19].detail);
    let cancel = Cancel::default();
    cancel.cancel();
    assert!(price_reports(vec![("A".to_owned(), rows)], 1000, None, &cancel).is_err());
}
