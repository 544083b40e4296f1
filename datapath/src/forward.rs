//! The way of a frame: parse → reserved addresses → admit → access list → learn → lookup → egress → out.
//!
//! A bridge with VLANs as in 802.1Q-2018 8.6: called for every frame by a worker with a [`Batch`](crate::Batch), and by
//! `packet-tracer` and the tests with a [`Recorder`](crate::Recorder).

use crate::Drop;
use crate::acl::{Stage, pass};
use crate::fdb::{Origin, Place, Station};
use crate::io::Offload;
use crate::lpm::Cell;
use crate::offload::header_len;
use crate::out::{Classified, Flood, NotLearned, Note, Out, Seen, ToHost, Told};
use crate::packet::six;
use crate::route::route;
use crate::routing::RouterInterface;
use crate::snapshot::{Port, Snapshot, Vlan};
use mona_wire::eth::{ARP, IPV6};
use mona_wire::{Eth, Mac, PortId, Tci, VlanId};

/// What the datapath knows of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its bytes, as far as the headers go at least.
    pub bytes: &'a [u8],
    /// Its header.
    pub eth: Eth,
    /// Bytes behind the Ethernet header and the tag, what an MTU limits; of a super-frame, those of a segment.
    pub payload: u32,
    /// What a batch found out beforehand, where it was made for one.
    pub(crate) foreseen: Option<Foreseen<'a>>,
}

/// What a batch knows of a frame before it decides, by the same snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Foreseen<'a> {
    /// The VLAN it is meant for, by port and tag,
    id: VlanId,
    /// and what that is, if it exists.
    vlan: Option<&'a Vlan>,
    /// Where its source would be in the table of stations.
    pub(crate) src: Place,
    /// Who it is for.
    pub(crate) dst: Dst,
}

/// Who a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dst {
    /// The station that would be here in the table of stations.
    Station(Place),
    /// The router, and where the packet's route is, if that was asked for.
    Router(Option<Cell>),
}

impl<'a> Foreseen<'a> {
    /// What is known of a frame of this VLAN.
    #[inline(always)]
    pub(crate) fn of(snapshot: &'a Snapshot, id: VlanId, eth: &Eth) -> Foreseen<'a> {
        let (fdb, vlan) = (&snapshot.fdb, snapshot.vlan(id));
        let dst = match vlan.and_then(|vlan| vlan.router.as_deref()) {
            Some(router) if eth.dst == router.mac => Dst::Router(None),
            _ => Dst::Station(fdb.place(id, eth.dst)),
        };
        Foreseen { id, vlan, src: fdb.place(id, eth.src), dst }
    }
}

/// Decides what becomes of one frame.
#[inline(always)]
pub fn forward<'a>(snapshot: &'a Snapshot, rx: PortId, frame: &'a Frame<'a>, out: &mut impl Out) -> Result<(), Drop> {
    let port = snapshot.port(rx).filter(|port| port.up).ok_or(Drop::PortDown)?;
    frame.check(port)?;
    if frame.eth.dst.is_reserved() {
        // For the switch itself, whatever the VLAN and its state: 802.1Q-2018 8.6.3.
        out.send(PortId::SELF, frame.eth.tag);
        return Ok(());
    }
    let (Foreseen { id, src, dst, .. }, vlan) = admit(snapshot, rx, port, frame, out)?;
    pass(&port.acl_in, Stage::PortIn(rx), id, frame, out)?;
    // Protected ports are protected from each other, not from the router.
    let protected = port.protected && matches!(dst, Dst::Station(_));
    let way = Way { snapshot, rx, protected, id, vlan, payload: frame.payload, frame };
    way.learn(port, src, out);
    // What the switch's own netdevs send, Linux has routed.
    if let Some(router) = vlan.router.as_deref().filter(|_| !port.host) {
        if let Dst::Router(cell) = dst {
            return route(way, router, cell, out);
        }
        if frame.eth.dst.is_group() && matches!(frame.eth.ethertype, ARP | IPV6) {
            hear(id, frame, out);
        }
    }
    match dst {
        Dst::Station(place) => way.bridge(place, out),
        Dst::Router(_) => way.bridge(snapshot.fdb.place(id, frame.eth.dst), out),
    }
}

/// Bridges a frame of the switch itself, untagged, into a VLAN. The netdev there gets no copy.
pub fn forward_own(snapshot: &Snapshot, id: VlanId, frame: &Frame<'_>, out: &mut impl Out) -> Result<(), Drop> {
    let vlan = snapshot.vlan(id).ok_or(Drop::EgressVlanFilter)?;
    Way::from_router(snapshot, id, vlan, frame.payload, frame).bridge(snapshot.fdb.place(id, frame.eth.dst), out)
}

impl<'a> Frame<'a> {
    /// Reads what there is to know. `bytes` may be the beginning of the frame; it is `len` bytes long in memory.
    #[inline(always)]
    pub fn parse(bytes: &'a [u8], len: u32, offload: &Offload) -> Result<Frame<'a>, Drop> {
        let eth = Eth::parse(bytes).ok_or(Drop::Malformed)?;
        let len = match offload.gso {
            Some(gso) => len.min(header_len(bytes, offload, &gso) + u32::from(gso.size)),
            None => len,
        };
        Ok(Frame { bytes, eth, payload: len.saturating_sub(eth.len() as u32), foreseen: None })
    }

    /// What no port takes (802.1D-2004 7.8: only individual addresses are stations) and what this one is too small for.
    #[inline(always)]
    fn check(&self, port: &Port) -> Result<(), Drop> {
        match self.eth.src {
            Mac::ZERO => Err(Drop::SourceZero),
            src if src.is_group() => Err(Drop::SourceMulticast),
            _ if self.payload > u32::from(port.mtu) => Err(Drop::Oversize),
            _ => Ok(()),
        }
    }
}

/// The VLAN of a frame, if it may enter there (802.1Q-2018 6.9, 8.6.2).
#[inline(always)]
fn admit<'a>(
    snapshot: &'a Snapshot,
    rx: PortId,
    port: &Port,
    frame: &Frame<'a>,
    out: &mut impl Out,
) -> Result<(Foreseen<'a>, &'a Vlan), Drop> {
    let foreseen = match frame.foreseen {
        Some(foreseen) => foreseen,
        None => foresee(snapshot, port, &frame.eth)?,
    };
    let why = match frame.eth.tag.map(Tci::vid) {
        None => Classified::Untagged,
        Some(0) => Classified::PriorityTag,
        Some(_) => Classified::Tag,
    };
    out.note(Note::Classified(foreseen.id, why));
    let vlan = foreseen.vlan.filter(|vlan| vlan.forward.contains(rx)).ok_or(Drop::IngressVlanFilter)?;
    out.admitted(foreseen.id);
    Ok((foreseen, vlan))
}

/// What no batch has found out.
#[cold]
fn foresee<'a>(snapshot: &'a Snapshot, port: &Port, eth: &Eth) -> Result<Foreseen<'a>, Drop> {
    Ok(Foreseen::of(snapshot, port.vlan_of(eth.tag)?, eth))
}

/// An admitted frame: where it came in, and the VLAN it is in.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(crate) snapshot: &'a Snapshot,
    rx: PortId,
    protected: bool,
    pub(crate) id: VlanId,
    vlan: &'a Vlan,
    /// What an MTU limits.
    payload: u32,
    /// As it came in.
    pub(crate) frame: &'a Frame<'a>,
}

impl<'a> Way<'a> {
    /// Of a frame that the router sends in the VLAN: as if it came from the router's own port there.
    #[inline(always)]
    pub(crate) fn from_router(
        snapshot: &'a Snapshot,
        id: VlanId,
        vlan: &'a Vlan,
        payload: u32,
        frame: &'a Frame<'a>,
    ) -> Way<'a> {
        let rx = vlan.router.as_ref().and_then(|router| router.host).unwrap_or(PortId::SELF);
        Way { snapshot, rx, protected: false, id, vlan, payload, frame }
    }

    /// The source is known here, or control is told (802.1Q-2018 8.7).
    #[inline(always)]
    fn learn(self, port: &Port, src: Place, out: &mut impl Out) {
        let Way { snapshot, rx, id, .. } = self;
        if !port.learning {
            return out.note(Note::NotLearned(NotLearned::Port));
        }
        if !self.vlan.learn.contains(rx) {
            return out.note(Note::NotLearned(NotLearned::Vlan));
        }
        let from = match snapshot.fdb.lookup_at(id, src) {
            // Not moved, not reported, and the frame goes its way, as with Linux's "sticky".
            Some(known) if known.port != rx && known.origin == Origin::Static => {
                return out.note(Note::NotLearned(NotLearned::Static));
            }
            Some(known) if out.heard(&snapshot.fdb, &known, rx) => return out.note(Note::Known),
            known => known.map(|station| station.port),
        };
        out.note(Note::Learn(from));
        out.seen(Seen { vlan: id, mac: self.frame.eth.src, port: rx, snapshot: snapshot.number });
    }

    /// To the netdev of the router's interface.
    pub(crate) fn to_host(self, router: &RouterInterface, why: ToHost, out: &mut impl Out) -> Result<(), Drop> {
        if why == ToHost::NotIp && self.frame.eth.ethertype == ARP {
            out.tell(self.id, Told::Neighbour);
        }
        out.note(Note::ToHost(why));
        let host = router.host.ok_or(Drop::InDisabled)?;
        if !self.vlan.forward.contains(host) {
            return Err(Drop::EgressVlanFilter);
        }
        self.egress(host, None, out).map(|tag| out.send(host, tag))
    }

    /// To where the destination is, or to everybody.
    #[inline(always)]
    pub(crate) fn bridge(self, dst: Place, out: &mut impl Out) -> Result<(), Drop> {
        if dst.is_group() {
            return self.flood(if dst.is_broadcast() { Flood::Broadcast } else { Flood::Multicast }, out);
        }
        match self.snapshot.fdb.lookup_at(self.id, dst) {
            Some(station) => self.to(station, out),
            None => self.flood(Flood::UnknownUnicast, out),
        }
    }

    /// To the one port where the destination is.
    #[inline(always)]
    fn to(self, station: Station, out: &mut impl Out) -> Result<(), Drop> {
        out.note(Note::Station(station.port, station.origin == Origin::Static));
        if station.port == self.rx {
            return Err(Drop::PortLoopback);
        }
        if !self.vlan.forward.contains(station.port) {
            return Err(Drop::EgressVlanFilter);
        }
        self.egress(station.port, None, out).map(|tag| out.send(station.port, tag))
    }

    /// To every other port of the VLAN, in ascending order.
    #[inline(never)]
    fn flood(self, flood: Flood, out: &mut impl Out) -> Result<(), Drop> {
        out.note(Note::Flood(flood));
        let (mut copies, mut why) = (0u32, None);
        for port in self.vlan.forward.iter().filter(|port| *port != self.rx) {
            match self.egress(port, Some(flood), out) {
                Ok(tag) => {
                    out.send(port, tag);
                    copies += 1;
                }
                Err(reason) => {
                    out.note(Note::Skipped(port, reason));
                    // One reason for all is the frame's reason too; a port that is down is as good as none.
                    if reason != Drop::EgressVlanFilter {
                        why = if why.is_none_or(|other| other == reason) {
                            Some(reason)
                        } else {
                            Some(Drop::EmptyTxList)
                        };
                    }
                }
            }
        }
        if copies > 0 { Ok(()) } else { Err(why.unwrap_or(Drop::EmptyTxList)) }
    }

    /// May a copy leave there, and with which tag (802.1Q-2018 8.6.4, 8.8)?
    #[inline(always)]
    fn egress(self, to: PortId, flood: Option<Flood>, out: &mut impl Out) -> Result<Option<Tci>, Drop> {
        let port = self.snapshot.port(to).filter(|port| port.up).ok_or(Drop::EgressVlanFilter)?;
        if self.protected && port.protected {
            return Err(Drop::Isolated);
        }
        match flood {
            Some(Flood::UnknownUnicast) if port.block_unicast => return Err(Drop::UnknownUnicastBlocked),
            Some(Flood::Multicast) if port.block_multicast => return Err(Drop::UnknownMulticastBlocked),
            _ => {}
        }
        if port.host && flood.is_some() {
            // To the router among others: what is for it alone was asked on its way there.
            let acl_in = self.vlan.router.as_deref().map_or(&None, |router| &router.acl_in);
            pass(acl_in, Stage::RouterIn(self.id), self.id, self.frame, out)?;
        }
        pass(&port.acl_out, Stage::PortOut(to), self.id, self.frame, out)?;
        // Last: who gets no frame of a flow gets none whatever its size.
        if self.payload > u32::from(port.mtu) {
            return Err(Drop::Oversize);
        }
        let tag = self.frame.eth.tag.unwrap_or(Tci(0)).with_vid(self.vlan.vid);
        Ok((!self.vlan.untagged.contains(to)).then_some(tag))
    }
}

/// Control hears ARP and neighbour discovery that everybody gets, to answer for and to learn from.
#[inline(never)]
fn hear(id: VlanId, frame: &Frame<'_>, out: &mut impl Out) {
    if frame.eth.ethertype == ARP || six::read(frame).is_ok() && six::is_discovery(frame) {
        out.tell(id, Told::Neighbour);
    }
}
