//! What is odd about the times of prices.

use std::collections::HashMap;

use super::{Finding, Kind, Prices};
use crate::Result;
use crate::price::Timestamp;
use crate::task::Cancel;

/// The share of stamps that fit under which a series is said to be irregular.
const MIN_FIT: f64 = 0.9;

/// Missing bars in one place that nobody is told of: exchanges have closed for four days (September 2001). Of weeks and
/// months none.
const BARS_UNNOTICED: usize = 5;

/// How many bars of a gap are counted.
const MAX_COUNTED: usize = 10_000;

/// The share of a daily series' stamps with one time of day under which the others are a finding: half days are less.
const MIN_SAME_TIME: f64 = 0.95;

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
pub(super) fn shifted(prices: &Prices) -> Option<Finding> {
    let frequency = prices.calendar.frequency();
    if frequency.name() != "daily" {
        return None;
    }
    let time = |ts: Timestamp| frequency.zone().wall(ts).time_of_day();
    let mut counts: HashMap<i64, usize> = HashMap::new();
    for &ts in &prices.ts {
        *counts.entry(time(ts)).or_default() += 1;
    }
    let most = counts.values().max().copied().unwrap_or(0);
    if most as f64 >= MIN_SAME_TIME * prices.ts.len() as f64 {
        return None;
    }
    let pair = prices.ts.windows(2).find(|pair| time(pair[0]) != time(pair[1]))?;
    let hours = (time(pair[1]) - time(pair[0])) as f64 / HOUR;
    let share = 100.0 * most as f64 / prices.ts.len() as f64;
    let detail =
        format!("the time of day moves by {hours} hours; {share:.0} % of the stamps have the same one");
    Some(Finding::at(Kind::TimeShift, pair[1], hours, detail))
}

fn unnoticed(prices: &Prices) -> usize {
    if prices.is_coarse() { 0 } else { BARS_UNNOTICED }
}

/// How many bars there should have been between two times, neither counted; None for as many as go unnoticed, or none.
fn missing_between(prices: &Prices, from: Timestamp, to: Timestamp) -> Option<usize> {
    let unnoticed = unnoticed(prices);
    let is_due = |ts: &Timestamp| {
        let frequency = prices.calendar.frequency();
        *ts < to && frequency.bar(*ts) != frequency.bar(to)
    };
    let first = prices.calendar.next(from, unnoticed + 1).ts;
    if first.len() <= unnoticed || !first.iter().all(is_due) {
        return None;
    }
    Some(prices.calendar.next(from, MAX_COUNTED).ts.iter().take_while(|ts| is_due(ts)).count())
}

/// Where bars are missing.
pub(super) fn gaps(prices: &Prices, cancel: &Cancel) -> Result<Vec<Finding>> {
    let mut between: Vec<i64> = prices.ts.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    if between.is_empty() || prices.calendar.frequency().is_irregular() {
        return Ok(Vec::new());
    }
    let middle = between.len() / 2;
    let usual = *between.select_nth_unstable(middle).1;
    // Asking the calendar takes longer than this comparison, which most neighbours end with.
    let worth_asking = usual.saturating_mul(unnoticed(prices) as i64).max(usual + usual / 4);
    let mut findings = Vec::new();
    for pair in prices.ts.windows(2).filter(|pair| pair[1].0 - pair[0].0 > worth_asking) {
        cancel.check()?;
        if let Some(missing) = missing_between(prices, pair[0], pair[1]) {
            let many = if missing == MAX_COUNTED { "at least " } else { "" };
            let detail = format!("{many}{missing} bars are missing");
            findings.push(Finding::at(Kind::Gap, pair[0], missing as f64, detail).until(pair[1]));
        }
    }
    Ok(findings)
}

/// The series ends before the newest price of all.
pub(super) fn ended(prices: &Prices, newest: Timestamp) -> Option<Finding> {
    let last = *prices.ts.last()?;
    let days = (newest.0 - last.0) as f64 / (24.0 * HOUR);
    let missing = match prices.calendar.frequency().is_irregular() {
        true => {
            let span = (last.0 - prices.ts.first()?.0) as f64 / prices.ts.len() as f64 / (24.0 * HOUR);
            (days > 20.0 * span).then_some(())?;
            f64::NAN
        }
        false => missing_between(prices, last, newest)? as f64,
    };
    let detail = format!("the last price is {days:.0} days older than the newest of all tickers");
    Some(Finding::at(Kind::Ended, last, missing, detail).until(newest))
}
