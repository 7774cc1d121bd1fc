//! What becomes of a failed allocation.
//!
//! Rust aborts the process where malloc has nothing left, and a process that aborts ends every session of the cluster. So
//! the session keeps some memory aside. The allocation that fails gets it, and the call ends at its next look at
//! [`exhausted`] with an error like Postgres' own: what it had is free again, and the session goes on. Sizes that come from
//! outside are counted before they are taken all the same; this is for what no count foresees, a machine that has no more.
//!
//! What was kept may be gone before every thread has looked. Then an allocation waits for what the others free as they end.
//! Where nothing comes, no thread can go on and none can return: the session ends with FATAL, and the cluster goes on. The
//! same holds for the C++ of XGBoost, whose operator new asks a handler of ours.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::time::Duration;

use pgrx::pg_sys;

use super::inject;

/// What is kept aside: more than all threads of a call allocate between two looks at the flag, as a rule.
const RESERVE_BYTES: usize = 16 << 20;

const RESERVE: Layout = match Layout::from_size_align(RESERVE_BYTES, 16) {
    Ok(layout) => layout,
    Err(_) => panic!("a power of two"),
};

/// How long after the first failure allocations may still wait for memory. A call ends within moments of it.
const PATIENCE: Duration = Duration::from_secs(2);

/// From one look for memory to the next.
const MOMENT: Duration = Duration::from_millis(1);

static KEPT: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());

/// When an allocation of the call has failed first, by [`now`]; 0 if none has.
static EXHAUSTED_AT: AtomicU64 = AtomicU64::new(0);

/// Whether an allocation has waited in vain: its thread neither goes on nor ends.
static STARVED: AtomicBool = AtomicBool::new(false);

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
    loop {
        let pointer = if inject::allocation_fails() { std::ptr::null_mut() } else { allocate() };
        if !pointer.is_null() {
            return pointer;
        }
        find_memory();
    }
}

/// What an allocation does that has failed, before it asks again: gives back what is kept, or waits for what other threads
/// free. It neither allocates nor unwinds.
extern "C" fn find_memory() {
    let since = EXHAUSTED_AT
        .compare_exchange(0, now(), Ordering::AcqRel, Ordering::Acquire)
        .unwrap_or_else(|since| since);
    if release() {
        return;
    }
    if since > 0 && now() - since > PATIENCE.as_millis() as u64 {
        STARVED.store(true, Ordering::Release);
        if is_main_thread() {
            end_session();
        }
    }
    std::thread::sleep(MOMENT);
}

/// Milliseconds of the machine's clock that only rises, and never 0.
fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    1 + time.tv_sec.unsigned_abs() * 1_000 + time.tv_nsec.unsigned_abs() / 1_000_000
}

/// Without a look at the thread's own variables, whose first use in a thread allocates.
fn is_main_thread() -> bool {
    // SAFETY: plain numbers of the system.
    unsafe { libc::syscall(libc::SYS_gettid) == libc::c_long::from(libc::getpid()) }
}

/// Gives back what is kept; false where nothing is.
fn release() -> bool {
    let kept = KEPT.swap(std::ptr::null_mut(), Ordering::AcqRel);
    if kept.is_null() {
        return false;
    }
    // SAFETY: allocated by keep with this layout, and taken by nobody else.
    unsafe { System.dealloc(kept, RESERVE) };
    true
}

/// Whether the system has a block of this size, for one that may be too large and is not worth a session: an allocation
/// that fails is asked for again.
pub fn is_there(bytes: usize) -> bool {
    let Ok(layout) = Layout::from_size_align(bytes.max(1), 16) else { return false };
    // SAFETY: the layout has a size, and the block is given back as it was taken.
    unsafe {
        let block = System.alloc(layout);
        if !block.is_null() {
            System.dealloc(block, layout);
        }
        !block.is_null()
    }
}

/// Ends the session if a thread has waited for memory in vain. For the main thread, wherever it waits for others.
pub fn end_session_if_starved() {
    if STARVED.load(Ordering::Acquire) {
        end_session();
    }
}

/// Whether a thread waits in vain, so that nobody may wait for it.
pub fn starved() -> bool {
    STARVED.load(Ordering::Acquire)
}

/// Ends the session as the server does where it has no memory to start with. On the main thread, at any line of Rust: the
/// server runs what it has registered for a session's end, and the stack stays as it is.
#[cfg(not(test))]
fn end_session() -> ! {
    use pgrx::PgSqlErrorCode;
    use std::ffi::{c_char, c_int};
    unsafe extern "C-unwind" {
        fn errstart(level: c_int, domain: *const c_char) -> bool;
        fn errcode(sqlerrcode: c_int) -> c_int;
        fn errmsg_internal(format: *const c_char, ...) -> c_int;
        fn errdetail_internal(format: *const c_char, ...) -> c_int;
        fn errhint(format: *const c_char, ...) -> c_int;
        fn errfinish(file: *const c_char, line: c_int, function: *const c_char);
    }
    // SAFETY: functions of the server with the arguments that they take, on the main thread. Whatever fails meanwhile is to
    // end the session too, and nothing that would add to the message is to allocate.
    unsafe {
        pg_sys::ExitOnAnyError = true;
        pg_sys::error_context_stack = std::ptr::null_mut();
        if errstart(pg_sys::FATAL as c_int, std::ptr::null()) {
            errcode(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY as c_int);
            errmsg_internal(c"out of memory".as_ptr());
            errdetail_internal(
                c"The system refused an allocation, and what was kept aside for this is used up.".as_ptr(),
            );
            errhint(c"Lower folio.memory_limit or set folio.max_memory, so that calls keep to what the machine has.".as_ptr());
            errfinish(c"memory.rs".as_ptr(), line!() as c_int, c"end_session".as_ptr());
        }
    }
    std::process::abort()
}

/// The unit tests have this allocator and no server.
#[cfg(test)]
fn end_session() -> ! {
    std::process::abort()
}

/// Keeps memory aside, if none is, and forgets that a call before had to take it; if there is none to keep, the call that
/// comes ends with that error at its first look.
///
/// An allocation that fails while nothing is kept may end the session. So this is done wherever a call begins or has ended
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
    EXHAUSTED_AT.store(0, Ordering::Release);
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
    unsafe extern "C" {
        /// `std::set_new_handler` of C++.
        #[link_name = "_ZSt15set_new_handlerPFvvE"]
        fn set_new_handler(handler: extern "C" fn()) -> *mut c_void;
    }
    keep();
    // SAFETY: the handler is a function of this library, which is never unloaded.
    unsafe { set_new_handler(find_memory) };
    // SAFETY: on the main thread, once, as the library is loaded; the callbacks neither raise nor allocate in Rust.
    unsafe {
        pg_sys::RegisterXactCallback(Some(at_end), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(at_end_of_sub), std::ptr::null_mut());
    }
}

/// Whether an allocation has failed: the call is to end.
pub fn exhausted() -> bool {
    EXHAUSTED_AT.load(Ordering::Acquire) > 0
}
