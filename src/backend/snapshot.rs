//! The snapshot that a query reads with.

use pgrx::pg_sys;

use super::report::Result;
use super::server::{self, raw};

/// Works with the caller's snapshot, or else with a new one: a procedure has none after COMMIT. That one goes with the work,
/// and with it what the session holds back from VACUUM, so that models can train for long without doing that. After an
/// error the end of the transaction takes it off.
pub fn with_snapshot<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // SAFETY: on the main thread inside a transaction.
    if unsafe { pg_sys::ActiveSnapshotSet() } {
        return work();
    }
    // SAFETY: as above; the calls own nothing.
    unsafe { server::call(|| raw::PushActiveSnapshot(raw::GetTransactionSnapshot()))? };
    let result = work()?;
    // SAFETY: what was pushed since is off again. The catalogs' own snapshot would otherwise stay until the session is idle.
    unsafe {
        server::call(|| {
            raw::PopActiveSnapshot();
            raw::InvalidateCatalogSnapshotConditionally();
        })?;
    }
    Ok(result)
}

/// Gives up the snapshot that a CALL has for as long as it runs, where it is the only one: whatever runs after it in the
/// procedure takes a new one, since a COMMIT takes it away in the same manner. Not so a query's, for it goes on reading
/// with it, and that of a CALL in a subtransaction is its own.
pub fn release_that_of_call() {
    // SAFETY: on the main thread inside a statement. The server checks that no other snapshots are active.
    unsafe {
        let portal = pg_sys::ActivePortal;
        if !portal.is_null()
            && pg_sys::ActiveSnapshotSet()
            && (*portal).portalSnapshot == pg_sys::GetActiveSnapshot()
        {
            pg_sys::ForgetPortalSnapshots();
            pg_sys::InvalidateCatalogSnapshotConditionally();
        }
    }
}
