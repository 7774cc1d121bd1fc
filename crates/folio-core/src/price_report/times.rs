//! What is odd about the times of prices.

use std::collections::HashMap;

use super::finding::{Finding, Findings, Kind, Prices, Span};
use crate::calendar::Calendar;
use crate::price::Timestamp;
use crate::task::Cancel;
use crate::{Result, work};

/// The share of stamps that fit under which a series is said to be irregular.
const MIN_FIT: f64 = 0.9;

/// Missing bars in one place that nobody is told of: exchanges have closed for four days (September 2001). Of weeks and
/// months none.
const BARS_UNNOTICED: usize = 5;

/// Bars a year under which they are so far apart that a single missing one is a hole: weeks and more.
const COARSE: f64 = 60.0;

/// How many bars of a gap are counted.
const MAX_COUNTED: usize = 10_000;

/// The share of a daily series' stamps with one time of day under which the others are a finding: half days are less.
const MIN_SAME_TIME: f64 = 0.95;

/// Work for a time of day that is counted, in [`work`]'s units, and for bars that a calendar is asked for.
const UNITS_OF_A_TIME: usize = 60;
const UNITS_OF_A_BAR: usize = 100;

const HOUR: f64 = 3_600e6;

/// The stamps follow no pattern, or too few of them do.
pub(super) fn irregular(prices: &Prices) -> Option<Finding> {
    let frequency = prices.calendar.frequency();
    let bad = frequency.is_irregular() || frequency.fit() < MIN_FIT;
    let ts = *prices.ts.first()?;
    bad.then(|| {
        let detail =
            format!("{:.0} % of the stamps fit the pattern {}", 100.0 * frequency.fit(), frequency.name());
        Finding::at(Kind::Irregular, ts, frequency.fit(), detail)
    })
}

/// The first change of the time of day of a series with a price a day.
pub(super) fn shifted(prices: &Prices, cancel: &Cancel) -> Result<Option<Finding>> {
    let frequency = prices.calendar.frequency();
    if frequency.name() != "daily" {
        return Ok(None);
    }
    let time = |ts: Timestamp| frequency.zone().wall(ts).time_of_day();
    let mut counts: HashMap<i64, usize> = HashMap::new();
    for ts in work::watched(&prices.ts, UNITS_OF_A_TIME, cancel) {
        *counts.entry(time(*ts?)).or_default() += 1;
    }
    let most = counts.values().max().copied().unwrap_or(0);
    if most as f64 >= MIN_SAME_TIME * prices.ts.len() as f64 {
        return Ok(None);
    }
    let Some(pair) = prices.ts.windows(2).find(|pair| time(pair[0]) != time(pair[1])) else {
        return Ok(None);
    };
    let hours = (time(pair[1]) - time(pair[0])) as f64 / HOUR;
    let share = 100.0 * most as f64 / prices.ts.len() as f64;
    let detail =
        format!("the time of day moves by {hours} hours; {share:.0} % of the stamps have the same one");
    Ok(Some(Finding::at(Kind::TimeShift, pair[1], hours, detail)))
}

fn unnoticed(calendar: &Calendar) -> usize {
    if calendar.frequency().periods_per_year() < COARSE { 0 } else { BARS_UNNOTICED }
}

/// How many bars there should have been between two times, neither counted; None for as many as go unnoticed, or none.
fn missing_between(calendar: &Calendar, from: Timestamp, to: Timestamp) -> Option<usize> {
    let unnoticed = unnoticed(calendar);
    let is_due = |ts: &Timestamp| {
        let frequency = calendar.frequency();
        *ts < to && frequency.bar(*ts) != frequency.bar(to)
    };
    let first = calendar.next(from, unnoticed + 1).ts;
    if first.len() <= unnoticed || !first.iter().all(is_due) {
        return None;
    }
    Some(calendar.next(from, MAX_COUNTED).ts.iter().take_while(|ts| is_due(ts)).count())
}

/// Where bars are missing.
pub(super) fn gaps(prices: &Prices, findings: &mut Findings, cancel: &Cancel) -> Result<()> {
    let mut between: Vec<i64> = prices.ts.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    if between.is_empty() || prices.calendar.frequency().is_irregular() {
        return Ok(());
    }
    cancel.check()?;
    work::count(5 * between.len());
    let middle = between.len() / 2;
    let usual = *between.select_nth_unstable(middle).1;
    // Asking the calendar takes longer than this comparison, which most neighbours end with.
    let worth_asking = usual.saturating_mul(unnoticed(&prices.calendar) as i64).max(usual + usual / 4);
    for pair in prices.ts.windows(2).filter(|pair| pair[1].0 - pair[0].0 > worth_asking) {
        cancel.check()?;
        work::count(unnoticed(&prices.calendar) * UNITS_OF_A_BAR);
        if let Some(missing) = missing_between(&prices.calendar, pair[0], pair[1]) {
            let many = if missing == MAX_COUNTED { "at least " } else { "" };
            let detail = format!("{many}{missing} bars are missing");
            work::count(missing * UNITS_OF_A_BAR);
            findings.push(Finding::at(Kind::Gap, pair[0], missing as f64, detail).until(pair[1]));
        }
    }
    Ok(())
}

/// The series ends before the newest price of all.
pub(super) fn ended(span: &Span, newest: Timestamp) -> Option<Finding> {
    let last = span.last;
    let days = (newest.0 - last.0) as f64 / (24.0 * HOUR);
    let missing = match span.calendar.frequency().is_irregular() {
        true => {
            let apart = (last.0 - span.first.0) as f64 / span.count as f64 / (24.0 * HOUR);
            (days > 20.0 * apart).then_some(())?;
            f64::NAN
        }
        false => missing_between(&span.calendar, last, newest)? as f64,
    };
    let detail = format!("the last price is {days:.0} days older than the newest of all tickers");
    Some(Finding::at(Kind::Ended, last, missing, detail).until(newest))
}
