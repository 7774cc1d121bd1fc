//! Prices in memory: one validated series per ticker, and the aligned returns that a covariance needs.

use ndarray::Array2;

use crate::{Error, Result};

/// Microseconds since 1970-01-01 00:00 of the prices' own calendar. It has no time zone: the shell converts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

const MICROS_PER_DAY: i64 = 86_400_000_000;

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

    /// The next `count` weekdays after this time, at the same time of day.
    pub fn next_weekdays(self, count: usize) -> Vec<Timestamp> {
        // Day 0 of the epoch was a Thursday; counted from Monday, weekdays are 0 to 4.
        let is_weekday = |time: &Timestamp| (time.day() + 3).rem_euclid(7) < 5;
        (1..).map(|day| Timestamp(self.0 + day * MICROS_PER_DAY)).filter(is_weekday).take(count).collect()
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

/// How many bad rows an error lists; the rest are counted.
const MAX_BAD_ROWS_LISTED: usize = 5;

/// The prices of one ticker: times strictly rising, prices finite and over zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    ticker: String,
    ts: Vec<Timestamp>,
    close: Vec<f64>,
}

impl Series {
    /// Sorts the rows by time, keeps the last `history` of them and checks those.
    ///
    /// # Errors
    /// [`Error::BadPrices`] with the bad rows.
    pub fn new(ticker: String, mut rows: Vec<PriceRow>, history: usize) -> Result<Series> {
        if !rows.is_sorted_by_key(|row| row.ts) {
            rows.sort_by_key(|row| row.ts);
        }
        rows.drain(..rows.len().saturating_sub(history));
        let mut bad: Vec<BadPrice> = Vec::new();
        for (index, &row) in rows.iter().enumerate() {
            let duplicate = index > 0 && rows[index - 1].ts == row.ts;
            if let Some(reason) = bad_row(row).or(duplicate.then_some(BadPriceReason::Duplicate)) {
                bad.push(BadPrice { row, reason });
            }
        }
        if bad.is_empty() {
            let (ts, close) = rows.into_iter().map(|row| (row.ts, row.close)).unzip();
            return Ok(Series { ticker, ts, close });
        }
        let total = bad.len();
        bad.truncate(MAX_BAD_ROWS_LISTED);
        Err(Error::BadPrices { ticker, rows: bad, total })
    }

    /// The ticker.
    pub fn ticker(&self) -> &str {
        &self.ticker
    }

    /// The times, strictly rising.
    pub fn ts(&self) -> &[Timestamp] {
        &self.ts
    }

    /// The prices.
    pub fn close(&self) -> &[f64] {
        &self.close
    }

    /// The natural logarithms of the prices: what the models read.
    pub fn log_prices(&self) -> Vec<f64> {
        self.close.iter().map(|price| price.ln()).collect()
    }
}

fn bad_row(row: PriceRow) -> Option<BadPriceReason> {
    let PriceRow { ts, close } = row;
    match close {
        _ if ts == Timestamp::MIN || ts > Timestamp::LAST => Some(BadPriceReason::NoTime),
        _ if close.is_nan() => Some(BadPriceReason::NotANumber),
        _ if close.is_infinite() => Some(BadPriceReason::Infinite),
        0.0 => Some(BadPriceReason::Zero),
        _ if close < 0.0 => Some(BadPriceReason::Negative),
        _ => None,
    }
}

/// Prices of many tickers, in the order in which they were asked for. A ticker with bad prices or none at all is an
/// error of that ticker alone.
#[derive(Debug, Clone, PartialEq)]
pub struct PricePanel {
    columns: Vec<(String, Result<Series>)>,
}

impl PricePanel {
    /// A panel of these columns.
    pub fn new(columns: Vec<(String, Result<Series>)>) -> PricePanel {
        PricePanel { columns }
    }

    /// The tickers, each with its prices or what is wrong with them.
    pub fn columns(&self) -> &[(String, Result<Series>)] {
        &self.columns
    }

    /// The time of the newest price.
    pub fn newest(&self) -> Option<Timestamp> {
        self.columns.iter().filter_map(|(_, series)| series.as_ref().ok()?.ts.last().copied()).max()
    }

    /// The panel in pieces of at most `tickers` tickers, in their order.
    pub fn into_batches(self, tickers: usize) -> impl Iterator<Item = PricePanel> {
        let mut columns = self.columns.into_iter();
        std::iter::from_fn(move || {
            let batch: Vec<_> = columns.by_ref().take(tickers.max(1)).collect();
            (!batch.is_empty()).then(|| PricePanel::new(batch))
        })
    }

    /// The columns, for a caller that moves the series into jobs.
    pub fn into_columns(self) -> Vec<(String, Result<Series>)> {
        self.columns
    }

    /// All series, for a computation that needs every ticker.
    ///
    /// # Errors
    /// The first ticker's error.
    pub fn series(&self) -> Result<Vec<&Series>> {
        self.columns.iter().map(|(_, series)| series.as_ref().map_err(Clone::clone)).collect()
    }
}

/// Simple returns of many tickers on the days that all of them have.
#[derive(Debug, Clone, PartialEq)]
pub struct ReturnPanel {
    tickers: Vec<String>,
    days: Vec<Timestamp>,
    returns: Array2<f64>,
}

impl ReturnPanel {
    /// Aligns the prices on the times that every ticker has, keeps the last `history` of them, and takes simple
    /// returns p(t) / p(t-1) - 1 between neighbours.
    ///
    /// # Errors
    /// A ticker's own error, or [`Error::TooShort`] where fewer than `need` common returns are left; it names the
    /// tickers that are shortest.
    pub fn aligned(panel: &PricePanel, history: usize, need: usize) -> Result<ReturnPanel> {
        let series = panel.series()?;
        let mut common: Vec<Timestamp> = series.first().map(|first| first.ts.clone()).unwrap_or_default();
        for other in series.iter().skip(1) {
            common.retain(|ts| other.ts.binary_search(ts).is_ok());
        }
        common.drain(..common.len().saturating_sub(history.saturating_add(1)));
        if common.len() < need + 1 {
            return Err(too_short(&series, common.len(), need));
        }
        let mut returns = Array2::zeros((common.len() - 1, series.len()));
        for (column, series) in series.iter().enumerate() {
            let price = |ts: &Timestamp| series.close[series.ts.partition_point(|time| time < ts)];
            for (row, pair) in common.windows(2).enumerate() {
                returns[[row, column]] = price(&pair[1]) / price(&pair[0]) - 1.0;
            }
        }
        let tickers = series.iter().map(|series| series.ticker.clone()).collect();
        Ok(ReturnPanel { tickers, days: common.split_off(1), returns })
    }

    /// The days `rows` alone.
    pub fn during(&self, rows: std::ops::Range<usize>) -> ReturnPanel {
        ReturnPanel {
            tickers: self.tickers.clone(),
            days: self.days[rows.clone()].to_vec(),
            returns: self.returns.slice(ndarray::s![rows, ..]).to_owned(),
        }
    }

    /// The returns of one ticker, and those of the others.
    ///
    /// # Errors
    /// [`Error::UnknownTicker`].
    pub fn without(&self, ticker: &str) -> Result<(Vec<f64>, ReturnPanel)> {
        let found = self.tickers.iter().position(|known| known == ticker);
        let place = found.ok_or_else(|| Error::UnknownTicker { ticker: ticker.to_owned() })?;
        let rest: Vec<usize> = (0..self.tickers.len()).filter(|&column| column != place).collect();
        let others = ReturnPanel {
            tickers: rest.iter().map(|&column| self.tickers[column].clone()).collect(),
            days: self.days.clone(),
            returns: self.returns.select(ndarray::Axis(1), &rest),
        };
        Ok((self.returns.column(place).to_vec(), others))
    }

    /// The tickers, in the order of the columns.
    pub fn tickers(&self) -> &[String] {
        &self.tickers
    }

    /// The day of each row.
    pub fn days(&self) -> &[Timestamp] {
        &self.days
    }

    /// The returns, a row per day and a column per ticker.
    pub fn returns(&self) -> &Array2<f64> {
        &self.returns
    }
}

fn too_short(series: &[&Series], common: usize, need: usize) -> Error {
    let mut found: Vec<(String, usize)> = series
        .iter()
        .filter(|series| series.ts.len() < need + 1)
        .map(|series| (series.ticker.clone(), series.ts.len()))
        .collect();
    if found.is_empty() {
        found.push(("days that all tickers share".to_owned(), common));
    }
    Error::TooShort { need: need + 1, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(day: i64, close: f64) -> PriceRow {
        PriceRow { ts: Timestamp(day * MICROS_PER_DAY), close }
    }

    fn column(ticker: &str, rows: &[(i64, f64)]) -> (String, Result<Series>) {
        let rows = rows.iter().map(|&(day, close)| row(day, close)).collect();
        (ticker.to_owned(), Series::new(ticker.to_owned(), rows, usize::MAX))
    }

    #[test]
    fn weekdays_skip_the_weekend() {
        // 2022-12-28 was a Wednesday: day 19354.
        let days: Vec<i64> =
            row(19_354, 1.0).ts.next_weekdays(4).iter().map(|ts| ts.0 / MICROS_PER_DAY).collect();
        assert_eq!(days, [19_355, 19_356, 19_359, 19_360]);
        // Before the epoch too: 1969-12-26 was a Friday.
        let days: Vec<i64> =
            row(-6, 1.0).ts.next_weekdays(1).iter().map(|ts| ts.0 / MICROS_PER_DAY).collect();
        assert_eq!(days, [-3]);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let date = |day: i64| row(day, 1.0).ts.date();
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(-1), (1969, 12, 31));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(19_354), (2022, 12, 28));
        assert_eq!(date(47_540), (2100, 2, 28));
        assert_eq!(date(47_541), (2100, 3, 1));
        assert_eq!(date(-719_162), (1, 1, 1));
    }

    #[test]
    fn rows_are_sorted_and_bad_ones_named() {
        let series = Series::new("A".into(), vec![row(2, 20.0), row(1, 10.0), row(0, -1.0)], 2).unwrap();
        assert_eq!(series.close(), [10.0, 20.0]);

        let rows = vec![
            row(1, f64::NAN),
            row(2, 0.0),
            row(3, -1.0),
            row(4, f64::INFINITY),
            row(5, 1.0),
            row(5, 2.0),
        ];
        let Error::BadPrices { rows, total, .. } = Series::new("A".into(), rows, 100).unwrap_err() else {
            panic!()
        };
        let reasons: Vec<BadPriceReason> = rows.iter().map(|bad| bad.reason).collect();
        use BadPriceReason::*;
        assert_eq!(
            (reasons.as_slice(), total),
            ([NotANumber, Zero, Negative, Infinite, Duplicate].as_slice(), 5)
        );
    }

    #[test]
    fn batches_are_the_panel_in_its_order() {
        let names = ["A", "B", "C", "D", "E"];
        let panel = PricePanel::new(names.iter().map(|name| column(name, &[(1, 1.0)])).collect());
        let sizes: Vec<usize> = panel.clone().into_batches(2).map(|batch| batch.columns().len()).collect();
        assert_eq!(sizes, [2, 2, 1]);
        assert_eq!(
            panel.clone().into_batches(2).flat_map(PricePanel::into_columns).collect::<Vec<_>>(),
            panel.columns()
        );
        assert_eq!(PricePanel::new(Vec::new()).into_batches(0).count(), 0);
    }

    #[test]
    fn returns_are_taken_on_common_days() {
        let panel = PricePanel::new(vec![
            column("A", &[(1, 10.0), (2, 11.0), (3, 12.0), (4, 24.0)]),
            column("B", &[(1, 5.0), (3, 10.0), (4, 5.0)]),
        ]);
        let returns = ReturnPanel::aligned(&panel, 100, 1).unwrap();
        let expected = ndarray::arr2(&[[0.2, 1.0], [1.0, -0.5]]);
        assert!((returns.returns() - &expected).iter().all(|difference| difference.abs() < 1e-15));
        assert_eq!(returns.days().len(), 2);
        assert_eq!(ReturnPanel::aligned(&panel, 1, 1).unwrap().days().len(), 1);
        assert!(matches!(ReturnPanel::aligned(&panel, 100, 3), Err(Error::TooShort { need: 4, .. })));
    }
}
