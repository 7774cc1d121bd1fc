//! Faults on purpose, for the tests of this crate: at the n-th point of a call at which something may fail, it fails.
//!
//! Only in builds with debug assertions (the dev profile), where a superuser sets `folio.inject`; in a release [`point`]
//! and [`allocation_fails`] are empty and the setting does not exist. Setting it starts the count anew and arms the fault,
//! which strikes once:
//!
//! | `folio.inject` | what happens |
//! |---|---|
//! | `''` | nothing; points are counted |
//! | `error POINT N` | an ERROR of the server, raised by a function of its own in C (division by zero) |
//! | `panic POINT N` | a panic of Rust |
//! | `cancel POINT N` | a cancel is pending from there on |
//! | `storm POINT N` | the same again at every later point: the second cancel that meets the clearing up after the first |
//! | `terminate POINT N` | the session is asked to end |
//! | `oom allocation N` | the allocation is refused |
//! | `starve allocation N` | it and all that follow are refused, those that are asked for again too |
//!
//! POINT is `interrupt`, `spi`, `allocation`, or `any` for the first two. `folio.inject_points` says how many such points
//! were passed since `folio.inject` was set, or how many of all three while nothing is armed, so a test knows when N was
//! past the last one.

/// A place where something may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A look at the server's interrupts.
    Interrupt,
    /// A call of SPI: before it, so that what it would have done is not done.
    Spi,
    /// Memory that is asked for by a size from outside.
    Allocation,
}

#[cfg(not(debug_assertions))]
mod armed {
    use super::Point;

    #[inline(always)]
    pub fn point(_point: Point) {}

    #[inline(always)]
    pub fn allocation_fails() -> bool {
        false
    }

    #[inline(always)]
    pub fn point_in_executor() {}

    pub fn register() {}
}

#[cfg(debug_assertions)]
mod armed {
    use std::ffi::{CStr, CString, c_char, c_void};
    use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering::Relaxed};

    use pgrx::prelude::*;
    use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, pg_sys};

    use super::Point;

    /// What happens at the point.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    #[repr(u8)]
    enum Fault {
        None,
        Error,
        Panic,
        Cancel,
        Storm,
        Terminate,
        OutOfMemory,
        Starve,
    }

    const FAULTS: [(&str, Fault); 7] = [
        ("error", Fault::Error),
        ("panic", Fault::Panic),
        ("cancel", Fault::Cancel),
        ("storm", Fault::Storm),
        ("terminate", Fault::Terminate),
        ("oom", Fault::OutOfMemory),
        ("starve", Fault::Starve),
    ];

    const POINTS: [(&str, u8); 4] = [
        ("interrupt", bit(Point::Interrupt)),
        ("spi", bit(Point::Spi)),
        ("allocation", bit(Point::Allocation)),
        ("any", bit(Point::Interrupt) | bit(Point::Spi)),
    ];

    const ALL: u8 = bit(Point::Interrupt) | bit(Point::Spi) | bit(Point::Allocation);

    const fn bit(point: Point) -> u8 {
        1 << point as u8
    }

    /// What is armed. Atomics, since an allocator counts on every thread; a test that needs to know which point it hits
    /// lets one thread compute.
    static FAULT: AtomicU8 = AtomicU8::new(Fault::None as u8);
    static WHERE: AtomicU8 = AtomicU8::new(ALL);
    static LEFT: AtomicI32 = AtomicI32::new(0);
    /// Whether the fault has struck.
    static STRUCK: AtomicBool = AtomicBool::new(false);

    static INJECT: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
    static PASSED: GucSetting<i32> = GucSetting::<i32>::new(0);

    /// The same as `PASSED`, which the server reads: a count that any thread may raise.
    static COUNT: AtomicI32 = AtomicI32::new(0);

    /// Counts the point; raises the fault that is due here. Main thread only.
    pub fn point(point: Point) {
        let due = pass(point);
        if due == Fault::None as u8 {
            return;
        }
        if due == Fault::Error as u8 {
            divide_by_zero();
        } else if due == Fault::Panic as u8 {
            panic!("a fault on purpose");
        }
        strike(due);
    }

    /// Asks the session to stop, as a signal would.
    fn strike(due: u8) {
        if due == Fault::Cancel as u8 || due == Fault::Storm as u8 {
            // SAFETY: what the server's own handler of SIGINT does, on the thread that it runs on.
            unsafe {
                pg_sys::QueryCancelPending = 1;
                pg_sys::InterruptPending = 1;
            }
        } else if due == Fault::Terminate as u8 {
            // SAFETY: what the server's own handler of SIGTERM does.
            unsafe {
                pg_sys::ProcDiePending = 1;
                pg_sys::InterruptPending = 1;
            }
        }
    }

    /// The same in the middle of the executor, at a row: an ERROR leaves as one of the server's own, by a jump, and a panic
    /// is left to the other points.
    pub fn point_in_executor() {
        unsafe extern "C-unwind" {
            fn float_zero_divide_error() -> !;
        }
        let due = pass(Point::Spi);
        if due == Fault::Error as u8 {
            // SAFETY: raises an ERROR; the caller owns nothing.
            unsafe { float_zero_divide_error() };
        } else if due != Fault::Panic as u8 {
            strike(due);
        }
    }

    /// Counts the allocation and says whether it is to fail. From any thread; it neither allocates nor panics.
    pub fn allocation_fails() -> bool {
        let due = pass(Point::Allocation);
        due == Fault::OutOfMemory as u8 || due == Fault::Starve as u8
    }

    /// Counts a point and gives the fault that is due, as a number.
    fn pass(point: Point) -> u8 {
        if WHERE.load(Relaxed) & bit(point) == 0 {
            return Fault::None as u8;
        }
        COUNT.fetch_add(1, Relaxed);
        let fault = FAULT.load(Relaxed);
        if fault == Fault::None as u8 {
            return Fault::None as u8;
        }
        if LEFT.fetch_sub(1, Relaxed) > 1 {
            return Fault::None as u8;
        }
        let again = STRUCK.swap(true, Relaxed);
        let lasts = fault == Fault::Storm as u8 || fault == Fault::Starve as u8;
        if again && !lasts { Fault::None as u8 } else { fault }
    }

    /// Raises an ERROR from C, with a longjmp, as the server's own functions do.
    fn divide_by_zero() {
        // SAFETY: a function of the server with the arguments that it takes.
        unsafe { pgrx::direct_function_call::<i32>(pg_sys::int4div, &[1.into_datum(), 0.into_datum()]) };
    }

    struct Order {
        fault: Fault,
        points: u8,
        number: i32,
    }

    /// What a text asks for; None where it is no such text.
    fn parse(text: &str) -> Option<Order> {
        let mut words = text.split_whitespace();
        let Some(name) = words.next() else {
            return Some(Order { fault: Fault::None, points: ALL, number: 0 });
        };
        let (_, fault) = FAULTS.into_iter().find(|(known, _)| *known == name)?;
        let points = words.next()?;
        let (_, points) = POINTS.into_iter().find(|(known, _)| *known == points)?;
        let number = words.next()?.parse().ok().filter(|number| *number >= 1)?;
        // Nothing but a refusal can happen inside of an allocator.
        let refuses = matches!(fault, Fault::OutOfMemory | Fault::Starve);
        let fits = refuses == (points == bit(Point::Allocation));
        (words.next().is_none() && fits).then_some(Order { fault, points, number })
    }

    /// # Safety
    /// The pointer is null or a C string.
    unsafe fn text_of<'a>(text: *const c_char) -> &'a str {
        // SAFETY: by the caller's promise.
        if text.is_null() { "" } else { unsafe { CStr::from_ptr(text) }.to_str().unwrap_or("?") }
    }

    #[pg_guard]
    unsafe extern "C-unwind" fn check(
        new: *mut *mut c_char,
        _extra: *mut *mut c_void,
        _source: pg_sys::GucSource::Type,
    ) -> bool {
        // SAFETY: the server gives a pointer to the new text.
        parse(unsafe { text_of(*new) }).is_some()
    }

    #[pg_guard]
    unsafe extern "C-unwind" fn assign(new: *const c_char, _extra: *mut c_void) {
        // SAFETY: the server gives the new text.
        if let Some(Order { fault, points, number }) = parse(unsafe { text_of(new) }) {
            FAULT.store(fault as u8, Relaxed);
            WHERE.store(points, Relaxed);
            LEFT.store(number, Relaxed);
            STRUCK.store(false, Relaxed);
            COUNT.store(0, Relaxed);
        }
    }

    thread_local! {
        static SHOWN: std::cell::RefCell<CString> = std::cell::RefCell::default();
    }

    #[pg_guard]
    unsafe extern "C-unwind" fn show() -> *const c_char {
        SHOWN.with_borrow_mut(|shown| {
            *shown = CString::new(COUNT.load(Relaxed).to_string()).unwrap_or_default();
            shown.as_ptr()
        })
    }

    /// Declares the two settings, kept out of the lists of settings that people look at.
    pub fn register() {
        // SAFETY: the hooks are guarded and live as long as the library, which is never unloaded.
        unsafe {
            GucRegistry::define_string_guc_with_hooks(
                c"folio.inject",
                c"A fault on purpose, in test builds only.",
                c"'FAULT POINT N': error, panic, cancel, storm, terminate, oom or starve at the N-th interrupt, spi, allocation or any point.",
                &INJECT,
                GucContext::Suset,
                GucFlags::NO_SHOW_ALL,
                Some(check),
                Some(assign),
                None,
            );
            GucRegistry::define_int_guc_with_hooks(
                c"folio.inject_points",
                c"How many points were passed since folio.inject was set.",
                c"In test builds only.",
                &PASSED,
                0,
                0,
                GucContext::Internal,
                GucFlags::NO_SHOW_ALL,
                None,
                None,
                Some(show),
            );
        }
    }
}

pub use armed::{allocation_fails, point, point_in_executor, register};
