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
    End::of(series).filter(|end| end.until < newest).map(|end| end.last)
}

/// Where the prices of a ticker end.
#[derive(Debug, Clone)]
struct End {
    ticker: String,
    last: Timestamp,
    /// How long its last price is good for.
    until: Timestamp,
}

impl End {
    fn of(series: &Series) -> Option<End> {
        let last = *series.ts().last()?;
        let until = by_days(last).max(series.after_average_steps(STALE_STEPS));
        Some(End { ticker: series.ticker().to_owned(), last, until })
    }
}

/// Where the prices of many tickers end, which are seen panel by panel.
#[derive(Debug, Clone, Default)]
pub struct Ends(Vec<End>);

impl Ends {
    /// With the tickers of a panel.
    pub fn add(&mut self, panel: &PricePanel) {
        self.0.extend(panel.columns().iter().filter_map(|(_, series)| End::of(series.as_ref().ok()?)));
    }

    /// The newest price of all.
    pub fn newest(&self) -> Option<Timestamp> {
        self.0.iter().map(|end| end.last).max()
    }

    /// The tickers whose last price is too old, each with its time.
    pub fn stale(&self) -> Vec<(String, Timestamp)> {
        let Some(newest) = self.newest() else { return Vec::new() };
        let stale = self.0.iter().filter(|end| end.until < newest);
        stale.map(|end| (end.ticker.clone(), end.last)).collect()
    }
}

/// The tickers whose last prices may be too old, each with that price's time: how far apart its prices are says whether it is.
pub fn candidates(panel: &PricePanel, newest: Timestamp) -> Vec<(String, Timestamp)> {
    let last = |(ticker, series): &(String, crate::Result<Series>)| {
        Some((ticker.clone(), *series.as_ref().ok()?.ts().last()?))
    };
    panel.columns().iter().filter_map(last).filter(|(_, last)| by_days(*last) < newest).collect()
}

fn by_days(last: Timestamp) -> Timestamp {
    Timestamp(last.0.saturating_add(STALE_DAYS * MICROS_PER_DAY))
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
        let mut ends = Ends::default();
        ends.add(&panel);
        assert_eq!(ends.stale(), []);
        ends.add(&PricePanel::new(vec![("A".to_owned(), Ok(series(0, 1, 422)))]));
        assert_eq!(ends.stale(), [("A".to_owned(), newest(330)), ("A".to_owned(), newest(338))]);
    }
}
