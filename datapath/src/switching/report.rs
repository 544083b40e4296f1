//! What workers report to control.

use super::own_tag;
use crate::offload::Leaving;
use crate::out::{Seen, Told};
use crate::ring::Label;
use mona_wire::{PortId, VlanId};

/// What workers report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A source address unknown or elsewhere.
    Seen(Seen),
    /// A frame for the switch itself (a reserved address), with the port it came in on.
    Frame(PortId, Vec<u8>),
    /// A frame that control is shown as it came in: dropped, or heard on its way.
    Exception {
        /// The port it came in on.
        port: PortId,
        /// The VLAN it came in.
        vlan: VlanId,
        /// Why it is shown.
        why: Told,
        /// All of it.
        frame: Vec<u8>,
    },
}

/// What a frame in the ring to control means.
pub(super) fn punted(label: Label, frame: &[u8]) -> Report {
    match (label.told, label.vlan) {
        (Some(why), Some(vlan)) => Report::Exception { port: label.from, vlan, why, frame: completed(label, frame) },
        _ => Report::Frame(label.from, frame.to_vec()),
    }
}

/// The frame as its sender's device would have sent it: nothing is left to be done. One that is not what its metadata says
/// stays as it is.
fn completed(label: Label, frame: &[u8]) -> Vec<u8> {
    let Ok(leaving) = Leaving::new(frame, &label.offload, own_tag(frame)) else { return frame.to_vec() };
    let mut bytes = vec![0; leaving.len()];
    let written = match leaving.segments() {
        Ok(segments) => segments.write(0, &mut bytes),
        Err(_) => leaving.write_complete(&mut bytes).ok(),
    };
    written.map_or_else(|| frame.to_vec(), |len| bytes[..len].to_vec())
}
