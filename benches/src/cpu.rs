//! What processes take of CPUs and memory, by the kernel's own accounts.

use std::fs;
use std::time::Duration;

/// The CPU time of a process with all its threads so far; what interrupts do meanwhile is in it too.
fn spent(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let nanos = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
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
