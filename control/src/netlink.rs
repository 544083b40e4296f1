//! The kernel's devices: what there is, what changes, and the two things a switch asks of them (up or down, MTU).

use crate::input::{Device, Input};
use mona_wire::Mac;
use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE.
const GROUPS: [u32; 5] = [1, 5, 7, 9, 11];
/// Link-local scope of addresses (RT_SCOPE_LINK): every interface has one, and it locks nobody out.
const SCOPE_LINK: u8 = 253;

/// The kernel's side of devices.
pub struct Netlink {
    events: Socket,
    requests: Socket,
    links: BTreeMap<u32, Device>,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    /// Subscribes; [`Netlink::refresh`] then tells what there is.
    pub fn open() -> io::Result<Netlink> {
        let mut events = Socket::new(NETLINK_ROUTE)?;
        events.bind_auto()?;
        for group in GROUPS {
            events.add_membership(group)?;
        }
        events.set_non_blocking(true)?;
        // A burst of a thousand devices must not overrun it; if it does, everything is read anew.
        let room = 4usize << 20;
        // As much as is allowed, where CAP_NET_ADMIN does not allow more.
        let _ = setsockopt(&events, RcvBufForce, &room).or_else(|_| setsockopt(&events, RcvBuf, &room));
        let mut requests = Socket::new(NETLINK_ROUTE)?;
        requests.bind_auto()?;
        requests.connect(&SocketAddr::new(0, 0))?;
        Ok(Netlink { events, requests, links: BTreeMap::new(), sequence: 0, buffer: vec![0; 1 << 18] })
    }

    /// Readable when something changed.
    pub fn fd(&self) -> RawFd {
        self.events.as_raw_fd()
    }

    /// Reads everything anew, and tells what is different from what was known.
    pub fn refresh(&mut self) -> io::Result<Vec<Input>> {
        let mut links: BTreeMap<u32, Device> = BTreeMap::new();
        for message in self.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))? {
            if let RouteNetlinkMessage::NewLink(link) = message {
                links.insert(link.header.index, device(&link));
            }
        }
        for message in self.dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()))? {
            if let RouteNetlinkMessage::NewAddress(address) = message
                && u8::from(address.header.scope) != SCOPE_LINK
                && let Some(device) = links.get_mut(&address.header.index)
            {
                device.has_address = true;
            }
        }
        for message in self.dump(RouteNetlinkMessage::GetRoute(RouteMessage::default()))? {
            if let RouteNetlinkMessage::NewRoute(route) = message
                && route.header.destination_prefix_length == 0
            {
                for attribute in &route.attributes {
                    if let RouteAttribute::Oif(index) = attribute
                        && let Some(device) = links.get_mut(index)
                    {
                        device.has_default_route = true;
                    }
                }
            }
        }
        let gone = self.links.values().filter(|old| !links.contains_key(&old.ifindex));
        let mut inputs: Vec<Input> =
            gone.map(|d| Input::DeviceGone { ifindex: d.ifindex, name: d.name.clone() }).collect();
        let changed = links.values().filter(|new| self.links.get(&new.ifindex) != Some(new));
        inputs.extend(changed.cloned().map(Input::Device));
        self.links = links;
        Ok(inputs)
    }

    /// What changed since the last call.
    pub fn events(&mut self) -> Vec<Input> {
        let mut inputs = Vec::new();
        let mut stale = false;
        loop {
            let size = match self.events.recv(&mut &mut self.buffer[..], 0) {
                Ok(size) => size,
                // Lost some: read everything anew.
                Err(e) if e.raw_os_error() == Some(nix::errno::Errno::ENOBUFS as i32) => {
                    stale = true;
                    continue;
                }
                Err(_) => break,
            };
            for message in messages(&self.buffer[..size]) {
                match message {
                    Ok(RouteNetlinkMessage::NewLink(link)) => inputs.extend(changed(&mut self.links, &link)),
                    Ok(RouteNetlinkMessage::DelLink(link)) => {
                        // A bridge says the same of a port that leaves it; that one has its family.
                        if link.header.interface_family == Default::default()
                            && let Some(old) = self.links.remove(&link.header.index)
                        {
                            inputs.push(Input::DeviceGone { ifindex: old.ifindex, name: old.name });
                        }
                    }
                    Ok(RouteNetlinkMessage::NewAddress(_) | RouteNetlinkMessage::DelAddress(_)) => stale = true,
                    Ok(RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route)) => {
                        stale |= route.header.destination_prefix_length == 0;
                    }
                    Ok(_) | Err(_) => {}
                }
            }
        }
        if stale && let Ok(more) = self.refresh() {
            inputs.extend(more);
        }
        inputs
    }

    /// A device by its name, as it was when last heard of.
    pub fn device(&self, name: &str) -> Option<&Device> {
        self.links.values().find(|device| device.name == name)
    }

    /// Sets a device up or down.
    pub fn set_up(&mut self, device: &str, up: bool) -> io::Result<()> {
        let mut link = LinkMessage::default();
        link.header.change_mask = LinkFlags::Up;
        link.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
        self.set(device, link)
    }

    /// Sets a device's MTU.
    pub fn set_mtu(&mut self, device: &str, mtu: u32) -> io::Result<()> {
        let mut link = LinkMessage::default();
        link.attributes.push(LinkAttribute::Mtu(mtu));
        self.set(device, link)
    }

    fn set(&mut self, device: &str, mut link: LinkMessage) -> io::Result<()> {
        link.header.index = self.device(device).ok_or(io::ErrorKind::NotFound)?.ifindex;
        self.send(RouteNetlinkMessage::SetLink(link), NLM_F_REQUEST | NLM_F_ACK)?;
        self.replies().map(|_| ())
    }

    fn dump(&mut self, what: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.send(what, NLM_F_REQUEST | NLM_F_DUMP)?;
        self.replies()
    }

    fn send(&mut self, what: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence += 1;
        let mut message = NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::from(what));
        message.header.flags = flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.requests.send(&bytes, 0).map(|_| ())
    }

    /// The answers up to the last: an acknowledgement or the end of a dump.
    fn replies(&mut self) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut all = Vec::new();
        loop {
            let size = self.requests.recv(&mut &mut self.buffer[..], 0)?;
            for message in payloads(&self.buffer[..size]) {
                match message {
                    NetlinkPayload::InnerMessage(inner) => all.push(inner),
                    NetlinkPayload::Done(_) => return Ok(all),
                    NetlinkPayload::Error(error) => {
                        return match error.code {
                            None => Ok(all),
                            Some(code) => Err(io::Error::from_raw_os_error(-code.get())),
                        };
                    }
                    _ => {}
                }
            }
        }
    }
}

impl AsRawFd for Netlink {
    fn as_raw_fd(&self) -> RawFd {
        self.fd()
    }
}

/// The socket of events, for poll.
pub fn borrowed(netlink: &Netlink) -> BorrowedFd<'_> {
    use std::os::fd::AsFd;
    netlink.events.as_fd()
}

fn changed(links: &mut BTreeMap<u32, Device>, link: &LinkMessage) -> Option<Input> {
    // AF_BRIDGE messages describe the port's place in the bridge, not the device.
    if link.header.interface_family != Default::default() {
        return None;
    }
    let mut new = device(link);
    let old = links.get(&new.ifindex);
    if let Some(old) = old {
        (new.has_address, new.has_default_route) = (old.has_address, old.has_default_route);
        if *old == new {
            return None;
        }
    }
    links.insert(new.ifindex, new.clone());
    Some(Input::Device(new))
}

fn device(link: &LinkMessage) -> Device {
    let flags = link.header.flags;
    let mut device = Device {
        ifindex: link.header.index,
        admin_up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp),
        ..Device::default()
    };
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => device.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => device.mtu = *mtu,
            LinkAttribute::Address(address) => device.mac = address.as_slice().try_into().ok().map(Mac),
            LinkAttribute::Controller(0) => {}
            LinkAttribute::Controller(index) => device.master = Some(*index),
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    match info {
                        LinkInfo::Kind(kind) => device.kind = kind.to_string(),
                        LinkInfo::PortKind(kind) => device.master_kind = Some(kind.to_string()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    device
}

/// Each message of a datagram; what cannot be read is an error, and the rest is read all the same.
fn messages(bytes: &[u8]) -> impl Iterator<Item = Result<RouteNetlinkMessage, ()>> + '_ {
    payloads(bytes).map(|payload| match payload {
        NetlinkPayload::InnerMessage(inner) => Ok(inner),
        _ => Err(()),
    })
}

fn payloads(bytes: &[u8]) -> impl Iterator<Item = NetlinkPayload<RouteNetlinkMessage>> + '_ {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        loop {
            // A header of 16 bytes begins with the length of the message; messages are aligned to 4.
            let length = u32::from_ne_bytes(rest.get(..4)?.try_into().ok()?) as usize;
            if length < 16 || length > rest.len() {
                return None;
            }
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&rest[..length]);
            rest = &rest[length.next_multiple_of(4).min(rest.len())..];
            if let Ok(message) = message {
                return Some(message.payload);
            }
        }
    })
}
