//! The way of a packet to the router: header → source and destination → way back → route → time to live → next hop → size →
//! rewrite → and bridged once more, in the VLAN it leaves in (RFC 1812 5.2, RFC 8200).
//!
//! Called by [`forward()`](crate::forward::forward) for frames whose destination is the router's MAC. What is for the router
//! itself goes to the netdev of its interface, where Linux answers.

use crate::Drop;
use crate::acl::{Stage, pass};
use crate::flow::{Depth, Looked};
use crate::forward::{Frame, Way};
use crate::hops::{Leaf, Step};
use crate::lpm::Cell;
use crate::offload::MIN_FRAME;
use crate::out::{Note, Out, ToHost, Told};
use crate::packet::{Packet, four, six};
use crate::rewrite::Rewrite;
use crate::routing::{RouterInterface, Routing, Urpf};
use crate::snapshot::{Snapshot, Vlan};
use mona_wire::eth::{HEADER, IPV4, IPV6};
use mona_wire::ip::{mapped, unmapped};
use mona_wire::{Mac, VlanId};
use std::net::{IpAddr, Ipv4Addr};

/// What becomes of a frame to the router.
#[inline(always)]
pub(crate) fn route(
    way: Way<'_>,
    router: &RouterInterface,
    cell: Option<Cell>,
    out: &mut impl Out,
) -> Result<(), Drop> {
    out.looked(Looked { depth: Depth::L3, flags: false });
    pass(&router.acl_in, Stage::RouterIn(way.id), way.id, way.frame, out)?;
    match way.frame.eth.ethertype {
        IPV4 if router.routes4 => route4(way, router, cell, out),
        IPV6 if router.routes6 => route6(way, router, cell, out),
        IPV4 | IPV6 => way.to_host(router, ToHost::NotRouting, out),
        _ => way.to_host(router, ToHost::NotIp, out),
    }
}

/// Of an IPv4 packet.
#[inline(always)]
fn route4(way: Way<'_>, router: &RouterInterface, cell: Option<Cell>, out: &mut impl Out) -> Result<(), Drop> {
    let lpm = &*way.snapshot.routing.lpm4;
    let (packet, source, destination) = four::read(way.frame)?;
    out.note(Note::Routed);
    if four::check(source, destination, router.strict)? == four::Scope::Link {
        return way.to_host(router, ToHost::LinkScope, out);
    }
    four::check_options(way.frame, router.options)?;
    if let Some(urpf) = router.urpf4 {
        // RFC 1812 5.3.8: silently.
        verify(way, lpm.lookup(source), urpf, out)?;
    }
    let cell = cell.unwrap_or_else(|| lpm.cell(destination));
    follow(way, router, packet, mapped(Ipv4Addr::from(destination).into()), lpm.lookup_at(cell, destination), out)
}

/// Of an IPv6 packet.
#[inline(always)]
fn route6(way: Way<'_>, router: &RouterInterface, cell: Option<Cell>, out: &mut impl Out) -> Result<(), Drop> {
    let lpm = &*way.snapshot.routing.lpm6;
    let (packet, source, destination) = six::read(way.frame)?;
    out.note(Note::Routed);
    if six::check(source, destination)? == six::Scope::Link {
        if packet.is_discovery(way.frame) {
            out.tell(way.id, Told::Neighbour);
        }
        return way.to_host(router, ToHost::LinkScope, out);
    }
    if let Some(urpf) = router.urpf6.filter(|_| !packet.link_local) {
        verify(way, lpm.lookup(source), urpf, out).inspect_err(|why| {
            // RFC 4443 3.1: code 5.
            out.tell(way.id, Told::Dropped(*why));
        })?;
    }
    let cell = cell.unwrap_or_else(|| lpm.cell(destination));
    follow(way, router, packet, destination, lpm.lookup_at(cell, destination), out)
}

/// Where its route leads: nearly always to one neighbour. (A packet is handed on as a value, so that nothing of it is
/// written down that few look at.)
#[inline(always)]
fn follow(
    way: Way<'_>,
    router: &RouterInterface,
    packet: Packet,
    destination: u128,
    leaf: Option<Leaf>,
    out: &mut impl Out,
) -> Result<(), Drop> {
    if let Some(leaf) = leaf {
        out.note(Note::Leaf(leaf));
    }
    match leaf.and_then(|leaf| way.snapshot.routing.hops.only(leaf)) {
        Some((vlan, gateway)) => onward(way, router, packet, vlan, gateway.unwrap_or(destination), out),
        None => elsewhere(way, router, packet, destination, leaf, out),
    }
}

/// To one of several neighbours, or to none.
#[inline(never)]
fn elsewhere(
    way: Way<'_>,
    router: &RouterInterface,
    packet: Packet,
    destination: u128,
    leaf: Option<Leaf>,
    out: &mut impl Out,
) -> Result<(), Drop> {
    let Snapshot { routing, load_sharing: sharing, .. } = way.snapshot;
    let step = leaf.and_then(|leaf| {
        routing.hops.follow(leaf, || {
            if sharing.flow_label && packet.six {
                out.beyond();
            }
            out.looked(Looked { depth: if sharing.ports { Depth::L4 } else { Depth::L3 }, flags: false });
            packet.flow(way.frame, *sharing)
        })
    });
    match step {
        Some(Step::To(vlan, gateway)) => onward(way, router, packet, vlan, gateway.unwrap_or(destination), out),
        Some(Step::Local) => {
            if packet.is_discovery(way.frame) {
                out.tell(way.id, Told::Neighbour);
            }
            way.to_host(router, ToHost::Address, out)
        }
        Some(Step::Broadcast(vlan)) if vlan == way.id => way.to_host(router, ToHost::Address, out),
        Some(Step::Broadcast(vlan)) => broadcast(way, packet, vlan, out),
        Some(Step::Drop(why)) => packet.check_scope().and(Err(why)),
        None => packet.check_scope().and(Err(if packet.six { Drop::LpmMiss6 } else { Drop::LpmMiss4 })),
    }
}

/// To a neighbour.
#[inline(always)]
fn onward(
    way: Way<'_>,
    router: &RouterInterface,
    packet: Packet,
    id: VlanId,
    next: u128,
    out: &mut impl Out,
) -> Result<(), Drop> {
    packet.check_scope()?;
    let (vlan, leaving) = interface(way.snapshot, id, packet.six)?;
    pass(&leaving.acl_out, Stage::RouterOut(id), way.id, way.frame, out)?;
    out.note(Note::NextHop(id, unmapped(next)));
    let fragment = packet.fragment(way.frame, leaving)?;
    let neighbours = &way.snapshot.routing.neighbours;
    let neighbour = neighbours.lookup(id, next).ok_or(Drop::Unresolved)?;
    out.used(neighbours, &neighbour);
    out.note(Note::Neighbour(neighbour.mac));
    if id == way.id && router.redirects {
        out.tell(id, Told::Redirect);
    }
    leave(way, packet, id, vlan, leaving, neighbour.mac, fragment, out)
}

/// To all of a connected subnet (RFC 2644).
#[cold]
fn broadcast(way: Way<'_>, packet: Packet, id: VlanId, out: &mut impl Out) -> Result<(), Drop> {
    packet.check_scope()?;
    let (vlan, leaving) = interface(way.snapshot, id, packet.six)?;
    if !leaving.directed_broadcast {
        return Err(Drop::DirectedBroadcast);
    }
    pass(&leaving.acl_out, Stage::RouterOut(id), way.id, way.frame, out)?;
    let fragment = packet.fragment(way.frame, leaving)?;
    leave(way, packet, id, vlan, leaving, Mac::BROADCAST, fragment, out)
}

/// Rewritten, and bridged in the VLAN it leaves in, as if it came from the router's port there.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "two callers, one of them the fast path")]
fn leave(
    way: Way<'_>,
    packet: Packet,
    id: VlanId,
    vlan: &Vlan,
    leaving: &RouterInterface,
    dst: Mac,
    fragment: u16,
    out: &mut impl Out,
) -> Result<(), Drop> {
    let ip = way.frame.eth.len();
    // A tag does not count: what the shortest frame was padded to stays when one is taken off, or comes beside it.
    let len = packet.end.max((ip + MIN_FRAME - HEADER) as u32);
    let ip = ip as u8;
    out.rewrite(id, Rewrite { dst, src: leaving.mac, ip, six: packet.six, len, fragment });
    let payload = if fragment > 0 {
        out.note(Note::Fragmented(fragment));
        u32::from(fragment)
    } else {
        packet.length
    };
    // Access lists look at nothing of it that was rewritten.
    let place = way.snapshot.fdb.place(id, dst);
    Way::from_router(way.snapshot, id, vlan, payload, way.frame).bridge(place, out)
}

/// The interface that a packet would leave by, if it routes.
#[inline(always)]
fn interface(snapshot: &Snapshot, id: VlanId, six: bool) -> Result<(&Vlan, &RouterInterface), Drop> {
    let vlan = snapshot.vlan(id).ok_or(Drop::OutDisabled)?;
    let router = vlan.router.as_deref().ok_or(Drop::OutDisabled)?;
    if if six { router.routes6 } else { router.routes4 } { Ok((vlan, router)) } else { Err(Drop::OutDisabled) }
}

/// Unicast reverse path forwarding (RFC 3704 2.2, 2.4).
#[cold]
fn verify(way: Way<'_>, source: Option<Leaf>, urpf: Urpf, out: &mut impl Out) -> Result<(), Drop> {
    let back = source.map(|leaf| way.snapshot.routing.hops.reaches(leaf, urpf.strict.then_some(way.id)));
    match back {
        Some((true, default)) if !default || urpf.allow_default => {
            out.note(Note::Verified);
            Ok(())
        }
        _ => Err(Drop::Rpf),
    }
}

/// Workers: asks the cache for what routing the frame will read first.
#[inline(always)]
pub(crate) fn prefetch(snapshot: &Snapshot, frame: &Frame<'_>) {
    match frame.eth.ethertype {
        IPV4 => four::destination(frame).into_iter().for_each(|to| snapshot.routing.lpm4.prefetch(to)),
        IPV6 => six::destination(frame).into_iter().for_each(|to| snapshot.routing.lpm6.prefetch(to)),
        _ => {}
    }
}

/// Workers: asks it, once that has come, for what is read next, and says where.
#[inline(always)]
pub(crate) fn foresee(snapshot: &Snapshot, frame: &Frame<'_>) -> Option<Cell> {
    let Routing { lpm4, lpm6, .. } = &*snapshot.routing;
    match frame.eth.ethertype {
        IPV4 => four::destination(frame).map(|to| lpm4.cell(to)).inspect(|cell| lpm4.prefetch_cell(*cell)),
        IPV6 => six::destination(frame).map(|to| lpm6.cell(to)).inspect(|cell| lpm6.prefetch_cell(*cell)),
        _ => None,
    }
}

/// Where a packet of the switch itself to this address goes: the VLAN, the neighbour's address, and his MAC if it is
/// resolved. `flow` chooses among several paths. `Err`: why it goes nowhere, or [`Drop::NonRoutable`] if it stays here.
pub fn resolve(snapshot: &Snapshot, to: IpAddr, flow: u32) -> Result<(VlanId, IpAddr, Option<Mac>), Drop> {
    let routing = &snapshot.routing;
    let (leaf, miss) = match to {
        IpAddr::V4(to) => (routing.lpm4.lookup(to.to_bits()), Drop::LpmMiss4),
        IpAddr::V6(to) => (routing.lpm6.lookup(to.to_bits()), Drop::LpmMiss6),
    };
    match leaf.and_then(|leaf| routing.hops.follow(leaf, || flow)).ok_or(miss)? {
        Step::To(vlan, gateway) => {
            interface(snapshot, vlan, to.is_ipv6())?;
            let next = gateway.unwrap_or(mapped(to));
            Ok((vlan, unmapped(next), routing.neighbours.lookup(vlan, next).map(|neighbour| neighbour.mac)))
        }
        Step::Drop(why) => Err(why),
        Step::Local | Step::Broadcast(_) => Err(Drop::NonRoutable),
    }
}
