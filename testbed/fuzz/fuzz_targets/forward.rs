//! Any frame with any metadata into a switch with ports of every mode, and out again as each copy would leave.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mona_datapath::fdb::Origin;
use mona_datapath::io::{CsumStart, Gso, GsoKind, Offload};
use mona_datapath::offload::{self, Leaving, MAX_SEGMENTS};
use mona_datapath::snapshot::{Home, Port, Vlan};
use mona_datapath::{Fdb, Recorder, Snapshot};
use mona_wire::{Mac, PortId, VlanId};
use std::sync::{Arc, LazyLock};

static SWITCH: LazyLock<Snapshot> = LazyLock::new(switch);
/// Ports 1 and 2 are access ports of VLAN 10, 3 and 4 trunks of 10 and 20 (native 10; none), 5 is down.
fn switch() -> Snapshot {
    let vlan = |vid| VlanId::new(vid).unwrap();
    let set = |ports: &[u16]| ports.iter().copied().map(PortId).collect();
    let fdb = Fdb::with_capacity_and_seed(16, [1, 2]);
    fdb.insert(vlan(10), Mac([2, 0, 0, 0, 0, 1]), PortId(1), Origin::Static).unwrap();
    fdb.insert(vlan(10), Mac([2, 0, 0, 0, 0, 3]), PortId(3), Origin::Dynamic).unwrap();
    let mut snapshot = Snapshot::empty(Arc::new(fdb));
    let port = |up, untagged, tagged, mtu| {
        let (learning, protected, block_unicast, block_multicast) = (true, mtu < 1500, false, tagged);
        let home = Home::Backplane;
        let (encapsulations, host) = (None, false);
        let (acl_in, acl_out) = (None, None);
        Some(Port { up, untagged, tagged, encapsulations, host, learning, protected, block_unicast, block_multicast, mtu, acl_in, acl_out, home })
    };
    snapshot.ports = vec![
        None,
        port(true, Some(vlan(10)), false, 1500),
        port(true, Some(vlan(10)), false, 100),
        port(true, Some(vlan(10)), true, 1500),
        port(true, None, true, 9000),
        port(false, None, true, 9000),
    ];
    let ten = Vlan { learn: set(&[1, 2, 3, 4]), forward: set(&[1, 2, 3, 4, 5]), untagged: set(&[1, 2, 3]), ..Vlan::new(vlan(10)) };
    let twenty = Vlan { learn: set(&[]), forward: set(&[3, 4]), untagged: set(&[]), ..Vlan::new(vlan(20)) };
    snapshot.vlans[10] = Some(Arc::new(ten));
    snapshot.vlans[20] = Some(Arc::new(twenty));
    snapshot
}

fuzz_target!(|input: &[u8]| {
    let Some((head, bytes)) = input.split_first_chunk::<10>() else { return };
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let kind = [GsoKind::Tcp4, GsoKind::Tcp6, GsoKind::Udp][usize::from(head[1] % 3)];
    let offload = Offload {
        csum: (head[1] & 0x10 != 0).then_some(CsumStart { start: word(2), offset: word(4) }),
        gso: (head[1] & 0x20 != 0).then_some(Gso { kind, ecn: head[1] & 0x40 != 0, size: word(6), header: word(8) }),
    };
    let rx = PortId(u16::from(head[0] % 8));
    let recorder = Recorder::trace(&SWITCH, rx, bytes, &offload);
    assert!(recorder.dropped.is_none() != recorder.sends.is_empty(), "sent or dropped, never both nor neither");
    assert!(recorder.sends.iter().all(|(port, _)| *port != rx || rx == PortId::SELF), "never back");
    assert!(recorder.sends.is_sorted_by_key(|(port, _)| *port));
    let mut into = vec![0; bytes.len() + 128];
    for (_, tag) in recorder.sends {
        let Ok(leaving) = Leaving::new(bytes, &offload, tag) else { continue };
        assert_eq!(leaving.write(&mut into), Some(leaving.len()));
        let _ = leaving.write_complete(&mut into);
        if let Ok(segments) = leaving.segments() {
            assert!(segments.count() <= MAX_SEGMENTS);
            for index in 0..segments.count() {
                let length = segments.write(index, &mut into).expect("room for a segment of it");
                assert_eq!(length, segments.len(index));
                // What was written is complete: there is nothing left that looks as if it were not.
                let before = into[..length].to_vec();
                offload::complete_if_pseudo(&mut into[..length]);
                assert_eq!(before, into[..length]);
            }
        }
    }
    let mut repaired = bytes.to_vec();
    offload::complete_if_pseudo(&mut repaired);
});
