//! What workers and the kernel counted, summed.

use super::{Datapath, Kind};
use crate::io::packet::PacketPorts;
use crate::io::set::LOSSES;
use crate::stats::{Counters, PortCounters, RouterCounters, VlanCounters};
use mona_wire::{PortId, VlanId};

impl Datapath {
    /// The counters of one port, summed over the workers, since it was opened: what workers know, which costs no system
    /// call.
    pub fn traffic(&self, port: PortId) -> PortCounters {
        let all = self.worker_counted(port);
        match self.ports.get(&port) {
            Some(held) => all.since(&held.start),
            None => all,
        }
    }

    /// The same, with what the kernel lost.
    pub fn port_counters(&self, port: PortId) -> PortCounters {
        let all = self.all_counted(port);
        match self.ports.get(&port) {
            Some(held) => all.since(&held.start),
            None => all,
        }
    }

    /// What each worker counted, and the kernel.
    fn counters(&self) -> impl Iterator<Item = &Counters> {
        self.links.iter().map(|link| &link.desk.counters).chain([&self.remembered.counters])
    }

    /// What workers forwarded, without what the kernel did by itself: the misses of the flow cache.
    pub fn decided(&self, port: PortId) -> PortCounters {
        let mut sum = PortCounters::default();
        self.links.iter().for_each(|link| link.desk.counters.add_port(port, &mut sum));
        sum
    }

    fn worker_counted(&self, port: PortId) -> PortCounters {
        let mut sum = PortCounters::default();
        self.counters().for_each(|counters| counters.add_port(port, &mut sum));
        sum
    }

    pub(super) fn all_counted(&self, port: PortId) -> PortCounters {
        let mut sum = self.worker_counted(port);
        sum.kernel = match (self.ports.get(&port).map(|held| held.kind), &self.packet, &self.xdp) {
            (Some(Kind::Packet), Some(packet), _) => packet.kernel_losses(port),
            (Some(Kind::Xdp), Some(packet), Some(xdp)) => xdp.kernel_losses(packet.loaded(), port),
            _ => Vec::new(),
        };
        sum
    }

    /// How many frames a line of an access list, the one with this counter, decided about since the start.
    pub fn matches(&self, slot: u32) -> u64 {
        self.counters().map(|counters| counters.matches(slot)).sum()
    }

    /// The counters of one VLAN.
    pub fn vlan_counters(&self, vlan: VlanId) -> VlanCounters {
        let mut sum = VlanCounters::default();
        self.counters().for_each(|counters| counters.add_vlan(vlan, &mut sum));
        sum
    }

    /// The counters of the router's interface in a VLAN.
    pub fn router_counters(&self, vlan: VlanId) -> RouterCounters {
        let mut sum = RouterCounters::default();
        self.counters().for_each(|counters| counters.add_router(vlan, &mut sum));
        sum
    }

    /// How often IPv4 or IPv6 packets were dropped for this reason.
    pub fn ip_drops(&self, six: bool, reason: crate::Drop) -> u64 {
        self.links.iter().map(|link| link.desk.counters.ip_drops(six, reason)).sum()
    }

    /// Losses that belong to no single port: (worker, name, count).
    pub fn losses(&self) -> Vec<(u8, &'static str, u64)> {
        let mut losses = Vec::new();
        for (worker, link) in self.links.iter().enumerate() {
            losses.push((worker as u8, "report_ring_full", link.desk.seen_lost.get()));
            losses.push((worker as u8, "acl_log_limited", link.desk.unlogged.get()));
            losses.push((worker as u8, "exception_ring_full", link.desk.told_lost.get()));
            let kernel = LOSSES.iter().zip(&link.desk.losses);
            losses.extend(kernel.map(|(name, counter)| (worker as u8, *name, counter.get())));
        }
        losses.extend(self.packet.iter().flat_map(PacketPorts::backlog));
        losses.push((0, "inject_failed", self.inject_lost));
        losses
    }
}
