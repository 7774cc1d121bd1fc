//! An executor on threads of its own, for tests and examples.

use folio_core::task::{Cancel, Cancelled, Executor, Job};

/// A pool of this many threads, not rayon's global one.
pub struct Threads(rayon::ThreadPool);

impl Threads {
    /// Starts the threads.
    pub fn start(count: usize) -> Threads {
        Threads(rayon::ThreadPoolBuilder::new().num_threads(count).build().expect("threads can be started"))
    }
}

impl Executor for Threads {
    fn run(&self, jobs: Vec<Job>, cancel: &Cancel) -> Result<(), Cancelled> {
        self.0.scope(|scope| {
            for job in jobs {
                scope.spawn(move |_| {
                    if cancel.check().is_ok() {
                        job();
                    }
                });
            }
        });
        cancel.check()
    }
}
