//! The programs of all ports, with their maps: loaded over what a predecessor left if there is anything, and told of the
//! ports there are. `packet` and `xdp` ports share them, and with them the flows.

use super::attached::{
    Attached, FAR_IN, GENERIC_IN, LIVE_IN, LIVE_OUT, NATIVE, OF_PORTS, PORT_IN, PORT_OUT, Side, descriptor, load,
    remove,
};
use super::credit::{Counts, PORTS};
use super::fanout::Fanouts;
use super::flows::{FlowTable, SLOTS};
use super::link::{Link, Links};
use super::live::{self, Live, Progress, Slot, TOGETHER, Together};
use super::pins::{Mount, Pins};
use super::slots::{GROUP, Memory};
use super::taken::sentence;
use super::umem::Region;
use super::xsk::Xsk;
use crate::switching::OpenError;
use aya::maps::{Array, HashMap, MapData, XskMap};
use aya::{Ebpf, EbpfLoader};
use mona_wire::PortId;
use std::collections::BTreeMap;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

const OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/mona.bpf.o");
/// What is handed on.
const MAPS: [&str; 11] = [
    "ports",
    "admitted",
    "consumed",
    "refused",
    "sockets",
    "flows",
    "prints",
    "depends",
    "others",
    "generations",
    "cache",
];
/// Queues that all `xdp` ports have, at most: as in mona.bpf.c.
const QUEUES: u32 = 4096;

/// The programs.
pub struct Programs {
    bpf: Ebpf,
    /// By index of the device: `struct port`.
    ports: HashMap<MapData, u32, [u32; 9]>,
    refused: Array<MapData, u64>,
    sockets: XskMap<MapData>,
    /// Of the queues, which are whose, by index of the device.
    queues: BTreeMap<u32, Range<u32>>,
    pub(super) counts: Arc<Counts>,
    pins: Option<Pins>,
    /// By what frames leave many at a time…
    live: Vec<Attached>,
    /// …and by which netdevs.
    together: Arc<Together>,
    /// Where frames are steered to: the indices of the near and the far ends, by worker…
    pub(super) pairs: Vec<(u32, u32)>,
    /// …and of the near end for reserved addresses.
    pub(super) urgent: u32,
    /// The index of the device at which fan-outs are; 0: none.
    pub(super) fan: u32,
    /// What another build had left was taken off.
    pub(crate) replaced: bool,
    /// Why nothing is pinned although it was to be.
    pub(crate) unpinned: Option<String>,
    /// Why the kernel replays no flows, if it does not take the programs that would.
    pub(crate) forgetful: Option<String>,
}

impl Programs {
    /// Loads them, over the maps that are pinned if that is possible. Otherwise what is pinned is taken off, and they are
    /// loaded anew. `slots`: of a worker's ring.
    pub(super) fn load(mount: Option<&Mount>, cookie: u64, slots: u32, workers: usize) -> Result<Programs, OpenError> {
        let entries = (PORTS * workers) as u32;
        let build = fnv([slots, entries, SLOTS].map(u32::to_le_bytes).as_flattened().iter().chain(OBJECT));
        let (mut why, mut replaced) = (None, false);
        if let Some(mount) = mount {
            replaced = mount.clear_others(cookie, build).unwrap_or(false);
            for _ in 0..2 {
                let tried = mount.pins(cookie, build).map_err(|e| sentence("its directory", e));
                match tried.and_then(|pins| Ok((load_over(Some(&pins), slots, workers, true)?, pins))) {
                    Ok((bpf, pins)) => return Ok(Programs { replaced, ..Programs::of(bpf, Some(pins), workers)? }),
                    Err(error) => why = Some(error.0),
                }
                // What was left may be what is wrong.
                let _ = mount.pins(cookie, build).and_then(|pins| pins.clear());
            }
        }
        let (bpf, forgetful) = match load_over(None, slots, workers, true) {
            Ok(bpf) => (bpf, None),
            // The verifier's log is long, and its end says what is wrong.
            Err(error) => {
                let end = error.0.trim_end().lines().rev().find(|line| !line.starts_with("processed"));
                (load_over(None, slots, workers, false)?, Some(end.unwrap_or_default().trim().to_string()))
            }
        };
        let unpinned = why.filter(|_| forgetful.is_none());
        Ok(Programs { replaced, unpinned, forgetful, ..Programs::of(bpf, None, workers)? })
    }

    fn of(mut bpf: Ebpf, pins: Option<Pins>, workers: usize) -> Result<Programs, OpenError> {
        let size = (PORTS * workers + QUEUES as usize) * 8;
        let counts = Counts {
            admitted: mapped(&bpf, "admitted", size)?,
            consumed: mapped(&bpf, "consumed", size)?,
            refused: mapped(&bpf, "refused", PORTS * 8)?,
            sockets: PORTS * workers,
        };
        // The ends of the pairs that were: they are made anew.
        if let Some(pins) = &pins {
            pins.indices(FAR_IN.pin).into_iter().for_each(|index| remove(&FAR_IN.pinned(pins, index)));
        }
        Ok(Programs {
            ports: HashMap::try_from(take(&mut bpf, "ports")?).map_err(|e| sentence("ports", e))?,
            refused: Array::try_from(take(&mut bpf, "refused")?).map_err(|e| sentence("refused", e))?,
            sockets: XskMap::try_from(take(&mut bpf, "sockets")?).map_err(|e| sentence("sockets", e))?,
            queues: BTreeMap::new(),
            counts: Arc::new(counts),
            bpf,
            pins,
            live: Vec::new(),
            together: Arc::default(),
            pairs: Vec::new(),
            urgent: 0,
            fan: 0,
            replaced: false,
            unpinned: None,
            forgetful: None,
        })
    }

    /// Does what is attached stay when this process ends?
    pub(super) fn is_pinned(&self) -> bool {
        self.pins.is_some()
    }

    /// The table of flows that they read.
    pub(super) fn flows(&self, fanouts: Option<Fanouts>) -> Result<FlowTable, OpenError> {
        let [flows, prints, depends, others, generations, cache] = Memory::sizes(SLOTS);
        let map = |name: &str, len: usize| mapped(&self.bpf, name, len);
        let memory = Memory {
            flows: map("flows", flows)?,
            prints: map("prints", prints)?,
            depends: map("depends", depends)?,
            others: map("others", others)?,
            generations: map("generations", generations)?,
            cache: map("cache", cache)?,
            admitted: map("admitted", self.counts.admitted.len())?,
        };
        Ok(FlowTable::over(memory, SLOTS, fanouts))
    }

    /// Has frames leave many at a time: received at the far end of this pair, at whose near end nothing comes by. They are for
    /// this process alone, and end with it.
    pub(super) fn live(&mut self, near: &Link, far: &Link, workers: usize) -> Result<Vec<Live>, OpenError> {
        for (side, link) in [(LIVE_OUT, near), (LIVE_IN, far)] {
            load(&mut self.bpf, side)?;
            // A program that is attached nowhere, the kernel makes ready anew for each call: that takes 28 ms.
            self.live.push(Attached::attach(&mut self.bpf, None, side, link)?);
        }
        let shared = Arc::new(live::Shared {
            program: descriptor(&mut self.bpf, LIVE_OUT)?,
            slots: mapped(&self.bpf, "live_slots", workers * TOGETHER * size_of::<Slot>())?,
            progress: mapped(&self.bpf, "live_progress", workers * size_of::<Progress>())?,
            end: far.index,
        });
        let mut all = Vec::new();
        for worker in 0..workers {
            let mut live = Live::new(&shared, worker, &self.together).map_err(|e| sentence("netlink", e))?;
            live.probe().map_err(|e| sentence("BPF_PROG_TEST_RUN", e))?;
            all.push(live);
        }
        Ok(all)
    }

    /// May frames of this port leave many at a time? Not where they would have to wait in a queueing discipline: of what that
    /// refuses nothing would be known.
    pub(super) fn allow_together(&self, links: &Links, port: PortId, index: u32) {
        let may = links.at(index).is_ok_and(|link| link.qdisc == "noqueue");
        self.together.allow(port, if may { index } else { 0 });
    }

    /// They leave one by one.
    pub(super) fn forbid_together(&self, port: PortId) {
        self.together.allow(port, 0);
    }

    /// Is it to be looked again by which ports they may?
    pub(crate) fn was_revoked(&self) -> bool {
        self.together.was_revoked()
    }

    /// Attaches one to a device.
    pub(super) fn attach(&mut self, side: Side, link: &Link) -> Result<Attached, OpenError> {
        Attached::attach(&mut self.bpf, self.pins.as_ref(), side, link)
    }

    /// In the driver if it can, else in the kernel's receive path.
    pub(super) fn attach_xdp(&mut self, link: &Link) -> Result<Attached, OpenError> {
        Attached::attach_xdp(&mut self.bpf, self.pins.as_ref(), link)
    }

    /// Tells them whose frames those of a device are, that they go to this worker, and whether its driver runs the XDP program.
    pub(super) fn enter(&mut self, port: PortId, worker: u8, link: &Link, native: bool) -> Result<(), OpenError> {
        let wrong = |e| sentence(&link.name, e);
        let (near, far) = *self.pairs.get(usize::from(worker)).ok_or_else(|| no_worker(worker))?;
        let queues = self.queues.get(&link.index).cloned().unwrap_or_default();
        let (base, count) = (queues.start, queues.end - queues.start);
        let (worker, number) = (worker.into(), port.0.into());
        let entry = [near, far, self.urgent, worker, number, base, count, native.into(), self.fan];
        self.refused.set(u32::from(port.0), 0, 0).map_err(wrong)?;
        self.ports.insert(link.index, entry, 0).map_err(wrong)
    }

    /// Places for the sockets of so many queues of a device; told with [`Programs::enter`].
    pub(super) fn place(&mut self, sockets: &mut [(u8, Xsk)], link: &Link) -> Result<(), OpenError> {
        let count = sockets.len() as u32;
        self.queues.remove(&link.index);
        let taken: Vec<Range<u32>> = self.queues.values().cloned().collect();
        // Behind one of the others there is room, or nowhere.
        let mut places = std::iter::once(0).chain(taken.iter().map(|range| range.end));
        let fits = |base: &u32| {
            base + count <= QUEUES && taken.iter().all(|other| base + count <= other.start || other.end <= *base)
        };
        let full = || OpenError(format!("the xdp ports have {QUEUES} queues, the most there may be"));
        let base = places.find(fits).ok_or_else(full)?;
        for ((_, xsk), at) in sockets.iter_mut().zip(base..) {
            xsk.credit = Some(Counts::socket(&self.counts, at));
            self.sockets.set(at, xsk.fd().as_raw_fd(), 0).map_err(|e| sentence(&link.name, e))?;
        }
        self.queues.insert(link.index, base..base + count);
        Ok(())
    }

    /// The lane of a device's first queue, and the index of its count.
    pub(super) fn first_lane(&self, index: u32) -> u32 {
        let base = self.queues.get(&index).map_or(0, |queues| queues.start);
        1 << 24 | (self.counts.sockets as u32 + base)
    }

    /// The device is no port any more.
    pub(super) fn forget(&mut self, index: u32) {
        // Absent entries are what is wanted; sockets leave theirs when they are closed.
        let _ = self.ports.remove(&index);
        self.queues.remove(&index);
    }

    /// Does a predecessor's program, pinned, wait there to be adopted?
    pub(super) fn was_ours(&self, index: u32) -> bool {
        self.pins.as_ref().is_some_and(|pins| PORT_IN.pinned(pins, index).exists())
    }

    /// What they were told by a predecessor or since: devices by index, and the numbers of their ports.
    pub(super) fn entered(&self) -> impl Iterator<Item = (u32, PortId)> {
        self.ports.iter().flatten().map(|(index, port)| (index, PortId(port[4] as u16)))
    }

    /// Takes off what a predecessor left at a device.
    pub(super) fn let_go(&mut self, index: u32) {
        OF_PORTS.iter().for_each(|side| self.take_off(*side, index));
        self.forget(index);
    }

    /// Takes off one of what a predecessor left there.
    pub(super) fn take_off(&self, side: Side, index: u32) {
        if let Some(pins) = &self.pins {
            remove(&side.pinned(pins, index));
        }
    }

    /// Keeps what the host's own programs send by a port's device from leaving, or lets it out.
    pub(super) fn guard(
        &mut self,
        links: &Links,
        index: u32,
        programs: &mut Vec<Attached>,
        guarded: bool,
    ) -> Result<(), OpenError> {
        match programs.iter().position(|program| program.side.pin == PORT_OUT.pin) {
            Some(guard) if !guarded => drop(programs.remove(guard)),
            // From a device that is gone nothing leaves.
            None if guarded => {
                if let Ok(link) = links.at(index) {
                    programs.push(self.attach(PORT_OUT, &link)?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Puts back what somebody took off, and says so.
    pub(super) fn mend<'a>(
        &mut self,
        links: &Links,
        index: u32,
        programs: impl Iterator<Item = &'a mut Attached>,
    ) -> Vec<Result<String, OpenError>> {
        let mut mended = Vec::new();
        for program in programs {
            // Of a device that is gone there is nothing to put back.
            if !program.is_there()
                && let Ok(link) = links.at(index)
            {
                mended.push(self.attach(program.side, &link).map(|attached| {
                    std::mem::replace(program, attached).leave();
                    link.name
                }));
            }
        }
        mended
    }

    /// Frames of this port for which there was no room.
    pub(super) fn refused(&self, port: PortId) -> u64 {
        self.refused.get(&u32::from(port.0), 0).unwrap_or(0)
    }
}

fn no_worker(worker: u8) -> OpenError {
    OpenError(format!("there is no worker {worker}"))
}

/// FNV-1a: it is the same in every release.
fn fnv<'a>(bytes: impl Iterator<Item = &'a u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

fn load_over(pins: Option<&Pins>, slots: u32, workers: usize, remembers: bool) -> Result<Ebpf, OpenError> {
    let entries = (PORTS * workers) as u32;
    let mut loader = EbpfLoader::new();
    let remembers = u32::from(remembers);
    loader.override_global("remembers", &remembers, true).override_global("socket_counts", &entries, true);
    loader.override_global("slots", &slots, true).override_global("flow_mask", &(SLOTS - 1), true);
    loader.map_max_entries("flows", SLOTS).map_max_entries("depends", SLOTS).map_max_entries("others", SLOTS);
    loader.map_max_entries("prints", SLOTS / GROUP as u32);
    loader.map_max_entries("admitted", entries + QUEUES).map_max_entries("consumed", entries + QUEUES);
    loader.map_max_entries("live_slots", (workers * TOGETHER) as u32).map_max_entries("live_progress", workers as u32);
    if let Some(pins) = pins {
        for map in MAPS {
            loader.map_pin_path(map, pins.path(map));
        }
    }
    let mut bpf = loader
        .load(OBJECT)
        .map_err(|e| sentence("loading the BPF programs (CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON)", e))?;
    for side in [PORT_IN, GENERIC_IN, PORT_OUT, FAR_IN, NATIVE] {
        load(&mut bpf, side)?;
    }
    Ok(bpf)
}

fn take(bpf: &mut Ebpf, map: &str) -> Result<aya::maps::Map, OpenError> {
    bpf.take_map(map).ok_or_else(|| OpenError(format!("the BPF object has no map {map}")))
}

/// An array of the programs', as memory.
fn mapped(bpf: &Ebpf, name: &str, len: usize) -> Result<Region, OpenError> {
    let Some(aya::maps::Map::Array(data)) = bpf.map(name) else {
        return Err(OpenError(format!("the BPF object has no array {name}")));
    };
    Region::of(data.fd().as_fd().as_raw_fd(), len, 0).map_err(|e| sentence(name, e))
}
