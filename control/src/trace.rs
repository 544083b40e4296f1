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
use mona_wire::{PortId, VlanId};

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
    let tracer = Tracer { switch, interface, vlan: record.vlan };
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
        steps.push(TraceStep { phase: "egress".into(), text, config: sources(&switch.config, *name, setting) });
    }
    steps.push(switch.would_remember(port.id, frame));
    Ok(Trace { steps, out, drop: record.dropped.map(|drop| drop.name().into()) })
}

struct Tracer<'a> {
    switch: &'a Switch,
    interface: InterfaceName,
    vlan: Option<VlanId>,
}

impl Tracer<'_> {
    fn step(&self, note: &Note) -> TraceStep {
        let config = &self.switch.config;
        let (phase, text, lines) = match note {
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
            Note::Verified => ("route", "the source is reachable".into(), Vec::new()),
            Note::Leaf(leaf) => {
                let hop = self.switch.snapshot.routing.hops.hop(*leaf);
                ("route", hop.map_or("a route that is gone".into(), |hop| hop_text(&hop)), Vec::new())
            }
            Note::NextHop(vlan, address) => ("route", format!("the next hop is {address} in VLAN {vlan}"), Vec::new()),
            Note::Neighbour(mac) => ("rewrite", format!("to {mac}, one hop less to live"), Vec::new()),
            Note::Fragmented(size) => ("rewrite", format!("in fragments of at most {size} bytes"), Vec::new()),
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
        let routers = |vlan| state.routers.iter().find(|(_, router)| router.vlan == Some(vlan)).map(|(name, _)| *name);
        let (at, inward) = match stage {
            Stage::PortIn(port) => (state.interface_of(port), true),
            Stage::PortOut(port) => (state.interface_of(port), false),
            Stage::RouterIn(vlan) => (routers(vlan), true),
            Stage::RouterOut(vlan) => (routers(vlan), false),
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
            _ => return Vec::new(),
        };
        sources(&self.switch.config, at, setting)
    }

    fn is_trunk(&self, name: InterfaceName) -> bool {
        let interface = self.switch.config.interfaces.get(&name);
        interface.is_some_and(|i| self.switch.config.switchport(i).mode == SwitchportMode::Trunk)
    }

    fn port_name(&self, id: PortId) -> String {
        self.switch.state.interface_of(id).map_or_else(|| id.to_string(), |name| name.to_string())
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

fn hop_text(hop: &Hop) -> String {
    match hop {
        Hop::Local => "an address of the router".into(),
        Hop::Drop(why) => format!("the route says: {}", why.why()),
        Hop::Broadcast(vlan) => format!("the broadcast address of the subnet in VLAN {vlan}"),
        Hop::Via(paths) => match &paths[..] {
            [one] => match one.gateway {
                None => format!("directly connected in VLAN {}", one.vlan),
                Some(gateway) => format!("by {gateway}"),
            },
            _ => format!("{} paths", paths.len()),
        },
    }
}

fn cite(head: &str, line: &str) -> Vec<String> {
    vec![head.into(), line.into()]
}
