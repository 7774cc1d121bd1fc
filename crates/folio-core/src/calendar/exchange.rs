//! The trading days of the common exchanges, as they ship.

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{LazyLock, OnceLock};

use super::zone::{SECOND, Zone, first_of, weekday};
use crate::{Error, Result};

/// What `bench/calendars/exchanges.py` writes and describes.
static DATA: &str = include_str!("exchanges.txt");

static EXCHANGES: LazyLock<Vec<Exchange>> = LazyLock::new(|| {
    let mut exchanges = Vec::new();
    let mut blocks = DATA.split("\nexchange ");
    // Before the first block is the file's own description.
    blocks.next();
    exchanges
        .extend(blocks.map(|block| Exchange::read(block).expect("exchanges.txt is as its script writes it")));
    exchanges
});

/// The hours of an exchange from a day on, in microseconds since midnight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// When it opens.
    pub open: i64,
    /// When it closes; for a market around the clock the same as `open`.
    pub close: i64,
    /// The lunch break.
    pub pause: Option<(i64, i64)>,
}

/// An exchange: its zone, and the days and hours on which it trades.
pub struct Exchange {
    code: &'static str,
    names: Vec<&'static str>,
    zone_name: &'static str,
    zone: OnceLock<Zone>,
    known: RangeInclusive<i64>,
    /// Whether it trades, from the first known day on.
    sessions: Vec<bool>,
    hours: Vec<(i64, Hours)>,
    early: HashMap<i64, i64>,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Exchange({})", self.code)
    }
}

impl Exchange {
    /// All of them, in the order of their file.
    pub fn all() -> &'static [Exchange] {
        &EXCHANGES
    }

    /// The exchange of this code or name, in any case of letters: XNYS, NYSE, Nasdaq.
    ///
    /// # Errors
    /// [`Error::UnknownName`].
    pub fn named(name: &str) -> Result<&'static Exchange> {
        let given = name.trim().replace([' ', '-'], "_");
        let is_it = |known: &str| known.eq_ignore_ascii_case(&given);
        let found = EXCHANGES
            .iter()
            .find(|exchange| is_it(exchange.code) || exchange.names.iter().any(|name| is_it(name)));
        found.ok_or_else(|| Error::UnknownName {
            kind: "calendar",
            name: name.to_owned(),
            valid: EXCHANGES.iter().map(|exchange| exchange.code.to_owned()).collect(),
        })
    }

    /// Its code: that of ISO 10383, 24/5 or 24/7.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The zone of its days and hours.
    pub fn zone(&self) -> &Zone {
        self.zone.get_or_init(|| Zone::named(self.zone_name).unwrap_or_else(|_| Zone::utc()))
    }

    /// The days, counted from the epoch, for which its sessions are known.
    pub fn known(&self) -> RangeInclusive<i64> {
        self.known.clone()
    }

    /// Whether it trades on a day; nothing where that is not known.
    pub fn trades(&self, day: i64) -> Option<bool> {
        let index = usize::try_from(day.checked_sub(*self.known.start())?).ok()?;
        self.sessions.get(index).copied()
    }

    /// When it closes on a day on which it closes early, in microseconds since midnight.
    pub fn early_close(&self, day: i64) -> Option<i64> {
        self.early.get(&day).copied()
    }

    /// Its ordinary hours on a day.
    pub fn hours(&self, day: i64) -> &Hours {
        let past = self.hours.partition_point(|&(since, _)| since <= day);
        &self.hours[past.saturating_sub(1)].1
    }

    fn read(block: &'static str) -> Option<Exchange> {
        let mut lines = block.lines().map(|line| line.split(' '));
        let mut head = lines.next()?;
        let (code, zone_name) = (head.next()?, head.next()?);
        let known = day_of(head.next()?)?..=day_of(head.next()?)?;
        let mut exchange = Exchange {
            code,
            names: Vec::new(),
            zone_name,
            zone: OnceLock::new(),
            sessions: vec![false; usize::try_from(known.end() - known.start() + 1).ok()?],
            known,
            hours: Vec::new(),
            early: HashMap::new(),
        };
        for mut words in lines {
            exchange.read_line(&mut words)?;
        }
        (!exchange.hours.is_empty()).then_some(exchange)
    }

    fn read_line(&mut self, words: &mut std::str::Split<'static, char>) -> Option<()> {
        let start = *self.known.start();
        match words.next()? {
            "alias" => self.names = words.collect(),
            "week" => {
                let (since, mask) = (day_of(words.next()?)?, words.next()?.as_bytes());
                for (index, trades) in self.sessions.iter_mut().enumerate().skip((since - start) as usize) {
                    *trades = *mask.get(weekday(start + index as i64))? == b'1';
                }
            }
            "hours" => {
                let since = day_of(words.next()?)?;
                let (open, close) = (time_of(words.next()?)?, time_of(words.next()?)?);
                let pause = words.next().and_then(time_of).zip(words.next().and_then(time_of));
                self.hours.push((since, Hours { open, close, pause }));
            }
            kind @ ("closed" | "extra") => {
                for day in days_of(words)? {
                    *self.sessions.get_mut((day - start) as usize)? = kind == "extra";
                }
            }
            "early" => {
                let close = time_of(words.next()?)?;
                self.early.extend(days_of(words)?.into_iter().map(|day| (day, close)));
            }
            // The empty line between two exchanges.
            _ => (),
        }
        Some(())
    }
}

/// A day as 2022-12-28.
fn day_of(text: &str) -> Option<i64> {
    let mut parts = text.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    Some(first_of(12 * year + month - 1) + day - 1)
}

/// A year, then days of it as MMDD.
fn days_of(words: &mut std::str::Split<'static, char>) -> Option<Vec<i64>> {
    let year = words.next()?.parse::<i64>().ok()?;
    words
        .map(|word| word.parse::<i64>().ok().map(|day| first_of(12 * year + day / 100 - 1) + day % 100 - 1))
        .collect()
}

/// A time as HHMM.
fn time_of(text: &str) -> Option<i64> {
    let number = text.parse::<i64>().ok()?;
    Some((number / 100 * 60 + number % 100) * 60 * SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_exchanges_are_read() {
        assert_eq!(Exchange::all().len(), 32);
        for exchange in Exchange::all() {
            assert_eq!(exchange.zone().name(), exchange.zone_name);
            let days = exchange.sessions.len() as f64 / 365.25;
            let sessions = exchange.sessions.iter().filter(|&&trades| trades).count() as f64 / days;
            assert!((230.0..=366.0).contains(&sessions), "{} {sessions}", exchange.code);
        }
        assert_eq!(Exchange::named("nasdaq").unwrap().code(), "XNYS");
        assert_eq!(Exchange::named("Hong Kong").unwrap().code(), "XHKG");
        assert!(matches!(Exchange::named("XXXX"), Err(Error::UnknownName { .. })));
    }

    #[test]
    fn known_days_of_known_exchanges() {
        let trades = |name: &str, day: &str| Exchange::named(name).unwrap().trades(day_of(day).unwrap());
        // Presidents died, the towers fell, a hurricane came; the year began.
        for day in ["2018-12-05", "2001-09-11", "2012-10-29", "2023-01-02", "2022-12-26"] {
            assert_eq!(trades("NYSE", day), Some(false), "{day}");
        }
        assert_eq!(trades("NYSE", "2022-12-28"), Some(true));
        // Sundays until the week changed in 2026, Fridays since.
        assert_eq!((trades("TASE", "2025-12-28"), trades("TASE", "2025-12-26")), (Some(true), Some(false)));
        assert_eq!((trades("TASE", "2026-01-11"), trades("TASE", "2026-01-16")), (Some(false), Some(true)));
        assert_eq!(trades("BSE", "2025-02-01"), Some(true));
        assert_eq!((trades("SSE", "2026-10-01"), trades("SSE", "2027-10-01")), (Some(false), None));
        let nyse = Exchange::named("NYSE").unwrap();
        assert_eq!(nyse.early_close(day_of("2022-11-25").unwrap()), time_of("1300"));
        let tokyo = Exchange::named("TSE").unwrap();
        assert_eq!(tokyo.hours(day_of("2024-11-04").unwrap()).close, time_of("1500").unwrap());
        assert_eq!(tokyo.hours(day_of("2024-11-05").unwrap()).close, time_of("1530").unwrap());
        assert!(tokyo.hours(day_of("2022-01-05").unwrap()).pause.is_some());
    }
}
