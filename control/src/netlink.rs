//! The kernel as the switch knows it: its netdevs and what changes at them, the switch's own ones among them (`host.rs`), and
//! the routes that others entered by those (`import.rs`).

use crate::host::Host;
use crate::import::Import;
use crate::input::{Device, HostPlan, Input};
use crate::request::{HEADER, Requests, messages, parse};
use crate::rtmsg::{INET, RTM_DELROUTE, RTM_NEWROUTE, attributes, half, word};
use mona_wire::Mac;
use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io};

/// RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_NETCONF,
/// RTNLGRP_IPV6_NETCONF, RTNLGRP_NEXTHOP.
const GROUPS: [u32; 8] = [1, 5, 7, 9, 11, 24, 25, 32];
/// A routing daemon that converges says 300,000 things a second, each of which takes a kilobyte: as much as comes while
/// control is busy for a fifth of a second. If more comes, everything is read anew.
const BUFFER: usize = 64 << 20;
/// Link-local scope of addresses (RT_SCOPE_LINK): every interface has one, and it locks nobody out.
const SCOPE_LINK: u8 = 253;
/// Messages taken in one turn, and routes told: lines and stations wait no longer than these take.
const TURN: usize = 16_384;
/// Between two times that everything is read anew, or that what others changed is changed back.
const PAUSE: Duration = Duration::from_secs(1);

// Message types.
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWNETCONF: u16 = 80;
const RTM_NEWNEXTHOP: u16 = 104;
const RTM_DELNEXTHOP: u16 = 105;
/// NLM_F_DUMP_INTR: something changed while it was dumped.
const INTERRUPTED: u16 = 0x10;

/// The kernel's side of devices, addresses and routes.
pub struct Netlink {
    events: Socket,
    /// The number by which the answers to dumps are told from events.
    port: u32,
    requests: Requests,
    devices: BTreeMap<u32, Device>,
    host: Host,
    import: Import,
    next_dump: Instant,
    /// Devices are to be read anew.
    stale: bool,
    /// What Linux has may not be what was planned.
    amiss: bool,
    next_repair: Instant,
    /// There may be more events than were taken.
    more: bool,
    buffer: Vec<u8>,
}

impl Netlink {
    /// Subscribes for the switch of this name; [`Netlink::refresh`] then tells what there is.
    pub fn open(name: &str) -> io::Result<Netlink> {
        let mut events = Socket::new(NETLINK_ROUTE)?;
        let port = events.bind_auto()?.port_number();
        for group in GROUPS {
            events.add_membership(group)?;
        }
        events.set_non_blocking(true)?;
        // Dumps are of the main table alone.
        events.set_netlink_get_strict_chk(true)?;
        // Beyond the limit needs CAP_NET_ADMIN of the whole system.
        let _ = setsockopt(&events, sockopt::RcvBufForce, &BUFFER)
            .or_else(|_| setsockopt(&events, sockopt::RcvBuf, &BUFFER));
        Ok(Netlink {
            events,
            port,
            requests: Requests::open()?,
            devices: BTreeMap::new(),
            host: Host::new(name),
            import: Import::default(),
            next_dump: Instant::now(),
            stale: false,
            amiss: false,
            next_repair: Instant::now(),
            more: false,
            buffer: vec![0; 1 << 18],
        })
    }

    /// What on this host keeps routes from being seen, a sentence.
    pub fn warning(&self) -> Option<String> {
        let mode = fs::read_to_string("/proc/sys/net/ipv4/nexthop_compat_mode").ok()?;
        (mode.trim() == "0").then(|| {
            "routes of FRR are not seen: sysctl -w net.ipv4.nexthop_compat_mode=1, then restart FRR".to_string()
        })
    }

    /// Reads everything, and tells what devices there are. Waits until it is done.
    pub fn refresh(&mut self) -> io::Result<Vec<Input>> {
        self.import.set_netdevs(self.host.netdevs(&mut self.requests)?);
        self.import.doubt();
        self.begin_dump()?;
        let mut inputs = Vec::new();
        while self.import.is_busy() {
            let mut fds = [PollFd::new(self.events.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::NONE)?;
            self.take(&mut inputs);
        }
        // Those are older than what is read now.
        inputs.clear();
        self.devices.clear();
        self.stale = false;
        inputs.extend(self.read_devices()?);
        Ok(inputs)
    }

    /// Reads the devices anew, and tells what is different from what was known.
    fn read_devices(&mut self) -> io::Result<Vec<Input>> {
        let mut devices: BTreeMap<u32, Device> = BTreeMap::new();
        for message in self.requests.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))? {
            if let RouteNetlinkMessage::NewLink(link) = message {
                devices.insert(link.header.index, device(&link));
            }
        }
        for message in self.requests.dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()))? {
            if let RouteNetlinkMessage::NewAddress(address) = message
                && u8::from(address.header.scope) != SCOPE_LINK
                && let Some(device) = devices.get_mut(&address.header.index)
            {
                device.has_address = true;
            }
        }
        let defaults = self.import.defaults();
        devices.iter_mut().for_each(|(index, device)| device.has_default_route = defaults.contains(index));
        let gone = self.devices.values().filter(|old| !devices.contains_key(&old.ifindex));
        let mut inputs: Vec<Input> =
            gone.map(|d| Input::DeviceGone { ifindex: d.ifindex, name: d.name.clone() }).collect();
        let changed = devices.values().filter(|new| self.devices.get(&new.ifindex) != Some(new));
        inputs.extend(changed.cloned().map(Input::Device));
        self.devices = devices;
        Ok(inputs)
    }

    /// What changed since the last call.
    pub fn events(&mut self) -> Vec<Input> {
        let mut inputs = Vec::new();
        self.take(&mut inputs);
        if self.import.have_defaults_changed() {
            let defaults = self.import.defaults();
            for device in self.devices.values_mut() {
                let now = defaults.contains(&device.ifindex);
                if std::mem::replace(&mut device.has_default_route, now) != now {
                    inputs.push(Input::Device(device.clone()));
                }
            }
        }
        if std::mem::take(&mut self.stale)
            && let Ok(more) = self.read_devices()
        {
            inputs.extend(more);
        }
        if self.import.is_due() && self.next_dump <= Instant::now() {
            // If it cannot be asked for now it is in the next turn.
            let _ = self.begin_dump();
        }
        let routes = self.import.news(TURN);
        if !routes.is_empty() {
            inputs.push(Input::Routes(routes));
        }
        inputs
    }

    /// Are there routes that were not told yet?
    pub fn has_news(&self) -> bool {
        self.import.has_news()
    }

    /// Is there something to do without anything happening, and when?
    pub fn due(&self) -> Option<Instant> {
        let giving = self.host.is_giving() && !self.import.is_busy();
        let now = (self.more || self.import.has_news() || giving).then(Instant::now);
        let dump = self.import.is_due().then_some(self.next_dump);
        let repair = self.amiss.then_some(self.next_repair);
        [now, dump, repair].into_iter().flatten().min()
    }

    /// The switch's own netdevs, their addresses and its routes are to be so. What cannot be is said, each thing once.
    pub fn plan(&mut self, plan: Arc<HostPlan>) -> Vec<String> {
        if self.host.plan(plan) { self.follow() } else { Vec::new() }
    }

    /// Puts right what others changed at what was planned.
    pub fn tend(&mut self) -> Vec<String> {
        let amiss = self.amiss && self.next_repair <= Instant::now();
        if amiss {
            self.host.doubt_routes();
        }
        let mut wrong = if amiss || self.host.is_due() { self.follow() } else { Vec::new() };
        // Compared with what there is, all of which must have been heard.
        if self.host.is_giving() && !self.import.is_busy() && !self.more {
            match self.host.give(&mut self.requests, |prefix| self.import.own(prefix)) {
                Ok(Some(more)) => {
                    wrong.extend(more);
                    self.next_repair = Instant::now() + PAUSE;
                }
                Ok(None) => {}
                Err(e) => {
                    // What came of them is not known: they are compared again.
                    (self.amiss, self.next_repair) = (true, Instant::now() + PAUSE);
                    wrong.push(format!("netlink: {e}: the switch's own routes may not be in Linux"));
                }
            }
        }
        wrong
    }

    fn follow(&mut self) -> Vec<String> {
        self.amiss = false;
        match self.host.follow(&mut self.requests) {
            Ok(followed) => {
                self.import.set_netdevs(followed.netdevs);
                if followed.changed {
                    self.next_repair = Instant::now() + PAUSE;
                }
                followed.wrong
            }
            Err(e) => vec![format!("netlink: {e}: the switch's own netdevs may not be as configured")],
        }
    }

    /// Takes what the socket of events has, up to a turn.
    fn take(&mut self, inputs: &mut Vec<Input>) {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.more = false;
        let mut taken = 0;
        loop {
            match self.events.recv(&mut &mut buffer[..], 0) {
                Ok(size) => {
                    for message in messages(&buffer[..size]) {
                        self.heard(message, inputs);
                        taken += 1;
                    }
                }
                // Lost some: read everything anew.
                Err(e) if e.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                    self.import.doubt();
                    (self.stale, self.amiss) = (true, true);
                }
                Err(_) => break,
            }
            if taken >= TURN {
                self.more = true;
                break;
            }
        }
        self.buffer = buffer;
    }

    fn heard(&mut self, message: &[u8], inputs: &mut Vec<Input>) {
        // Of a whole header there are all of these.
        let (kind, flags) = (half(&message[4..]).unwrap_or(0), half(&message[6..]).unwrap_or(0));
        let dumped = word(&message[12..]) == Some(self.port);
        match kind {
            RTM_NEWROUTE | RTM_DELROUTE => {
                if dumped && flags & INTERRUPTED != 0 {
                    self.import.doubt();
                }
                // Somebody else may have taken one of ours away.
                let by_us = word(&message[12..]) == Some(self.requests.port());
                self.amiss |= self.import.take(message, dumped) && kind == RTM_DELROUTE && !by_us;
            }
            NLMSG_DONE | NLMSG_ERROR if dumped => {
                let code = message.get(HEADER..).and_then(word).unwrap_or(0) as i32;
                // A table that never had a route does not exist: it is empty.
                if code != 0 && code != -(Errno::ENOENT as i32) {
                    self.import.abandon();
                } else if let Some(next) = self.import.dumped() {
                    if self.events.send(&next, 0).is_err() {
                        self.import.abandon();
                    }
                } else {
                    self.amiss = true;
                }
                self.next_dump = Instant::now() + PAUSE;
            }
            RTM_NEWNEXTHOP | RTM_DELNEXTHOP => {
                // struct nhmsg is 8 bytes long; NHA_ID is 1.
                let body = message.get(HEADER + 8..).unwrap_or_default();
                let id = attributes(body).find(|(kind, _)| *kind == 1).and_then(|(_, value)| word(value));
                id.into_iter().for_each(|id| self.import.object(id));
            }
            RTM_NEWNETCONF => self.netconf(message),
            _ => {
                if let Some(NetlinkPayload::InnerMessage(message)) = parse(message).map(|message| message.payload) {
                    self.device_heard(&message, inputs);
                }
            }
        }
    }

    fn device_heard(&mut self, message: &RouteNetlinkMessage, inputs: &mut Vec<Input>) {
        match message {
            // AF_BRIDGE messages describe the port's place in the bridge, not the device.
            RouteNetlinkMessage::NewLink(link) | RouteNetlinkMessage::DelLink(link)
                if link.header.interface_family != Default::default() => {}
            RouteNetlinkMessage::NewLink(link) => {
                let mut new = device(link);
                let old = self.devices.get(&new.ifindex);
                if let Some(old) = old {
                    (new.has_address, new.has_default_route) = (old.has_address, old.has_default_route);
                    if self.import.netdevs().contains_key(&new.ifindex) && old.admin_up != new.admin_up {
                        self.import.flapped(new.ifindex, new.admin_up);
                    }
                    if *old == new {
                        return;
                    }
                }
                self.amiss |= self.host.is_planned(&new.name) || old.is_some_and(|old| self.host.is_planned(&old.name));
                self.devices.insert(new.ifindex, new.clone());
                inputs.push(Input::Device(new));
            }
            RouteNetlinkMessage::DelLink(link) => {
                if let Some(old) = self.devices.remove(&link.header.index) {
                    self.amiss |= self.host.is_planned(&old.name);
                    inputs.push(Input::DeviceGone { ifindex: old.ifindex, name: old.name });
                }
            }
            RouteNetlinkMessage::NewAddress(address) => self.address(address.header.index),
            RouteNetlinkMessage::DelAddress(address) => {
                self.address(address.header.index);
                if address.header.family == AddressFamily::Inet {
                    self.import.lost_address(address.header.index);
                }
            }
            _ => {}
        }
    }

    /// A netdev's addresses are others.
    fn address(&mut self, index: u32) {
        self.stale = true;
        self.amiss |= self.import.netdevs().contains_key(&index);
    }

    /// Setting `ip_forward` on a host sets it at all its netdevs; ours do not forward.
    fn netconf(&mut self, message: &[u8]) {
        // struct netconfmsg: the family. NETCONFA_IFINDEX is 1, NETCONFA_FORWARDING 2.
        let body = message.get(HEADER + 4..).unwrap_or_default();
        let of = |wanted| attributes(body).find(|(kind, _)| *kind == wanted).and_then(|(_, value)| word(value));
        let (Some(index), Some(forwarding)) = (of(1), of(2)) else { return };
        let right = u32::from(message.get(HEADER) != Some(&INET));
        if self.import.netdevs().contains_key(&index) && forwarding != right {
            self.host.doubt(index);
            self.amiss = true;
        }
    }

    fn begin_dump(&mut self) -> io::Result<()> {
        let request = self.import.begin();
        self.events.send(&request, 0).map(drop).inspect_err(|_| self.import.abandon())
    }
}

/// The socket of events, for poll.
pub fn borrowed(netlink: &Netlink) -> BorrowedFd<'_> {
    netlink.events.as_fd()
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
