//! Work whose failure the caller wants to write down: like PL/pgSQL's EXCEPTION block, except that a CALL inside of it may
//! still be without a snapshot.

use std::panic::AssertUnwindSafe;

use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgTryBuilder, pg_sys};

use super::report::{Report, Result, SqlState};

/// Does the work in a subtransaction. If it fails, a cancel included, what it has written is undone.
pub fn attempt<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // SAFETY: on the main thread inside a transaction; the subtransaction that begins here ends below, on either way.
    unsafe {
        let (context, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        let outcome = PgTryBuilder::new(AssertUnwindSafe(work))
            .catch_others(|error| Err(Report::from(error)))
            .execute();
        match outcome {
            Ok(_) => pg_sys::ReleaseCurrentSubTransaction(),
            Err(_) => pg_sys::RollbackAndReleaseCurrentSubTransaction(),
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        outcome
    }
}

/// An error that came as a panic: of a call of the server through pgrx, such as an interrupt, or of Rust.
impl From<CaughtError> for Report {
    fn from(error: CaughtError) -> Report {
        let report = match error {
            CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => report,
            CaughtError::RustPanic { ereport, .. } => ereport,
        };
        Report {
            state: SqlState::unpacked(report.sql_error_code() as i32),
            message: report.message().to_owned(),
            detail: report.detail().map(str::to_owned),
            hint: report.hint().map(str::to_owned),
            context: None,
            feigned: false,
        }
    }
}
