//! What processes take of CPUs and memory, by the kernel's own accounts.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The CPU time of a process with all its threads so far; what interrupts do meanwhile is in it too.
fn spent(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    Duration::from_nanos(threads.filter_map(|thread| nanos(&thread.path())).sum())
}

/// The CPU time of its first thread alone, which is Mona's control.
pub fn first_thread(process: u32) -> Duration {
    Duration::from_nanos(nanos(Path::new(&format!("/proc/{process}/task/{process}"))).unwrap_or(0))
}

/// The CPU time of those that were started here and have ended.
pub fn children() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return Duration::ZERO };
    [usage.user_time(), usage.system_time()]
        .map(|time| Duration::from_micros(time.num_microseconds() as u64))
        .iter()
        .sum()
}

fn nanos(thread: &Path) -> Option<u64> {
    fs::read_to_string(thread.join("schedstat")).ok()?.split_whitespace().next()?.parse().ok()
}

/// The memory of a process that is in use, MiB.
pub fn memory_mib(process: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let kib = text.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// The CPU time of several.
pub fn spent_by(processes: &[u32]) -> Duration {
    processes.iter().copied().map(spent).sum()
}
