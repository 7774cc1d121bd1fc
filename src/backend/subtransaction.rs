//! Work whose failure the caller wants to write down: like PL/pgSQL's EXCEPTION block, except that a CALL inside of it may
//! still be without a snapshot.

use std::panic::AssertUnwindSafe;

use pgrx::pg_sys::panic::CaughtError;
use pgrx::prelude::*;
use pgrx::{PgTryBuilder, pg_sys};

use super::report::{Report, Result};

/// An error of any kind, ours or the server's, as text.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub state: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

/// Does the work in a subtransaction. If it fails, a cancel included, what it has written is undone.
pub fn attempt<T>(work: impl FnOnce() -> Result<T>) -> std::result::Result<T, Failure> {
    // SAFETY: on the main thread inside a transaction; the subtransaction that begins here ends below, on either way.
    unsafe {
        let (context, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        let outcome = PgTryBuilder::new(AssertUnwindSafe(|| work().map_err(Failure::from)))
            .catch_others(|error| Err(Failure::from(error)))
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

impl From<Report> for Failure {
    fn from(report: Report) -> Failure {
        let Report { state, message, detail, hint } = report;
        Failure { state: state.0.to_owned(), message, detail: Some(detail), hint: Some(hint) }
    }
}

impl From<CaughtError> for Failure {
    fn from(error: CaughtError) -> Failure {
        let report = match error {
            CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => report,
            CaughtError::RustPanic { ereport, .. } => ereport,
        };
        Failure {
            state: unpacked(report.sql_error_code()),
            message: report.message().to_owned(),
            detail: report.detail().map(str::to_owned),
            hint: report.hint().map(str::to_owned),
        }
    }
}

/// The five characters of a SQLSTATE, six bits each (unpack_sql_state in elog.c).
fn unpacked(code: PgSqlErrorCode) -> String {
    let code = code as i32;
    (0..5).map(|index| char::from(b'0' + ((code >> (6 * index)) & 0x3f) as u8)).collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn states_are_unpacked_as_postgres_unpacks_them() {
        assert_eq!(unpacked(PgSqlErrorCode::ERRCODE_QUERY_CANCELED), "57014");
        assert_eq!(unpacked(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE), "42P01");
    }
}
