//! The zone in which a series' time stamps are simplest, where nobody says it.

use super::share::{even_step, median};
use crate::calendar::exchange::Exchange;
use crate::calendar::zone::{DAY, Zone, weekday};
use crate::price::Timestamp;

/// How many of the newest beginnings of a session are looked at: some years of days.
const SAMPLES: usize = 1_000;

/// A time of the week counts if it has at least this share of the samples: single late openings do not, the three weeks
/// between America's summer time and Europe's do.
const MIN_SHARE: f64 = 0.003;

/// The share of midnights, or of weekends, that is no accident.
const MOST: f64 = 0.95;

/// How simple a zone makes the stamps, best first: the fewer times of the week the better, then no weekends, then midnight.
type Cost = (usize, bool, bool);

/// The zone that makes the stamps simplest: UTC, if no exchange's is simpler.
pub(super) fn guess(stamps: &[Timestamp]) -> Zone {
    let utc = Zone::utc();
    let samples = session_starts(stamps);
    let (times, weekends, not_midnight) = cost(&samples, &utc);
    // Days stamped at midnight in UTC are dates; one time every day, on working days, follows nobody's summer time.
    let settled = !not_midnight || samples.len() < 2 || (times <= 5 && !weekends && has_one_time(&samples));
    if settled || is_even(stamps) {
        return utc;
    }
    let mut best = ((times, weekends, not_midnight), utc);
    for (index, exchange) in Exchange::all().iter().enumerate() {
        let is_new = Exchange::all()[..index].iter().all(|other| other.zone() != exchange.zone());
        let cost = cost(&samples, exchange.zone());
        if is_new && cost < best.0 {
            best = (cost, exchange.zone().clone());
        }
    }
    best.1
}

/// The stamps that follow a pause: the days of daily prices, the openings of bars.
fn session_starts(stamps: &[Timestamp]) -> Vec<Timestamp> {
    let gap = |pair: &[Timestamp]| pair[1].0.saturating_sub(pair[0].0);
    let recent = &stamps[stamps.len().saturating_sub(SAMPLES + 1)..];
    let usual = median(&recent.windows(2).map(gap).collect::<Vec<_>>()).unwrap_or(DAY);
    let is_start = |pair: &&[Timestamp]| usual > DAY / 6 * 5 || gap(pair) > usual.saturating_mul(2);
    stamps.windows(2).rev().filter(is_start).map(|pair| pair[1]).take(SAMPLES).collect()
}

fn has_one_time(samples: &[Timestamp]) -> bool {
    samples.windows(2).all(|pair| (pair[0].0.wrapping_sub(pair[1].0)) % DAY == 0)
}

/// Whether the newest stamps are equally far apart, to which no zone adds anything.
fn is_even(stamps: &[Timestamp]) -> bool {
    let recent = &stamps[stamps.len().saturating_sub(SAMPLES)..];
    even_step(recent).is_some_and(|step| step * (recent.len() as i64) > 2 * DAY)
}

fn cost(samples: &[Timestamp], zone: &Zone) -> Cost {
    let walls: Vec<_> = samples.iter().map(|&ts| zone.wall(ts)).collect();
    let mut times: Vec<i64> =
        walls.iter().map(|wall| weekday(wall.day()) as i64 * DAY + wall.time_of_day()).collect();
    times.sort_unstable();
    let count = walls.len() as f64;
    let often = times.chunk_by(|a, b| a == b).filter(|run| run.len() as f64 >= MIN_SHARE * count).count();
    let share =
        |holds: &dyn Fn(i64) -> bool| times.iter().filter(|&&time| holds(time)).count() as f64 / count;
    let weekends = share(&|time| time >= 5 * DAY) > 1.0 - MOST;
    let not_midnight = share(&|time| time % DAY == 0) < MOST;
    (often, weekends, not_midnight)
}
