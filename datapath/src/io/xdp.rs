//! `xdp` ports: AF_XDP. A program at each port gives every frame to the socket of the queue it came in on; the sockets
//! of a worker share its memory. This is the side of control: it attaches programs, opens sockets, gives devices back.
//! Behind that program such a port has those of a `packet` port, for what only they can do.
//!
//! An XDP program does not see a tag that travels beside the frame (as a veth peer's accelerated tag does), and in
//! generic mode no super-frame fits: what feeds such a port from this machine must send tags in the frame and no TSO.
//! Native XDP on a veth makes its peer stop TSO by itself; a Mona `packet` port puts its tags into the frame.

use super::attached::{Attached, GENERIC_IN, PORT_IN, PORT_OUT};
use super::backplane::Promiscuous;
use super::features::{self, Changes};
use super::flows::Way;
use super::found::Records;
use super::link::{Link, Links};
use super::packet::CHANGED;
use super::programs::Programs;
use super::taken::{Taken, candidate, sentence};
use super::umem::{CHUNK, CHUNKS, FEWEST, Umem};
use super::xsk::{Xsk, statistics};
use super::xskset::SOCKETS;
use crate::snapshot::Home;
use crate::switching::{OpenError, Opened, Refused};
use mona_wire::PortId;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The kernel gives a queue free some time after its socket was closed, mostly within this. Nothing else is done meanwhile.
const PATIENCE: Duration = Duration::from_millis(20);
const RETRY: Duration = Duration::from_millis(1);
/// Queues of one port at most.
const QUEUES: u32 = 256;
/// Merged frames do not fit into chunks; off where the kernel, and not the driver, runs the program.
const MERGED: [&str; 5] = ["tx-vlan-hw-insert", "tx-vlan-stag-hw-insert", "rx-lro", "rx-gro", "rx-vlan-hw-parse"];

/// The sockets of a port, each with the worker it is for.
pub type Queues = Vec<(u8, Xsk)>;

struct Open {
    taken: Taken,
    sockets: Vec<Weak<OwnedFd>>,
    /// Taken off, in this order, when the port is closed, or with this process unless they are pinned.
    programs: Vec<Attached>,
    way: Way,
    /// Frames may leave many at a time too.
    together: bool,
}

/// The memory of one worker and mode, and the sockets that have it.
struct Shared {
    umem: Arc<Umem>,
    sockets: Vec<Weak<OwnedFd>>,
}

/// The control side of all `xdp` ports.
pub struct XdpPorts {
    links: Links,
    promiscuous: Promiscuous,
    records: Arc<Records>,
    /// By worker and whether it is zero-copy. Made when the first port needs it.
    umems: BTreeMap<(u8, bool), Shared>,
    open: BTreeMap<PortId, Open>,
    /// Ports stay attached when this process ends.
    holding: bool,
    /// None where the kernel does not tell.
    changes: Option<Changes>,
}

impl XdpPorts {
    /// Opens what control needs; nothing is loaded before there is a port.
    pub fn start() -> Result<XdpPorts, OpenError> {
        Ok(XdpPorts {
            links: Links::open().map_err(|e| sentence("netlink", e))?,
            promiscuous: Promiscuous::open().map_err(|e| sentence("a raw socket (CAP_NET_RAW)", e))?,
            records: Arc::default(),
            umems: BTreeMap::new(),
            open: BTreeMap::new(),
            holding: false,
            changes: Changes::open().ok(),
        })
    }

    /// Makes `device` the port: claims all its queues and spreads them over `workers`, the first one first.
    pub fn open(
        &mut self,
        programs: &mut Programs,
        port: PortId,
        device: &str,
        workers: &[u8],
    ) -> Result<(Opened, Way, Queues), Refused> {
        if self.open.contains_key(&port) {
            return Err(OpenError(format!("{port} is open already")).into());
        }
        self.holding = programs.is_pinned();
        let link = candidate(&self.links, device, |index| programs.was_ours(index))?;
        let (out, mut into) = (programs.attach(PORT_OUT, &link)?, programs.attach(PORT_IN, &link)?);
        let first = programs.attach_xdp(&link)?;
        let native = first.is_native();
        if !native {
            std::mem::replace(&mut into, programs.attach(GENERIC_IN, &link)?).leave();
        }
        let attached = vec![first, into, out];
        let off: &[&str] = if native { &CHANGED } else { &MERGED };
        let taken = Taken::take(&self.links, &self.promiscuous, &self.records, &link, off)?;
        // A queue of a device that is down takes no socket; `shutdown` sets it down again.
        let up = self.links.set_flags(link.index, libc::IFF_UP, libc::IFF_UP).map_err(|e| sentence(device, e).into());
        let claimed =
            up.and_then(|()| self.claim_best(port, &link, native, workers)).and_then(|(zero_copy, mut queues)| {
                programs.place(&mut queues, &link)?;
                programs.enter(port, workers.first().copied().unwrap_or(0), &link, native)?;
                Ok((zero_copy, queues))
            });
        let (zero_copy, queues) = match claimed {
            Ok(claimed) => claimed,
            Err(error) => {
                programs.forget(link.index);
                taken.give_back(&self.links, &self.promiscuous, attached);
                return Err(error);
            }
        };
        let mut served: Vec<u8> = queues.iter().map(|(worker, _)| *worker).collect();
        served.truncate(workers.len());
        let opened = Opened {
            io: "xdp".into(),
            attach: if native { "native" } else { "generic" }.into(),
            memory: if zero_copy { "zero-copy" } else { "copy" }.into(),
            queues: queues.len() as u16,
            home: served.first().map(|worker| Home::Worker(*worker)),
            workers: served,
            why: "asked for".into(),
        };
        let sockets = queues.iter().map(|(_, xsk)| Arc::downgrade(xsk.descriptor())).collect();
        let way = way(&link, native, programs.first_lane(link.index));
        // What a socket sends goes by the queue of its number: where there is but one both ways are the same.
        let together = !zero_copy && self.links.queues(device) == Some(1);
        if together {
            programs.allow_together(&self.links, port, link.index);
        }
        self.open.insert(port, Open { taken, sockets, programs: attached, way, together });
        Ok((opened, way, queues))
    }

    /// All queues, in the best way they have.
    fn claim_best(
        &mut self,
        port: PortId,
        link: &Link,
        native: bool,
        workers: &[u8],
    ) -> Result<(bool, Vec<(u8, Xsk)>), Refused> {
        let features = features::of(link.index).ok();
        match best(native, features, |zero_copy| self.claim(port, link, zero_copy, workers)) {
            Ok(claimed) => Ok(claimed),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                let why = format!("a queue of {} belongs to another program's AF_XDP socket; end that", link.name);
                Err(Refused { why: OpenError(why), busy: true })
            }
            Err(error) => {
                Err(sentence(&format!("AF_XDP on {} (CAP_NET_RAW, RLIMIT_MEMLOCK)", link.name), error).into())
            }
        }
    }

    /// A socket for each queue: as many as the driver says, or until the kernel says that there is no further one.
    fn claim(&mut self, port: PortId, link: &Link, zero_copy: bool, workers: &[u8]) -> io::Result<Vec<(u8, Xsk)>> {
        let count = self.links.queues(&link.name);
        let mut queues = Vec::new();
        for (queue, worker) in (0..count.unwrap_or(QUEUES).min(QUEUES)).zip(workers.iter().cycle()) {
            match self.bind(port, link.index, queue, zero_copy, *worker) {
                Ok(xsk) => queues.push((*worker, xsk)),
                Err(error) if count.is_none() && queue > 0 && error.raw_os_error() == Some(libc::EINVAL) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(queues)
    }

    fn bind(&mut self, port: PortId, ifindex: u32, queue: u32, zero_copy: bool, worker: u8) -> io::Result<Xsk> {
        let others = self.umems.iter().filter(|((of, _), _)| *of == worker);
        if others.map(|(_, shared)| shared.living().count()).sum::<usize>() >= SOCKETS {
            return Err(io::Error::other(format!("worker {worker} has {SOCKETS} queues, the most there may be")));
        }
        let key = (worker, zero_copy);
        if let Some(shared) = self.umems.get_mut(&key) {
            return shared.bind(port, ifindex, queue, zero_copy);
        }
        let mut refused = io::Error::from_raw_os_error(libc::ENOBUFS);
        for chunks in sizes() {
            let mut shared = Shared { umem: Arc::new(Umem::new(chunks)?), sockets: Vec::new() };
            match shared.bind(port, ifindex, queue, zero_copy) {
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => refused = error,
                Err(error) => return Err(error),
                Ok(xsk) => {
                    self.umems.insert(key, shared);
                    return Ok(xsk);
                }
            }
        }
        Err(refused)
    }

    /// Gives the device back as it was; it may be gone. The sockets are closed already.
    pub fn close(&mut self, programs: &mut Programs, port: PortId) {
        if let Some(index) = self.give_back(port) {
            programs.forget(index);
            programs.forbid_together(port);
        }
        self.umems.retain(|_, shared| shared.living().next().is_some());
    }

    /// Readable when features of devices have changed.
    pub(crate) fn changes(&self) -> Option<BorrowedFd<'_>> {
        self.changes.as_ref().map(AsFd::as_fd)
    }

    /// Have features of any devices changed since the last time?
    pub(crate) fn heard(&self) -> bool {
        self.changes.as_ref().is_some_and(Changes::any)
    }

    /// Ports whose devices take frames from XDP since the last time, or no longer do.
    pub(crate) fn changed(&mut self) -> Vec<(PortId, Way)> {
        let open = self.open.iter_mut().filter_map(|(port, open)| {
            let now = way(&open.taken.device, open.programs[0].is_native(), open.way.credit);
            (std::mem::replace(&mut open.way, now) != now).then_some((*port, now))
        });
        open.collect()
    }

    fn give_back(&mut self, port: PortId) -> Option<u32> {
        let Open { taken, programs, .. } = self.open.remove(&port)?;
        taken.give_back(&self.links, &self.promiscuous, programs);
        Some(taken.device.index)
    }

    /// The pinned links of all ports, and the devices they are to be at.
    pub(crate) fn pinned(&self) -> Vec<(u32, PathBuf)> {
        self.open.values().flat_map(|open| open.programs.iter().filter_map(Attached::pinned)).collect()
    }

    /// As that of `packet` ports.
    pub(crate) fn guard(&mut self, programs: &mut Programs, port: PortId, guarded: bool) -> Result<(), OpenError> {
        let Some(open) = self.open.get_mut(&port) else { return Ok(()) };
        programs.guard(&self.links, open.taken.device.index, &mut open.programs, guarded)
    }

    /// Puts the programs of a device back that somebody took off, and says at which.
    pub(crate) fn mend(&mut self, programs: &mut Programs, index: u32) -> Vec<Result<String, OpenError>> {
        let open = self.open.values_mut().filter(|open| open.taken.device.index == index);
        open.flat_map(|open| programs.mend(&self.links, index, open.programs.iter_mut())).collect()
    }

    /// Looks again by which ports frames may leave many at a time.
    pub(crate) fn look_together(&self, programs: &Programs) {
        let open = self.open.iter().filter(|(_, open)| open.together);
        open.for_each(|(port, open)| programs.allow_together(&self.links, *port, open.taken.device.index));
    }

    /// Keeps from now on what devices were like.
    pub(crate) fn keep(&mut self, records: Arc<Records>) {
        self.records = records;
    }

    /// Is the device of this index a port?
    pub(crate) fn is_open(&self, index: u32) -> bool {
        self.open.values().any(|open| open.taken.device.index == index)
    }

    /// The port of this device.
    pub(crate) fn taken(&mut self, device: &str) -> Option<(&mut Taken, &Links)> {
        let open = self.open.values_mut().find(|open| open.taken.device.name == device)?;
        Some((&mut open.taken, &self.links))
    }

    /// Frames of this port that the kernel lost, by reason.
    pub fn kernel_losses(&self, programs: &Programs, port: PortId) -> Vec<(&'static str, u64)> {
        let mut rows = [
            ("credit", programs.refused(port)),
            ("xsk_rx_dropped", 0),
            ("xsk_rx_ring_full", 0),
            ("xsk_fill_ring_empty", 0),
            ("xsk_rx_invalid_descs", 0),
            ("xsk_tx_invalid_descs", 0),
        ];
        let Some(open) = self.open.get(&port) else { return Vec::new() };
        for counted in open.sockets.iter().filter_map(Weak::upgrade).filter_map(|fd| statistics(&fd).ok()) {
            let counts = [
                counted.rx_dropped,
                counted.rx_ring_full,
                counted.rx_fill_ring_empty_descs,
                counted.rx_invalid_descs,
                counted.tx_invalid_descs,
            ];
            rows[1..].iter_mut().zip(counts).for_each(|((_, sum), count)| *sum += count);
        }
        let mut rows = rows.to_vec();
        // What a device drops on entry are the sockets' losses again, or XDP's.
        if let Ok(link) = self.links.at(open.taken.device.index) {
            rows.extend([("rx_missed", link.rx_missed), ("tx_dropped", link.tx_dropped)]);
        }
        rows
    }

    /// Does `auto` mean xdp for this device? Either way, why.
    pub fn suits(&self, device: &str) -> Result<String, String> {
        let link = self.links.get(device).map_err(|error| format!("{device}: {error}"))?;
        fits(link.kind.as_deref(), || features::of(link.index).ok())
    }
}

/// How the device is reached just now.
fn way(link: &Link, native: bool, credit: u32) -> Way {
    let takes_xdp = features::of(link.index).is_ok_and(|features| features & features::NDO_XMIT != 0);
    // Where the driver does not run the program frames are packets before it does: TC's.
    Way { ifindex: link.index, credit, takes_xdp, gives_xdp: native }
}

/// Is xdp the best for a device of this kind (none: a physical one) and these features? Either way, why.
fn fits(kind: Option<&str>, features: impl FnOnce() -> Option<u64>) -> Result<String, String> {
    if let Some(kind) = kind {
        return Err(format!("a {kind} is a virtual device: packet carries its offloads"));
    }
    let features = features().ok_or("the kernel does not say what its driver can do")?;
    let wanted = features::BASIC | features::REDIRECT;
    if features & wanted != wanted {
        return Err("its driver has no native XDP".into());
    }
    Ok("a physical device whose driver has native XDP".into())
}

impl Shared {
    fn living(&self) -> impl Iterator<Item = Arc<OwnedFd>> {
        self.sockets.iter().filter_map(Weak::upgrade)
    }

    /// A socket more; waits for a queue that was closed just now.
    fn bind(&mut self, port: PortId, ifindex: u32, queue: u32, zero_copy: bool) -> io::Result<Xsk> {
        self.sockets.retain(|socket| socket.strong_count() > 0);
        let end = Instant::now() + PATIENCE;
        loop {
            match self.bind_now(port, ifindex, queue, zero_copy) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) && Instant::now() < end => sleep(RETRY),
                Err(error) => return Err(error),
                Ok(xsk) => {
                    self.sockets.push(Arc::downgrade(xsk.descriptor()));
                    return Ok(xsk);
                }
            }
        }
    }

    /// With the memory of a socket that is bound, or, where none is, with memory registered once more.
    fn bind_now(&self, port: PortId, ifindex: u32, queue: u32, zero_copy: bool) -> io::Result<Xsk> {
        for other in self.living() {
            match Xsk::open(port, &self.umem, Some(other.as_raw_fd()), zero_copy, ifindex, queue) {
                // Its device is gone, and with it its registration.
                Err(error) if error.raw_os_error() == Some(libc::EBADF) => {}
                done => return done,
            }
        }
        Xsk::open(port, &self.umem, None, zero_copy, ifindex, queue)
    }
}

/// Zero-copy if the driver runs the program and has it (`features`: what the kernel says of it), and if every queue takes it;
/// else copy.
fn best<T>(native: bool, features: Option<u64>, mut claim: impl FnMut(bool) -> io::Result<T>) -> io::Result<(bool, T)> {
    let able = native && features.is_some_and(|features| features & features::ZERO_COPY != 0);
    if able && let Ok(claimed) = claim(true) {
        return Ok((true, claimed));
    }
    claim(false).map(|claimed| (false, claimed))
}

/// Chunks to try, until the kernel locks so many. Where the limit is low, other workers need their share of it.
fn sizes() -> impl Iterator<Item = usize> {
    let limit = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_MEMLOCK);
    let share = limit.map_or(0, |(soft, _)| soft / 4 / CHUNK as u64).clamp(1, CHUNKS as u64) as usize;
    let first = if share.is_power_of_two() { share } else { share.next_power_of_two() / 2 };
    let lower = std::iter::successors(Some(first), |chunks| Some(chunks / 2));
    std::iter::once(CHUNKS).chain(lower.take_while(|chunks| *chunks >= FEWEST))
}

impl Drop for XdpPorts {
    fn drop(&mut self) {
        if self.holding {
            std::mem::take(&mut self.open).into_values().flat_map(|open| open.programs).for_each(Attached::leave);
        }
        for port in self.open.keys().copied().collect::<Vec<_>>() {
            let _ = self.give_back(port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Zero-copy is tried where it can be, and is left for all queues if one does not take it.
    #[test]
    fn zero_copy_where_driver_and_queues_have_it() {
        let (copies, has) = (features::BASIC | features::REDIRECT, features::BASIC | features::ZERO_COPY);
        // Native, features; does zero-copy work, does copy; what is tried, and what comes of it.
        for (native, features, zero_copy, copy, tried, is) in [
            (true, Some(has), true, true, &[true][..], Some(true)),
            (true, Some(has), false, true, &[true, false], Some(false)),
            (true, Some(has), false, false, &[true, false], None),
            (true, Some(copies), true, true, &[false], Some(false)),
            (true, None, true, true, &[false], Some(false)),
            (false, Some(has), true, true, &[false], Some(false)),
            (false, Some(copies), true, false, &[false], None),
        ] {
            let mut asked = Vec::new();
            let claimed = best(native, features, |mode| {
                asked.push(mode);
                let refused = if mode { libc::EOPNOTSUPP } else { libc::EBUSY };
                if (mode && zero_copy) || (!mode && copy) { Ok(()) } else { Err(io::Error::from_raw_os_error(refused)) }
            });
            assert_eq!(asked, tried, "{native} {features:?}");
            // What is said is why copying does not work.
            assert_eq!(
                claimed.map(|(mode, ())| mode).map_err(|e| e.raw_os_error()),
                is.ok_or(Some(libc::EBUSY)),
                "{native} {features:?}"
            );
        }
    }

    #[test]
    fn auto_means_xdp_for_physical_devices_with_native_xdp() {
        let both = features::BASIC | features::REDIRECT;
        for (kind, features, fit, why) in [
            (Some("veth"), Some(both), false, "a veth is a virtual device: packet carries its offloads"),
            (None, None, false, "the kernel does not say what its driver can do"),
            (None, Some(features::BASIC), false, "its driver has no native XDP"),
            (None, Some(both | features::ZERO_COPY), true, "a physical device whose driver has native XDP"),
        ] {
            let said = fits(kind, || features);
            assert_eq!((said.is_ok(), said.unwrap_or_else(|why| why).as_str()), (fit, why));
        }
    }
}
