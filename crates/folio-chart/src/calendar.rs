//! Times on an axis: where ticks stand and what they say. The calendar is the proleptic Gregorian one, as Postgres'.

/// Microseconds since 1970-01-01 00:00. It has no time zone: the shell converts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

const MINUTE: i64 = 60_000_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// Days in 400 years, after which the calendar repeats.
const DAYS_OF_CYCLE: i64 = 146_097;

/// Day 0 of 1970 counted from 0000-03-01. Years that start in March have their leap day last.
const EPOCH: i64 = 719_468;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Date {
    year: i64,
    /// 1 to 12.
    month: i64,
    /// 1 to 31.
    day: i64,
}

impl Date {
    /// The date of a day, counted from 1970-01-01.
    fn of(days: i64) -> Date {
        let days = days + EPOCH;
        let cycle = days.div_euclid(DAYS_OF_CYCLE);
        let day_of_cycle = days.rem_euclid(DAYS_OF_CYCLE);
        // Every 4 years (1,461 days), 100 years (36,524) and 400 years a day more or less than 365 a year.
        let year_of_cycle = (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524
            - day_of_cycle / (DAYS_OF_CYCLE - 1))
            / 365;
        let day_of_year = day_of_cycle - days_before(year_of_cycle);
        // From March on, months have 31, 30, 31, 30, 31 days and again: 153 in five.
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        Date { year: 400 * cycle + year_of_cycle + carry, month, day }
    }

    /// The day, counted from 1970-01-01.
    fn days(self) -> i64 {
        let (year, month) =
            if self.month > 2 { (self.year, self.month - 3) } else { (self.year - 1, self.month + 9) };
        let cycle = year.div_euclid(400);
        let day_of_year = (153 * month + 2) / 5 + self.day - 1;
        cycle * DAYS_OF_CYCLE + days_before(year.rem_euclid(400)) + day_of_year - EPOCH
    }
}

/// Days before a year of the cycle, years counted from March.
fn days_before(year: i64) -> i64 {
    365 * year + year / 4 - year / 100
}

impl Time {
    fn date(self) -> Date {
        Date::of(self.0.div_euclid(DAY))
    }

    /// The day in words: "28 Dec 2022", with spaces at which no line breaks.
    pub(crate) fn long(self) -> String {
        let Date { year, month, day } = self.date();
        format!("{day}\u{A0}{}\u{A0}{year}", MONTHS[(month - 1) as usize])
    }

    /// As a number on an axis.
    pub(crate) fn as_f64(self) -> f64 {
        self.0 as f64
    }
}

/// The distance of ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Micros(i64),
    /// Mondays.
    Week,
    Months(i64),
    Years(i64),
}

/// Every distance of ticks, rising.
pub(crate) const STEPS: [Step; 23] = [
    Step::Micros(5 * MINUTE),
    Step::Micros(15 * MINUTE),
    Step::Micros(HOUR),
    Step::Micros(3 * HOUR),
    Step::Micros(6 * HOUR),
    Step::Micros(12 * HOUR),
    Step::Micros(DAY),
    Step::Micros(2 * DAY),
    Step::Week,
    Step::Months(1),
    Step::Months(2),
    Step::Months(3),
    Step::Months(6),
    Step::Years(1),
    Step::Years(2),
    Step::Years(5),
    Step::Years(10),
    Step::Years(20),
    Step::Years(50),
    Step::Years(100),
    Step::Years(1_000),
    Step::Years(10_000),
    Step::Years(100_000),
];

impl Step {
    fn micros(self) -> i64 {
        match self {
            Step::Micros(micros) => micros,
            Step::Week => 7 * DAY,
            Step::Months(months) => months * 30 * DAY,
            Step::Years(years) => years * 365 * DAY,
        }
    }

    /// About how many ticks lie between two times.
    pub(crate) fn count(self, from: Time, to: Time) -> i64 {
        to.0.saturating_sub(from.0) / self.micros()
    }

    /// The tick at or before a time.
    fn floor(self, time: Time) -> Time {
        let date = time.date();
        match self {
            Step::Micros(micros) => Time(time.0 - time.0.rem_euclid(micros)),
            Step::Week => {
                // Day 0 was a Thursday, the fourth day of its week.
                let day = time.0.div_euclid(DAY);
                Time((day - (day + 3).rem_euclid(7)) * DAY)
            }
            Step::Months(months) => start_of(12 * date.year + date.month - 1, months),
            Step::Years(years) => start_of(12 * date.year, 12 * years),
        }
    }

    fn after(self, tick: Time) -> Time {
        let date = tick.date();
        match self {
            Step::Micros(micros) => Time(tick.0.saturating_add(micros)),
            Step::Week => Time(tick.0.saturating_add(7 * DAY)),
            Step::Months(months) => start_of(12 * date.year + date.month - 1 + months, months),
            Step::Years(years) => start_of(12 * (date.year + years), 12 * years),
        }
    }

    /// The ticks from one time to another, each with its label. A label names the larger unit where it changes.
    pub(crate) fn ticks(self, from: Time, to: Time) -> Vec<(Time, String)> {
        let mut tick = self.floor(from);
        if tick < from {
            tick = self.after(tick);
        }
        let mut ticks: Vec<(Time, String)> = Vec::new();
        loop {
            let before = ticks.last().map(|(time, _)| *time);
            // At the end of what a time can be, the next tick is not later.
            if tick > to || before.is_some_and(|before| tick <= before) {
                return ticks;
            }
            ticks.push((tick, self.label(tick, before)));
            tick = self.after(tick);
        }
    }

    fn label(self, tick: Time, before: Option<Time>) -> String {
        let Date { year, month, day } = tick.date();
        let month = MONTHS[(month - 1) as usize];
        let new_year = before.is_none_or(|before| before.date().year != year);
        let date = if new_year { format!("{day} {month} {year}") } else { format!("{day} {month}") };
        match self {
            Step::Years(_) => year.to_string(),
            Step::Months(_) if new_year => format!("{month} {year}"),
            Step::Months(_) => month.to_owned(),
            Step::Micros(micros) if micros < DAY => {
                if before.is_none_or(|before| before.date() != tick.date()) {
                    return if tick.0.rem_euclid(DAY) == 0 {
                        date
                    } else {
                        format!("{date} {}", clock(tick))
                    };
                }
                clock(tick)
            }
            Step::Micros(_) | Step::Week => date,
        }
    }
}

fn clock(time: Time) -> String {
    let minute = time.0.rem_euclid(DAY) / MINUTE;
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// The start of the period of `length` months in which a month lies, counted from year 0.
fn start_of(month: i64, length: i64) -> Time {
    let month = month - month.rem_euclid(length);
    let date = Date { year: month.div_euclid(12), month: month.rem_euclid(12) + 1, day: 1 };
    Time(date.days().saturating_mul(DAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counted day by day, with the rule of leap years as people know it.
    #[test]
    fn dates_follow_each_other() {
        let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let mut date = Date { year: 1599, month: 12, day: 31 };
        for day in date.days()..date.days() + 900 * 366 {
            assert_eq!(Date::of(day), date);
            assert_eq!(date.days(), day);
            let last = match date.month {
                2 => 28 + i64::from(is_leap(date.year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            date = match (date.day == last, date.month == 12) {
                (false, _) => Date { day: date.day + 1, ..date },
                (true, false) => Date { month: date.month + 1, day: 1, ..date },
                (true, true) => Date { year: date.year + 1, month: 1, day: 1 },
            };
        }
        assert_eq!(Date::of(0), Date { year: 1970, month: 1, day: 1 });
        assert_eq!(Date::of(-719_528), Date { year: 0, month: 1, day: 1 });
        // The end of Postgres' timestamps: Julian day 109,203,527; 1970 began at 2,440,588.
        assert_eq!(Date { year: 294_276, month: 12, day: 31 }.days(), 109_203_527 - 2_440_588);
    }

    fn labels(step: Step, from: (i64, i64, i64), to: (i64, i64, i64)) -> Vec<String> {
        let time = |(year, month, day)| Time(Date { year, month, day }.days() * DAY);
        step.ticks(time(from), time(to)).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn labels_name_the_larger_unit_where_it_changes() {
        let quarters = labels(Step::Months(3), (2021, 9, 15), (2022, 7, 1));
        assert_eq!(quarters, ["Oct 2021", "Jan 2022", "Apr", "Jul"]);
        assert_eq!(labels(Step::Week, (2022, 12, 22), (2023, 1, 9)), ["26 Dec 2022", "2 Jan 2023", "9 Jan"]);
        let hours = labels(Step::Micros(12 * HOUR), (2022, 12, 31), (2023, 1, 1));
        assert_eq!(hours, ["31 Dec 2022", "12:00", "1 Jan 2023"]);
        assert_eq!(labels(Step::Years(2), (2017, 1, 2), (2022, 5, 1)), ["2018", "2020", "2022"]);
    }

    #[test]
    fn weeks_start_on_mondays() {
        for day in -20..20 {
            let monday = Step::Week.floor(Time(day * DAY)).0 / DAY;
            // 1970-01-05 was a Monday.
            assert_eq!((monday - 4).rem_euclid(7), 0);
            assert!((0..7).contains(&(day - monday)));
        }
    }
}
