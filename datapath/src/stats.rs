//! Counters: written by one worker each (plain relaxed stores, added up once per batch), read by control and summed.

use crate::Drop;
use crate::batch::Batch;
use crate::io::{Offload, RxFrame};
use crate::offload::header_len;
use crossbeam::utils::CachePadded;
use mona_wire::eth::{IPV4, IPV6};
use mona_wire::{Eth, Mac, PortId, VlanId};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A counter with one writer and any number of readers.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds; only the one writer may call it.
    #[inline]
    pub fn add(&self, by: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(by), Relaxed);
    }

    /// Takes over a value that somebody else counts; only the one writer may call it.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// The value now.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What is counted per port, summed over workers. Frames are counted as on the wire: a super-frame counts as its
/// segments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortCounters {
    /// Frames received.
    pub rx_frames: u64,
    /// Bytes received, without FCS.
    pub rx_bytes: u64,
    /// Of those, frames to a group address that is not broadcast.
    pub rx_multicast: u64,
    /// Of those, broadcast frames.
    pub rx_broadcast: u64,
    /// Frames sent.
    pub tx_frames: u64,
    /// Bytes sent, without FCS.
    pub tx_bytes: u64,
    /// Of those, frames to a group address that is not broadcast.
    pub tx_multicast: u64,
    /// Of those, broadcast frames.
    pub tx_broadcast: u64,
    /// Frames dropped, by reason ([`Drop`] as index), counted at the port they came in on.
    pub drops: Vec<u64>,
    /// Losses in the kernel, which no worker ever saw: name and count (`ring_full`, `credit`, `backlog`, …).
    pub kernel: Vec<(&'static str, u64)>,
    /// When a worker last received a frame, nanoseconds of CLOCK_MONOTONIC; 0 = never.
    pub last_rx: u64,
    /// When a worker last sent a frame there.
    pub last_tx: u64,
}

/// What is counted per VLAN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VlanCounters {
    /// Frames admitted to the VLAN.
    pub rx_frames: u64,
    /// Bytes of those.
    pub rx_bytes: u64,
    /// Copies sent in the VLAN.
    pub tx_frames: u64,
    /// Bytes of those.
    pub tx_bytes: u64,
}

impl VlanCounters {
    /// As those of a port.
    pub fn as_port(&self) -> PortCounters {
        PortCounters {
            rx_frames: self.rx_frames,
            rx_bytes: self.rx_bytes,
            tx_frames: self.tx_frames,
            tx_bytes: self.tx_bytes,
            ..PortCounters::default()
        }
    }
}

/// What the router's interface in a VLAN routed: packets as on the wire, a super-frame as its segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouterCounters {
    /// IPv4 packets that came in there and were routed.
    pub in4: u64,
    /// IPv6 packets that came in there and were routed.
    pub in6: u64,
    /// IPv4 packets that were routed out there.
    pub out4: u64,
    /// IPv6 packets that were routed out there.
    pub out6: u64,
    /// Bytes that came in there and were routed, with frame headers.
    pub in_bytes: u64,
    /// Bytes that were routed out there.
    pub out_bytes: u64,
    /// When a worker last routed a packet that came in there, nanoseconds of CLOCK_MONOTONIC; 0 = never.
    pub last_in: u64,
    /// When a worker last routed a packet out there.
    pub last_out: u64,
}

impl RouterCounters {
    /// As those of a port that only routes.
    pub fn as_port(&self) -> PortCounters {
        PortCounters {
            rx_frames: self.in4 + self.in6,
            rx_bytes: self.in_bytes,
            last_rx: self.last_in,
            tx_frames: self.out4 + self.out6,
            tx_bytes: self.out_bytes,
            last_tx: self.last_out,
            ..PortCounters::default()
        }
    }
}

impl PortCounters {
    /// What was counted since `start` was read: a new owner of a port number begins at zero. Times are those of the
    /// owner too.
    pub fn since(mut self, start: &PortCounters) -> PortCounters {
        let minus = |now: &mut u64, then: u64| *now = now.saturating_sub(then);
        minus(&mut self.rx_frames, start.rx_frames);
        minus(&mut self.rx_bytes, start.rx_bytes);
        minus(&mut self.rx_multicast, start.rx_multicast);
        minus(&mut self.rx_broadcast, start.rx_broadcast);
        minus(&mut self.tx_frames, start.tx_frames);
        minus(&mut self.tx_bytes, start.tx_bytes);
        minus(&mut self.tx_multicast, start.tx_multicast);
        minus(&mut self.tx_broadcast, start.tx_broadcast);
        for (reason, then) in start.drops.iter().enumerate() {
            if let Some(now) = self.drops.get_mut(reason) {
                minus(now, *then);
            }
        }
        for (name, then) in &start.kernel {
            for (_, now) in self.kernel.iter_mut().filter(|(other, _)| other == name) {
                minus(now, *then);
            }
        }
        self.last_rx = if self.last_rx == start.last_rx { 0 } else { self.last_rx };
        self.last_tx = if self.last_tx == start.last_tx { 0 } else { self.last_tx };
        self
    }

    /// How often this reason dropped a frame from the port.
    pub fn dropped(&self, reason: Drop) -> u64 {
        self.drops.get(reason as usize).copied().unwrap_or(0)
    }
}

/// Frames that came or went one after the other by the same port or in the same VLAN: added up here, stored once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Frames as on the wire.
    pub frames: u64,
    /// Bytes as on the wire, without FCS.
    pub bytes: u64,
    /// Of the frames, those to a group that is not broadcast.
    pub multicast: u64,
    /// Of the frames, those to broadcast.
    pub broadcast: u64,
}

impl Run {
    /// Adds a frame that lies in memory as `bytes` and is `length` long with the tag it has on the wire. A super-frame
    /// is on the wire as many frames, each with the headers.
    #[inline]
    pub fn add(&mut self, bytes: &[u8], length: usize, offload: &Offload) {
        let destination = bytes.first_chunk().map_or(Mac::ZERO, |mac| Mac(*mac));
        let (frames, bytes) = match &offload.gso {
            None => (1, length as u64),
            Some(gso) => {
                let header = (header_len(bytes, offload, gso) as usize + length).saturating_sub(bytes.len());
                let payload = length.saturating_sub(header);
                let segments = payload.div_ceil(usize::from(gso.size).max(1)).max(1);
                (segments as u64, (length + (segments - 1) * header) as u64)
            }
        };
        self.frames += frames;
        self.bytes += bytes;
        if destination == Mac::BROADCAST {
            self.broadcast += frames;
        } else if destination.is_group() {
            self.multicast += frames;
        }
    }
}

/// The run that is being added up: frames of one key follow each other, as they do from a ring or to a busy port.
#[derive(Clone, Copy, Debug)]
pub struct Runs<K> {
    key: Option<K>,
    run: Run,
}

impl<K: Copy + Eq> Runs<K> {
    /// Nothing counted yet.
    pub const NONE: Runs<K> = Runs { key: None, run: Run { frames: 0, bytes: 0, multicast: 0, broadcast: 0 } };

    /// The run of `key`; if another one ends by that, `store` gets it.
    #[inline]
    pub fn of(&mut self, key: K, store: impl FnOnce(K, &Run)) -> &mut Run {
        if self.key != Some(key) {
            self.end(store);
            self.key = Some(key);
        }
        &mut self.run
    }

    /// The last run is over.
    #[inline]
    pub fn end(&mut self, store: impl FnOnce(K, &Run)) {
        if let Some(key) = self.key.take() {
            store(key, &std::mem::take(&mut self.run));
        }
    }
}

/// One direction of a port at one worker.
#[derive(Default)]
struct Direction {
    frames: Counter,
    bytes: Counter,
    multicast: Counter,
    broadcast: Counter,
    /// Nanoseconds of CLOCK_MONOTONIC.
    last: Counter,
}

impl Direction {
    #[inline]
    fn add(&self, run: &Run, now: u64) {
        self.frames.add(run.frames);
        self.bytes.add(run.bytes);
        self.multicast.add(run.multicast);
        self.broadcast.add(run.broadcast);
        self.last.0.store(now, Relaxed);
    }
}

/// What one worker counts at one port.
struct PortCells {
    rx: Direction,
    tx: Direction,
    drops: [Counter; Drop::COUNT],
}

/// What one worker counts in one VLAN.
#[derive(Default)]
struct VlanCells {
    rx_frames: Counter,
    rx_bytes: Counter,
    tx_frames: Counter,
    tx_bytes: Counter,
    /// Routed in and out.
    routed: [RoutedCells; 2],
}

/// One direction of the router's interface at one worker.
#[derive(Default)]
struct RoutedCells {
    /// IPv4 and IPv6.
    packets: [Counter; 2],
    bytes: Counter,
    /// Nanoseconds of CLOCK_MONOTONIC.
    last: Counter,
}

/// All that one worker counts. The worker writes, control reads; padded so that no two workers share a cache line.
pub struct Counters {
    ports: Box<[CachePadded<PortCells>]>,
    vlans: Box<[CachePadded<VlanCells>]>,
    /// Lines of access lists.
    lines: Box<[Counter]>,
    /// Frames with IPv4 and IPv6 that were dropped.
    ip_drops: [[Counter; Drop::COUNT]; 2],
}

/// Lines of access lists that are counted, those of all lists together.
pub const SLOTS: usize = 65_536;

impl Default for Counters {
    fn default() -> Counters {
        let port = || PortCells {
            rx: Direction::default(),
            tx: Direction::default(),
            drops: [const { Counter(AtomicU64::new(0)) }; Drop::COUNT],
        };
        Counters {
            ports: (0..PortId::COUNT).map(|_| CachePadded::new(port())).collect(),
            vlans: (0..VlanId::COUNT).map(|_| CachePadded::default()).collect(),
            lines: (0..SLOTS).map(|_| Counter::default()).collect(),
            ip_drops: [const { [const { Counter(AtomicU64::new(0)) }; Drop::COUNT] }; 2],
        }
    }
}

impl Counters {
    /// Worker: these came in, and this was decided about them.
    #[inline]
    pub fn decided(&self, batch: &Batch, frames: &[RxFrame], now: u64) {
        let mut ports = Runs::NONE;
        for frame in frames {
            let run = ports.of(frame.rx, |port, run| self.received(port, run, now));
            run.add(frame.bytes(), frame.len(), &frame.offload);
        }
        ports.end(|port, run| self.received(port, run, now));
        let mut vlans = Runs::NONE;
        for (at, vlan) in &batch.admitted {
            let frame = &frames[usize::from(*at)];
            let run = vlans.of(*vlan, |vlan, run| self.admitted(vlan, run));
            run.add(frame.bytes(), frame.len(), &frame.offload);
        }
        vlans.end(|vlan, run| self.admitted(vlan, run));
        let mut lines = Runs::NONE;
        for (at, slot) in &batch.matched {
            let frame = &frames[usize::from(*at)];
            let run = lines.of(*slot, |slot, run| self.matched(slot, run));
            run.add(frame.bytes(), frame.len(), &frame.offload);
        }
        lines.end(|slot, run| self.matched(slot, run));
        let mut routers = Runs::NONE;
        for routed in &batch.routed {
            let frame = &frames[usize::from(routed.frame)];
            let key = (routed.from, routed.to, routed.rewrite.six);
            let run = routers.of(key, |key, run| self.routed(key, run, now));
            run.add(frame.bytes(), frame.len(), &frame.offload);
        }
        routers.end(|key, run| self.routed(key, run, now));
        for (at, why) in &batch.dropped {
            let frame = &frames[usize::from(*at)];
            self.dropped(frame.rx, *why);
            self.dropped_ip(frame.bytes(), *why);
        }
    }

    /// Worker: these came in by `port`.
    #[inline]
    pub fn received(&self, port: PortId, run: &Run, now: u64) {
        if let Some(cells) = self.ports.get(port.index()) {
            cells.rx.add(run, now);
        }
    }

    /// Worker: these left by `port`, and in `vlan` unless they were the switch's own.
    #[inline]
    pub fn sent(&self, port: PortId, vlan: Option<VlanId>, run: &Run, now: u64) {
        if let Some(cells) = self.ports.get(port.index()) {
            cells.tx.add(run, now);
        }
        if let Some(vlan) = vlan {
            let cells = &self.vlans[vlan.index()];
            cells.tx_frames.add(run.frames);
            cells.tx_bytes.add(run.bytes);
        }
    }

    /// Worker: a frame that came in by `port` was dropped.
    #[inline]
    pub fn dropped(&self, port: PortId, reason: Drop) {
        if let Some(cells) = self.ports.get(port.index()) {
            cells.drops[reason as usize].add(1);
        }
    }

    /// Worker: that frame carried this.
    #[inline]
    pub fn dropped_ip(&self, frame: &[u8], reason: Drop) {
        match Eth::parse(frame).map(|eth| eth.ethertype) {
            Some(IPV4) => self.ip_drops[0][reason as usize].add(1),
            Some(IPV6) => self.ip_drops[1][reason as usize].add(1),
            _ => {}
        }
    }

    /// Control: how often this worker dropped an IPv4 or IPv6 packet for this reason.
    pub fn ip_drops(&self, six: bool, reason: Drop) -> u64 {
        self.ip_drops[usize::from(six)][reason as usize].get()
    }

    /// Worker: these were admitted to `vlan`.
    #[inline]
    pub fn admitted(&self, vlan: VlanId, run: &Run) {
        let cells = &self.vlans[vlan.index()];
        cells.rx_frames.add(run.frames);
        cells.rx_bytes.add(run.bytes);
    }

    /// Worker: this line of an access list decided about these.
    #[inline]
    pub fn matched(&self, slot: u32, run: &Run) {
        if let Some(line) = self.lines.get(slot as usize) {
            line.add(run.frames);
        }
    }

    /// Control: what this worker counted at a line of an access list.
    pub fn matches(&self, slot: u32) -> u64 {
        self.lines.get(slot as usize).map_or(0, Counter::get)
    }

    /// Worker: these were routed from one VLAN into another; are they IPv6?
    #[inline]
    pub fn routed(&self, (from, to, six): (VlanId, VlanId, bool), run: &Run, now: u64) {
        for cells in [&self.vlans[from.index()].routed[0], &self.vlans[to.index()].routed[1]] {
            cells.packets[usize::from(six)].add(run.frames);
            cells.bytes.add(run.bytes);
            cells.last.set(now);
        }
    }

    /// Control: adds this worker's part to `sum`.
    pub fn add_router(&self, vlan: VlanId, sum: &mut RouterCounters) {
        let [inward, outward] = &self.vlans[vlan.index()].routed;
        sum.in4 += inward.packets[0].get();
        sum.in6 += inward.packets[1].get();
        sum.in_bytes += inward.bytes.get();
        sum.last_in = sum.last_in.max(inward.last.get());
        sum.out4 += outward.packets[0].get();
        sum.out6 += outward.packets[1].get();
        sum.out_bytes += outward.bytes.get();
        sum.last_out = sum.last_out.max(outward.last.get());
    }

    /// Control: adds this worker's part to `sum`.
    pub fn add_port(&self, port: PortId, sum: &mut PortCounters) {
        let Some(cells) = self.ports.get(port.index()) else { return };
        let PortCells { rx, tx, drops } = &**cells;
        sum.rx_frames += rx.frames.get();
        sum.rx_bytes += rx.bytes.get();
        sum.rx_multicast += rx.multicast.get();
        sum.rx_broadcast += rx.broadcast.get();
        sum.last_rx = sum.last_rx.max(rx.last.get());
        sum.tx_frames += tx.frames.get();
        sum.tx_bytes += tx.bytes.get();
        sum.tx_multicast += tx.multicast.get();
        sum.tx_broadcast += tx.broadcast.get();
        sum.last_tx = sum.last_tx.max(tx.last.get());
        sum.drops.resize(Drop::COUNT, 0);
        sum.drops.iter_mut().zip(drops).for_each(|(sum, drop)| *sum += drop.get());
    }

    /// Control: adds this worker's part to `sum`.
    pub fn add_vlan(&self, vlan: VlanId, sum: &mut VlanCounters) {
        let cells = &self.vlans[vlan.index()];
        sum.rx_frames += cells.rx_frames.get();
        sum.rx_bytes += cells.rx_bytes.get();
        sum.tx_frames += cells.tx_frames.get();
        sum.tx_bytes += cells.tx_bytes.get();
    }
}
