//! The pattern of a week: which weekdays trade, and at which times of the day.

use std::collections::BTreeMap;

use super::pattern::{MONDAY_TO_FRIDAY, Pattern, SATURDAY_TO_WEDNESDAY, SUNDAY_TO_THURSDAY, Week};
use super::share::{MIN_COVERAGE, MIN_FIT, mode};
use crate::calendar::zone::{DAY, SECOND, Wall, monday, weekday};

/// How much less likely a week is before anything was seen of it, as logarithms: the weeks that many markets have, then
/// any other.
const WEEKS: [(Week, f64); 4] =
    [(MONDAY_TO_FRIDAY, 0.0), ([true; 7], -1.0), (SUNDAY_TO_THURSDAY, -2.0), (SATURDAY_TO_WEDNESDAY, -2.0)];
const OTHER_WEEK: f64 = -6.0;

/// How often a trading day has no price at least (holidays), and a day without trading has one at most (strays).
const MAX_PRESENT: f64 = 0.97;
const STRAY: f64 = 0.01;

/// A week counts half as much as that four weeks later, so that a market that changed its week, as Tel Aviv did in 2026,
/// is known by it after a month; beyond a year nothing is left to count.
const WEEK_DECAY: f64 = 0.840_896_415_253_714_5;
const MAX_WEEKS: usize = 52;

/// A day's hours count half as much as those ten trading days later: half days count little, new hours soon.
const DAY_DECAY: f64 = 0.933_032_991_536_807_4;

/// How many days of the week's other weekdays stand in for one that was hardly seen.
const POOL_DAYS: f64 = 1.0;

/// A time of day belongs to the pattern if it has a bar at least half as often as the most frequent one.
const MIN_SLOT: f64 = 0.5;

/// One price a day, at this time.
pub(super) fn one_a_day(week: &Week, time: i64) -> Pattern {
    let days = (0..7).filter(|&day| week[day]);
    Pattern::Week { slots: days.map(|day| day as i64 * DAY + time).collect(), quantum: 1 }
}

/// The weekdays of these times of the week.
pub(crate) fn days_of(slots: &[i64]) -> Week {
    let mut week = [false; 7];
    for slot in slots {
        week[(slot / DAY) as usize] = true;
    }
    week
}

/// The most frequent distance within a day; none where a day has one price.
pub(super) fn spacing(slots: &[i64]) -> Option<i64> {
    let same_day = slots.windows(2).filter(|pair| pair[0] / DAY == pair[1] / DAY);
    mode(&same_day.map(|pair| pair[1] - pair[0]).collect::<Vec<_>>()).map(|(spacing, _)| spacing)
}

/// A time rounded to a quantum: up to three quarters of it late, one quarter early.
pub(crate) fn rounded(wall: Wall, quantum: i64) -> Wall {
    Wall(wall.0.saturating_add(quantum / 4).div_euclid(quantum).saturating_mul(quantum))
}

/// Whether a stamp is one of the pattern's; where a day has one price, whether its day is.
pub(super) fn fits(slots: &[i64], quantum: i64, wall: Wall) -> bool {
    let wall = rounded(wall, quantum);
    let day = weekday(wall.day()) as i64 * DAY;
    let from = slots.partition_point(|&slot| slot < day);
    let to = slots.partition_point(|&slot| slot < day + DAY);
    to == from + 1 || slots[from..to].binary_search(&(day + wall.time_of_day())).is_ok()
}

/// The Monday of the week that a day belongs to, where its price falls on this weekday: weeks of Monday to Sunday, since
/// holidays move a Friday to Thursday and a Monday to Tuesday; of Sunday to Saturday for a price on Sundays.
pub(crate) fn week_of(day: i64, on: usize) -> i64 {
    monday(day + i64::from(on == 6))
}

/// The weekdays that trade, of days that rise. Weeks without any price count for nothing: they are gaps.
pub(super) fn trading_days(days: &[i64], around_the_clock: bool) -> Week {
    let (Some(&first), Some(&last)) = (days.first(), days.last()) else { return MONDAY_TO_FRIDAY };
    let (mut possible, mut present, mut weight) = ([0.0; 7], [0.0; 7], 1.0);
    for week in days.rchunk_by_monday().take(MAX_WEEKS) {
        let start = monday(week[0]);
        for day in start.max(first)..=(start + 6).min(last) {
            possible[weekday(day)] += weight;
        }
        for &day in week {
            present[weekday(day)] += weight;
        }
        weight *= WEEK_DECAY;
    }
    let mut best = (f64::NEG_INFINITY, MONDAY_TO_FRIDAY);
    for bits in 1u8..128 {
        let week: Week = std::array::from_fn(|day| bits >> day & 1 == 1);
        let likelihood = likelihood(&week, &possible, &present) + prior(&week, around_the_clock);
        if likelihood > best.0 {
            best = (likelihood, week);
        }
    }
    best.1
}

fn prior(week: &Week, around_the_clock: bool) -> f64 {
    // What trades day and night, trades at weekends more often than not.
    if around_the_clock && *week == [true; 7] {
        return 1.0;
    }
    WEEKS.iter().find(|(known, _)| known == week).map_or(OTHER_WEEK, |&(_, prior)| prior)
}

fn likelihood(week: &Week, possible: &[f64; 7], present: &[f64; 7]) -> f64 {
    let sum = |counts: &[f64; 7], trades: bool| {
        (0..7).filter(|&d| week[d] == trades).map(|d| counts[d]).sum::<f64>()
    };
    let (days, prices) = (sum(possible, true), sum(present, true));
    let share = (prices / days.max(f64::MIN_POSITIVE)).clamp(0.05, MAX_PRESENT);
    let (free, strays) = (sum(possible, false), sum(present, false));
    prices * share.ln()
        + (days - prices) * (1.0 - share).ln()
        + strays * STRAY.ln()
        + (free - strays) * (1.0 - STRAY).ln()
}

/// Groups of a slice from its end.
trait Weeks {
    /// The days of each week, newest week first.
    fn rchunk_by_monday(&self) -> impl Iterator<Item = &[i64]>;
}

impl Weeks for [i64] {
    fn rchunk_by_monday(&self) -> impl Iterator<Item = &[i64]> {
        let mut rest = self;
        std::iter::from_fn(move || {
            let start = monday(*rest.last()?);
            let (before, week) = rest.split_at(rest.partition_point(|&day| day < start));
            rest = before;
            Some(week)
        })
    }
}

/// The pattern of bars within the day, rounded to a quantum; nothing where they do not repeat. `from_the_start` says that
/// the first day may lack its morning; the last may always lack its evening.
pub(super) fn pattern(walls: &[Wall], quantum: i64, from_the_start: bool) -> Option<Pattern> {
    let walls: Vec<Wall> = walls.iter().map(|&wall| rounded(wall, quantum)).collect();
    let bars: Vec<&[Wall]> = walls.chunk_by(|a, b| a.day() == b.day()).collect();
    let days: Vec<i64> = bars.iter().map(|bars| bars[0].day()).collect();
    let counts = Counts::of(&bars, from_the_start);
    let most = counts.most();
    let times = || counts.pooled.keys().copied();
    let frequent = times().filter(|&time| counts.share(time) >= MIN_SLOT * most);
    let around_the_clock = spans_the_day(&frequent.collect::<Vec<_>>());
    let week = trading_days(&days, around_the_clock);
    let mut slots = Vec::new();
    for day in (0..7).filter(|&day| week[day]) {
        let on_day = times().filter(|&time| counts.share_on(day, time) >= MIN_SLOT * most);
        slots.extend(on_day.map(|time| day as i64 * DAY + time));
    }
    let fit = walls.iter().filter(|&&wall| fits(&slots, 1, wall)).count() as f64 / walls.len() as f64;
    // Times that never come again, of ticks for instance, fit a pattern of themselves.
    let coverage =
        walls.iter().map(|wall| counts.share(wall.time_of_day())).sum::<f64>() / walls.len() as f64;
    (fit >= MIN_FIT && coverage >= MIN_COVERAGE).then_some(Pattern::Week { slots, quantum })
}

/// Whether these times of the day have no gap of more than a sixth of it.
fn spans_the_day(times: &[i64]) -> bool {
    let (Some(&first), Some(&last)) = (times.first(), times.last()) else { return false };
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(DAY);
    longest.max(first + DAY - last) <= 4 * 3600 * SECOND
}

/// How often each time of the day has a bar, newer days weighing more.
struct Counts {
    pooled: BTreeMap<i64, f64>,
    by_weekday: BTreeMap<(usize, i64), f64>,
    total: f64,
    total_by_weekday: [f64; 7],
    /// Weekday, weight and first and last time of the days that may not be whole.
    first: Option<(usize, f64, i64)>,
    last: (usize, f64, i64),
}

impl Counts {
    fn of(bars: &[&[Wall]], from_the_start: bool) -> Counts {
        let mut counts = Counts {
            pooled: BTreeMap::new(),
            by_weekday: BTreeMap::new(),
            total: 0.0,
            total_by_weekday: [0.0; 7],
            first: None,
            last: (0, 0.0, 0),
        };
        let mut weight = 1.0;
        for (age, day) in bars.iter().rev().enumerate() {
            let on = weekday(day[0].day());
            for time in day.iter().map(|wall| wall.time_of_day()) {
                *counts.pooled.entry(time).or_default() += weight;
                *counts.by_weekday.entry((on, time)).or_default() += weight;
            }
            counts.total += weight;
            counts.total_by_weekday[on] += weight;
            if age == 0 {
                counts.last = (on, weight, day[day.len() - 1].time_of_day());
            }
            if age + 1 == bars.len() && from_the_start {
                counts.first = Some((on, weight, day[0].time_of_day()));
            }
            weight *= DAY_DECAY;
        }
        counts
    }

    /// The weight of days that could have had a bar at this time.
    fn possible(&self, time: i64, on: Option<usize>) -> f64 {
        let of_weekday = |day: usize| on.is_none_or(|on| on == day);
        let mut possible = on.map_or(self.total, |on| self.total_by_weekday[on]);
        let (day, weight, until) = self.last;
        if of_weekday(day) && time > until {
            possible -= weight;
        }
        if let Some((day, weight, since)) = self.first
            && of_weekday(day)
            && time < since
        {
            possible -= weight;
        }
        possible
    }

    /// The share of days with a bar at this time.
    fn share(&self, time: i64) -> f64 {
        let seen = self.pooled.get(&time).copied().unwrap_or(0.0);
        seen / self.possible(time, None).max(f64::MIN_POSITIVE)
    }

    /// The same of one weekday, leaning on the others as long as it was hardly seen.
    fn share_on(&self, day: usize, time: i64) -> f64 {
        let seen = self.by_weekday.get(&(day, time)).copied().unwrap_or(0.0);
        (seen + POOL_DAYS * self.share(time)) / (self.possible(time, Some(day)) + POOL_DAYS)
    }

    fn most(&self) -> f64 {
        self.pooled.keys().map(|&time| self.share(time)).fold(0.0, f64::max)
    }
}
