//! Frequencies and calendars: steps fall where a held-back tail of the series falls.

use std::sync::Arc;

use folio_core::Error;
use folio_core::calendar::exchange::Exchange;
use folio_core::calendar::zone::{Wall, Zone};
use folio_core::calendar::{Calendar, Told};
use folio_core::frequency::{Frequency, TRADING_DAYS};
use folio_core::panel::Timestamp;
use folio_core::task::Cancel;
use proptest::prelude::*;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A day of the calendar counted from 1970-01-01, found by counting months.
fn day(year: i64, month: i64, of_month: i64) -> i64 {
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let years: i64 = (1970..year).map(|year| 365 + i64::from(leap(year))).sum();
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    years + lengths[..month as usize - 1].iter().sum::<i64>() + of_month - 1
}

fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

fn ts(day: i64, time: i64) -> Timestamp {
    Timestamp(day * DAY + time)
}

fn zone(name: &str) -> Zone {
    Zone::named(name).unwrap()
}

fn at(zone: &Zone, day: i64, time: i64) -> Timestamp {
    zone.instant(Wall(day * DAY + time))
}

fn exchange(name: &str) -> &'static Exchange {
    Exchange::named(name).unwrap()
}

fn infer(stamps: &[Timestamp]) -> Calendar {
    Calendar::of(stamps, None, Told::Nothing, &Cancel::default()).unwrap()
}

fn dates(stamps: &[Timestamp]) -> Calendar {
    Calendar::of(stamps, Some(&Zone::utc()), Told::Nothing, &Cancel::default()).unwrap()
}

fn frequency(stamps: &[Timestamp]) -> Frequency {
    infer(stamps).frequency().clone()
}

/// The times of an exchange on its sessions, half days included: `times` in its zone.
fn sessions(name: &str, days: std::ops::Range<i64>, times: &[i64]) -> Vec<Timestamp> {
    let exchange = exchange(name);
    let mut stamps = Vec::new();
    for day in days.filter(|&day| exchange.trades(day).unwrap()) {
        let close = exchange.early_close(day).unwrap_or(DAY);
        match times {
            // The close of the day.
            [time] => stamps.push(at(exchange.zone(), day, *time.min(&close))),
            _ => stamps.extend(
                times.iter().filter(|&&time| time < close).map(|&time| at(exchange.zone(), day, time)),
            ),
        }
    }
    stamps
}

/// Bars from an opening to a close.
fn bars(from: i64, to: i64, step: i64) -> Vec<i64> {
    (0..).map(|bar| from + bar * step).take_while(|&time| time < to).collect()
}

/// The share of the held-back stamps that the step of the same number falls on.
fn share_of_tail(stamps: &[Timestamp], split: usize) -> f64 {
    let (history, tail) = stamps.split_at(split);
    let steps = infer(history).next(*history.last().unwrap(), tail.len());
    let hits = steps.ts.iter().zip(tail).filter(|(step, stamp)| step == stamp).count();
    hits as f64 / tail.len() as f64
}

/// The same with the last year held back.
fn share_of_year(stamps: &[Timestamp]) -> f64 {
    let last = stamps.last().unwrap().0;
    share_of_tail(stamps, stamps.partition_point(|ts| ts.0 <= last - 365 * DAY))
}

#[test]
fn a_year_of_exchanges_is_met_step_by_step() {
    let (from, to) = (day(2018, 1, 1), day(2024, 1, 1));
    let lunch =
        |step: i64| [bars(9 * HOUR, 23 * HOUR / 2, step), bars(25 * HOUR / 2, 15 * HOUR, step)].concat();
    let cases: [(&str, Vec<i64>, f64); 9] = [
        ("NYSE", vec![16 * HOUR], 252.0),
        ("NYSE", bars(19 * HOUR / 2, 16 * HOUR, HOUR), 7.0 * 252.0),
        ("NYSE", bars(19 * HOUR / 2, 16 * HOUR, 15 * MINUTE), 26.0 * 252.0),
        ("Xetra", vec![0], 252.0),
        ("Xetra", bars(9 * HOUR, 35 * HOUR / 2, 4 * HOUR), 3.0 * 252.0),
        ("TSE", vec![0], 252.0),
        ("TSE", lunch(30 * MINUTE), 10.0 * 252.0),
        ("TSE", lunch(5 * MINUTE), 60.0 * 252.0),
        ("TASE", vec![12 * HOUR], 252.0),
    ];
    for (name, times, periods) in cases {
        let stamps = sessions(name, from..to, &times);
        let calendar = infer(&stamps);
        let share = share_of_year(&stamps);
        let (found, fit) = (calendar.frequency().name(), calendar.frequency().fit());
        assert!(share >= 0.99, "{name} {} bars a day: {share}, {found}, {:?}", times.len(), calendar.name());
        assert_eq!(calendar.frequency().periods_per_year(), periods, "{name} {found}");
        assert!(fit > 0.98, "{name} {found} {fit}");
    }
}

#[test]
fn every_shipped_exchange_is_known_by_its_holidays_or_by_its_twin() {
    for exchange in Exchange::all().iter().filter(|exchange| !exchange.code().starts_with("24")) {
        let stamps = sessions(exchange.code(), day(2021, 1, 1)..day(2024, 1, 1), &[0]);
        // Known by dates, whatever the zone.
        let stamps: Vec<Timestamp> =
            stamps.iter().map(|&stamp| ts(exchange.zone().wall(stamp).day(), 0)).collect();
        let history = &stamps[..stamps.partition_point(|stamp| *stamp < ts(day(2023, 1, 1), 0))];
        let calendar = dates(history);
        let steps = calendar.next(*history.last().unwrap(), 240);
        let hits = steps.ts.iter().zip(&stamps[history.len()..]).filter(|(a, b)| a == b).count();
        assert!(hits >= 236, "{}: {hits}, {:?}", exchange.code(), calendar.name());
    }
}

#[test]
fn crypto_weeks_and_months_are_met_step_by_step() {
    let (from, to) = (day(2015, 1, 1), day(2024, 1, 1));
    let hourly: Vec<Timestamp> = (day(2022, 1, 1) * 24..to * 24).map(|hour| Timestamp(hour * HOUR)).collect();
    let daily: Vec<Timestamp> = (from..to).map(|day| ts(day, 0)).collect();
    let fridays: Vec<Timestamp> = (from..to).filter(|&day| weekday(day) == 4).map(|day| ts(day, 0)).collect();
    let months = || (2015..2024).flat_map(|year| (1..=12).map(move |month| (year, month)));
    let next = |(year, month): (i64, i64)| if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let end = |month: (i64, i64)| day(next(month).0, next(month).1, 1) - 1;
    let ends: Vec<Timestamp> = months().map(|month| ts(end(month), 0)).collect();
    let firsts: Vec<Timestamp> = months().map(|(year, month)| ts(day(year, month, 1), 0)).collect();
    let ends_30: Vec<Timestamp> =
        months().map(|month| ts(end(month).min(day(month.0, month.1, 1) + 29), 0)).collect();
    let business = |days: Vec<i64>| -> Vec<Timestamp> {
        days.into_iter().map(|day| ts(day - (weekday(day) - 4).max(0), 0)).collect()
    };
    let quarter_ends: Vec<Timestamp> =
        months().filter(|month| month.1 % 3 == 0).map(|month| ts(end(month), 0)).collect();
    let mid: Vec<Timestamp> = months().map(|(year, month)| ts(day(year, month, 15), 17 * HOUR)).collect();
    let third_fridays: Vec<Timestamp> = months()
        .map(|(year, month)| ts((day(year, month, 15)..).find(|&day| weekday(day) == 4).unwrap(), 0))
        .collect();
    let years: Vec<Timestamp> = (2000..2024).map(|year| ts(day(year, 12, 31), 0)).collect();
    let four_hours: Vec<Timestamp> = (from * 6..to * 6).map(|bar| Timestamp(bar * 4 * HOUR)).collect();
    let fortnights: Vec<Timestamp> = (from..to).step_by(14).map(|day| ts(day, 0)).collect();
    let four_weeks: Vec<Timestamp> = (from..to).step_by(28).map(|day| ts(day, 0)).collect();
    let cases: [(&str, Vec<Timestamp>, &str, f64); 14] = [
        ("hourly", hourly, "1 hour", 8_760.0),
        ("daily", daily, "daily", 365.0),
        ("Fridays", fridays, "weekly", 52.0),
        ("month ends", ends.clone(), "monthly", 12.0),
        ("firsts", firsts, "monthly", 12.0),
        ("30/360", ends_30, "monthly", 12.0),
        ("business ends", business(months().map(end).collect()), "monthly", 12.0),
        ("quarter ends", quarter_ends, "quarterly", 4.0),
        ("the 15th", mid, "monthly", 12.0),
        ("third Fridays", third_fridays, "monthly", 12.0),
        ("years", years, "yearly", 1.0),
        ("4 hours", four_hours, "4 hours", 2_190.0),
        ("fortnights", fortnights, "2 weeks", 26.0),
        ("four weeks", four_weeks, "4 weeks", 13.0),
    ];
    for (what, stamps, name, periods) in cases {
        let found = frequency(&stamps);
        assert_eq!((found.name().as_str(), found.periods_per_year()), (name, periods), "{what}: {found:?}");
        assert_eq!(share_of_year(&stamps), 1.0, "{what}: {found:?}");
    }
}

#[test]
fn bars_of_a_minute_over_both_changes_of_the_clock() {
    for split in [day(2022, 3, 10), day(2022, 11, 3)] {
        let minutes = bars(19 * HOUR / 2, 16 * HOUR, MINUTE);
        // Eight months of openings show the zone; ten days before the change end the history.
        let stamps = sessions("NYSE", split - 240..split + 8, &minutes);
        let tail = stamps.partition_point(|stamp| *stamp < ts(split, 0));
        assert_eq!(share_of_tail(&stamps, tail), 1.0, "{split}");
    }
    // Told its zone, a history without any change is enough.
    let new_york = zone("America/New_York");
    let stamps = sessions("NYSE", day(2022, 3, 1)..day(2022, 3, 20), &[16 * HOUR]);
    let (history, tail) = stamps.split_at(8);
    let calendar = Calendar::of(history, Some(&new_york), Told::Nothing, &Cancel::default()).unwrap();
    assert_eq!(calendar.next(history[7], tail.len()).ts, tail);
}

#[test]
fn the_table_of_the_stamps_that_were_wrong() {
    // Hourly bars of a market from 9:00 to 16:00, the last one Wednesday 14:00.
    let wednesday = day(2022, 12, 28);
    let hours = bars(9 * HOUR, 17 * HOUR, HOUR);
    let mut stamps: Vec<Timestamp> = (wednesday - 60..=wednesday)
        .filter(|&day| weekday(day) < 5)
        .flat_map(|day| hours.iter().map(move |&time| ts(day, time)))
        .collect();
    stamps.truncate(stamps.len() - 2);
    let steps = dates(&stamps).next(*stamps.last().unwrap(), 4).ts;
    let of = |days: i64, hour: i64| ts(wednesday + days, hour * HOUR);
    assert_eq!(steps, [of(0, 15), of(0, 16), of(1, 9), of(1, 10)]);

    // New York's holidays: 2 January 2023 is none of its days.
    let stamps: Vec<Timestamp> = sessions("NYSE", day(2019, 1, 10)..day(2022, 12, 29), &[0])
        .iter()
        .map(|&stamp| ts(zone("America/New_York").wall(stamp).day(), 0))
        .collect();
    let calendar = dates(&stamps);
    assert_eq!(calendar.name(), Some(("XNYS", false)));
    let steps = calendar.next(*stamps.last().unwrap(), 3);
    assert_eq!(steps.ts, [ts(day(2022, 12, 29), 0), ts(day(2022, 12, 30), 0), ts(day(2023, 1, 3), 0)]);
    assert_eq!((steps.known, calendar.frequency().periods_per_year()), (3, TRADING_DAYS));

    // Sunday to Thursday, Saturday to Wednesday.
    for (free, name) in [([4, 5], "Sunday to Thursday"), ([3, 4], "Tehran")] {
        let days = (day(2022, 1, 1)..day(2023, 6, 1)).filter(|&day| !free.contains(&weekday(day)));
        let stamps: Vec<Timestamp> = days.map(|day| ts(day, 13 * HOUR)).collect();
        assert_eq!(share_of_year(&stamps), 1.0, "{name}");
        assert_eq!(frequency(&stamps).periods_per_year(), 252.0);
    }
}

#[test]
fn midnights_of_other_places_are_days() {
    for place in ["Pacific/Auckland", "Asia/Tokyo", "America/New_York", "Europe/Berlin", "Asia/Tel_Aviv"] {
        let zone = zone(place);
        let days: Vec<i64> = (day(2020, 1, 1)..day(2022, 6, 1)).filter(|&day| weekday(day) < 5).collect();
        let stamps: Vec<Timestamp> = days.iter().map(|&day| at(&zone, day, 0)).collect();
        assert_eq!(share_of_year(&stamps), 1.0, "{place} {:?}", frequency(&stamps));
        // Told or not, one bar a day; the last one twice, once with the time of the last trade.
        for told in [Some(&zone), None] {
            let mut stamps = stamps.clone();
            stamps.push(at(&zone, *days.last().unwrap(), 16 * HOUR + 41 * MINUTE));
            let calendar = Calendar::of(&stamps, told, Told::Nothing, &Cancel::default()).unwrap();
            let frequency = calendar.frequency();
            let last = stamps.len() - 1;
            assert_eq!(frequency.bar(stamps[last]), frequency.bar(stamps[last - 1]), "{place}");
            assert_ne!(frequency.bar(stamps[last]), frequency.bar(stamps[last - 2]), "{place}");
            let next = (days.last().unwrap() + 1..).find(|&day| weekday(day) < 5).unwrap();
            assert_eq!(calendar.next(stamps[last], 1).ts, [at(&zone, next, 0)], "{place} {told:?}");
        }
    }
}

#[test]
fn a_stamp_of_the_last_trade_belongs_to_its_bar() {
    let friday = day(2023, 3, 31);
    let weeks: Vec<Timestamp> = (1..40).rev().map(|week| ts(friday - 7 * week, 0)).collect();
    let with = |mut stamps: Vec<Timestamp>, last: Timestamp| {
        stamps.push(last);
        infer(&stamps).next(last, 1).ts
    };
    // A week that ended on Thursday, and one that has only begun.
    assert_eq!(with(weeks.clone(), ts(friday - 1, 0)), [ts(friday + 7, 0)]);
    assert_eq!(with(weeks, ts(friday - 3, 15 * HOUR)), [ts(friday + 7, 0)]);
    let ends: Vec<Timestamp> = (1..=12).map(|month| ts(day(2022, month, 1) - 1, 0)).collect();
    assert_eq!(with(ends, ts(day(2022, 12, 13), 0)), [ts(day(2023, 1, 31), 0)]);
    let firsts: Vec<Timestamp> = (1..=12).map(|month| ts(day(2022, month, 1), 0)).collect();
    assert_eq!(with(firsts, ts(day(2022, 12, 13), 0)), [ts(day(2023, 1, 1), 0)]);
}

#[test]
fn told_calendars_know_and_beyond_them_the_pattern_goes_on() {
    let stamps: Vec<Timestamp> =
        (day(2022, 11, 1)..day(2022, 12, 24)).filter(|&d| weekday(d) < 5).map(|d| ts(d, 0)).collect();
    let last = *stamps.last().unwrap();
    let told = |told: Told| Calendar::of(&stamps, None, told, &Cancel::default()).unwrap().next(last, 3);
    let steps = told(Told::Exchange(exchange("London")));
    assert_eq!((steps.ts[0], steps.known), (ts(day(2022, 12, 28), 0), 3));
    let days: Arc<[i64]> = [day(2022, 12, 23), day(2022, 12, 24), day(2022, 12, 29)].into();
    let steps = told(Told::Days { name: "mine".to_owned(), days });
    let expected = [day(2022, 12, 24), day(2022, 12, 29), day(2022, 12, 30)].map(|day| ts(day, 0));
    assert_eq!((steps.ts.as_slice(), steps.known), (expected.as_slice(), 2));
    // Shanghai publishes a year; the next follows Monday to Friday, and says so.
    let calendar = Calendar::of(&stamps, None, Told::Exchange(exchange("SSE")), &Cancel::default()).unwrap();
    let steps = calendar.next(ts(day(2026, 12, 29), 0), 5);
    assert_eq!((steps.ts.len(), steps.known), (5, 2));
}

#[test]
fn friday_prices_of_new_york_move_to_thursday_where_its_days_are_told() {
    let fridays = (day(2010, 1, 1)..day(2024, 1, 1)).filter(|&day| weekday(day) == 4);
    let open = |day: &i64| exchange("NYSE").trades(*day).unwrap();
    let stamps: Vec<Timestamp> =
        fridays.map(|friday| ts((friday - 4..=friday).rev().find(open).unwrap(), 0)).collect();
    let (history, tail) = stamps.split_at(stamps.len() - 156);
    let calendar = Calendar::of(history, None, Told::Exchange(exchange("NYSE")), &Cancel::default()).unwrap();
    assert_eq!(calendar.next(*history.last().unwrap(), 156).ts, tail);
    assert_eq!(calendar.frequency().name(), "weekly");
    // Without, the Fridays are met.
    assert!(share_of_year(&stamps) > 0.95);
}

#[test]
fn short_histories_have_their_defaults() {
    let wednesday = day(2022, 12, 28);
    let steps = |stamps: &[Timestamp]| {
        let calendar = infer(stamps);
        (calendar.frequency().name(), calendar.next(*stamps.last().unwrap(), 3).ts)
    };
    let days = |days: &[i64], time: i64| days.iter().map(|&d| ts(wednesday + d, time)).collect::<Vec<_>>();
    assert_eq!(steps(&[ts(wednesday, 0)]), ("daily".to_owned(), days(&[1, 2, 5], 0)));
    assert_eq!(steps(&[ts(wednesday + 3, HOUR)]).1, days(&[4, 5, 6], HOUR));
    assert_eq!(steps(&days(&[-1, 0], 0)).1, days(&[1, 2, 5], 0));
    assert_eq!(steps(&days(&[-5, -2, -1, 0], 0)).1, days(&[1, 2, 5], 0));
    assert_eq!(steps(&days(&[-7, 0], 0)), ("weekly".to_owned(), days(&[7, 14, 21], 0)));
    assert_eq!(steps(&[ts(day(2022, 10, 31), 0), ts(day(2022, 11, 30), 0)]).0, "monthly");
    // Three days of a coin over a weekend.
    assert_eq!(steps(&days(&[-5, -4, -3, -2, -1, 0], 0)).1, days(&[1, 2, 3], 0));
    // Bars of one day go on around the clock.
    let hours: Vec<Timestamp> = (9..12).map(|hour| ts(wednesday, hour * HOUR)).collect();
    assert_eq!(steps(&hours).1, [12, 13, 14].map(|hour| ts(wednesday, hour * HOUR)));
    // Of two days, in their hours.
    let two: Vec<Timestamp> =
        (-1..=0).flat_map(|d| (9..16).map(move |hour| ts(wednesday + d, hour * HOUR))).collect();
    assert_eq!(steps(&two).1, [9, 10, 11].map(|hour| ts(wednesday + 1, hour * HOUR)));
    assert_eq!(infer(&[]).next(ts(wednesday, 0), 2).ts, days(&[1, 2], 0));
}

#[test]
fn holes_halts_doubles_and_late_feeds_leave_the_pattern() {
    let new_york = sessions("NYSE", day(2015, 1, 1)..day(2020, 1, 1), &[16 * HOUR]);
    let halted: Vec<Timestamp> = new_york
        .iter()
        .copied()
        .filter(|stamp| !(ts(day(2018, 11, 1), 0)..ts(day(2019, 8, 1), 0)).contains(stamp))
        .collect();
    let calendar = infer(&halted);
    assert_eq!((calendar.frequency().name().as_str(), calendar.name()), ("daily", Some(("XNYS", false))));
    // Every twelfth day is missing.
    let holed: Vec<Timestamp> =
        new_york.iter().copied().enumerate().filter(|(i, _)| i % 12 != 5).map(|(_, s)| s).collect();
    assert_eq!(frequency(&holed).periods_per_year(), 252.0);
    // A feed that stamps when it hears: another second every day.
    let late: Vec<Timestamp> = new_york
        .iter()
        .enumerate()
        .map(|(i, stamp)| Timestamp(stamp.0 + (i as i64 * 7919 % 97) * 1_000_000))
        .collect();
    assert_eq!((frequency(&late).name().as_str(), frequency(&late).fit()), ("daily", 1.0));
    // And bars of five minutes, up to twenty seconds late.
    let bars =
        sessions("Xetra", day(2022, 1, 1)..day(2022, 12, 1), &bars(9 * HOUR, 35 * HOUR / 2, 5 * MINUTE));
    let late: Vec<Timestamp> = bars
        .iter()
        .enumerate()
        .map(|(i, stamp)| Timestamp(stamp.0 + (i as i64 * 7919 % 21) * 1_000_000))
        .collect();
    let (history, tail) = (&late[..late.len() - 300], &bars[late.len() - 300..]);
    assert_eq!(frequency(&late).name(), "5 minutes");
    assert_eq!(infer(history).next(*history.last().unwrap(), 300).ts, tail);
}

#[test]
fn what_has_no_pattern_is_irregular() {
    let mut at = 0;
    let mut random = 12_345_u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut irregular = |longest: u64| -> Vec<Timestamp> {
        (0..500)
            .map(|_| {
                at += 1 + next(longest) as i64 * MINUTE;
                Timestamp(at)
            })
            .collect()
    };
    for longest in [60, 24 * 60, 20 * 24 * 60, 90 * 24 * 60] {
        let stamps = irregular(longest);
        let calendar = infer(&stamps);
        assert!(calendar.frequency().is_irregular(), "{longest}: {:?}", calendar.frequency());
        assert_eq!(calendar.next(*stamps.last().unwrap(), 5).ts, []);
        let a_year = 365.2425 * DAY as f64 / (longest as f64 / 2.0 * MINUTE as f64);
        assert!((calendar.frequency().periods_per_year() / a_year - 1.0).abs() < 0.15, "{longest}");
    }
}

#[test]
fn a_changed_week_and_changed_hours_are_learned_in_a_month() {
    // Tel Aviv: Sundays until 4 January 2026. No list of its days is used: the pattern alone.
    let days = |until: i64| {
        (day(2024, 1, 1)..until)
            .filter(|&d| weekday(d) < 4 || weekday(d) == if d < day(2026, 1, 5) { 6 } else { 4 })
    };
    let stamps: Vec<Timestamp> = days(day(2026, 2, 14)).map(|d| ts(d, 0)).collect();
    assert_eq!(frequency(&stamps).weekdays(), [true, true, true, true, true, false, false]);
    // Tokyo closes half an hour later since 5 November 2024.
    let bars_of = |d: i64| {
        bars(25 * HOUR / 2, if d < day(2024, 11, 5) { 15 * HOUR } else { 31 * HOUR / 2 }, 30 * MINUTE)
    };
    let stamps: Vec<Timestamp> = (day(2024, 3, 1)..day(2024, 12, 1))
        .filter(|&d| weekday(d) < 5)
        .flat_map(|d| bars_of(d).into_iter().map(move |time| ts(d, time)))
        .collect();
    assert_eq!(frequency(&stamps).periods_per_year(), 6.0 * 252.0);
}

#[test]
fn currencies_trade_from_sunday_evening_to_friday_evening() {
    let new_york = zone("America/New_York");
    let stamps: Vec<Timestamp> = (day(2021, 1, 3)..day(2022, 9, 1))
        .flat_map(|d| (0..24).map(move |hour| (d, hour)))
        .filter(|&(d, hour)| match weekday(d) {
            4 => hour < 17,
            5 => false,
            6 => hour >= 17,
            _ => true,
        })
        .map(|(d, hour)| at(&new_york, d, hour * HOUR))
        .collect();
    let mut stamps = stamps;
    stamps.dedup();
    assert!(share_of_year(&stamps) >= 0.99, "{} {:?}", share_of_year(&stamps), frequency(&stamps));
    assert_eq!(frequency(&stamps).periods_per_year(), 24.0 * 252.0);
}

#[test]
fn the_ends_of_time_and_a_cancel() {
    for last in [Timestamp(i64::MIN + 1), Timestamp::LAST, Timestamp(0)] {
        for gap in [MINUTE, DAY, 7 * DAY, 31 * DAY, 365 * DAY] {
            let stamps: Vec<Timestamp> =
                (0..20).map(|back| Timestamp(last.0.saturating_sub((19 - back) * gap))).collect();
            let mut stamps = stamps;
            stamps.dedup();
            let steps = infer(&stamps).next(last, 252);
            assert!(steps.ts.is_sorted_by(|a, b| a < b) && steps.ts.iter().all(|step| *step > last));
        }
    }
    let cancel = Cancel::default();
    cancel.cancel();
    let outcome = Calendar::of(&[Timestamp(0), Timestamp(DAY)], None, Told::Nothing, &cancel);
    assert!(matches!(outcome.map_err(Error::from), Err(Error::Cancelled)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any week, any hours, any zone, one holiday in fifty days, half of them known to nobody: the steps are the tail's.
    #[test]
    fn random_calendars_are_met(
        week in prop::sample::select(vec![0b001_1111u8, 0b111_1111, 0b100_1111, 0b110_0111, 0b011_1111, 0b001_0101]),
        open in 0i64..12, count in 1usize..8,
        step in prop::sample::select(vec![1, 5, 15, 30, 60]),
        place in prop::sample::select(vec!["UTC", "America/New_York", "Europe/Berlin", "Asia/Tokyo", "Australia/Sydney"]),
        holiday in 0i64..50, told in any::<bool>(),
    ) {
        let zone = zone(place);
        let trades = |d: &i64| week >> weekday(*d) & 1 == 1 && (d * 31 + holiday) % 50 != 7;
        let days: Vec<i64> = (day(2021, 1, 1)..day(2023, 1, 1)).filter(trades).collect();
        let times: Vec<i64> = (0..count as i64).map(|bar| open * HOUR + bar * step * MINUTE).collect();
        let stamps: Vec<Timestamp> =
            days.iter().flat_map(|&d| times.iter().map(|&time| at(&zone, d, time)).collect::<Vec<_>>()).collect();
        let (history, tail) = stamps.split_at(stamps.len() / 2);
        let zone = told.then_some(&zone);
        let calendar = Calendar::of(history, zone, Told::Nothing, &Cancel::default()).unwrap();
        let steps = calendar.next(*history.last().unwrap(), tail.len()).ts;
        let both = steps.iter().filter(|step| tail.binary_search(step).is_ok()).count();
        let within = steps.iter().filter(|step| *step <= tail.last().unwrap()).count();
        prop_assert!(both as f64 >= 0.95 * within as f64 && both as f64 >= 0.95 * tail.len() as f64,
            "{both} of {within}, {} in the tail: {:?}", tail.len(), calendar);
    }

    /// Anything that rises is read without a panic, and the steps rise.
    #[test]
    fn anything_is_read(gaps in prop::collection::vec(1i64..100 * DAY, 0..60), scale in 0u32..40, start in any::<i64>()) {
        let mut now = start.clamp(i64::MIN / 2, i64::MAX / 2);
        let stamps: Vec<Timestamp> = gaps.iter().map(|gap| { now += (gap >> scale).max(1); Timestamp(now) }).collect();
        let calendar = infer(&stamps);
        let last = stamps.last().copied().unwrap_or(Timestamp(0));
        let steps = calendar.next(last, 30);
        prop_assert!(steps.ts.is_sorted_by(|a, b| a < b) && steps.ts.iter().all(|step| *step > last));
        prop_assert!(calendar.frequency().periods_per_year() > 0.0);
        prop_assert!((0.0..=1.0).contains(&calendar.frequency().fit()));
    }
}
