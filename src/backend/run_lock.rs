//! The locks of the desk's runs: one for each portfolio, and one for each role's forecasts without a portfolio. They are
//! locks of objects of the desk's tables, which no SQL takes but ours, so that nobody takes one in our place.
//!
//! A run commits in between, so its lock has to belong to the session. An abort of the transaction ends such a lock too, as
//! the server does with all of this kind; the abort of the subtransaction that took it is looked after here.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Once;

use pgrx::pg_sys;
use pgrx::prelude::*;

/// What is locked: a row of a table by its number, as pg_locks shows it.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub table: pg_sys::Oid,
    pub number: u32,
}

thread_local! {
    /// The session's lock, and the subtransaction that it ends with.
    static HELD: Cell<Option<(Key, pg_sys::SubTransactionId)>> = const { Cell::new(None) };
}

/// Takes the lock if it is free, until [`release`] or for the (sub)transaction only.
pub fn try_acquire(key: Key, for_session: bool) -> bool {
    if for_session {
        release_at_abort();
    }
    // SAFETY: on the main thread inside a transaction, with a tag made as those of objects are.
    let result = unsafe { pg_sys::LockAcquire(&tag(key), EXCLUSIVE, for_session, true) };
    let acquired = result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL;
    if acquired && for_session {
        release();
        // SAFETY: a plain read of the transaction's state.
        HELD.set(Some((key, unsafe { pg_sys::GetCurrentSubTransactionId() })));
    }
    acquired
}

/// Gives the session's lock back, if it has one.
pub fn release() {
    if let Some((key, _)) = HELD.take() {
        // SAFETY: on the main thread; the session holds this lock.
        unsafe { pg_sys::LockRelease(&tag(key), EXCLUSIVE, true) };
    }
}

const EXCLUSIVE: pg_sys::LOCKMODE = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;

fn tag(key: Key) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        // SAFETY: a plain global that is set before any query runs.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        locktag_field2: key.table.to_u32(),
        locktag_field3: key.number,
        locktag_field4: 0,
        locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
    }
}

/// The outermost level of a transaction.
const TOP: pg_sys::SubTransactionId = 1;

fn release_at_abort() {
    #[pg_guard]
    unsafe extern "C-unwind" fn at_end(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
        match event {
            pg_sys::XactEvent::XACT_EVENT_ABORT => release(),
            // The session holds it on, and with the next transaction's subtransactions it has nothing to do.
            _ => HELD.set(HELD.get().map(|(key, _)| (key, TOP))),
        }
    }
    #[pg_guard]
    unsafe extern "C-unwind" fn at_end_of_sub(
        event: pg_sys::SubXactEvent::Type,
        ended: pg_sys::SubTransactionId,
        parent: pg_sys::SubTransactionId,
        _argument: *mut c_void,
    ) {
        match HELD.get() {
            Some((_, level)) if level != ended => (),
            None => (),
            Some((key, _)) => match event {
                pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB => release(),
                pg_sys::SubXactEvent::SUBXACT_EVENT_COMMIT_SUB => HELD.set(Some((key, parent))),
                _ => (),
            },
        }
    }
    static REGISTERED: Once = Once::new();
    // SAFETY: on the main thread; the callbacks are functions of this library, which is never unloaded.
    REGISTERED.call_once(|| unsafe {
        pg_sys::RegisterXactCallback(Some(at_end), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(at_end_of_sub), std::ptr::null_mut());
    });
}
