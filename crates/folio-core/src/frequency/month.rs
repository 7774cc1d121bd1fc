//! Days of a month: its end, its first trading day, the third Friday.

use super::pattern::{MONDAY_TO_FRIDAY, MonthDay, SATURDAY_TO_WEDNESDAY, SUNDAY_TO_THURSDAY};
use super::share::{MIN_FIT, median, mode};
use crate::calendar::zone::{month_of, weekday};

/// How many days a stamp may lie beside its day and still be that month's.
const TOLERANCE: i64 = 3;

/// The number of the month whose price a day's is: that of the nearest such day if it is near, and else its own month's,
/// drawn to the period's month where there is one price for several.
pub(crate) fn period_of(day: i64, every: i64, phase: i64, of_month: &MonthDay) -> i64 {
    let own = month_of(day).0;
    let is_near = |month: &i64| (of_month.by_weekdays(*month) - day).abs() <= TOLERANCE;
    let is_due = |month: &i64| (month - phase).rem_euclid(every) == 0;
    if let Some(month) = [own, own - 1, own + 1].into_iter().filter(is_due).find(is_near) {
        return month;
    }
    let past = (own - phase).rem_euclid(every);
    match past {
        0 => own,
        _ if of_month.opens() => own - past,
        _ => own - past + every,
    }
}

/// What fits these days, which rise and lie about `every` months apart: the months' remainder and the day of the month.
/// Rules of the calendar first; rules of weekdays only where `with_weekdays`.
pub(super) fn rule(days: &[i64], every: i64, with_weekdays: bool) -> Option<(i64, MonthDay)> {
    let (phase, rules) = candidates(days, every, with_weekdays)?;
    let due: Vec<i64> =
        days.iter().copied().filter(|&day| month_of(day).0.rem_euclid(every) == phase).collect();
    let fits = |rule: &MonthDay| due.iter().filter(|&&day| rule.falls_on(day)).count();
    let mut best = (0, MonthDay::Last);
    for rule in rules {
        let count = fits(&rule);
        if count > best.0 {
            best = (count, rule);
        }
    }
    (best.0 as f64 >= MIN_FIT * days.len() as f64).then_some((phase, best.1))
}

fn candidates(days: &[i64], every: i64, with_weekdays: bool) -> Option<(i64, Vec<MonthDay>)> {
    let of = |value: &dyn Fn(i64) -> i64| days.iter().map(|&day| value(day)).collect::<Vec<i64>>();
    let (phase, _) = mode(&of(&|day| month_of(day).0.rem_euclid(every)))?;
    let latest = of(&|day| month_of(day).1).into_iter().max()?;
    let (usual, _) = mode(&of(&|day| month_of(day).1))?;
    if with_weekdays {
        let (on, _) = mode(&of(&|day| weekday(day) as i64))?;
        let nth = |nth: i64| MonthDay::Nth(on as usize, nth);
        return Some((phase, vec![nth(1), nth(2), nth(3), nth(4), MonthDay::LastOf(on as usize)]));
    }
    let (last, first) = (MonthDay::LastTrading, MonthDay::FirstTrading);
    Some((
        phase,
        vec![
            MonthDay::Last,
            last(MONDAY_TO_FRIDAY),
            MonthDay::First,
            first(MONDAY_TO_FRIDAY),
            MonthDay::Last30,
            MonthDay::Day(latest),
            MonthDay::Day(usual),
            last(SUNDAY_TO_THURSDAY),
            first(SUNDAY_TO_THURSDAY),
            last(SATURDAY_TO_WEDNESDAY),
            first(SATURDAY_TO_WEDNESDAY),
        ],
    ))
}

/// The middle day of the month of prices that come every month, but never on the same day.
pub(super) fn loose_rule(days: &[i64], every: i64) -> Option<(i64, MonthDay)> {
    let months: Vec<i64> = days.iter().map(|&day| month_of(day).0).collect();
    let steps: Vec<i64> = months.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (step, share) = mode(&steps)?;
    if step != every || share < MIN_FIT || steps.len() < 3 {
        return None;
    }
    let (phase, _) = mode(&months.iter().map(|month| month.rem_euclid(every)).collect::<Vec<_>>())?;
    let middle = median(&days.iter().map(|&day| month_of(day).1).collect::<Vec<_>>())?;
    Some((phase, MonthDay::Day(middle)))
}
