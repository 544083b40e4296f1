//! Routing in `forward()` alone: nanoseconds per packet, from one VLAN into another, with random destinations in a table of
//! one route and of a million whose prefix lengths are those of a full table, by 256 next hops; rewritten in place.

use mona_datapath::fdb::Origin;
use mona_datapath::hops::{Hop, Room};
use mona_datapath::io::{Offload, RxFrame};
use mona_datapath::lpm::{Lpm4Writer, Lpm6Writer, Prefix};
use mona_datapath::routing::{RouterInterface, Routing};
use mona_datapath::snapshot::{Snapshot, Vlan};
use mona_datapath::{Batch, Fdb};
use mona_wire::checksum::Sum;
use mona_wire::{Instant, Mac, PortId, VlanId};
use serde::Serialize;
use std::net::IpAddr;
use std::sync::Arc;

use crate::micro::{Random, SIZE, memory, nanos, own_time, port};
use crate::prefixes::length;

/// Next hops of the full table.
const GATEWAYS: u32 = 256;
/// Packets, each with a destination of its own.
const FRAMES: usize = 1 << 18;
/// The router where packets come in, and every next hop: so what was routed can be routed again.
const INSIDE: Mac = Mac([2, 0, 0, 0, 0xff, 1]);
/// The router where they leave, and so who they come from the next time.
const OUTSIDE: Mac = Mac([2, 0, 0, 0, 0xff, 2]);

/// What was measured with one table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Routes in the table.
    pub routes: usize,
    /// `forward()` through a `Batch` and the rewriting, median of the rounds.
    pub routed_ns: f64,
    /// The fastest and the slowest round.
    pub spread_ns: [f64; 2],
}

/// Measures with 1 and with 1 M routes; a few seconds.
pub fn run() -> Vec<Row> {
    [1, 1_000_000].into_iter().map(measure).collect()
}

/// The rows as a table.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!("{:>9}  {:>18}  {:>16}\n", "routes", "routed ns/packet", "(min..max)");
    for Row { routes, routed_ns, spread_ns: [min, max] } in rows {
        text += &format!("{routes:>9}  {routed_ns:>18.1}  {:>16}\n", format!("({min:.1}..{max:.1})"));
    }
    text
}

fn measure(routes: usize) -> Row {
    const ROUNDS: usize = 15;
    let mut numbers = Random::default();
    let mut random = move || (numbers.next() >> 16) as u32;
    let (snapshot, prefixes) = router(routes, &mut random);
    let mut frames: Vec<RxFrame> = memory(FRAMES)
        .into_iter()
        .map(|bytes| {
            let (address, length) = prefixes[random() as usize % prefixes.len()];
            let host = random().checked_shr(u32::from(length)).unwrap_or(0);
            packet(bytes, address | host)
        })
        .collect();
    let mut batch = Batch::default();
    // Hop limits last for 250 rounds.
    let mut rounds: Vec<f64> = (0..ROUNDS + 2)
        .map(|_| {
            let (began, mut sent) = (own_time(), 0);
            for _ in 0..4 {
                let mut left = &mut frames[..];
                while !left.is_empty() {
                    let (done, later) = left.split_at_mut(batch.decide(&snapshot, left));
                    for routed in &batch.routed {
                        done[usize::from(routed.frame)].rewrite(&routed.rewrite);
                    }
                    sent += batch.sends.len();
                    left = later;
                }
            }
            assert_eq!(sent, 4 * FRAMES, "every packet went to its one next hop");
            nanos(own_time() - began, 4 * FRAMES)
        })
        .skip(2)
        .collect();
    rounds.sort_by(f64::total_cmp);
    Row { routes, routed_ns: rounds[ROUNDS / 2], spread_ns: [rounds[0], rounds[ROUNDS - 1]] }
}

/// Ports 1 in VLAN 1 and 2 in VLAN 2, a router between them, and the prefixes of its routes.
pub fn router(routes: usize, random: &mut impl FnMut() -> u32) -> (Snapshot, Vec<(u32, u8)>) {
    let (inside, outside) = (VlanId::DEFAULT, VlanId::new(2).expect("a VLAN"));
    let (mut lpm4, lpm6) = (Lpm4Writer::new(routes + 1), Lpm6Writer::new(1));
    let routing = Routing::new(lpm4.table().clone(), lpm6.table().clone(), Room::ROUTER, 1024);
    let leaves: Vec<_> = (0..GATEWAYS)
        .map(|number| {
            let gateway = IpAddr::V4((0x0a00_0000 + number + 1).into());
            routing.neighbours.insert(outside, gateway, INSIDE).expect("room");
            routing.hops.enter(&Hop::gateway(outside, gateway), false, Instant::default()).expect("room")
        })
        .collect();
    let mut prefixes = std::collections::BTreeMap::new();
    while prefixes.len() < routes {
        // Unicast addresses that no martian is among: 16.0.0.0 to 111.255.255.255.
        let (address, length) = (0x1000_0000 + random() % 0x6000_0000, length(random() % 100));
        prefixes.insert(Prefix::new(address, length), leaves[random() as usize % leaves.len()]);
    }
    let list = prefixes.keys().map(|prefix| (prefix.address(), prefix.length())).collect();
    lpm4.load(prefixes).expect("room for the routes");
    let fdb = Fdb::with_capacity_and_seed(16, [1, 2]);
    fdb.insert(inside, OUTSIDE, PortId(1), Origin::Static).expect("room");
    fdb.insert(outside, INSIDE, PortId(2), Origin::Static).expect("room");
    let mut snapshot = Snapshot::routing(Arc::new(fdb), Arc::new(routing));
    snapshot.ports = vec![None, Some(port(inside)), Some(port(outside))];
    for (id, mac, number) in [(inside, INSIDE, 1), (outside, OUTSIDE, 2)] {
        let one = || [PortId(number)].into_iter().collect();
        let router = Some(Arc::new(RouterInterface::new(mac, None)));
        let vlan = Vlan { learn: one(), forward: one(), untagged: one(), router, ..Vlan::new(id) };
        snapshot.vlans[id.index()] = Some(Arc::new(vlan));
    }
    (snapshot, list)
}

/// A packet of it.
pub fn packet(bytes: &'static mut [u8], destination: u32) -> RxFrame {
    bytes[..6].copy_from_slice(&INSIDE.0);
    bytes[6..12].copy_from_slice(&OUTSIDE.0);
    bytes[12..14].copy_from_slice(&[8, 0]);
    bytes[14..26].copy_from_slice(&[0x45, 0, 0, (SIZE - 14) as u8, 0, 0, 0, 0, 255, 17, 0, 0]);
    bytes[26..30].copy_from_slice(&[192, 0, 2, 1]);
    bytes[30..34].copy_from_slice(&destination.to_be_bytes());
    let sum = Sum::default().bytes(&bytes[14..34]).finish();
    bytes[24..26].copy_from_slice(&sum.to_be_bytes());
    RxFrame::fixed(PortId(1), bytes, Offload::default())
}
