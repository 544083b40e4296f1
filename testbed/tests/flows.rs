//! The flow cache through a real switchd: known flows are the kernel's, the first frame after a change obeys it, what is
//! counted and what ages is the same, and turning it on and off loses, doubles and reorders nothing.

mod bed;

use bed::{Bed, KINDS, Ports};
use mona_model::shown::Shown;
use mona_swcli::client::Client;
use mona_testbed::netns::{PATIENCE, World, wait};
use mona_testbed::numbered::Numbered;
use mona_wire::checksum::Sum;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const B: [u8; 6] = [2, 0, 0, 0, 0, 2];

#[test]
fn the_first_frame_after_a_change_obeys() {
    KINDS.into_iter().for_each(change);
}

fn change(ports: Ports) {
    eprintln!("{ports:?}");
    let mut bed = Bed::over("change", ports);
    let to_b = |bed: &mut Bed| bed.frame(B, 1, None);
    // Who is no longer there is flooded for.
    let changes: &[(&[&str], &[u16], &[&str])] = &[
        (&["no vlan 10"], &[], &["vlan 10"]),
        (&["interface gi0/2", "shutdown"], &[3], &["interface gi0/2", "no shutdown"]),
        (&["interface gi0/2", "switchport access vlan 30"], &[3], &["interface gi0/2", "switchport access vlan 10"]),
        (
            &["mac address-table static 0200.0000.0002 vlan 10 interface gi0/3"],
            &[3],
            &["no mac address-table static 0200.0000.0002 vlan 10"],
        ),
    ];
    for (change, ports, back) in changes {
        bed.teach(2, 2, None);
        bed.teach(1, 1, None);
        bed.warm(1, 2, to_b);
        bed.configure(change);
        let frame = bed.frame(B, 1, None);
        assert_eq!(bed.ports(1, &frame, ports.len()), *ports, "{change:?}");
        bed.configure(back);
        bed.connected();
    }
    // A station that is seen elsewhere is there.
    bed.teach(2, 2, None);
    bed.teach(1, 1, None);
    bed.warm(1, 2, to_b);
    bed.teach(3, 2, Some(10));
    let frame = bed.frame(B, 1, None);
    assert_eq!(bed.ports(1, &frame, 1), [3]);
    // And one that is told to be forgotten is flooded for.
    bed.configure(&["interface vlan 10", "shutdown"]);
    bed.warm(1, 3, to_b);
    let _ = bed.client.request(&[], "clear mac address-table dynamic").expect("it answers");
    let frame = bed.frame(B, 1, None);
    assert_eq!(bed.ports(1, &frame, 2), [2, 3]);
}

/// Ports 1 to 4 in a VLAN without a router, 3 with a tag.
const WITHOUT_ROUTER: &[&str] = &[
    "vlan 40",
    "interface gi0/1",
    "switchport access vlan 40",
    "interface gi0/2",
    "switchport access vlan 40",
    "interface gi0/3",
    "switchport trunk allowed vlan 10,30,40",
];

#[test]
fn what_goes_to_all_obeys_too() {
    let mut bed = Bed::new("flood");
    bed.configure(WITHOUT_ROUTER);
    let to_all = |bed: &mut Bed| bed.frame([0xff; 6], 1, None);
    let to_unknown = |bed: &mut Bed| bed.frame([2, 0, 0, 0, 0, 9], 1, None);
    bed.warm_all(1, &[2, 3], to_all);
    let sent = to_all(&mut bed);
    let tagged = [&sent[..12], &[0x81, 0, 0, 40], &sent[12..]].concat();
    assert_eq!(bed.send(1, &sent, 2).into_iter().collect::<BTreeMap<_, _>>(), BTreeMap::from([(2, sent), (3, tagged)]));
    let Shown::Flows(shown) = bed.ask("show platform flow-cache interface gi0/3") else { panic!("flows") };
    assert_eq!((shown.total, shown.flows[0].to.to_string().as_str()), (1, "GigabitEthernet0/2"), "{shown:?}");
    assert_eq!(shown.flows[0].also, [("gi0/3".parse().expect("a name"), Some(40))], "{shown:?}");
    // A port more, and one less; one whose station sets foot elsewhere.
    let changes: &[(&[&str], &[u16])] = &[
        (&["interface gi0/4", "switchport access vlan 40"], &[2, 3, 4]),
        (&["interface gi0/2", "switchport access vlan 10"], &[3, 4]),
        (&["interface gi0/3", "switchport protected", "interface gi0/1", "switchport protected"], &[4]),
        (&["interface gi0/1", "no switchport protected"], &[3, 4]),
        (&["interface gi0/4", "shutdown"], &[3]),
        (&["interface gi0/4", "no shutdown", "interface gi0/2", "switchport access vlan 40"], &[2, 3, 4]),
        (&["interface gi0/4", "switchport access vlan 20"], &[2, 3]),
    ];
    for (change, ports) in changes {
        bed.configure(change);
        let up = wait(|| {
            let frame = to_all(&mut bed);
            // A link that was down comes up by itself.
            bed.ports(1, &frame, ports.len()) == *ports || !change.contains(&"no shutdown")
        });
        assert!(up, "{change:?}");
        let frame = to_all(&mut bed);
        assert_eq!(bed.ports(1, &frame, ports.len()), *ports, "{change:?}");
        bed.warm_all(1, ports, to_all);
    }
    // Who is unknown is there as soon as he has been seen; a router hears what goes to all.
    bed.warm_all(1, &[2, 3], to_unknown);
    let line = "show mac address-table dynamic address 0200.0000.0009 vlan 40";
    let known = wait(|| {
        let frame = bed.frame([2, 0, 0, 0, 0, 0x77], 9, Some(40));
        bed.ports(3, &frame, 2);
        matches!(bed.ask(line), Shown::MacTable(rows) if rows.len() == 1)
    });
    assert!(known);
    let frame = to_unknown(&mut bed);
    assert_eq!(bed.ports(1, &frame, 1), [3]);
    let _ = bed.client.request(&[], "clear mac address-table dynamic").expect("it answers");
    let frame = to_unknown(&mut bed);
    assert_eq!(bed.ports(1, &frame, 2), [2, 3]);
    bed.warm_all(1, &[2, 3], to_all);
    bed.configure(&["interface vlan 40", "ip address 10.0.40.1 255.255.255.0"]);
    let hits = bed.hits(1);
    let frame = to_all(&mut bed);
    assert_eq!(bed.ports(1, &frame, 2), [2, 3]);
    assert_eq!(bed.hits(1), hits, "it goes to the router as well");
    bed.configure(&["no interface vlan 40"]);
    bed.warm_all(1, &[2, 3], to_all);
    bed.configure(&["no vlan 40"]);
    let frame = to_all(&mut bed);
    assert!(bed.ports(1, &frame, 0).is_empty());
}

#[test]
fn what_goes_to_all_is_counted_at_each_port() {
    let mut bed = Bed::new("copies");
    bed.configure(WITHOUT_ROUTER);
    // Without the VLANs in which the router says something now and then.
    bed.configure(&["interface gi0/3", "switchport trunk allowed vlan 40"]);
    let to_all = |bed: &mut Bed| bed.frame([0xff; 6], 1, None);
    let to_group = |bed: &mut Bed| bed.frame([1, 0, 0x5e, 0, 0, 1], 1, None);
    bed.warm_all(1, &[2, 3], to_all);
    bed.warm_all(1, &[2, 3], to_group);
    let _ = bed.client.request(&[], "clear counters").expect("it answers");
    let hits = bed.hits(1);
    const FRAMES: u64 = 100;
    for _ in 0..FRAMES {
        for frame in [to_all(&mut bed), to_group(&mut bed)] {
            assert_eq!(bed.ports(1, &frame, 2), [2, 3]);
        }
    }
    assert!(bed.hits(1) - hits > FRAMES * 9 / 5, "{:?}", bed.summary());
    let mut counted = |port: u16| match bed.ask(&format!("show interfaces gi0/{port}")) {
        Shown::Interfaces(list) => list[0].counters.clone(),
        other => panic!("{other:?}"),
    };
    let (rx, plain, tagged) = (counted(1), counted(2), counted(3));
    assert_eq!((rx.rx_frames, rx.rx_broadcast, rx.rx_multicast), (2 * FRAMES, FRAMES, FRAMES));
    assert_eq!((plain.tx_frames, plain.tx_broadcast, plain.tx_multicast), (2 * FRAMES, FRAMES, FRAMES));
    assert_eq!((rx.rx_bytes, plain.tx_bytes, tagged.tx_bytes), (128 * FRAMES, 128 * FRAMES, 136 * FRAMES));
}

#[test]
fn what_is_routed_and_filtered_obeys_too() {
    KINDS.into_iter().for_each(route_and_filter);
}

fn route_and_filter(ports: Ports) {
    eprintln!("{ports:?}");
    let mut bed = Bed::over("routed", ports);
    let packet = |bed: &mut Bed| bed.packet([10, 9, 1, 1], 9);
    bed.warm(1, 4, packet);
    let sent = packet(&mut bed);
    let got = bed.send(1, &sent, 1);
    let (frame, router) = (&got[0].1, bed.router());
    assert_eq!((&frame[..6], &frame[6..12], frame[22]), (&[2, 0, 0, 0, 0, 4][..], &router[..], 63), "rewritten");
    assert_eq!(Sum::default().bytes(&frame[14..34]).finish(), 0, "with a right checksum");
    let shown = bed.flows("host 10.9.1.1");
    assert_eq!((shown.total, shown.flows[0].rewrite.is_some()), (1, true), "{shown:?}");
    assert_eq!(shown.flows[0].matching.as_deref(), Some("10.0.10.2 > 10.9.1.1 protocol 17 tos 0x00"));
    let changes: &[(&[&str], &[u16], &[&str])] = &[
        (&["ip route 10.9.1.0 255.255.255.0 10.0.30.2"], &[3], &["no ip route 10.9.1.0 255.255.255.0 10.0.30.2"]),
        (&["ip route 10.9.1.1 255.255.255.255 null0"], &[], &["no ip route 10.9.1.1 255.255.255.255 null0"]),
        (&["interface gi0/1", "ip access-group none in"], &[], &["interface gi0/1", "no ip access-group none in"]),
        (
            &["interface vlan 20", "ip access-group none out"],
            &[],
            &["interface vlan 20", "no ip access-group none out"],
        ),
        (&["no arp 10.0.20.2 0200.0000.0004 arpa"], &[], &["arp 10.0.20.2 0200.0000.0004 arpa"]),
        (&["no ip routing"], &[], &["ip routing"]),
        (&["interface vlan 20", "shutdown"], &[], &["interface vlan 20", "no shutdown"]),
    ];
    for (change, ports, back) in changes {
        bed.warm(1, 4, packet);
        bed.configure(change);
        let frame = packet(&mut bed);
        assert_eq!(bed.ports(1, &frame, ports.len()), *ports, "{change:?}");
        bed.configure(back);
        let again = wait(|| {
            let frame = packet(&mut bed);
            bed.ports(1, &frame, 1) == [4]
        });
        assert!(again, "after {back:?}");
    }
    // A line that is added to a list in use; other ports go on meanwhile.
    let other = |bed: &mut Bed| bed.packet([10, 9, 1, 1], 10);
    bed.configure(&["interface gi0/1", "ip access-group free in", "ip access-list extended free", "permit ip any any"]);
    bed.warm(1, 4, packet);
    bed.configure(&["ip access-list extended free", "5 deny udp any any eq 9"]);
    let frame = packet(&mut bed);
    assert!(bed.ports(1, &frame, 0).is_empty());
    bed.warm(1, 4, other);
    let frame = packet(&mut bed);
    assert!(bed.ports(1, &frame, 0).is_empty(), "what is denied is not remembered by who is permitted");
    let shown = bed.flows("host 10.9.1.1");
    assert!(
        shown.flows.iter().any(|flow| flow.matching.as_ref().is_some_and(|m| m.ends_with("ports 7 > 10"))),
        "{shown:?}"
    );
}

#[test]
fn counters_say_what_was_sent() {
    KINDS.into_iter().for_each(count);
}

fn count(ports: Ports) {
    eprintln!("{ports:?}");
    let mut bed = Bed::over("counters", ports);
    bed.configure(&["interface gi0/1", "ip access-group all in", "ip access-list extended all", "permit ip any any"]);
    let packet = |bed: &mut Bed| bed.packet([10, 9, 1, 1], 9);
    bed.warm(1, 4, packet);
    for _ in 0..10 {
        let frame = packet(&mut bed);
        assert_eq!(bed.ports(1, &frame, 1), [4]);
    }
    let before = bed.hits(1);
    let _ = bed.client.request(&[], "clear counters").expect("it answers");
    assert!(bed.hits(1) < before, "{before} before counters were cleared, {:?}", bed.summary());
    let _ = bed.client.request(&[], "clear access-list counters").expect("it answers");
    let hits = bed.hits(1);
    const FRAMES: u64 = 300;
    for _ in 0..FRAMES {
        let frame = packet(&mut bed);
        assert_eq!(bed.ports(1, &frame, 1), [4]);
    }
    assert!(bed.hits(1) - hits > FRAMES * 9 / 10, "{:?}", bed.summary());
    let counted = |bed: &mut Bed| match bed.ask("show interfaces gi0/1") {
        Shown::Interfaces(list) => list[0].counters.clone(),
        other => panic!("{other:?}"),
    };
    let rx = counted(&mut bed);
    let tx = match bed.ask("show interfaces gi0/4") {
        Shown::Interfaces(list) => list[0].counters.clone(),
        other => panic!("{other:?}"),
    };
    let unicast = |frames: u64, multicast: u64, broadcast: u64| frames - multicast - broadcast;
    assert_eq!(unicast(rx.rx_frames, rx.rx_multicast, rx.rx_broadcast), FRAMES);
    assert_eq!(unicast(tx.tx_frames, tx.tx_multicast, tx.tx_broadcast), FRAMES);
    if rx.rx_frames == FRAMES && tx.tx_frames == FRAMES {
        assert_eq!((rx.rx_bytes, tx.tx_bytes), (FRAMES * 74, FRAMES * 74));
    }
    assert!(rx.last_input_secs.is_some_and(|secs| secs < 5));
    let Shown::AccessLists(lists) = bed.ask("show access-lists all") else { panic!("lists") };
    assert_eq!(lists[0].lines[0].matches, FRAMES, "{lists:?}");
}

#[test]
fn off_and_on_while_frames_flow() {
    KINDS.into_iter().for_each(toggle);
}

fn toggle(ports: Ports) {
    eprintln!("{ports:?}");
    let mut bed = Bed::over("toggle", ports);
    let to_b = |bed: &mut Bed| bed.frame(B, 1, None);
    bed.warm(1, 2, to_b);
    let socket = bed.switch.socket.clone();
    let (hits, misses) = (bed.hits(1), bed.summary().ports[0].misses);
    let done = std::sync::atomic::AtomicBool::new(false);
    let order = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        let toggling = scope.spawn(|| {
            let mut client = Client::connect(&socket).expect("it answers");
            let global = vec!["configure terminal".to_string()];
            let inside = [&global[..], &["interface gi0/2".to_string()]].concat();
            let mut toggled = 0;
            while !done.load(order) || toggled < 10 {
                for (context, line) in [
                    (&global, "no platform flow-cache"),
                    (&global, "platform flow-cache"),
                    (&inside, "no platform flow-cache"),
                    (&inside, "platform flow-cache"),
                ] {
                    assert!(client.request(context, line).expect("it answers").error.is_none());
                    std::thread::sleep(Duration::from_millis(20));
                }
                toggled += 1;
            }
        });
        let frame = |number: u32| {
            let mut frame = [&B[..], &[2, 0, 0, 0, 0, 1, 0x88, 0xb5]].concat();
            frame.extend(number.to_be_bytes());
            frame.resize(64, 0);
            frame
        };
        let (from, to) = (&bed.sockets[&1], &bed.sockets[&2]);
        let (mut sent, mut got) = (1_000_000u32, 1_000_000u32);
        let until = Instant::now() + Duration::from_secs(4);
        // So many on their way at most that no socket overflows.
        while Instant::now() < until || got < sent {
            if Instant::now() < until && sent - got < 48 {
                from.send(&frame(sent)).expect("it is sent");
                sent += 1;
            }
            while let Ok(Some(bytes)) = to.receive(Duration::ZERO) {
                let ours = bytes.len() >= 18
                    && bytes[12..14] == [0x88, 0xb5]
                    && bytes[14..18] >= 1_000_000u32.to_be_bytes()[..];
                if ours {
                    let number = u32::from_be_bytes([bytes[14], bytes[15], bytes[16], bytes[17]]);
                    assert_eq!(number, got, "lost, doubled or out of order");
                    got += 1;
                }
            }
            assert!(Instant::now() < until + Duration::from_secs(10), "{} frames never came", sent - got);
        }
        done.store(true, order);
        toggling.join().expect("it toggles");
        assert!(sent > 1_001_000, "{sent}");
    });
    let now = bed.summary();
    assert!(now.ports[0].hits > hits + 100 && now.ports[0].misses > misses + 100, "both ways were taken: {now:?}");
}

#[test]
fn who_is_heard_by_the_kernel_alone_does_not_age() {
    let mut bed = Bed::new("age");
    bed.configure(&["mac address-table aging-time 10"]);
    bed.teach(1, 1, None);
    bed.teach(2, 2, None);
    bed.warm(1, 2, |bed| bed.frame(B, 1, None));
    bed.warm(2, 1, |bed| bed.frame([2, 0, 0, 0, 0, 1], 2, None));
    let misses = bed.summary().ports[0].misses;
    let until = Instant::now() + Duration::from_secs(16);
    // Who is silent has twelve seconds; a busy machine is late.
    let table = |bed: &Bed| bed.world.cli(&bed.switch, &["show mac address-table dynamic vlan 10"]);
    let silent = |bed: &Bed| table(bed).contains("0200.0000.0003");
    while Instant::now() < until || (silent(&bed) && Instant::now() < until + PATIENCE) {
        for (from, frame) in [(1, bed.frame(B, 1, None)), (2, bed.frame([2, 0, 0, 0, 0, 1], 2, None))] {
            bed.sockets[&from].send(&frame).expect("it is sent");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let table = table(&bed);
    assert!(table.contains("0200.0000.0001") && table.contains("0200.0000.0002"), "{table}");
    assert!(!table.contains("0200.0000.0003"), "who is silent ages: {table}");
    assert!(bed.summary().ports[0].misses < misses + 20, "the kernel forwarded: {:?}", bed.summary());
}

#[test]
fn tcp_over_xdp_arrives_with_all_offloads_on() {
    // A host's segments come without their checksums: what XDP sends on as they are nobody takes.
    for napi in ["off", "on"] {
        let mut world = World::new(&format!("flows-tcp{napi}"));
        let space = world.namespace("s");
        let hosts: [_; 2] =
            world.hosts(&space, |host| format!("ip addr add 10.0.0.{host}/24 dev eth0; ethtool -K eth0 gro {napi}"));
        let config = "interface gi0/1\n device p1\ninterface gi0/2\n device p2\n";
        let switch = world.switch(&space, config, &["--workers", "1", "--io", "xdp"]);
        assert!(wait(|| world.pings(&hosts[0], "10.0.0.2")), "{}", world.messages(&switch));
        world.spawn(&hosts[1], "iperf3".as_ref(), &["-s"]);
        for way in ["", "-R", "-u -b 100M -R"] {
            let run = format!("iperf3 -c 10.0.0.2 -n 20M --connect-timeout 3000 {way} 2>&1 || true");
            let mut said = String::new();
            let done = wait(|| {
                said = world.exec(&hosts[0], &run);
                said.contains("iperf Done")
            });
            assert!(done, "{napi} {way}: {said}");
        }
        let reply =
            Client::connect(&switch.socket).and_then(|mut client| client.request(&[], "show platform flow-cache"));
        let Some(Shown::FlowCache(cache)) = reply.expect("it answers").shown.into_iter().next() else {
            panic!("flows")
        };
        assert!(cache.ports.iter().all(|port| port.hits > 1000), "{napi}: {cache:?}");
    }
}

#[test]
fn a_device_that_takes_no_frames_from_xdp_any_more_gets_them_by_tc() {
    let mut bed = Bed::over("takes", KINDS[1]);
    let to_b = |bed: &mut Bed| bed.frame(B, 1, None);
    bed.warm(1, 2, to_b);
    for napi in ["off", "on"] {
        bed.world.exec(&bed.hosts, &format!("ethtool -K h2 gro {napi}"));
        let arrives = wait(|| {
            let frame = to_b(&mut bed);
            bed.ports(1, &frame, 1) == [2]
        });
        assert!(arrives, "GRO {napi}: {:?}", bed.summary());
        // It is seen within a second, and then none is lost.
        let hits = bed.hits(1);
        let seen = wait(|| {
            (0..20).all(|_| {
                let frame = to_b(&mut bed);
                bed.ports(1, &frame, 1) == [2]
            })
        });
        assert!(seen && bed.hits(1) > hits, "GRO {napi}: {:?}", bed.summary());
    }
}

#[test]
fn nothing_is_overtaken_when_a_device_begins_or_ceases_to_take_frames_from_xdp() {
    let mut bed = Bed::over("overtake", KINDS[1]);
    let to_b = |bed: &mut Bed| bed.frame(B, 1, None);
    bed.warm(1, 2, to_b);
    let socket = |bed: &Bed, port: u16| bed.world.raw(&bed.hosts, &format!("h{port}"));
    let head = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5];
    // As fast as they arrive: many at a time, so that the kernel has several in its hands when the way changes.
    let stream = Numbered::start(socket(&bed, 1), vec![socket(&bed, 2)], head, 1, Duration::ZERO);
    for napi in ["off", "on", "off", "on", "off", "on"] {
        bed.world.exec(&bed.hosts, &format!("ethtool -K h2 gro {napi}"));
        // Until it is seen the device loses what XDP sends it.
        assert!(stream.goes_on(2000), "GRO {napi}: {:?}\n{}", bed.summary(), bed.world.messages(&bed.switch));
    }
    let arrived = stream.end();
    let overtaken: Vec<_> = arrived.at[0].windows(2).filter(|pair| pair[0] >= pair[1]).take(8).collect();
    assert!(overtaken.is_empty(), "of {}: {overtaken:?}", arrived.sent);
}
