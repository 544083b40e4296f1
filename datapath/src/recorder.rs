//! The out that explains: it keeps each decision, for `packet-tracer` and for tests.

use crate::fdb::{Fdb, Station};
use crate::forward::{Frame, forward};
use crate::io::Offload;
use crate::out::{Note, Out, Seen};
use crate::{Drop, Snapshot};
use mona_wire::{PortId, Tci, VlanId};

/// What became of one frame, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorder {
    /// The VLAN it was admitted to.
    pub vlan: Option<VlanId>,
    /// What control would have been told.
    pub seen: Option<Seen>,
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

    fn known(&mut self, _: &Fdb, _: &Station) {}

    fn send(&mut self, port: PortId, tag: Option<Tci>) {
        self.sends.push((port, tag));
    }

    fn note(&mut self, note: Note) {
        self.notes.push(note);
    }
}
