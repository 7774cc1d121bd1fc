//! The backend's compute pool.
//!
//! Threads live for one call. Pool threads never touch Postgres: all signals are blocked in them, so that the server's
//! handlers run on the main thread only; they run the engine's jobs, which own their data, and write a byte to a
//! socket when the last one has ended. The main thread waits on its latch and that socket and services interrupts.
//! However the call ends, by result, error or the end of the session, the threads are joined first.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use folio_core::task::{Cancel, Cancelled, Executor, Job};
use pgrx::prelude::*;
use pgrx::{check_for_interrupts, pg_sys};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The stack of a pool thread. The deepest user is XGBoost's tree growing, which was seen to use under 100 kB.
const STACK_BYTES: usize = 2 << 20;

/// The main thread looks at its interrupts at least this often, should a wake-up be lost.
const WAIT_MILLISECONDS: i64 = 1000;

/// Runs an engine call on up to this many threads of its own.
#[derive(Debug, Clone, Copy)]
pub struct Pool {
    threads: usize,
}

impl Pool {
    /// A pool of `threads` threads; they start with the jobs. Inside a parallel worker there are none, since the
    /// query already has its share of the cores.
    pub fn new(threads: usize) -> Pool {
        // SAFETY: a plain global that the server sets before it runs any query.
        let in_parallel_worker = unsafe { pg_sys::ParallelWorkerNumber } >= 0;
        Pool { threads: if in_parallel_worker { 0 } else { threads } }
    }
}

/// The flag that cancels a call. Work on the main thread finds out by itself that the user wants to stop.
pub fn cancel_flag() -> Cancel {
    Cancel::polling(|| MAIN_THREAD.with(|main| main.get()) && stop_requested())
}

thread_local! {
    /// Whether this is the thread that may look at Postgres' variables.
    static MAIN_THREAD: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

fn stop_requested() -> bool {
    // SAFETY: the signal handlers' flags, read on the thread that the handlers run on.
    unsafe { pg_sys::QueryCancelPending != 0 || pg_sys::ProcDiePending != 0 }
}

/// The CPU time of the calling thread.
pub fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

impl Executor for Pool {
    fn run(&self, jobs: Vec<Job>, cancel: &Cancel) -> Result<(), Cancelled> {
        MAIN_THREAD.with(|main| main.set(true));
        let count = jobs.len();
        let (wake, signal) = match UnixStream::pair() {
            Ok(pair) => pair,
            Err(_) => return run_inline(jobs, cancel),
        };
        let Some(crew) = Crew::start(self.threads.min(count), count, cancel) else {
            return run_inline(jobs, cancel);
        };
        let signal = Arc::new(signal);
        for job in jobs {
            let (remaining, signal, cancel) =
                (Arc::clone(&crew.remaining), Arc::clone(&signal), cancel.clone());
            crew.spawn(move || {
                if cancel.check().is_ok() {
                    job();
                }
                if remaining.fetch_sub(1, Ordering::AcqRel) == 1 {
                    // It fails only if the main thread has gone, and then nobody is left to tell.
                    let _ = (&*signal).write_all(&[1]);
                }
            });
        }
        while crew.remaining.load(Ordering::Acquire) > 0 {
            wait(&wake);
        }
        drop(crew);
        cancel.check()
    }
}

/// Runs the jobs here: in a parallel worker, or where no thread can be had. Interrupts are serviced between jobs, and
/// inside them by the cancel flag, which looks at the pending ones.
fn run_inline(jobs: Vec<Job>, cancel: &Cancel) -> Result<(), Cancelled> {
    for job in jobs {
        check_for_interrupts!();
        if cancel.check().is_err() {
            break;
        }
        job();
    }
    check_for_interrupts!();
    cancel.check()
}

/// Sleeps until the latch is set, the socket is readable or the server has gone, then services interrupts. An
/// interrupt that ends the query raises an error here.
fn wait(wake: &UnixStream) {
    let events =
        pg_sys::WL_LATCH_SET | pg_sys::WL_SOCKET_READABLE | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: on the main thread; the socket is open as long as it is borrowed.
    unsafe {
        pg_sys::WaitLatchOrSocket(
            pg_sys::MyLatch,
            events as i32,
            wake.as_raw_fd(),
            WAIT_MILLISECONDS,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    check_for_interrupts!();
}

/// The threads of the call that is running, where the end of the session finds them: it does not unwind.
static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

struct Running {
    pool: ThreadPool,
    handles: Vec<JoinHandle<()>>,
    cancel: Cancel,
}

fn lock_running() -> MutexGuard<'static, Option<Running>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Joins the running threads once their jobs have ended; does nothing the second time.
fn stop() {
    let running = lock_running().take();
    let Some(Running { pool, handles, .. }) = running else { return };
    // Dropping the pool lets its threads end once every job has; cancelled jobs return at once.
    drop(pool);
    for handle in handles {
        let _ = handle.join();
    }
}

/// The threads of one call. Dropping it joins them; if jobs are left, it cancels those first.
struct Crew {
    /// How many jobs have not ended.
    remaining: Arc<AtomicUsize>,
    cancel: Cancel,
}

impl Crew {
    /// Starts up to `threads` threads, fewer where the system refuses; None where there is none.
    fn start(threads: usize, jobs: usize, cancel: &Cancel) -> Option<Crew> {
        stop_at_exit();
        let halves = std::iter::successors(Some(threads), |threads| Some(threads / 2));
        let (pool, handles) = halves.take_while(|threads| *threads > 0).find_map(spawn_threads)?;
        *lock_running() = Some(Running { pool, handles, cancel: cancel.clone() });
        Some(Crew { remaining: Arc::new(AtomicUsize::new(jobs)), cancel: cancel.clone() })
    }

    fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        if let Some(running) = lock_running().as_ref() {
            running.pool.spawn_fifo(job);
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        if self.remaining.load(Ordering::Acquire) > 0 {
            self.cancel.cancel();
        }
        stop();
    }
}

/// Starts exactly `threads` threads, or none.
fn spawn_threads(threads: usize) -> Option<(ThreadPool, Vec<JoinHandle<()>>)> {
    let mut handles = Vec::with_capacity(threads);
    let masked = SignalMask::block_all_but_faults();
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        // Jobs catch their panics; should one slip through, it must not abort the server.
        .panic_handler(|_| ())
        .spawn_handler(|thread| {
            let name = format!("folio-{}", thread.index());
            let builder = std::thread::Builder::new().name(name).stack_size(STACK_BYTES);
            handles.push(builder.spawn(|| thread.run())?);
            Ok(())
        })
        .build();
    drop(masked);
    match pool {
        Ok(pool) => Some((pool, handles)),
        Err(_) => {
            // The threads that did start end by themselves.
            handles.into_iter().for_each(|handle| drop(handle.join()));
            None
        }
    }
}

/// Blocks signals in the calling thread, and in the threads that it starts, until dropped.
struct SignalMask {
    before: libc::sigset_t,
}

impl SignalMask {
    /// Signals of faults stay deliverable: a blocked one would be lost or kill the process without a trace.
    fn block_all_but_faults() -> SignalMask {
        // SAFETY: the sets are plain values that the calls fill in; the mask is this thread's own.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut all);
            for fault in
                [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT]
            {
                libc::sigdelset(&mut all, fault);
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
            SignalMask { before }
        }
    }
}

impl Drop for SignalMask {
    fn drop(&mut self) {
        // SAFETY: restores what block_all_but_faults read.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, std::ptr::null_mut()) };
    }
}

/// Registers, once per backend, that the end of the session stops the threads before the process' exit handlers run.
fn stop_at_exit() {
    #[pg_guard]
    extern "C-unwind" fn at_exit(_code: i32, _argument: pg_sys::Datum) {
        if let Some(running) = lock_running().as_ref() {
            running.cancel.cancel();
        }
        stop();
    }
    static REGISTERED: Once = Once::new();
    // SAFETY: on the main thread; the callback is a function of this library, which is never unloaded.
    REGISTERED.call_once(|| unsafe { pg_sys::before_shmem_exit(Some(at_exit), pg_sys::Datum::from(0)) });
}
