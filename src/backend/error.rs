//! From the errors of the engine, the charts and the backend to a report. The matches over the engine's errors are
//! exhaustive.

use folio_core::Error;
use folio_core::panel::{BadPrice, BadPriceReason, Timestamp};

use super::budget::NoMemory;
use super::encoding::NotText;
use super::memory;
use super::report::{Report, SqlState};
use super::server;
use super::timestamp::to_postgres;

impl From<Error> for Report {
    fn from(error: Error) -> Report {
        if error == Error::Cancelled {
            if memory::exhausted() {
                return Report::out_of_memory();
            }
            // Work on this thread saw the interrupt before the server did, which says what it is: a cancel, a time-out.
            if let Err(interrupt) = server::check_interrupts() {
                return interrupt;
            }
        }
        let (detail, hint) = detail_and_hint(&error);
        Report::new(state_of(&error), error.to_string(), detail, hint)
    }
}

impl From<NoMemory> for Report {
    fn from(NoMemory { need_bytes, taken_bytes, limit_bytes }: NoMemory) -> Report {
        let megabytes = |bytes: u64| bytes >> 20;
        Report::new(
            SqlState::OUT_OF_MEMORY,
            "the memory that all computations may take together is used up",
            format!(
                "Needed: {} MB. Taken by others: {} MB. Limit: {} MB.",
                megabytes(need_bytes),
                megabytes(taken_bytes),
                megabytes(limit_bytes)
            ),
            "Wait for calls in folio.progress to end, ask for fewer tickers, or raise folio.max_memory.",
        )
    }
}

impl From<NotText> for Report {
    fn from(NotText { begin, bytes }: NotText) -> Report {
        Report::new(
            SqlState::INVALID_TEXT,
            "a text cannot be converted between the database's encoding and UTF-8",
            format!("It begins with \"{begin}\" and has {bytes} bytes."),
            "Names must be valid text in the database's encoding, without zero bytes.",
        )
    }
}

impl From<folio_chart::Error> for Report {
    fn from(error: folio_chart::Error) -> Report {
        use folio_chart::Error;
        let message = error.to_string();
        let (state, detail, hint) = match error {
            Error::InvalidArgument { value, expected, .. } => (
                SqlState::INVALID_PARAMETER_VALUE,
                format!("Given: {value}."),
                format!("Expected: {expected}."),
            ),
            Error::Empty { what } => (
                SqlState::INVALID_PARAMETER_VALUE,
                format!("There are no {what} to draw."),
                "Look at the arguments: they leave nothing.".to_owned(),
            ),
            Error::NotDrawable { value, .. } => (
                SqlState::INVALID_PARAMETER_VALUE,
                format!("Given: {value:e}."),
                "Charts show finite numbers up to 1e100; for a forecast ask for a shorter horizon or lower levels."
                    .to_owned(),
            ),
            Error::Drawing { message: cause } => return Report::internal(message, format!("{cause}.")),
        };
        Report::new(state, message, detail, hint)
    }
}

fn state_of(error: &Error) -> SqlState {
    match error {
        Error::Cancelled => SqlState::QUERY_CANCELED,
        Error::InvalidArgument { .. }
        | Error::UnknownName { .. }
        | Error::InvalidView { .. }
        | Error::UnknownTicker { .. } => SqlState::INVALID_PARAMETER_VALUE,
        Error::BadPrices { .. } | Error::BadValue { .. } => SqlState::BAD_PRICES,
        Error::TooShort { .. } | Error::NoModel { .. } => SqlState::HISTORY_TOO_SHORT,
        Error::Infeasible { .. } => SqlState::INFEASIBLE,
        Error::NotPositiveSemidefinite { .. } => SqlState::NOT_POSITIVE_SEMIDEFINITE,
        Error::OnDate { error, .. } => state_of(error),
        Error::SolverFailed { .. } => SqlState::SOLVER_FAILED,
        Error::MemoryLimit { .. } => SqlState::OUT_OF_MEMORY,
        Error::Internal { .. } => SqlState::INTERNAL_ERROR,
    }
}

fn detail_and_hint(error: &Error) -> (String, String) {
    match error {
        Error::Cancelled => (
            "The computation was asked to stop.".to_owned(),
            "Nothing was changed; call again.".to_owned(),
        ),
        Error::InvalidArgument { value, expected, .. } => (
            format!("Given: {value}."),
            format!("Expected: {expected}."),
        ),
        Error::UnknownName { name, valid, .. } => (
            format!("Given: \"{name}\"."),
            if valid.is_empty() { "None is known here.".to_owned() } else { format!("Valid: {}.", valid.join(", ")) },
        ),
        Error::InvalidView { view, reason } => (
            format!("In {view}: {reason}."),
            "Write a view as 'AAPL = 10%' or 'MSFT - GE = 5%', or as \
             {\"view\": \"AAPL = 10%\", \"confidence\": 0.6}."
                .to_owned(),
        ),
        Error::BadPrices { ticker, rows, total } => (
            format!("{} of {ticker}: {}.", count(*total, "bad row"), list_bad_rows(rows, *total)),
            "Correct these rows, or read from a view that leaves them out; prices must be finite and over zero, \
             one a time."
                .to_owned(),
        ),
        Error::BadValue { position, value } => (
            format!("Element {position} of the array is {value}."),
            "Leave it out; prices must be finite and over zero.".to_owned(),
        ),
        Error::TooShort { need, found } => (
            format!("Needed: {}. Found: {}.", count(*need, "price"), list_counts(found)),
            "Load more prices, leave these tickers out, or raise folio.history or as_of.".to_owned(),
        ),
        Error::UnknownTicker { ticker } => (
            format!("No row with ticker \"{ticker}\" that you may read, up to as_of."),
            "Tickers are compared as they are written, with upper and lower case.".to_owned(),
        ),
        Error::NoModel { ticker, failures } => (
            format!("Ticker {ticker}: {}.", list_failures(failures)),
            "Add naive to the models, or load more prices.".to_owned(),
        ),
        Error::Infeasible { reason, feasible } => (sentence(reason), format!("Feasible: {feasible}.")),
        Error::NotPositiveSemidefinite { smallest_eigenvalue } => (
            format!("Smallest eigenvalue: {smallest_eigenvalue:e}."),
            "Estimate it by covariance => 'ledoit_wolf'; of a matrix of your own \
             fix_nonpositive_semidefinite(matrix, fix_method) makes one that is, and says by how much it changed."
                .to_owned(),
        ),
        Error::OnDate { ts, error } => {
            let ((year, month, day), (detail, hint)) = (ts.date(), detail_and_hint(error));
            (format!("Rebalance of {year}-{month:02}-{day:02}. {detail}"), hint)
        }
        Error::SolverFailed { status } => (
            format!("Solver status: {status}."),
            "Loosen the constraints, or use covariance => 'ledoit_wolf'.".to_owned(),
        ),
        Error::MemoryLimit { need_bytes, limit_bytes } => (
            format!("Needed: {} MB. Limit: {} MB.", need_bytes >> 20, limit_bytes >> 20),
            "Raise folio.memory_limit, up to folio.max_memory_limit, or ask for fewer tickers or a shorter history.".to_owned(),
        ),
        Error::Internal { message } => (
            format!("{message}."),
            "This is a defect of pg_folio; the session goes on. Please report this text.".to_owned(),
        ),
    }
}

/// The text with a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    first + letters.as_str() + "."
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn list_bad_rows(rows: &[BadPrice], total: usize) -> String {
    let row = |bad: &BadPrice| {
        let what = match bad.reason {
            BadPriceReason::NotANumber => "NULL or NaN".to_owned(),
            BadPriceReason::Infinite => "infinite".to_owned(),
            BadPriceReason::Zero => "zero".to_owned(),
            BadPriceReason::Negative => format!("negative ({})", bad.row.close),
            BadPriceReason::Duplicate => format!("a second row of that time ({})", bad.row.close),
            BadPriceReason::NoTime => format!("no finite time ({})", bad.row.close),
        };
        format!("{} is {what}", time(bad.row.ts))
    };
    let rest = if total > rows.len() { ", ..." } else { "" };
    rows.iter().map(row).collect::<Vec<_>>().join(", ") + rest
}

fn time(ts: Timestamp) -> String {
    if ts == Timestamp::MIN || ts == Timestamp::MAX {
        "a row".to_owned()
    } else {
        to_postgres(ts).to_string()
    }
}

/// How many tickers a DETAIL lists; the rest are counted.
const MAX_LISTED: usize = 8;

fn list_counts(found: &[(String, usize)]) -> String {
    let listed: Vec<String> =
        found.iter().take(MAX_LISTED).map(|(ticker, count)| format!("{count} ({ticker})")).collect();
    let rest = if found.len() > MAX_LISTED {
        format!(" and {} more", found.len() - MAX_LISTED)
    } else {
        String::new()
    };
    listed.join(", ") + &rest
}

fn list_failures(failures: &[(&'static str, String)]) -> String {
    failures.iter().map(|(model, reason)| format!("{model}: {reason}")).collect::<Vec<_>>().join("; ")
}
