//! The patterns that times can follow.

use crate::calendar::zone::{first_of, month_of, weekday};

/// Which weekdays trade, Monday first.
pub(crate) type Week = [bool; 7];

pub(crate) const MONDAY_TO_FRIDAY: Week = [true, true, true, true, true, false, false];
pub(crate) const SUNDAY_TO_THURSDAY: Week = [true, true, true, true, false, false, true];
pub(crate) const SATURDAY_TO_WEDNESDAY: Week = [true, true, true, false, false, true, true];

/// The day of a month on which a price falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MonthDay {
    /// The last.
    Last,
    /// The last trading day, of this week where no holidays are known.
    LastTrading(Week),
    /// The 30th, or February's last: the month ends of 30/360.
    Last30,
    /// The first.
    First,
    /// The first trading day.
    FirstTrading(Week),
    /// A day of its own, or the last of a month that is shorter.
    Day(i64),
    /// The n-th of a weekday: the third Friday.
    Nth(usize, i64),
    /// The last of a weekday.
    LastOf(usize),
}

impl MonthDay {
    /// The day in a month, where `trades` knows the trading days of a market with the usual week.
    pub(crate) fn in_month(self, month: i64, trades: impl Fn(i64, &Week) -> bool) -> i64 {
        let (first, next) = (first_of(month), first_of(month + 1));
        match self {
            MonthDay::Last => next - 1,
            MonthDay::LastTrading(week) => {
                (first..next).rev().find(|&day| trades(day, &week)).unwrap_or(next - 1)
            }
            MonthDay::Last30 => (first + 29).min(next - 1),
            MonthDay::First => first,
            MonthDay::FirstTrading(week) => (first..next).find(|&day| trades(day, &week)).unwrap_or(first),
            MonthDay::Day(day) => (first + day - 1).min(next - 1),
            MonthDay::Nth(on, nth) => first + (on + 7 - weekday(first)) as i64 % 7 + 7 * (nth - 1),
            MonthDay::LastOf(on) => next - 1 - (weekday(next - 1) + 7 - on) as i64 % 7,
        }
    }

    pub(super) fn by_weekdays(self, month: i64) -> i64 {
        self.in_month(month, |day, week| week[weekday(day)])
    }

    /// Whether this day is the one of its month, holidays aside.
    pub(super) fn falls_on(self, day: i64) -> bool {
        self.by_weekdays(month_of(day).0) == day
    }

    /// Whether it opens the period that it stands for rather than closing it.
    pub(super) fn opens(self) -> bool {
        matches!(self, MonthDay::First | MonthDay::FirstTrading(_))
    }
}

/// The times at which a series has its prices.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pattern {
    /// One every `step` microseconds: of elapsed time, or on the wall where it is a number of days.
    Even {
        /// The step.
        step: i64,
    },
    /// The same times every week, in microseconds since Monday 00:00 on the wall, rising.
    Week {
        /// The times.
        slots: Vec<i64>,
        /// What the stamps are rounded to: late feeds stamp 14:00:03.
        quantum: i64,
    },
    /// One day every so many weeks.
    Weeks {
        /// How many weeks.
        every: i64,
        /// The weekday, Monday 0.
        weekday: usize,
        /// The time of day.
        time: i64,
        /// Whether it moves to a trading day where the weekday is a holiday.
        moves: bool,
    },
    /// One day every so many months.
    Months {
        /// How many months.
        every: i64,
        /// Which months: their number's remainder by `every`.
        phase: i64,
        /// The day of the month.
        day: MonthDay,
        /// The time of day.
        time: i64,
    },
    /// None.
    Irregular,
}
