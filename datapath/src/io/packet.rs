//! `packet` ports: the backplane, DSA-style. A TC program at each port's ingress steers every frame, tagged (802.1ad)
//! with the port's number, into its worker's veth pair, whose far end the worker reads and writes by one raw socket.
//! This is the side of control: it loads the programs, makes the pairs, opens and closes ports.

use super::attached::{Attached, FAR_IN, GENERIC, NATIVE, PORT_IN, PORT_OUT};
pub use super::backplane::Backplane;
use super::backplane::{Devices, Promiscuous, Shape};
use super::credit::{Counts, Credit, PORTS};
use super::fanout::Fanouts;
use super::flows::{FlowTable, Way};
use super::found::Records;
use super::link::{Link, Links};
use super::live::Live;
use super::pins::Mount;
use super::programs::Programs;
use super::taken::{Taken, candidate, give_back_left, quiet, sentence};
use crate::switching::OpenError;
use mona_wire::PortId;
use std::collections::BTreeMap;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Ports whose programs are looked at at a time: more would wait for each other.
const LOOKED_AT: usize = 64;
/// What the pairs are marked with, so that those a killed switch left are known.
pub(super) const MARK: &str = "mona backplane";
/// Above any port's.
const MTU: u32 = 65535;
/// Of what leaves many at a time, as a veth with an XDP program has it.
const ETHERNET: u32 = 1500;
/// Super-frames that a virtio header cannot describe: the kernel cuts them before they cross.
const UNDESCRIBED: [&str; 11] = [
    // Of TCP whose CWR bit is one of a counter, which all segments carry (RFC 9768), a header says what holds for RFC 3168.
    "tx-tcp-accecn-segmentation",
    "tx-gre-segmentation",
    "tx-gre-csum-segmentation",
    "tx-ipxip4-segmentation",
    "tx-ipxip6-segmentation",
    "tx-udp_tnl-segmentation",
    "tx-udp_tnl-csum-segmentation",
    "tx-sctp-segmentation",
    "tx-esp-segmentation",
    "tx-tunnel-remcsum-segmentation",
    "tx-gso-list",
];
/// An accelerated tag would travel beside the frame, where XDP on the peer cannot see it; LRO loses what it merged.
pub(super) const CHANGED: [&str; 3] = ["tx-vlan-hw-insert", "tx-vlan-stag-hw-insert", "rx-lro"];

/// Where frames for 01-80-C2-00-00-0X come in: a ring of their own, read before the others.
pub type Urgent = Backplane;

/// A port that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The device's index.
    pub ifindex: u32,
    /// How flows reach it.
    pub way: Way,
}

struct Open {
    taken: Taken,
    programs: Vec<Attached>,
}

/// The control side of all `packet` ports.
pub struct PacketPorts {
    links: Links,
    programs: Programs,
    devices: Devices,
    promiscuous: Promiscuous,
    records: Arc<Records>,
    open: BTreeMap<PortId, Open>,
    /// What stops at the pairs' ends.
    far: Vec<Attached>,
    /// The pair by which frames leave many at a time.
    live: Option<u32>,
    /// Why copies of a flood leave one by one, if they do.
    pub(crate) apart: Option<String>,
    /// Whose programs are looked at next.
    next: PortId,
    /// Tells others of this namespace that the switch of this name lives.
    _alive: UnixListener,
}

impl PacketPorts {
    /// Loads the programs and makes a backplane for each worker. `name` begins the names of its netdevs.
    pub fn start(name: &str, workers: usize) -> Result<(PacketPorts, Vec<Backplane>, Urgent), OpenError> {
        PacketPorts::start_holding(name, workers, None)
    }

    /// The same, over what a predecessor left pinned there. What is opened stays attached when this process ends, unless it
    /// was closed.
    pub fn start_holding(
        name: &str,
        workers: usize,
        mount: Option<&Mount>,
    ) -> Result<(PacketPorts, Vec<Backplane>, Urgent), OpenError> {
        if workers == 0 {
            return Err(OpenError("a switch without workers moves nothing".into()));
        }
        let alive = claim(name)?;
        let links = Links::open().map_err(|e| sentence("netlink", e))?;

        let cookie = links.namespace().map_err(|e| sentence("the network namespace", e))?;
        let mut ports = PacketPorts {
            programs: Programs::load(mount, cookie, Shape::DATA.slots() as u32, workers)?,
            devices: (0..PORTS).map(|_| AtomicU32::new(0)).collect(),
            promiscuous: Promiscuous::open().map_err(|e| sentence("a raw socket (CAP_NET_RAW)", e))?,
            links,
            records: Arc::default(),
            open: BTreeMap::new(),
            far: Vec::new(),
            live: None,
            apart: None,
            next: PortId::SELF,
            _alive: alive,
        };
        // What fails halfway drops the ports, and with them the pairs there are.
        let urgent = ports.pair(&format!("{name}-bu"), &format!("{name}-wu"), Shape::URGENT, None)?;
        ports.programs.urgent = ports.programs.pairs.remove(0).0;
        let mut backplanes = Vec::new();
        for worker in 0..workers {
            let credit = Counts::worker(&ports.programs.counts, worker);
            let (near, far) = (format!("{name}-b{worker}"), format!("{name}-w{worker}"));
            backplanes.push(ports.pair(&near, &far, Shape::DATA, Some(credit))?);
        }
        Ok((ports, backplanes, urgent))
    }

    /// The programs, which `xdp` ports have too.
    pub fn programs(&mut self) -> &mut Programs {
        &mut self.programs
    }

    /// What is said of them.
    pub(crate) fn loaded(&self) -> &Programs {
        &self.programs
    }

    /// The table of flows that the programs read. `name`: as for [`PacketPorts::start`].
    pub fn flows(&mut self, name: &str) -> Result<FlowTable, OpenError> {
        let fanouts = self.fan(name);
        self.apart = fanouts.as_ref().err().map(|why| why.0.clone());
        self.programs.flows(fanouts.ok())
    }

    /// The device at which fan-outs are, and those. It is down: what no list takes is dropped there. The kernel goes on using it
    /// when this process ends, if it does so with flows.
    fn fan(&mut self, name: &str) -> Result<Fanouts, OpenError> {
        let (near, far) = (format!("{name}-bf"), format!("{name}-wf"));
        let left = self.links.get(&near).ok().filter(|link| self.programs.is_pinned() && link.alias == MARK);
        let device = match left {
            Some(link) => link.index,
            None => self.make(&near, &far, MTU)?.0,
        };
        let fanouts = Fanouts::open(device).map_err(|e| sentence("its filter or action (cls_bpf, act_mirred)", e));
        match &fanouts {
            Ok(_) => self.programs.fan = device,
            // Gone already is as good.
            Err(_) => drop(self.links.delete(device)),
        }
        fanouts
    }

    /// By what frames leave many at a time, for each worker. The kernel may not do that.
    pub fn live(&mut self, name: &str, workers: usize) -> Result<Vec<Live>, OpenError> {
        let (near, far) = (format!("{name}-bl"), format!("{name}-wl"));
        let (near_index, _) = self.cable(&near, &far, ETHERNET)?;
        self.live = Some(near_index);
        let link = |name: &str| self.links.get(name).map_err(|e| sentence(name, e));
        self.programs.live(&link(&near)?, &link(&far)?, workers)
    }

    /// Makes one pair and opens its far end.
    fn pair(&mut self, near: &str, far: &str, shape: Shape, credit: Option<Credit>) -> Result<Backplane, OpenError> {
        let (near_index, far_index) = self.cable(near, far, MTU)?;
        self.programs.pairs.push((near_index, far_index));
        for device in [near, far] {
            let link = self.links.get(device).map_err(|e| sentence(device, e))?;
            self.far.push(self.programs.attach(FAR_IN, &link)?);
        }
        Backplane::open(far_index, shape, credit, self.devices.clone()).map_err(|e| sentence(far, e))
    }

    /// A pair of netdevs, in the place of what a killed switch left.
    fn make(&self, near: &str, far: &str, mtu: u32) -> Result<(u32, u32), OpenError> {
        for left in [near, far] {
            remove_leftover(&self.links, left)?;
        }
        let made = self.links.create_veth(near, far, mtu, MARK);
        made.map_err(|e| sentence(&format!("making {near}"), e))
    }

    /// The same, up and ready for frames.
    fn cable(&self, near: &str, far: &str, mtu: u32) -> Result<(u32, u32), OpenError> {
        let (near_index, far_index) = self.make(near, far, mtu)?;
        let ready = || -> io::Result<()> {
            for device in [near, far] {
                quiet(device)?;
                self.links.set_features(device, false, |name| UNDESCRIBED.contains(&name))?;
            }
            for index in [near_index, far_index] {
                let flags = libc::IFF_UP | libc::IFF_NOARP;
                self.links.set_flags(index, flags, flags)?;
            }
            Ok(())
        };
        match ready() {
            Ok(()) => Ok((near_index, far_index)),
            Err(error) => {
                let _ = self.links.delete(near_index);
                Err(sentence(&format!("setting {near} up"), error))
            }
        }
    }

    /// Makes `device` the port of this number, served by `worker`.
    pub fn open(&mut self, port: PortId, device: &str, worker: u8) -> Result<Opened, OpenError> {
        if port == PortId::SELF || port.index() >= PortId::COUNT {
            return Err(OpenError(format!("{port} is no number of a port")));
        }
        if self.open.contains_key(&port) {
            return Err(OpenError(format!("{port} is open already")));
        }
        let link = candidate(&self.links, device, |index| self.programs.was_ours(index))?;
        // From here on something changes. The map is complete before the first frame is steered by it.
        self.programs.enter(port, worker, &link, false)?;
        self.devices[port.index()].store(link.index, Ordering::Relaxed);
        match self.take_over(&link) {
            Ok(open) => {
                let ifindex = link.index;
                self.programs.allow_together(&self.links, port, ifindex);
                self.open.insert(port, open);
                let credit = (usize::from(worker) * PORTS + port.index()) as u32;
                Ok(Opened { ifindex, way: Way::tc(ifindex, credit) })
            }
            Err(error) => {
                self.forget(port, link.index);
                Err(error)
            }
        }
    }

    fn take_over(&mut self, link: &Link) -> Result<Open, OpenError> {
        // A frame that is let in is let out.
        let (out, into) = (self.programs.attach(PORT_OUT, link)?, self.programs.attach(PORT_IN, link)?);
        // As a predecessor's xdp port it had more.
        [NATIVE, GENERIC].into_iter().for_each(|side| self.programs.take_off(side, link.index));
        let taken = Taken::take(&self.links, &self.promiscuous, &self.records, link, &CHANGED)?;
        Ok(Open { taken, programs: vec![into, out] })
    }

    /// Gives the device back as it was; it may be gone or have another name.
    pub fn close(&mut self, port: PortId) {
        if let Some(Open { taken, programs }) = self.open.remove(&port) {
            taken.give_back(&self.links, &self.promiscuous, programs);
            self.forget(port, taken.device.index);
        }
    }

    /// Are frames that the host's own programs send by this port's device kept from leaving? They are unless this says no.
    pub(crate) fn guard(&mut self, port: PortId, guarded: bool) -> Result<(), OpenError> {
        let Some(open) = self.open.get_mut(&port) else { return Ok(()) };
        self.programs.guard(&self.links, open.taken.device.index, &mut open.programs, guarded)
    }

    /// Keeps from now on what devices were like.
    pub(crate) fn keep(&mut self, records: Arc<Records>) {
        self.records = records;
    }

    /// Gives back what a killed switch had, unless it is a port here or `is_open` elsewhere.
    pub(crate) fn give_back_left(&mut self, is_open: impl Fn(u32) -> bool) {
        self.left(&is_open).into_iter().for_each(|(index, _)| self.programs.let_go(index));
        let here = |index| self.open.values().any(|open| open.taken.device.index == index);
        give_back_left(&self.links, &self.records, |index| here(index) || is_open(index));
    }

    /// What a predecessor had and is neither open here nor elsewhere: devices by index, and the numbers of their ports.
    pub(crate) fn left(&self, is_open: impl Fn(u32) -> bool) -> Vec<(u32, PortId)> {
        let here = |index: u32| self.open.values().any(|open| open.taken.device.index == index);
        self.programs.entered().filter(|(index, _)| !here(*index) && !is_open(*index)).collect()
    }

    /// The pinned links of a few ports at a time, and the devices they are to be at.
    pub(crate) fn pinned(&mut self) -> Vec<(u32, PathBuf)> {
        let these = || self.open.range(self.next..).take(LOOKED_AT);
        let pinned = these().flat_map(|(_, open)| open.programs.iter().filter_map(Attached::pinned)).collect();
        self.next = these().nth(LOOKED_AT - 1).map_or(PortId::SELF, |(port, _)| PortId(port.0 + 1));
        pinned
    }

    /// Puts the programs of a device back that somebody took off, and says at which.
    pub(crate) fn mend(&mut self, index: u32) -> Vec<Result<String, OpenError>> {
        let open = self.open.values_mut().filter(|open| open.taken.device.index == index);
        open.flat_map(|open| self.programs.mend(&self.links, index, open.programs.iter_mut())).collect()
    }

    /// Looks again by which ports frames may leave many at a time.
    pub fn look_together(&self) {
        let open = self.open.iter();
        open.for_each(|(port, open)| self.programs.allow_together(&self.links, *port, open.taken.device.index));
    }

    /// The port of this device.
    pub(crate) fn taken(&mut self, device: &str) -> Option<(&mut Taken, &Links)> {
        let open = self.open.values_mut().find(|open| open.taken.device.name == device)?;
        Some((&mut open.taken, &self.links))
    }

    fn forget(&mut self, port: PortId, index: u32) {
        self.programs.forget(index);
        self.programs.forbid_together(port);
        self.devices[port.index()].store(0, Ordering::Relaxed);
    }

    /// Frames of this port that the kernel dropped before they reached a worker, by reason.
    pub fn kernel_losses(&self, port: PortId) -> Vec<(&'static str, u64)> {
        let mut rows = vec![("credit", self.programs.refused(port))];
        if let Some(link) = self.open.get(&port).and_then(|open| self.links.at(open.taken.device.index).ok()) {
            let counts = [link.rx_dropped, link.rx_missed, link.tx_dropped];
            rows.extend(["rx_dropped", "rx_missed", "tx_dropped"].into_iter().zip(counts));
        }
        rows
    }

    /// Frames that were lost between ports and workers' rings, because a CPU's backlog was full: worker, name, count.
    pub fn backlog(&self) -> Vec<(u8, &'static str, u64)> {
        let all = self
            .programs
            .pairs
            .iter()
            .enumerate()
            .map(|(worker, (near, far))| (worker as u8, "backlog", *near, Some(*far)));
        let all = all.chain([(0, "urgent_backlog", self.programs.urgent, None)]);
        // What the far end's CPU had no room for counts at the end by which it went: super-frames and reserved addresses
        // at the near one, the others at the far one.
        all.filter_map(|(worker, name, near, far)| {
            let straight = far.and_then(|far| self.links.at(far).ok()).map_or(0, |link| link.rx_dropped);
            Some((worker, name, self.links.at(near).ok()?.tx_dropped + straight))
        })
        .collect()
    }
}

impl Drop for PacketPorts {
    fn drop(&mut self) {
        if self.programs.is_pinned() {
            std::mem::take(&mut self.open).into_values().flat_map(|open| open.programs).for_each(Attached::leave);
        }
        for port in self.open.keys().copied().collect::<Vec<_>>() {
            self.close(port);
        }
        let fan = Some(&self.programs.fan).filter(|fan| **fan != 0 && !self.programs.is_pinned());
        let pairs = self.programs.pairs.iter().map(|(near, _)| near).chain([&self.programs.urgent]);
        for near in pairs.chain(&self.live).chain(fan) {
            // Gone already is as good.
            let _ = self.links.delete(*near);
        }
    }
}

/// The right to be the switch of this name in this network namespace: one at a time has it.
pub(super) fn claim(name: &str) -> Result<UnixListener, OpenError> {
    // Netdevs, files and directories are named by it.
    let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if name.is_empty() || name.len() > 10 || !is_word {
        return Err(OpenError(format!("`{name}` is no name for a switch: 1 to 10 letters, digits, - or _")));
    }
    let address = SocketAddr::from_abstract_name(format!("mona/{name}")).map_err(|e| sentence("the lock", e))?;
    UnixListener::bind_addr(&address)
        .map_err(|_| OpenError(format!("a switch named `{name}` runs here already; choose another --name")))
}

/// Removes what a killed switch of this name left; the lock is ours, so nobody uses it.
fn remove_leftover(links: &Links, device: &str) -> Result<(), OpenError> {
    let Ok(link) = links.get(device) else { return Ok(()) };
    if link.alias != MARK {
        return Err(OpenError(format!("{device} is in the way; remove it or choose another --name")));
    }
    links.delete(link.index).map_err(|e| sentence(device, e))
}
