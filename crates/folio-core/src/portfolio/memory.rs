//! How much memory a portfolio takes, estimated before it is computed: a failed allocation would end the whole process.

use super::frontier::MAX_POINTS;
use crate::panel::PricePanel;
use crate::{Error, Result};

/// What a computation takes whatever its size.
const BASE_BYTES: usize = 16 << 20;

/// Copies of the returns, a number per ticker and day: the panel, the centred one and what the estimator makes of it.
const RETURN_COPIES: usize = 4;

/// Matrices of a number per pair of tickers: covariances, factors and the solver's own. 12 bound what was measured at 300,
/// 500 and 1,000 tickers of 1,000 days: 37, 74 and 129 MB with all of the above. Twice that, since a limit on leverage
/// splits each weight into what is held and what is owed (`tests/memory.rs`).
const SQUARE_MATRICES: usize = 24;

/// Numbers of a backtest's day.
const RESULT_NUMBERS: usize = 12;

/// The bytes that a portfolio of all tickers of the panel takes, prices included.
///
/// # Errors
/// [`Error::MemoryLimit`] where they are more than `limit`.
pub fn check(panel: &PricePanel, limit: usize) -> Result<usize> {
    let (tickers, days, prices) = sizes(panel);
    within(prices + portfolio(tickers, days), limit)
}

/// Tickers, days of the longest, and numbers that the prices themselves take.
fn sizes(panel: &PricePanel) -> (usize, usize, usize) {
    let lengths =
        || panel.columns().iter().filter_map(|(_, series)| Some(series.as_ref().ok()?.close().len()));
    (panel.columns().len(), lengths().max().unwrap_or(0), 2 * lengths().sum::<usize>())
}

/// Numbers that a portfolio of some days takes beside the prices.
fn portfolio(tickers: usize, days: usize) -> usize {
    RETURN_COPIES * tickers * days + SQUARE_MATRICES * tickers * tickers
}

/// The bytes that a backtest of all tickers of the panel takes, on so many threads at once: at most, what is held before and
/// after a trade of every day among them.
///
/// # Errors
/// [`Error::MemoryLimit`] where they are more than `limit`.
pub fn check_backtest(panel: &PricePanel, lookback: usize, threads: usize, limit: usize) -> Result<usize> {
    let (tickers, days, prices) = sizes(panel);
    let dates = portfolio(tickers, lookback.min(days)).saturating_mul(threads);
    within(dates.saturating_add(prices + (RETURN_COPIES + 2) * tickers * days), limit)
}

/// The bytes that the posterior of matrices that are given takes.
///
/// # Errors
/// [`Error::MemoryLimit`] where they are more than `limit`.
pub fn check_posterior(assets: usize, views: usize, limit: usize) -> Result<usize> {
    let size = assets.saturating_add(views);
    within(SQUARE_MATRICES.saturating_mul(size.saturating_mul(size)), limit)
}

/// The bytes that the rows of a portfolio's result take at most while they wait to be asked for: a matrix of all pairs, and
/// the weights of a frontier's points. The days of a backtest, a few numbers each, are as many as those of a panel.
pub fn result_bytes(panel: &PricePanel) -> usize {
    let (tickers, days, _) = sizes(panel);
    (tickers * (tickers + MAX_POINTS as usize) + RESULT_NUMBERS * days) * size_of::<f64>()
}

/// The bytes that the weights of a backtest's dates take while they wait, those before and after each.
pub fn weights_bytes(dates: usize, tickers: usize) -> usize {
    2 * dates * tickers * size_of::<f64>()
}

fn within(numbers: usize, limit: usize) -> Result<usize> {
    let need = numbers.saturating_mul(size_of::<f64>()).saturating_add(BASE_BYTES);
    if need > limit { Err(Error::MemoryLimit { need_bytes: need, limit_bytes: limit }) } else { Ok(need) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::{PriceRow, Series, Timestamp};

    #[test]
    fn tickers_count_twice() {
        let rows: Vec<PriceRow> = (0..10).map(|day| PriceRow { ts: Timestamp(day), close: 1.0 }).collect();
        let column = |index: usize| (index.to_string(), Series::new(index.to_string(), rows.clone(), 10));
        let panel = |tickers: usize| PricePanel::new((0..tickers).map(column).collect());
        assert!(check(&panel(100), 32 << 20).is_ok_and(|bytes| bytes > 16 << 20 && bytes <= 32 << 20));
        let refused = check(&panel(1000), 32 << 20);
        assert!(
            matches!(refused, Err(Error::MemoryLimit { need_bytes, .. }) if need_bytes > 100 << 20),
            "{refused:?}"
        );
        assert!(check(&panel(1000), 256 << 20).is_ok_and(|bytes| bytes > 100 << 20));
        assert!(check_backtest(&panel(1000), 5, 1, 256 << 20).is_ok_and(|bytes| bytes > 100 << 20));
        assert!(check_backtest(&panel(1000), 5, 2, 256 << 20).is_err());
    }
}
