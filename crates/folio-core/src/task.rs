//! How work is run: jobs that own their data, a flag that cancels them, seeds, and the executor they run on.
//!
//! The engine never starts a thread. In Postgres the executor is the backend's compute pool; tests and benches use
//! [`Inline`]. Results keep the order of their jobs, so they are the same for any number of threads.

use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Error;

/// The flag was set: the work stopped before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

impl From<Cancelled> for Error {
    fn from(_: Cancelled) -> Error {
        Error::Cancelled
    }
}

/// A flag that asks running jobs to stop. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    flag: Arc<AtomicBool>,
    hook: Hook,
}

/// Who is asked at each look at a flag.
#[derive(Debug, Clone, Copy, Default)]
enum Hook {
    #[default]
    None,
    /// Whether to stop.
    Poll(fn() -> bool),
    /// Nothing; it is told where the look stands in the code.
    Watch(fn(&'static Location<'static>)),
}

impl Cancel {
    /// A flag that is also set once `poll` says so. For work on the thread that would have to set the flag, which
    /// then has no other moment to look whether somebody asked.
    pub fn polling(poll: fn() -> bool) -> Cancel {
        Cancel { flag: Arc::default(), hook: Hook::Poll(poll) }
    }

    /// A flag whose looks are told to `watch`, each with its place in the code: what tests count the work between two
    /// looks with ([`crate::work`]).
    pub fn watched(watch: fn(&'static Location<'static>)) -> Cancel {
        Cancel { flag: Arc::default(), hook: Hook::Watch(watch) }
    }

    /// Asks every holder of a clone to stop.
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::Release);
    }

    /// Fails once the flag is set. Every inner loop calls it at least every 20 ms of work; it costs one load.
    #[track_caller]
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.flag.load(Ordering::Acquire) || self.asked(Location::caller()) {
            self.cancel();
            return Err(Cancelled);
        }
        Ok(())
    }

    fn asked(&self, place: &'static Location<'static>) -> bool {
        match self.hook {
            Hook::None => false,
            Hook::Poll(poll) => poll(),
            Hook::Watch(watch) => {
                watch(place);
                false
            }
        }
    }
}

/// Where a job's randomness comes from. Seeds are derived from names, never from threads or time, so that a result
/// does not depend on what else runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// A seed of its own for the part of the work that is called `name`.
    pub fn derive(self, name: &str) -> Seed {
        // FNV-1a over the name, started from this seed, then the finaliser of splitmix64 to spread the bits.
        let fnv = name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ self.0, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut z = fnv.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Seed(z ^ (z >> 31))
    }

    /// The generator of this seed; its stream is fixed by the PCG specification.
    pub fn rng(self) -> rand_pcg::Pcg64 {
        <rand_pcg::Pcg64 as rand_core::SeedableRng>::seed_from_u64(self.0)
    }
}

/// What a model gets beside its data.
#[derive(Debug, Clone)]
pub struct Task {
    /// Polled in every inner loop.
    pub cancel: Cancel,
    /// The seed of this task alone.
    pub seed: Seed,
}

/// A unit of work that owns its data; it tells whether it succeeded.
pub type Job = Box<dyn FnOnce() -> bool + Send + 'static>;

/// What a job brings back.
pub trait Outcome: Send + 'static {
    /// Whether it is what was asked for; false is counted as a failure where progress is shown.
    fn succeeded(&self) -> bool {
        true
    }
}

/// Runs jobs, on as many threads as it likes.
pub trait Executor {
    /// Runs every job and returns when all have ended, or fails as soon as the caller asked to stop, in which case
    /// it has set `cancel`.
    fn run(&self, jobs: Vec<Job>, cancel: &Cancel) -> Result<(), Cancelled>;
}

/// Runs jobs one after the other on the calling thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct Inline;

impl Executor for Inline {
    fn run(&self, jobs: Vec<Job>, cancel: &Cancel) -> Result<(), Cancelled> {
        for job in jobs {
            cancel.check()?;
            job();
        }
        cancel.check()
    }
}

/// A job that panicked, with the panic's message. It costs that job's result only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("panicked: {0}")]
pub struct Panicked(pub String);

/// Where a job leaves its result.
type Slot<R> = Mutex<Option<Result<R, Panicked>>>;

/// Applies `work` to every item on the executor; results keep the order of the items.
pub fn map<T, R>(
    executor: &dyn Executor,
    cancel: &Cancel,
    items: Vec<T>,
    work: impl Fn(T) -> R + Send + Sync + 'static,
) -> Result<Vec<Result<R, Panicked>>, Cancelled>
where
    T: Send + 'static,
    R: Outcome,
{
    let slots: Arc<Vec<Slot<R>>> = Arc::new(items.iter().map(|_| Mutex::new(None)).collect());
    let work = Arc::new(work);
    let jobs = items
        .into_iter()
        .enumerate()
        .map(|(index, item)| {
            let (slots, work) = (Arc::clone(&slots), Arc::clone(&work));
            Box::new(move || {
                let outcome =
                    catch_unwind(AssertUnwindSafe(|| work(item))).map_err(|panic| Panicked(message(&*panic)));
                let succeeded = outcome.as_ref().is_ok_and(Outcome::succeeded);
                *slots[index].lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
                succeeded
            }) as Job
        })
        .collect();
    executor.run(jobs, cancel)?;
    slots
        .iter()
        .map(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or(Cancelled))
        .collect()
}

/// Runs one piece of work on the executor: for a computation that is not split, but must be cancellable all the same.
///
/// # Errors
/// The work's own; [`Error::Cancelled`]; [`Error::Internal`] if it panicked.
pub fn one<T: Send + 'static>(
    executor: &dyn Executor,
    cancel: &Cancel,
    work: impl FnOnce(&Cancel) -> crate::Result<T> + Send + 'static,
) -> crate::Result<T> {
    let flag = cancel.clone();
    let mut outcomes = map(executor, cancel, vec![work], move |work| One(work(&flag)))?;
    match outcomes.pop() {
        Some(Ok(One(result))) => result,
        Some(Err(Panicked(message))) => Err(Error::Internal { message }),
        None => Err(Error::Cancelled),
    }
}

/// The outcome of [`one`].
struct One<T>(crate::Result<T>);

impl<T: Send + 'static> Outcome for One<T> {
    fn succeeded(&self) -> bool {
        self.0.is_ok()
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Outcome for i32 {}
    impl Outcome for () {}

    #[test]
    fn results_keep_their_order_and_a_panic_costs_one() {
        let results = map(&Inline, &Cancel::default(), vec![1, 2, 3], |x| {
            assert!(x != 2, "two is bad");
            x * 10
        })
        .unwrap();
        assert_eq!(results[0], Ok(10));
        assert!(matches!(&results[1], Err(Panicked(text)) if text.contains("two is bad")));
        assert_eq!(results[2], Ok(30));
    }

    #[test]
    fn one_piece_of_work_brings_its_result_or_its_panic() {
        assert_eq!(one(&Inline, &Cancel::default(), |_| Ok(7)), Ok(7));
        let panicked = one::<i32>(&Inline, &Cancel::default(), |_| panic!("no"));
        assert_eq!(panicked, Err(Error::Internal { message: "no".to_owned() }));
    }

    #[test]
    fn a_cancelled_run_says_so() {
        let cancel = Cancel::default();
        let flag = cancel.clone();
        let outcome = map(&Inline, &cancel, vec![1, 2], move |_| flag.cancel());
        assert_eq!(outcome.unwrap_err(), Cancelled);
    }

    #[test]
    fn seeds_differ_by_name_and_by_parent() {
        let names = ["AAPL", "MSFT", "AAPLMSFT", ""];
        let seeds: std::collections::HashSet<u64> =
            names.iter().flat_map(|name| [Seed(1).derive(name).0, Seed(2).derive(name).0]).collect();
        assert_eq!(seeds.len(), 8);
        assert_eq!(Seed(42).derive("AAPL").derive("lstm"), Seed(42).derive("AAPL").derive("lstm"));
    }
}
