//! Counters as operators read them: since the last clear, with rates averaged over five minutes as on IOS.

use mona_datapath::Drop;
use mona_datapath::stats::PortCounters;
use mona_model::shown::InterfaceCounters;
use mona_wire::{Instant, PortId};
use std::collections::BTreeMap;
use std::time::Duration;

/// `load-interval` of IOS.
const LOAD_INTERVAL: Duration = Duration::from_secs(300);

/// What is remembered of each port's counters.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    ports: BTreeMap<PortId, Port>,
    /// What is subtracted from the counters of lines of access lists.
    matches: BTreeMap<u32, u64>,
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
    pub fn sample(&mut self, now: Instant, port: PortId, raw: &PortCounters) {
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
    pub fn clear(&mut self, now: Instant, port: PortId, raw: PortCounters) {
        let entry = self.ports.entry(port).or_default();
        entry.base = raw;
        entry.cleared = Some(now);
    }

    /// `clear access-list counters`: from now on the line counts from zero.
    pub fn clear_matches(&mut self, slot: u32, raw: u64) {
        self.matches.insert(slot, raw);
    }

    /// What a line counted since the last clear.
    pub fn matches(&self, slot: u32, raw: u64) -> u64 {
        raw.saturating_sub(self.matches.get(&slot).copied().unwrap_or(0))
    }

    /// A new owner: nothing of the old one remains.
    pub fn forget(&mut self, port: PortId) {
        self.ports.remove(&port);
    }

    /// The counters since the last clear.
    pub fn since_clear(&self, port: PortId, raw: &PortCounters) -> PortCounters {
        let Some(Port { base, .. }) = self.ports.get(&port) else { return raw.clone() };
        let minus = |a: u64, b: u64| a.saturating_sub(b);
        let of = |name: &str| base.kernel.iter().find(|(n, _)| *n == name).map_or(0, |(_, count)| *count);
        PortCounters {
            rx_frames: minus(raw.rx_frames, base.rx_frames),
            rx_bytes: minus(raw.rx_bytes, base.rx_bytes),
            rx_multicast: minus(raw.rx_multicast, base.rx_multicast),
            rx_broadcast: minus(raw.rx_broadcast, base.rx_broadcast),
            tx_frames: minus(raw.tx_frames, base.tx_frames),
            tx_bytes: minus(raw.tx_bytes, base.tx_bytes),
            tx_multicast: minus(raw.tx_multicast, base.tx_multicast),
            tx_broadcast: minus(raw.tx_broadcast, base.tx_broadcast),
            drops: raw
                .drops
                .iter()
                .enumerate()
                .map(|(reason, count)| minus(*count, base.drops.get(reason).copied().unwrap_or(0)))
                .collect(),
            kernel: raw.kernel.iter().map(|(name, count)| (*name, minus(*count, of(name)))).collect(),
            last_rx: raw.last_rx,
            last_tx: raw.last_tx,
        }
    }

    /// What `show interfaces` prints. `clock` is the clock the datapath stamps with, nanoseconds.
    pub fn shown(&self, now: Instant, clock: u64, port: PortId, raw: &PortCounters) -> InterfaceCounters {
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
        }
    }
}
