//! `packet-tracer`: the real `forward()` with the recorder, each decision with the configuration lines behind it.

use crate::acl;
use crate::switch::Switch;
use mona_datapath::Drop;
use mona_datapath::acl::{Family, Stage};
use mona_datapath::hops::Hop;
use mona_datapath::io::Offload;
use mona_datapath::out::{Classified, Flood, NotLearned, Note, ToHost};
use mona_datapath::recorder::Recorder;
use mona_model::config::SwitchportMode;
use mona_model::names::InterfaceName;
use mona_model::shown::{Trace, TraceStep};
use mona_model::sources::{Setting, sources};
use mona_wire::ip4::Ip4;
use mona_wire::ip6::Ip6;
use mona_wire::{Eth, PortId, VlanId, eth};
use std::net::IpAddr;

/// Follows a frame that would come in by `interface`.
pub(crate) fn trace(switch: &Switch, interface: InterfaceName, frame: &[u8]) -> Result<Trace, String> {
    let port = switch.state.ports.get(&interface).ok_or_else(|| {
        let config = switch.config.interfaces.get(&interface);
        let why = config.map_or("there is no such interface".into(), |c| {
            switch.state.line(interface, c).err().unwrap_or_else(|| "it is not open".into())
        });
        format!("{interface} has no port: {why}")
    })?;
    let record = Recorder::trace(&switch.snapshot, port.id, frame, &Offload::default());
    let next = record.notes.iter().find_map(|note| match note {
        Note::NextHop(vlan, address) => Some((*vlan, *address)),
        _ => None,
    });
    let tracer = Tracer { switch, interface, vlan: record.vlan, to: destination(frame), next };
    let mut steps = vec![TraceStep {
        phase: "input".into(),
        text: format!("{} bytes come in by {interface} ({})", frame.len(), port.device),
        config: cite(&format!("interface {interface}"), &format!(" device {}", port.device)),
    }];
    steps.extend(record.notes.iter().map(|note| tracer.step(note)));
    if let Some(drop) = record.dropped {
        steps.push(TraceStep { phase: "drop".into(), text: drop.why().into(), config: tracer.behind(drop, interface) });
    }
    let out = record.sends.iter().filter_map(|(id, tag)| {
        let name = switch.state.interface_of(*id)?;
        Some((name, tag.map(|tag| tag.vid())))
    });
    let out: Vec<_> = out.collect();
    if record.sends.iter().any(|(id, _)| *id == PortId::SELF) {
        steps.push(TraceStep {
            phase: "egress".into(),
            text: "to the switch itself: a reserved address is never relayed".into(),
            config: Vec::new(),
        });
    }
    for (name, vid) in &out {
        let (text, setting) = match vid {
            Some(vid) => (format!("leaves by {name} with tag {vid}"), Setting::AllowedVlans),
            None if tracer.is_trunk(*name) => {
                (format!("leaves by {name} without a tag: native VLAN"), Setting::NativeVlan)
            }
            None => (format!("leaves by {name} without a tag"), Setting::AccessVlan),
        };
        let config = match tracer.is_routed(*name) {
            true => Vec::new(),
            false => sources(&switch.config, *name, setting),
        };
        steps.push(TraceStep { phase: "egress".into(), text, config });
    }
    let of_router = |id: &PortId| switch.state.routers.iter().find(|(_, router)| router.is_port(*id));
    let host: Vec<_> = record.sends.iter().filter_map(|(id, _)| Some(of_router(id)?.1.netdev.clone())).collect();
    for netdev in &host {
        let text = format!("to the switch's own netdev {netdev}: Linux has it");
        steps.push(TraceStep { phase: "egress".into(), text, config: Vec::new() });
    }
    steps.push(switch.would_remember(port.id, frame));
    Ok(Trace { steps, out, host, drop: record.dropped.map(|drop| drop.name().into()) })
}

struct Tracer<'a> {
    switch: &'a Switch,
    interface: InterfaceName,
    vlan: Option<VlanId>,
    /// The destination of the packet in it.
    to: Option<IpAddr>,
    /// The next hop that was chosen, and the VLAN it is in.
    next: Option<(VlanId, IpAddr)>,
}

impl Tracer<'_> {
    fn step(&self, note: &Note) -> TraceStep {
        let config = &self.switch.config;
        let (phase, text, lines) = match note {
            Note::Classified(vlan, how) if self.is_routed(self.interface) => {
                let how = if *how == Classified::Tag { "by its tag" } else { "untagged" };
                let lines = self.switch.lines_at(*vlan, &["no switchport", "encapsulation"]);
                ("classify", format!("{} of the router, {how}", self.switch.router_name(*vlan)), lines)
            }
            Note::Classified(vlan, how) => {
                let (how, setting) = match (how, self.is_trunk(self.interface)) {
                    (Classified::Tag, _) => ("by its tag", Setting::AllowedVlans),
                    (Classified::Untagged, true) => ("untagged: the native VLAN", Setting::NativeVlan),
                    (Classified::Untagged, false) => ("untagged: the access VLAN", Setting::AccessVlan),
                    (Classified::PriorityTag, true) => ("priority-tagged: the native VLAN", Setting::NativeVlan),
                    (Classified::PriorityTag, false) => ("priority-tagged: the access VLAN", Setting::AccessVlan),
                };
                let name = config.vlan_name(*vlan);
                ("classify", format!("VLAN {vlan} ({name}), {how}"), sources(config, self.interface, setting))
            }
            Note::Known => ("learn", "the source is known on this port".into(), Vec::new()),
            Note::NotLearned(NotLearned::Port) if self.is_routed(self.interface) => {
                ("learn", "a routed port learns nobody".into(), Vec::new())
            }
            Note::NotLearned(NotLearned::Port) => {
                let lines = sources(config, self.interface, Setting::Learning);
                ("learn", "the source is not learned: learning is off on this port".into(), lines)
            }
            Note::NotLearned(NotLearned::Vlan) => {
                let lines = self.vlan.map(|v| vec![format!("no mac address-table learning vlan {v}")]);
                ("learn", "the source is not learned: learning is off in this VLAN".into(), lines.unwrap_or_default())
            }
            Note::NotLearned(NotLearned::Static) => {
                ("learn", "the source is a static address of another port: it does not move".into(), Vec::new())
            }
            Note::Learn(None) => ("learn", "the source will be learned on this port".into(), Vec::new()),
            Note::Learn(Some(from)) => {
                ("learn", format!("the source will move here from {}", self.port_name(*from)), Vec::new())
            }
            Note::Station(port, is_static) => {
                let name = self.port_name(*port);
                match is_static {
                    true => {
                        ("lookup", format!("the destination is a static address of {name}"), self.static_lines(*port))
                    }
                    false => ("lookup", format!("the destination was learned on {name}"), Vec::new()),
                }
            }
            Note::Flood(Flood::UnknownUnicast) if self.next.is_some_and(|(vlan, _)| vlan.is_internal()) => {
                let name = self.next.map(|(vlan, _)| self.switch.router_name(vlan)).unwrap_or_default();
                ("lookup", format!("by the only port of {name}"), Vec::new())
            }
            Note::Flood(flood) => {
                let what = match flood {
                    Flood::UnknownUnicast => "the destination is unknown",
                    Flood::Multicast => "the destination is a group",
                    Flood::Broadcast => "the destination is everybody",
                };
                ("lookup", format!("{what}: to every other port of the VLAN"), Vec::new())
            }
            Note::Routed => ("route", "the destination is the router".into(), Vec::new()),
            Note::ToHost(why) => {
                let why = match why {
                    ToHost::NotIp => "it is no IP packet",
                    ToHost::NotRouting => "the interface does not route it",
                    ToHost::Address => "its destination is an address of the router",
                    ToHost::LinkScope => "its destination is of link scope",
                };
                ("route", format!("to the switch's own netdev: {why}"), Vec::new())
            }
            Note::Verified => ("route", "the source is reachable".into(), self.verified()),
            Note::Leaf(leaf) => {
                let (prefix, lines) = self.to.map(|to| self.switch.route_behind(to)).unwrap_or_default();
                let hop = self.switch.snapshot.routing.hops.hop(*leaf);
                let hop = hop.map_or("it is gone".into(), |hop| self.hop_text(&hop));
                ("route", format!("{prefix}: {hop}"), lines)
            }
            Note::NextHop(vlan, address) => {
                ("route", format!("the next hop is {address} by {}", self.switch.router_name(*vlan)), Vec::new())
            }
            Note::Neighbour(mac) => {
                let lines = self.next.map(|(vlan, address)| self.switch.neighbour_behind(vlan, address));
                ("rewrite", format!("to {mac}, one hop less to live"), lines.unwrap_or_default())
            }
            Note::Fragmented(size) => ("rewrite", format!("in fragments of at most {size} bytes"), self.leaving_mtu()),
            Note::Listed { stage, family, slot, permit } => {
                let (text, lines) = self.listed(*stage, *family, *slot, *permit);
                ("access", text, lines)
            }
            Note::Skipped(port, why) => {
                let name = self.switch.state.interface_of(*port);
                let lines = name.map(|name| self.behind(*why, name)).unwrap_or_default();
                ("egress", format!("not by {}: {}", self.port_name(*port), why.why()), lines)
            }
        };
        TraceStep { phase: phase.into(), text, config: lines }
    }

    /// What an access list says, the line that uses it and the line that decided.
    fn listed(&self, stage: Stage, family: Family, slot: Option<u32>, permit: bool) -> (String, Vec<String>) {
        let (config, state) = (&self.switch.config, &self.switch.state);
        let (at, inward) = match stage {
            Stage::PortIn(port) => (state.interface_of(port), true),
            Stage::PortOut(port) => (state.interface_of(port), false),
            Stage::RouterIn(vlan) => (state.router_in(vlan), true),
            Stage::RouterOut(vlan) => (state.router_in(vlan), false),
        };
        let interface = at.and_then(|name| config.interfaces.get(&name)).map(|interface| &interface.filters);
        let ways = interface.map(|filters| match family {
            Family::Ip4 => &filters.ip,
            Family::Ip6 => &filters.ipv6,
            Family::Mac => &filters.mac,
        });
        let list = ways.and_then(|ways| if inward { ways.inward.as_ref() } else { ways.outward.as_ref() });
        let (Some(at), Some(list)) = (at, list) else { return ("an access list decides".into(), Vec::new()) };
        let way = if inward { "in by" } else { "out by" };
        let says = if permit { "permits" } else { "denies" };
        let bound = format!(" {} {list} {}", acl::command(family), if inward { "in" } else { "out" });
        let mut lines = cite(&format!("interface {at}"), &bound);
        match slot.and_then(|slot| state.lists.line(slot)) {
            Some((name, entry)) => {
                lines.extend(acl::cite(config, name, entry));
                (format!("{way} {at}: access list {list} {says} it"), lines)
            }
            None if permit => (format!("{way} {at}: neighbour discovery passes access list {list}"), lines),
            None => (format!("{way} {at}: no line of access list {list} permits it"), lines),
        }
    }

    /// The configuration behind a reason not to send, at this interface.
    fn behind(&self, drop: Drop, at: InterfaceName) -> Vec<String> {
        let setting = match drop {
            Drop::Isolated => Setting::Protected,
            Drop::UnknownUnicastBlocked => Setting::BlockUnicast,
            Drop::UnknownMulticastBlocked => Setting::BlockMulticast,
            Drop::Oversize => Setting::Mtu,
            Drop::PortDown => Setting::Shutdown,
            Drop::TagMismatch if self.is_trunk(at) => return vec!["vlan dot1q tag native".into()],
            Drop::TagMismatch => Setting::Mode,
            Drop::IngressVlanFilter | Drop::EgressVlanFilter if self.is_trunk(at) => Setting::AllowedVlans,
            Drop::IngressVlanFilter | Drop::EgressVlanFilter => Setting::AccessVlan,
            Drop::Rpf => return self.verified(),
            Drop::Mtu => return self.leaving_mtu(),
            _ => return Vec::new(),
        };
        sources(&self.switch.config, at, setting)
    }

    /// What reverse path forwarding asks where the packet came in.
    fn verified(&self) -> Vec<String> {
        let words = if self.to.is_some_and(|to| to.is_ipv6()) { "ipv6 verify" } else { "ip verify" };
        self.vlan.map(|vlan| self.switch.lines_at(vlan, &[words])).unwrap_or_default()
    }

    /// What the packet may be as large as where it leaves.
    fn leaving_mtu(&self) -> Vec<String> {
        let own = if self.to.is_some_and(|to| to.is_ipv6()) { "ipv6 mtu" } else { "ip mtu" };
        self.next.map(|(vlan, _)| self.switch.lines_at(vlan, &[own])).unwrap_or_default()
    }

    fn hop_text(&self, hop: &Hop) -> String {
        match hop {
            Hop::Local => "an address of the router".into(),
            Hop::Drop(why) => why.why().into(),
            Hop::Broadcast(vlan) => format!("all of the subnet of {}", self.switch.router_name(*vlan)),
            Hop::Via(paths) => match &paths[..] {
                [one] => match one.gateway {
                    None => format!("directly connected, {}", self.switch.router_name(one.vlan)),
                    Some(gateway) => format!("by {gateway}, {}", self.switch.router_name(one.vlan)),
                },
                _ => format!("{} paths", paths.len()),
            },
        }
    }

    fn is_routed(&self, name: InterfaceName) -> bool {
        self.switch.config.interfaces.get(&name).is_some_and(|interface| interface.l3.routed)
    }

    fn is_trunk(&self, name: InterfaceName) -> bool {
        let interface = self.switch.config.interfaces.get(&name);
        interface.is_some_and(|i| self.switch.config.switchport(i).mode == SwitchportMode::Trunk)
    }

    fn port_name(&self, id: PortId) -> String {
        let state = &self.switch.state;
        let netdev = || state.routers.values().find(|router| router.is_port(id)).map(|router| router.netdev.clone());
        let name = state.interface_of(id).map(|name| name.to_string());
        name.or_else(netdev).unwrap_or_else(|| id.to_string())
    }

    fn static_lines(&self, id: PortId) -> Vec<String> {
        let name = self.switch.state.interface_of(id);
        let statics = self.switch.config.mac.statics.iter();
        statics
            .filter(|((vlan, _), interface)| Some(**interface) == name && Some(*vlan) == self.vlan)
            .map(|((vlan, mac), interface)| format!("mac address-table static {mac} vlan {vlan} interface {interface}"))
            .collect()
    }
}

/// Where the packet in the frame is to go.
pub(crate) fn destination(frame: &[u8]) -> Option<IpAddr> {
    let eth = Eth::parse(frame)?;
    let packet = &frame[eth.len()..];
    match eth.ethertype {
        eth::IPV4 => Ip4::parse(packet).map(|ip| ip.dst.into()),
        eth::IPV6 => Ip6::parse(packet).map(|ip| ip.dst.into()),
        _ => None,
    }
}

fn cite(head: &str, line: &str) -> Vec<String> {
    vec![head.into(), line.into()]
}
