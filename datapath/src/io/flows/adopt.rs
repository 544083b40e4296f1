//! The flows of a predecessor: each is decided about anew, by a frame made of its key, and goes on if the decision is the same.
//! Until that is done nothing else is entered and nothing raised: all that changes on the way to the first complete
//! configuration is compared at its end.

use super::{Decided, Entry, FlowTable, Tenant};
use crate::flow::{Depth, Flow, Inner, Looked, Outer};
use crate::io::fanout::Fanouts;
use crate::io::slots::{Content, FREE, Key, generation};
use crate::out::Seen;
use crate::recorder::Recorder;
use crate::snapshot::Snapshot;
use mona_wire::checksum::Sum;
use mona_wire::eth::{IPV4, IPV6};
use mona_wire::ip::{TCP, UDP};
use mona_wire::{Mac, PortId};
use std::collections::HashMap;

/// A flow that was left.
#[derive(Clone, Debug)]
pub struct Left {
    at: u32,
    outer: Outer,
    /// A frame of it.
    frame: Vec<u8>,
    /// The station it goes to is behind this port; a flood goes to none.
    to: Option<PortId>,
    route: Option<(Mac, Mac)>,
}

/// Where more is looked at.
struct Parent {
    at: u32,
    outer: Outer,
    depth: Depth,
    flags: u8,
    children: usize,
}

impl Left {
    /// The station that sends it, if it is not known; or else (`receives`) the one that it goes to. Whether they are
    /// learned is decided as if a worker had seen them.
    pub fn station(&self, snapshot: &Snapshot, receives: bool) -> Option<Seen> {
        let trace = Recorder::trace(snapshot, self.outer.rx, &self.frame, &Default::default());
        if !receives {
            return trace.seen;
        }
        let (vlan, mac) = match self.route {
            Some((mac, _)) => (trace.rewrite?.0, mac),
            None => (trace.vlan?, self.outer.dst),
        };
        let unknown = snapshot.fdb.lookup(vlan, mac).is_none();
        self.to.filter(|_| unknown).map(|port| Seen { vlan, mac, port, snapshot: snapshot.number })
    }
}

impl FlowTable {
    /// What a predecessor left between ports that are open and had not become stale.
    pub fn left(&self) -> Vec<Left> {
        if !self.adopting {
            return Vec::new();
        }
        let ports = self.by_device();
        let parents = self.parents(&ports);
        (0..self.slots.count())
            .filter_map(|at| {
                let (key, content) = self.slots.left(at)?;
                let Content::Decided { ifindex, routed, dst, src, also, .. } = content else { return None };
                let (outer, inner) = match key.is_inner() {
                    true => (parents.get(&key.from)?.outer, Some(key.read_inner())),
                    false => (key.read_outer(*ports.get(&key.from)?), None),
                };
                let to = if also.flooded { None } else { Some(*ports.get(&ifindex)?) };
                let route = (routed != 0).then_some((Mac(dst), Mac(src)));
                let fresh = self.slots.is_fresh(at);
                fresh.then(|| Left { at, outer, frame: frame(&outer, inner.as_ref()), to, route })
            })
            .collect()
    }

    /// The ports by the indices of their devices.
    fn by_device(&self) -> HashMap<u32, PortId> {
        self.ports.iter().filter_map(|(port, share)| Some((share.way?.ifindex, *port))).collect()
    }

    /// By id.
    fn parents(&self, ports: &HashMap<u32, PortId>) -> HashMap<u32, Parent> {
        let all = (0..self.slots.count()).filter_map(|at| {
            let (key, content) = self.slots.left(at)?;
            let Content::Deeper { depth, flags, id } = content else { return None };
            let outer = key.read_outer(*ports.get(&key.from)?);
            (!key.is_inner()).then_some((id, Parent { at, outer, depth, flags, children: 0 }))
        });
        all.collect()
    }

    /// Those of them go on about which the same is decided now, and nothing else does. How many?
    pub fn adopt(&mut self, now: u64, left: &[Left], decide: impl Fn(PortId, &[u8]) -> Option<Flow>) -> usize {
        if !std::mem::take(&mut self.adopting) {
            return 0;
        }
        let mut parents = self.parents(&self.by_device());
        let epoch = self.slots.epoch();
        for left in left {
            let Some(flow) = decide(left.outer.rx, &left.frame) else { continue };
            let Some(decided) = self.same(left, &flow, now, &mut parents) else { continue };
            let deps: Vec<u32> = flow.deps.iter().flatten().map(generation).collect();
            self.slots.renew(left.at, epoch, &deps);
            let share = self.ports.entry(left.outer.rx).or_default();
            (share.slots, share.stats.flows) = (share.slots + 1, share.stats.flows + 1);
            share.order.push_back((left.at, self.slots.version(left.at)));
            self.tenants.insert(left.at, Box::new(Tenant::Decided(decided)));
        }
        let kept = self.tenants.len();
        for (id, Parent { at, outer, depth, flags, children }) in parents {
            // What is new is not to be taken for what was.
            self.id = self.id.max(id);
            if children > 0 {
                self.tenants.insert(at, Box::new(Tenant::Deeper { outer, depth, flags, id, children }));
                self.ports.entry(outer.rx).or_default().slots += 1;
            }
        }
        for at in 0..self.slots.count() {
            let version = self.slots.version(at);
            self.version = self.version.max(version & !1);
            if version != FREE && !self.tenants.contains(at) {
                self.slots.forget(at);
                self.resting.push_back((now, at, None));
            }
        }
        self.fanouts.iter().for_each(Fanouts::sweep);
        kept
    }

    /// Is this what stands in the slot?
    fn same(&mut self, left: &Left, flow: &Flow, now: u64, parents: &mut HashMap<u32, Parent>) -> Option<Decided> {
        let (key, content) = self.slots.left(left.at)?;
        if key.is_inner() != (flow.looked.depth != Depth::L2) {
            return None;
        }
        let parent = match key.is_inner() {
            true => Some(parents.get_mut(&key.from)?),
            false => None,
        };
        if let Some(parent) = &parent {
            let seen = Looked { depth: parent.depth, flags: parent.flags != 0 };
            let key_now = Key::inner(&flow.inner, parent.depth, parent.flags, key.from);
            if key_now != key || seen.and(flow.looked) != seen {
                return None;
            }
        }
        if flow.outer != left.outer || !content.is_same(&self.content(flow).ok()?) {
            return None;
        }
        let mut fanout = None;
        if let Content::Decided { ifindex, also, .. } = content
            && also.fanout != 0
        {
            let there = self.fanouts.as_mut()?.adopt(also.fanout, &also.together(ifindex));
            fanout = Some(there.then_some(also.fanout)?);
        }
        let parent = parent.map(|parent| {
            parent.children += 1;
            (parent.at, key.from)
        });
        let Flow { outer, looked, inner, action, counted, .. } = *flow;
        let entry = Entry { outer, looked, inner, action, counted, frames: 0, bytes: 0, used: now };
        Some(Decided { entry, folded: self.slots.counted(left.at), passed: 0, parent, fanout })
    }
}

/// IEEE 802 local experimental: what a decision that looked no further would be the same for.
const ANY: u16 = 0x88b5;

/// A frame with this key: whole, so that nothing but what was looked at decides about it.
fn frame(outer: &Outer, inner: Option<&Inner>) -> Vec<u8> {
    let inner = inner.copied().unwrap_or(Inner { ethertype: ANY, ..Inner::default() });
    let is_ip = matches!(inner.ethertype, IPV4 | IPV6);
    let mut frame = [outer.dst.0, outer.src.0].concat();
    if let Some(vid) = outer.vid {
        let pcp = if is_ip { 0 } else { u16::from(inner.tos & 7) << 13 };
        frame.extend([0x81, 0x00]);
        frame.extend((vid | pcp).to_be_bytes());
    }
    frame.extend(inner.ethertype.to_be_bytes());
    let mut upper = [0; 20];
    upper[..4].copy_from_slice(&inner.ports);
    match inner.protocol {
        TCP => (upper[12], upper[13]) = (0x50, inner.flags),
        // Its length.
        UDP => upper[5] = 20,
        _ => {}
    }
    match inner.ethertype {
        IPV4 => {
            let mut header = [0; 20];
            (header[0], header[1], header[3], header[8], header[9]) = (0x45, inner.tos, 40, 64, inner.protocol);
            header[12..].copy_from_slice(&inner.addresses[..8]);
            let sum = Sum::default().bytes(&header).finish();
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            frame.extend(header);
        }
        IPV6 => {
            frame.extend([0x60 | inner.tos >> 4, inner.tos << 4, 0, 0, 0, 20, inner.protocol, 64]);
            frame.extend(inner.addresses);
        }
        _ => {}
    }
    frame.extend(upper);
    frame.resize(frame.len().max(64), 0);
    frame
}
