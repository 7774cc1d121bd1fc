//! Time zones: instants and the times on the wall of a market.

use std::fmt;
use std::sync::Arc;

use jiff::tz::TimeZoneDatabase;

use crate::price::Timestamp;
use crate::{Error, Result};

/// Microseconds of a second.
pub(crate) const SECOND: i64 = 1_000_000;

/// Microseconds of a day of 24 hours.
pub(crate) const DAY: i64 = 86_400 * SECOND;

/// The years between which changes of the clock are known, as seconds from 1970: 1900 to 2150. Before and after them the
/// offset stays as it is at the edge, since no rule of today is that old nor will live that long.
const KNOWN: (i64, i64) = (-2_208_988_800, 5_680_281_600);

/// A time on the wall: microseconds since 1970-01-01 00:00 there. It exists twice when the clock goes back, and between
/// two others there is none when it goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub i64);

impl Wall {
    /// This time of this day, both counted from 1970-01-01 00:00.
    pub(crate) fn at(day: i64, time_of_day: i64) -> Wall {
        Wall(day.saturating_mul(DAY).saturating_add(time_of_day))
    }

    /// The day, counted from the epoch.
    pub fn day(self) -> i64 {
        self.0.div_euclid(DAY)
    }

    /// Microseconds since midnight on the wall.
    pub fn time_of_day(self) -> i64 {
        self.0.rem_euclid(DAY)
    }
}

/// The weekday of a day counted from the epoch, Monday 0: day 0 was a Thursday.
pub(crate) fn weekday(day: i64) -> usize {
    (day + 3).rem_euclid(7) as usize
}

/// The Monday of a day's week.
pub(crate) fn monday(day: i64) -> i64 {
    day - weekday(day) as i64
}

/// A day's year and month as one number, and the day of the month from 1.
pub(crate) fn month_of(day: i64) -> (i64, i64) {
    let (year, month, of_month) = Wall::at(day, 0).date();
    (12 * year + i64::from(month) - 1, i64::from(of_month))
}

/// The first day of a month, which is numbered as by [`month_of`].
pub(crate) fn first_of(month: i64) -> i64 {
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12));
    // Years that begin in March have their leap day at the end.
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    days + (153 * month + 2) / 5 - 719_468
}

impl Wall {
    /// Year, month from 1 and day of the month.
    fn date(self) -> (i64, u32, u32) {
        Timestamp(self.0).date()
    }
}

/// A zone of the IANA database, in the edition that is compiled in: the same numbers on every machine.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    /// The offset before the first change, in microseconds east of Greenwich.
    first: i64,
    /// When the clock changes, and the offset from then on.
    changes: Arc<[(i64, i64)]>,
}

impl fmt::Debug for Zone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Zone({})", self.name)
    }
}

impl Zone {
    /// The zone of dates and of times without a zone: their calendar is their own.
    pub fn utc() -> Zone {
        Zone { name: "UTC".to_owned(), first: 0, changes: Arc::new([]) }
    }

    /// The zone of this name, for instance `America/New_York`, in any case of letters.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where the database has no such name.
    pub fn named(name: &str) -> Result<Zone> {
        // The bundled database by its name: jiff's own default would look into the system where another package of the
        // build asks for that.
        let zone = TimeZoneDatabase::bundled().get(name).map_err(|_| Error::InvalidArgument {
            argument: "time zone",
            value: name.chars().take(64).collect(),
            expected: "a name of the IANA database, for instance America/New_York".to_owned(),
        })?;
        let [begin, end] =
            [KNOWN.0, KNOWN.1].map(|second| jiff::Timestamp::from_second(second).unwrap_or_default());
        let offset = |seconds: i32| i64::from(seconds) * SECOND;
        let changes = zone
            .following(begin)
            .take_while(|change| change.timestamp() < end)
            .map(|change| (change.timestamp().as_microsecond(), offset(change.offset().seconds())))
            .collect();
        let first = offset(zone.to_offset(begin).seconds());
        Ok(Zone { name: zone.iana_name().unwrap_or(name).to_owned(), first, changes })
    }

    /// The name in the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the wall shows at this instant.
    pub fn wall(&self, ts: Timestamp) -> Wall {
        Wall(ts.0.saturating_add(self.offset(ts.0)))
    }

    /// The instant of a time on the wall: the earlier of two; of a time that the clock leaps over, as much after the leap
    /// as it is after the leap's begin.
    pub fn instant(&self, wall: Wall) -> Timestamp {
        let [before, after] =
            [wall.0.saturating_sub(DAY), wall.0.saturating_add(DAY)].map(|near| self.offset(near));
        let by = |offset: i64| wall.0.saturating_sub(offset);
        let holds = |offset: i64| self.offset(by(offset)) == offset;
        let offset = if !holds(before) && holds(after) { after } else { before };
        Timestamp(by(offset))
    }

    fn offset(&self, micros: i64) -> i64 {
        match self.changes.partition_point(|&(since, _)| since <= micros) {
            0 => self.first,
            past => self.changes[past - 1].1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_on_their_first_day() {
        for month in (12 * 1600)..(12 * 2500) {
            assert_eq!(month_of(first_of(month)), (month, 1));
            assert_eq!(month_of(first_of(month) - 1).0, month - 1);
        }
        assert_eq!((weekday(19_354), monday(19_354)), (2, 19_352));
    }

    #[test]
    fn the_wall_follows_summer_time_and_back() {
        let zone = Zone::named("america/new_york").unwrap();
        assert_eq!(zone.name(), "America/New_York");
        let hour = |day: i64, hour: i64| Timestamp(day * DAY + hour * 3600 * SECOND);
        // 2022-11-06: at 06:00Z the clock goes from 02:00 back to 01:00.
        let day = 19_302;
        let walls: Vec<i64> =
            (4..8).map(|h| zone.wall(hour(day, h)).0 / (3600 * SECOND) - day * 24).collect();
        assert_eq!(walls, [0, 1, 1, 2]);
        assert_eq!(zone.instant(Wall::at(day, 3600 * SECOND)), hour(day, 5));
        // 2022-03-13: at 07:00Z from 02:00 to 03:00.
        let day = 19_064;
        assert_eq!(
            zone.instant(Wall::at(day, 2 * 3600 * SECOND + 60 * SECOND)).0,
            hour(day, 7).0 + 60 * SECOND
        );
        for ts in (0..20_000).map(|step| Timestamp(1_600_000_000 * SECOND + step * 3600 * SECOND)) {
            let back = zone.instant(zone.wall(ts));
            assert!(back == ts || back.0 == ts.0 - 3600 * SECOND, "{ts:?}");
        }
    }

    #[test]
    fn zones_at_the_edges_of_time() {
        assert!(matches!(Zone::named("Mars/Olympus"), Err(Error::InvalidArgument { .. })));
        let zone = Zone::named("Asia/Tehran").unwrap();
        assert_eq!(zone.wall(Timestamp(1_700_000_000 * SECOND)).0 - 1_700_000_000 * SECOND, 12_600 * SECOND);
        for ts in [Timestamp::MIN, Timestamp::LAST, Timestamp::MAX] {
            zone.instant(zone.wall(ts));
        }
    }
}
