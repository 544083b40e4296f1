//! What workers could not finish, to the machine that resolves neighbours and makes ICMP errors; what that wants sent, to the
//! ports. The frames of the switch's own are decided about here by the datapath's own functions, and sent copy by copy.

use crate::input::Output;
use crate::rib::{Way, covering};
use crate::router::{addresses6, link_local};
use crate::switch::Switch;
use crate::trace::destination;
use ipnet::IpNet;
use mona_datapath::flow::Dep;
use mona_datapath::fragments::Fragments;
use mona_datapath::io::Offload;
use mona_datapath::offload::Leaving;
use mona_datapath::out::{Note, Told};
use mona_datapath::route::resolve;
use mona_datapath::{Drop, Recorder, own};
use mona_model::config::InterfaceConfig;
use mona_model::l3::{AdvertisedPrefix, StaticRoute};
use mona_model::names::InterfaceName;
use mona_proto::neigh::{Address, Config, In, Interface, Limits, Out, Ra, RaPrefix, Routed, Trap};
use mona_wire::ip::mapped;
use mona_wire::ip4::{self, Ip4};
use mona_wire::{Eth, Instant, PortId, VlanId};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// How often workers are asked whom they sent to: NUD's own times are of this order.
const ASK: Duration = Duration::from_secs(5);

impl Switch {
    /// The router's interfaces as the machine sees them, from now on.
    pub(crate) fn configure_neigh(&mut self, now: Instant) {
        let routers = self.state.routers.iter();
        let interfaces: BTreeMap<VlanId, Interface> = routers
            .filter_map(|(name, router)| Some((router.vlan?, self.neigh_interface(*name, router.up)?)))
            .collect();
        let mut out = Vec::new();
        self.neigh.configure(now, &Config { interfaces, limits: Limits::default() }, &mut out);
        self.do_as_neigh_says(now, out);
    }

    fn neigh_interface(&self, name: InterfaceName, up: bool) -> Option<Interface> {
        let interface = self.config.interfaces.get(&name)?;
        let (ip, ip6) = (&interface.l3.ip, &interface.l3.ipv6);
        let four = |net: ipnet::Ipv4Net| Address { ip: net.addr(), length: net.prefix_len() };
        let six = |net: ipnet::Ipv6Net| Address { ip: net.addr(), length: net.prefix_len() };
        let millis = |ms: Option<u32>, default| ms.map_or(default, |ms| Duration::from_millis(ms.into()));
        let usual = Interface::default();
        let arp = &self.config.routing.arp;
        let statics4 = arp.iter().map(|(ip, mac)| (IpAddr::V4(*ip), *mac));
        // Here are its own subnets, and those that a route without a gateway says are here. (There may be a million.)
        let is_on_link = |prefix: IpNet| match prefix {
            IpNet::V4(prefix) => {
                let line = StaticRoute { prefix, interface: Some(name), gateway: None };
                self.config.routing.routes.contains_key(&line)
            }
            IpNet::V6(_) => false,
        };
        let is_own = |ip: &IpAddr| matches!(ip, IpAddr::V4(ip) if interface.l3.ips().any(|net| net.contains(ip)));
        let statics4 = statics4.filter(|(ip, _)| is_own(ip) || covering(*ip).any(is_on_link));
        let statics6 = self.config.routing.neighbors.iter().filter(|((other, _), _)| *other == name);
        Some(Interface {
            name: name.to_string(),
            up,
            mac: self.state.mac,
            v4: self.config.ips(interface).map(four).collect(),
            v6: addresses6(&interface.l3, self.state.mac).map(six).collect(),
            link_local: link_local(&interface.l3, self.state.mac),
            arp_timeout: ip.arp_timeout.map_or(usual.arp_timeout, |secs| Duration::from_secs(secs.into())),
            proxy_arp: ip.proxy_arp && self.config.routing.ip,
            redirects: ip.redirects,
            unreachables: ip.unreachables,
            redirects6: ip6.redirects,
            unreachables6: ip6.unreachables,
            reachable: millis(ip6.nd.reachable_ms.filter(|ms| *ms > 0), usual.reachable),
            retransmit: millis(ip6.nd.ns_interval_ms, usual.retransmit),
            ra: self.advertisements(interface),
            statics: statics4.chain(statics6.map(|((_, ip), mac)| (IpAddr::V6(*ip), *mac))).collect(),
            ..usual
        })
    }

    /// Router advertisements, where IPv6 is routed.
    fn advertisements(&self, interface: &InterfaceConfig) -> Option<Ra> {
        let (l3, nd) = (&interface.l3, &interface.l3.ipv6.nd);
        if !self.config.routing.ipv6 || !l3.has_ip6() {
            return None;
        }
        let usual = Ra::default();
        let interval = nd.interval.map_or(usual.interval, |secs| Duration::from_secs(secs.into()));
        let millis = |ms: Option<u32>| ms.map_or(Duration::ZERO, |ms| Duration::from_millis(ms.into()));
        let seconds = |secs: u32| match secs {
            u32::MAX => Duration::MAX,
            secs => Duration::from_secs(secs.into()),
        };
        let own: BTreeMap<_, _> = addresses6(l3, self.state.mac).map(|net| (net.trunc(), None)).collect();
        let said = nd.prefixes.iter().map(|(net, how)| (*net, Some(*how)));
        let prefixes = own.into_iter().chain(said).collect::<BTreeMap<_, _>>();
        let prefix = |(net, how): (ipnet::Ipv6Net, Option<AdvertisedPrefix>)| {
            let usual = RaPrefix::of(Address { ip: net.addr(), length: net.prefix_len() });
            match how {
                None => Some(usual),
                Some(AdvertisedPrefix::Hidden) => None,
                Some(AdvertisedPrefix::Shown { valid, preferred, autoconfig }) => Some(RaPrefix {
                    valid: seconds(valid),
                    preferred: seconds(preferred),
                    autonomous: autoconfig,
                    ..usual
                }),
            }
        };
        Some(Ra {
            suppress: nd.suppress,
            interval,
            interval_min: interval.mul_f64(0.75),
            lifetime: nd.lifetime.map_or(usual.lifetime, |secs| Duration::from_secs(secs.into())),
            managed: nd.managed,
            other: nd.other,
            mtu: Some(l3.ipv6.mtu.or(interface.mtu).unwrap_or(1500).into()),
            reachable: millis(nd.reachable_ms),
            retransmit: millis(nd.ns_interval_ms),
            prefixes: prefixes.into_iter().filter_map(prefix).collect(),
            ..usual
        })
    }

    /// A frame that workers show.
    pub(crate) fn exception(&mut self, now: Instant, port: PortId, vlan: VlanId, why: Told, frame: &[u8]) {
        if self.snapshot.port(port).is_none() {
            return;
        }
        if why == Told::Neighbour {
            return self.tell_neigh(now, In::Heard { vlan, frame });
        }
        // What was decided is told by deciding it once more, by what is known now.
        let record = Recorder::trace(&self.snapshot, port, frame, &Offload::default());
        let next_hop = record.notes.iter().rev().find_map(|note| match note {
            Note::NextHop(vlan, ip) => Some((*vlan, *ip)),
            _ => None,
        });
        let why = match why {
            Told::Neighbour | Told::Listed { .. } => return,
            Told::Redirect => next_hop.map(|(_, next_hop)| Trap::Redirect { next_hop }),
            Told::Dropped(Drop::Unresolved) if record.dropped.is_none() => {
                // He was resolved meanwhile.
                return self.send(frame, &record);
            }
            Told::Dropped(Drop::Unresolved) => next_hop.map(|(vlan, next_hop)| Trap::Unresolved { vlan, next_hop }),
            Told::Dropped(Drop::Ttl) => Some(Trap::TtlExceeded),
            Told::Dropped(Drop::LpmMiss4 | Drop::LpmMiss6) => Some(Trap::NoRoute),
            Told::Dropped(Drop::Reject) => Some(Trap::Rejected),
            Told::Dropped(Drop::AclIn | Drop::AclOut | Drop::Prohibit) => Some(Trap::Prohibited),
            Told::Dropped(Drop::Rpf) => Some(Trap::SourcePolicy),
            Told::Dropped(Drop::OptionMalformed) => {
                let packet = Eth::parse(frame).map(|eth| &frame[eth.len()..]).unwrap_or_default();
                let header = Ip4::parse(packet).map_or(&[][..], |ip| &packet[..ip.header]);
                let wrong = ip4::options(header).find_map(Result::err);
                wrong.map(|at| Trap::ParameterProblem { pointer: at as u16 })
            }
            Told::Dropped(Drop::SourceIpLinkLocal) => Some(Trap::BeyondScope),
            Told::Dropped(Drop::Mtu) => next_hop.and_then(|(vlan, next_hop)| {
                let router = self.snapshot.vlan(vlan)?.router.as_ref()?;
                Some(Trap::TooBig { mtu: if next_hop.is_ipv4() { router.mtu4 } else { router.mtu6 } })
            }),
            Told::Dropped(_) => None,
        };
        if let Some(why) = why {
            self.tell_neigh(now, In::Trap { vlan, port, why, frame });
        }
    }

    /// Workers sent to these since they were asked last.
    pub(crate) fn neighbours_used(&mut self, now: Instant, used: &[(VlanId, IpAddr)]) {
        self.tell_neigh(now, In::Used(used));
    }

    /// Time passed for the machine, and for the stamps of neighbours.
    pub(crate) fn expire_neigh(&mut self, now: Instant) {
        if self.neigh.deadline().is_some_and(|at| at <= now) {
            let mut out = Vec::new();
            self.neigh.expire(now, &mut out);
            self.do_as_neigh_says(now, out);
        }
        if self.next_ask.is_some_and(|at| at <= now) {
            self.outputs.push(Output::ScanNeighbours);
            self.keep_known(now);
            self.next_ask = (!self.snapshot.routing.neighbours.is_empty()).then(|| now + ASK);
        }
    }

    /// When [`Switch::expire_neigh`] has something to do.
    pub(crate) fn neigh_deadline(&self) -> Option<Instant> {
        [self.neigh.deadline(), self.next_ask].into_iter().flatten().min()
    }

    pub(crate) fn tell_neigh(&mut self, now: Instant, input: In) {
        let (rib, routers) = (&self.routes.rib, &self.state.routers);
        let reachable = |ip: IpAddr| match &rib.longest(ip)?.1.way {
            Way::Paths(paths) => {
                let path = paths.first()?;
                Some(Routed { vlan: routers.get(&path.interface)?.vlan?, direct: path.gateway.is_none() })
            }
            _ => None,
        };
        let mut out = Vec::new();
        self.neigh.input(now, input, &reachable, &mut out);
        self.do_as_neigh_says(now, out);
    }

    fn do_as_neigh_says(&mut self, now: Instant, out: Vec<Out>) {
        for out in out {
            match out {
                Out::Send { vlan, frame } => self.send_in(vlan, &frame),
                Out::Route { vlan, frame } => self.send_routed(now, vlan, frame),
                // One of the switch's own came from no port.
                Out::Again { vlan, port: PortId::SELF, frame } => self.send_routed(now, vlan, frame),
                Out::Again { port, frame, .. } => {
                    let record = Recorder::trace(&self.snapshot, port, &frame, &Offload::default());
                    self.send(&frame, &record);
                }
                Out::Add { vlan, ip, mac } => {
                    // A full table leaves him unresolved: his frames are told again, and the machine bounds itself below.
                    let neighbours = &self.snapshot.routing.neighbours;
                    if neighbours.lookup(vlan, mapped(ip)).is_some_and(|known| known.mac != mac) {
                        self.changes.add(Dep::Neighbour(vlan, mapped(ip)));
                    }
                    let _ = neighbours.insert(vlan, ip, mac);
                    self.known.changed = true;
                    self.next_ask.get_or_insert(now + ASK);
                }
                Out::Remove { vlan, ip } => {
                    self.snapshot.routing.neighbours.remove(vlan, ip);
                    self.changes.add(Dep::Neighbour(vlan, mapped(ip)));
                    self.known.changed = true;
                    self.next_ask.get_or_insert(now + ASK);
                }
                Out::Log { tag, text } => self.log.add(now, tag, &text),
            }
        }
    }

    /// Bridges an untagged frame of the switch's own into a VLAN.
    fn send_in(&mut self, vlan: VlanId, frame: &[u8]) {
        let copies = own::copies(&self.snapshot, vlan, frame);
        self.outputs.extend(copies.into_iter().map(|(port, frame)| Output::Inject { port, frame }));
    }

    /// Sends a packet of the router's own where its route leads; in a frame that comes from the interface in `vlan`.
    fn send_routed(&mut self, now: Instant, vlan: VlanId, mut frame: Vec<u8>) {
        let Some(destination) = destination(&frame) else { return };
        match resolve(&self.snapshot, destination, 0) {
            Ok((out, _, Some(mac))) => {
                frame[..6].copy_from_slice(&mac.0);
                frame[6..12].copy_from_slice(&self.state.mac.0);
                self.send_in(out, &frame);
            }
            Ok((out, next_hop, None)) => {
                let why = Trap::Unresolved { vlan: out, next_hop };
                self.tell_neigh(now, In::Trap { vlan, port: PortId::SELF, why, frame: &frame });
            }
            // No way back: nobody is told.
            Err(_) => {}
        }
    }

    /// Sends the copies that were decided.
    fn send(&mut self, frame: &[u8], record: &Recorder) {
        let mut bytes = frame.to_vec();
        let mut fragment = 0;
        if let Some((_, rewrite)) = &record.rewrite {
            rewrite.apply(&mut bytes);
            bytes.truncate(rewrite.len as usize);
            fragment = rewrite.fragment;
        }
        let parts = match fragment {
            0 => vec![bytes],
            mtu => Fragments::of(&bytes, mtu).map(|fragments| written(&fragments)).unwrap_or_default(),
        };
        for (port, tag) in record.sends.iter().filter(|(port, _)| *port != PortId::SELF) {
            for part in &parts {
                let Ok(leaving) = Leaving::new(part, &Offload::default(), *tag) else { continue };
                let mut frame = vec![0; leaving.len()];
                if leaving.write(&mut frame).is_some() {
                    self.outputs.push(Output::Inject { port: *port, frame });
                }
            }
        }
    }
}

fn written(fragments: &Fragments) -> Vec<Vec<u8>> {
    let write = |index| {
        let mut bytes = vec![0; usize::from(u16::MAX)];
        let length = fragments.write(index, &mut bytes)?;
        bytes.truncate(length);
        Some(bytes)
    };
    (0..fragments.count()).filter_map(write).collect()
}
