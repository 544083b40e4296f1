//! The out that explains: it keeps each decision, for `packet-tracer` and for tests.

use crate::fdb::{Fdb, Station};
use crate::forward::{Frame, forward};
use crate::io::Offload;
use crate::neighbours::{Neighbour, Neighbours};
use crate::out::{Note, Out, Seen, Told};
use crate::rewrite::Rewrite;
use crate::{Drop, Snapshot};
use mona_wire::{PortId, Tci, VlanId};

/// What became of one frame, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorder {
    /// The VLAN it was admitted to.
    pub vlan: Option<VlanId>,
    /// What control would have been told.
    pub seen: Option<Seen>,
    /// What control would have been shown the frame for.
    pub told: Vec<Told>,
    /// How it was routed: the VLAN it leaves in, and what is changed.
    pub rewrite: Option<(VlanId, Rewrite)>,
    /// The copies: port and tag, in the order they would be sent.
    pub sends: Vec<(PortId, Option<Tci>)>,
    /// The decisions in the order they were taken.
    pub notes: Vec<Note>,
    /// Why it was not sent at all.
    pub dropped: Option<Drop>,
}

impl Recorder {
    /// Runs the datapath on a frame without any effect.
    pub fn trace(snapshot: &Snapshot, rx: PortId, bytes: &[u8], offload: &Offload) -> Recorder {
        let mut recorder = Recorder::default();
        let frame = Frame::parse(bytes, bytes.len() as u32, offload);
        recorder.dropped = frame.and_then(|frame| forward(snapshot, rx, &frame, &mut recorder)).err();
        recorder.told.extend(recorder.dropped.filter(|why| why.is_told()).map(Told::Dropped));
        recorder
    }
}

impl Out for Recorder {
    fn admitted(&mut self, vlan: VlanId) {
        self.vlan = Some(vlan);
    }

    fn seen(&mut self, seen: Seen) {
        self.seen = Some(seen);
    }

    fn heard(&mut self, _: &Fdb, station: &Station, rx: PortId) -> bool {
        station.port == rx
    }

    fn used(&mut self, _: &Neighbours, _: &Neighbour) {}

    fn rewrite(&mut self, vlan: VlanId, rewrite: Rewrite) {
        self.rewrite = Some((vlan, rewrite));
    }

    fn tell(&mut self, _: VlanId, told: Told) {
        self.told.push(told);
    }

    fn send(&mut self, port: PortId, tag: Option<Tci>) {
        self.sends.push((port, tag));
    }

    fn note(&mut self, note: Note) {
        self.notes.push(note);
    }
}
