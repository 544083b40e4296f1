//! What the kernel is asked for: a pair, an address, a route.

use crate::import::{Key, PROTOCOL};
use crate::input::HostLink;
use crate::rtmsg::Hop;
use ipnet::IpNet;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHop, RouteNextHopFlags,
    RouteProtocol, RouteScope, RouteType, RouteVia,
};
use std::net::IpAddr;

/// A veth pair, the near end down and the far end up.
pub(super) fn pair(name: &str, link: &HostLink) -> LinkMessage {
    let mut far = LinkMessage::default();
    // Up only later: one end of a pair cannot be opened before there is the other.
    far.attributes = vec![LinkAttribute::IfName(link.peer.clone()), LinkAttribute::Mtu(link.mtu)];
    let mut near = LinkMessage::default();
    near.attributes = vec![
        LinkAttribute::IfName(name.into()),
        LinkAttribute::Mtu(link.mtu),
        LinkAttribute::Address(link.mac.0.to_vec()),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(far))),
        ]),
    ];
    near
}

pub(super) fn address_message(index: u32, net: IpNet, no_dad: bool) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = net.prefix_len();
    message.header.family = family(net.addr());
    message.attributes = vec![
        AddressAttribute::Local(net.addr()),
        AddressAttribute::Address(net.addr()),
        AddressAttribute::Protocol(PROTOCOL.into()),
    ];
    match net {
        IpNet::V4(net) if net.prefix_len() < 31 => {
            message.attributes.push(AddressAttribute::Broadcast(net.broadcast()));
        }
        IpNet::V6(_) if no_dad => message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad)),
        _ => {}
    }
    message
}

pub(super) fn route_message((prefix, metric): Key, hops: &[Hop]) -> RouteMessage {
    let four = prefix.addr().is_ipv4();
    let gateway = |hop: &Hop| match hop.gateway {
        Some(IpAddr::V6(gateway)) if four => Some(RouteAttribute::Via(RouteVia::Inet6(gateway))),
        gateway => gateway.map(|gateway| RouteAttribute::Gateway(RouteAddress::from(gateway))),
    };
    let mut message = RouteMessage::default();
    message.header.address_family = family(prefix.addr());
    message.header.destination_prefix_length = prefix.prefix_len();
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::from(PROTOCOL);
    // What goes straight to its destination is of the link, unless another of its ways has a gateway: the kernel takes none in
    // a route of the link.
    let direct = !hops.is_empty() && hops.iter().all(|hop| hop.gateway.is_none());
    message.header.scope = if direct && four { RouteScope::Link } else { RouteScope::Universe };
    message.header.kind = if hops.is_empty() { RouteType::BlackHole } else { RouteType::Unicast };
    message.attributes = vec![RouteAttribute::Destination(prefix.network().into()), RouteAttribute::Priority(metric)];
    match hops {
        [] => {}
        [hop] => {
            message.attributes.push(RouteAttribute::Oif(hop.index));
            message.attributes.extend(gateway(hop));
            // The switch has looked whether the next router is there; the kernel need not.
            if hop.gateway.is_some() {
                message.header.flags = RouteFlags::Onlink;
            }
        }
        _ => {
            let way = |hop: &Hop| {
                let mut way = RouteNextHop::default();
                way.interface_index = hop.index;
                way.attributes.extend(gateway(hop));
                if hop.gateway.is_some() {
                    way.flags = RouteNextHopFlags::Onlink;
                }
                way
            };
            message.attributes.push(RouteAttribute::MultiPath(hops.iter().map(way).collect()));
        }
    }
    message
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}
