//! Least privilege: what the daemon may do, said plainly where something is missing, and dropped once it is not needed.

use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::resource::{Resource, setrlimit};

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

/// Memory of maps and rings is locked: as much as there is need for.
pub fn raise_memlock() -> Result<(), String> {
    // On kernels that account BPF memory to cgroups it matters for AF_XDP only.
    match setrlimit(Resource::RLIMIT_MEMLOCK, nix::libc::RLIM_INFINITY, nix::libc::RLIM_INFINITY) {
        Ok(()) => Ok(()),
        Err(e) => Err(format!("RLIMIT_MEMLOCK stays as it is ({e}): large AF_XDP memory may be refused")),
    }
}

/// Learning waits for the control thread: it goes first when all CPUs are busy.
pub fn go_first() {
    // Without CAP_SYS_NICE it stays where it is, a little slower.
    let _ = nice(-10);
}

fn nice(by: i32) -> std::io::Result<()> {
    mona_datapath::io::sched::nice(by)
}

/// Keeps what it runs on and drops the rest, in this thread and those it starts.
pub fn drop_rest() -> Result<(), String> {
    let permitted = caps::read(None, CapSet::Permitted).map_err(|e| e.to_string())?;
    let keep: CapsHashSet = KEPT.into_iter().filter(|cap| permitted.contains(cap)).collect();
    let none = CapsHashSet::new();
    // The ambient and inheritable sets first: they may not exceed what is permitted.
    let _ = caps::clear(None, CapSet::Ambient);
    let dropped = caps::set(None, CapSet::Inheritable, &none)
        .and_then(|()| caps::set(None, CapSet::Effective, &keep))
        .and_then(|()| caps::set(None, CapSet::Permitted, &keep));
    dropped.map_err(|e| format!("privileges could not be dropped: {e}"))
}
