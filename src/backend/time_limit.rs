//! A limit of time around work that runs other people's code: the work is cancelled as a user cancels it, and whoever has
//! set the limit learns that it was this.
//!
//! The limit belongs to the subtransaction that it is set in, so an error ends it; what is left of a timer then does nothing.
//! Code that catches the cancel meets it again, a second later and ever after. Code that was switched to another role can
//! neither set a limit nor end the one that it runs under.

use std::ffi::{c_int, c_void};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use pgrx::pg_sys;

use super::report::Result;
use super::server::{self, raw};

/// Whether a limit is set, and in which subtransaction.
static SET: AtomicBool = AtomicBool::new(false);
static LEVEL: AtomicU32 = AtomicU32::new(0);

/// Whether the last limit that was set has passed.
static PASSED: AtomicBool = AtomicBool::new(false);

/// The server's number for our timer.
static TIMER: AtomicI32 = AtomicI32::new(0);

/// Asks the server for any timer that is free: it looks from the first on that is not its own.
const ANY_TIMER: c_int = 1_000;

/// How long after a cancel that was caught the next one comes.
const AGAIN: Duration = Duration::from_secs(1);

/// Sets the limit, until [`end`] or the end of the subtransaction; None is without one.
pub fn begin(limit: Option<Duration>) {
    if is_within_others() {
        return;
    }
    SET.store(false, Relaxed);
    PASSED.store(false, Relaxed);
    let Some(limit) = limit else { return };
    register();
    // SAFETY: on the main thread inside a transaction; the timer is registered.
    unsafe {
        LEVEL.store(pg_sys::GetCurrentSubTransactionId(), Relaxed);
        SET.store(true, Relaxed);
        let at = pg_sys::GetCurrentTimestamp().saturating_add(limit.as_micros() as i64);
        raw::enable_timeout_every(TIMER.load(Relaxed), at, AGAIN.as_millis() as c_int);
    }
}

/// Ends the limit; whether it had passed.
///
/// # Errors
/// A cancel that nobody has met yet, ours too.
pub fn end() -> Result<bool> {
    if is_within_others() {
        return Ok(false);
    }
    SET.store(false, Relaxed);
    if TIMER.load(Relaxed) != 0 {
        // SAFETY: on the main thread; the timer is registered.
        unsafe { raw::disable_timeout(TIMER.load(Relaxed), false) };
    }
    server::check_interrupts()?;
    Ok(PASSED.load(Relaxed))
}

fn is_within_others() -> bool {
    // SAFETY: a plain read.
    unsafe { pg_sys::InSecurityRestrictedOperation() }
}

fn register() {
    /// In the handler of a signal: it sets what the server's own handler of a cancel sets.
    unsafe extern "C-unwind" fn passed() {
        if SET.load(Relaxed) {
            PASSED.store(true, Relaxed);
            // SAFETY: flags that are made to be set in handlers, and the latch of this process.
            unsafe {
                pg_sys::QueryCancelPending = 1;
                pg_sys::InterruptPending = 1;
                raw::SetLatch(pg_sys::MyLatch);
            }
        }
    }
    /// Calls nothing that could raise.
    unsafe extern "C-unwind" fn at_end_of_sub(
        event: pg_sys::SubXactEvent::Type,
        ended: pg_sys::SubTransactionId,
        _parent: pg_sys::SubTransactionId,
        _argument: *mut c_void,
    ) {
        if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB && ended == LEVEL.load(Relaxed) {
            SET.store(false, Relaxed);
        }
    }
    static REGISTERED: Once = Once::new();
    // SAFETY: on the main thread; both are functions of this library, which is never unloaded.
    REGISTERED.call_once(|| unsafe {
        TIMER.store(raw::RegisterTimeout(ANY_TIMER, passed), Relaxed);
        pg_sys::RegisterSubXactCallback(Some(at_end_of_sub), std::ptr::null_mut());
    });
}
