//! The datapath as control holds it: workers to start, ports to open and close, snapshots to publish, reports to read.
//!
//! Contract (filled in by its owner). Nothing here blocks for longer than opening a device takes.

use crate::out::Seen;
use crate::snapshot::{Home, Snapshot};
use crate::stats::{PortCounters, VlanCounters};
use mona_wire::{PortId, VlanId};
use serde::{Deserialize, Serialize};
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// How to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of workers; each is pinned to a CPU of its own as far as there are any.
    pub workers: usize,
    /// Stations the FDB holds.
    pub stations: usize,
    /// A word for the names of the backplane netdevs, so that several switches can run in one namespace: `mona` gives
    /// `mona-b0`, `mona-w0`, …
    pub name: String,
}

/// Which I/O the operator asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IoChoice {
    /// What fits the device.
    #[default]
    Auto,
    /// The backplane.
    Packet,
    /// AF_XDP.
    Xdp,
}

/// What was opened, for `show platform ports`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// `packet`, `xdp` or `mem`.
    pub io: String,
    /// `tcx` for packet; `native` or `generic` for xdp.
    pub attach: String,
    /// `zero-copy`, `copy`, or `ring` for packet.
    pub memory: String,
    /// Queues claimed.
    pub queues: u16,
    /// The workers that receive from it.
    pub workers: Vec<u8>,
    /// Why this I/O and no other, a sentence.
    pub why: String,
    /// How the snapshot reaches it (not shown).
    #[serde(skip)]
    pub home: Option<Home>,
}

/// Why a device cannot be a port: a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError(pub String);

/// What workers report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A source address unknown or elsewhere.
    Seen(Seen),
    /// A frame for the switch itself (a reserved address), with the port it came in on.
    Frame(PortId, Vec<u8>),
}

/// The running datapath. Dropping it stops the workers and releases every port.
pub struct Datapath {}

#[allow(unused_variables)]
impl Datapath {
    /// Loads programs, makes the backplanes, starts the workers. Leftovers of a killed predecessor of the same name are
    /// recognised and removed first.
    pub fn start(options: Options) -> Result<Datapath, OpenError> {
        todo!()
    }

    /// The table of stations.
    pub fn fdb(&self) -> &Arc<crate::Fdb> {
        todo!()
    }

    /// Makes `device` the port `port`. The device's settings are remembered and restored by [`Datapath::close`].
    /// Frames of the port are dropped until a snapshot that holds it is published.
    pub fn open(&mut self, port: PortId, device: &str, io: IoChoice) -> Result<Opened, OpenError> {
        todo!()
    }

    /// Gives the device back as it was found. Fine if the device is gone, or if there is no such port.
    pub fn close(&mut self, port: PortId) {
        todo!()
    }

    /// Workers decide by this from their next batch on. Returns at once; [`Datapath::synchronise`] waits.
    pub fn publish(&mut self, snapshot: Arc<Snapshot>) {
        todo!()
    }

    /// Returns when every worker decides by the snapshot published last (bounded: about a millisecond).
    pub fn synchronise(&mut self) {
        todo!()
    }

    /// Readable when there are reports.
    pub fn wakeup(&self) -> BorrowedFd<'_> {
        todo!()
    }

    /// Takes the waiting reports, urgent ones first, at most `limit`.
    pub fn reports(&mut self, limit: usize, into: &mut Vec<Report>) {
        todo!()
    }

    /// Sends a frame that the switch itself made, as it is, by `port`.
    pub fn inject(&mut self, port: PortId, frame: &[u8]) {
        todo!()
    }

    /// The counters of one port, summed over the workers.
    pub fn port_counters(&self, port: PortId) -> PortCounters {
        todo!()
    }

    /// The counters of one VLAN.
    pub fn vlan_counters(&self, vlan: VlanId) -> VlanCounters {
        todo!()
    }

    /// Losses that belong to no single port: (worker, name, count).
    pub fn losses(&self) -> Vec<(u8, &'static str, u64)> {
        todo!()
    }
}
