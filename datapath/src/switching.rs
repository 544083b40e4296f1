//! The datapath as control holds it: workers to start, ports to open and close, snapshots to publish, reports to read.
//!
//! Nothing here blocks for longer than opening a device takes.

mod counted;
mod opening;
mod remembered;
mod report;

use crate::io::flows::{FlowTable, SLOTS};
use crate::io::packet::PacketPorts;
use crate::io::pins::Mount;
use crate::io::set::Own;
use crate::io::watch::Watch;
use crate::io::xdp::XdpPorts;
use crate::ring::{Bell, Label};
use crate::snapshot::{Home, Snapshot};
use crate::stats::PortCounters;
use crate::uncached::Uncached;
use crate::wiring::{Link, ORDERS, Start, employ, no_descriptor};
use crate::worker::{Order, Shared};
use crate::{Fdb, Seen};
use arc_swap::ArcSwap;
use crossbeam::utils::CachePadded;
use mona_wire::{Eth, PortId, Tci};
pub use remembered::FlowTotals;
use remembered::Remembered;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::iter::{once, repeat_with};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub use report::Report;
use report::punted;

/// Workers there may be at most: each has a ring to each other one.
const WORKERS: usize = 32;
/// How long [`Datapath::synchronise`] waits for a worker: longer only while other threads have its CPU.
const PATIENCE: Duration = Duration::from_millis(1);
/// Looks whether they have begun, between which others may run, before control sleeps for a moment.
const YIELDS: u32 = 16;
/// How long closing a port waits for its worker before it lets the worker keep what it has until the end.
const HANDOVER: Duration = Duration::from_millis(500);
/// How long opening a port may wait for queues to become free, and how often they are looked at.
pub const QUEUES_FREE: Duration = Duration::from_secs(2);
/// See [`QUEUES_FREE`].
pub const QUEUES_RETRY: Duration = Duration::from_millis(100);

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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// A port that was not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is in the way.
    pub why: OpenError,
    /// A queue is not free: that may be for a moment only.
    pub busy: bool,
}

impl From<OpenError> for Refused {
    fn from(why: OpenError) -> Refused {
        Refused { why, busy: false }
    }
}

/// How an open port is held.
struct Held {
    kind: Kind,
    /// The workers that receive from it.
    workers: Vec<u8>,
    /// What the counters said when its owner came.
    start: PortCounters,
    /// And what was not remembered by then.
    uncached: [u64; Uncached::COUNT],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Packet,
    Xdp,
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
    /// Sources that were read in this turn.
    seen: Vec<(u64, Seen)>,
    /// What is to be entered instead of what was.
    overtaken: Vec<Seen>,
    /// The snapshot published last.
    current: Arc<Snapshot>,
    /// Those before it that a worker may still decide by, each with the generation that replaced it. They are freed
    /// here: freeing is too slow for a worker.
    retired: Vec<(u64, Arc<Snapshot>)>,
    ports: BTreeMap<PortId, Held>,
    /// None in memory.
    packet: Option<PacketPorts>,
    xdp: Option<XdpPorts>,
    watch: Watch,
    /// Why frames leave one by one.
    single: Option<String>,
    flows: FlowTable,
    remembered: Remembered,
    /// Frames of the switch itself that found the ring full or their port gone.
    inject_lost: u64,
}

impl Datapath {
    /// Loads programs, makes the backplanes, starts the workers. Leftovers of a killed predecessor of the same name are
    /// recognised and removed first.
    pub fn start(options: Options) -> Result<Datapath, OpenError> {
        Datapath::start_holding(options, None)
    }

    /// The same, but what a predecessor left there is adopted, and `packet` ports stay attached when this ends.
    pub fn start_holding(options: Options, mount: Option<&Mount>) -> Result<Datapath, OpenError> {
        let workers = options.workers.clamp(1, WORKERS);
        let (mut packet, backplanes, urgent) = PacketPorts::start_holding(&options.name, workers, mount)?;
        let flows = packet.flows(&options.name)?;
        let (live, single) = match packet.live(&options.name, workers) {
            Ok(live) => (live, None),
            Err(why) => (Vec::new(), Some(why.0)),
        };
        let live = live.into_iter().map(Some).chain(repeat_with(|| None));
        let xdp = XdpPorts::start()?;
        let urgent = once(Some(urgent)).chain(repeat_with(|| None));
        let ios = backplanes.into_iter().zip(urgent).zip(live);
        let ios = ios.map(|((backplane, urgent), live)| (Some(backplane), urgent, live)).collect();
        let mut datapath = Datapath::employing(options, ios, Some(packet), Some(xdp), flows)?;
        datapath.single = single;
        Ok(datapath)
    }

    /// Only the workers, which needs no privilege: ports are those of [`Datapath::open_in_memory`].
    pub fn start_in_memory(options: Options) -> Result<Datapath, OpenError> {
        let workers = options.workers.clamp(1, WORKERS);
        let flows = FlowTable::in_memory(SLOTS).map_err(|error| OpenError(format!("memory for flows: {error}")))?;
        Datapath::employing(options, (0..workers).map(|_| (None, None, None)).collect(), None, None, flows)
    }

    fn employing(
        options: Options,
        ios: Vec<Start>,
        packet: Option<PacketPorts>,
        xdp: Option<XdpPorts>,
        flows: FlowTable,
    ) -> Result<Datapath, OpenError> {
        let fdb = Arc::new(Fdb::with_capacity(options.stations));
        let current = Arc::new(Snapshot::empty(fdb));
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::new(Arc::clone(&current)),
            generation: CachePadded::default(),
            epoch: CachePadded::default(),
            reported: CachePadded::default(),
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
            seen: Vec::new(),
            overtaken: Vec::new(),
            current,
            retired: Vec::new(),
            ports: BTreeMap::new(),
            packet,
            xdp,
            watch: Watch::default(),
            single: None,
            flows,
            remembered: Remembered::default(),
            inject_lost: 0,
        };
        datapath.shared.epoch.store(datapath.flows.epoch(), Ordering::Release);
        employ(&datapath.shared, &datapath.bell, ios, &options.name, &mut datapath.links)?;
        Ok(datapath)
    }

    /// Was what another build of the programs had left taken off?
    pub fn replaced(&self) -> bool {
        self.packet.as_ref().is_some_and(|packet| packet.loaded().replaced)
    }

    /// Why nothing goes on when this process ends, although it was to.
    pub fn unpinned(&self) -> Option<&str> {
        self.packet.as_ref()?.loaded().unpinned.as_deref()
    }

    /// Why the kernel replays no flows, if it does not take the program for that.
    pub fn forgetful(&self) -> Option<&str> {
        self.packet.as_ref()?.loaded().forgetful.as_deref()
    }

    /// Why frames leave one by one, if the kernel does not send many at a time.
    pub fn single(&self) -> Option<&str> {
        self.single.as_deref()
    }

    /// Why the copies of a flood leave one by one, if the kernel has no lists for them.
    pub fn apart(&self) -> Option<&str> {
        self.packet.as_ref()?.apart.as_deref()
    }

    /// The table of stations.
    pub fn fdb(&self) -> &Arc<Fdb> {
        &self.current.fdb
    }

    /// What the kernel remembers.
    pub fn flows(&mut self) -> &mut FlowTable {
        &mut self.flows
    }

    /// Gives the device back as it was found. Fine if the device is gone, or if there is no such port.
    pub fn close(&mut self, port: PortId) {
        let Some(held) = self.ports.remove(&port) else { return };
        self.flows.unset_port(port);
        if held.kind != Kind::Packet {
            held.workers.iter().for_each(|worker| self.take_back(*worker, port));
        }
        self.release(port, held.kind);
    }

    /// Gives the device back, its queues being closed.
    fn release(&mut self, port: PortId, kind: Kind) {
        match (kind, &mut self.packet, &mut self.xdp) {
            (Kind::Packet, Some(packet), _) => packet.close(port),
            (Kind::Xdp, Some(packet), Some(xdp)) => xdp.close(packet.programs(), port),
            _ => {}
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

    /// Returns when every worker decides by the snapshot published last (bounded: about a millisecond): did they all?
    pub fn synchronise(&mut self) -> bool {
        let generation = self.shared.generation.load(Ordering::Relaxed);
        self.links.iter().for_each(|link| link.desk.bell.ring());
        let end = Instant::now() + PATIENCE;
        let mut looks = 0;
        while self.links.iter().any(|link| link.desk.acknowledged.load(Ordering::Acquire) < generation) {
            if Instant::now() > end {
                return false;
            }
            looks += 1;
            // A worker on this CPU, of lower priority perhaps, gets it only from who sleeps.
            if looks % YIELDS == 0 { thread::sleep(PATIENCE / 50) } else { thread::yield_now() }
        }
        self.free_retired();
        true
    }

    /// Returns when every worker has begun a round since this was called: did they all?
    pub fn begin_round(&mut self) -> bool {
        self.publish(self.current.clone());
        self.synchronise()
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

    /// Takes the waiting reports, urgent ones first, at most `limit`. Sources come in the order in which they were reported,
    /// whichever worker it was.
    pub fn reports(&mut self, limit: usize, into: &mut Vec<Report>) {
        self.bell.disarm();
        let end = into.len() + limit;
        for link in &mut self.links {
            while into.len() < end
                && let Some(report) = link.punts.pop(punted)
            {
                into.push(report);
            }
        }
        let workers = self.links.len();
        self.next = (self.next + 1) % workers;
        for at in 0..workers {
            // What is left is shared by the workers that follow, so that a flood at one does not silence another.
            let share = (end - into.len() - self.seen.len()).div_ceil(workers - at);
            let ring = &mut self.links[(self.next + at) % workers].seen;
            self.seen.extend((0..share).map_while(|_| ring.pop().ok()));
        }
        self.seen.sort_by_key(|(number, _)| *number);
        into.extend(self.seen.drain(..).map(|(_, seen)| Report::Seen(seen)));
        into.extend(self.overtaken.drain(..).map(Report::Seen));
        self.bell.arm();
        if self.links.iter().any(|link| !link.punts.is_empty() || !link.seen.is_empty() || !link.flows.is_empty()) {
            self.bell.ring();
        }
    }

    /// Stations moved as reported: those that were seen elsewhere since are reported again.
    pub fn look_again(&mut self, moved: &[Seen]) {
        self.overtaken.extend(moved.iter().filter_map(|seen| seen.overtaken(&self.current.fdb)));
        if !self.overtaken.is_empty() {
            self.bell.ring();
        }
    }

    /// Sends a frame that the switch itself made, as it is, by `port`.
    pub fn inject(&mut self, port: PortId, frame: &[u8]) {
        // The worker that also receives from the port: nothing of its own overtakes.
        let Some(&worker) = self.ports.get(&port).and_then(|held| held.workers.first()) else {
            self.inject_lost += 1;
            return;
        };
        let label = Label {
            from: PortId::SELF,
            to: port,
            vlan: None,
            tag: own_tag(frame),
            offload: Default::default(),
            told: None,
        };
        if let Some(link) = self.links.get_mut(usize::from(worker))
            && link.injected.push(label, frame)
        {
            link.desk.bell.ring();
        } else {
            self.inject_lost += 1;
        }
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
        // What went by the flows of who had the number before is his.
        self.fold();
        let start = PortCounters::default();
        let uncached = self.uncached(port);
        self.ports.insert(port, Held { kind, workers, start, uncached });
        let start = self.all_counted(port);
        self.ports.entry(port).and_modify(|held| held.start = start);
    }

    /// The workers, the one that receives from the fewest ports first.
    fn by_load(&self) -> Vec<u8> {
        let load = |worker: &u8| self.ports.values().filter(|held| held.workers.contains(worker)).count();
        let mut workers: Vec<u8> = (0..self.links.len() as u8).collect();
        workers.sort_by_key(load);
        workers
    }

    fn least_busy(&self) -> u8 {
        self.by_load()[0]
    }

    /// Does `auto` mean xdp for this device? Either way, why.
    fn suits_xdp(&self, device: &str) -> Result<String, String> {
        self.xdp.as_ref().map_or_else(|| Err(String::new()), |xdp| xdp.suits(device))
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
        // Now that their queues are closed, ports let go of their devices or leave them as they are to be left.
    }
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

fn in_memory_only() -> OpenError {
    OpenError("this datapath was started in memory: it has no ports on devices".into())
}

/// The tag a frame already has.
fn own_tag(frame: &[u8]) -> Option<Tci> {
    Eth::parse(frame).and_then(|eth| eth.tag)
}
