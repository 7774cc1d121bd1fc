//! How much memory a forecast takes, estimated before it starts: a failed allocation would end the whole process.

use super::evaluate::Evaluation;
use super::member::MAX_ORIGINS;
use super::request::Request;
use crate::panel::PricePanel;
use crate::{Error, Result};

/// What a fit takes whatever the history: XGBoost's trees and histograms, 8 MiB at 1,000 prices; the other models take
/// 1.5 MiB at most (the growth of a process' resident memory over a call on one thread).
const TASK_BYTES: usize = 8 << 20;

/// What a fit takes for each price: features and their copies, 0.7 KiB measured for XGBoost and ridge at 8,000 prices.
const TASK_BYTES_PER_PRICE: usize = 1 << 10;

/// A row of a result with its texts, as the caller keeps it until it is asked for.
const ROW_BYTES: usize = 160;

/// A row of an evaluation, with a number for each measure.
const EVALUATED_ROW_BYTES: usize = 400;

/// A model in a report of one ticker: its weight, what it says of its fit, its texts.
const MEMBER_BYTES: usize = 1 << 10;

/// What computing takes, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// A ticker's rows, until they are asked for.
    pub rows: usize,
    /// A ticker, until it is combined.
    pub report: usize,
    /// A task while it runs, whatever the history.
    pub task: usize,
    /// A task while it runs, for each price of its ticker.
    pub task_per_price: usize,
}

impl Sizes {
    /// Those of price models.
    fn of(rows: usize, report: usize) -> Sizes {
        Sizes { rows, report, task: TASK_BYTES, task_per_price: TASK_BYTES_PER_PRICE }
    }
}

/// How many tickers are forecast at a time, and on how many threads, within a limit of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batches {
    /// Tickers at a time, at least 1.
    pub tickers: usize,
    /// Threads at a time, at least 1 and not more than asked for.
    pub threads: usize,
    /// What all of it takes, prices and results included, in bytes.
    pub bytes: usize,
    /// What the results of all tickers take of that.
    pub result_bytes: usize,
}

impl Batches {
    /// Plans forecasts of a panel, of `tickers` in all, on up to `threads` threads, within `limit` bytes. Threads are
    /// given up before the call is.
    ///
    /// # Errors
    /// [`Error::MemoryLimit`] where one ticker alone does not fit.
    pub fn new(
        panel: &PricePanel,
        tickers: usize,
        request: &Request,
        threads: usize,
        limit: usize,
    ) -> Result<Batches> {
        let rows = request.horizon.steps() * request.levels.len() * ROW_BYTES;
        Batches::plan(panel, tickers, Sizes::of(rows, fit_bytes(request)), threads, limit)
    }

    /// The same where what is kept of a ticker is a row for each model.
    ///
    /// # Errors
    /// [`Error::MemoryLimit`] where one ticker alone does not fit.
    pub fn of_members(
        panel: &PricePanel,
        tickers: usize,
        request: &Request,
        threads: usize,
        limit: usize,
    ) -> Result<Batches> {
        let rows = request.models.models().len() * MEMBER_BYTES;
        Batches::plan(panel, tickers, Sizes::of(rows, fit_bytes(request)), threads, limit)
    }

    /// The same for an evaluation.
    ///
    /// # Errors
    /// [`Error::MemoryLimit`] where one ticker alone does not fit.
    pub fn of_evaluation(
        panel: &PricePanel,
        tickers: usize,
        evaluation: &Evaluation,
        threads: usize,
        limit: usize,
    ) -> Result<Batches> {
        let request = evaluation.request();
        let forecasters = request.models.models().len() + 2;
        let rows = request.horizon.steps() * forecasters * EVALUATED_ROW_BYTES;
        let report = evaluation.report_bytes(fit_bytes(request));
        Batches::plan(panel, tickers, Sizes::of(rows, report), threads, limit)
    }

    /// Plans what takes so much of each ticker and task.
    ///
    /// # Errors
    /// [`Error::MemoryLimit`] where one ticker alone does not fit.
    pub(crate) fn plan(
        panel: &PricePanel,
        tickers: usize,
        sizes: Sizes,
        threads: usize,
        limit: usize,
    ) -> Result<Batches> {
        let Sizes { rows, report, task, task_per_price } = sizes;
        let lengths =
            || panel.columns().iter().filter_map(|(_, series)| Some(series.as_ref().ok()?.close().len()));
        let prices = lengths().sum::<usize>() * 2 * size_of::<f64>();
        // In the panel, and in what is said of the ticker.
        let name = 2 * panel.columns().iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let result_bytes = tickers.saturating_mul(rows + name);
        let fixed = result_bytes.saturating_add(prices);
        let task = task + lengths().max().unwrap_or(0) * task_per_price;
        let room = limit.saturating_sub(fixed);
        if room < task + report {
            let need_bytes = fixed.saturating_add(task + report);
            return Err(Error::MemoryLimit { need_bytes, limit_bytes: limit });
        }
        let threads = threads.min((room - report) / task).max(1);
        let tickers = ((room - threads * task) / report).max(1);
        let bytes = fixed + threads * task + tickers.min(panel.columns().len()) * report;
        Ok(Batches { tickers, threads, bytes, result_bytes })
    }
}

/// What the models of one ticker bring from one fit, until they are combined: errors by origin and step, paths and
/// weights.
fn fit_bytes(request: &Request) -> usize {
    let numbers = (MAX_ORIGINS + 3) * request.horizon.steps() * size_of::<f64>();
    request.models.models().len() * (numbers + MEMBER_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::{Horizon, Level, ModelSet, SeasonLengths};
    use crate::panel::{PriceRow, Series, Timestamp};
    use crate::task::Seed;
    use std::time::Duration;

    fn request() -> Request {
        Request {
            horizon: Horizon::new(252).unwrap(),
            levels: vec![Level::new(0.8).unwrap()],
            models: ModelSet::all(),
            season_lengths: SeasonLengths::default(),
            seed: Seed(1),
            clock: || Duration::ZERO,
        }
    }

    fn panel(tickers: usize, prices: i64) -> PricePanel {
        let rows: Vec<PriceRow> =
            (0..prices).map(|day| PriceRow { ts: Timestamp(day), close: 1.0 }).collect();
        let column =
            |index: usize| (index.to_string(), Series::new(index.to_string(), rows.clone(), usize::MAX));
        PricePanel::new((0..tickers).map(column).collect())
    }

    #[test]
    fn a_small_limit_costs_threads_first_and_then_the_call() {
        let plan = |limit: usize| Batches::new(&panel(20, 1000), 20, &request(), 4, limit << 20);
        let all = plan(1024).unwrap();
        assert!(all.threads == 4 && all.tickers >= 20, "{all:?}");
        let few = plan(24).unwrap();
        assert!(few.threads < 4 && few.tickers < 20, "{few:?}");
        assert!(few.bytes <= 24 << 20 && few.bytes < all.bytes && few.result_bytes == all.result_bytes);
        assert!(
            matches!(plan(8), Err(Error::MemoryLimit { need_bytes, limit_bytes }) if need_bytes > limit_bytes)
        );
    }

    #[test]
    fn a_long_history_and_many_results_count() {
        let fits = |tickers, prices, limit: usize| {
            Batches::new(&panel(1, prices), tickers, &request(), 1, limit << 20).is_ok()
        };
        assert!(fits(1, 1000, 16) && !fits(1, 100_000, 16) && fits(1, 100_000, 128));
        assert!(!fits(10_000, 1000, 128) && fits(10_000, 1000, 1024));
    }
}
