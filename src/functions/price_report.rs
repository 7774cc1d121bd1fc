//! What is odd about the prices that everything else is computed from.

use folio_core::panel::Times;
use folio_core::price_report::{PriceReport, price_reports};
use folio_core::task;
use pgrx::prelude::*;

use super::arguments::unique_tickers;
use crate::backend::budget::{self, Held};
use crate::backend::datum::{Names, Regclass, Text};
use crate::backend::pool::{self, Pool};
use crate::backend::prices::{self, Selection};
use crate::backend::report::{Result, or_raise};
use crate::backend::settings::Settings;
use crate::backend::timestamp::with_time_zone;

type Row = (
    Text,
    Text,
    Option<TimestampWithTimeZone>,
    Option<TimestampWithTimeZone>,
    Option<f64>,
    Option<Text>,
    i64,
    Option<TimestampWithTimeZone>,
    Option<Text>,
    Option<f64>,
    Option<f64>,
);

/// Says what is odd about the prices of each ticker: a row for each finding, or one that says ok.
#[pg_extern(stable, parallel_unsafe, cost = 1000000)]
#[allow(clippy::type_complexity, reason = "the columns of the SQL function")]
fn price_report(
    tickers: default!(Option<Names>, "NULL"),
    history: default!(Option<i64>, "NULL"),
    as_of: default!(Option<TimestampWithTimeZone>, "NULL"),
    prices: default!(Option<Regclass>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(ticker, Text),
        name!(finding, Text),
        name!(ts, Option<TimestampWithTimeZone>),
        name!(until, Option<TimestampWithTimeZone>),
        name!(value, Option<f64>),
        name!(detail, Option<Text>),
        name!(rows, i64),
        name!(last_ts, Option<TimestampWithTimeZone>),
        name!(frequency, Option<Text>),
        name!(fit, Option<f64>),
        name!(periods_per_year, Option<f64>),
    ),
> {
    let (reports, times, held) = or_raise(reports(tickers, history, as_of, prices));
    TableIterator::new(held.by(reports.into_iter().flat_map(move |report| rows_of(report, times))))
}

fn reports(
    tickers: Option<Names>,
    history: Option<i64>,
    as_of: Option<TimestampWithTimeZone>,
    relation: Option<Regclass>,
) -> Result<(Vec<PriceReport>, Times, Held)> {
    let settings = Settings::read();
    let history = prices::history(history.unwrap_or(settings.history))?;
    let tickers = tickers.map(unique_tickers).transpose()?;
    let selection = Selection { relation: relation.map(|relation| relation.0), tickers, as_of, history };
    let pool = Pool::start(1)?;
    let raw = prices::read_raw(&selection, &settings)?;
    let (times, tickers, zone) = (raw.times, raw.tickers, raw.zone);
    let reports = task::one(&pool, &pool::cancel_flag(), move |cancel| {
        price_reports(tickers, history, zone.as_ref(), cancel)
    })?;
    let held = budget::hold(reports.iter().map(PriceReport::bytes).sum())?;
    Ok((reports, times, held))
}

/// A row for each finding, or one that says that there is none.
fn rows_of(report: PriceReport, times: Times) -> Vec<Row> {
    let known = report.frequency.is_some();
    let stamp = |ts| with_time_zone(ts, times);
    let row = |finding: &str, ts, until, value, detail: Option<String>| -> Row {
        (
            Text(report.ticker.clone()),
            Text(finding.to_owned()),
            ts,
            until,
            value,
            detail.map(Text),
            report.rows as i64,
            report.last.map(stamp),
            report.frequency.clone().map(Text),
            known.then_some(report.fit),
            known.then_some(report.periods_per_year),
        )
    };
    if report.findings.is_empty() {
        return vec![row("ok", None, None, None, None)];
    }
    let rows = report.findings.iter().map(|finding| {
        let (ts, until) = (finding.ts.map(stamp), finding.until.map(stamp));
        let value = Some(finding.value).filter(|value| !value.is_nan());
        row(finding.kind.name(), ts, until, value, Some(finding.detail.clone()))
    });
    rows.collect()
}
