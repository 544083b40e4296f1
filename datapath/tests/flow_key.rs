//! The key is sound: two frames of one key, decided by one switch, are done alike. Random switches with routes of several
//! paths and access lists; random frames, and others that differ from them in a few fields.

mod random;
mod world;

use mona_datapath::flow::{Depth, Flow, Inner};
use mona_datapath::io::{Offload, RxFrame};
use mona_datapath::program::program;
use mona_datapath::rewrite::Rewrite;
use mona_datapath::{Batch, Frame};
use mona_wire::checksum::Sum;
use mona_wire::{PortId, Tci};
use proptest::prelude::*;
use random::{mixed, packet, switches, world};
use world::World;

/// Would the kernel replay the flow for this frame? As the programs see it.
fn is_of(flow: &Flow, rx: PortId, bytes: &[u8]) -> bool {
    let Ok(frame) = Frame::parse(bytes, bytes.len() as u32, &Offload::default()) else { return false };
    let outer = (rx, frame.eth.tag.map(Tci::vid), frame.eth.dst, frame.eth.src);
    let inner = Inner::of(&frame);
    let same = outer == (flow.outer.rx, flow.outer.vid, flow.outer.dst, flow.outer.src)
        && frame.payload <= u32::from(flow.action.mtu)
        && (flow.looked.depth == Depth::L2
            || inner.map(|inner| inner.at(flow.looked)) == Some(flow.inner.at(flow.looked)));
    let packet = &bytes[frame.eth.len()..];
    // Padding of the shortest frame goes along.
    let is_whole = |total: usize| total <= packet.len() && packet.len() <= total.max(46);
    let routable = match frame.eth.ethertype {
        0x0800 => {
            let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
            packet[8] > 1 && Sum::default().bytes(&packet[..20]).finish() == 0 && is_whole(total)
        }
        0x86dd => packet[7] > 1 && is_whole(40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]))),
        _ => false,
    };
    same && (flow.action.route.is_none() || routable)
}

/// What the datapath does with the frame, in the words of a flow.
fn done(world: &World, rx: PortId, bytes: &[u8]) -> String {
    let mut batch = Batch::default();
    let frame = RxFrame::fixed(rx, bytes.to_vec().leak(), Offload::default());
    assert_eq!(batch.decide(&world.snapshot, &[frame]), 1);
    // What would be cut off beyond its end is not there.
    let rewrite = |rewrite: Rewrite| Rewrite { len: rewrite.len.min(bytes.len() as u32), ..rewrite };
    let routed: Vec<_> = batch.routed.iter().map(|r| (r.from, r.to, rewrite(r.rewrite))).collect();
    let lines: Vec<_> = batch.matched.iter().map(|matched| matched.1).collect();
    format!(
        "sends {:?} admitted {:?} routed {routed:?} lines {lines:?} told {:?} seen {:?} dropped {:?}",
        batch.sends.iter().map(|send| (send.port, send.vlan, send.tag)).collect::<Vec<_>>(),
        batch.admitted,
        batch.told,
        batch.seen,
        batch.dropped
    )
}

/// What the kernel does.
fn replayed(flow: &Flow, bytes: &[u8]) -> String {
    let frame = Frame::parse(bytes, bytes.len() as u32, &Offload::default()).unwrap();
    let tag = |vid: Option<u16>| vid.map(|vid| frame.eth.tag.unwrap_or(Tci(0)).with_vid(vid));
    let mut sends: Vec<_> = flow.action.copies().map(|(to, vid)| (to, flow.counted.to, tag(vid))).collect();
    sends.sort_by_key(|send| send.0);
    let routed: Vec<_> = flow
        .action
        .route
        .map(|(dst, src)| {
            let rewrite = Rewrite {
                dst,
                src,
                ip: frame.eth.len() as u8,
                six: flow.counted.six == Some(true),
                len: bytes.len() as u32,
                fragment: 0,
            };
            (flow.counted.from, flow.counted.to, rewrite)
        })
        .into_iter()
        .collect();
    format!(
        "sends {:?} admitted {:?} routed {routed:?} lines {:?} told [] seen [] dropped []",
        sends,
        [(0, flow.counted.from)],
        flow.counted.lines.iter().flatten().collect::<Vec<_>>()
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn frames_of_one_key_are_done_alike(
        switch in switches(),
        frames in prop::collection::vec((packet(), prop::collection::vec((packet(), prop_oneof![1u32..5, 0u32..18], prop_oneof![Just(4u32), 0u32..13]), 8..24)), 4..12),
    ) {
        let world = world(&switch);
        for (first, others) in &frames {
            let (rx, bytes) = (PortId(first.rx.into()), first.bytes());
            let Ok(flow) = program(&world.snapshot, rx, &bytes, bytes.len() as u32, &Offload::default(), 0) else {
                continue;
            };
            prop_assert_eq!(flow.deps.iter().flatten().count() < flow.deps.len(), true);
            for (other, one, another) in others {
                let other = mixed(first, other, 1 << one | 1 << another);
                let (rx, bytes) = (PortId(other.rx.into()), other.bytes());
                if is_of(&flow, rx, &bytes) {
                    let (done, replayed) = (done(&world, rx, &bytes), replayed(&flow, &bytes));
                    prop_assert_eq!(done, replayed, "{:?}\nafter {:?}\n{}\n{:?}", other, first, switch.text, flow);
                }
            }
        }
    }
}

#[test]
fn flows_are_found_in_all_depths() {
    // The property says nothing if its switches remember nothing.
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut found = std::collections::BTreeMap::<_, usize>::new();
    for _ in 0..500 {
        let switch = switches().new_tree(&mut runner).unwrap().current();
        let world = world(&switch);
        for _ in 0..12 {
            let first = packet().new_tree(&mut runner).unwrap().current();
            let bytes = first.bytes();
            let said =
                program(&world.snapshot, PortId(first.rx.into()), &bytes, bytes.len() as u32, &Offload::default(), 0);
            let several = |flow: &Flow| flow.action.copies().count() > 1;
            let said =
                said.map(|flow| (flow.looked.depth, flow.action.route.is_some(), flow.counted.six, several(&flow)));
            let said = said.map_err(|why| format!("{why:?}").split('(').next().unwrap_or_default().to_string());
            *found.entry(format!("{said:?}")).or_default() += 1;
        }
    }
    let wanted = [
        "Ok((L2, false, None, false))",
        "Ok((L3, false, None, false))",
        "Ok((L4, false, None, false))",
        "Ok((L3, true, Some(false), false))",
        "Ok((L4, true, Some(false), false))",
        "Ok((L3, true, Some(true), false))",
        "Ok((L2, false, None, true))",
        "Ok((L3, false, None, true))",
    ];
    for wanted in wanted {
        assert!(found.get(wanted).is_some_and(|count| *count > 3), "{wanted}: {found:#?}");
    }
}
