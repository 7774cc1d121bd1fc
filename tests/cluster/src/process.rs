//! What the kernel shows of a backend: its memory, its time, and whether it can be ended.

use std::fs;
use std::process::Command;

fn status_kilobytes(pid: i32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

/// The process' own resident memory in bytes, without what it shares with others.
pub fn resident(pid: i32) -> u64 {
    status_kilobytes(pid, "RssAnon") << 10
}

/// The most resident memory since [`forget_peak`], in bytes.
pub fn peak(pid: i32) -> u64 {
    status_kilobytes(pid, "VmHWM") << 10
}

/// Starts the measurement of [`peak`] anew.
pub fn forget_peak(pid: i32) {
    as_server(&["sh", "-c", &format!("echo 5 > /proc/{pid}/clear_refs")]);
}

/// The nanoseconds that a process' main thread has been on a core.
pub fn main_thread_nanoseconds(pid: i32) -> u64 {
    let times = fs::read_to_string(format!("/proc/{pid}/task/{pid}/schedstat")).unwrap_or_default();
    times.split(' ').next().and_then(|time| time.parse().ok()).unwrap_or(0)
}

/// Ends a process that nothing else ends, so that its cluster can be stopped.
pub fn kill(pid: i32) {
    as_server(&["kill", "-KILL", &pid.to_string()]);
}

/// Limits the memory of a process to what it has and this much more, as the system does it: a further request is refused.
pub fn limit_memory(pid: i32, more_bytes: u64) {
    let limit = (status_kilobytes(pid, "VmSize") << 10) + more_bytes;
    as_server(&["prlimit", "--pid", &pid.to_string(), &format!("--as={limit}:unlimited")]);
}

/// Runs a command as whoever owns the servers: the caller, or the user `postgres` where that is root.
fn as_server(command: &[&str]) {
    let run = |command: &[&str]| {
        Command::new(command[0]).args(&command[1..]).output().is_ok_and(|output| output.status.success())
    };
    let other: Vec<&str> = ["runuser", "-u", "postgres", "--"].iter().chain(command).copied().collect();
    assert!(run(command) || run(&other), "{command:?} was refused");
}
