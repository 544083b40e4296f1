//! `show platform flow-cache`: what the kernel remembers, and why it does not remember the rest.

use crate::counters::{Counted, FlowCounts};
use crate::show::View;
use crate::switch::Switch;
use mona_datapath::flow::{Depth, Flow, Inner, Looked};
use mona_datapath::io::Offload;
use mona_datapath::io::flows::{Entry, SLOTS};
use mona_datapath::program::program;
use mona_datapath::uncached::Uncached;
use mona_model::config::Config;
use mona_model::names::InterfaceName;
use mona_model::rows::FlowFilter;
use mona_model::shown::{FlowCache, FlowCachePort, FlowRow, Flows, TraceStep};
use mona_wire::PortId;

/// Where a copy leaves, and with which tag.
type Copied = (InterfaceName, Option<u16>);

/// Flows that are shown at once: a table of a hundred thousand is for filters.
const SHOWN: usize = 1000;

impl Switch {
    /// `show platform flow-cache`
    pub(crate) fn flow_cache(&self, view: &View) -> FlowCache {
        let totals = &view.flow_totals;
        let open = || self.state.ports.iter().filter(|(_, port)| port.opened.is_some());
        let port = |(name, port): (&InterfaceName, &crate::state::Port)| {
            let counts = self.flow_counts(port.id, view);
            let held = totals.ports.iter().find(|(id, _)| *id == port.id).map_or(0, |(_, stats)| stats.flows);
            let all = view.counters.since_clear(Counted::Port(port.id), &(view.raw)(port.id));
            FlowCachePort {
                name: *name,
                on: self.snapshot.port(port.id).is_some_and(|port| port.cached),
                flows: held as u64,
                hits: counts.hits,
                misses: all.rx_frames.saturating_sub(counts.hits),
                evictions: counts.evictions,
                refused: counts.refused,
            }
        };
        let mut entered = 0;
        let mut uncached = [0; Uncached::COUNT];
        for (id, _) in &totals.ports {
            entered += self.flow_counts(*id, view).entered;
        }
        for id in totals.uncached.keys() {
            let counts = self.flow_counts(*id, view).uncached;
            uncached.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        FlowCache {
            on: !self.config.flow_cache.off,
            hold_secs: self.config.flow_cache.hold_secs.unwrap_or(Config::HOLD_SECS),
            flows: totals.ports.iter().map(|(_, stats)| stats.flows as u64).sum(),
            room: u64::from(SLOTS) / 8 * 7,
            entered,
            ports: open().map(port).collect(),
            not_cached: not_cached(uncached),
        }
    }

    /// What a port's flows counted since the last clear.
    fn flow_counts(&self, port: PortId, view: &View) -> FlowCounts {
        view.counters.flows(port, &FlowCounts::of(&view.flow_totals, port))
    }

    /// `show platform flow-cache flow`
    pub(crate) fn flows(&self, filter: &FlowFilter, view: &View) -> Flows {
        let FlowFilter { interface, mac, host } = filter;
        let chosen = |entry: Entry| {
            let from = self.interface_at(entry.outer.rx)?;
            let copies = entry.action.copies().map(|(to, tag)| Some((self.interface_at(to)?, tag)));
            let to: Vec<Copied> = copies.collect::<Option<_>>()?;
            let fits = interface.is_none_or(|name| name == from || to.iter().any(|copy| copy.0 == name))
                && mac.is_none_or(|mac| mac == entry.outer.src || mac == entry.outer.dst)
                && host.is_none_or(|host| entry.inner.addresses().is_some_and(|(a, b)| host == a || host == b));
            fits.then_some((from, to, entry))
        };
        let mut chosen: Vec<_> = (view.flows)().into_iter().filter_map(chosen).collect();
        let total = chosen.len() as u64;
        chosen.sort_by_key(|(from, _, entry)| {
            let Entry { outer, inner, frames, .. } = entry;
            (std::cmp::Reverse(*frames), *from, outer.vid, outer.src, outer.dst, inner.addresses, inner.ports)
        });
        let row = |(from, to, entry): (InterfaceName, Vec<Copied>, Entry)| FlowRow {
            from,
            tag: entry.outer.vid,
            src: entry.outer.src,
            dst: entry.outer.dst,
            matching: matching(&entry.inner, entry.looked),
            to: to[0].0,
            tag_out: to[0].1,
            also: to[1..].to_vec(),
            rewrite: entry.action.route.map(|(dst, src)| (src, dst)),
            mtu: entry.action.mtu,
            frames: entry.frames,
            bytes: entry.bytes,
            idle_secs: view.clock.saturating_sub(entry.used) / 1_000_000_000,
        };
        let port = interface.and_then(|name| self.state.ports.get(&name));
        let not_cached = port.map_or(Vec::new(), |port| not_cached(self.flow_counts(port.id, view).uncached));
        Flows { total, flows: chosen.into_iter().take(SHOWN).map(row).collect(), not_cached }
    }

    /// The interface of a port, or the router's whose netdev is behind it.
    fn interface_at(&self, id: PortId) -> Option<InterfaceName> {
        let behind = || self.state.routers.iter().find(|(_, router)| router.is_port(id)).map(|(name, _)| *name);
        self.state.interface_of(id).or_else(behind)
    }

    /// The last step of a trace: would the kernel remember it?
    pub(crate) fn would_remember(&self, port: PortId, frame: &[u8]) -> TraceStep {
        let text = match program(&self.snapshot, port, frame, frame.len() as u32, &Offload::default(), 0) {
            Err(why) => format!("the kernel does not remember it: {}", why.why()),
            Ok(flow) => {
                let Flow { outer, inner, looked, .. } = flow;
                let tag = outer.vid.map_or("untagged".into(), |vid| format!("tag {vid}"));
                let further = matching(&inner, looked).map_or(String::new(), |further| format!(", {further}"));
                format!("the kernel remembers it for all frames of {} > {}, {tag}{further}", outer.src, outer.dst)
            }
        };
        let config = if self.config.flow_cache.off { vec!["no platform flow-cache".into()] } else { Vec::new() };
        TraceStep { phase: "flow-cache".into(), text, config }
    }
}

/// Word, count and sentence of each reason there was.
fn not_cached(counts: [u64; Uncached::COUNT]) -> Vec<(String, u64, String)> {
    let all = Uncached::WORDS.iter().zip(counts).filter(|(_, count)| *count > 0);
    all.map(|((word, why), count)| (word.to_string(), count, why.to_string())).collect()
}

/// What of a frame further in is looked at.
fn matching(inner: &Inner, looked: Looked) -> Option<String> {
    if looked.depth == Depth::L2 {
        return None;
    }
    let Some((from, to)) = inner.addresses() else {
        return Some(format!("ethertype 0x{:04x} priority {}", inner.ethertype, inner.tos));
    };
    let mut text = format!("{from} > {to} protocol {} tos 0x{:02x}", inner.protocol, inner.tos);
    if looked.depth == Depth::L4 {
        let [a, b, c, d] = inner.ports;
        text += &format!(" ports {} > {}", u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    }
    if looked.flags {
        text += &format!(" flags 0x{:02x}", inner.flags);
    }
    Some(text)
}
