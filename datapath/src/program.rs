//! The out that writes a decision down as a [`Flow`] for the kernel to replay, or says why it cannot be.

use crate::Drop;
use crate::fdb::{Fdb, Station};
use crate::flow::{Action, COPIES, Copied, Counted, DEPS, Dep, Depth, Flow, Inner, LINES, Looked, Outer};
use crate::forward::{Frame, forward};
use crate::io::Offload;
use crate::neighbours::{Neighbour, Neighbours};
use crate::out::{Flood, NotLearned, Note, Out, Seen, Told};
use crate::rewrite::Rewrite;
use crate::snapshot::Snapshot;
use crate::uncached::Uncached;
use mona_wire::eth::{IPV4, IPV6};
use mona_wire::ip::{DCCP, ICMP, ICMPV6, SCTP, TCP, UDP, UDP_LITE, mapped};
use mona_wire::{Mac, PortId, Tci, VlanId};
use std::net::IpAddr;

/// Runs the datapath on a frame without any effect. `epoch` was read before; `len` is the frame's, `bytes` its beginning at
/// least.
pub fn program(
    snapshot: &Snapshot,
    rx: PortId,
    bytes: &[u8],
    len: u32,
    offload: &Offload,
    epoch: u64,
) -> Result<Flow, Uncached> {
    let frame = Frame::parse(bytes, len, offload).map_err(Uncached::Dropped)?;
    let mut out = Program::new(snapshot, rx, &frame);
    match forward(snapshot, rx, &frame, &mut out) {
        Ok(()) => out.flow(epoch),
        Err(why) => Err(out.why.unwrap_or(Uncached::Dropped(why))),
    }
}

/// One decision being written down.
struct Program<'a> {
    snapshot: &'a Snapshot,
    rx: PortId,
    frame: &'a Frame<'a>,
    why: Option<Uncached>,
    looked: Looked,
    deps: [Option<Dep>; DEPS],
    /// The VLAN it is in now, and the destination there.
    vlan: VlanId,
    dst: Mac,
    counted: Counted,
    mtu: u16,
    route: Option<(Mac, Mac)>,
    copies: [Option<Copied>; COPIES],
    /// It goes to all members of the VLAN, on which it depends as a whole.
    flooded: bool,
}

impl<'a> Program<'a> {
    fn new(snapshot: &'a Snapshot, rx: PortId, frame: &'a Frame<'a>) -> Program<'a> {
        let vlan = VlanId::DEFAULT;
        Program {
            snapshot,
            rx,
            frame,
            why: None,
            looked: Looked::default(),
            deps: [None; DEPS],
            vlan,
            dst: frame.eth.dst,
            counted: Counted { from: vlan, to: vlan, six: None, lines: [None; LINES], alive: false, neighbour: None },
            mtu: u16::MAX,
            route: None,
            copies: [None; COPIES],
            flooded: false,
        }
    }

    /// The first reason is the one that is told.
    fn refuse(&mut self, why: Uncached) {
        self.why.get_or_insert(why);
    }

    fn depend(&mut self, dep: Dep) {
        for known in &mut self.deps {
            match known {
                None => return *known = Some(dep),
                Some(known) if *known == dep => return,
                Some(_) => {}
            }
        }
        self.refuse(Uncached::Beyond);
    }

    /// To all of the VLAN.
    fn flood(&mut self, flood: Flood) {
        self.flooded = true;
        self.depend(Dep::Members(self.vlan));
        let has_router = self.snapshot.vlan(self.vlan).is_some_and(|vlan| vlan.router.is_some());
        match flood {
            Flood::UnknownUnicast if self.route.is_some() => self.refuse(Uncached::Flood),
            Flood::UnknownUnicast => self.depend(Dep::Unknown(self.vlan, self.dst)),
            // The router hears it, and control some of it.
            _ if has_router => self.refuse(Uncached::Punt),
            _ => {}
        }
    }

    /// A member gets no copy.
    fn skipped(&mut self, port: PortId, why: Drop) {
        match why {
            Drop::EgressVlanFilter | Drop::Isolated | Drop::PortAclOut => {}
            Drop::UnknownUnicastBlocked | Drop::UnknownMulticastBlocked => {}
            // Others of the same key may be for it.
            _ => self.refuse(Uncached::Flood),
        }
        if !self.flooded {
            self.depend(Dep::Port(port));
            self.depend(Dep::Member(self.vlan, port));
        }
    }

    fn limit(&mut self, mtu: u16) {
        self.mtu = self.mtu.min(mtu);
    }

    /// The route of an address, and what its leaf stands for.
    fn depend_on_route(&mut self, address: u128) {
        Dep::of_address(address).into_iter().for_each(|dep| self.depend(dep));
        let routing = &self.snapshot.routing;
        let leaf = match address >> 32 {
            0xffff => routing.lpm4.lookup(address as u32),
            _ => routing.lpm6.lookup(address),
        };
        if let Some(leaf) = leaf {
            self.depend(Dep::of_leaf(leaf));
        }
    }

    fn flow(mut self, epoch: u64) -> Result<Flow, Uncached> {
        if let Some(why) = self.why {
            return Err(why);
        }
        let inner = match self.looked.depth {
            Depth::L2 => Inner::default(),
            _ => Inner::of(self.frame).ok_or(Uncached::Header)?,
        };
        if let Some((dst, _)) = self.route {
            // The lists and the way back have been asked about the frame as it came; the rest follows the address.
            self.dst = dst;
            let (source, destination) = inner.addresses().ok_or(Uncached::Header)?;
            self.depend_on_route(mapped(destination));
            if self.snapshot.vlan(self.counted.from).and_then(|vlan| vlan.router.as_deref()).is_some_and(|router| {
                if self.counted.six == Some(true) { router.urpf6 } else { router.urpf4 }.is_some()
            }) {
                self.depend_on_route(mapped(source));
            }
        }
        let eth = self.frame.eth;
        // In this order the tag is changed once at most, and nothing is pushed where a priority was popped.
        let kept = |copy: &Copied| copy.1.is_some() == eth.tag.is_some();
        let copies = self.copies.into_iter().flatten();
        let mut copies = copies.clone().filter(kept).chain(copies.filter(|copy| !kept(copy)));
        let (to, vid) = copies.next().ok_or(Uncached::Flood)?;
        let mut also = Action::ALONE;
        also.iter_mut().zip(copies).for_each(|(to, copy)| *to = Some(copy));
        let mut action = Action { to, vid, mtu: self.mtu, route: self.route, also };
        let rx = self.snapshot.port(self.rx).ok_or(Uncached::Punt)?;
        let mut cached = rx.cached;
        self.depend(Dep::Port(self.rx));
        self.limit(rx.mtu);
        for (to, _) in action.copies() {
            let tx = self.snapshot.port(to).filter(|tx| !tx.host).ok_or(Uncached::Punt)?;
            cached &= tx.cached;
            self.limit(tx.mtu);
            if !self.flooded {
                self.depend(Dep::Port(to));
                self.depend(Dep::Member(self.counted.to, to));
            }
        }
        if !cached {
            return Err(Uncached::Off);
        }
        if let Some(why) = self.why {
            return Err(why);
        }
        action.mtu = self.mtu;
        Ok(Flow {
            outer: Outer { rx: self.rx, vid: eth.tag.map(Tci::vid), dst: eth.dst, src: eth.src },
            looked: self.looked,
            inner,
            action,
            deps: self.deps,
            counted: self.counted,
            snapshot: self.snapshot.number,
            epoch,
        })
    }
}

impl Out for Program<'_> {
    fn admitted(&mut self, vlan: VlanId) {
        (self.vlan, self.counted.from, self.counted.to) = (vlan, vlan, vlan);
        self.depend(Dep::Vlan(vlan));
        self.depend(Dep::Member(vlan, self.rx));
    }

    fn looked(&mut self, looked: Looked) {
        self.looked = self.looked.and(looked);
    }

    fn beyond(&mut self) {
        self.refuse(Uncached::Beyond);
    }

    fn seen(&mut self, _: Seen) {
        self.refuse(Uncached::Learning);
    }

    fn heard(&mut self, _: &Fdb, station: &Station, rx: PortId) -> bool {
        self.counted.alive = true;
        self.depend(Dep::Station(station.vlan, station.mac));
        station.port == rx
    }

    fn used(&mut self, _: &Neighbours, neighbour: &Neighbour) {
        self.counted.neighbour = Some(neighbour.ip());
        self.depend(Dep::Neighbour(neighbour.vlan, neighbour.address));
    }

    fn matched(&mut self, slot: u32) {
        match self.counted.lines.iter_mut().find(|line| line.is_none()) {
            Some(line) => *line = Some(slot),
            None => self.refuse(Uncached::Beyond),
        }
    }

    fn rewrite(&mut self, vlan: VlanId, rewrite: Rewrite) {
        if rewrite.fragment > 0 {
            self.refuse(Uncached::Fragmented);
        }
        self.route = Some((rewrite.dst, rewrite.src));
        (self.vlan, self.counted.to, self.dst) = (vlan, vlan, rewrite.dst);
        self.counted.six = Some(rewrite.six);
        self.depend(Dep::Vlan(vlan));
        if let Some(leaving) = self.snapshot.vlan(vlan).and_then(|vlan| vlan.router.as_deref()) {
            self.limit(if rewrite.six { leaving.mtu6 } else { leaving.mtu4 });
        }
    }

    fn tell(&mut self, _: VlanId, _: Told) {
        self.refuse(Uncached::Told);
    }

    fn send(&mut self, port: PortId, tag: Option<Tci>) {
        match (port, self.copies.iter_mut().find(|copy| copy.is_none())) {
            (PortId::SELF, _) => self.refuse(Uncached::Punt),
            (_, Some(free)) => *free = Some((port, tag.map(Tci::vid))),
            (_, None) => self.refuse(Uncached::Flood),
        }
    }

    fn note(&mut self, note: Note) {
        match note {
            // Behind a routed port nothing is learned: who is not known there is always at its other member.
            Note::Flood(Flood::UnknownUnicast) if self.vlan.is_internal() => {}
            Note::Flood(flood) => self.flood(flood),
            Note::Skipped(port, why) => self.skipped(port, why),
            Note::ToHost(_) => self.refuse(Uncached::Punt),
            Note::Station(..) => self.depend(Dep::Station(self.vlan, self.dst)),
            Note::NotLearned(NotLearned::Static) => self.depend(Dep::Station(self.vlan, self.frame.eth.src)),
            _ => {}
        }
    }
}

impl Inner {
    /// What a key may hold of a frame beyond its Ethernet header. `None`: more is in the way.
    pub fn of(frame: &Frame<'_>) -> Option<Inner> {
        let Frame { bytes, eth, .. } = frame;
        let packet = bytes.get(eth.len()..)?;
        let mut inner = Inner { ethertype: eth.ethertype, ..Inner::default() };
        let upper = match eth.ethertype {
            IPV4 => {
                let header: &[u8; 20] = packet.first_chunk()?;
                let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
                // Neither DF nor the reserved bit makes a fragment.
                if header[0] != 0x45 || (header[6] & 0x3f, header[7]) != (0, 0) {
                    return None;
                }
                (inner.protocol, inner.tos) = (header[9], header[1]);
                inner.addresses[..8].copy_from_slice(&header[12..20]);
                packet.get(20..total)?
            }
            IPV6 => {
                let header: &[u8; 40] = packet.first_chunk()?;
                let total = 40 + usize::from(u16::from_be_bytes([header[4], header[5]]));
                if header[0] >> 4 != 6 || EXTENSIONS.contains(&header[6]) {
                    return None;
                }
                (inner.protocol, inner.tos) = (header[6], header[0] << 4 | header[1] >> 4);
                inner.addresses.copy_from_slice(&header[8..40]);
                packet.get(40..total)?
            }
            _ => {
                inner.tos = eth.tag.map_or(0, Tci::pcp);
                return Some(inner);
            }
        };
        match (inner.protocol, eth.ethertype) {
            (TCP, _) => {
                inner.ports = *upper.get(..14)?.first_chunk()?;
                inner.flags = upper[13];
            }
            (UDP | DCCP | SCTP | UDP_LITE, _) => inner.ports = *upper.get(..8)?.first_chunk()?,
            (ICMP, IPV4) | (ICMPV6, IPV6) => inner.ports[..2].copy_from_slice(upper.get(..2)?),
            _ => {}
        }
        Some(inner)
    }

    /// Source and destination, if it is a packet.
    pub fn addresses(&self) -> Option<(IpAddr, IpAddr)> {
        fn at<const N: usize>(bytes: &[u8], number: usize) -> Option<[u8; N]> {
            bytes.as_chunks::<N>().0.get(number).copied()
        }
        match self.ethertype {
            IPV4 => Some((at::<4>(&self.addresses, 0)?.into(), at::<4>(&self.addresses, 1)?.into())),
            IPV6 => Some((at::<16>(&self.addresses, 0)?.into(), at::<16>(&self.addresses, 1)?.into())),
            _ => None,
        }
    }

    /// So much of it as was looked at: what two frames of one flow have in common.
    pub fn at(self, looked: Looked) -> Inner {
        match looked.depth {
            Depth::L2 => Inner::default(),
            Depth::L3 => Inner { ports: [0; 4], flags: 0, ..self },
            Depth::L4 => Inner { flags: if looked.flags { self.flags } else { 0 }, ..self },
        }
    }
}

/// Extension headers behind which the upper layer would be (IANA "IPv6 Extension Header Types").
const EXTENSIONS: [u8; 9] = [0, 43, 44, 51, 60, 135, 139, 140, 253];
