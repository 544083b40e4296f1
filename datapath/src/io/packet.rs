//! `packet` ports: the backplane, DSA-style. A TC program at each port's ingress steers every frame, tagged (802.1ad)
//! with the port's number, into its worker's veth pair, whose far end the worker reads and writes by one raw socket.
//! This is the side of control: it loads the programs, makes the pairs, opens and closes ports.

#![allow(unsafe_code)]

use super::attached::{self, Attached, FAR_IN, PORT_IN, PORT_OUT, classifier};
pub use super::backplane::Backplane;
use super::backplane::{Credit, Devices, PORTS, Promiscuous, Shape};
use super::flows::{FlowTable, SLOTS, Way};
use super::found::Records;
use super::link::{Link, Links};
use super::pins::{Mount, Pins};
use super::slots::Memory;
use super::taken::{Taken, candidate, give_back_left, quiet, sentence};
use super::umem::Region;
use crate::switching::OpenError;
use aya::Ebpf;
use aya::maps::{Array, HashMap, MapData};
use aya::programs::TcAttachType;
use aya::programs::links::LinkOrder;
use aya::programs::tc::{SchedClassifierLink, TcAttachOptions};
use mona_wire::PortId;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// Ports whose programs are looked at at a time: some microseconds each.
const MENDED: usize = 64;
/// What the pairs are marked with, so that those a killed switch left are known.
pub(super) const MARK: &str = "mona backplane";
/// Above any port's.
const MTU: u32 = 65535;
/// Super-frames that a virtio header cannot describe: the kernel cuts them before they cross.
const UNDESCRIBED: [&str; 10] = [
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
    programs: [Attached; 2],
}

/// The control side of all `packet` ports.
pub struct PacketPorts {
    links: Links,
    bpf: Ebpf,
    ports: HashMap<MapData, u32, [u32; 5]>,
    devices: Devices,
    refused: Array<MapData, u64>,
    promiscuous: Promiscuous,
    records: Arc<Records>,
    /// Indices of the near and the far ends, by worker.
    pairs: Vec<(u32, u32)>,
    urgent: u32,
    open: BTreeMap<PortId, Open>,
    /// What stops at the pairs' ends.
    far: Vec<Attached>,
    /// Whose programs are looked at next.
    next: PortId,
    /// What goes on without this process.
    pins: Option<Pins>,
    /// Ports stay attached when this process ends.
    holding: bool,
    /// Why nothing is pinned although it was to be.
    pub(crate) unpinned: Option<String>,
    /// Why the kernel replays no flows.
    pub(crate) forgetful: Option<String>,
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

        let (slots, entries) = (Shape::DATA.slots() as u32, (PORTS * workers) as u32);
        let cookie = links.namespace().map_err(|e| sentence("the network namespace", e))?;
        let attached::Loaded { mut bpf, pins, unpinned, forgetful } = attached::load(mount, cookie, slots, entries)?;
        // The ends of the pairs that were: they are made anew.
        let ends =
            |pins: &Pins| pins.indices(FAR_IN.pin).into_iter().map(|at| pins.path(&format!("far-{at}"))).collect();
        pins.as_ref().map_or(Vec::new(), ends).iter().for_each(attached::remove);
        let mut ports = PacketPorts {
            ports: HashMap::try_from(take(&mut bpf, "ports")?).map_err(|e| sentence("ports", e))?,
            devices: (0..PORTS).map(|_| AtomicU32::new(0)).collect(),
            refused: Array::try_from(take(&mut bpf, "refused")?).map_err(|e| sentence("refused", e))?,
            promiscuous: Promiscuous::open().map_err(|e| sentence("a raw socket (CAP_NET_RAW)", e))?,
            links,
            records: Arc::default(),
            bpf,
            pairs: Vec::new(),
            urgent: 0,
            open: BTreeMap::new(),
            far: Vec::new(),
            next: PortId::SELF,
            holding: pins.is_some(),
            pins,
            unpinned,
            forgetful,
            _alive: alive,
        };
        // What fails halfway drops the ports, and with them the pairs there are.
        let urgent = ports.pair(&format!("{name}-bu"), &format!("{name}-wu"), Shape::URGENT, None)?;
        ports.urgent = ports.pairs.remove(0).0;
        let mut backplanes = Vec::new();
        for worker in 0..workers {
            let credit = credit(&ports.bpf, worker, entries)?;
            let (near, far) = (format!("{name}-b{worker}"), format!("{name}-w{worker}"));
            backplanes.push(ports.pair(&near, &far, Shape::DATA, Some(credit))?);
        }
        Ok((ports, backplanes, urgent))
    }

    /// The table of flows that the programs read.
    pub fn flows(&self) -> Result<FlowTable, OpenError> {
        let [flows, depends, generations, cache] = Memory::sizes(SLOTS);
        let map = |name: &str, len: usize| mapped(&self.bpf, name, len);
        let memory = Memory {
            flows: map("flows", flows)?,
            depends: map("depends", depends)?,
            generations: map("generations", generations)?,
            cache: map("cache", cache)?,
        };
        Ok(FlowTable::over(memory, SLOTS))
    }

    /// Makes one pair and opens its far end.
    fn pair(&mut self, near: &str, far: &str, shape: Shape, credit: Option<Credit>) -> Result<Backplane, OpenError> {
        for left in [near, far] {
            remove_leftover(&self.links, left)?;
        }
        let made = self.links.create_veth(near, far, MTU, MARK);
        let (near_index, far_index) = made.map_err(|e| sentence(&format!("making {near}"), e))?;
        self.pairs.push((near_index, far_index));
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
        ready().map_err(|e| sentence(&format!("setting {near} up"), e))?;
        for device in [near, far] {
            let link = self.links.get(device).map_err(|e| sentence(device, e))?;
            self.far.push(Attached::attach(&mut self.bpf, self.pins.as_ref(), FAR_IN, &link)?);
        }
        Backplane::open(far_index, shape, credit, self.devices.clone()).map_err(|e| sentence(far, e))
    }

    /// Makes `device` the port of this number, served by `worker`.
    pub fn open(&mut self, port: PortId, device: &str, worker: u8) -> Result<Opened, OpenError> {
        if port == PortId::SELF || port.index() >= PortId::COUNT {
            return Err(OpenError(format!("{port} is no number of a port")));
        }
        if self.open.contains_key(&port) {
            return Err(OpenError(format!("{port} is open already")));
        }
        let (near, far) =
            *self.pairs.get(usize::from(worker)).ok_or_else(|| OpenError(format!("there is no worker {worker}")))?;
        let link = candidate(&self.links, device, |index| self.was_ours(index))?;
        // From here on something changes. The map is complete before the first frame is steered by it.
        let entry = [near, far, self.urgent, u32::from(worker), u32::from(port.0)];
        self.refused.set(u32::from(port.0), 0, 0).map_err(|e| sentence(device, e))?;
        self.ports.insert(link.index, entry, 0).map_err(|e| sentence(device, e))?;
        self.devices[port.index()].store(link.index, Ordering::Relaxed);
        match self.take_over(&link) {
            Ok(open) => {
                let ifindex = link.index;
                self.open.insert(port, open);
                let credit = (usize::from(worker) * PORTS + port.index()) as u32;
                Ok(Opened { ifindex, way: Way { ifindex, credit, xdp: false } })
            }
            Err(error) => {
                self.forget(port, link.index);
                Err(error)
            }
        }
    }

    fn take_over(&mut self, link: &Link) -> Result<Open, OpenError> {
        let mut attach = |side| Attached::attach(&mut self.bpf, self.pins.as_ref(), side, link);
        // A frame that is let in is let out.
        let (out, into) = (attach(PORT_OUT)?, attach(PORT_IN)?);
        let taken = Taken::take(&self.links, &self.promiscuous, &self.records, link, &CHANGED)?;
        Ok(Open { taken, programs: [into, out] })
    }

    /// Gives the device back as it was; it may be gone or have another name.
    pub fn close(&mut self, port: PortId) {
        if let Some(Open { taken, programs }) = self.open.remove(&port) {
            taken.give_back(&self.links, &self.promiscuous, programs);
            self.forget(port, taken.device.index);
        }
    }

    /// Keeps from now on what devices were like.
    pub(crate) fn keep(&mut self, records: Arc<Records>) {
        self.records = records;
    }

    /// Gives back what a killed switch had, unless it is a port here or `is_open` elsewhere.
    pub(crate) fn give_back_left(&mut self, is_open: impl Fn(u32) -> bool) {
        let left: Vec<u32> = self.left().map(|(index, _)| index).collect();
        left.into_iter().for_each(|index| self.let_go(index));
        let here = |index| self.open.values().any(|open| open.taken.device.index == index);
        give_back_left(&self.links, &self.records, |index| here(index) || is_open(index));
    }

    /// Does a predecessor's program, pinned, wait there to be adopted?
    fn was_ours(&self, index: u32) -> bool {
        let is_pinned = |pins: &Pins| pins.path(&format!("{}-{index}", PORT_IN.pin)).exists();
        self.pins.as_ref().is_some_and(is_pinned)
    }

    /// What a predecessor had and is not open now: devices by index, and the numbers of their ports.
    pub(crate) fn left(&self) -> impl Iterator<Item = (u32, PortId)> {
        let here = |index: &u32| self.open.values().any(|open| open.taken.device.index == *index);
        let all = self.ports.iter().flatten().filter(move |(index, _)| !here(index));
        all.map(|(index, port)| (index, PortId(port[4] as u16)))
    }

    /// Takes off what a predecessor left at a device, unless it is a port here.
    pub(crate) fn let_go_left(&mut self, index: u32) {
        if !self.open.values().any(|open| open.taken.device.index == index) {
            self.let_go(index);
        }
    }

    fn let_go(&mut self, index: u32) {
        if let Some(pins) = &self.pins {
            for side in [PORT_IN, PORT_OUT] {
                attached::remove(&pins.path(&format!("{}-{index}", side.pin)));
            }
        }
        // Absent is what is wanted.
        let _ = self.ports.remove(&index);
    }

    /// Puts programs back that somebody took off, and says at which devices. Looks at a few ports at a time.
    pub(crate) fn mend(&mut self) -> Vec<Result<String, OpenError>> {
        let mut mended = Vec::new();
        let looked = self.open.range_mut(self.next..).take(MENDED);
        let mut next = PortId::SELF;
        for (at, (port, open)) in looked.enumerate() {
            if at + 1 == MENDED {
                next = PortId(port.0 + 1);
            }
            for (program, side) in open.programs.iter_mut().zip([PORT_IN, PORT_OUT]) {
                // Of a device that is gone there is nothing to put back.
                if !program.is_there()
                    && let Ok(link) = self.links.at(open.taken.device.index)
                {
                    let attached = Attached::attach(&mut self.bpf, self.pins.as_ref(), side, &link);
                    mended.push(attached.map(|attached| {
                        std::mem::replace(program, attached).leave();
                        link.name
                    }));
                }
            }
        }
        self.next = next;
        mended
    }

    /// The port of this device.
    pub(crate) fn taken(&mut self, device: &str) -> Option<(&mut Taken, &Links)> {
        let open = self.open.values_mut().find(|open| open.taken.device.name == device)?;
        Some((&mut open.taken, &self.links))
    }

    fn forget(&mut self, port: PortId, index: u32) {
        // Absent entries are what is wanted.
        let _ = self.ports.remove(&index);
        self.devices[port.index()].store(0, Ordering::Relaxed);
    }

    /// Frames of this port that the kernel dropped before they reached a worker, by reason.
    pub fn kernel_losses(&self, port: PortId) -> Vec<(&'static str, u64)> {
        let mut rows = vec![("credit", self.refused.get(&u32::from(port.0), 0).unwrap_or(0))];
        if let Some(link) = self.open.get(&port).and_then(|open| self.links.at(open.taken.device.index).ok()) {
            let counts = [link.rx_dropped, link.rx_missed, link.tx_dropped];
            rows.extend(["rx_dropped", "rx_missed", "tx_dropped"].into_iter().zip(counts));
        }
        rows
    }

    /// Frames that were lost between ports and workers' rings, because a CPU's backlog was full: worker, name, count.
    pub fn backlog(&self) -> Vec<(u8, &'static str, u64)> {
        let all =
            self.pairs.iter().enumerate().map(|(worker, (near, far))| (worker as u8, "backlog", *near, Some(*far)));
        let all = all.chain([(0, "urgent_backlog", self.urgent, None)]);
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
        if self.holding {
            std::mem::take(&mut self.open).into_values().flat_map(|open| open.programs).for_each(Attached::leave);
        }
        for port in self.open.keys().copied().collect::<Vec<_>>() {
            self.close(port);
        }
        for near in self.pairs.iter().map(|(near, _)| near).chain([&self.urgent]) {
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

fn take(bpf: &mut Ebpf, map: &str) -> Result<aya::maps::Map, OpenError> {
    bpf.take_map(map).ok_or_else(|| OpenError(format!("the BPF object has no map {map}")))
}

pub(super) fn attach(
    bpf: &mut Ebpf,
    program: &str,
    device: &str,
    to: TcAttachType,
) -> Result<SchedClassifierLink, OpenError> {
    let program = classifier(bpf, program)?;
    let link = program
        .attach_with_options(device, to, TcAttachOptions::TcxOrder(LinkOrder::first()))
        .map_err(|e| sentence(&format!("attaching to {device} (kernel 6.6 or later)"), e))?;
    program.take_link(link).map_err(|e| sentence(device, e))
}

fn credit(bpf: &Ebpf, worker: usize, entries: u32) -> Result<Credit, OpenError> {
    let mut credit = Credit {
        admitted: mapped(bpf, "admitted", entries as usize * 8)?,
        consumed: mapped(bpf, "consumed", entries as usize * 8)?,
        base: worker * PORTS,
        mark: vec![0; PORTS],
        since: 0,
        reconciled: Instant::now(),
    };
    credit.forgive();
    Ok(credit)
}

/// An array of the programs', as memory.
fn mapped(bpf: &Ebpf, name: &str, len: usize) -> Result<Region, OpenError> {
    let Some(aya::maps::Map::Array(data)) = bpf.map(name) else {
        return Err(OpenError(format!("the BPF object has no array {name}")));
    };
    Region::of(data.fd().as_fd().as_raw_fd(), len, 0).map_err(|e| sentence(name, e))
}
