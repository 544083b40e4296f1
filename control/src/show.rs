//! `show …`: what the switch knows, as typed values. Nothing here changes anything.

use crate::compile::served;
use crate::counters::{Counted, Counters};
use crate::log::clock;
use crate::switch::Switch;
use crate::trace;
use mona_datapath::Drop;
use mona_datapath::fdb::{Origin, Station};
use mona_datapath::io::flows;
use mona_datapath::stats::{PortCounters, RouterCounters, VlanCounters};
use mona_datapath::switching::FlowTotals;
use mona_model::acl::{Entry, ListKind, number};
use mona_model::config::{Banner, Config, InterfaceConfig, SwitchportMode};
use mona_model::names::{InterfaceName, VlanSet};
use mona_model::rows::{Action, InterfaceView, MacFilter, is_unsupported_vlan};
use mona_model::shown::*;
use mona_model::shown_host::{MemoryPool, Processes, User, Version};
use mona_wire::{Instant, Mac, PortId, VlanId};

/// What only the rim knows.
pub struct View<'a> {
    /// The datapath's counters of a port.
    pub raw: &'a dyn Fn(PortId) -> PortCounters,
    /// The datapath's counters of a VLAN.
    pub vlan: &'a dyn Fn(VlanId) -> VlanCounters,
    /// The datapath's counters of the router's interface in a VLAN.
    pub router: &'a dyn Fn(VlanId) -> RouterCounters,
    /// How often the datapath dropped IPv4 (`false`) or IPv6 packets for a reason.
    pub ip_drops: &'a dyn Fn(bool, Drop) -> u64,
    /// What a line of an access list counted since the last clear.
    pub matches: &'a dyn Fn(u32) -> u64,
    /// What the kernel remembers, in numbers.
    pub flow_totals: FlowTotals,
    /// The flows it remembers.
    pub flows: &'a dyn Fn() -> Vec<flows::Entry>,
    /// What was cleared, and the rates.
    pub counters: &'a Counters,
    /// The clock the datapath stamps with, nanoseconds.
    pub clock: u64,
    /// Losses of no single port: worker, name, count.
    pub losses: Vec<(u8, &'static str, u64)>,
    /// Facts of the program and the machine; the switch fills in the rest.
    pub version: Version,
    /// Who is connected.
    pub users: Vec<User>,
    /// How busy machine and threads are; the busiest first, if that is wanted.
    pub processes: &'a dyn Fn(bool) -> Processes,
    /// Where its memory is.
    pub memory: &'a dyn Fn() -> Vec<MemoryPool>,
    /// Sessions with `terminal monitor`.
    pub monitors: usize,
    /// Privilege of who asks.
    pub privilege: u8,
}

/// An interface that there is. An error is a sentence that says what to do.
pub(crate) fn configured(config: &Config, name: InterfaceName) -> Result<&InterfaceConfig, String> {
    config.interfaces.get(&name).ok_or_else(|| format!("There is no {name}: `show interfaces status` lists them"))
}

impl Switch {
    /// Answers a `show`. An error is a sentence that says what to do.
    pub fn show(&self, now: Instant, action: &Action, view: &View) -> Result<Vec<Shown>, String> {
        Ok(match action {
            Action::ShowVersion => vec![Shown::Version(Version {
                hostname: self.config.hostname.clone(),
                uptime_secs: now.as_secs(),
                restarted: clock(self.log.wall, false),
                interfaces: self.config.interfaces.keys().filter(|name| name.is_port()).count(),
                ..view.version.clone()
            })],
            Action::ShowVlan { brief, id, name } => vec![self.vlans(*brief, *id, name.as_deref())?],
            Action::ShowVlanCounters(vlan) => vec![Shown::VlanCounters(self.vlan_counters(*vlan, view)?)],
            Action::ShowMac(filter) => vec![Shown::MacTable(self.mac_table(filter))],
            Action::ShowMacAging => vec![Shown::AgingTime(self.config.mac.aging_secs)],
            Action::ShowMacCount(vlan) => vec![Shown::MacCount(self.mac_count(*vlan))],
            Action::ShowInterfaces { interface, view: how } => vec![self.interfaces(now, *interface, *how, view)?],
            Action::ShowPlatformPorts => vec![Shown::PlatformPorts(self.platform_ports())],
            Action::ShowPlatformDrops => vec![Shown::PlatformDrops(self.drops(view))],
            Action::ShowFlowCache => vec![Shown::FlowCache(self.flow_cache(view))],
            Action::ShowFlows(filter) => vec![Shown::Flows(self.flows(filter, view))],
            Action::ShowAccessLists { only, list } => {
                vec![Shown::AccessLists(self.access_lists(*only, list.as_deref(), view))]
            }
            Action::ShowLogging => {
                let (size, logged, lines) = self.log.view();
                vec![Shown::Logging(Logging { size, logged, monitors: view.monitors, lines })]
            }
            Action::ShowBanner(kind) => {
                let shown = Banner::ALL.into_iter().filter(|banner| kind.is_none_or(|kind| kind == *banner));
                let texts = shown.filter_map(|banner| self.config.banners.get(&banner));
                vec![Shown::Text(texts.flat_map(|text| text.lines()).map(String::from).collect())]
            }
            Action::ShowClock => vec![Shown::Clock(format!("*{}", clock(self.log.at(now), true)))],
            Action::ShowUsers => vec![Shown::Users(view.users.clone())],
            Action::ShowProcesses { sorted } => vec![Shown::Processes((view.processes)(*sorted))],
            Action::ShowMemory => vec![Shown::Memory((view.memory)())],
            Action::ShowPrivilege => vec![Shown::Privilege(view.privilege)],
            Action::Trace { interface, frame } => vec![Shown::Trace(trace::trace(self, *interface, frame)?)],
            Action::ShowRoutes { six, wanted } => vec![self.show_routes(now, *six, *wanted)?],
            Action::ShowRouteSummary { six } => vec![Shown::RouteSummary(self.route_summary(*six))],
            Action::ShowNeighbours { six, address, mac, interface } => {
                vec![self.show_neighbours(now, *six, *address, *mac, *interface)]
            }
            Action::ShowIpInterfaces { six, interface, brief } => {
                vec![self.ip_interfaces(*six, *interface, *brief)?]
            }
            Action::ShowTraffic { six } => vec![Shown::Traffic(self.traffic(*six, view))],
            Action::ShowCef { six, address: None } => vec![Shown::Cef(self.cef(*six))],
            Action::ShowCef { address: Some(address), .. } => vec![Shown::CefTo(self.cef_to(now, *address))],
            Action::Save
            | Action::Probe(_)
            | Action::ClearNeighbours { .. }
            | Action::ClearMac(_)
            | Action::ClearCounters(_)
            | Action::ClearLogging
            | Action::ClearAccessLists { .. }
            | Action::Monitor(_)
            | Action::AddPort(_)
            | Action::RemovePort { .. } => unreachable!("these change something: step() carries them out"),
            Action::ShowRunning { .. } | Action::ShowStartup => unreachable!("the printer prints these"),
        })
    }

    fn vlans(&self, brief: bool, id: Option<VlanId>, name: Option<&str>) -> Result<Shown, String> {
        let wanted =
            |vlan: VlanId| id.is_none_or(|v| v == vlan) && name.is_none_or(|n| self.config.vlan_name(vlan) == n);
        let vlans: Vec<VlanRow> =
            self.config.vlans.keys().filter(|v| wanted(**v)).map(|vlan| self.vlan_row(*vlan)).collect();
        match (vlans.is_empty(), id, name) {
            (true, Some(id), _) => Err(format!("VLAN id {id} is not in the current VLAN database")),
            (true, _, Some(name)) => Err(format!("VLAN {name} is not in the current VLAN database")),
            _ => Ok(Shown::Vlans { brief, vlans }),
        }
    }

    fn vlan_row(&self, vlan: VlanId) -> VlanRow {
        let in_it = |(name, interface): &(&InterfaceName, &InterfaceConfig)| {
            let switchport = self.config.switchport(interface);
            name.is_port()
                && !interface.l3.routed
                && switchport.mode == SwitchportMode::Access
                && switchport.access_vlan == vlan
        };
        VlanRow {
            vlan,
            name: self.config.vlan_name(vlan),
            status: if is_unsupported_vlan(vlan) { "act/unsup" } else { "active" }.into(),
            ports: self.config.interfaces.iter().filter(in_it).map(|(name, _)| *name).collect(),
        }
    }

    fn mac_table(&self, filter: &MacFilter) -> Vec<MacRow> {
        let plain = filter.address.is_none() && filter.interface.is_none() && filter.vlan.is_none();
        let mut rows = Vec::new();
        if plain && filter.is_static != Some(false) {
            let reserved = (0..16).map(|n| Mac([1, 0x80, 0xc2, 0, 0, n]));
            rows.extend(reserved.chain([Mac::BROADCAST]).map(|mac| MacRow {
                vlan: None,
                mac,
                is_static: true,
                port: None,
                age_secs: None,
            }));
        }
        let tick = self.epochs().0.as_secs();
        // Behind a routed port is a VLAN of nobody's.
        let is_told = |station: &Station| self.config.vlans.contains_key(&station.vlan);
        let mut stations: Vec<Station> = self.fdb.iter().filter(is_told).collect();
        stations.sort_by_key(|s| (s.vlan, s.mac));
        let names: std::collections::BTreeMap<PortId, InterfaceName> =
            self.state.ports.iter().map(|(name, port)| (port.id, *name)).collect();
        rows.extend(stations.into_iter().filter_map(|station| {
            let is_static = station.origin == Origin::Static;
            let port = names.get(&station.port).copied();
            let fits = filter.is_static.is_none_or(|s| s == is_static)
                && filter.address.is_none_or(|mac| mac == station.mac)
                && filter.vlan.is_none_or(|vlan| vlan == station.vlan)
                && filter.interface.is_none_or(|name| port == Some(name));
            let age = u64::from(self.fdb.epoch().wrapping_sub(station.epoch)) * tick;
            fits.then_some(MacRow {
                vlan: Some(station.vlan),
                mac: station.mac,
                is_static,
                port,
                age_secs: (!is_static).then_some(age),
            })
        }));
        rows
    }

    fn vlan_counters(&self, only: Option<VlanId>, view: &View) -> Result<Vec<VlanCountersRow>, String> {
        let vlans = self.config.vlans.keys().filter(|vlan| only.is_none_or(|only| only == **vlan));
        let rows = vlans.filter(|vlan| !is_unsupported_vlan(**vlan));
        let rows: Vec<_> = rows.map(|vlan| view.counters.of_vlan(*vlan, &(view.vlan)(*vlan))).collect();
        match only {
            Some(vlan) if rows.is_empty() => Err(format!("VLAN id {vlan} is not in the current VLAN database")),
            _ => Ok(rows),
        }
    }

    fn mac_count(&self, vlan: Option<VlanId>) -> Vec<MacCountRow> {
        let free = self.fdb.capacity().saturating_sub(self.fdb.len());
        let mut rows: Vec<MacCountRow> = self
            .config
            .vlans
            .keys()
            .filter(|v| !is_unsupported_vlan(**v) && vlan.is_none_or(|wanted| wanted == **v))
            .map(|vlan| MacCountRow { vlan: *vlan, dynamic: 0, statics: 0, free })
            .collect();
        for station in self.fdb.iter() {
            if let Ok(at) = rows.binary_search_by_key(&station.vlan, |row| row.vlan) {
                match station.origin {
                    Origin::Dynamic => rows[at].dynamic += 1,
                    Origin::Static => rows[at].statics += 1,
                }
            }
        }
        rows
    }

    fn interfaces(
        &self,
        now: Instant,
        only: Option<InterfaceName>,
        how: InterfaceView,
        view: &View,
    ) -> Result<Shown, String> {
        if let Some(name) = only {
            configured(&self.config, name)?;
        }
        // What is said of ports alone is not said of the router's other interfaces.
        let of_all = matches!(how, InterfaceView::Full | InterfaceView::Description);
        let fits = |name: &InterfaceName| of_all || name.is_port();
        let chosen = self.config.interfaces.iter();
        let chosen = chosen.filter(|(name, _)| only.is_none_or(|n| n == **name) && fits(name));
        let rows: Vec<Interface> = chosen.map(|(name, config)| self.interface(now, *name, config, view)).collect();
        Ok(match how {
            InterfaceView::Full => Shown::Interfaces(rows),
            InterfaceView::Status => Shown::Status(rows),
            InterfaceView::Description => Shown::Description(rows),
            InterfaceView::Switchport => Shown::Switchport(rows),
            InterfaceView::Trunk => Shown::Trunk(rows.into_iter().filter(|row| row.trunk).collect()),
            InterfaceView::Counters => Shown::Counters(rows),
            InterfaceView::Errors => Shown::Errors(rows),
        })
    }

    fn interface(&self, now: Instant, name: InterfaceName, config: &InterfaceConfig, view: &View) -> Interface {
        let switchport = self.config.switchport(config);
        let routed = !name.is_port() || config.l3.routed;
        let line = match routed {
            false => self.state.line(name, config),
            true => self.state.router_line(&self.config, name, &served(&self.config, &self.state)),
        };
        let device = config.device.as_ref().and_then(|d| self.state.devices.get(d));
        let exists = |vlan: VlanId| self.config.vlans.contains_key(&vlan) && !is_unsupported_vlan(vlan);
        let named = |vlan: VlanId| exists(vlan).then(|| self.config.vlan_name(vlan));
        let trunk = !routed && switchport.mode == SwitchportMode::Trunk;
        let status = match &line {
            _ if config.shutdown => "disabled",
            Err(_) if self.state.failed.contains_key(&name) => "err-disabled",
            Err(_) => "notconnect",
            Ok(()) if !routed && !trunk && !exists(switchport.access_vlan) => "inactive",
            Ok(()) => "connected",
        };
        let allowed = switchport.trunk_allowed.as_ref();
        let active: VlanSet = self
            .config
            .vlans
            .keys()
            .copied()
            .filter(|v| exists(*v) && allowed.is_none_or(|set| set.contains(*v)))
            .collect();
        Interface {
            name,
            device: config.device.clone(),
            shutdown: config.shutdown,
            up: line.is_ok(),
            reason: line.err(),
            status: status.into(),
            description: config.description.clone(),
            mac: if routed { self.state.mac } else { device.and_then(|d| d.mac).unwrap_or(Mac::ZERO) },
            mtu: config.mtu.map(u32::from).or(device.map(|d| d.mtu)).unwrap_or(1500),
            speed_mbps: None,
            duplex_full: None,
            routed,
            address: self.config.ip(config),
            lender: config.l3.ip.unnumbered,
            arp_timeout_secs: config.l3.ip.arp_timeout.unwrap_or(usual_arp_timeout()),
            encapsulation: config.l3.encapsulation.map(|encapsulation| encapsulation.vid),
            trunk,
            access_vlan: switchport.access_vlan,
            access_vlan_name: named(switchport.access_vlan),
            native_vlan: switchport.trunk_native,
            native_vlan_name: named(switchport.trunk_native),
            native_tagged: self.config.tag_native,
            allowed: match allowed {
                None => "ALL".into(),
                Some(set) if set.is_empty() => "NONE".into(),
                Some(set) => set.to_string(),
            },
            active: active.to_string(),
            protected: switchport.protected,
            block_unicast: switchport.block_unicast,
            block_multicast: switchport.block_multicast,
            counters: self.interface_counters(now, name, view),
        }
    }

    fn interface_counters(&self, now: Instant, name: InterfaceName, view: &View) -> InterfaceCounters {
        let router = self.state.routers.get(&name);
        let vlan = router.and_then(|router| router.vlan).map(|vlan| (vlan, (view.router)(vlan)));
        match (self.state.ports.get(&name), vlan) {
            (Some(port), vlan) => InterfaceCounters {
                routed: vlan.map(|(vlan, raw)| view.counters.routed(vlan, &raw)),
                ..view.counters.shown(now, view.clock, Counted::Port(port.id), &(view.raw)(port.id))
            },
            (None, Some((vlan, raw))) => {
                let host = router.and_then(|router| router.port.as_ref()).map(|port| (port.id, (view.raw)(port.id)));
                let host = host.as_ref().map(|(id, raw)| (*id, raw));
                view.counters.of_router(now, view.clock, (vlan, &raw), host)
            }
            (None, None) => InterfaceCounters::default(),
        }
    }

    fn platform_ports(&self) -> Vec<PlatformPort> {
        let row = |(name, config): (&InterfaceName, &InterfaceConfig)| {
            let port = self.state.ports.get(name);
            let opened = port.and_then(|p| p.opened.as_ref());
            let dash = || "-".to_string();
            Some(PlatformPort {
                name: *name,
                port: port.map_or(0, |p| p.id.0),
                device: config.device.clone()?,
                io: opened.map_or_else(dash, |o| o.io.clone()),
                attach: opened.map_or_else(dash, |o| o.attach.clone()),
                memory: opened.map_or_else(dash, |o| o.memory.clone()),
                queues: opened.map_or(0, |o| o.queues),
                workers: opened.map(|o| o.workers.clone()).unwrap_or_default(),
                why: match opened {
                    Some(opened) => opened.why.clone(),
                    None => self.state.line(*name, config).err().unwrap_or_default(),
                },
            })
        };
        self.config.interfaces.iter().filter_map(row).collect()
    }

    /// Those of one kind, IPv4 by number and name first. One that does not exist shows nothing, as on IOS.
    fn access_lists(&self, only: Option<bool>, name: Option<&str>, view: &View) -> Vec<AccessListRow> {
        let wanted = |kind: ListKind| match only {
            None => true,
            Some(six) => kind != ListKind::Mac && (kind == ListKind::Ip6) == six,
        };
        let mut rows: Vec<AccessListRow> = Vec::new();
        for kind in ListKind::ALL.into_iter().filter(|kind| wanted(*kind)) {
            let lists = self.config.access_lists.iter();
            for (name, list) in lists.filter(|(n, list)| list.kind == kind && name.is_none_or(|name| name == *n)) {
                let line = |(sequence, entry): (u32, &Entry)| AccessListLine {
                    sequence,
                    text: entry.shown(kind),
                    matches: (view.matches)(self.state.lists.slot(name, entry)),
                };
                rows.push(AccessListRow { kind, name: name.clone(), lines: list.entries().map(line).collect() });
            }
        }
        rows.sort_by_key(|row| (row.kind, number(&row.name).unwrap_or(u32::MAX)));
        rows
    }

    fn drops(&self, view: &View) -> Vec<DropRow> {
        let mut rows = Vec::new();
        for (name, port) in &self.state.ports {
            let own = view.counters.since_clear(Counted::Port(port.id), &(view.raw)(port.id));
            let mut push = |reason: &str, count: u64, why: &str| {
                if count > 0 {
                    let (reason, why) = (reason.to_string(), why.to_string());
                    rows.push(DropRow { reason, interface: Some(*name), count, why });
                }
            };
            for reason in Drop::ALL {
                push(reason.name(), own.dropped(*reason), reason.why());
            }
            if let Some(count) = self.state.reserved.get(&port.id) {
                push(
                    "reserved_address",
                    *count,
                    "the destination is one of 01-80-C2-00-00-00..0F, which no bridge relays",
                );
            }
            for (loss, count) in &own.kernel {
                push(loss, *count, why_lost(loss));
            }
        }
        for (worker, loss, count) in view.losses.iter().filter(|(_, _, count)| *count > 0) {
            let why = format!("worker {worker}: {}", why_lost(loss));
            rows.push(DropRow { reason: loss.to_string(), interface: None, count: *count, why });
        }
        if self.learn.full > 0 {
            let why = "addresses that were not learned because the table was full".into();
            rows.push(DropRow { reason: "fdb_full".into(), interface: None, count: self.learn.full, why });
        }
        rows
    }
}

/// What a loss means that no decision made.
fn why_lost(name: &str) -> &'static str {
    match name {
        "acl_log_limited" => "frames that an access list would have had logged, had there not been so many",
        "credit" => "the port sent more than its share of its worker's ring",
        "ring_full" => "the worker's ring was full",
        "frame_cut" => "the frame was longer than a slot of the ring",
        "backlog" => "the CPU's backlog before the worker's ring was full",
        "tx_queue_full" => "the devices had no room for what the worker sent",
        "tx_error" => "the devices refused what the worker sent",
        "urgent_ring_full" => "the ring of reserved addresses was full",
        "urgent_frame_cut" => "a frame to a reserved address was longer than a slot of its ring",
        "urgent_backlog" => "the CPU's backlog before the ring of reserved addresses was full",
        "urgent_tx_queue_full" | "urgent_tx_error" => "the ring of reserved addresses sends nothing",
        "report_ring_full" => "more new source addresses than control could take; the next frame reports them again",
        "exception_ring_full" => "frames that control was not shown, there were so many: neighbours, errors, redirects",
        "inject_failed" => "the switch's own frame found the ring full or its port gone",
        "rx_dropped" => "the kernel dropped it before the switch saw it: the CPU's backlog was full",
        "rx_missed" => "the device had no buffer for what came in",
        "tx_dropped" => "the device dropped what was sent to it: who reads from it does not keep up",
        "xsk_rx_dropped" => "the frame did not fit the socket's memory",
        "xsk_rx_ring_full" => "the socket's receive ring was full",
        "xsk_fill_ring_empty" => "the socket had no free memory to receive into",
        "xsk_rx_invalid_descs" | "xsk_tx_invalid_descs" => "the kernel refused a descriptor",
        _ => "lost outside of the switch's decisions",
    }
}

/// Seconds, where nothing is configured.
fn usual_arp_timeout() -> u32 {
    mona_proto::neigh::Interface::default().arp_timeout.as_secs() as u32
}
