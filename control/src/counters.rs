//! Counters as operators read them: since the last clear, with rates averaged over five minutes as on IOS.

use mona_datapath::Drop;
use mona_datapath::stats::{PortCounters, RouterCounters, VlanCounters};
use mona_datapath::switching::FlowTotals;
use mona_datapath::uncached::Uncached;
use mona_model::shown::{InterfaceCounters, Routed, VlanCountersRow};
use mona_wire::{Instant, PortId, VlanId};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// `load-interval` of IOS.
const LOAD_INTERVAL: Duration = Duration::from_secs(300);

/// Whose counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// A port's.
    Port(PortId),
    /// A VLAN's.
    Vlan(VlanId),
    /// What the router's interface in a VLAN routed.
    Router(VlanId),
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Counted::Port(port) => port.fmt(f),
            Counted::Vlan(vlan) => write!(f, "VLAN {vlan}"),
            Counted::Router(vlan) => write!(f, "the router in VLAN {vlan}"),
        }
    }
}

/// What is remembered of everybody's counters.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    ports: BTreeMap<Counted, Port>,
    /// What is subtracted from the counters of lines of access lists.
    matches: BTreeMap<u32, u64>,
    /// What is subtracted from what ports' flows count.
    flows: BTreeMap<PortId, FlowCounts>,
}

/// What the flows of frames that come in by a port count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounts {
    /// Frames that went by flows.
    pub hits: u64,
    /// Flows that were entered.
    pub entered: u64,
    /// Flows that made room for others.
    pub evictions: u64,
    /// Flows that found none.
    pub refused: u64,
    /// Decisions that are not remembered, by [`Uncached::index`].
    pub uncached: [u64; Uncached::COUNT],
}

impl FlowCounts {
    /// A port's, as the datapath says.
    pub fn of(totals: &FlowTotals, port: PortId) -> FlowCounts {
        let stats = totals.ports.iter().find(|(id, _)| *id == port).map(|(_, stats)| *stats).unwrap_or_default();
        FlowCounts {
            hits: stats.hits,
            entered: stats.inserted,
            evictions: stats.evictions,
            refused: stats.refused,
            uncached: totals.uncached.get(&port).copied().unwrap_or_default(),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Port {
    /// Subtracted from what the datapath says.
    base: PortCounters,
    cleared: Option<Instant>,
    last: Option<(Instant, [u64; 4])>,
    rates: [f64; 4],
}

impl Counters {
    /// Takes a sample (every few seconds) for the rates.
    pub fn sample(&mut self, now: Instant, port: Counted, raw: &PortCounters) {
        let entry = self.ports.entry(port).or_default();
        let totals = [raw.rx_bytes * 8, raw.rx_frames, raw.tx_bytes * 8, raw.tx_frames];
        if let Some((then, before)) = entry.last {
            let spent = now.since(then).as_secs_f64();
            if spent <= 0.0 {
                return;
            }
            // Exponential average: what is as old as the interval counts a third.
            let weight = 1.0 - (-spent / LOAD_INTERVAL.as_secs_f64()).exp();
            for ((rate, total), before) in entry.rates.iter_mut().zip(totals).zip(before) {
                *rate += weight * (total.saturating_sub(before) as f64 / spent - *rate);
            }
        }
        entry.last = Some((now, totals));
    }

    /// `clear counters`: from now on everything counts from zero.
    pub fn clear(&mut self, now: Instant, port: Counted, raw: PortCounters) {
        let entry = self.ports.entry(port).or_default();
        entry.base = raw;
        entry.cleared = Some(now);
    }

    /// `clear access-list counters`: from now on the line counts from zero.
    pub fn clear_matches(&mut self, slot: u32, raw: u64) {
        self.matches.insert(slot, raw);
    }

    /// `clear counters`, of a port's flows.
    pub fn clear_flows(&mut self, port: PortId, raw: FlowCounts) {
        self.flows.insert(port, raw);
    }

    /// What a port's flows counted since the last clear.
    pub fn flows(&self, port: PortId, raw: &FlowCounts) -> FlowCounts {
        let base = self.flows.get(&port).copied().unwrap_or_default();
        let mut own = *raw;
        let counts = [&mut own.hits, &mut own.entered, &mut own.evictions, &mut own.refused];
        let before = [base.hits, base.entered, base.evictions, base.refused];
        let all = counts.into_iter().zip(before).chain(own.uncached.iter_mut().zip(base.uncached));
        all.for_each(|(count, before)| *count = count.saturating_sub(before));
        own
    }

    /// What a line counted since the last clear.
    pub fn matches(&self, slot: u32, raw: u64) -> u64 {
        raw.saturating_sub(self.matches.get(&slot).copied().unwrap_or(0))
    }

    /// A new owner: nothing of the old one remains.
    pub fn forget(&mut self, port: Counted) {
        self.ports.remove(&port);
        if let Counted::Port(port) = port {
            self.flows.remove(&port);
        }
    }

    /// The counters since the last clear.
    pub fn since_clear(&self, port: Counted, raw: &PortCounters) -> PortCounters {
        let Some(Port { base, .. }) = self.ports.get(&port) else { return raw.clone() };
        // When a frame came last is not forgotten.
        PortCounters { last_rx: raw.last_rx, last_tx: raw.last_tx, ..raw.clone().since(base) }
    }

    /// What `show interfaces` prints. `clock` is the clock the datapath stamps with, nanoseconds.
    pub fn shown(&self, now: Instant, clock: u64, port: Counted, raw: &PortCounters) -> InterfaceCounters {
        let own = self.since_clear(port, raw);
        let [rx_bps, rx_pps, tx_bps, tx_pps] =
            self.ports.get(&port).map_or([0; 4], |p| p.rates.map(|rate| rate.round() as u64));
        let outward = [Drop::TxFull, Drop::TxError, Drop::Unsegmentable, Drop::RingFull];
        let tx_drops: u64 = outward.iter().map(|reason| own.dropped(*reason)).sum();
        let outward_lost = |name: &str| name.starts_with("tx_") || name.starts_with("xsk_tx_");
        let sum = |out: bool| -> u64 {
            own.kernel.iter().filter(|(name, _)| outward_lost(name) == out).map(|(_, count)| count).sum()
        };
        let ago = |stamp: u64| (stamp > 0).then(|| clock.saturating_sub(stamp) / 1_000_000_000);
        InterfaceCounters {
            rx_frames: own.rx_frames,
            rx_bytes: own.rx_bytes,
            rx_multicast: own.rx_multicast,
            rx_broadcast: own.rx_broadcast,
            tx_frames: own.tx_frames,
            tx_bytes: own.tx_bytes,
            tx_multicast: own.tx_multicast,
            tx_broadcast: own.tx_broadcast,
            rx_drops: own.drops.iter().sum::<u64>() - tx_drops + sum(false),
            tx_drops: tx_drops + sum(true),
            runts: own.dropped(Drop::Malformed),
            giants: own.dropped(Drop::Oversize),
            rx_bps,
            rx_pps,
            tx_bps,
            tx_pps,
            last_input_secs: ago(own.last_rx),
            last_output_secs: ago(own.last_tx),
            last_clear_secs: self.ports.get(&port).and_then(|p| p.cleared).map(|at| now.since(at).as_secs()),
            routed: None,
        }
    }

    /// What went by in a VLAN.
    pub fn of_vlan(&self, vlan: VlanId, raw: &VlanCounters) -> VlanCountersRow {
        let own = self.since_clear(Counted::Vlan(vlan), &raw.as_port());
        VlanCountersRow {
            vlan,
            rx_frames: own.rx_frames,
            rx_bytes: own.rx_bytes,
            tx_frames: own.tx_frames,
            tx_bytes: own.tx_bytes,
        }
    }

    /// What the router's interface in a VLAN routed.
    pub fn routed(&self, vlan: VlanId, raw: &RouterCounters) -> Routed {
        let own = self.since_clear(Counted::Router(vlan), &raw.as_port());
        Routed {
            in_packets: own.rx_frames,
            in_bytes: own.rx_bytes,
            out_packets: own.tx_frames,
            out_bytes: own.tx_bytes,
        }
    }

    /// What `show interfaces` prints of an SVI or a sub-interface: what it routed, and what went to and came from the netdev
    /// behind `host`.
    pub fn of_router(
        &self,
        now: Instant,
        clock: u64,
        (vlan, raw): (VlanId, &RouterCounters),
        host: Option<(PortId, &PortCounters)>,
    ) -> InterfaceCounters {
        let routed = self.shown(now, clock, Counted::Router(vlan), &raw.as_port());
        let host = host.map(|(id, raw)| self.shown(now, clock, Counted::Port(id), raw)).unwrap_or_default();
        let last = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
        // What leaves by the port of the netdev comes in to the router.
        InterfaceCounters {
            rx_frames: routed.rx_frames + host.tx_frames,
            rx_bytes: routed.rx_bytes + host.tx_bytes,
            rx_multicast: host.tx_multicast,
            rx_broadcast: host.tx_broadcast,
            rx_drops: host.tx_drops,
            rx_bps: routed.rx_bps + host.tx_bps,
            rx_pps: routed.rx_pps + host.tx_pps,
            last_input_secs: last(routed.last_input_secs, host.last_output_secs),
            tx_frames: routed.tx_frames + host.rx_frames,
            tx_bytes: routed.tx_bytes + host.rx_bytes,
            tx_multicast: host.rx_multicast,
            tx_broadcast: host.rx_broadcast,
            tx_drops: host.rx_drops,
            tx_bps: routed.tx_bps + host.rx_bps,
            tx_pps: routed.tx_pps + host.rx_pps,
            last_output_secs: last(routed.last_output_secs, host.last_input_secs),
            last_clear_secs: routed.last_clear_secs,
            routed: Some(self.routed(vlan, raw)),
            ..InterfaceCounters::default()
        }
    }
}
