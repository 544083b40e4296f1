//! Least privilege: what the daemon may do, said plainly where something is missing, and dropped once it is not needed.

use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

/// What it runs on.
const KEPT: [Capability; 3] = [Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW, Capability::CAP_BPF];

/// What is missing and cannot be done without, as a sentence.
pub fn check() -> Result<(), String> {
    let has = |cap| caps::has_cap(None, CapSet::Effective, cap).unwrap_or(false);
    // CAP_SYS_ADMIN is all of BPF and PERFMON on kernels that know neither; ours does.
    let missing: Vec<String> = KEPT.into_iter().filter(|cap| !has(*cap)).map(|cap| cap.to_string()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} missing: run it as root, or give it {} (AmbientCapabilities= in the unit)",
        missing.join(" and "),
        KEPT.map(|cap| cap.to_string()).join(", ")
    ))
}

/// What is missing and makes it slower or smaller, each as a sentence.
pub fn warnings() -> Vec<String> {
    let has = |cap| caps::has_cap(None, CapSet::Effective, cap).unwrap_or(false);
    let mut warnings = Vec::new();
    if !has(Capability::CAP_PERFMON) && !has(Capability::CAP_SYS_ADMIN) {
        warnings.push("CAP_PERFMON missing: BPF programs run with Spectre barriers, at twice their cost".into());
    }
    warnings
}

/// Enough for eight AF_XDP ports of eight queues.
const MEMLOCK: u64 = 512 << 20;

/// AF_XDP memory is locked, and a thousand ports have two thousand descriptors: as much as there is need for, or as is
/// allowed. Says so if `xdp` ports may be refused for it.
pub fn raise_limits(xdp: bool) -> Option<String> {
    let raise = |resource, to: u64| {
        let (_, hard) = getrlimit(resource).unwrap_or((0, 0));
        // Beyond the hard limit needs CAP_SYS_RESOURCE.
        let _ = setrlimit(resource, to, hard.max(to)).or_else(|_| setrlimit(resource, hard.min(to), hard));
        getrlimit(resource).map_or(0, |(soft, _)| soft)
    };
    raise(Resource::RLIMIT_NOFILE, 1 << 16);
    let memory = raise(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY);
    // BPF memory is accounted to cgroups (since 5.11).
    (xdp && memory < MEMLOCK && !locks_freely()).then(|| {
        format!(
            "CAP_SYS_RESOURCE and CAP_IPC_LOCK missing: only {} KiB of memory may be locked (ulimit -l), and xdp ports may be refused",
            memory >> 10
        )
    })
}

fn locks_freely() -> bool {
    caps::has_cap(None, CapSet::Permitted, Capability::CAP_IPC_LOCK).unwrap_or(false)
}

/// Learning waits for the control thread: it goes first when all CPUs are busy.
pub fn go_first() {
    // Without CAP_SYS_NICE it stays where it is, a little slower.
    let _ = mona_datapath::io::sched::nice(-10);
}

/// Keeps what it runs on and drops the rest, in this thread and those it starts. Workers have resigned by themselves.
pub fn drop_rest() -> Result<(), String> {
    let permitted = caps::read(None, CapSet::Permitted).map_err(|e| e.to_string())?;
    // Where the limit on locked memory could not be raised, AF_XDP memory needs the right to pass it.
    let limited = getrlimit(Resource::RLIMIT_MEMLOCK).is_ok_and(|(soft, _)| soft < MEMLOCK);
    let wanted = KEPT.into_iter().chain(limited.then_some(Capability::CAP_IPC_LOCK));
    let keep: CapsHashSet = wanted.filter(|cap| permitted.contains(cap)).collect();
    let none = CapsHashSet::new();
    // The ambient and inheritable sets first: they may not exceed what is permitted.
    let _ = caps::clear(None, CapSet::Ambient);
    let dropped = caps::set(None, CapSet::Inheritable, &none)
        .and_then(|()| caps::set(None, CapSet::Effective, &keep))
        .and_then(|()| caps::set(None, CapSet::Permitted, &keep));
    dropped.map_err(|e| format!("privileges could not be dropped: {e}"))
}
