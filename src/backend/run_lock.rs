//! The locks of the desk's runs: advisory locks, one for each portfolio of a database.
//!
//! A run commits in between, so its lock has to belong to the session. SQL's own session locks stay when an error or a
//! cancel ends the statement at a place that no EXCEPTION block covers, such as the COMMIT itself; these do not: an abort
//! of the transaction gives them back.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Once;

use pgrx::pg_sys;
use pgrx::prelude::*;

/// "foli" in ASCII: keeps these locks apart from the advisory locks of others.
pub const CLASS: i32 = 0x666f_6c69;

/// How pg_locks tells locks with a class and a key from those with one long key (lockfuncs.c).
const TWO_KEYS: u16 = 2;

thread_local! {
    /// The key of the session's lock.
    static HELD: Cell<Option<i32>> = const { Cell::new(None) };
}

/// Takes the lock if it is free, until [`release`] or for the transaction only.
pub fn try_acquire(key: i32, for_session: bool) -> bool {
    // SAFETY: on the main thread inside a transaction, with a tag made as those of advisory locks are.
    let result = unsafe { pg_sys::LockAcquire(&tag(key), EXCLUSIVE, for_session, true) };
    let acquired = result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL;
    if acquired && for_session {
        HELD.set(Some(key));
        release_at_abort();
    }
    acquired
}

/// Gives the session's lock back, if it has one.
pub fn release() {
    if let Some(key) = HELD.take() {
        // SAFETY: on the main thread; the session holds this lock.
        unsafe { pg_sys::LockRelease(&tag(key), EXCLUSIVE, true) };
    }
}

const EXCLUSIVE: pg_sys::LOCKMODE = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;

fn tag(key: i32) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        // SAFETY: a plain global that is set before any query runs.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        locktag_field2: CLASS.cast_unsigned(),
        locktag_field3: key.cast_unsigned(),
        locktag_field4: TWO_KEYS,
        locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
        locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
    }
}

fn release_at_abort() {
    #[pg_guard]
    unsafe extern "C-unwind" fn at_end(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
        if event == pg_sys::XactEvent::XACT_EVENT_ABORT {
            release();
        }
    }
    static REGISTERED: Once = Once::new();
    // SAFETY: on the main thread; the callback is a function of this library, which is never unloaded.
    REGISTERED.call_once(|| unsafe { pg_sys::RegisterXactCallback(Some(at_end), std::ptr::null_mut()) });
}
