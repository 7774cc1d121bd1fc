//! Prices that are too old to be traded at, beside the newest one of all tickers.

use crate::panel::{PricePanel, Series};
use crate::price::{MICROS_PER_DAY, Timestamp};

/// A price that is older than the newest one of all tickers by more days than this is stale: longer than any weekend with
/// holidays around it.
const STALE_DAYS: i64 = 7;

/// So is one that is older by more of its own steps: for prices by the week or the month.
const STALE_STEPS: i64 = 3;

/// The prices of a ticker that say how far apart they are, where only the last one is asked for.
pub const PRICES: usize = 20;

/// When the last price of a ticker was, if that is too long ago.
pub fn since(series: &Series, newest: Timestamp) -> Option<Timestamp> {
    let last = *series.ts().last()?;
    (by_days(last, newest) && series.after_average_steps(STALE_STEPS) < newest).then_some(last)
}

/// The tickers whose last prices may be too old, each with that price's time: how far apart its prices are says whether it is.
pub fn candidates(panel: &PricePanel, newest: Timestamp) -> Vec<(String, Timestamp)> {
    let last = |(ticker, series): &(String, crate::Result<Series>)| {
        Some((ticker.clone(), *series.as_ref().ok()?.ts().last()?))
    };
    panel.columns().iter().filter_map(last).filter(|(_, last)| by_days(*last, newest)).collect()
}

fn by_days(last: Timestamp, newest: Timestamp) -> bool {
    last.0.saturating_add(STALE_DAYS * MICROS_PER_DAY) < newest.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::PriceRow;

    fn series(first: i64, step: i64, prices: i64) -> Series {
        let row = |number| PriceRow { ts: Timestamp((first + step * number) * MICROS_PER_DAY), close: 1.0 };
        Series::new("A".to_owned(), (0..prices).map(row).collect(), usize::MAX).unwrap()
    }

    #[test]
    fn a_price_is_stale_by_days_and_by_its_own_steps() {
        let newest = |day: i64| Timestamp(day * MICROS_PER_DAY);
        let daily = series(0, 1, 100);
        assert_eq!(since(&daily, newest(99 + 7)), None);
        assert_eq!(since(&daily, newest(99 + 8)), Some(newest(99)));
        let monthly = series(0, 30, 12);
        assert_eq!(since(&monthly, newest(330 + 90)), None);
        assert_eq!(since(&monthly, newest(330 + 91)), Some(newest(330)));
        let panel =
            PricePanel::new(vec![("A".to_owned(), Ok(monthly)), ("B".to_owned(), Ok(series(0, 1, 339)))]);
        assert_eq!(candidates(&panel, newest(338)), [("A".to_owned(), newest(330))]);
        assert_eq!(candidates(&panel, newest(337)), []);
    }
}
