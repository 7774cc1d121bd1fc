//! What is odd about the prices that everything else is computed from.

use std::rc::Rc;

use folio_core::price_report::{Finding, PriceReport, price_reports};
use folio_core::task;
use pgrx::prelude::*;

use crate::backend::datum::{Names, Regclass, Text};
use crate::backend::pool::{self, Pool};
use crate::backend::prices;
use crate::backend::settings::Settings;
use crate::backend::timestamp::with_time_zone;

sql_function! {
    /// Says what is odd about the prices of each ticker: a row for each finding, or one that says ok.
    #[pg_extern(stable, parallel_unsafe, cost = 1000000)]
    fn price_report(tickers, source) given arguments
    -> rows of report, finding, times {
        ticker: Text = Text(report.ticker.clone()),
        finding: Text = Text(finding.as_ref().map_or("ok", |finding| finding.kind.name()).to_owned()),
        ts: Option<TimestampWithTimeZone> = finding.as_ref().and_then(|finding| Some(with_time_zone(finding.ts?, times))),
        until: Option<TimestampWithTimeZone> =
            finding.as_ref().and_then(|finding| Some(with_time_zone(finding.until?, times))),
        value: Option<f64> = finding.as_ref().map(|finding| finding.value).filter(|value| !value.is_nan()),
        detail: Option<Text> = finding.map(|finding| Text(finding.detail)),
        rows: i64 = report.rows as i64,
        last_ts: Option<TimestampWithTimeZone> = report.last.map(|last| with_time_zone(last, times)),
        frequency: Option<Text> = report.frequency.clone().map(Text),
        fit: Option<f64> = report.frequency.is_some().then_some(report.fit),
        periods_per_year: Option<f64> = report.frequency.is_some().then_some(report.periods_per_year),
    } {
        let mut arguments = arguments;
        let settings = Settings::read();
        let selection = arguments.selection(&settings)?;
        let pool = Pool::start(1)?;
        let raw = prices::read_raw(&selection, &settings)?;
        let (times, tickers, zone) = (raw.times, raw.tickers, raw.zone);
        let reports = task::one(&pool, &pool::cancel_flag(), move |cancel| {
            price_reports(tickers, selection.history, zone.as_ref(), cancel)
        })?;
        Ok(reports.into_iter().flat_map(findings).map(move |(report, finding)| (report, finding, times)))
    }
}

/// A row for each finding, or one that says that there is none.
fn findings(mut report: PriceReport) -> Vec<(Rc<PriceReport>, Option<Finding>)> {
    let findings = std::mem::take(&mut report.findings);
    let report = Rc::new(report);
    if findings.is_empty() {
        return vec![(report, None)];
    }
    findings.into_iter().map(|finding| (report.clone(), Some(finding))).collect()
}
