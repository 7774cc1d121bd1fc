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
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use folio_core::Error;
use folio_core::forecast::Batches;
use folio_core::task::{Cancel, Cancelled, Executor, Job};
use pgrx::prelude::*;
use pgrx::{check_for_interrupts, pg_sys};

use super::budget::{self, Call, Phase, QUANTUM, Slot};
use super::inject::{self, Point};
use super::memory;
use super::report::{self, Report, SqlState};
use super::settings;

/// The stack of a pool thread, Rust's own default for threads: no model recurses deeper than a tree of XGBoost.
const STACK_BYTES: usize = 2 << 20;

/// The main thread looks at its interrupts at least this often, should a wake-up be lost.
const WAIT_MILLISECONDS: i64 = 1000;

/// A pool thread that waits for a slot looks at its cancel flag at least this often, should a wake-up be lost. Not more
/// often, since each look makes it runnable without a slot.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same for the main thread, which computes where no other can be had: a signal does not end its sleep, since the
/// server's handlers are installed with SA_RESTART, so it must look by itself.
const INLINE_PATIENCE: Duration = Duration::from_millis(10);

/// From one look at a thread that is ending to the next: it has nothing left to do but to return.
const JOIN_INTERVAL: Duration = Duration::from_micros(50);

/// How often a call says how far it is.
const NOTICE_INTERVAL: Duration = Duration::from_secs(5);

/// The executor of one SQL call, on up to this many threads of its own.
pub struct Pool {
    threads: usize,
    call: Call,
    notices: Notices,
}

impl Pool {
    /// A pool of `threads` threads; they start with the jobs. Inside a parallel worker there are none, since the
    /// query already has its share of the cores.
    pub fn start(threads: usize) -> report::Result<Pool> {
        stop_at_exit();
        memory::keep();
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
        // More threads than the cluster may run at once would only wait.
        let slots = budget::slots().map_or(usize::MAX, |slots| slots.max_threads as usize);
        let threads = if in_parallel_worker { 0 } else { threads.min(slots) };
        let notices = Notices::new(settings::progress_notices() && !in_parallel_worker);
        Ok(Pool { threads, call, notices })
    }

    /// How many threads compute at once.
    pub fn threads(&self) -> usize {
        self.threads.max(1)
    }

    /// Plans what a forecast computes at a time: within the limit of the call and what is left of the cluster's memory, of
    /// which it reserves what the plan takes.
    pub fn plan(
        &mut self,
        limit: usize,
        plan: impl Fn(usize, usize) -> folio_core::Result<Batches>,
    ) -> report::Result<Batches> {
        let threads = self.threads();
        plan(threads, limit)?;
        let batches = match plan(threads, budget::room(limit)) {
            Err(Error::MemoryLimit { need_bytes, .. }) => {
                budget::reserve(need_bytes)?;
                plan(threads, need_bytes)?
            }
            planned => planned?,
        };
        budget::reserve(batches.bytes)?;
        self.threads = self.threads.min(batches.threads);
        Ok(batches)
    }

    /// Says how many tasks the call will have, where it has them run in batches.
    pub fn announce(&self, tasks: usize) {
        self.call.announce(tasks);
    }

    /// Says that the call reads prices now.
    pub fn reading(&self) {
        self.call.enter(Phase::ReadingPrices);
    }

    /// Runs the jobs here: in a parallel worker, or where no thread can be had. Interrupts are serviced between jobs;
    /// the cancel flag looks at the pending ones inside them.
    fn run_inline(&self, jobs: Vec<Job>, cancel: &Cancel) -> Result<(), Cancelled> {
        for job in jobs {
            inject::point(Point::Interrupt);
            check_for_interrupts!();
            let slot = self.call.acquire(INLINE_PATIENCE, || cancel.check().is_err());
            check_for_interrupts!();
            let _slot = slot.ok_or(Cancelled)?;
            run_job(job, self.call);
            self.notices.give(self.call);
        }
        check_for_interrupts!();
        Ok(())
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
        let Ok((wake, signal)) = UnixStream::pair() else { return self.run_inline(jobs, cancel) };
        let work = Arc::new(Work::new(jobs, signal, self.call, cancel));
        match Crew::start(threads, &work) {
            Some(crew) => crew.wait(&wake, &self.notices),
            None => self.run_inline(work.take_all(), cancel)?,
        }
        cancel.check()
    }
}

/// The lines that tell the user of a long call how far it is, one every [`NOTICE_INTERVAL`].
struct Notices {
    enabled: bool,
    start: Instant,
    next: Cell<Duration>,
}

impl Notices {
    fn new(enabled: bool) -> Notices {
        Notices { enabled, start: Instant::now(), next: Cell::new(NOTICE_INTERVAL) }
    }

    /// Gives a line if it is time for one. Main thread only.
    fn give(&self, call: Call) {
        let elapsed = self.start.elapsed();
        if !self.enabled || elapsed < self.next.get() {
            return;
        }
        self.next.set(elapsed + NOTICE_INTERVAL);
        let (done, total) = call.tasks();
        let left = match done {
            0 => String::new(),
            _ => {
                let left = elapsed.as_secs_f64() * f64::from(total.saturating_sub(done)) / f64::from(done);
                format!(", about {left:.0} s left")
            }
        };
        notice!("{done} of {total} tasks done in {:.0} s{left}", elapsed.as_secs_f64());
    }
}

/// The flag that cancels a call, as soon as memory has run out too. Work on the main thread finds out by itself that the
/// user wants to stop.
pub fn cancel_flag() -> Cancel {
    MAIN_THREAD.with(|main| main.set(true));
    Cancel::polling(|| memory::exhausted() || (MAIN_THREAD.with(Cell::get) && stop_requested()))
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

/// Runs a job and counts it. Jobs catch their own panics; one that slips through costs the job and not the thread,
/// which may be the only one.
fn run_job(job: Job, call: Call) {
    let start = thread_cpu_time();
    let succeeded = catch_unwind(AssertUnwindSafe(job)).unwrap_or(false);
    call.count(succeeded, thread_cpu_time().saturating_sub(start));
}

/// The jobs of one run, shared by its threads.
struct Work {
    queue: Mutex<VecDeque<Job>>,
    /// Whether every job has been taken.
    drained: AtomicBool,
    /// How many jobs have not ended.
    remaining: AtomicUsize,
    /// Gets a byte when none remains.
    signal: UnixStream,
    call: Call,
    cancel: Cancel,
}

impl Work {
    fn new(jobs: Vec<Job>, signal: UnixStream, call: Call, cancel: &Cancel) -> Work {
        let (drained, remaining) = (AtomicBool::new(jobs.is_empty()), AtomicUsize::new(jobs.len()));
        Work { queue: Mutex::new(jobs.into()), drained, remaining, signal, call, cancel: cancel.clone() }
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
        let give_up = || self.drained.load(Ordering::Acquire) || self.cancel.check().is_err();
        let mut turn = self.call.acquire(PATIENCE, give_up);
        while let Some(slot) = turn {
            self.work_for_a_quantum(&slot);
            if give_up() {
                slot.give_up();
                break;
            }
            // A new slice of the scheduler's time, while the slot is still held: the old one has mostly run out, and
            // the kernel would take the core away in the middle of passing the slot on, which leaves two threads
            // runnable with one slot (3 in 4 such samples, measured on Linux 6.18).
            std::thread::yield_now();
            turn = slot.pass_on(PATIENCE, give_up);
        }
        if self.cancel.check().is_err() {
            self.ended(self.take_all().len());
        }
    }

    /// Works until the quantum is over and another thread waits, until no job is left or until the call is cancelled.
    fn work_for_a_quantum(&self, slot: &Slot) {
        let start = Instant::now();
        while let Some(job) = self.next() {
            run_job(job, self.call);
            self.ended(1);
            if self.cancel.check().is_err() || (start.elapsed() >= QUANTUM && slot.wanted()) {
                return;
            }
        }
    }

    /// The next job.
    fn next(&self) -> Option<Job> {
        let mut queue = self.queue();
        let job = queue.pop_front();
        if queue.is_empty() {
            self.drained.store(true, Ordering::Release);
        }
        job
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
    handles: Vec<JoinHandle<()>>,
    work: Arc<Work>,
}

fn lock_running() -> MutexGuard<'static, Option<Running>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Crew {
    /// Starts up to `threads` threads on the work, fewer where the system refuses; None where there is none.
    fn start(threads: usize, work: &Arc<Work>) -> Option<Crew> {
        let handles = spawn_threads(threads, work);
        if handles.is_empty() {
            return None;
        }
        *lock_running() = Some(Running { handles, work: Arc::clone(work) });
        Some(Crew { work: Arc::clone(work) })
    }

    /// Waits until every job has ended. An interrupt that ends the query raises its error here.
    fn wait(self, wake: &UnixStream, notices: &Notices) {
        while self.work.remaining.load(Ordering::Acquire) > 0 {
            wait_for_wake_up(wake);
            notices.give(self.work.call);
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
    let Some(Running { handles, work }) = running else { return };
    if work.cancel.check().is_err() {
        work.call.wake_all();
    }
    for handle in handles {
        while !handle.is_finished() {
            memory::end_session_if_starved();
            std::thread::sleep(JOIN_INTERVAL);
        }
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
            wait_event(),
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    memory::end_session_if_starved();
    inject::point(Point::Interrupt);
    check_for_interrupts!();
}

/// What pg_stat_activity shows of the main thread while the others compute: a name of our own where the server has
/// such (from version 17), else "Extension".
fn wait_event() -> u32 {
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    {
        static EVENT: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
        // SAFETY: on the main thread of a backend, with a constant, NUL-terminated name.
        *EVENT.get_or_init(|| unsafe { pg_sys::WaitEventExtensionNew(c"FolioCompute".as_ptr()) })
    }
    #[cfg(not(any(feature = "pg17", feature = "pg18")))]
    pg_sys::PG_WAIT_EXTENSION
}

/// Starts threads on the work, up to the first that the system refuses.
fn spawn_threads(threads: usize, work: &Arc<Work>) -> Vec<JoinHandle<()>> {
    let _masked = SignalMask::block_all_but_faults();
    let spawn = |index| {
        let work = Arc::clone(work);
        let thread = std::thread::Builder::new().name(format!("folio-{index}")).stack_size(STACK_BYTES);
        thread.spawn(move || run_as_batch(&work)).ok()
    };
    (0..threads).map_while(spawn).collect()
}

/// Computes under the scheduler's policy for batch work. A thread of it that is woken to take a slot does not preempt
/// the one that has just given the slot up and is about to sleep, so the two are not runnable at the same time for
/// longer than a moment; nor does it preempt a session that answers a query.
fn run_as_batch(work: &Work) {
    // SAFETY: the parameter is valid for the call, which changes the calling thread only.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &libc::sched_param { sched_priority: 0 }) };
    work.run();
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
        if !memory::starved() {
            join_threads();
        }
        budget::end_calls_of_this_process();
    }
    static REGISTERED: Once = Once::new();
    // SAFETY: on the main thread; the callback is a function of this library, which is never unloaded.
    REGISTERED.call_once(|| unsafe { pg_sys::before_shmem_exit(Some(at_exit), pg_sys::Datum::from(0)) });
}
