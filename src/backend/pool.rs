//! The backend's compute pool: the executor of one SQL call.
//!
//! Its threads live for one call. They never touch Postgres: all signals are blocked in them, so that the server's
//! handlers run on the main thread only; they run the engine's jobs, which own their data, each under a slot of the
//! cluster's budget, and write a byte to a socket when the last one has ended. The main thread waits on its latch and
//! that socket and services interrupts. However the call ends, by result, error or the end of the session, its
//! threads are joined first.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use folio_core::task::{Cancel, Cancelled, Executor, Job};
use pgrx::prelude::*;
use pgrx::{check_for_interrupts, pg_sys};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::budget::{self, Call, Phase, QUANTUM};
use super::report::{self, Report, SqlState};

/// The stack of a pool thread, Rust's own default for threads: no model recurses deeper than a tree of XGBoost.
const STACK_BYTES: usize = 2 << 20;

/// The main thread looks at its interrupts at least this often, should a wake-up be lost.
const WAIT_MILLISECONDS: i64 = 1000;

/// The executor of one SQL call, on up to this many threads of its own.
pub struct Pool {
    threads: usize,
    call: Call,
}

impl Pool {
    /// A pool of `threads` threads; they start with the jobs. Inside a parallel worker there are none, since the
    /// query already has its share of the cores.
    pub fn start(threads: usize) -> report::Result<Pool> {
        stop_at_exit();
        MAIN_THREAD.with(|main| main.set(true));
        // SAFETY: a plain global that the server sets before it runs any query.
        let in_parallel_worker = unsafe { pg_sys::ParallelWorkerNumber } >= 0;
        let call = Call::start().map_err(|_| {
            Report::new(
                SqlState::TOO_MANY_CONNECTIONS,
                "too many computations at once",
                "Every place in the list of running calls is taken.",
                "Wait for some of the calls in folio.progress to end.",
            )
        })?;
        Ok(Pool { threads: if in_parallel_worker { 0 } else { threads }, call })
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.call.end();
    }
}

impl Executor for Pool {
    fn run(&self, jobs: Vec<Job>, cancel: &Cancel) -> Result<(), Cancelled> {
        let threads = self.threads.min(jobs.len());
        self.call.plan(threads.max(1), jobs.len());
        self.call.enter(Phase::Computing);
        let Ok((wake, signal)) = UnixStream::pair() else { return run_inline(jobs, self.call, cancel) };
        let work = Arc::new(Work::new(jobs, signal, self.call, cancel));
        match Crew::start(threads, &work) {
            Some(crew) => crew.wait(&wake),
            None => run_inline(work.take_all(), self.call, cancel)?,
        }
        cancel.check()
    }
}

/// The flag that cancels a call. Work on the main thread finds out by itself that the user wants to stop.
pub fn cancel_flag() -> Cancel {
    Cancel::polling(|| MAIN_THREAD.with(Cell::get) && stop_requested())
}

thread_local! {
    /// Whether this is the thread that may look at Postgres' variables.
    static MAIN_THREAD: Cell<bool> = const { Cell::new(false) };
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

/// Runs a job and counts it.
fn run_job(job: Job, call: Call) {
    let start = thread_cpu_time();
    let succeeded = job();
    call.count(succeeded, thread_cpu_time().saturating_sub(start));
}

/// Runs the jobs here: in a parallel worker, or where no thread can be had. Interrupts are serviced between jobs; the
/// cancel flag looks at the pending ones inside them.
fn run_inline(jobs: Vec<Job>, call: Call, cancel: &Cancel) -> Result<(), Cancelled> {
    for job in jobs {
        check_for_interrupts!();
        let slot = call.acquire(cancel);
        check_for_interrupts!();
        let _slot = slot?;
        run_job(job, call);
    }
    check_for_interrupts!();
    Ok(())
}

/// The jobs of one run, shared by its threads.
struct Work {
    queue: Mutex<VecDeque<Job>>,
    /// How many jobs have not ended.
    remaining: AtomicUsize,
    /// Gets a byte when none remains.
    signal: UnixStream,
    call: Call,
    cancel: Cancel,
}

impl Work {
    fn new(jobs: Vec<Job>, signal: UnixStream, call: Call, cancel: &Cancel) -> Work {
        let remaining = AtomicUsize::new(jobs.len());
        Work { queue: Mutex::new(jobs.into()), remaining, signal, call, cancel: cancel.clone() }
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_all(&self) -> Vec<Job> {
        std::mem::take(&mut *self.queue()).into()
    }

    /// What each thread does until no job is left: takes a slot, works for a quantum, passes the slot on if another
    /// thread wants it.
    fn run(&self) {
        while !self.queue().is_empty() {
            let Ok(slot) = self.call.acquire(&self.cancel) else {
                return self.ended(self.take_all().len());
            };
            let start = Instant::now();
            while let Some(job) = self.next() {
                if self.cancel.check().is_ok() {
                    run_job(job, self.call);
                }
                self.ended(1);
                if start.elapsed() >= QUANTUM && slot.wanted() {
                    break;
                }
            }
        }
    }

    fn next(&self) -> Option<Job> {
        self.queue().pop_front()
    }

    fn ended(&self, count: usize) {
        if count > 0 && self.remaining.fetch_sub(count, Ordering::AcqRel) == count {
            // It fails only if the main thread has gone, and then nobody is left to tell.
            let _ = (&self.signal).write_all(&[1]);
        }
    }
}

/// The threads of one run. Dropping it joins them; if jobs are left, it cancels those first.
struct Crew {
    work: Arc<Work>,
}

/// The threads that run, where the end of the session finds them: it does not unwind the stack.
static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

struct Running {
    pool: ThreadPool,
    handles: Vec<JoinHandle<()>>,
    work: Arc<Work>,
}

fn lock_running() -> MutexGuard<'static, Option<Running>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Crew {
    /// Starts up to `threads` threads on the work, fewer where the system refuses; None where there is none.
    fn start(threads: usize, work: &Arc<Work>) -> Option<Crew> {
        let halves = std::iter::successors(Some(threads), |threads| Some(threads / 2));
        let (pool, handles) = halves.take_while(|threads| *threads > 0).find_map(spawn_threads)?;
        for _ in 0..pool.current_num_threads() {
            let work = Arc::clone(work);
            pool.spawn(move || work.run());
        }
        *lock_running() = Some(Running { pool, handles, work: Arc::clone(work) });
        Some(Crew { work: Arc::clone(work) })
    }

    /// Waits until every job has ended. An interrupt that ends the query raises its error here.
    fn wait(self, wake: &UnixStream) {
        while self.work.remaining.load(Ordering::Acquire) > 0 {
            wait_for_wake_up(wake);
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        if self.work.remaining.load(Ordering::Acquire) > 0 {
            self.work.cancel.cancel();
        }
        join_threads();
    }
}

/// Joins the running threads once their jobs have ended; does nothing the second time.
fn join_threads() {
    let running = lock_running().take();
    let Some(Running { pool, handles, work }) = running else { return };
    if work.cancel.check().is_err() {
        work.call.wake_all();
    }
    // Dropping the pool lets its threads end once they have left Work::run.
    drop(pool);
    for handle in handles {
        let _ = handle.join();
    }
}

/// Sleeps until the latch is set, the socket is readable or the server has gone, then services interrupts.
fn wait_for_wake_up(wake: &UnixStream) {
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

/// Registers, once per process, that the end of the session stops the threads and gives their slots back before the
/// process' exit handlers run.
fn stop_at_exit() {
    #[pg_guard]
    extern "C-unwind" fn at_exit(_code: i32, _argument: pg_sys::Datum) {
        if let Some(running) = lock_running().as_ref() {
            running.work.cancel.cancel();
        }
        join_threads();
        budget::end_calls_of_this_process();
    }
    static REGISTERED: Once = Once::new();
    // SAFETY: on the main thread; the callback is a function of this library, which is never unloaded.
    REGISTERED.call_once(|| unsafe { pg_sys::before_shmem_exit(Some(at_exit), pg_sys::Datum::from(0)) });
}
