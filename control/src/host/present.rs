//! What there is of netdevs and addresses, as the kernel tells.

use crate::import::PROTOCOL;
use crate::request::Requests;
use ipnet::IpNet;
use mona_wire::Mac;
use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use std::collections::BTreeMap;
use std::io;

/// A netdev as it is.
pub(super) struct Netdev {
    pub index: u32,
    pub alias: String,
    pub kind: Option<InfoKind>,
    /// Index of the other end, if that is in this namespace.
    pub peer: Option<u32>,
    pub up: bool,
    pub mtu: u32,
    pub mac: Option<Mac>,
}

/// An address as it is.
pub(super) struct Address {
    pub net: IpNet,
    /// It is of this program's making.
    pub ours: bool,
    /// Somebody else has it.
    pub duplicate: bool,
}

/// All netdevs, by name.
pub(super) fn netdevs(requests: &mut Requests) -> io::Result<BTreeMap<String, Netdev>> {
    let messages = requests.dump(Message::GetLink(LinkMessage::default()))?;
    let link = |message| if let Message::NewLink(link) = message { Some(link) } else { None };
    Ok(messages.into_iter().filter_map(link).map(netdev).collect())
}

fn netdev(link: LinkMessage) -> (String, Netdev) {
    let up = link.header.flags.contains(LinkFlags::Up);
    let index = link.header.index;
    let mut name = String::new();
    let mut is = Netdev { index, alias: String::new(), kind: None, peer: None, up, mtu: 0, mac: None };
    let mut away = false;
    for attribute in link.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = text,
            LinkAttribute::IfAlias(text) => is.alias = text,
            LinkAttribute::Mtu(mtu) => is.mtu = mtu,
            LinkAttribute::Address(address) => is.mac = address.try_into().ok().map(Mac),
            LinkAttribute::Link(index) => is.peer = Some(index),
            LinkAttribute::LinkNetNsId(_) => away = true,
            LinkAttribute::LinkInfo(infos) => {
                let kind = |info| if let LinkInfo::Kind(kind) = info { Some(kind) } else { None };
                is.kind = infos.into_iter().find_map(kind);
            }
            _ => {}
        }
    }
    is.peer = is.peer.filter(|_| !away);
    (name, is)
}

/// The addresses, by the index of their netdev.
pub(super) fn addresses(requests: &mut Requests) -> io::Result<BTreeMap<u32, Vec<Address>>> {
    let mut all: BTreeMap<u32, Vec<Address>> = BTreeMap::new();
    for message in requests.dump(Message::GetAddress(AddressMessage::default()))? {
        let Message::NewAddress(message) = message else { continue };
        let (mut address, mut local, mut ours) = (None, None, false);
        for attribute in &message.attributes {
            match attribute {
                AddressAttribute::Address(of) => address = Some(*of),
                AddressAttribute::Local(of) => local = Some(*of),
                AddressAttribute::Protocol(protocol) => ours = u8::from(*protocol) == PROTOCOL,
                _ => {}
            }
        }
        let duplicate = message.header.flags.contains(AddressHeaderFlags::Dadfailed);
        if let Some(address) = local.or(address)
            && let Ok(net) = IpNet::new(address, message.header.prefix_len)
        {
            all.entry(message.header.index).or_default().push(Address { net, ours, duplicate });
        }
    }
    Ok(all)
}
