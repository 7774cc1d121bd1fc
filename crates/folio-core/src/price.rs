//! A price: its time, its number, and what may be wrong with it.

/// Microseconds since 1970-01-01 00:00 of the prices' own calendar. It has no time zone: the shell converts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

pub(crate) const MICROS_PER_DAY: i64 = 86_400_000_000;

impl Timestamp {
    /// Stands for no time and for minus infinity; no price may have it.
    pub const MIN: Timestamp = Timestamp(i64::MIN);

    /// Stands for infinity; no price may have it.
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// The last time that a price may have: two years before the end of the calendar, so that the days of the longest
    /// forecast are in it.
    pub const LAST: Timestamp = Timestamp(i64::MAX - 2 * 366 * MICROS_PER_DAY);

    /// The day, counted from the epoch.
    pub fn day(self) -> i64 {
        self.0.div_euclid(MICROS_PER_DAY)
    }

    /// The day in the calendar: year, month from 1 to 12, day from 1 to 31.
    pub fn date(self) -> (i64, u32, u32) {
        // Gregorian years begin on these days, counted from 1970-01-01.
        let begins = |year: i64| {
            let past = year - 1;
            365 * (year - 1970) + (past.div_euclid(4) - 492) - (past.div_euclid(100) - 19)
                + (past.div_euclid(400) - 4)
        };
        let day = self.day();
        // Not too late, since no year is longer or shorter; too early by a year in some hundreds.
        let guess = 1970 + day.div_euclid(366).min(day.div_euclid(365));
        let year = (guess..).find(|year| begins(year + 1) > day).unwrap_or(guess);
        let february = if begins(year + 1) - begins(year) == 366 { 29 } else { 28 };
        let (mut month, mut left) = (1, day - begins(year));
        for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
            if left < length {
                break;
            }
            left -= length;
            month += 1;
        }
        (year, month, left as u32 + 1)
    }

    /// The day as people write it: 2022-12-28.
    pub fn iso_date(self) -> String {
        let (year, month, day) = self.date();
        format!("{year}-{month:02}-{day:02}")
    }
}

/// A row of prices as read, before anything is checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriceRow {
    /// The time of the price.
    pub ts: Timestamp,
    /// The price.
    pub close: f64,
}

/// The price of this logarithm; one beyond the largest double, which only a bound can be, is said to be that double.
pub(crate) fn price_of_log(log: f64) -> f64 {
    log.exp().min(f64::MAX)
}

impl PriceRow {
    /// What is wrong with the row by itself.
    pub(crate) fn fault(self) -> Option<BadPriceReason> {
        let PriceRow { ts, close } = self;
        match close {
            _ if ts == Timestamp::MIN || ts > Timestamp::LAST => Some(BadPriceReason::NoTime),
            _ if close.is_nan() => Some(BadPriceReason::NotANumber),
            _ if close.is_infinite() => Some(BadPriceReason::Infinite),
            0.0 => Some(BadPriceReason::Zero),
            _ if close < 0.0 => Some(BadPriceReason::Negative),
            _ => None,
        }
    }
}

/// What is wrong with a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPriceReason {
    /// Not a number, or SQL's NULL.
    NotANumber,
    /// Infinite.
    Infinite,
    /// Zero.
    Zero,
    /// Under zero.
    Negative,
    /// A second row of the same time.
    Duplicate,
    /// No time, an infinite one, or one after [`Timestamp::LAST`].
    NoTime,
}

/// A price that no model may see, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BadPrice {
    /// The row.
    pub row: PriceRow,
    /// What is wrong with it.
    pub reason: BadPriceReason,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(day: i64) -> Timestamp {
        Timestamp(day * MICROS_PER_DAY)
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let date = |day: i64| on(day).date();
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(-1), (1969, 12, 31));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(19_354), (2022, 12, 28));
        assert_eq!(date(47_540), (2100, 2, 28));
        assert_eq!(date(47_541), (2100, 3, 1));
        assert_eq!(date(-719_162), (1, 1, 1));
    }
}
