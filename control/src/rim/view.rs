//! What a `show` looks at beside the machine.

use super::{Rim, monotonic};
use mona_control::input::Session;
use mona_control::load::pools;
use mona_control::show::View;
use mona_control::switch::Switch;
use mona_model::shown_host::{User, Version};
use mona_wire::Mac;
use std::fs;

impl Rim {
    pub(super) fn view<T>(&self, session: &Session, look: impl FnOnce(&Switch, &View) -> T) -> T {
        let clients = self.server.clients();
        let users = clients.iter().enumerate().map(|(line, (id, client))| User {
            me: *id == session.id,
            line: format!("{line} {} {line}", if client.origin == "console" { "con" } else { "vty" }),
            user: client.user.clone(),
            pid: client.pid,
            idle_secs: client.idle().as_secs(),
        });
        let raw = |port| self.datapath.port_counters(port);
        let view = View {
            raw: &raw,
            vlan: &|vlan| self.datapath.vlan_counters(vlan),
            router: &|vlan| self.datapath.router_counters(vlan),
            ip_drops: &|six, reason| self.datapath.ip_drops(six, reason),
            matches: &|slot| self.counters.matches(slot, self.datapath.matches(slot)),
            flow_totals: self.datapath.flow_totals(),
            flows: &|| self.datapath.remembered().cloned().collect(),
            counters: &self.counters,
            clock: monotonic(),
            losses: self.datapath.losses(),
            version: self.version(),
            users: users.collect(),
            processes: &|sorted| self.load.shown(sorted),
            memory: &|| pools().unwrap_or_default(),
            monitors: clients.values().filter(|c| c.monitor).count(),
            privilege: session.privilege,
        };
        look(&self.switch, &view)
    }

    fn version(&self) -> Version {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let memory = read("/proc/meminfo");
        let memory_kib = memory.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
        let macs = self.switch.state.devices.values().filter(|d| d.name != "lo").filter_map(|d| d.mac);
        let serial: String = read("/etc/machine-id").trim().chars().take(11).collect();
        Version {
            version: env!("CARGO_PKG_VERSION").into(),
            hostname: String::new(),
            uptime_secs: 0,
            restarted: String::new(),
            image: std::env::current_exe().map_or_else(|_| "switchd".into(), |p| p.display().to_string()),
            kernel: read("/proc/sys/kernel/osrelease").trim().into(),
            machine: std::env::consts::ARCH.into(),
            memory_kib,
            workers: self.workers,
            interfaces: 0,
            mac: macs.min().unwrap_or(Mac([2, 0, 0, 0, 0, 1])),
            serial: if serial.is_empty() { "0".into() } else { serial.to_uppercase() },
        }
    }
}
