//! When the steps of a forecast fall, for series of every kind.

use std::time::Duration;

use folio_core::calendar::exchange::Exchange;
use folio_core::forecast::{Ensemble, Horizon, Level, ModelSet, Request, SeasonLengths, forecast};
use folio_core::panel::{PricePanel, PriceRow, Series, Timestamp};
use folio_core::task::{Cancel, Inline, Seed};

const DAY: i64 = 86_400_000_000;
const HOUR: i64 = DAY / 24;

fn ensemble(stamps: &[i64], horizon: i64) -> Ensemble {
    let row = |(index, &ts): (usize, &i64)| PriceRow { ts: Timestamp(ts), close: 100.0 + (index % 7) as f64 };
    let rows = stamps.iter().enumerate().map(row).collect();
    let panel = PricePanel::new(vec![("A".to_owned(), Series::new("A".to_owned(), rows, usize::MAX))]);
    let request = Request {
        horizon: Horizon::new(horizon).unwrap(),
        levels: vec![Level::new(0.8).unwrap()],
        models: ModelSet::new(&["naive"]).unwrap(),
        season_lengths: SeasonLengths::default(),
        seed: Seed(1),
        clock: || Duration::ZERO,
    };
    forecast(panel, &request, &Inline, &Cancel::default()).unwrap().remove(0).outcome.unwrap()
}

/// The last stamps are held back: the steps fall on them.
fn assert_falls_on_its_tail(stamps: &[i64], tail: usize) {
    let (history, tail) = stamps.split_at(stamps.len() - tail);
    let ensemble = ensemble(history, tail.len() as i64);
    let steps: Vec<i64> = ensemble.steps.iter().map(|step| step.ts.unwrap().0).collect();
    assert_eq!(steps, tail);
    assert_eq!(ensemble.dates().remark(), None);
}

fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

/// Days from 2020-01-01 on.
fn days(count: i64) -> impl Iterator<Item = i64> {
    18_262..18_262 + count
}

#[test]
fn steps_fall_on_the_times_to_come() {
    let on = |trades: fn(i64) -> bool, time: i64| -> Vec<i64> {
        days(600).filter(|&day| trades(day)).map(|day| day * DAY + time).collect()
    };
    assert_falls_on_its_tail(&on(|day| weekday(day) < 5, 0), 21);
    assert_falls_on_its_tail(&on(|_| true, 0), 21);
    assert_falls_on_its_tail(&on(|day| weekday(day) < 4 || weekday(day) == 6, 0), 21);
    assert_falls_on_its_tail(&on(|day| weekday(day) == 4, 0), 12);
    assert_falls_on_its_tail(&on(|day| Timestamp((day + 1) * DAY).date().2 == 1, 0), 6);
    assert_falls_on_its_tail(&(0..1000).map(|hour| hour * HOUR).collect::<Vec<_>>(), 50);
    let hours =
        days(200).filter(|&day| weekday(day) < 5).flat_map(|day| (14..21).map(move |h| day * DAY + h * HOUR));
    assert_falls_on_its_tail(&hours.collect::<Vec<_>>(), 30);
}

#[test]
fn holidays_are_no_trading_days() {
    let exchange = Exchange::all().iter().find(|exchange| exchange.code() == "XNYS").unwrap();
    let trading: Vec<i64> =
        days(900).filter(|&day| exchange.trades(day) == Some(true)).map(|day| day * DAY).collect();
    // Over the end of a year and over a summer.
    for end in [500, 560] {
        assert_falls_on_its_tail(&trading[..end], 60);
    }
}

#[test]
fn what_nobody_can_know_is_said() {
    // Distances of hours to weeks.
    let gaps = (0..300_i64).map(|k| HOUR + (k * 2_654_435_761_987) % (20 * DAY));
    let irregular: Vec<i64> = gaps
        .scan(0, |ts, gap| {
            *ts += gap;
            Some(*ts)
        })
        .collect();
    let ensemble = ensemble(&irregular, 5);
    assert!(ensemble.steps.iter().all(|step| step.ts.is_none() && step.forecast > 0.0));
    assert_eq!(ensemble.dates().remark(), Some("irregular times: steps without dates"));
}

#[test]
fn beyond_the_calendar_the_week_goes_on_and_it_is_said() {
    let exchange = Exchange::all().iter().find(|exchange| exchange.code() == "XNYS").unwrap();
    let end = *exchange.known().end();
    let trading: Vec<i64> =
        (end - 900..end - 3).filter(|&day| exchange.trades(day) == Some(true)).map(|day| day * DAY).collect();
    let ensemble = ensemble(&trading, 10);
    let remark = ensemble.dates().remark().unwrap();
    assert!(remark.contains("beyond the calendar of XNYS"), "{remark}");
    assert!(ensemble.steps.iter().all(|step| step.ts.is_some()));
}
