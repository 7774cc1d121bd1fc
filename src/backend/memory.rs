//! What becomes of a failed allocation.
//!
//! Rust aborts the process where malloc has nothing left, and a process that aborts ends every session of the cluster. So
//! the session keeps some memory aside. The allocation that fails gets it, and the call ends at its next look at
//! [`exhausted`] with an error like Postgres' own: what it had is free again, and the session goes on. Sizes that come from
//! outside are counted before they are taken all the same; this is for what no count foresees, a machine that has no more.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use pgrx::pg_sys;

use super::inject;

/// What is kept aside: more than all threads of a call allocate between two looks at the flag.
const RESERVE_BYTES: usize = 16 << 20;

const RESERVE: Layout = match Layout::from_size_align(RESERVE_BYTES, 16) {
    Ok(layout) => layout,
    Err(_) => panic!("a power of two"),
};

/// How often an allocation is asked for again that fails while another thread gives back what was kept: some milliseconds.
const TRIES: usize = 1_000;

static KEPT: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static EXHAUSTED: AtomicBool = AtomicBool::new(false);

struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

// SAFETY: the system's allocator, asked again after what was kept aside has been given back to it.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        or_again(|| unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        or_again(|| unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises; after a failure the old block is as it was.
        or_again(|| unsafe { System.realloc(pointer, layout, size) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn or_again(allocate: impl Fn() -> *mut u8) -> *mut u8 {
    let pointer = if inject::allocation_fails() { std::ptr::null_mut() } else { allocate() };
    if !pointer.is_null() {
        pointer
    } else if release() {
        allocate()
    } else {
        after_others(allocate)
    }
}

/// Asks again while nothing is kept, since another thread may be giving it back at this very moment.
fn after_others(allocate: impl Fn() -> *mut u8) -> *mut u8 {
    let mut again = (0..TRIES).map(|_| {
        std::thread::yield_now();
        allocate()
    });
    again.find(|pointer| !pointer.is_null()).unwrap_or(std::ptr::null_mut())
}

/// Gives back what is kept; false where nothing is.
fn release() -> bool {
    let kept = KEPT.swap(std::ptr::null_mut(), Ordering::AcqRel);
    if kept.is_null() {
        return false;
    }
    EXHAUSTED.store(true, Ordering::Release);
    // SAFETY: allocated by keep with this layout, and taken by nobody else.
    unsafe { System.dealloc(kept, RESERVE) };
    true
}

/// Keeps memory aside, if none is, and forgets that a call before had to take it; if there is none to keep, the call that
/// comes ends with that error at its first look.
///
/// An allocation that fails while nothing is kept ends the process. So this is done wherever a call begins or has ended
/// well, and at the end of each transaction and savepoint, which every error comes to.
pub fn keep() {
    if KEPT.load(Ordering::Acquire).is_null() {
        // SAFETY: the layout has a size. Its pages are not touched, so they take no memory until they are needed.
        let kept = unsafe { System.alloc(RESERVE) };
        if kept.is_null() {
            return;
        }
        KEPT.store(kept, Ordering::Release);
    }
    EXHAUSTED.store(false, Ordering::Release);
}

/// Keeps memory aside from now on, for the life of the process.
pub fn register() {
    unsafe extern "C-unwind" fn at_end(_event: pg_sys::XactEvent::Type, _: *mut c_void) {
        keep();
    }
    unsafe extern "C-unwind" fn at_end_of_sub(
        _event: pg_sys::SubXactEvent::Type,
        _this: pg_sys::SubTransactionId,
        _parent: pg_sys::SubTransactionId,
        _: *mut c_void,
    ) {
        keep();
    }
    keep();
    // SAFETY: on the main thread, once, as the library is loaded; the callbacks neither raise nor allocate in Rust.
    unsafe {
        pg_sys::RegisterXactCallback(Some(at_end), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(at_end_of_sub), std::ptr::null_mut());
    }
}

/// Whether an allocation has failed: the call is to end.
pub fn exhausted() -> bool {
    EXHAUSTED.load(Ordering::Acquire)
}
