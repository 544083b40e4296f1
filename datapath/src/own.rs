//! Frames of the switch itself: what control gives to [`Datapath::inject`](crate::switching::Datapath::inject), port by
//! port, so that a frame it makes for a VLAN goes where the bridge would send it.

use crate::forward::{Frame, forward_own};
use crate::io::Offload;
use crate::offload::Leaving;
use crate::{Recorder, Snapshot};
use mona_wire::{PortId, VlanId};

/// The copies of an untagged frame that the router sends in a VLAN, each with its tag. Not among them: one for the netdev
/// of the router's interface there, which is the router too.
pub fn copies(snapshot: &Snapshot, vlan: VlanId, bytes: &[u8]) -> Vec<(PortId, Vec<u8>)> {
    let mut recorder = Recorder::default();
    let whole = Offload::default();
    let parsed = Frame::parse(bytes, bytes.len() as u32, &whole);
    recorder.dropped = parsed.and_then(|frame| forward_own(snapshot, vlan, &frame, &mut recorder)).err();
    let written = recorder.sends.iter().filter_map(|(port, tag)| {
        let leaving = Leaving::new(bytes, &whole, *tag).ok()?;
        let mut copy = vec![0; leaving.len()];
        leaving.write(&mut copy)?;
        Some((*port, copy))
    });
    written.collect()
}
