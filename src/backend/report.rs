//! What the user reads of an error: SQLSTATE, message, DETAIL and HINT, and how it is raised. What the errors of others
//! become is in [`super::error`].

use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::fmt;

use pgrx::prelude::*;
use pgrx::{PgLogLevel, pg_sys};

use super::bounded::bounded;
use super::{encoding, memory};

/// A five-character SQLSTATE: Postgres' own, ours, or whatever a user's function raises. pgrx' list knows the first only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlState([u8; 5]);

impl SqlState {
    pub const INVALID_PARAMETER_VALUE: SqlState = SqlState(*b"22023");
    pub const NULL_VALUE_NOT_ALLOWED: SqlState = SqlState(*b"22004");
    pub const INVALID_TEXT: SqlState = SqlState(*b"22021");
    pub const UNDEFINED_OBJECT: SqlState = SqlState(*b"42704");
    pub const INVALID_TRANSACTION_TERMINATION: SqlState = SqlState(*b"2D000");
    pub const WRONG_OBJECT_TYPE: SqlState = SqlState(*b"42809");
    pub const UNDEFINED_TABLE: SqlState = SqlState(*b"42P01");
    pub const UNDEFINED_COLUMN: SqlState = SqlState(*b"42703");
    pub const DATATYPE_MISMATCH: SqlState = SqlState(*b"42804");
    pub const INSUFFICIENT_PRIVILEGE: SqlState = SqlState(*b"42501");
    pub const QUERY_CANCELED: SqlState = SqlState(*b"57014");
    pub const EXTERNAL_ROUTINE_EXCEPTION: SqlState = SqlState(*b"38000");
    pub const TOO_MANY_CONNECTIONS: SqlState = SqlState(*b"53300");
    pub const OUT_OF_MEMORY: SqlState = SqlState(*b"53200");
    pub const INTERNAL_ERROR: SqlState = SqlState(*b"XX000");
    pub const INFEASIBLE: SqlState = SqlState(*b"PF001");
    pub const NOT_POSITIVE_SEMIDEFINITE: SqlState = SqlState(*b"PF002");
    pub const SOLVER_FAILED: SqlState = SqlState(*b"PF003");
    pub const HISTORY_TOO_SHORT: SqlState = SqlState(*b"PF004");
    pub const BAD_PRICES: SqlState = SqlState(*b"PF005");

    /// Postgres' packed form: six bits a character (MAKE_SQLSTATE in elog.h).
    fn packed(self) -> c_int {
        self.0
            .iter()
            .rev()
            .fold(0, |code, byte| (code << 6) | ((c_int::from(*byte) - c_int::from(b'0')) & 0x3f))
    }

    /// The state of Postgres' packed form.
    pub fn unpacked(code: c_int) -> SqlState {
        SqlState(std::array::from_fn(|index| b'0' + ((code >> (6 * index)) & 0x3f) as u8))
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// An error as the user reads it: one of ours, or one that the server raised and [`super::server`] caught.
///
/// After a server's error nothing of the server may be called until the error has gone on, by [`or_raise`], or the
/// subtransaction around it has been rolled back. So a report only ever goes up.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub state: SqlState,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// Where a server's error came from: the functions and statements within our query.
    pub context: Option<String>,
    /// Whether a function has raised it as a cancel that nobody has sent.
    pub feigned: bool,
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
        let (detail, hint) = (Some(readable(detail.into())), Some(readable(hint.into())));
        Report { state, message: readable(message.into()), detail, hint, context: None, feigned: false }
    }

    /// What a call ends with to which the system has refused memory.
    pub fn out_of_memory() -> Report {
        Report::new(
            SqlState::OUT_OF_MEMORY,
            "out of memory",
            "The system refused an allocation; what the call had is free again.",
            "Lower folio.memory_limit or set folio.max_memory, so that calls keep to what the machine has.",
        )
    }

    /// What it is to others than who raised it: to them it is no cancel, so that whatever goes on after a failure goes on.
    pub fn unmasked(self) -> Report {
        let state = if self.feigned { SqlState::EXTERNAL_ROUTINE_EXCEPTION } else { self.state };
        Report { state, feigned: false, ..self }
    }

    /// What must not happen, and what the user can do about it.
    pub fn internal(message: impl Into<String>, detail: impl Into<String>) -> Report {
        let hint = "This is a defect of pg_folio; the session goes on. Please report this text.";
        Report::new(SqlState::INTERNAL_ERROR, message, detail, hint)
    }

    /// The text for a status column: what a call over many tickers says of one that failed.
    pub fn status(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{} {}: {detail}", self.state, self.message),
            None => format!("{} {}", self.state, self.message),
        }
    }

    /// Raises the error, by a panic that pgrx turns into an ERROR once every Rust frame of the function is gone.
    fn raise(self) -> ! {
        complete_next_error(&self);
        let placeholder = pgrx::pg_sys::panic::ErrorReport::new(
            PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
            "an error of pg_folio",
            "pg_folio",
        );
        placeholder.report(PgLogLevel::ERROR);
        unreachable!("an ERROR does not return")
    }
}

/// How much is shown of a text of ours with whatever a user gave in it: its begin, and its end, where the sentence goes on
/// behind a long value. One that is little longer is shown whole.
const LONGEST_TEXT: usize = 1_000;
const SHOWN_OF_BEGIN: usize = 300;
const SHOWN_OF_END: usize = 200;

fn readable(text: String) -> String {
    if text.len() <= LONGEST_TEXT { text } else { bounded(&text, SHOWN_OF_BEGIN, SHOWN_OF_END) }
}

/// The value, or the error raised: what every SQL function ends with.
pub fn or_raise<T>(result: Result<T>) -> T {
    let value = result.unwrap_or_else(|report| report.raise());
    memory::keep();
    value
}

/// What a SQL function's work brings, or its error.
pub fn or_raise_of<T>(work: impl FnOnce() -> Result<T>) -> T {
    or_raise(work())
}

/// What the next error says, in the server's encoding.
struct Pending {
    state: c_int,
    message: CString,
    detail: Option<CString>,
    hint: Option<CString>,
    context: Option<CString>,
}

thread_local! {
    static PENDING: RefCell<Option<Pending>> = const { RefCell::new(None) };
}

/// Gives the next error, which must be raised at once, what this report says.
///
/// pgrx raises with codes of its own list, in UTF-8 and without a context. Postgres calls the error context callbacks while
/// an error is built, so one that is pushed here completes it; the handler that catches the error restores the callback
/// stack.
fn complete_next_error(report: &Report) {
    let text = |text: &String| encoding::to_server_lossy(text);
    let pending = Pending {
        state: report.state.packed(),
        message: text(&report.message),
        detail: report.detail.as_ref().map(text),
        hint: report.hint.as_ref().map(text),
        context: report.context.as_ref().map(text),
    };
    PENDING.replace(Some(pending));
    static mut CALLBACK: pg_sys::ErrorContextCallback = pg_sys::ErrorContextCallback {
        previous: std::ptr::null_mut(),
        callback: Some(complete),
        arg: std::ptr::null_mut(),
    };
    // SAFETY: on the main thread; the callback is static, so it outlives the stack it is pushed to. It is pushed once
    // per error, and an error pops it.
    unsafe {
        CALLBACK.previous = pg_sys::error_context_stack;
        pg_sys::error_context_stack = &raw mut CALLBACK;
    }
}

unsafe extern "C-unwind" fn complete(_: *mut c_void) {
    unsafe extern "C-unwind" {
        fn errcode(sqlerrcode: c_int) -> c_int;
        fn errmsg_internal(format: *const c_char, ...) -> c_int;
        fn errdetail_internal(format: *const c_char, ...) -> c_int;
        fn errhint(format: *const c_char, ...) -> c_int;
        fn errcontext_msg(format: *const c_char, ...) -> c_int;
    }
    const TEXT: *const c_char = c"%s".as_ptr();
    let Some(Pending { state, message, detail, hint, context }) = PENDING.take() else { return };
    // SAFETY: Postgres calls this from errfinish, while an error is being built; each call copies its text.
    unsafe {
        errcode(state);
        errmsg_internal(TEXT, message.as_ptr());
        let each = |text: &Option<CString>, set: unsafe extern "C-unwind" fn(*const c_char, ...) -> c_int| {
            if let Some(text) = text {
                set(TEXT, text.as_ptr());
            }
        };
        each(&detail, errdetail_internal);
        each(&hint, errhint);
        each(&context, errcontext_msg);
    }
}

impl Report {
    /// The error that the server has raised and that was caught, taken off the server's stack of errors.
    ///
    /// # Safety
    /// On the main thread, right after the catch, in a memory context that is there.
    pub unsafe fn of_server() -> Report {
        // SAFETY: as the caller promises; the copy is read before it is freed.
        unsafe {
            let error = pg_sys::CopyErrorData();
            let text = |text: *const c_char| encoding::lossy(text);
            let state = SqlState::unpacked((*error).sqlerrcode);
            let report = Report {
                state,
                // Where the server itself answers a cancel.
                feigned: state == SqlState::QUERY_CANCELED
                    && text((*error).funcname).is_none_or(|place| place != "ProcessInterrupts"),
                message: text((*error).message).unwrap_or_default(),
                detail: text((*error).detail),
                hint: text((*error).hint),
                context: text((*error).context),
            };
            pg_sys::FreeErrorData(error);
            pg_sys::FlushErrorState();
            report
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn states_are_packed_as_postgres_packs_them() {
        assert_eq!(SqlState::QUERY_CANCELED.packed(), PgSqlErrorCode::ERRCODE_QUERY_CANCELED as c_int);
        assert_eq!(SqlState::UNDEFINED_TABLE.packed(), PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE as c_int);
        for state in [SqlState::BAD_PRICES, SqlState::UNDEFINED_TABLE] {
            assert_eq!(SqlState::unpacked(state.packed()), state);
        }
        assert_eq!(SqlState::BAD_PRICES.to_string(), "PF005");
    }
}
