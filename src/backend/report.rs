//! From an error to what the user reads: SQLSTATE, message, DETAIL and HINT. The matches over the engine's errors are
//! exhaustive.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use folio_core::Error;
use folio_core::panel::{BadPrice, BadPriceReason, Timestamp};
use pgrx::prelude::*;
use pgrx::{PgLogLevel, pg_sys};

use super::timestamp::to_postgres;

/// A five-character SQLSTATE. pgrx' own list knows Postgres' codes only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlState(pub &'static str);

impl SqlState {
    pub const INVALID_PARAMETER_VALUE: SqlState = SqlState("22023");
    pub const NULL_VALUE_NOT_ALLOWED: SqlState = SqlState("22004");
    pub const UNDEFINED_TABLE: SqlState = SqlState("42P01");
    pub const UNDEFINED_COLUMN: SqlState = SqlState("42703");
    pub const DATATYPE_MISMATCH: SqlState = SqlState("42804");
    pub const INSUFFICIENT_PRIVILEGE: SqlState = SqlState("42501");
    pub const QUERY_CANCELED: SqlState = SqlState("57014");
    pub const TOO_MANY_CONNECTIONS: SqlState = SqlState("53300");
    pub const OUT_OF_MEMORY: SqlState = SqlState("53200");
    pub const INTERNAL_ERROR: SqlState = SqlState("XX000");
    pub const INFEASIBLE: SqlState = SqlState("PF001");
    pub const NOT_POSITIVE_SEMIDEFINITE: SqlState = SqlState("PF002");
    pub const SOLVER_FAILED: SqlState = SqlState("PF003");
    pub const HISTORY_TOO_SHORT: SqlState = SqlState("PF004");
    pub const BAD_PRICES: SqlState = SqlState("PF005");

    /// Postgres' packed form: six bits a character (MAKE_SQLSTATE in elog.h).
    fn packed(self) -> c_int {
        self.0
            .bytes()
            .rev()
            .fold(0, |code, byte| (code << 6) | ((c_int::from(byte) - c_int::from(b'0')) & 0x3f))
    }
}

/// An error as the user reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub state: SqlState,
    pub message: String,
    pub detail: String,
    pub hint: String,
}

/// The result of what a SQL function does.
pub type Result<T> = std::result::Result<T, Report>;

impl Report {
    pub fn new(
        state: SqlState,
        message: impl Into<String>,
        detail: impl Into<String>,
        hint: impl Into<String>,
    ) -> Report {
        Report { state, message: message.into(), detail: detail.into(), hint: hint.into() }
    }

    /// The text for a status column: what a call over many tickers says of one that failed.
    pub fn status(&self) -> String {
        format!("{} {}: {}", self.state.0, self.message, self.detail)
    }

    /// Raises the error.
    pub fn raise(self) -> ! {
        state_of_next_error(self.state);
        pgrx::pg_sys::panic::ErrorReport::new(
            PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
            self.message,
            "pg_folio",
        )
        .set_detail(self.detail)
        .set_hint(self.hint)
        .report(PgLogLevel::ERROR);
        unreachable!("an ERROR does not return")
    }
}

/// The value, or the error raised: what every SQL function ends with.
pub fn or_raise<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|report| report.raise())
}

thread_local! {
    static PENDING_STATE: Cell<c_int> = const { Cell::new(0) };
}

/// Gives the next error, which must be raised at once, this SQLSTATE.
///
/// pgrx raises with codes of its own list. Postgres calls the error context callbacks while an error is built, so one
/// pushed here sets the code; the handler that catches the error restores the callback stack.
fn state_of_next_error(state: SqlState) {
    unsafe extern "C-unwind" {
        fn errcode(sqlerrcode: c_int) -> c_int;
    }
    unsafe extern "C-unwind" fn set_state(_: *mut c_void) {
        let state = PENDING_STATE.replace(0);
        if state != 0 {
            // SAFETY: Postgres calls this from errfinish, while an error is being built.
            unsafe { errcode(state) };
        }
    }
    static mut CALLBACK: pg_sys::ErrorContextCallback = pg_sys::ErrorContextCallback {
        previous: std::ptr::null_mut(),
        callback: Some(set_state),
        arg: std::ptr::null_mut(),
    };
    PENDING_STATE.set(state.packed());
    // SAFETY: on the main thread; the callback is static, so it outlives the stack it is pushed to. It is pushed once
    // per error, and an error pops it.
    unsafe {
        CALLBACK.previous = pg_sys::error_context_stack;
        pg_sys::error_context_stack = &raw mut CALLBACK;
    }
}

impl From<Error> for Report {
    fn from(error: Error) -> Report {
        let (detail, hint) = detail_and_hint(&error);
        Report::new(state_of(&error), error.to_string(), detail, hint)
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
            Error::Drawing { message } => (
                SqlState::INTERNAL_ERROR,
                format!("{message}."),
                "This is a defect of pg_folio; the session goes on. Please report this text.".to_owned(),
            ),
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
            "Raise folio.memory_limit, or ask for fewer tickers or a shorter history.".to_owned(),
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

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn states_are_packed_as_postgres_packs_them() {
        assert_eq!(SqlState::QUERY_CANCELED.packed(), PgSqlErrorCode::ERRCODE_QUERY_CANCELED as c_int);
        assert_eq!(SqlState::UNDEFINED_TABLE.packed(), PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE as c_int);
    }
}
