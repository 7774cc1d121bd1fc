//! When the next prices come: a frequency, and the days on which its market trades.

pub mod exchange;
pub mod zone;

use std::sync::Arc;

use self::exchange::Exchange;
use self::zone::{DAY, Wall, Zone, monday, weekday};
use crate::frequency::{Frequency, Pattern, Week, month_period, rounded, week_of};
use crate::price::Timestamp;
use crate::task::{Cancel, Cancelled};

/// How many of the newest days are compared with the exchanges' holidays: five years.
const COMPARED_DAYS: usize = 1_260;

/// How many days without a price it takes to know an exchange by its holidays: half a year of New York's.
const MIN_HOLIDAYS: usize = 4;

/// The share of the compared days on which an exchange may differ, and of the days without a price that it may not explain.
const MAX_DIFFERENT: f64 = 0.01;
const MAX_UNEXPLAINED: f64 = 0.34;

/// What is said about the days on which a market trades.
#[derive(Debug, Clone, Default)]
pub enum Told {
    /// Nothing: an exchange is known by its holidays, or else the week's pattern holds.
    #[default]
    Nothing,
    /// An exchange's calendar.
    Exchange(&'static Exchange),
    /// A list of trading days.
    Days {
        /// Its name.
        name: String,
        /// The days, counted from the epoch, rising.
        days: Arc<[i64]>,
    },
}

/// Where trading days are known from.
#[derive(Debug, Clone)]
enum Source {
    /// The weekdays of the frequency.
    Pattern,
    /// An exchange's sessions, told or known by its holidays.
    Exchange { exchange: &'static Exchange, told: bool },
    /// A list.
    Days { name: String, days: Arc<[i64]> },
}

/// The times of the steps of a forecast.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps {
    /// The times, rising; fewer than asked for where time itself ends, none of an irregular series.
    pub ts: Vec<Timestamp>,
    /// How many of them the calendar knows; the rest, beyond its end, follow the weekly pattern.
    pub known: usize,
}

/// When the next prices of a series come.
#[derive(Debug, Clone)]
pub struct Calendar {
    frequency: Frequency,
    source: Source,
}

impl Calendar {
    /// The calendar of a series with these times, which rise, and of what is told about it. Without a zone it is that of
    /// the exchange told, or the one that [`Frequency::infer`] finds.
    ///
    /// # Errors
    /// [`Cancelled`].
    pub fn of(
        stamps: &[Timestamp],
        zone: Option<&Zone>,
        told: Told,
        cancel: &Cancel,
    ) -> Result<Calendar, Cancelled> {
        let exchange_zone = match &told {
            Told::Exchange(exchange) if !are_dates(stamps) => Some(exchange.zone()),
            _ => None,
        };
        let frequency = Frequency::infer(stamps, zone.or(exchange_zone), cancel)?;
        let source = match told {
            Told::Exchange(exchange) => Source::Exchange { exchange, told: true },
            Told::Days { days, .. } if days.is_empty() => Source::Pattern,
            Told::Days { name, days } => Source::Days { name, days },
            Told::Nothing => match known_by_holidays(stamps, &frequency, cancel)? {
                Some(exchange) => Source::Exchange { exchange, told: false },
                None => Source::Pattern,
            },
        };
        Ok(Calendar { frequency, source })
    }

    /// How often the series has a price.
    pub fn frequency(&self) -> &Frequency {
        &self.frequency
    }

    /// The name of the calendar of trading days, if there is one, and whether it was told.
    pub fn name(&self) -> Option<(&str, bool)> {
        match &self.source {
            Source::Pattern => None,
            Source::Exchange { exchange, told } => Some((exchange.code(), *told)),
            Source::Days { name, .. } => Some((name, true)),
        }
    }

    /// The next `count` times after the bar of `last`.
    pub fn next(&self, last: Timestamp, count: usize) -> Steps {
        let wall = self.frequency.zone().wall(last);
        let mut ts = match self.frequency.pattern() {
            Pattern::Even { step } => self.even(last, wall, *step, count),
            Pattern::Week { slots, quantum } => self.of_week(wall, slots, *quantum, count),
            Pattern::Weeks { every, weekday, time, moves } => {
                let week = week_of(wall.day(), *weekday);
                let day = |step: i64| self.day_of_week(week + 7 * every * step, *weekday, *moves);
                self.spread(last, count, |step| Wall::at(day(step), *time))
            }
            Pattern::Months { every, phase, day, time } => {
                let month = month_period(wall.day(), *every, *phase, day);
                let trades = |day: i64, week: &Week| self.trades(day).unwrap_or(week[weekday(day)]);
                self.spread(last, count, |step| Wall::at(day.in_month(month + every * step, trades), *time))
            }
            Pattern::Irregular => Vec::new(),
        };
        // At the end of time the steps stand still, and where the clock goes forward two may fall on one.
        ts.dedup();
        let known = ts.partition_point(|&ts| self.knows(ts));
        Steps { ts, known }
    }

    /// Whether the calendar's trading days reach to this time.
    fn knows(&self, ts: Timestamp) -> bool {
        let day = self.frequency.zone().wall(ts).day();
        match &self.source {
            Source::Pattern => true,
            Source::Exchange { exchange, .. } => day <= *exchange.known().end(),
            Source::Days { days, .. } => days.last().is_some_and(|&last| day <= last),
        }
    }

    /// Whether the market trades on a day, where that is known.
    fn trades(&self, day: i64) -> Option<bool> {
        match &self.source {
            Source::Pattern => None,
            Source::Exchange { exchange, .. } => exchange.trades(day),
            Source::Days { days, .. } => {
                let known = days.first()? <= &day && &day <= days.last()?;
                known.then(|| days.binary_search(&day).is_ok())
            }
        }
    }

    /// Steps 1, 2, ... as times on the wall.
    fn spread(&self, last: Timestamp, count: usize, wall: impl Fn(i64) -> Wall) -> Vec<Timestamp> {
        let instant = |step: i64| self.frequency.zone().instant(wall(step));
        (1..).map(instant).skip_while(|ts| *ts <= last && *ts < Timestamp::LAST).take(count).collect()
    }

    fn even(&self, last: Timestamp, wall: Wall, step: i64, count: usize) -> Vec<Timestamp> {
        let times = 1..=count as i64;
        if step % DAY == 0 {
            return times
                .map(|k| self.frequency.zone().instant(Wall(wall.0.saturating_add(step.saturating_mul(k)))))
                .collect();
        }
        times.map(|k| Timestamp(last.0.saturating_add(step.saturating_mul(k)))).collect()
    }

    fn of_week(&self, last: Wall, slots: &[i64], quantum: i64, count: usize) -> Vec<Timestamp> {
        let last = rounded(last, quantum);
        let week = self.frequency.weekdays();
        let one_a_day = slots.len() == week.iter().filter(|&&trades| trades).count();
        // Where a day has one price, the next is another day's, whenever on its day the last one came.
        let begin = if one_a_day { last.day() + 1 } else { last.day() };
        let days = (begin..).filter(|&day| self.trades(day).unwrap_or(week[weekday(day)]));
        days.flat_map(|day| self.times_of_day(day, slots, &week))
            .skip_while(|wall| *wall <= last && wall.0 < i64::MAX)
            .map(|wall| self.frequency.zone().instant(wall))
            .take(count)
            .collect()
    }

    /// The times of a trading day; one of a weekday that the pattern lacks, which only a calendar knows, has those of the
    /// weekday before it. On a half day those after the close are left out.
    fn times_of_day<'a>(
        &self,
        day: i64,
        slots: &'a [i64],
        week: &Week,
    ) -> impl Iterator<Item = Wall> + use<'a> {
        let on = (0..7).map(|back| (weekday(day) + 7 - back) % 7).find(|&on| week[on]).unwrap_or(0) as i64;
        let from = slots.partition_point(|&slot| slot < on * DAY);
        let to = slots.partition_point(|&slot| slot < (on + 1) * DAY);
        let until = if to - from > 1 { self.half_day(day, &slots[from..to]) } else { DAY };
        slots[from..to]
            .iter()
            .map(move |slot| slot - on * DAY)
            .filter(move |&time| time < until)
            .map(move |time| Wall::at(day, time))
    }

    /// The time before which the bars of a day with an early close begin, or at which they end where the pattern has a
    /// bar at the ordinary close.
    fn half_day(&self, day: i64, slots: &[i64]) -> i64 {
        let Source::Exchange { exchange, .. } = &self.source else { return DAY };
        let Some(close) = exchange.early_close(day) else { return DAY };
        // The exchange's wall and the series' may differ.
        let here = self.frequency.zone().wall(exchange.zone().instant(Wall::at(day, close)));
        let usual =
            self.frequency.zone().wall(exchange.zone().instant(Wall::at(day, exchange.hours(day).close)));
        if here.day() != day {
            return DAY;
        }
        let at_the_end = slots.iter().any(|slot| slot % DAY == usual.time_of_day());
        here.time_of_day() + i64::from(at_the_end)
    }

    /// The day of a week's price: the trading day before the usual one if that is a holiday, or after it on Mondays.
    fn day_of_week(&self, week: i64, on: usize, moves: bool) -> i64 {
        let day = if on == 6 { week - 1 } else { week + on as i64 };
        if !moves || self.trades(day) != Some(false) {
            return day;
        }
        let is_open = |day: &i64| self.trades(*day) == Some(true);
        let other = if on == 0 {
            (day + 1..day + 5).find(is_open)
        } else {
            (day - on as i64..day).rev().find(is_open)
        };
        other.unwrap_or(day)
    }
}

/// Whether the stamps are dates: midnights in UTC.
fn are_dates(stamps: &[Timestamp]) -> bool {
    let recent = &stamps[stamps.len().saturating_sub(COMPARED_DAYS)..];
    recent.iter().filter(|ts| ts.0 % DAY == 0).count() as f64 >= 0.95 * recent.len() as f64
}

/// The exchange whose holidays are the days without a price, if there is one that explains them.
fn known_by_holidays(
    stamps: &[Timestamp],
    frequency: &Frequency,
    cancel: &Cancel,
) -> Result<Option<&'static Exchange>, Cancelled> {
    let week = frequency.weekdays();
    let Pattern::Week { .. } = frequency.pattern() else { return Ok(None) };
    if week == [true; 7] {
        return Ok(None);
    }
    let mut days = Vec::new();
    for ts in stamps.iter().rev() {
        let day = frequency.zone().wall(*ts).day();
        if days.last() != Some(&day) {
            days.push(day);
        }
        if days.len() == COMPARED_DAYS {
            break;
        }
    }
    days.reverse();
    let holidays = differences(&days, usize::MAX, |day| week[weekday(day)]);
    if holidays < MIN_HOLIDAYS {
        return Ok(None);
    }
    let allowed = (MAX_DIFFERENT * days.len() as f64 + 1.0).min(MAX_UNEXPLAINED * holidays as f64) as usize;
    let mut best = (allowed + 1, None);
    for exchange in Exchange::all() {
        cancel.check()?;
        let trades = |day| exchange.trades(day).unwrap_or(week[weekday(day)]);
        let different = differences(&days, best.0, trades);
        if different < best.0 {
            best = (different, Some(exchange));
        }
    }
    Ok(best.1)
}

/// On how many days a calendar and a series differ, counted until `enough`; weeks without any price, a halt for instance,
/// count for nothing.
fn differences(days: &[i64], enough: usize, trades: impl Fn(i64) -> bool) -> usize {
    let (Some(&first), Some(&last)) = (days.first(), days.last()) else { return 0 };
    let mut different = 0;
    for week in days.chunk_by(|a, b| monday(*a) == monday(*b)) {
        let start = monday(week[0]);
        let possible = start.max(first)..=(start + 6).min(last);
        different += possible.filter(|day| trades(*day) != week.binary_search(day).is_ok()).count();
        if different >= enough {
            break;
        }
    }
    different
}
