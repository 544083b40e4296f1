//! The datapath as control holds it: workers to start, ports to open and close, snapshots to publish, reports to read.
//!
//! Nothing here blocks for longer than opening a device takes.

use crate::Fdb;
use crate::io::mem::{self, MemHost};
use crate::io::set::{IoSet, Own};
use crate::out::Seen;
use crate::ring::{self, Bell, FrameReader, FrameWriter, Label};
use crate::snapshot::{Home, Snapshot};
use crate::stats::{PortCounters, VlanCounters};
use crate::worker::{Crossing, Desk, Ends, Order, Shared, Worker};
use arc_swap::ArcSwap;
use crossbeam::utils::CachePadded;
use mona_wire::{Eth, PortId, Tci, VlanId};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use rtrb::{Consumer, Producer, RingBuffer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Workers there may be at most: each has a ring to each other one.
const WORKERS: usize = 32;
/// Reports of sources one worker may be ahead of control: at 64 k addresses in 100 ms, twelve milliseconds.
const SEEN: usize = 8192;
/// Ports changing hands at once.
const ORDERS: usize = 256;
/// How long [`Datapath::synchronise`] waits for a worker: longer only while other threads have its CPU.
const PATIENCE: Duration = Duration::from_millis(1);
/// How long closing a port waits for its worker before it lets the worker keep what it has until the end.
const HANDOVER: Duration = Duration::from_millis(500);

/// How to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of workers; each is pinned to a CPU of its own as far as there are any.
    pub workers: usize,
    /// Stations the FDB holds.
    pub stations: usize,
    /// A word for the names of the backplane netdevs, so that several switches can run in one namespace: `mona` gives
    /// `mona-b0`, `mona-w0`, …
    pub name: String,
}

/// Which I/O the operator asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IoChoice {
    /// What fits the device.
    #[default]
    Auto,
    /// The backplane.
    Packet,
    /// AF_XDP.
    Xdp,
}

/// What was opened, for `show platform ports`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// `packet`, `xdp` or `mem`.
    pub io: String,
    /// `tcx` for packet; `native` or `generic` for xdp.
    pub attach: String,
    /// `zero-copy`, `copy`, or `ring` for packet.
    pub memory: String,
    /// Queues claimed.
    pub queues: u16,
    /// The workers that receive from it.
    pub workers: Vec<u8>,
    /// Why this I/O and no other, a sentence.
    pub why: String,
    /// How the snapshot reaches it (not shown).
    pub home: Option<Home>,
}

/// Why a device cannot be a port: a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError(pub String);

/// What workers report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A source address unknown or elsewhere.
    Seen(Seen),
    /// A frame for the switch itself (a reserved address), with the port it came in on.
    Frame(PortId, Vec<u8>),
}

/// What control keeps of one worker.
struct Link {
    desk: Arc<Desk>,
    injected: FrameWriter,
    punts: FrameReader,
    seen: Consumer<Seen>,
    orders: Producer<Order>,
    returned: Consumer<(PortId, Option<Own>)>,
    thread: Option<JoinHandle<()>>,
}

/// How an open port is held.
struct Held {
    kind: Kind,
    /// The workers that own queues of it; none for `packet`, which belongs to all.
    workers: Vec<u8>,
    /// What the counters said when its owner came.
    start: PortCounters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Mem,
}

/// The running datapath. Dropping it stops the workers and releases every port.
pub struct Datapath {
    shared: Arc<Shared>,
    links: Vec<Link>,
    /// Rung by workers that have something to report.
    bell: Arc<Bell>,
    /// The worker whose sources are read first next time, so that none is always first.
    next: usize,
    /// The snapshot published last.
    current: Arc<Snapshot>,
    /// Those before it that a worker may still decide by, each with the generation that replaced it. They are freed
    /// here: freeing is too slow for a worker.
    retired: Vec<(u64, Arc<Snapshot>)>,
    ports: BTreeMap<PortId, Held>,
    /// Frames of the switch itself that found the ring full or their port gone.
    inject_lost: u64,
}

impl Datapath {
    /// Loads programs, makes the backplanes, starts the workers. Leftovers of a killed predecessor of the same name are
    /// recognised and removed first.
    pub fn start(options: Options) -> Result<Datapath, OpenError> {
        Datapath::start_in_memory(options)
    }

    /// Only the workers, which needs no privilege: ports are those of [`Datapath::open_in_memory`].
    pub fn start_in_memory(options: Options) -> Result<Datapath, OpenError> {
        let workers = options.workers.clamp(1, WORKERS);
        let fdb = Arc::new(Fdb::with_capacity(options.stations));
        let current = Arc::new(Snapshot::empty(fdb));
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::new(Arc::clone(&current)),
            generation: CachePadded::default(),
            stop: AtomicBool::new(false),
        });
        let bell = Arc::new(Bell::new().map_err(no_descriptor)?);
        // Control sleeps until the first report.
        bell.arm();
        let mut datapath = Datapath {
            shared,
            links: Vec::new(),
            bell,
            next: 0,
            current,
            retired: Vec::new(),
            ports: BTreeMap::new(),
            inject_lost: 0,
        };
        datapath.employ(workers, &options.name)?;
        Ok(datapath)
    }

    /// Makes the rings and starts the threads, each on a CPU of its own as far as there are any.
    fn employ(&mut self, workers: usize, name: &str) -> Result<(), OpenError> {
        let desks =
            (0..workers).map(|_| Desk::new().map(Arc::new)).collect::<Result<Vec<_>, _>>().map_err(no_descriptor)?;
        let mut crossing: Vec<Vec<Option<Crossing>>> = Vec::new();
        let mut arriving: Vec<Vec<FrameReader>> = (0..workers).map(|_| Vec::new()).collect();
        for from in 0..workers {
            let to_others = (0..workers).map(|to| {
                let (ring, reader) = (from != to).then(|| ring::frames(ring::FRAMES, ring::BYTES))?;
                arriving[to].push(reader);
                Some(Crossing { ring, bell: Arc::clone(&desks[to].bell), written: false })
            });
            crossing.push(to_others.collect());
        }
        let cpus = allowed_cpus();
        for (me, ((desk, crossing), mut arriving)) in desks.into_iter().zip(crossing).zip(arriving).enumerate() {
            let (injected, injected_out) = ring::frames(ring::FRAMES, ring::BYTES);
            arriving.push(injected_out);
            let (punts, punts_out) = ring::frames(ring::FRAMES, ring::BYTES);
            let (seen, seen_out) = RingBuffer::new(SEEN);
            let (orders, orders_out) = RingBuffer::new(ORDERS);
            let (returned, returned_out) = RingBuffer::new(ORDERS);
            let control = Arc::clone(&self.bell);
            let ends = Ends { arriving, crossing, punts, seen, orders: orders_out, returned, control };
            let io = IoSet::new(&desk.bell).map_err(no_descriptor)?;
            let worker = Worker::new(Arc::clone(&self.shared), Arc::clone(&desk), io, ends);
            let cpu = cpus.get(me % cpus.len().max(1)).copied();
            let thread = thread::Builder::new()
                .name(format!("{name}-{me}"))
                .spawn(move || {
                    pin(cpu);
                    worker.run();
                })
                .map_err(|error| OpenError(format!("cannot start worker {me}: {error}")))?;
            self.links.push(Link {
                desk,
                injected,
                punts: punts_out,
                seen: seen_out,
                orders,
                returned: returned_out,
                thread: Some(thread),
            });
        }
        Ok(())
    }

    /// The table of stations.
    pub fn fdb(&self) -> &Arc<Fdb> {
        &self.current.fdb
    }

    /// Makes `device` the port `port`. The device's settings are remembered and restored by [`Datapath::close`].
    /// Frames of the port are dropped until a snapshot that holds it is published.
    pub fn open(&mut self, port: PortId, device: &str, io: IoChoice) -> Result<Opened, OpenError> {
        let _ = (port, io);
        Err(OpenError(format!("{device} cannot be opened: this datapath has ports in memory only")))
    }

    /// Makes a port in memory, owned by the worker that has the fewest; the host's end of it is returned.
    pub fn open_in_memory(&mut self, port: PortId) -> Result<(Opened, MemHost), OpenError> {
        self.check(port)?;
        let worker = self.least_busy();
        let (near, host) = mem::cable(port, Arc::clone(&self.links[usize::from(worker)].desk.bell));
        self.hand(worker, Order::Take(port, Own::Mem(near)))?;
        self.hold(port, Kind::Mem, vec![worker]);
        let opened = Opened {
            io: "mem".into(),
            attach: "none".into(),
            memory: "ring".into(),
            queues: 1,
            workers: vec![worker],
            why: "a port in memory".into(),
            home: Some(Home::Worker(worker)),
        };
        Ok((opened, host))
    }

    /// Gives the device back as it was found. Fine if the device is gone, or if there is no such port.
    pub fn close(&mut self, port: PortId) {
        let Some(held) = self.ports.remove(&port) else { return };
        for worker in held.workers {
            self.take_back(worker, port);
        }
        match held.kind {
            Kind::Mem => {}
        }
    }

    /// Workers decide by this from their next batch on. Returns at once; [`Datapath::synchronise`] waits.
    pub fn publish(&mut self, snapshot: Arc<Snapshot>) {
        self.shared.snapshot.store(Arc::clone(&snapshot));
        // The number goes after the snapshot: who sees the number finds the snapshot.
        let generation = self.shared.generation.fetch_add(1, Ordering::Release) + 1;
        self.retired.push((generation, std::mem::replace(&mut self.current, snapshot)));
        self.free_retired();
    }

    /// Returns when every worker decides by the snapshot published last (bounded: about a millisecond).
    pub fn synchronise(&mut self) {
        let generation = self.shared.generation.load(Ordering::Relaxed);
        self.links.iter().for_each(|link| link.desk.bell.ring());
        let end = Instant::now() + PATIENCE;
        while self.links.iter().any(|link| link.desk.acknowledged.load(Ordering::Acquire) < generation) {
            if Instant::now() > end {
                return;
            }
            thread::yield_now();
        }
        self.free_retired();
    }

    fn free_retired(&mut self) {
        let acknowledged = |link: &Link| link.desk.acknowledged.load(Ordering::Acquire);
        let oldest = self.links.iter().map(acknowledged).min().unwrap_or(u64::MAX);
        self.retired.retain(|(replaced_by, _)| *replaced_by > oldest);
    }

    /// Readable when there are reports.
    pub fn wakeup(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Takes the waiting reports, urgent ones first, at most `limit`.
    pub fn reports(&mut self, limit: usize, into: &mut Vec<Report>) {
        self.bell.disarm();
        let end = into.len() + limit;
        for link in &mut self.links {
            while into.len() < end
                && let Some(report) = link.punts.pop(|label, frame| Report::Frame(label.from, frame.to_vec()))
            {
                into.push(report);
            }
        }
        let workers = self.links.len();
        self.next = (self.next + 1) % workers;
        for at in 0..workers {
            // What is left is shared by the workers that follow, so that a flood at one does not silence another.
            let share = (end - into.len()).div_ceil(workers - at);
            let ring = &mut self.links[(self.next + at) % workers].seen;
            into.extend((0..share).map_while(|_| ring.pop().ok()).map(Report::Seen));
        }
        self.bell.arm();
        if self.links.iter().any(|link| !link.punts.is_empty() || !link.seen.is_empty()) {
            self.bell.ring();
        }
    }

    /// Sends a frame that the switch itself made, as it is, by `port`.
    pub fn inject(&mut self, port: PortId, frame: &[u8]) {
        let worker = match self.current.port(port).map(|port| port.home) {
            Some(Home::Worker(worker)) => usize::from(worker),
            Some(Home::Backplane) => port.index() % self.links.len(),
            None => return self.inject_lost += 1,
        };
        let label =
            Label { from: PortId::SELF, to: port, vlan: None, tag: own_tag(frame), offload: Default::default() };
        if let Some(link) = self.links.get_mut(worker)
            && link.injected.push(label, frame)
        {
            link.desk.bell.ring();
        } else {
            self.inject_lost += 1;
        }
    }

    /// The counters of one port, summed over the workers, since it was opened.
    pub fn port_counters(&self, port: PortId) -> PortCounters {
        let all = self.all_counted(port);
        match self.ports.get(&port) {
            Some(held) => all.since(&held.start),
            None => all,
        }
    }

    fn all_counted(&self, port: PortId) -> PortCounters {
        let mut sum = PortCounters::default();
        self.links.iter().for_each(|link| link.desk.counters.add_port(port, &mut sum));
        sum
    }

    /// The counters of one VLAN.
    pub fn vlan_counters(&self, vlan: VlanId) -> VlanCounters {
        let mut sum = VlanCounters::default();
        self.links.iter().for_each(|link| link.desk.counters.add_vlan(vlan, &mut sum));
        sum
    }

    /// Losses that belong to no single port: (worker, name, count).
    pub fn losses(&self) -> Vec<(u8, &'static str, u64)> {
        let seen = |(worker, link): (usize, &Link)| (worker as u8, "report_ring_full", link.desk.seen_lost.get());
        let mut losses: Vec<_> = self.links.iter().enumerate().map(seen).collect();
        losses.push((0, "inject_failed", self.inject_lost));
        losses
    }

    fn check(&self, port: PortId) -> Result<(), OpenError> {
        if port == PortId::SELF || port.index() >= PortId::COUNT {
            return Err(OpenError(format!("{port} is no port number: there are 1 to {}", PortId::COUNT - 1)));
        }
        if self.ports.contains_key(&port) {
            return Err(OpenError(format!("{port} is open already: close it first")));
        }
        Ok(())
    }

    fn hold(&mut self, port: PortId, kind: Kind, workers: Vec<u8>) {
        let start = self.all_counted(port);
        self.ports.insert(port, Held { kind, workers, start });
    }

    /// The worker that owns the fewest queues.
    fn least_busy(&self) -> u8 {
        let load = |worker: &u8| self.ports.values().filter(|held| held.workers.contains(worker)).count();
        (0..self.links.len() as u8).min_by_key(load).unwrap_or(0)
    }

    fn hand(&mut self, worker: u8, order: Order) -> Result<(), OpenError> {
        let link = &mut self.links[usize::from(worker)];
        let sent = link.orders.push(order);
        link.desk.bell.ring();
        sent.map_err(|_| OpenError(format!("worker {worker} does not take ports: its CPU is taken by something else")))
    }

    /// Takes what a worker holds of a port and drops it here.
    fn take_back(&mut self, worker: u8, port: PortId) {
        if self.hand(worker, Order::GiveBack(port)).is_err() {
            return;
        }
        let link = &mut self.links[usize::from(worker)];
        let end = Instant::now() + HANDOVER;
        while Instant::now() < end {
            match link.returned.pop() {
                Ok((closed, None)) if closed == port => return,
                Ok(_) => {}
                Err(_) => thread::yield_now(),
            }
        }
    }
}

impl std::ops::Drop for Datapath {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.links.iter().for_each(|link| link.desk.bell.ring());
        for thread in self.links.iter_mut().filter_map(|link| link.thread.take()) {
            // A worker that panicked has said so on stderr.
            let _ = thread.join();
        }
    }
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

fn no_descriptor(errno: nix::Error) -> OpenError {
    OpenError(format!("the kernel gives no file descriptor for waking workers ({errno}): raise the limit (ulimit -n)"))
}

/// The CPUs this process may run on.
fn allowed_cpus() -> Vec<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect()
}

/// Binds this thread to a CPU. One that went offline meanwhile leaves the thread unbound, which is slower, not wrong.
fn pin(cpu: Option<usize>) {
    let mut set = CpuSet::new();
    if let Some(cpu) = cpu
        && set.set(cpu).is_ok()
    {
        let _ = sched_setaffinity(Pid::from_raw(0), &set);
    }
}

/// The tag a frame already has.
fn own_tag(frame: &[u8]) -> Option<Tci> {
    Eth::parse(frame).and_then(|eth| eth.tag)
}
