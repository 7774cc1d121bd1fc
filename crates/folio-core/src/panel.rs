//! Prices in memory: one validated series per ticker, and the aligned returns that a covariance needs.

use ndarray::Array2;

use crate::calendar::zone::Zone;
use crate::frequency::{Frequency, PeriodsPerYear};
pub use crate::price::{BadPrice, BadPriceReason, PriceRow, Timestamp};
use crate::task::{Cancel, Cancelled};
use crate::{Error, Result, sort, work};

/// How many bad rows an error lists; the rest are counted.
const MAX_BAD_ROWS_LISTED: usize = 5;

/// Work for a row that is checked, in [`work`]'s units.
const UNITS_CHECKED: usize = 4;

/// Work for a time that is looked for in a list.
const UNITS_FOUND: usize = 40;

/// What the times of prices are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Times {
    /// Days, or times without a zone: they mean what is written, wherever they are read.
    #[default]
    Written,
    /// Instants.
    Instants,
}

/// The prices of one ticker: times strictly rising, prices finite and over zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    ticker: String,
    ts: Vec<Timestamp>,
    close: Vec<f64>,
    frequency: Frequency,
    times: Times,
}

impl Series {
    /// Sorts the rows by time, keeps the last `history` of them and checks those.
    ///
    /// # Errors
    /// [`Error::BadPrices`] with the bad rows.
    pub fn new(ticker: String, rows: Vec<PriceRow>, history: usize) -> Result<Series> {
        Series::in_zone(ticker, rows, history, None, &Cancel::default())
    }

    /// The same, its times read in the zone of its market; None finds it from the times themselves.
    ///
    /// # Errors
    /// [`Error::BadPrices`] with the bad rows; [`Error::Cancelled`].
    pub fn in_zone(
        ticker: String,
        rows: Vec<PriceRow>,
        history: usize,
        zone: Option<&Zone>,
        cancel: &Cancel,
    ) -> Result<Series> {
        Series::beside(None, ticker, rows, history, zone, cancel)
    }

    /// The same beside another series that was made with this zone: where the times are the same, as those of one market's
    /// tickers are, so is the frequency, and is not inferred again.
    ///
    /// # Errors
    /// [`Error::BadPrices`] with the bad rows; [`Error::Cancelled`].
    pub fn beside(
        other: Option<&Series>,
        ticker: String,
        mut rows: Vec<PriceRow>,
        history: usize,
        zone: Option<&Zone>,
        cancel: &Cancel,
    ) -> Result<Series> {
        sort::by_key(&mut rows, |row| row.ts, cancel)?;
        rows.drain(..rows.len().saturating_sub(history));
        let (mut bad, mut total) = (Vec::new(), 0);
        for step in work::watched(rows.iter().enumerate(), UNITS_CHECKED, cancel) {
            let (index, &row) = step?;
            let duplicate = index > 0 && rows[index - 1].ts == row.ts;
            if let Some(reason) = row.fault().or(duplicate.then_some(BadPriceReason::Duplicate)) {
                total += 1;
                if bad.len() < MAX_BAD_ROWS_LISTED {
                    bad.push(BadPrice { row, reason });
                }
            }
        }
        if bad.is_empty() {
            let (ts, close): (Vec<Timestamp>, Vec<f64>) =
                rows.into_iter().map(|row| (row.ts, row.close)).unzip();
            let frequency = match other {
                Some(other) if other.ts == ts => other.frequency.clone(),
                _ => Frequency::infer(&ts, zone, cancel)?,
            };
            return Ok(Series { ticker, ts, close, frequency, times: Times::default() });
        }
        Err(Error::BadPrices { ticker, rows: bad, total })
    }

    /// The same series with times of this kind.
    pub fn with_times(self, times: Times) -> Series {
        Series { times, ..self }
    }

    /// What its times are.
    pub fn times(&self) -> Times {
        self.times
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

    /// How often it has a price.
    pub fn frequency(&self) -> &Frequency {
        &self.frequency
    }

    /// As many steps after the last price as are said, each as long as its prices are apart on average: where a chart has a step
    /// whose date nobody can know.
    pub fn after_average_steps(&self, steps: i64) -> Timestamp {
        let (Some(first), Some(last)) = (self.ts.first(), self.ts.last()) else { return Timestamp(0) };
        let gaps = i64::try_from(self.ts.len()).unwrap_or(i64::MAX).saturating_sub(1).max(1);
        Timestamp(last.0.saturating_add((last.0.saturating_sub(first.0) / gaps).saturating_mul(steps)))
    }

    /// The natural logarithms of the prices: what the models read.
    pub fn log_prices(&self) -> Vec<f64> {
        self.close.iter().map(|price| price.ln()).collect()
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

    /// Every time at which any ticker has a price, rising.
    ///
    /// # Errors
    /// [`Cancelled`].
    pub fn all_times(&self, cancel: &Cancel) -> Result<Vec<Timestamp>, Cancelled> {
        let lists = || self.columns.iter().filter_map(|(_, series)| Some(series.as_ref().ok()?.ts()));
        let Some(longest) = lists().max_by_key(|ts| ts.len()) else { return Ok(Vec::new()) };
        // Tickers of one market have the times of the longest, or a part of them.
        let mut further = Vec::new();
        for ts in lists() {
            let mut place = ts.first().map_or(0, |first| longest.partition_point(|time| time < first));
            let steps = 1 + longest.len() / ts.len().max(1);
            for time in work::watched(ts, UNITS_CHECKED * steps, cancel) {
                let time = time?;
                while longest.get(place).is_some_and(|known| known < time) {
                    place += 1;
                }
                if longest.get(place) != Some(time) {
                    further.push(*time);
                }
            }
        }
        if further.is_empty() {
            return Ok(longest.to_vec());
        }
        sort::by_key(&mut further, |time| *time, cancel)?;
        further.dedup();
        further.extend(longest);
        sort::by_key(&mut further, |time| *time, cancel)?;
        Ok(further)
    }

    /// The times that every ticker has, rising.
    ///
    /// # Errors
    /// A ticker's own error; [`Error::Cancelled`].
    pub fn shared_times(&self, cancel: &Cancel) -> Result<Vec<Timestamp>> {
        let series = self.series()?;
        let mut shared: Vec<Timestamp> = series.first().map(|first| first.ts.clone()).unwrap_or_default();
        for other in series.iter().skip(1).filter(|other| other.ts != series[0].ts) {
            let mut kept = Vec::with_capacity(shared.len());
            for ts in work::watched(&shared, UNITS_FOUND, cancel) {
                let ts = ts?;
                if other.ts.binary_search(ts).is_ok() {
                    kept.push(*ts);
                }
            }
            shared = kept;
        }
        Ok(shared)
    }

    /// What its times are; all are of one relation.
    pub fn times(&self) -> Times {
        self.columns.iter().find_map(|(_, series)| Some(series.as_ref().ok()?.times)).unwrap_or_default()
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

/// Simple returns of many tickers on the days that all of them have, from one such day to the next.
#[derive(Debug, Clone, PartialEq)]
pub struct ReturnPanel {
    tickers: Vec<String>,
    days: Vec<Timestamp>,
    returns: Array2<f64>,
    frequency: Frequency,
    periods: PeriodsPerYear,
    times: Times,
}

impl ReturnPanel {
    /// Aligns the prices on the times that every ticker has, keeps the last `history` of them, and takes simple
    /// returns p(t) / p(t-1) - 1 between neighbours.
    ///
    /// # Errors
    /// A ticker's own error, or [`Error::TooShort`] where fewer than `need` common returns are left; it names the
    /// tickers that are shortest.
    pub fn aligned(panel: &PricePanel, history: usize, need: usize) -> Result<ReturnPanel> {
        let cancel = Cancel::default();
        let times = newest(panel.shared_times(&cancel)?, history);
        ReturnPanel::between(panel, times, need, &cancel)
    }

    /// The returns from each of these times, which every ticker has, to the next.
    ///
    /// # Errors
    /// As [`ReturnPanel::aligned`]; [`Error::Cancelled`].
    pub fn between(
        panel: &PricePanel,
        mut times: Vec<Timestamp>,
        need: usize,
        cancel: &Cancel,
    ) -> Result<ReturnPanel> {
        let series = panel.series()?;
        if times.len() < need + 1 {
            return Err(ReturnPanel::too_short(&series, times.len(), need));
        }
        let mut returns = Array2::zeros((times.len() - 1, series.len()));
        for (column, series) in series.iter().enumerate() {
            let price = |ts: &Timestamp| series.close[series.ts.partition_point(|time| time < ts)];
            for pair in work::watched(times.windows(2).enumerate(), 2 * UNITS_FOUND, cancel) {
                let (row, pair) = pair?;
                returns[[row, column]] = price(&pair[1]) / price(&pair[0]) - 1.0;
            }
        }
        let tickers = series.iter().map(|series| series.ticker.clone()).collect();
        let zone = series.first().map(|first| first.frequency.zone());
        let frequency = Frequency::infer(&times, zone, cancel)?;
        Ok(ReturnPanel::of(tickers, times.split_off(1), returns, frequency, panel.times()))
    }

    /// The panel of these returns, a row per day and a column per ticker.
    pub fn of(
        tickers: Vec<String>,
        days: Vec<Timestamp>,
        returns: Array2<f64>,
        frequency: Frequency,
        times: Times,
    ) -> ReturnPanel {
        ReturnPanel { tickers, days, returns, frequency, periods: PeriodsPerYear::default(), times }
    }

    /// The panel with so many periods a year, whatever its times say.
    pub fn with_periods(self, periods: PeriodsPerYear) -> ReturnPanel {
        ReturnPanel { periods, ..self }
    }

    /// The days `rows` alone.
    pub fn during(&self, rows: std::ops::Range<usize>) -> ReturnPanel {
        ReturnPanel {
            tickers: self.tickers.clone(),
            days: self.days[rows.clone()].to_vec(),
            returns: self.returns.slice(ndarray::s![rows, ..]).to_owned(),
            frequency: self.frequency.clone(),
            periods: self.periods,
            times: self.times,
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
            frequency: self.frequency.clone(),
            periods: self.periods,
            times: self.times,
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

    /// What the times of its days are.
    pub fn times(&self) -> Times {
        self.times
    }

    /// How often all of them have a price.
    pub fn frequency(&self) -> &Frequency {
        &self.frequency
    }

    /// What a mean or variance of one period is multiplied by to be one of a year.
    pub fn periods_per_year(&self) -> f64 {
        self.periods.of(&self.frequency)
    }

    /// The returns, a row per day and a column per ticker.
    pub fn returns(&self) -> &Array2<f64> {
        &self.returns
    }

    /// The error of fewer returns than are needed, on so many shared times; it names the tickers that are shortest.
    pub fn too_short(series: &[&Series], common: usize, need: usize) -> Error {
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
}

/// The times that so many of the newest returns are between.
pub fn newest(mut times: Vec<Timestamp>, returns: usize) -> Vec<Timestamp> {
    times.drain(..times.len().saturating_sub(returns.saturating_add(1)));
    times
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::price::MICROS_PER_DAY;

    fn row(day: i64, close: f64) -> PriceRow {
        PriceRow { ts: Timestamp(day * MICROS_PER_DAY), close }
    }

    fn column(ticker: &str, rows: &[(i64, f64)]) -> (String, Result<Series>) {
        let rows = rows.iter().map(|&(day, close)| row(day, close)).collect();
        (ticker.to_owned(), Series::new(ticker.to_owned(), rows, usize::MAX))
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
