//! The cluster-wide budget of compute threads, and what every session is computing, in shared memory.
//!
//! A compute thread holds a slot while it works and sleeps while it waits for one, so that over all sessions never
//! more than folio.max_threads of them can run. A slot is held for a [`QUANTUM`] of work, then passed on if anybody
//! waits: to the session that was served longest ago, whatever its number of threads. The main threads never hold a
//! slot while they wait.
//!
//! Without shared_preload_libraries there is no shared memory to be had: each session then has a budget of its own in
//! its own memory, where folio.threads_per_call is the only cap, and says so in folio.pool_status.
//!
//! A killed backend makes the postmaster start all of shared memory anew, so no slot survives its holder. Every other
//! way out passes [`Call::end`] or, for a session that ends, the exit callback in `pool.rs`.
//!
//! What a session's entry holds changes under the one mutex only, except the counters of progress, so nothing here needs
//! an ordering stronger than the mutex gives.

use std::cell::{Cell, UnsafeCell};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use pgrx::prelude::*;

use super::settings;

/// How long a thread keeps its slot while others wait: about the length of a long task, so that passing it on costs nothing
/// beside the work and the moments in which two threads are runnable with one slot stay under 1 % of the time; short
/// enough that every session gets its turn soon.
pub const QUANTUM: Duration = Duration::from_millis(50);

/// By how much a call's share of the cluster's memory grows at least: so that rows that are read cost no look at it.
const MEMORY_STEP: u64 = 1 << 20;

/// The sessions that can compute at once where the server does not say how many there can be (before Postgres 15).
const FALLBACK_SESSIONS: usize = 2048;

/// The cluster's budget; null where the library was not preloaded.
static SHARED: AtomicPtr<Shared> = AtomicPtr::new(std::ptr::null_mut());

/// The head of the shared memory; `sessions` entries follow it.
#[repr(C)]
struct Shared {
    mutex: UnsafeCell<libc::pthread_mutex_t>,
    max_threads: u32,
    /// The bytes that all calls may take together; 0 is without a limit.
    max_memory: u64,
    sessions: usize,
    /// What all calls have reserved of it. Changed under the mutex.
    memory: AtomicU64,
    /// Slots that are held. Changed under the mutex.
    in_use: AtomicU32,
    /// Threads that wait, over all sessions: only where all slots are held. Changed under the mutex.
    waiting: AtomicU32,
    /// How many slots were ever granted: the clock of fairness. Changed under the mutex.
    grants: AtomicU64,
}

// SAFETY: the mutex is made for sharing between processes, the rest are atomics or never change after the start.
unsafe impl Sync for Shared {}

/// What one session computes, its calls within calls too, and what it keeps of calls before. A free entry has pid 0.
/// Everything is in shared memory and outlives every process.
#[repr(C)]
pub struct Entry {
    pid: AtomicI32,
    /// Calls within one another, such as a price view's that forecasts; none where the session only keeps results. Changed
    /// under the mutex.
    depth: AtomicU32,
    /// Bytes that the calls have reserved, and those of results. Changed under the mutex.
    memory: AtomicU64,
    /// The session's threads sleep here until one of them is granted a slot.
    wake: UnsafeCell<libc::sem_t>,
    /// Threads that wait for a slot. Changed under the mutex.
    waiting: AtomicU32,
    /// Slots granted to waiting threads that have not woken yet. Changed under the mutex.
    granted: AtomicU32,
    /// Slots that the session holds, the granted ones included. Changed under the mutex.
    held: AtomicU32,
    /// When the session was last granted a slot, by the clock of fairness. Changed under the mutex.
    last_grant: AtomicU64,
    database: AtomicU32,
    user: AtomicU32,
    /// Microseconds since 2000-01-01, as Postgres counts.
    started: AtomicU64,
    phase: AtomicU32,
    threads: AtomicU32,
    tasks_total: AtomicU32,
    tasks_done: AtomicU32,
    tasks_failed: AtomicU32,
    cpu_micros: AtomicU64,
}

/// What a call is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Phase {
    ReadingPrices,
    Computing,
}

impl Phase {
    const ALL: [Phase; 2] = [Phase::ReadingPrices, Phase::Computing];

    /// Its name in folio.progress.
    pub fn name(self) -> &'static str {
        match self {
            Phase::ReadingPrices => "reading prices",
            Phase::Computing => "computing",
        }
    }
}

// SAFETY: the semaphore is made for sharing between processes, the rest are atomics.
unsafe impl Sync for Entry {}

/// A snapshot of what a session computes.
#[derive(Debug, Clone)]
pub struct Activity {
    pub pid: i32,
    pub database: pg_sys::Oid,
    pub user: pg_sys::Oid,
    pub started: pg_sys::TimestampTz,
    pub phase: Phase,
    pub threads: u32,
    pub running: u32,
    pub tasks_total: u32,
    pub tasks_done: u32,
    pub tasks_failed: u32,
    pub cpu: Duration,
}

/// The slots of the whole cluster.
#[derive(Debug, Clone, Copy)]
pub struct Slots {
    pub max_threads: u32,
    pub in_use: u32,
}

/// The cluster's slots; None where the library was not preloaded.
pub fn slots() -> Option<Slots> {
    let slots =
        |shared: &Shared| Slots { max_threads: shared.max_threads, in_use: shared.in_use.load(Relaxed) };
    Shared::of_cluster().map(slots)
}

/// What every session computes now; nothing where the library was not preloaded.
pub fn activity() -> Vec<Activity> {
    let Some(shared) = Shared::of_cluster() else { return Vec::new() };
    // Under the mutex an entry is of one call throughout: nobody sees one user's pid beside another's name.
    let snapshot = |entry: &Entry| shared.locked(|| entry.computes().then(|| entry.snapshot()));
    shared.entries().iter().filter(|entry| entry.computes()).filter_map(snapshot).collect()
}

impl Shared {
    fn of_cluster() -> Option<&'static Shared> {
        // SAFETY: null, or set by on_shmem_startup to memory that lives as long as the process.
        unsafe { SHARED.load(Relaxed).as_ref() }
    }

    /// The cluster's budget, or else this session's own.
    fn get() -> &'static Shared {
        static PRIVATE: OnceLock<&'static Shared> = OnceLock::new();
        Shared::of_cluster().unwrap_or_else(|| PRIVATE.get_or_init(Shared::private))
    }

    /// A budget of this process alone, with more slots than its calls have threads.
    fn private() -> &'static Shared {
        let words = Shared::bytes(1).div_ceil(size_of::<u64>());
        let memory = Box::leak(vec![0_u64; words].into_boxed_slice()).as_mut_ptr().cast::<Shared>();
        // SAFETY: the memory is large enough, aligned for u64 as both types are, never freed, and nobody else's yet.
        unsafe {
            initialise(memory, 1, u32::MAX, 0);
            &*memory
        }
    }

    fn bytes(sessions: usize) -> usize {
        size_of::<Shared>() + sessions * size_of::<Entry>()
    }

    fn entries(&'static self) -> &'static [Entry] {
        let first = (&raw const *self).wrapping_add(1).cast::<Entry>();
        // SAFETY: initialise laid `sessions` entries behind the head; their alignment is not above its own.
        unsafe { std::slice::from_raw_parts(first, self.sessions) }
    }

    /// Runs `change` under the mutex. It is held for some dozen instructions and never across a wait.
    fn locked<T>(&self, change: impl FnOnce() -> T) -> T {
        // SAFETY: the mutex was initialised before any process could get here.
        unsafe { libc::pthread_mutex_lock(self.mutex.get()) };
        let result = change();
        // SAFETY: locked above, by this thread.
        unsafe { libc::pthread_mutex_unlock(self.mutex.get()) };
        result
    }

    // --- under the mutex ---

    /// Takes a slot if one is free. Then nobody waits, for a slot that is given back goes to those who do.
    fn take(&self, entry: &Entry) -> bool {
        let free = self.in_use.load(Relaxed) < self.max_threads;
        if free {
            self.in_use.fetch_add(1, Relaxed);
            self.grant(entry);
        }
        free
    }

    fn grant(&self, entry: &Entry) {
        entry.held.fetch_add(1, Relaxed);
        entry.last_grant.store(self.grants.fetch_add(1, Relaxed) + 1, Relaxed);
    }

    fn queue(&self, entry: &Entry) {
        entry.waiting.fetch_add(1, Relaxed);
        self.waiting.fetch_add(1, Relaxed);
    }

    fn leave_queue(&self, entry: &Entry, threads: u32) {
        entry.waiting.fetch_sub(threads, Relaxed);
        self.waiting.fetch_sub(threads, Relaxed);
    }

    /// Gives a slot of `entry` to the session whose turn it is, which must then be woken, or back.
    fn give_back(&'static self, entry: &Entry) -> Option<&'static Entry> {
        let next = self.next_in_turn();
        match next {
            None => {
                entry.held.fetch_sub(1, Relaxed);
                self.in_use.fetch_sub(1, Relaxed);
            }
            Some(next) => self.hand_over(entry, next),
        }
        next
    }

    fn hand_over(&self, entry: &Entry, next: &Entry) {
        entry.held.fetch_sub(1, Relaxed);
        self.leave_queue(next, 1);
        next.granted.fetch_add(1, Relaxed);
        self.grant(next);
    }

    /// The session that waits and was served longest ago.
    fn next_in_turn(&'static self) -> Option<&'static Entry> {
        if self.waiting.load(Relaxed) == 0 {
            return None;
        }
        let waits = |entry: &&Entry| entry.waiting.load(Relaxed) > 0;
        self.entries().iter().filter(waits).min_by_key(|entry| entry.last_grant.load(Relaxed))
    }
}

/// What the calls take of the cluster's memory.
impl Shared {
    fn grow(&self, entry: &Entry, bytes: u64) -> Result<(), NoMemory> {
        self.locked(|| {
            let (taken, limit_bytes) = (self.memory.load(Relaxed), self.max_memory);
            if limit_bytes > 0 && taken + bytes > limit_bytes {
                let own = entry.memory.load(Relaxed);
                return Err(NoMemory { need_bytes: own + bytes, taken_bytes: taken - own, limit_bytes });
            }
            self.memory.fetch_add(bytes, Relaxed);
            entry.memory.fetch_add(bytes, Relaxed);
            Ok(())
        })
    }

    /// Gives back what an entry has beyond `bytes`. Under the mutex.
    fn shrink(&self, entry: &Entry, bytes: u64) {
        let beyond = entry.memory.load(Relaxed).saturating_sub(bytes);
        entry.memory.fetch_sub(beyond, Relaxed);
        self.memory.fetch_sub(beyond, Relaxed);
    }

    /// The entry of a session that had none. Under the mutex.
    fn claim(&'static self) -> Result<&'static Entry, TooManyCalls> {
        let entry = self.entries().iter().find(|entry| entry.is_free()).ok_or(TooManyCalls)?;
        entry.depth.store(0, Relaxed);
        entry.pid.store(pid(), Relaxed);
        Ok(entry)
    }

    /// Makes an entry free of calls and memory. Under the mutex.
    fn close(&'static self, entry: &Entry) {
        self.shrink(entry, 0);
        self.rest(entry);
        entry.pid.store(0, Relaxed);
    }

    /// What there is to do where an entry's last call has ended. Under the mutex.
    fn rest(&'static self, entry: &Entry) {
        self.leave_queue(entry, entry.waiting.load(Relaxed));
        entry.granted.store(0, Relaxed);
        while entry.held.load(Relaxed) > 0 {
            self.give_back(entry).into_iter().for_each(Entry::post);
        }
        // Posts that nobody slept for; the next call's threads would wake for nothing.
        // SAFETY: the semaphore is initialised.
        while unsafe { libc::sem_trywait(entry.wake.get()) } == 0 {}
    }
}

const NANOSECONDS: libc::c_long = 1_000_000_000;

impl Entry {
    fn post(&self) {
        // SAFETY: initialised before any process could get here.
        unsafe { libc::sem_post(self.wake.get()) };
    }

    /// Sleeps until posted, but not longer than `patience`.
    fn sleep(&self, patience: Duration) {
        let mut until = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: both pointers are valid; the semaphore is initialised.
        unsafe {
            libc::clock_gettime(libc::CLOCK_REALTIME, &mut until);
            let nanoseconds = until.tv_nsec + libc::c_long::from(patience.subsec_nanos().cast_signed());
            until.tv_sec += patience.as_secs().cast_signed() + nanoseconds / NANOSECONDS;
            until.tv_nsec = nanoseconds % NANOSECONDS;
            libc::sem_timedwait(self.wake.get(), &until);
        }
    }

    fn is_free(&self) -> bool {
        self.pid.load(Relaxed) == 0
    }

    fn computes(&self) -> bool {
        !self.is_free() && self.depth.load(Relaxed) > 0
    }

    /// Makes the entry that of a session's new call. Under the mutex.
    fn open(&self, database: pg_sys::Oid, user: pg_sys::Oid, started: pg_sys::TimestampTz) {
        self.database.store(database.to_u32(), Relaxed);
        self.user.store(user.to_u32(), Relaxed);
        self.started.store(started.cast_unsigned(), Relaxed);
        self.phase.store(Phase::ReadingPrices as u32, Relaxed);
        for counter in [&self.threads, &self.tasks_total, &self.tasks_done, &self.tasks_failed] {
            counter.store(0, Relaxed);
        }
        self.cpu_micros.store(0, Relaxed);
    }

    fn snapshot(&self) -> Activity {
        Activity {
            pid: self.pid.load(Relaxed),
            database: self.database.load(Relaxed).into(),
            user: self.user.load(Relaxed).into(),
            started: self.started.load(Relaxed).cast_signed(),
            phase: Phase::ALL.get(self.phase.load(Relaxed) as usize).copied().unwrap_or(Phase::Computing),
            threads: self.threads.load(Relaxed),
            running: self.held.load(Relaxed),
            tasks_total: self.tasks_total.load(Relaxed),
            tasks_done: self.tasks_done.load(Relaxed),
            tasks_failed: self.tasks_failed.load(Relaxed),
            cpu: Duration::from_micros(self.cpu_micros.load(Relaxed)),
        }
    }
}

/// A session's call, from its start to its end: its entry in the budget.
#[derive(Clone, Copy)]
pub struct Call {
    shared: &'static Shared,
    entry: &'static Entry,
    /// The call that this one is within, if any, and what it had reserved when this one began.
    outer: Reserved,
}

/// What a session's innermost call has reserved of the cluster's memory, and what the calls around it have.
#[derive(Clone, Copy, Default)]
struct Reserved {
    /// The session's entry while a call runs.
    entry: Option<&'static Entry>,
    around: u64,
    own: u64,
}

thread_local! {
    /// Of the innermost call. Main thread only.
    static RESERVED: Cell<Reserved> = const { Cell::new(Reserved { entry: None, around: 0, own: 0 }) };
    /// What the session keeps whether it has calls or not, and its entry while that is anything. Main thread only.
    static HELD: Cell<(Option<&'static Entry>, u64)> = const { Cell::new((None, 0)) };
}

/// The session's entry, if it has one.
fn own_entry() -> Option<&'static Entry> {
    RESERVED.get().entry.or(HELD.get().0)
}

/// Every place in the list of running calls is taken: more processes than the server said there can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyCalls;

/// The calls of all sessions take the memory that they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoMemory {
    /// What the call would take.
    pub need_bytes: u64,
    /// What other calls have.
    pub taken_bytes: u64,
    /// What all may have.
    pub limit_bytes: u64,
}

/// Counts what the session's innermost call takes or is about to take, before it takes it. It only grows within a call.
pub fn reserve(bytes: usize) -> Result<(), NoMemory> {
    let mut reserved = RESERVED.get();
    let Some(entry) = reserved.entry else { return Ok(()) };
    let bytes = bytes as u64;
    if bytes <= reserved.own {
        return Ok(());
    }
    let own = bytes.next_multiple_of(MEMORY_STEP);
    Shared::get().grow(entry, own - reserved.own)?;
    reserved.own = own;
    RESERVED.set(reserved);
    Ok(())
}

/// How many of `limit` bytes the session's innermost call can reserve in all, as long as nobody else takes them.
pub fn room(limit: usize) -> usize {
    let shared = Shared::get();
    if shared.max_memory == 0 {
        return limit;
    }
    let free = shared.max_memory.saturating_sub(shared.memory.load(Relaxed));
    let whole_steps = (RESERVED.get().own + free) / MEMORY_STEP * MEMORY_STEP;
    limit.min(usize::try_from(whole_steps).unwrap_or(usize::MAX))
}

/// Memory that a session keeps beyond a call, such as rows that wait until they are asked for: counted until dropped.
#[derive(Default)]
pub struct Held {
    bytes: u64,
}

/// Keeps so much of what the innermost call has reserved; what it has not is reserved now.
pub fn hold(bytes: usize) -> Result<Held, NoMemory> {
    reserve(bytes)?;
    let (mut reserved, bytes) = (RESERVED.get(), bytes as u64);
    if reserved.entry.is_none() || bytes == 0 {
        return Ok(Held::default());
    }
    reserved.own -= bytes;
    RESERVED.set(reserved);
    HELD.set((reserved.entry, HELD.get().1 + bytes));
    Ok(Held { bytes })
}

impl Held {
    /// Counts further bytes, within a call or not.
    pub fn grow(&mut self, bytes: usize) -> Result<(), NoMemory> {
        if bytes == 0 {
            return Ok(());
        }
        let (shared, bytes) = (Shared::get(), bytes as u64);
        let entry = match own_entry() {
            Some(entry) => entry,
            // Where every place is taken nothing can be counted; who calls then is told so.
            None => match shared.locked(|| shared.claim()) {
                Ok(entry) => entry,
                Err(TooManyCalls) => return Ok(()),
            },
        };
        // Kept first: what then fails is given back by the value's end.
        HELD.set((Some(entry), HELD.get().1));
        let grown = shared.grow(entry, bytes);
        if grown.is_ok() {
            HELD.set((Some(entry), HELD.get().1 + bytes));
            self.bytes += bytes;
        } else {
            leave(shared);
        }
        grown
    }
}

impl Held {
    /// The rows, which keep the memory until they are gone.
    pub fn by<I>(self, rows: I) -> HeldBy<I> {
        HeldBy { rows, _held: self }
    }
}

/// Rows that keep memory until they are gone.
pub struct HeldBy<I> {
    rows: I,
    _held: Held,
}

impl<I: Iterator> Iterator for HeldBy<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        self.rows.next()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let (entry, held) = HELD.get();
        // The end of the session has given everything back.
        let Some(entry) = entry.filter(|entry| entry.pid.load(Relaxed) == pid()) else { return };
        HELD.set((Some(entry), held - self.bytes));
        let shared = Shared::get();
        shared.locked(|| shared.shrink(entry, entry.memory.load(Relaxed).saturating_sub(self.bytes)));
        leave(shared);
    }
}

/// Gives the session's entry back where it has neither calls nor anything kept.
fn leave(shared: &'static Shared) {
    let (Some(entry), 0) = HELD.get() else { return };
    HELD.set((None, 0));
    if RESERVED.get().entry.is_none() {
        shared.locked(|| shared.close(entry));
    }
}

impl Call {
    /// Registers a call of this session. Main thread only.
    pub fn start() -> Result<Call, TooManyCalls> {
        let shared = Shared::get();
        let outer = RESERVED.get();
        // SAFETY: plain reads of this session's own variables on the main thread.
        let (database, user, now) =
            unsafe { (pg_sys::MyDatabaseId, pg_sys::GetUserId(), pg_sys::GetCurrentTimestamp()) };
        let entry = shared.locked(|| {
            let entry = own_entry().map_or_else(|| shared.claim(), Ok)?;
            if entry.depth.fetch_add(1, Relaxed) == 0 {
                entry.open(database, user, now);
            }
            Ok(entry)
        })?;
        RESERVED.set(Reserved { entry: Some(entry), around: outer.around + outer.own, own: 0 });
        Ok(Call { shared, entry, outer })
    }

    /// Says what the call is doing now.
    pub fn enter(&self, phase: Phase) {
        self.entry.phase.store(phase as u32, Relaxed);
    }

    /// Announces how many tasks there will be in the whole call, where that is known before they are planned.
    pub fn announce(&self, tasks: usize) {
        self.entry.tasks_total.fetch_max(u32::try_from(tasks).unwrap_or(u32::MAX), Relaxed);
    }

    /// Further tasks begin, on so many threads.
    pub fn plan(&self, threads: usize, tasks: usize) {
        self.entry.threads.store(u32::try_from(threads).unwrap_or(u32::MAX), Relaxed);
        self.announce(self.tasks().0 as usize + tasks);
    }

    /// How many tasks have ended, and how many there are.
    pub fn tasks(&self) -> (u32, u32) {
        (self.entry.tasks_done.load(Relaxed), self.entry.tasks_total.load(Relaxed))
    }

    /// Counts a task that has ended.
    pub fn count(&self, succeeded: bool, cpu: Duration) {
        self.entry.tasks_done.fetch_add(1, Relaxed);
        self.entry.tasks_failed.fetch_add(u32::from(!succeeded), Relaxed);
        self.entry.cpu_micros.fetch_add(cpu.as_micros() as u64, Relaxed);
    }

    /// Ends the call; the outermost one leaves what results keep. Its threads have been joined, so it holds and awaits
    /// nothing, unless the session ends in the middle of an inline task.
    pub fn end(&self) {
        let Call { shared, entry, outer } = *self;
        let (_, held) = HELD.get();
        shared.locked(|| {
            shared.shrink(entry, outer.around + outer.own + held);
            if entry.depth.fetch_sub(1, Relaxed) > 1 {
                return;
            }
            match held {
                0 => shared.close(entry),
                _ => shared.rest(entry),
            }
        });
        RESERVED.set(outer);
    }

    /// Waits for a slot, asleep. None once `give_up` says that it is not wanted any more: it is asked under the mutex,
    /// before each sleep of at most `patience`; [`Call::wake_all`] ends the sleep.
    pub fn acquire(&self, patience: Duration, give_up: impl Fn() -> bool) -> Option<Slot> {
        self.wait(patience, give_up, false)
    }

    fn wait(&self, patience: Duration, give_up: impl Fn() -> bool, mut queued: bool) -> Option<Slot> {
        let Call { shared, entry, .. } = *self;
        loop {
            let turn = shared.locked(|| {
                if queued && entry.granted.load(Relaxed) > 0 {
                    entry.granted.fetch_sub(1, Relaxed);
                    return Turn::Granted;
                }
                if give_up() {
                    shared.leave_queue(entry, u32::from(queued));
                    return Turn::GivenUp;
                }
                if !queued && shared.take(entry) {
                    return Turn::Granted;
                }
                if !queued {
                    shared.queue(entry);
                }
                Turn::Waiting
            });
            match turn {
                Turn::Granted => return Some(Slot(*self)),
                Turn::GivenUp => return None,
                Turn::Waiting => entry.sleep(patience),
            }
            queued = true;
        }
    }

    /// Wakes the call's waiting threads so that they ask again whether they shall give up. One that has not asked yet
    /// will do so under the mutex, so none sleeps on.
    pub fn wake_all(&self) {
        let waiting = self.shared.locked(|| self.entry.waiting.load(Relaxed));
        for _ in 0..waiting {
            self.entry.post();
        }
    }
}

/// What became of the wait for a slot.
enum Turn {
    Granted,
    GivenUp,
    Waiting,
}

/// The right to compute on one thread; given back when dropped.
pub struct Slot(Call);

impl Slot {
    /// Whether a thread waits for a slot.
    pub fn wanted(&self) -> bool {
        self.0.shared.waiting.load(Relaxed) > 0
    }

    /// Passes the slot on, if it is another session's turn, and waits for the next one as [`Call::acquire`] does. In one
    /// step, so that this thread goes to sleep as soon as it has woken the other.
    pub fn pass_on(self, patience: Duration, give_up: impl Fn() -> bool) -> Option<Slot> {
        let call = self.0;
        let Call { shared, entry, .. } = call;
        let next = shared.locked(|| {
            let next = shared.next_in_turn()?;
            if std::ptr::eq(next, entry) {
                // The turn is this call's own, and this thread is awake already.
                entry.last_grant.store(shared.grants.fetch_add(1, Relaxed) + 1, Relaxed);
                return None;
            }
            shared.hand_over(entry, next);
            shared.queue(entry);
            Some(next)
        });
        let Some(next) = next else { return Some(self) };
        std::mem::forget(self);
        next.post();
        entry.sleep(patience);
        call.wait(patience, give_up, true)
    }

    /// Gives the slot up where the call has no more work: to another thread of the same call that waits, so that it wakes
    /// with a slot to find that out. Woken without one, it would stand in the scheduler's queue behind those that compute,
    /// one runnable thread too many for as long.
    pub fn give_up(self) {
        let Call { shared, entry, .. } = self.0;
        let sibling_waits = shared.locked(|| {
            let waits = entry.waiting.load(Relaxed) > 0;
            if waits {
                shared.leave_queue(entry, 1);
                entry.granted.fetch_add(1, Relaxed);
            }
            waits
        });
        if sibling_waits {
            std::mem::forget(self);
            entry.post();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Call { shared, entry, .. } = self.0;
        // Woken outside the mutex, lest the first thing that the woken thread does is to wait for it.
        if let Some(next) = shared.locked(|| shared.give_back(entry)) {
            next.post();
        }
    }
}

/// Ends whatever calls this process has: the last net of a session that ends.
pub fn end_calls_of_this_process() {
    let shared = Shared::get();
    for entry in shared.entries().iter().filter(|entry| entry.pid.load(Relaxed) == pid()) {
        shared.locked(|| shared.close(entry));
    }
}

fn pid() -> i32 {
    // SAFETY: set once at the start of the process.
    unsafe { pg_sys::MyProcPid }
}

// --- the start of the server ----------------------------------------------------------------------------------------

/// Asks for the shared memory. Called from _PG_init; does nothing unless the library is being preloaded.
pub fn register() {
    // SAFETY: on the main thread of the postmaster, before any process was forked; each hook calls the one before.
    unsafe {
        if !pg_sys::process_shared_preload_libraries_in_progress {
            return;
        }
        PREVIOUS_REQUEST = pg_sys::shmem_request_hook;
        pg_sys::shmem_request_hook = Some(on_shmem_request);
        PREVIOUS_STARTUP = pg_sys::shmem_startup_hook;
        pg_sys::shmem_startup_hook = Some(on_shmem_startup);
    }
}

static mut PREVIOUS_REQUEST: pg_sys::shmem_request_hook_type = None;
static mut PREVIOUS_STARTUP: pg_sys::shmem_startup_hook_type = None;

fn request_memory() {
    // SAFETY: on the postmaster's main thread, at the time when shared memory may be asked for.
    unsafe { pg_sys::RequestAddinShmemSpace(Shared::bytes(sessions())) };
}

fn sessions() -> usize {
    // SAFETY: a plain read; zero before the server has computed it.
    match usize::try_from(unsafe { pg_sys::MaxBackends }) {
        Ok(backends @ 1..) => backends,
        _ => FALLBACK_SESSIONS,
    }
}

#[pg_guard]
extern "C-unwind" fn on_shmem_request() {
    // SAFETY: the hook that was there before, called as the server would have.
    unsafe {
        if let Some(previous) = PREVIOUS_REQUEST {
            previous();
        }
    }
    request_memory();
}

/// Runs at the server's start and again after a crash; in the second case the memory is new and all slots are free.
#[pg_guard]
extern "C-unwind" fn on_shmem_startup() {
    // SAFETY: the hook that was there before, called as the server would have; then the memory that was asked for,
    // under the lock that the server demands for it.
    unsafe {
        if let Some(previous) = PREVIOUS_STARTUP {
            previous();
        }
        let lock = &raw mut (*pg_sys::MainLWLockArray.add(ADDIN_SHMEM_INIT_LOCK)).lock;
        pg_sys::LWLockAcquire(lock, pg_sys::LWLockMode::LW_EXCLUSIVE);
        let (sessions, mut found) = (sessions(), false);
        let memory = pg_sys::ShmemInitStruct(c"pg_folio".as_ptr(), Shared::bytes(sessions), &mut found)
            .cast::<Shared>();
        if !found {
            let max_threads = u32::try_from(settings::max_threads()).unwrap_or(1);
            initialise(memory, sessions, max_threads, settings::max_memory());
        }
        pg_sys::LWLockRelease(lock);
        SHARED.store(memory, Relaxed);
    }
}

/// The number of AddinShmemInitLock in the server's array (lwlocknames.txt; the same in every supported version).
const ADDIN_SHMEM_INIT_LOCK: usize = 21;

/// # Safety
/// `memory` has room for the head and `sessions` entries, and nobody else sees it yet.
unsafe fn initialise(memory: *mut Shared, sessions: usize, max_threads: u32, max_memory: u64) {
    // SAFETY: all zero bytes are valid for both types; the mutex and the semaphores are initialised before use.
    unsafe {
        std::ptr::write_bytes(memory.cast::<u8>(), 0, Shared::bytes(sessions));
        (*memory).max_threads = max_threads;
        (*memory).max_memory = max_memory;
        (*memory).sessions = sessions;
        let mut shared_by_processes: libc::pthread_mutexattr_t = std::mem::zeroed();
        libc::pthread_mutexattr_init(&mut shared_by_processes);
        libc::pthread_mutexattr_setpshared(&mut shared_by_processes, libc::PTHREAD_PROCESS_SHARED);
        libc::pthread_mutex_init((*memory).mutex.get(), &shared_by_processes);
        libc::pthread_mutexattr_destroy(&mut shared_by_processes);
        let first = memory.add(1).cast::<Entry>();
        for entry in 0..sessions {
            libc::sem_init((*first.add(entry)).wake.get(), 1, 0);
        }
    }
}
