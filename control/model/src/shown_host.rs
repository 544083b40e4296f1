//! What commands show of the program and its host, as typed values.

use mona_wire::Mac;
use serde::{Deserialize, Serialize};

/// `show version`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// `0.1.0`
    pub version: String,
    /// Host name.
    pub hostname: String,
    /// Seconds since the daemon started.
    pub uptime_secs: u64,
    /// When it started: `05:00:00 UTC Sat Nov 21 2026`.
    pub restarted: String,
    /// Path of the running binary.
    pub image: String,
    /// Kernel release.
    pub kernel: String,
    /// Machine architecture.
    pub machine: String,
    /// Memory of the machine, KiB.
    pub memory_kib: u64,
    /// Worker threads.
    pub workers: usize,
    /// Number of ports: interfaces that frames come in by.
    pub interfaces: usize,
    /// The switch's own MAC.
    pub mac: Mac,
    /// A serial number: stable for the machine.
    pub serial: String,
}

/// A row of `show users`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Is it the asking session?
    pub me: bool,
    /// `0 con 0`, `1 vty 0`.
    pub line: String,
    /// Unix user.
    pub user: String,
    /// Process id of the client.
    pub pid: u32,
    /// Seconds since its last request.
    pub idle_secs: u64,
}

/// `show processes cpu`: shares of all CPUs, in percent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Processes {
    /// How busy the machine is, over five seconds, one minute and five minutes.
    pub busy: [f64; 3],
    /// And how much of the five seconds went to interrupts, in which the kernel replays what it remembers.
    pub interrupts: f64,
    /// The switch's threads.
    pub threads: Vec<Process>,
}

/// A thread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// What it is called.
    pub name: String,
    /// How long it ran since it began, milliseconds.
    pub runtime_ms: u64,
    /// How often it was given a CPU.
    pub invoked: u64,
    /// How busy it is, over five seconds, one minute and five minutes.
    pub busy: [f64; 3],
}

/// A row of `show memory statistics`, bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryPool {
    /// `Processor`, `I/O`
    pub name: String,
    /// What it has or could have.
    pub total: u64,
    /// What it has.
    pub used: u64,
    /// The least that was left.
    pub lowest: u64,
}
