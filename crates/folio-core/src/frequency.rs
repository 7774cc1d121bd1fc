//! How often a series has a price: inferred from its own time stamps.
//!
//! A pattern is looked for in the newest part of the series, since markets change their weeks and hours, and the share of
//! all stamps that fit it says how well it was found. What has no pattern is irregular, and is said to be.
//!
//! With few stamps the defaults are these. One stamp: daily, Monday to Friday, or all seven days if it falls on a weekend.
//! Bars of one day only: they go on around the clock. Weekdays that were never possible: Monday to Friday trade.

mod days;
mod month;
mod pattern;
mod share;
mod week;
mod zone;

use self::pattern::MONDAY_TO_FRIDAY;
use self::share::even_step;
use crate::calendar::zone::{DAY, SECOND, Wall, Zone, month_of, weekday};
use crate::price::Timestamp;
use crate::task::{Cancel, Cancelled};
use crate::{input, work};

pub(crate) use month::period_of as month_period;
pub(crate) use pattern::{Pattern, Week};
pub(crate) use week::{rounded, week_of};

/// Trading days a year of a market that trades on five days a week. A year of the New York Stock Exchange has 250 to 253
/// and 252 on average since 1990; other exchanges have 240 to 255, which moves a volatility by the root of that, 2.4 %, less
/// than its own error over a year. One number for all keeps tickers of different exchanges comparable; it is the field's custom too.
pub const TRADING_DAYS: f64 = 252.0;

/// Days a year of what trades every day, by custom without leap days.
const CALENDAR_DAYS: f64 = 365.0;

/// Weeks and months of a year, by custom.
const WEEKS: f64 = 52.0;
const MONTHS: f64 = 12.0;

/// Microseconds of a year on average, for what has no period.
const YEAR: f64 = 365.2425 * DAY as f64;

/// How many of the newest days show the pattern of bars within the day: four months, so that a holiday counts little.
const RECENT_DAYS: usize = 90;

/// How many stamps of them at most, in whole days: ticks show in days already that they have no pattern, and this many are
/// counted within the time between two looks at the cancel flag.
const RECENT_STAMPS: usize = 1 << 16;

/// How many stamps a day make a series of bars within the day; a last day that comes twice does not.
const BARS_A_DAY: f64 = 1.5;

/// How many stamps are read between two looks at the cancel flag.
const POLL: usize = 1 << 16;

/// Work for a stamp that is read in its zone, or compared with the pattern, in [`work`]'s units.
const UNITS_OF_A_STAMP: usize = 50;

/// More periods than a year has seconds are a mistake.
pub const MAX_PERIODS_PER_YEAR: f64 = 366.0 * (DAY / SECOND) as f64;

/// What means and variances of one period are annualised by: what is told, else what the times say.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PeriodsPerYear(Option<f64>);

impl PeriodsPerYear {
    /// So many; 0 leaves it to the times.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] under 0 or over the seconds of a year.
    pub fn new(periods: f64) -> crate::Result<PeriodsPerYear> {
        let expected = "over 0, at most the seconds of a year; 0 takes what the times of the prices say";
        let valid = |periods: f64| (0.0..=MAX_PERIODS_PER_YEAR).contains(&periods);
        let periods = input::within("periods_per_year", periods, valid, expected)?;
        Ok(PeriodsPerYear((periods > 0.0).then_some(periods)))
    }

    /// Those of a series with this frequency.
    pub fn of(self, frequency: &Frequency) -> f64 {
        self.0.unwrap_or_else(|| frequency.periods_per_year())
    }

    /// What is to be said of them: nothing where they were told, or where they are those that everybody expects.
    pub fn remark(self, frequency: &Frequency) -> Option<Remark> {
        let periods = frequency.periods_per_year();
        match self.0 {
            Some(_) => None,
            None if frequency.is_irregular() => Some(Remark::Counted(periods)),
            None if periods == TRADING_DAYS => None,
            None => Some(Remark::Inferred(frequency.name(), periods)),
        }
    }
}

/// What a reader of annual numbers has to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Remark {
    /// The prices come this often, so many times a year.
    Inferred(String, f64),
    /// The prices come at no pattern's times; they were counted.
    Counted(f64),
}

/// How often a series has a price, read in the zone of its market.
#[derive(Debug, Clone, PartialEq)]
pub struct Frequency {
    zone: Zone,
    pattern: Pattern,
    fit: f64,
    /// Stamps a year as counted, for what has no period of its own.
    counted: Option<f64>,
}

impl Frequency {
    /// The frequency of these times, which rise. Without a zone, that in which they are simplest: an exchange's whose
    /// summer time they follow or whose midnight they are, and else UTC.
    ///
    /// # Errors
    /// [`Cancelled`].
    pub fn infer(stamps: &[Timestamp], zone: Option<&Zone>, cancel: &Cancel) -> Result<Frequency, Cancelled> {
        let zone = zone.cloned().unwrap_or_else(|| zone::guess(stamps));
        let mut walls = Vec::with_capacity(stamps.len());
        for ts in work::watched(stamps, UNITS_OF_A_STAMP, cancel) {
            walls.push(zone.wall(*ts?));
        }
        let pattern = match walls.as_slice() {
            [] => week::one_a_day(&MONDAY_TO_FRIDAY, 0),
            [only] => {
                let business = MONDAY_TO_FRIDAY[weekday(only.day())];
                week::one_a_day(if business { &MONDAY_TO_FRIDAY } else { &[true; 7] }, only.time_of_day())
            }
            _ => pattern_of(stamps, &walls, cancel)?,
        };
        let counted = counted(stamps);
        let mut frequency = Frequency { zone, pattern, fit: 1.0, counted };
        frequency.fit = frequency.share_that_fits(&walls, cancel)?;
        Ok(frequency)
    }

    /// The zone in which it is read.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    pub(crate) fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// The share of all stamps that fall on the pattern; those of a series with one price a day need the day only.
    pub fn fit(&self) -> f64 {
        self.fit
    }

    /// Whether no pattern was found: its steps have no dates that anybody could know.
    pub fn is_irregular(&self) -> bool {
        self.pattern == Pattern::Irregular
    }

    /// The days of the week on which it has prices, Monday first; all of them where the pattern is not one of the week.
    pub fn weekdays(&self) -> [bool; 7] {
        match &self.pattern {
            Pattern::Week { slots, .. } => week::days_of(slots),
            _ => [true; 7],
        }
    }

    /// Prices of a year: what a variance or mean of one period is multiplied by to be one of a year.
    pub fn periods_per_year(&self) -> f64 {
        match &self.pattern {
            Pattern::Even { step } => CALENDAR_DAYS * DAY as f64 / *step as f64,
            Pattern::Week { slots, .. } if week::days_of(slots) == [true; 7] => {
                slots.len() as f64 / 7.0 * CALENDAR_DAYS
            }
            Pattern::Week { slots, .. } => slots.len() as f64 / 5.0 * TRADING_DAYS,
            Pattern::Weeks { every, .. } => WEEKS / *every as f64,
            Pattern::Months { every, .. } => MONTHS / *every as f64,
            Pattern::Irregular => self.counted.unwrap_or(TRADING_DAYS),
        }
    }

    /// How many prices the seasons have that a series of this frequency may show, rising: the day and the week of bars within
    /// the day, the week of days, the year of weeks, months and quarters.
    pub fn season_lengths(&self) -> Vec<usize> {
        let periods = |whole: i64, step: i64| if whole % step == 0 { whole / step } else { 1 };
        let mut lengths: Vec<i64> = match &self.pattern {
            Pattern::Even { step } => vec![periods(DAY, *step), periods(7 * DAY, *step)],
            Pattern::Week { slots, .. } => {
                let days = week::days_of(slots).into_iter().filter(|trades| *trades).count() as i64;
                vec![periods(slots.len() as i64, days), slots.len() as i64]
            }
            Pattern::Weeks { every, .. } => vec![periods(WEEKS as i64, *every)],
            Pattern::Months { every, .. } => vec![periods(MONTHS as i64, *every)],
            Pattern::Irregular => vec![],
        };
        lengths.retain(|length| *length > 1);
        lengths.dedup();
        lengths.into_iter().filter_map(|length| usize::try_from(length).ok()).collect()
    }

    /// Its name: `daily`, `weekly`, `monthly`, `15 minutes`, `irregular`.
    pub fn name(&self) -> String {
        match &self.pattern {
            Pattern::Even { step } => length(*step),
            Pattern::Week { slots, .. } => week::spacing(slots).map_or_else(|| "daily".to_owned(), length),
            Pattern::Weeks { every: 1, .. } => "weekly".to_owned(),
            Pattern::Weeks { every, .. } => format!("{every} weeks"),
            Pattern::Months { every: 1, .. } => "monthly".to_owned(),
            Pattern::Months { every: 3, .. } => "quarterly".to_owned(),
            Pattern::Months { every: 12, .. } => "yearly".to_owned(),
            Pattern::Months { every, .. } => format!("{every} months"),
            Pattern::Irregular => "irregular".to_owned(),
        }
    }

    /// The number of the bar that a stamp belongs to: two stamps of one bar are the same day, week or month, of which the
    /// later is the newer price. Bars within a day and irregular ones are their own.
    pub fn bar(&self, ts: Timestamp) -> i64 {
        let wall = self.zone.wall(ts);
        match &self.pattern {
            Pattern::Even { step } if step % DAY == 0 => wall.day(),
            Pattern::Week { slots, .. } if week::spacing(slots).is_none() => wall.day(),
            Pattern::Weeks { weekday, .. } => week_of(wall.day(), *weekday),
            Pattern::Months { every, phase, day, .. } => month_period(wall.day(), *every, *phase, day),
            _ => ts.0,
        }
    }

    /// Whether its pattern may have a price at this time. Even spacing within a day and no pattern say no to none.
    pub fn may_have(&self, ts: Timestamp) -> bool {
        self.falls_on(self.zone.wall(ts)).unwrap_or(true)
    }

    /// The same by the clock of its market; None where the pattern is none of days or hours.
    fn falls_on(&self, wall: Wall) -> Option<bool> {
        match &self.pattern {
            Pattern::Even { .. } | Pattern::Irregular => None,
            Pattern::Week { slots, quantum } => Some(week::fits(slots, *quantum, wall)),
            Pattern::Weeks { weekday: on, .. } => Some(weekday(wall.day()) == *on),
            Pattern::Months { every, phase, day, .. } => {
                let (month, _) = month_of(wall.day());
                Some(month.rem_euclid(*every) == *phase && day.falls_on(wall.day()))
            }
        }
    }

    fn share_that_fits(&self, walls: &[Wall], cancel: &Cancel) -> Result<f64, Cancelled> {
        let fits = |index: usize| {
            let wall = walls[index];
            let next_to = |other: &Wall, step: i64| (wall.0 - other.0).abs() == step;
            match &self.pattern {
                Pattern::Even { step } => {
                    let before = index.checked_sub(1).and_then(|index| walls.get(index));
                    [before, walls.get(index + 1)].into_iter().flatten().any(|other| next_to(other, *step))
                }
                _ => self.falls_on(wall).unwrap_or(false),
            }
        };
        if walls.len() < 2 {
            return Ok(1.0);
        }
        let mut fitting = 0;
        for index in work::watched(0..walls.len(), UNITS_OF_A_STAMP, cancel) {
            fitting += usize::from(fits(index?));
        }
        Ok(fitting as f64 / walls.len() as f64)
    }
}

/// The pattern of two stamps or more.
fn pattern_of(stamps: &[Timestamp], walls: &[Wall], cancel: &Cancel) -> Result<Pattern, Cancelled> {
    // The index of each recent day's first stamp, newest first.
    let mut starts = vec![];
    for index in (0..walls.len()).rev() {
        let is_first = index == 0 || walls[index - 1].day() != walls[index].day();
        if is_first {
            starts.push(index);
        }
        if starts.len() == RECENT_DAYS || (walls.len() - index > RECENT_STAMPS && !starts.is_empty()) {
            break;
        }
        if index % POLL == 0 {
            cancel.check()?;
        }
    }
    let from = starts.last().copied().unwrap_or(0);
    let recent = walls.len() - from;
    if (recent as f64) < BARS_A_DAY * starts.len() as f64 {
        return Ok(days::pattern(walls));
    }
    if let Some(step) = even_step(&stamps[from..]) {
        return Ok(Pattern::Even { step });
    }
    // Exactly; else to the second or the minute, of feeds that stamp late.
    for quantum in [1, SECOND, 60 * SECOND] {
        cancel.check()?;
        if let Some(pattern) = week::pattern(&walls[from..], quantum, from == 0) {
            return Ok(pattern);
        }
    }
    Ok(Pattern::Irregular)
}

/// Stamps a year as counted between the first and the last.
fn counted(stamps: &[Timestamp]) -> Option<f64> {
    let span = stamps.last()?.0.saturating_sub(stamps.first()?.0);
    (span > 0).then(|| (stamps.len() - 1) as f64 * YEAR / span as f64)
}

/// A length of time in words.
fn length(micros: i64) -> String {
    let units = [("day", DAY), ("hour", 3600 * SECOND), ("minute", 60 * SECOND), ("second", SECOND)];
    match units.iter().find(|(_, unit)| micros >= *unit && micros % unit == 0) {
        Some((_, DAY)) if micros == DAY => "daily".to_owned(),
        Some((name, unit)) if micros == *unit => format!("1 {name}"),
        Some((name, unit)) => format!("{} {name}s", micros / unit),
        None => format!("{micros} microseconds"),
    }
}
