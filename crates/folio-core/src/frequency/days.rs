//! The pattern of a series with at most one price a day.

use super::pattern::Pattern;
use super::share::{MIN_COVERAGE, MIN_FIT, median, mode};
use super::{month, week};
use crate::calendar::zone::{DAY, Wall, monday, weekday};

/// How many of the newest distances between two days show the pattern: a quarter of daily prices, five years of monthly.
const RECENT_GAPS: usize = 60;

/// The distances in days of prices that come every so many months.
const MONTHS: [(std::ops::RangeInclusive<i64>, i64); 6] =
    [(26..=33, 1), (57..=65, 2), (87..=96, 3), (117..=127, 4), (178..=188, 6), (355..=376, 12)];

pub(super) fn pattern(walls: &[Wall]) -> Pattern {
    let mut days: Vec<i64> = walls.iter().map(|wall| wall.day()).collect();
    days.dedup();
    let recent = &days[days.len().saturating_sub(RECENT_GAPS + 1)..];
    let gaps: Vec<i64> = recent.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let times = &walls[walls.len().saturating_sub(RECENT_GAPS + 1)..];
    let time = usual_time(times.iter());
    let Some(middle) = median(&gaps) else {
        // One day with two prices.
        return week::one_a_day(&week::trading_days(&days, false), time);
    };
    match middle {
        ..=6 => every_few_days(&days, recent, &gaps, walls, time),
        7 => weekly(recent, 1, time),
        8.. => monthly(recent, middle, time, false).or_else(|| regular(recent, &gaps, time)).unwrap_or_else(
            || {
                monthly(recent, middle, time, true)
                    .or_else(|| loose(recent, middle, time))
                    .unwrap_or(Pattern::Irregular)
            },
        ),
    }
}

/// The most frequent time of the day; the middle one where none is usual, as of feeds that stamp when a price came.
fn usual_time<'a>(walls: impl Iterator<Item = &'a Wall>) -> i64 {
    let times: Vec<i64> = walls.map(|wall| wall.time_of_day()).collect();
    match mode(&times) {
        Some((time, share)) if share >= 0.5 => time,
        // Of two, the older one: the newest may be the time of the last trade.
        Some(_) if times.len() == 2 => times[0],
        _ => median(&times).unwrap_or(0),
    }
}

/// Prices of some weekdays, or every two to six days.
fn every_few_days(days: &[i64], recent: &[i64], gaps: &[i64], walls: &[Wall], time: i64) -> Pattern {
    if let Some((gap, share)) = mode(gaps)
        && (2..=6).contains(&gap)
        && share >= MIN_FIT
        && gaps.len() >= 4
    {
        return Pattern::Even { step: gap * DAY };
    }
    let week = week::trading_days(days, false);
    let live = |day: &i64| recent.binary_search_by_key(&monday(*day), |&day| monday(day)).is_ok();
    let (first, last) = (recent[0], recent[recent.len() - 1]);
    // Halts and pauses of whole weeks are gaps, not days without a price.
    let possible = if last - first > 10_000 {
        0
    } else {
        (first..=last).filter(|day| week[weekday(*day)] && live(day)).count()
    };
    let present = recent.iter().filter(|&&day| week[weekday(day)]).count();
    let covers = possible == 0 || present as f64 >= MIN_COVERAGE * possible as f64;
    if !covers || (present as f64) < MIN_FIT * recent.len() as f64 {
        return Pattern::Irregular;
    }
    let slots = (0..7).filter(|&day| week[day]).map(|day| day as i64 * DAY + time_on(day, walls, time));
    Pattern::Week { slots: slots.collect(), quantum: 1 }
}

/// A weekday's own time of day, where it has had one for a month.
fn time_on(day: usize, walls: &[Wall], time: i64) -> i64 {
    let recent = &walls[walls.len().saturating_sub(RECENT_GAPS)..];
    let on_day = recent.iter().filter(|wall| weekday(wall.day()) == day);
    let times: Vec<i64> = on_day.map(|wall| wall.time_of_day()).collect();
    match mode(&times) {
        Some((own, share)) if share >= MIN_FIT && times.len() >= 4 => own,
        _ => time,
    }
}

/// Every so many weeks, on a weekday.
fn weekly(recent: &[i64], every: i64, time: i64) -> Pattern {
    let weekdays: Vec<i64> = recent.iter().map(|&day| weekday(day) as i64).collect();
    let Some((on, share)) = mode(&weekdays) else { return Pattern::Irregular };
    let on = on as usize;
    let weeks: Vec<i64> = recent.iter().map(|&day| week::week_of(day, on)).collect();
    let steps: Vec<i64> = weeks.windows(2).map(|pair| pair[1] - pair[0]).collect();
    match mode(&steps) {
        Some((step, regular)) if step == 7 * every && regular >= MIN_FIT && share >= MIN_COVERAGE => {
            // The last may be the day of the last trade.
            let moves = weekdays[..weekdays.len() - 1].iter().any(|&day| day != on as i64);
            Pattern::Weeks { every, weekday: on, time, moves }
        }
        _ => Pattern::Irregular,
    }
}

/// Equal distances: of whole weeks, or of days.
fn regular(recent: &[i64], gaps: &[i64], time: i64) -> Option<Pattern> {
    let (gap, share) = mode(gaps)?;
    if gap % 7 == 0 {
        let pattern = weekly(recent, gap / 7, time);
        return (pattern != Pattern::Irregular).then_some(pattern);
    }
    (share >= MIN_FIT && gaps.len() >= 3).then_some(Pattern::Even { step: gap * DAY })
}

fn monthly(recent: &[i64], gap: i64, time: i64, with_weekdays: bool) -> Option<Pattern> {
    let every = months(gap)?;
    let (phase, day) = month::rule(recent, every, with_weekdays)?;
    Some(Pattern::Months { every, phase, day, time })
}

fn loose(recent: &[i64], gap: i64, time: i64) -> Option<Pattern> {
    let every = months(gap)?;
    let (phase, day) = month::loose_rule(recent, every)?;
    Some(Pattern::Months { every, phase, day, time })
}

fn months(gap: i64) -> Option<i64> {
    MONTHS.iter().find(|(days, _)| days.contains(&gap)).map(|&(_, every)| every)
}
