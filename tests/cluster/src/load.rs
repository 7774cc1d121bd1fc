//! Load on a cluster: sessions that call over and over, and what the kernel shows of their threads meanwhile.

use crate::{Database, backend};
use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often the threads are looked at.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(10);

/// A look at all threads that took longer than this was itself interrupted: it shows no one moment, and is dropped.
const ONE_MOMENT: Duration = Duration::from_millis(2);

/// What many sessions did, and what their threads looked like.
#[derive(Debug, Clone)]
pub struct Load {
    /// The seconds that each session took for its calls.
    pub seconds: Vec<f64>,
    /// From the common start to the end of the last session.
    pub total: f64,
    /// The calls of all sessions.
    pub calls: u32,
    /// What was seen of their threads.
    pub samples: Samples,
}

impl Load {
    /// Calls a second over all sessions.
    pub fn throughput(&self) -> f64 {
        f64::from(self.calls) / self.total
    }

    /// The slowest session's time relative to the mean.
    pub fn unfairness(&self) -> f64 {
        let mean = self.seconds.iter().sum::<f64>() / self.seconds.len() as f64;
        self.seconds.iter().copied().fold(0.0, f64::max) / mean
    }
}

/// What was seen of the compute threads while sessions called.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    /// How many samples were taken.
    pub count: usize,
    /// Looks that took too long to be a sample.
    pub dropped: usize,
    /// Samples with more than the allowed number of runnable threads.
    pub above: usize,
    /// Pairs of such samples that follow each other.
    pub above_in_a_row: usize,
    /// Runnable threads, over all samples, that had not run long enough to ask for a slot; they count in none of the above.
    pub starting: usize,
    /// The most runnable threads in one sample.
    pub most: usize,
    /// Involuntary context switches of the compute threads.
    pub involuntary_switches: u64,
}

impl Samples {
    /// The share of samples with too many runnable threads.
    pub fn share_above(&self) -> f64 {
        self.above as f64 / self.count.max(1) as f64
    }
}

/// Runs `statement` `calls` times in each of `sessions` sessions that start together, and looks at their compute threads
/// every 10 ms; more than `allowed` runnable ones are counted. Each session has called once before, so that no more of the
/// server's start of a session is measured in one load than in another.
pub fn watch(database: &Database, sessions: usize, calls: u32, statement: &str, allowed: usize) -> Load {
    run(database, sessions, calls, statement, Some(allowed))
}

/// The same without looking, which takes some per cent of a core where the sessions are many.
pub fn time(database: &Database, sessions: usize, calls: u32, statement: &str) -> Load {
    run(database, sessions, calls, statement, None)
}

fn run(database: &Database, sessions: usize, calls: u32, statement: &str, allowed: Option<usize>) -> Load {
    let barrier = Arc::new(Barrier::new(sessions + 1));
    let mut pids = Vec::new();
    let workers: Vec<JoinHandle<f64>> = (0..sessions)
        .map(|_| {
            let mut session = database.session();
            pids.push(backend(&mut session));
            session.query(statement, &[]).expect("a first call");
            let (barrier, statement) = (Arc::clone(&barrier), statement.to_owned());
            thread::spawn(move || {
                barrier.wait();
                let start = Instant::now();
                for _ in 0..calls {
                    session.query(&statement, &[]).expect("a call under load");
                }
                start.elapsed().as_secs_f64()
            })
        })
        .collect();
    let over = Arc::new(AtomicBool::new(false));
    let watcher = allowed.map(|allowed| {
        let over = Arc::clone(&over);
        thread::spawn(move || look(&pids, allowed, &over))
    });
    barrier.wait();
    let start = Instant::now();
    let seconds = workers.into_iter().map(|worker| worker.join().expect("a session")).collect();
    let total = start.elapsed().as_secs_f64();
    over.store(true, Ordering::Release);
    let samples = watcher.map(|watcher| watcher.join().expect("the watcher")).unwrap_or_default();
    Load { seconds, total, calls: calls * sessions as u32, samples }
}

fn look(pids: &[i32], allowed: usize, over: &AtomicBool) -> Samples {
    let mut samples = Samples::default();
    let mut was_above = false;
    // The counters of threads that have ended are gone with them, so each one's newest value is kept.
    let mut switches: HashMap<String, u64> = HashMap::new();
    while !over.load(Ordering::Acquire) {
        thread::sleep(SAMPLE_INTERVAL);
        let start = Instant::now();
        let threads: Vec<(String, char)> = pids.iter().flat_map(|pid| compute_threads(*pid)).collect();
        let runnable = threads.iter().filter(|(_, state)| *state == 'R');
        let (runnable, starting): (Vec<_>, Vec<_>) = runnable.partition(|(task, _)| has_started(task));
        let runnable = runnable.len();
        if start.elapsed() > ONE_MOMENT {
            samples.dropped += 1;
            continue;
        }
        let above = runnable > allowed;
        samples.count += 1;
        samples.starting += starting.len();
        samples.above += usize::from(above);
        samples.above_in_a_row += usize::from(above && was_above);
        samples.most = samples.most.max(runnable);
        was_above = above;
        // Not in every sample, for this file costs more than the other.
        if samples.count % 10 == 0 {
            let counts =
                threads.into_iter().filter_map(|(task, _)| Some((involuntary_switches(&task)?, task)));
            switches.extend(counts.map(|(count, task)| (task, count)));
        }
    }
    samples.involuntary_switches = switches.values().sum();
    samples
}

/// A backend's compute threads: their folders in /proc, and their states as the kernel names them.
pub fn compute_threads(pid: i32) -> Vec<(String, char)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let thread = |task: fs::DirEntry| {
        let path = task.path().to_string_lossy().into_owned();
        let stat = fs::read_to_string(format!("{path}/stat")).ok()?;
        // "id (name) state ..."
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
        let state = rest.chars().next()?;
        name.starts_with("folio-").then_some((path, state))
    };
    tasks.filter_map(thread).collect()
}

/// Whether a thread has been on a core for longer than it takes to start and to ask for a slot. A machine that is busy with
/// other work lets new threads wait for a core, each as a runnable one.
fn has_started(task: &str) -> bool {
    const START_NANOSECONDS: u64 = 200_000;
    let times = fs::read_to_string(format!("{task}/schedstat")).unwrap_or_default();
    let on_core = times.split(' ').next().and_then(|time| time.parse().ok());
    on_core.is_none_or(|nanoseconds: u64| nanoseconds > START_NANOSECONDS)
}

fn involuntary_switches(task: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("{task}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:")?.trim().parse().ok())
}
