//! Calls into the server whose ERROR comes back as a value.
//!
//! A statement runs code that is not ours: functions in views, row security, foreign tables. Its errors come at any
//! instruction, inside levels of SPI, portals and memory contexts that are not ours either. What the server opened, the
//! server closes, at the end of the transaction or subtransaction: so nothing here has a destructor that calls the server,
//! and after an error nothing calls it until the error has gone on (see [`Report`]).

use std::mem::MaybeUninit;

use cee_scape::call_with_sigsetjmp;
use pgrx::pg_sys;

use super::inject::{self, Point};
use super::report::{Report, Result};

/// Functions of the server as they are, without pgrx' own catch around each: that one loses the SQLSTATE of a user's
/// function and every CONTEXT.
pub mod raw {
    use std::ffi::{c_char, c_int, c_void};

    use pgrx::pg_sys;

    unsafe extern "C-unwind" {
        pub fn SPI_connect() -> c_int;
        pub fn SPI_finish() -> c_int;
        pub fn SPI_execute_extended(
            source: *const c_char,
            options: *const pg_sys::SPIExecuteOptions,
        ) -> c_int;
        pub fn ProcessInterrupts();
        pub fn slot_getsomeattrs_int(slot: *mut pg_sys::TupleTableSlot, count: c_int);
        pub fn pg_detoast_datum_packed(datum: *mut pg_sys::varlena) -> *mut pg_sys::varlena;
        pub fn pfree(pointer: *mut c_void);
        pub fn GetTransactionSnapshot() -> pg_sys::Snapshot;
        pub fn PushActiveSnapshot(snapshot: pg_sys::Snapshot);
        pub fn PopActiveSnapshot();
        pub fn InvalidateCatalogSnapshotConditionally();
        pub fn RangeVarGetRelidExtended(
            relation: *const pg_sys::RangeVar,
            lock: pg_sys::LOCKMODE,
            flags: u32,
            callback: Option<unsafe extern "C-unwind" fn()>,
            argument: *mut c_void,
        ) -> pg_sys::Oid;
        pub fn pg_parse_query(text: *const c_char) -> *mut pg_sys::List;
        pub fn pg_analyze_and_rewrite_withcb(
            statement: *mut pg_sys::RawStmt,
            text: *const c_char,
            setup: pg_sys::ParserSetupHook,
            argument: *mut c_void,
            environment: *mut pg_sys::QueryEnvironment,
        ) -> *mut pg_sys::List;
        pub fn pg_plan_queries(
            queries: *mut pg_sys::List,
            text: *const c_char,
            options: c_int,
            parameters: pg_sys::ParamListInfo,
        ) -> *mut pg_sys::List;
        pub fn get_collation_isdeterministic(collation: pg_sys::Oid) -> bool;
        pub fn LockRelationOid(relation: pg_sys::Oid, lock: pg_sys::LOCKMODE);
        // utils/timeout.h, which pgrx does not bind: its TimeoutId is an int here.
        pub fn RegisterTimeout(id: c_int, handler: unsafe extern "C-unwind" fn()) -> c_int;
        pub fn enable_timeout_every(id: c_int, at: pg_sys::TimestampTz, every_milliseconds: c_int);
        pub fn disable_timeout(id: c_int, keep_indicator: bool);
        pub fn SetLatch(latch: *mut pg_sys::Latch);
    }
}

/// Calls the server; an ERROR that it raises is the result.
///
/// # Safety
/// On the main thread. `call` consists of calls of [`raw`] functions: an error leaves it by a jump that runs no destructor,
/// so it must own nothing that has one, and a panic must not leave it.
pub unsafe fn call<T: Copy>(call: impl FnOnce() -> T) -> Result<T> {
    let mut result = MaybeUninit::<T>::uninit();
    // SAFETY: the globals are the server's own, used as PG_TRY uses them. The callbacks of the functions around ours are
    // left out while the call runs: they add their lines to CONTEXT when the error goes on from here.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let (exceptions, callbacks) = (pg_sys::PG_exception_stack, pg_sys::error_context_stack);
        let jumped = call_with_sigsetjmp(false, |buffer| {
            pg_sys::PG_exception_stack = (&raw const *buffer).cast_mut().cast();
            pg_sys::error_context_stack = std::ptr::null_mut();
            result.write(call());
            0
        });
        pg_sys::PG_exception_stack = exceptions;
        pg_sys::error_context_stack = callbacks;
        if jumped == 0 {
            return Ok(result.assume_init());
        }
        pg_sys::CurrentMemoryContext = context;
        Err(Report::of_server())
    }
}

/// Ends the call here if the user wants it to.
pub fn check_interrupts() -> Result<()> {
    inject::point(Point::Interrupt);
    // SAFETY: on the main thread; the flag is the signal handlers'.
    unsafe {
        if pg_sys::InterruptPending != 0 {
            call(|| raw::ProcessInterrupts())?;
        }
    }
    Ok(())
}
