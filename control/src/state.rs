//! What the network said: devices as the kernel describes them, and the ports that interfaces were given.

use crate::acl::Lists;
use crate::input::Device;
use crate::router::RouterPort;
use mona_datapath::switching::Opened;
use mona_model::config::{InterfaceConfig, Io};
use mona_model::names::InterfaceName;
use mona_wire::{Mac, PortId, VlanId};
use std::collections::{BTreeMap, BTreeSet};

/// Everything the outside told.
#[derive(Clone, Debug)]
pub struct State {
    /// Netdevs by name.
    pub devices: BTreeMap<String, Device>,
    /// Interfaces whose device is there.
    pub ports: BTreeMap<InterfaceName, Port>,
    /// Interfaces whose device could not be opened: tried again only when the device or the wish changes.
    pub failed: BTreeMap<InterfaceName, Failed>,
    /// Interfaces that hooks bound to their device.
    pub hooked: BTreeSet<InterfaceName>,
    /// The router's interfaces.
    pub routers: BTreeMap<InterfaceName, RouterPort>,
    /// The router's address.
    pub mac: Mac,
    /// What the names of the switch's own netdevs begin with.
    pub own: String,
    /// Access lists as workers have them.
    pub lists: Lists,
    /// By the index of a device, the number that its port had at the switch before this one.
    pub left: BTreeMap<u32, PortId>,
    /// Frames to reserved addresses, by port: no bridge relays them, and no protocol here takes them yet.
    pub reserved: BTreeMap<PortId, u64>,
}

impl Default for State {
    fn default() -> State {
        State {
            devices: BTreeMap::new(),
            ports: BTreeMap::new(),
            failed: BTreeMap::new(),
            hooked: BTreeSet::new(),
            routers: BTreeMap::new(),
            // Until it is told: a locally administered one.
            mac: Mac([2, 0, 0, 0, 0, 1]),
            own: "mona".into(),
            lists: Lists::default(),
            left: BTreeMap::new(),
            reserved: BTreeMap::new(),
        }
    }
}

/// An interface matched with its device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its number in the datapath.
    pub id: PortId,
    /// The device.
    pub device: String,
    /// The device's kernel index when it was opened.
    pub ifindex: u32,
    /// The I/O that was asked for.
    pub io: Io,
    /// `None` while it is being opened.
    pub opened: Option<Opened>,
    /// Was the line up when we last looked?
    pub up: bool,
    /// The MTU that the device was last asked to have.
    pub mtu_asked: Option<u32>,
    /// The MTU that the device had before it was first asked.
    pub mtu_own: Option<u32>,
    /// Was the device asked to be up?
    pub up_asked: bool,
}

/// Why there is no port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The device.
    pub device: String,
    /// Its index then.
    pub ifindex: u32,
    /// The I/O that was asked for.
    pub io: Io,
    /// A sentence.
    pub why: String,
}

impl State {
    /// The interface a port number belongs to.
    pub fn interface_of(&self, id: PortId) -> Option<InterfaceName> {
        self.ports.iter().find(|(_, port)| port.id == id).map(|(name, _)| *name)
    }

    /// The router's interface in a VLAN.
    pub fn router_in(&self, vlan: VlanId) -> Option<InterfaceName> {
        self.routers.iter().find(|(_, router)| router.vlan == Some(vlan)).map(|(name, _)| *name)
    }

    /// The ports and their devices, those of the router's interfaces too.
    pub fn devices_of_ports(&self) -> impl Iterator<Item = (PortId, &str)> {
        let hosts = self.routers.values().filter_map(|router| Some((router.port.as_ref()?.id, router.peer.as_str())));
        self.ports.values().map(|port| (port.id, port.device.as_str())).chain(hosts)
    }

    /// A number for the port of the device of this index: the one it had before a restart, else the lowest that is free and
    /// waits for nobody.
    pub fn free_port(&self, ifindex: u32) -> Option<PortId> {
        let mut used = vec![false; PortId::COUNT];
        self.devices_of_ports().for_each(|(id, _)| used[id.index()] = true);
        if let Some(id) = self.left.get(&ifindex).filter(|id| used.get(id.index()) == Some(&false)) {
            return Some(*id);
        }
        let waits = |(_, id): (&u32, &PortId)| self.devices.values().any(|d| self.left.get(&d.ifindex) == Some(id));
        for (_, id) in self.left.iter().filter(|left| waits(*left)) {
            used[id.index()] = true;
        }
        (1..PortId::COUNT).find(|n| !used[*n]).map(|n| PortId(n as u16))
    }

    /// Does the port carry frames, and if not, why?
    pub fn line(&self, name: InterfaceName, interface: &InterfaceConfig) -> Result<(), String> {
        let Some(device_name) = &interface.device else { return Err("no device".into()) };
        if interface.shutdown {
            return Err("administratively down".into());
        }
        if let Some(failed) = self.failed.get(&name) {
            return Err(failed.why.clone());
        }
        let Some(device) = self.devices.get(device_name) else { return Err(format!("{device_name}: no such device")) };
        match self.ports.get(&name) {
            None | Some(Port { opened: None, .. }) => Err(format!("{device_name} is being opened")),
            Some(_) if !device.admin_up => Err(format!("{device_name} is down: ip link set {device_name} up")),
            Some(_) if !device.carrier => Err("no carrier".into()),
            Some(_) => Ok(()),
        }
    }
}

/// Why a device cannot be a port at all, as far as the kernel tells before it is tried.
pub fn obstacle(state: &State, device: &Device) -> Option<String> {
    let is_own = |router: &RouterPort| router.peer == device.name || router.netdev == device.name;
    if let Some((own, _)) = state.routers.iter().find(|(_, router)| is_own(router)) {
        return Some(format!("{} is the netdev of {own}: it cannot be a port besides", device.name));
    }
    let master = device.master?;
    let owner = state.devices.values().find(|d| d.ifindex == master).map_or("another device", |d| &d.name);
    let kind = device.master_kind.as_deref().map(|k| format!("{k} ")).unwrap_or_default();
    let name = &device.name;
    Some(format!("{name} belongs to {kind}{owner}: remove it from there first (ip link set {name} nomaster)"))
}
