//! How much reaches the switch's own netdevs: what a flood at the router's address may cost Linux, and so the worker that
//! hands it over. Classes have buckets of their own: no flood of data, or of ARP, costs a hello of a routing protocol.

use mona_wire::eth::{ARP, IPV4, IPV6};
use mona_wire::ip::{ICMPV6, TCP, UDP};
use mona_wire::{Eth, PortId, nd};

/// What competes with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// ARP and neighbour discovery.
    Discovery,
    /// Routing protocols, and those that watch over next hops.
    Protocol,
    /// Everything else.
    Data,
}

/// Frames per second and worker that a netdev gets of each class: a few percent of a CPU.
const RATE: [u64; 3] = [5_000, 10_000, 20_000];
/// Frames that come at once: more than a tick of the coarse clock (10 ms) makes.
const BURST: u64 = 1_000;
const SECOND: u64 = 1_000_000_000;

/// One worker's buckets.
pub struct Policer {
    ports: Box<[[Bucket; 3]]>,
}

#[derive(Clone, Copy)]
struct Bucket {
    /// Nanoseconds of the class's rate.
    credit: u64,
    /// When it was last filled.
    then: u64,
}

impl Default for Policer {
    fn default() -> Policer {
        Policer { ports: vec![[Bucket { credit: 0, then: 0 }; 3]; PortId::COUNT].into_boxed_slice() }
    }
}

impl Policer {
    /// May this frame go to the netdev behind `port`? `now` in nanoseconds.
    pub fn admit(&mut self, port: PortId, frame: &[u8], now: u64) -> bool {
        let class = class(frame) as usize;
        let Some(bucket) = self.ports.get_mut(port.index()).map(|classes| &mut classes[class]) else { return false };
        let price = SECOND / RATE[class];
        bucket.credit = (bucket.credit + now.saturating_sub(bucket.then)).min(BURST * price);
        bucket.then = now;
        let enough = bucket.credit >= price;
        if enough {
            bucket.credit -= price;
        }
        enough
    }
}

/// What a frame competes with.
pub fn class(frame: &[u8]) -> Class {
    let Some(eth) = Eth::parse(frame) else { return Class::Data };
    let packet = &frame[eth.len()..];
    match eth.ethertype {
        ARP => Class::Discovery,
        // IS-IS: LLC.
        0..=1500 => Class::Protocol,
        IPV4 => four(packet),
        IPV6 => six(packet),
        _ => Class::Data,
    }
}

fn four(packet: &[u8]) -> Class {
    let Some(header) = packet.first_chunk::<20>() else { return Class::Data };
    // A later fragment has no ports.
    let upper =
        if u16::from_be_bytes([header[6], header[7]]) & 0x1fff == 0 { usize::from(header[0] & 0xf) * 4 } else { 0 };
    protocol(header[9], packet.get(upper..).filter(|_| upper > 0).unwrap_or_default())
}

fn six(packet: &[u8]) -> Class {
    let (Some(next), upper) = (packet.get(6).copied(), packet.get(40..).unwrap_or_default()) else {
        return Class::Data;
    };
    match upper.first() {
        Some(kind) if next == ICMPV6 && nd::is_discovery(*kind) => Class::Discovery,
        _ => protocol(next, upper),
    }
}

/// By protocol number, and by either port: who of both opened the session is chance.
fn protocol(number: u8, upper: &[u8]) -> Class {
    let ports = upper.first_chunk().map(|[a, b, c, d]| [u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])]);
    let known = match (number, ports) {
        // EIGRP, OSPF, PIM, VRRP.
        (88 | 89 | 103 | 112, _) => true,
        // BGP, LDP.
        (TCP, Some(ports)) => ports.iter().any(|port| matches!(port, 179 | 646)),
        // RIP, RIPng, LDP, HSRP, BFD.
        (UDP, Some(ports)) => ports.iter().any(|port| matches!(port, 520 | 521 | 646 | 1985 | 3784 | 3785 | 4784)),
        _ => false,
    };
    if known { Class::Protocol } else { Class::Data }
}

#[cfg(test)]
#[path = "policer_tests.rs"]
mod tests;
