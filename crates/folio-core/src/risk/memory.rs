//! How much memory forecasts of volatility take, estimated before they start: a failed allocation would end the call.

use super::evaluate::Evaluation;
use super::request::Request;
use crate::Result;
use crate::forecast::{Batches, Sizes};
use crate::panel::PricePanel;

/// What a ticker's ensemble takes while it is fitted, whatever the history: of each model and of what came 12,000 steps from
/// its validated origins, and the shares of the one to the other.
const TASK_BYTES: usize = 2 << 20;

/// What it takes for each price: returns, the variances of a model and their gradients, the regressors of HAR.
const TASK_BYTES_PER_PRICE: usize = 512;

/// A row of a result with its texts, as the caller keeps it until it is asked for.
const ROW_BYTES: usize = 160;

/// A row of an evaluation, with a number for each measure.
const EVALUATED_ROW_BYTES: usize = 320;

/// A model in a report of one ticker: what it says of its fit, its texts.
const MEMBER_BYTES: usize = 1 << 10;

/// Plans forecasts of the volatility of a panel, of `tickers` in all, on up to `threads` threads, within `limit` bytes.
///
/// # Errors
/// [`crate::Error::MemoryLimit`] where one ticker alone does not fit.
pub fn of_forecast(
    panel: &PricePanel,
    tickers: usize,
    request: &Request,
    threads: usize,
    limit: usize,
) -> Result<Batches> {
    let rows = request.horizon.steps() * ROW_BYTES;
    Batches::plan(panel, tickers, sizes(rows, report_bytes(request)), threads, limit)
}

/// The same where what is kept of a ticker is a row for each model.
///
/// # Errors
/// [`crate::Error::MemoryLimit`] where one ticker alone does not fit.
pub fn of_members(
    panel: &PricePanel,
    tickers: usize,
    request: &Request,
    threads: usize,
    limit: usize,
) -> Result<Batches> {
    let rows = request.models.names().len() * MEMBER_BYTES;
    Batches::plan(panel, tickers, sizes(rows, report_bytes(request)), threads, limit)
}

/// The same for an evaluation, whose rows are those of all tickers together.
///
/// # Errors
/// [`crate::Error::MemoryLimit`] where one ticker alone does not fit.
pub fn of_evaluation(
    panel: &PricePanel,
    tickers: usize,
    evaluation: &Evaluation,
    threads: usize,
    limit: usize,
) -> Result<Batches> {
    let request = evaluation.request();
    let rows = (request.models.names().len() + 2) * request.horizon.steps() * EVALUATED_ROW_BYTES;
    // The sum of all tickers' measures, where they have the same days; what more it takes is counted when it is there.
    let fixed = rows + evaluation.measure_bytes();
    let batches = Batches::plan(
        panel,
        tickers,
        sizes(0, evaluation.measure_bytes()),
        threads,
        limit.saturating_sub(fixed),
    );
    match batches {
        Ok(batches) => {
            Ok(Batches { bytes: batches.bytes + fixed, result_bytes: batches.result_bytes + rows, ..batches })
        }
        Err(crate::Error::MemoryLimit { need_bytes, .. }) => Err(crate::Error::MemoryLimit {
            need_bytes: need_bytes.saturating_add(fixed),
            limit_bytes: limit,
        }),
        Err(error) => Err(error),
    }
}

fn sizes(rows: usize, report: usize) -> Sizes {
    Sizes { rows, report, task: TASK_BYTES, task_per_price: TASK_BYTES_PER_PRICE }
}

/// What the models of one ticker bring until it is a row: variances and weights by step, steps with their intervals.
fn report_bytes(request: &Request) -> usize {
    let (models, steps) = (request.models.names().len(), request.horizon.steps());
    models * (2 * steps * size_of::<f64>() + MEMBER_BYTES) + steps * ROW_BYTES
}
