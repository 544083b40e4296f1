//! `forward()` alone: nanoseconds per frame at several sizes of the table of stations, and how fast addresses are learned.
//!
//! Both addresses of every frame are random among the stations, so each frame reads two random lines of the table; the
//! frames lie in a row in memory, as in a ring, and are read once per round.

use mona_datapath::fdb::Origin;
use mona_datapath::io::{Offload, RxFrame};
use mona_datapath::snapshot::{Home, Port, Vlan};
use mona_datapath::{Batch, Fdb, Snapshot};
use mona_wire::{Mac, PortId, VlanId};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// Ports of the switch that is measured.
const PORTS: u16 = 64;
/// Bytes of a frame.
pub(crate) const SIZE: usize = 64;
/// The table's seed: the same table in each run.
const SEED: [u64; 2] = [0x0123_4567_89ab_cdef, 0xfeed_beef_dead_cafe];

/// What was measured at one size.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Stations in the table.
    pub stations: usize,
    /// `forward()` through a `Batch`, median of the rounds.
    pub forward_ns: f64,
    /// The fastest and the slowest round.
    pub spread_ns: [f64; 2],
    /// Frames from unknown sources: decided, reported and entered. Not of one frame alone, which is all cache misses.
    pub learn_ns: Option<f64>,
    /// What entering alone takes.
    pub insert_ns: Option<f64>,
}

/// Measures at 1, 8 k, 64 k and 1 M stations; a few seconds.
pub fn run() -> Vec<Row> {
    [1, 8 << 10, 64 << 10, 1 << 20].into_iter().map(measure).collect()
}

/// The rows as a table.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:>9}  {:>18}  {:>16}  {:>15}  {:>10}\n",
        "stations", "forward ns/frame", "(min..max)", "learn ns/frame", "insert ns"
    );
    for row in rows {
        let spread = format!("({:.1}..{:.1})", row.spread_ns[0], row.spread_ns[1]);
        text += &format!(
            "{:>9}  {:>18.1}  {:>16}  {:>15}  {:>10}\n",
            row.stations,
            row.forward_ns,
            spread,
            or_dash(row.learn_ns),
            or_dash(row.insert_ns)
        );
    }
    text
}

fn or_dash(ns: Option<f64>) -> String {
    ns.map_or("-".into(), |ns| format!("{ns:.1}"))
}

fn measure(stations: usize) -> Row {
    const ROUNDS: usize = 15;
    let mut random = Random::default();
    let mut next = || random.next();
    let snapshot = switch(stations);
    let frames: Vec<RxFrame> = memory(stations.max(1 << 14))
        .into_iter()
        .map(|bytes| {
            let (from, mut to) = (next() % stations, next() % stations);
            if port_of(from) == port_of(to) {
                to = (to + 1) % stations;
            }
            // With one station alone it is the destination of everybody.
            frame(bytes, if stations == 1 { 1 } else { from }, to)
        })
        .collect();
    let mut batch = Batch::default();
    let began = own_time();
    let learned = learn(&snapshot, &mut batch, stations);
    let learn_ns = nanos(own_time() - began, learned);
    let again = switch(stations);
    let began = own_time();
    (0..stations).for_each(|number| enter(&again, number));
    let insert_ns = nanos(own_time() - began, stations);
    if stations == 1 {
        enter(&snapshot, 1);
    }
    let mut rounds: Vec<f64> = (0..ROUNDS + 2)
        .map(|_| {
            let (began, mut frames_done, mut sent) = (own_time(), 0, 0);
            while frames_done < 1 << 20 {
                let mut left = &frames[..];
                while !left.is_empty() {
                    let decided = batch.decide(&snapshot, left);
                    sent += batch.sends.len();
                    left = &left[decided..];
                }
                frames_done += frames.len();
            }
            assert_eq!(sent, frames_done, "every frame went to its one destination");
            nanos(own_time() - began, frames_done)
        })
        .skip(2)
        .collect();
    rounds.sort_by(f64::total_cmp);
    let many = |ns| (stations > 1).then_some(ns);
    Row {
        stations,
        forward_ns: rounds[ROUNDS / 2],
        spread_ns: [rounds[0], rounds[ROUNDS - 1]],
        learn_ns: many(learn_ns),
        insert_ns: many(insert_ns),
    }
}

/// Each station sends once, from an address that is unknown until then; control's part is done in place.
fn learn(snapshot: &Snapshot, batch: &mut Batch, stations: usize) -> usize {
    let frames: Vec<RxFrame> =
        memory(stations).into_iter().enumerate().map(|(number, bytes)| frame(bytes, number, number + 1)).collect();
    let mut left = &frames[..];
    while !left.is_empty() {
        let decided = batch.decide(snapshot, left);
        for seen in &batch.seen {
            let _ = snapshot.fdb.insert(seen.vlan, seen.mac, seen.port, Origin::Dynamic);
        }
        left = &left[decided..];
    }
    assert_eq!(snapshot.fdb.len(), stations);
    stations
}

/// The same numbers in each run.
pub struct Random(u64);

impl Default for Random {
    fn default() -> Random {
        Random(0x9e37_79b9_7f4a_7c15)
    }
}

impl Random {
    /// The next one.
    pub fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as usize
    }
}

/// What this thread has run: the machine may have other work.
pub fn own_time() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

pub fn nanos(took: Duration, count: usize) -> f64 {
    took.as_nanos() as f64 / count as f64
}

fn mac_of(station: usize) -> Mac {
    Mac::from_u64(0x0200_0000_0000 | station as u64)
}

pub fn port_of(station: usize) -> PortId {
    PortId(1 + (station % usize::from(PORTS)) as u16)
}

pub fn enter(snapshot: &Snapshot, station: usize) {
    // Full with the one station that this is about to be beside.
    let _ = snapshot.fdb.insert(VlanId::DEFAULT, mac_of(station), port_of(station), Origin::Dynamic);
}

pub fn switch(stations: usize) -> Snapshot {
    let mut snapshot = Snapshot::empty(Arc::new(Fdb::with_capacity_and_seed(stations.max(2), SEED)));
    let ports = || (1..=PORTS).map(PortId);
    let vlan = Vlan {
        learn: ports().collect(),
        forward: ports().collect(),
        untagged: ports().collect(),
        ..Vlan::new(VlanId::DEFAULT)
    };
    snapshot.vlans[VlanId::DEFAULT.index()] = Some(Arc::new(vlan));
    snapshot.ports = std::iter::once(None).chain(ports().map(|_| Some(port(VlanId::DEFAULT)))).collect();
    snapshot
}

/// An access port.
pub(crate) fn port(vlan: VlanId) -> Port {
    Port { block_unicast: true, ..Port::new(vlan, Home::Backplane) }
}

/// Room for so many frames, in a row.
pub fn memory(frames: usize) -> Vec<&'static mut [u8]> {
    vec![0u8; frames * SIZE].leak().chunks_exact_mut(SIZE).collect()
}

/// Writes the addresses of a frame.
pub fn address(bytes: &mut [u8], from: usize, to: usize) {
    bytes[..6].copy_from_slice(&mac_of(to).0);
    bytes[6..12].copy_from_slice(&mac_of(from).0);
}

fn frame(bytes: &'static mut [u8], from: usize, to: usize) -> RxFrame {
    address(bytes, from, to);
    bytes[12..14].copy_from_slice(&[0x88, 0xb5]);
    RxFrame::fixed(port_of(from), bytes, Offload::default())
}
