//! The catalogue of behaviour as recorder tables: L2-01…20 and VL-01…05.

mod world;

use mona_datapath::fdb::Origin;
use mona_datapath::io::{CsumStart, Gso, GsoKind, Offload, RxFrame};
use mona_datapath::out::Note;
use mona_datapath::{Batch, Drop, Recorder};
use mona_wire::{PortId, VlanId};
use world::{Line, World, check, line, mac};

#[test]
fn l2_03_a_frame_from_a_station_refreshes_it_and_a_frame_to_it_does_not() {
    let world = World::new("vlan 10\n p1 access 10\n p2 access 10\n station 10 a p1\n station 10 b p2");
    let fdb = &world.snapshot.fdb;
    fdb.set_epoch(5);
    // Tracing a frame is not seeing one.
    Recorder::trace(&world.snapshot, PortId(1), &line("p1 a>b").bytes, &Offload::default());
    assert_eq!(fdb.iter().map(|station| station.epoch).collect::<Vec<_>>(), [0, 0]);
    world.run(&line("p1 a>b"));
    let epoch = |name| fdb.lookup(VlanId::new(10).unwrap(), mac(name)).unwrap().epoch;
    assert_eq!((epoch("a"), epoch("b")), (5, 0));
}

#[test]
fn l2_07_the_native_vlan_does_not_mind_others() {
    for allowed in ["1", "1,10", "1"] {
        check(
            &format!("vlan 1 10\n p1 trunk {allowed} native 1\n p2 access 1"),
            "p1 a>* => p2 learn 1 a
             p2 b>a => p1 learn 1 b",
        );
    }
}

#[test]
fn l2_12_nothing_passes_between_vlans() {
    let vids = [0u16, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 4000, 4094];
    let list = vids[1..].iter().map(u16::to_string).collect::<Vec<_>>().join(" ");
    let world = World::new(&format!("vlan {list} 3\n p1 trunk {} native 1\n p2 access 3", list.replace(' ', ",")));
    for dst in ["b", "g", "*", "3333.0000.0001"] {
        for vid in vids {
            let got = world.run(&line(&format!("p1 {vid} a>{dst}")));
            assert!(got.starts_with("drop tx_list_is_empty"), "{vid} {dst}: {got}");
        }
        assert!(world.run(&line(&format!("p2 c>{dst}"))).starts_with("drop tx_list_is_empty"));
    }
}

#[test]
fn l2_13_reserved_addresses() {
    let world = World::new("vlan 10\n p1 trunk 10 native 10\n p2 access 10\n p3 trunk 10 tagged-only native 10");
    for last in 0..=0xff {
        for tag in ["", "10/7 ", "0 ", "99 "] {
            let frame = format!("p1 {tag}a>0180.c200.00{last:02x}");
            let got = world.run(&line(&frame));
            if last < 0x10 {
                let tag = tag.trim();
                let colon = if tag.is_empty() { "" } else { ":" };
                assert_eq!(got, format!("p0{colon}{tag}"), "{frame}");
            } else if tag != "99 " {
                assert!(got.starts_with("p2 p3:10"), "{frame}: ordinary multicast: {got}");
            }
        }
    }
    // Nothing of it was learned before ..10, and a port that takes no untagged frames takes these all the same.
    check("vlan 10\n p1 trunk 10\n p2 access 10", "p1 a>0180.c200.000e => p0\n p2 b>a => p1:10 learn 10 b");
    check("vlan 10\n p1 access 10 down", "p1 a>0180.c200.000e => drop port_down");
}

#[test]
fn l2_17_flood_with_one_other_member_and_never_back() {
    check("vlan 10\n p7 access 10\n p9 access 10", "p7 a>* => p9 learn 10 a\n p9 b>* => p7 learn 10 b");
    check("vlan 10\n p7 access 10", "p7 a>* => drop tx_list_is_empty learn 10 a");
    // Ascending by port, however many words the set has.
    let ports: Vec<u16> = (1..=200).chain([1000, 4000, 4094]).collect();
    let text: String = ports.iter().map(|port| format!("p{port} access 10\n")).collect();
    let world = World::new(&format!("vlan 10\n{text}"));
    let all: Vec<String> = ports.iter().filter(|port| **port != 64).map(|port| format!("p{port}")).collect();
    assert_eq!(world.run(&line("p64 a>*")), format!("{} learn 10 a", all.join(" ")));
}

#[test]
fn l2_18_a_port_that_is_gone_or_down() {
    check(
        "vlan 10\n p1 access 10\n p2 access 10 down\n p3 access 10\n station 10 b p2\n station 10 x p77\n station 10 y p9
         p9 access 20",
        "p2 b>* => drop port_down
         p77 x>* => drop port_down
         p4000 x>* => drop port_down
         p1 a>b => drop egress_vlan_filter learn 10 a
         p1 a>x => drop egress_vlan_filter
         p1 a>y => drop egress_vlan_filter
         p1 a>* => p3",
    );
    check("vlan 10\n p1 access 10\n p2 access 10 down", "p1 a>* => drop tx_list_is_empty learn 10 a");
}

#[test]
fn l2_20_a_super_frame_is_as_large_as_its_segments() {
    let world = World::new("vlan 10\n p1 access 10\n p2 access 10");
    let frame = |size, header| Offload {
        csum: Some(CsumStart { start: 34, offset: 16 }),
        gso: Some(Gso { kind: GsoKind::Tcp4, ecn: false, size, header }),
    };
    let mut bytes = line("p1 a>* 40000").bytes;
    bytes[34 + 12] = 0x80; // a TCP header of 32 bytes: segments have 52 bytes of headers behind Ethernet's
    let run = |size, header| Recorder::trace(&world.snapshot, PortId(1), &bytes, &frame(size, header)).dropped;
    assert_eq!(run(1448, 66), None);
    assert_eq!(run(1449, 66), Some(Drop::Oversize));
    // Linux fills in the length of the linear part: not to be believed.
    assert_eq!(run(1448, 2000), None);
}

#[test]
fn malformed_frames() {
    let world = World::new("vlan 10\n p1 trunk 10 native 10\n p2 access 10");
    let tagged = line("p1 10 a>b").bytes;
    for (bytes, len) in [(&tagged, 17), (&tagged, 14), (&tagged, 13), (&tagged, 0), (&line("p1 a>b").bytes, 13)] {
        let recorder = Recorder::trace(&world.snapshot, PortId(1), &bytes[..len], &Offload::default());
        assert_eq!((recorder.dropped, recorder.seen), (Some(Drop::Malformed), None), "{len} bytes");
    }
    // Two tags: the inner one is payload, and the EtherType of a service tag makes the frame an untagged one.
    let mut two = tagged.clone();
    two.splice(12..12, [0x88, 0xa8, 0, 99]);
    let recorder = Recorder::trace(&world.snapshot, PortId(1), &two, &Offload::default());
    assert_eq!((recorder.vlan, world::print(&recorder).as_str()), (VlanId::new(10), "p2 learn 10 a"));
}

/// Every mode in × every kind of frame × every mode out.
#[test]
fn vl_01_matrix() {
    let outs = "
        p5 access 10
        p6 access 20
        p7 trunk 10,20,30
        p8 trunk 10,20 native 10
        p9 trunk 10,20 native 10 tagged-only";
    let table = "
        access 10                          | 99/0 a>*   | drop vlan_tag_mismatch
        access 10                          | a>*        | p5 p7:10 p8 p9:10
        access 10                          | 0 a>*      | p5 p7:10 p8 p9:10
        access 10                          | 0/1 a>*    | p5 p7:10/1 p8 p9:10/1
        access 10                          | 10/3 a>*   | drop vlan_tag_mismatch
        access 10                          | 20/5 a>*   | drop vlan_tag_mismatch
        access 10                          | 30 a>*     | drop vlan_tag_mismatch
        access 10                          | 4095 a>*   | drop vlan_reserved
        access 40                          | a>*        | drop ingress_vlan_filter
        trunk 10,20                        | a>*        | drop vlan_tag_mismatch
        trunk 10,20                        | 0 a>*      | drop vlan_tag_mismatch
        trunk 10,20                        | 0/1 a>*    | drop vlan_tag_mismatch
        trunk 10,20                        | 10/3 a>*   | p5 p7:10/3 p8 p9:10/3
        trunk 10,20                        | 20/5 a>*   | p6 p7:20/5 p8:20/5 p9:20/5
        trunk 10,20                        | 30 a>*     | drop ingress_vlan_filter
        trunk 10,20                        | 40 a>*     | drop ingress_vlan_filter
        trunk 10,20                        | 4095/7 a>* | drop vlan_reserved
        trunk 10,20 native 1               | a>*        | drop ingress_vlan_filter
        trunk 10,20 native 10              | a>*        | p5 p7:10 p8 p9:10
        trunk 10,20 native 10              | 0 a>*      | p5 p7:10 p8 p9:10
        trunk 10,20 native 10              | 0/1 a>*    | p5 p7:10/1 p8 p9:10/1
        trunk 10,20 native 10              | 10/3 a>*   | p5 p7:10/3 p8 p9:10/3
        trunk 10,20 native 10              | 20/5 a>*   | p6 p7:20/5 p8:20/5 p9:20/5
        trunk 10,20 native 10              | 30 a>*     | drop ingress_vlan_filter
        trunk 10,20 native 10              | 40 a>*     | drop ingress_vlan_filter
        trunk 10,20 native 10              | 4095 a>*   | drop vlan_reserved
        trunk 10,20 native 10 tagged-only  | a>*        | drop vlan_tag_mismatch
        trunk 10,20 native 10 tagged-only  | 0 a>*      | drop vlan_tag_mismatch
        trunk 10,20 native 10 tagged-only  | 0/1 a>*    | drop vlan_tag_mismatch
        trunk 10,20 native 10 tagged-only  | 10/3 a>*   | p5 p7:10/3 p8 p9:10/3
        trunk 10,20 native 10 tagged-only  | 20/5 a>*   | p6 p7:20/5 p8:20/5 p9:20/5
        trunk 10,20 native 10 tagged-only  | 30 a>*     | drop ingress_vlan_filter
        trunk 10,20 native 10 tagged-only  | 4095 a>*   | drop vlan_reserved";
    for row in table.lines().filter(|row| row.contains('|')) {
        let [mode, frame, expect] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else { panic!("{row}") };
        let world = World::new(&format!("vlan 1 10 20 30\n p1 {mode}\n {outs}"));
        let got = world.run(&line(&format!("p1 {frame}")));
        let (what, learned) = got.split_once(" learn ").unwrap_or((&got, ""));
        assert_eq!(what, expect, "{row}");
        // VL-03: what is dropped at the door teaches nothing.
        assert_eq!(learned.is_empty(), expect.starts_with("drop"), "{row}");
    }
}

#[test]
fn vl_02_the_drop_eligible_bit_is_kept_too() {
    let world = World::new("vlan 10\n p1 trunk 10 native 10\n p2 trunk 10");
    let mut frame = line("p1 0/6 a>*");
    frame.bytes[14] |= 0x10;
    let recorder = Recorder::trace(&world.snapshot, PortId(1), &frame.bytes, &Offload::default());
    assert_eq!(recorder.sends[0].1.unwrap().0, 6 << 13 | 0x1000 | 10);
}

#[test]
fn notes() {
    let world = World::new(
        "vlan 10 20\n vlan 30 no-learning
         p1 trunk 10,20,30 native 10 protected
         p2 access 10
         p3 access 10 no-learning
         p4 access 30
         p5 access 10 protected
         p6 access 10 block-unicast
         p7 access 10 block-multicast
         p8 access 10 mtu 100
         p9 access 10 down
         station 10 b p2\n station 10 s p2 static\n station 10 a p1\n station 10 m p2\n station 10 i p5",
    );
    let table = "
        p1 a>b          | Classified(10, Untagged), Known, Station(2, false)
        p1 0/1 a>s      | Classified(10, PriorityTag), Known, Station(2, true)
        p1 20 a>*       | Classified(20, Tag), Learn(None), Flood(Broadcast)
        p1 40 a>*       | Classified(40, Tag)
        p1 m>b          | Classified(10, Untagged), Learn(Some(2)), Station(2, false)
        p1 s>b          | Classified(10, Untagged), NotLearned(Static), Station(2, false)
        p3 z>b          | Classified(10, Untagged), NotLearned(Port), Station(2, false)
        p4 z>*          | Classified(30, Untagged), NotLearned(Vlan), Flood(Broadcast)
        p1 a>i          | Classified(10, Untagged), Known, Station(5, false)
        p1 a>x          | Classified(10, Untagged), Known, Flood(UnknownUnicast), Skipped(5, Isolated), \
                          Skipped(6, UnknownUnicastBlocked), Skipped(9, EgressVlanFilter)
        p1 a>g 101      | Classified(10, Untagged), Known, Flood(Multicast), Skipped(5, Isolated), \
                          Skipped(7, UnknownMulticastBlocked), Skipped(8, Oversize), Skipped(9, EgressVlanFilter)";
    for row in table.replace("\\\n", "").lines().filter(|row| row.contains('|')) {
        let (frame, expect) = row.split_once('|').unwrap();
        let frame = line(frame.trim());
        let notes = Recorder::trace(&world.snapshot, frame.rx, &frame.bytes, &Offload::default()).notes;
        let text: Vec<String> = notes.iter().map(print_note).collect();
        let expect = expect.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(text.join(", "), expect, "{row}");
    }
}

fn print_note(note: &Note) -> String {
    match note {
        Note::Classified(vlan, why) => format!("Classified({vlan}, {why:?})"),
        Note::Learn(from) => format!("Learn({:?})", from.map(|port| port.0)),
        Note::Station(port, fixed) => format!("Station({}, {fixed})", port.0),
        Note::Skipped(port, why) => format!("Skipped({}, {why:?})", port.0),
        other => format!("{other:?}"),
    }
}

fn fixed(text: &str) -> RxFrame {
    let line = line(text);
    RxFrame::fixed(line.rx, line.bytes.leak(), Offload::default())
}

#[test]
fn a_batch_reports_each_source_once_and_no_port_more_than_its_share() {
    let world = World::new("vlan 10\n p1 access 10\n p2 access 10");
    let mut batch = Batch::default();
    let frames: Vec<RxFrame> = "abcdeabcde".chars().map(|source| fixed(&format!("p1 {source}>*"))).collect();
    let frames: Vec<RxFrame> = frames.into_iter().chain([fixed("p2 z>*"), fixed("p2 z>*")]).collect();
    batch.budget = 3;
    assert_eq!(batch.decide(&world.snapshot, &frames), 12);
    let seen: Vec<_> = batch.seen.iter().map(|seen| (seen.port.0, seen.mac)).collect();
    assert_eq!(seen, [(1, mac("a")), (1, mac("b")), (1, mac("c")), (2, mac("z"))]);
    assert_eq!(batch.seen[0].snapshot, 1);
    assert_eq!(batch.strangers, 0xfff, "also those that are not reported");
    assert_eq!((batch.sends.len(), batch.admitted.len()), (12, 12));
    world.snapshot.fdb.insert(VlanId::numbered(10).unwrap(), mac("z"), PortId(2), Origin::Dynamic).unwrap();
    batch.decide(&world.snapshot, &frames);
    assert_eq!((batch.strangers, batch.seen.len()), (0x3ff, 3));
    // It speaks behind one port, the other, and the first again: the last report is right.
    let frames = ["p1 f>*", "p2 f>*", "p1 f>*", "p1 f>*"].map(fixed);
    batch.decide(&world.snapshot, &frames);
    assert_eq!(batch.seen.iter().map(|seen| seen.port.0).collect::<Vec<_>>(), [1, 2, 1]);
    // A free ring lets every address of a batch through; a full one still one of each port.
    assert_eq!([512, 256, 128, 64, 0].map(|free| Batch::share(free, 512)), [64, 64, 16, 4, 1]);
    assert_eq!(Batch::share(0, 0), 1);
}

#[test]
fn a_batch_that_floods_ends_early_and_loses_nothing() {
    let ports: String = (1..=4094).map(|port| format!("p{port} access 10\n")).collect();
    let world = World::new(&format!("vlan 10\n{ports}"));
    let frames: Vec<RxFrame> = (0..100).map(|_| fixed("p1 a>*")).collect();
    let mut batch = Batch::default();
    let room = batch.sends.capacity();
    let (mut done, mut copies) = (0, 0);
    while done < frames.len() {
        let decided = batch.decide(&world.snapshot, &frames[done..]);
        assert!(decided > 0 && decided <= 64);
        assert!(batch.sends.iter().all(|send| usize::from(send.frame) < decided));
        done += decided;
        copies += batch.sends.len();
    }
    assert_eq!(copies, 100 * 4093);
    assert_eq!(batch.sends.capacity(), room, "nothing was allocated");
    assert_eq!(batch.decide(&world.snapshot, &[]), 0);
}

#[test]
fn a_station_that_is_the_switch_itself_is_nobody_yet() {
    let world = World::new("vlan 10\n p1 access 10");
    world.snapshot.fdb.insert(VlanId::new(10).unwrap(), mac("b"), PortId::SELF, Origin::Static).unwrap();
    assert_eq!(world.run(&line("p1 a>b")), "drop egress_vlan_filter learn 10 a");
}

/// Every reason that the datapath's decisions can have; the others are the I/Os'.
#[test]
fn each_reason_is_provoked() {
    let world = World::new(
        "vlan 10\n p1 access 10 protected\n p2 access 10 protected\n p3 access 10 down\n p4 trunk 10\n station 10 b p2
         station 10 c p3\n station 10 a p1",
    );
    let blocked = World::new("vlan 10\n p1 access 10\n p2 access 10 block-unicast block-multicast");
    let alone = World::new("vlan 10\n p1 access 10");
    let got: Vec<String> = [
        world.run(&Line { rx: PortId(1), bytes: vec![0; 13] }),
        world.run(&line("p1 a>b 1501")),
        world.run(&line("p3 c>*")),
        world.run(&line("p1 g>b")),
        world.run(&line("p1 0000.0000.0000>b")),
        world.run(&line("p1 10 a>b")),
        world.run(&line("p4 4095 a>b")),
        world.run(&line("p4 20 a>b")),
        world.run(&line("p1 a>a")),
        world.run(&line("p1 a>c")),
        world.run(&line("p1 a>b")),
        blocked.run(&line("p1 a>x")),
        blocked.run(&line("p1 a>g")),
        alone.run(&line("p1 a>*")),
    ]
    .iter()
    .map(|said| said.split_whitespace().nth(1).unwrap_or_default().to_string())
    .collect();
    let names: Vec<&str> = Drop::ALL.iter().map(|why| why.name()).take_while(|name| *name != "tx_queue_full").collect();
    assert_eq!(got, names);
}

/// The tables that a real switchd is tried with too.
#[test]
fn the_catalogue() {
    tables(include_str!("../../testbed/cases/l2.cases"), 20);
}

#[test]
fn the_catalogue_of_the_router() {
    tables(include_str!("../../testbed/cases/r4.cases"), 18);
    tables(include_str!("../../testbed/cases/r6.cases"), 7);
}

fn tables(text: &str, at_least: usize) {
    let (mut cases, mut wrong) = (0, Vec::new());
    for case in text.split("\n== ").skip(1) {
        let (title, case) = case.split_once('\n').expect("a title and a case");
        let (world, script) = case.split_once("\n--\n").expect("a switch, --, and frames");
        println!("{title}");
        let world = World::new(world);
        for (frame, expect) in script.lines().filter_map(|line| line.split_once("=>")) {
            let got = world.run(&line(frame.trim()));
            if got != expect.trim() {
                wrong.push(format!("{title}\n  {frame}=>{expect}\n  {:width$}=> {got}", "", width = frame.len()));
            }
        }
        cases += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases >= at_least, "{cases} cases were read");
}

#[test]
fn frames_of_the_switch_itself() {
    let mut world = World::new(
        "vlan 10\n p1 access 10\n p2 trunk 10\n p3 access 10 block-unicast\n p4 access 10 down\n p9 access 10\n station 10 b p2",
    );
    let interface = mona_datapath::routing::RouterInterface::new(mac("r"), Some(PortId(9)));
    let mut vlan = world.snapshot.vlan(VlanId::new(10).unwrap()).unwrap().clone();
    vlan.router = Some(interface.into());
    world.snapshot.vlans[10] = Some(vlan.into());
    for (way, expect) in [("r>*", "p1 p2:10 p3"), ("r>b", "p2:10"), ("r>x", "p1 p2:10"), ("r>g", "p1 p2:10 p3")] {
        let frame = line(&format!("p1 {way}")).bytes;
        let copies = mona_datapath::own::copies(&world.snapshot, VlanId::new(10).unwrap(), &frame);
        let said: Vec<String> = copies
            .iter()
            .map(|(port, bytes)| {
                let eth = mona_wire::Eth::parse(bytes).unwrap();
                assert_eq!(bytes[eth.inner()..], frame[12..]);
                eth.tag.map_or(port.to_string(), |tag| format!("{port}:{}", tag.vid()))
            })
            .collect();
        assert_eq!(said.join(" "), expect, "{way}");
    }
    assert_eq!(mona_datapath::own::copies(&world.snapshot, VlanId::new(20).unwrap(), &line("p1 r>*").bytes), []);
}

/// Of 32,768 flows, the share of each path; the same packet always takes the same.
fn spread(hash: &str, ways: &str, flows: impl Fn(u32) -> String) -> Vec<usize> {
    let world = World::new(&format!(
        "vlan 10 20 30\n p1 access 10\n p2 access 20\n p3 access 30\n {hash}
         svi 10 10.0.10.1/24 2001:db8:10::1/64\n svi 20 10.0.20.1/24 2001:db8:20::1/64\n svi 30 10.0.30.1/24 2001:db8:30::1/64
         neighbour 20 10.0.20.9 b\n neighbour 30 10.0.30.9 c\n neighbour 20 2001:db8:20::9 b\n neighbour 30 2001:db8:30::9 c
         station 10 a p1\n station 20 b p2\n station 30 c p3\n {ways}"
    ));
    let mut counts = vec![0; 2];
    for flow in 0..32_768 {
        let frame = line(&format!("p1 a>r {}", flows(flow)));
        let path = |frame: &Line| Recorder::trace(&world.snapshot, frame.rx, &frame.bytes, &Offload::default()).sends;
        let sent = path(&frame);
        assert_eq!(path(&frame), sent);
        counts[usize::from(sent[0].0 == PortId(3))] += 1;
    }
    counts
}

#[test]
fn r4_04_and_r6_07_several_paths() {
    let four = |ratio: &str| {
        let (one, two) = ratio.split_once(':').unwrap();
        format!("route 10.9.0.0/16 via 10.0.20.9*{one} 10.0.30.9*{two}")
    };
    let six = "route 2001:db8:9::/48 via 2001:db8:20::9 2001:db8:30::9";
    let ports = |flow: u32| format!("10.0.10.2>10.9.0.1 ports {}:{}", 1024 + flow % 256, 2000 + flow / 256);
    let addresses = |flow: u32| format!("10.0.10.{}>10.9.{}.7", flow % 128 + 2, flow / 128);
    let table = [
        (spread("hash ports", &four("1:1"), ports), 1.0),
        (spread("hash ports", &four("2:1"), ports), 2.0),
        (spread("hash ports", &four("11:45"), ports), 11.0 / 45.0),
        (spread("", &four("1:1"), addresses), 1.0),
        (spread("", &four("11:45"), addresses), 11.0 / 45.0),
        (spread("hash ports", six, |f| format!("2001:db8:10::2>2001:db8:9::1 ports {}:{}", f % 181, f / 181)), 1.0),
        (spread("hash label", six, |f| format!("2001:db8:10::2>2001:db8:9::1 label {}", f * 31)), 1.0),
    ];
    for (at, (counts, wanted)) in table.into_iter().enumerate() {
        let ratio = counts[0] as f64 / counts[1] as f64;
        assert!((ratio / wanted - 1.0).abs() < 0.15, "row {at}: {counts:?} for {wanted}");
    }
    // Addresses alone: the ports do not matter. Fragments of a packet stay together, whatever is hashed.
    let one_way = |counts: Vec<usize>| counts.contains(&32_768);
    assert!(one_way(spread("", &four("1:1"), ports)));
    assert!(one_way(spread("hash ports", &four("1:1"), |flow| format!("{} frag 2000", ports(flow)))));
    assert!(one_way(spread("hash ports", &four("1:1"), |flow| format!("{} frag {:x}", ports(flow), 100 + flow % 8))));
}

#[test]
fn notes_of_a_router() {
    let world = World::new(
        "vlan 10 20\n p1 access 10\n p2 access 20\n svi 10 10.0.10.1/24 urpf loose\n svi 20 10.0.20.1/24 mtu 600
         route 10.9.0.0/16 via 10.0.20.9\n neighbour 20 10.0.20.9 b\n station 10 a p1\n station 20 b p2",
    );
    let frame = line("p1 a>r 10.0.10.2>10.9.1.1 len 700");
    let notes = Recorder::trace(&world.snapshot, frame.rx, &frame.bytes, &Offload::default()).notes;
    let text: Vec<String> = notes.iter().skip(2).map(print_note).collect();
    let leaf = text.iter().find(|note| note.starts_with("Leaf")).unwrap().clone();
    let expect = ["Routed", "Verified", &leaf, "NextHop(VlanId(20), 10.0.20.9)", "Neighbour(0200.0000.0062)"];
    assert_eq!(text[..5], expect);
    assert_eq!(text[5..], ["Fragmented(600)", "Station(2, false)"]);
}
