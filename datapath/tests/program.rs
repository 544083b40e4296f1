//! What is written down of a decision: the key, what is done, what it depends on and counts for, or why nothing is.

mod world;

use mona_datapath::acl::{Acl, Filters, Flags, Ports, Rule};
use mona_datapath::flow::{Dep, Depth, Flow};
use mona_datapath::io::Offload;
use mona_datapath::program::program;
use mona_datapath::uncached::Uncached;
use mona_wire::ip::unmapped;
use mona_wire::{Mac, PortId};
use std::sync::Arc;
use world::router::port_name;
use world::{World, line, name, port, vlan};

const ROUTER: &str = "
    vlan 10 20 30
    p1 access 10
    p2 trunk 10,20 native 1
    p3 trunk 10,30 native 30
    p4 access 10 protected
    p5 access 10 protected no-learning
    svi 10 10.0.10.1/24 2001:db8:10::1/64 no-redirects
    svi 20 10.0.20.1/24 2001:db8:20::1/64 mtu 1400
    svi 30 10.0.30.1/24 urpf loose
    route 10.9.0.0/16 via 10.0.20.2 10.0.20.3
    route 10.8.8.0/25 via 10.0.20.2
    route 2001:db8:9::/48 via 2001:db8:20::2
    neighbour 20 10.0.20.2 b
    neighbour 20 10.0.20.3 c
    neighbour 20 2001:db8:20::2 b
    neighbour 10 10.0.10.2 a
    station 10 a p1
    station 10 s p3 static
    station 10 d p4
    station 20 b p2
    station 20 c p2
    station 10 t p2
    station 30 z p3";

fn dep(dep: &Dep) -> String {
    match dep {
        Dep::Port(port) => port_name(*port),
        Dep::Vlan(vlan) => format!("v{vlan}"),
        Dep::Member(vlan, port) => format!("v{vlan}.{}", port_name(*port)),
        Dep::Members(vlan) => format!("v{vlan}.*"),
        Dep::Station(vlan, mac) => format!("v{vlan}.{}", name(*mac)),
        Dep::Unknown(vlan, mac) => format!("v{vlan}.{}?", name(*mac)),
        Dep::Route(prefix, len) if *len >= 96 && prefix >> 32 == 0xffff => {
            format!("{}/{}", unmapped(*prefix), len - 96)
        }
        Dep::Route(prefix, len) => format!("{}/{len}", std::net::Ipv6Addr::from_bits(*prefix)),
        Dep::Leaf(_) => "leaf".into(),
        Dep::Neighbour(vlan, word) => format!("v{vlan}.{}", unmapped(*word)),
    }
}

fn print(flow: &Flow) -> String {
    let depth = match (flow.looked.depth, flow.looked.flags) {
        (Depth::L2, _) => "l2",
        (Depth::L3, _) => "l3",
        (Depth::L4, false) => "l4",
        (Depth::L4, true) => "l4+",
    };
    let to = |(to, vid): (PortId, Option<u16>)| port_name(to) + &vid.map_or(String::new(), |vid| format!(":{vid}"));
    let mut words = vec![depth.to_string()];
    words.extend(flow.action.copies().map(to));
    if let Some((dst, src)) = flow.action.route {
        words.push(format!("{}>{}", name(src), name(dst)));
    }
    words.push(format!("mtu {}", flow.action.mtu));
    let counted = flow.counted;
    words.push(format!("in {} out {}", counted.from, counted.to));
    words.extend(counted.six.map(|six| if six { "six".into() } else { "four".into() }));
    words.extend(counted.lines.iter().flatten().map(|line| format!("line {line}")));
    words.extend(counted.alive.then(|| "alive".into()));
    words.extend(counted.neighbour.map(|ip| format!("to {ip}")));
    words.push("|".into());
    let mut deps: Vec<String> = flow.deps.iter().flatten().map(dep).collect();
    deps.sort();
    words.extend(deps);
    words.join(" ")
}

fn ask(world: &World, frame: &str) -> Result<Flow, Uncached> {
    let frame = line(frame);
    program(&world.snapshot, frame.rx, &frame.bytes, frame.bytes.len() as u32, &Offload::default(), 7)
}

fn check(world: &World, table: &str) {
    for (frame, expect) in table.lines().filter_map(|line| line.split_once("=>")) {
        let said = match ask(world, frame) {
            Ok(flow) => print(&flow),
            Err(why) => format!("{why:?}"),
        };
        assert_eq!(said, expect.trim(), "{}", frame.trim());
    }
}

fn edit_port(world: &mut World, id: &str, edit: impl FnOnce(&mut mona_datapath::snapshot::Port)) {
    edit(world.snapshot.ports[port(id).index()].as_mut().expect("a port"));
}

fn filters(rules: Vec<Rule>) -> Option<Arc<Filters>> {
    Filters { ip4: Some(Arc::new(Acl::compile(rules).unwrap())), ..Filters::default() }.some()
}

#[test]
fn bridged() {
    let world = World::new(ROUTER);
    check(
        &world,
        "p1 a>d => l2 p4 mtu 1500 in 10 out 10 alive | p1 p4 v10 v10.a v10.d v10.p1 v10.p4
         p1 a>t => l2 p2:10 mtu 1500 in 10 out 10 alive | p1 p2 v10 v10.a v10.p1 v10.p2 v10.t
         p2 10/5 t>a => l2 p1 mtu 1500 in 10 out 10 alive | p1 p2 v10 v10.a v10.p1 v10.p2 v10.t
         p3 10 s>t => l2 p2:10 mtu 1500 in 10 out 10 alive | p2 p3 v10 v10.p2 v10.p3 v10.s v10.t
         p1 s>t => l2 p2:10 mtu 1500 in 10 out 10 | p1 p2 v10 v10.p1 v10.p2 v10.s v10.t
         p5 q>t => l2 p2:10 mtu 1500 in 10 out 10 | p2 p5 v10 v10.p2 v10.p5 v10.t
         h10 r>a 10.0.9.9>10.0.10.2 => l2 p1 mtu 1500 in 10 out 10 | h10 p1 v10 v10.a v10.h10 v10.p1",
    );
}

#[test]
fn routed() {
    let mut world = World::new(ROUTER);
    check(
        &world,
        "p1 a>r 10.0.10.2>10.0.20.2 => l3 p2:20 r>b mtu 1400 in 10 out 20 four alive to 10.0.20.2 \
         | 0.0.0.0/0 10.0.0.0/16 10.0.20.0/24 leaf p1 p2 v10 v10.a v10.p1 v20 v20.10.0.20.2 v20.b v20.p2
         p1 a>r 10.0.10.2>10.8.8.1 => l3 p2:20 r>b mtu 1400 in 10 out 20 four alive to 10.0.20.2 \
         | 0.0.0.0/0 10.8.0.0/16 10.8.8.0/24 leaf p1 p2 v10 v10.a v10.p1 v20 v20.10.0.20.2 v20.b v20.p2
         p1 a>r 10.0.10.2>10.9.1.1 => l3 p2:20 r>b mtu 1400 in 10 out 20 four alive to 10.0.20.2 \
         | 0.0.0.0/0 10.9.0.0/16 10.9.1.0/24 leaf p1 p2 v10 v10.a v10.p1 v20 v20.10.0.20.2 v20.b v20.p2
         p1 a>r 2001:db8:10::2>2001:db8:9::9 => l3 p2:20 r>b mtu 1400 in 10 out 20 six alive to 2001:db8:20::2 \
         | 2001:db8:9::/48 2001:db8::/32 ::/0 leaf p1 p2 v10 v10.a v10.p1 v20 v20.2001:db8:20::2 v20.b v20.p2
         p3 z>r 10.0.30.2>10.0.20.2 => l3 p2:20 r>b mtu 1400 in 30 out 20 four alive to 10.0.20.2 \
         | 0.0.0.0/0 10.0.0.0/16 10.0.20.0/24 10.0.30.0/24 leaf leaf p2 p3 v20 v20.10.0.20.2 v20.b v20.p2 v30 v30.p3 v30.z
         p1 a>r 10.0.10.9>10.0.10.2 => l3 p1 r>a mtu 1500 in 10 out 10 four alive to 10.0.10.2 \
         | 0.0.0.0/0 10.0.0.0/16 10.0.10.0/24 leaf p1 v10 v10.10.0.10.2 v10.a v10.p1",
    );
    // The ports of a packet choose among paths; one path is chosen by nothing.
    world.snapshot.load_sharing.ports = true;
    for (frame, depth) in
        [("p1 a>r 10.0.10.2>10.9.1.1 ports 7:8", Depth::L4), ("p1 a>r 10.0.10.2>10.8.8.1 ports 7:8", Depth::L3)]
    {
        assert_eq!(ask(&world, frame).map(|flow| flow.looked.depth), Ok(depth), "{frame}");
    }
    world.snapshot.load_sharing.flow_label = true;
    assert!(ask(&world, "p1 a>r 2001:db8:10::2>2001:db8:9::9").is_ok(), "one path: no label is looked at");
}

#[test]
fn filtered() {
    let mut world = World::new(ROUTER);
    let http = Ports { low: 80, high: 80, not: false };
    let permit = Rule { permit: true, ..Rule::default() };
    let addresses = filters(vec![Rule { slot: 3, protocol: Some(17), ..permit }]);
    let ports =
        filters(vec![Rule { slot: 4, protocol: Some(17), dport: Some(http), ..permit }, Rule { slot: 5, ..permit }]);
    let flags = Flags { set: Flags::ACK, clear: 0, all: true };
    let established = filters(vec![
        Rule { slot: 6, protocol: Some(6), flags: Some(flags), ..permit },
        Rule { slot: 7, protocol: Some(17), log: true, ..permit },
    ]);
    edit_port(&mut world, "p1", |port| port.acl_in = addresses);
    edit_port(&mut world, "p4", |port| port.acl_out = ports.clone());
    edit_port(&mut world, "p2", |port| port.acl_out = established);
    check(
        &world,
        "p1 a>d => l3 p4 mtu 1500 in 10 out 10 alive | p1 p4 v10 v10.a v10.d v10.p1 v10.p4
         p1 a>d 10.0.10.2>10.0.10.9 => l4 p4 mtu 1500 in 10 out 10 line 3 line 5 alive | p1 p4 v10 v10.a v10.d v10.p1 v10.p4
         p1 a>d 10.0.10.2>10.0.10.9 ports 5:80 => l4 p4 mtu 1500 in 10 out 10 line 3 line 4 alive | p1 p4 v10 v10.a v10.d v10.p1 v10.p4
         p1 a>d 10.0.10.2>10.0.10.9 proto 6 => Dropped(PortAclIn)
         p1 a>t 10.0.10.2>10.0.10.9 => Told
         p4 d>t 10.0.10.2>10.0.10.9 proto 6 => Dropped(PortAclOut)
         p1 a>d 10.0.10.2>10.0.10.9 frag 2000 => Header
         p1 a>d 10.0.10.2>10.0.10.9 options 01010101 => Header",
    );
    // A line that looks at flags: another key for other flags.
    let mut frame = line("p4 d>t 10.0.10.2>10.0.10.9 proto 6");
    frame.bytes[14 + 20 + 13] = Flags::ACK;
    let flow = program(&world.snapshot, frame.rx, &frame.bytes, frame.bytes.len() as u32, &Offload::default(), 7);
    let flow = flow.expect("a flow");
    assert_eq!(
        (flow.looked.flags, flow.inner.at(flow.looked).flags, flow.counted.lines[0]),
        (true, Flags::ACK, Some(6))
    );
}

#[test]
fn why_not() {
    let mut world = World::new(ROUTER);
    check(
        &world,
        "p1 a>* => Punt
         p1 a>g => Punt
         p1 a>0180.c200.0000 => Punt
         p1 y>d => Learning
         p4 a>t => Learning
         p1 a>d 1501 => Dropped(Oversize)
         p1 g>d => Dropped(SourceMulticast)
         p1 10 a>d => Dropped(TagMismatch)
         p4 d>a => l2 p1 mtu 1500 in 10 out 10 alive | p1 p4 v10 v10.a v10.d v10.p1 v10.p4
         p5 q>d => Dropped(Isolated)
         p1 a>r => Punt
         p1 a>r 10.0.10.2>10.0.10.1 => Punt
         p1 a>r 10.0.10.2>10.0.20.1 => Punt
         p1 a>r 10.0.10.2>10.0.20.2 ttl 1 => Dropped(Ttl)
         p1 a>r 10.0.10.2>10.0.20.9 => Dropped(Unresolved)
         p1 a>r 10.0.10.2>10.0.20.2 len 1401 => Fragmented
         p1 a>r 10.0.10.2>10.0.20.2 len 1401 df => Dropped(Mtu)
         p1 a>r 10.0.10.2>10.0.20.2 frag 1 => Header
         p1 a>r 10.0.10.2>10.0.20.2 options 01010101 => Header
         p1 a>r 10.0.10.2>192.0.2.1 => Dropped(LpmMiss4)
         p2 20 b>r 10.0.20.2>10.0.20.3 => Told
         p1 a>r 10.0.10.2>10.0.20.255 => Dropped(DirectedBroadcast)",
    );
    edit_port(&mut world, "p4", |port| port.cached = false);
    check(
        &world,
        "p1 a>d => Off\n p4 d>t => Off\n p1 a>t => l2 p2:10 mtu 1500 in 10 out 10 alive | p1 p2 v10 v10.a v10.p1 v10.p2 v10.t",
    );
}

#[test]
fn it_is_not_what_happens() {
    // Nobody is alive or in use because somebody asked.
    let world = World::new(ROUTER);
    world.snapshot.fdb.set_epoch(9);
    world.snapshot.routing.neighbours.set_epoch(9);
    assert!(ask(&world, "p1 a>r 10.0.10.2>10.0.20.2").is_ok());
    assert!(world.snapshot.fdb.iter().all(|station| station.epoch != 9));
    assert!(world.snapshot.routing.neighbours.iter().all(|neighbour| neighbour.epoch != 9));
    let flow = ask(&world, "p1 a>d").expect("a flow");
    assert_eq!((flow.snapshot, flow.epoch, flow.outer.rx), (1, 7, PortId(1)));
    assert_eq!(flow.outer.dst, Mac([2, 0, 0, 0, 0, b'd']));
    assert!(flow.deps.contains(&Some(Dep::Member(vlan("10"), port("p4")))));
}

#[test]
fn behind_a_routed_port_there_is_one_way() {
    let world = World::new(
        "vlan 10
         p1 access 10
         p2 no-switchport
         svi 10 10.0.10.1/24
         routed p2 10.0.2.1/24
         neighbour 10 10.0.10.2 a
         neighbour 4097 10.0.2.2 b
         station 10 a p1",
    );
    check(
        &world,
        "p1 a>r 10.0.10.2>10.0.2.2 => l3 p2 r>b mtu 1500 in 10 out 4097 four alive to 10.0.2.2 \
            | 0.0.0.0/0 10.0.0.0/16 10.0.2.0/24 leaf p1 p2 v10 v10.a v10.p1 v4097 v4097.10.0.2.2 v4097.p2
         p2 b>r 10.0.2.2>10.0.10.2 => l3 p1 r>a mtu 1500 in 4097 out 10 four to 10.0.10.2 \
            | 0.0.0.0/0 10.0.0.0/16 10.0.10.0/24 leaf p1 p2 v10 v10.10.0.10.2 v10.a v10.p1 v4097 v4097.p2
         p2 b>* => Punt",
    );
}

#[test]
fn flooded() {
    let world = World::new(
        "vlan 10 20 30
         p1 access 10
         p2 trunk 10,20 native 1
         p3 trunk 10 native 10
         p4 access 10 protected
         p5 trunk 10 protected mtu 1400
         p6 access 10 block-unicast block-multicast
         p7 access 10 down
         p8 access 20
         p9 access 30
         svi 20 10.0.20.1/24 no-redirects
         neighbour 20 10.0.20.2 y
         station 10 a p1
         station 10 b p2
         station 10 c p3
         station 10 d p4
         station 20 z p8
         station 30 e p9",
    );
    // Those that leave as they came are first; to the router's netdev no unknown station's frames go.
    check(
        &world,
        "p1 a>* => l2 p3 p4 p6 p2:10 p5:10 mtu 1400 in 10 out 10 alive | p1 v10 v10.* v10.a v10.p1
         p1 a>g => l2 p3 p4 p2:10 p5:10 mtu 1400 in 10 out 10 alive | p1 v10 v10.* v10.a v10.p1
         p1 a>y => l2 p3 p4 p2:10 p5:10 mtu 1400 in 10 out 10 alive | p1 v10 v10.* v10.a v10.p1 v10.y?
         p2 10/5 b>* => l2 p5:10 p1 p3 p4 p6 mtu 1400 in 10 out 10 alive | p2 v10 v10.* v10.b v10.p2
         p3 0 c>* => l2 p2:10 p5:10 p1 p4 p6 mtu 1400 in 10 out 10 alive | p3 v10 v10.* v10.c v10.p3
         p4 d>* => l2 p1 p3 p6 p2:10 mtu 1500 in 10 out 10 alive | p4 v10 v10.* v10.d v10.p4
         p8 z>y => l2 p2:20 mtu 1500 in 20 out 20 alive | p8 v20 v20.* v20.p8 v20.y? v20.z
         p8 z>* => Punt
         p8 z>r 10.0.20.9>10.0.20.2 => Flood
         p1 a>* 1401 => Flood
         p9 e>* => Dropped(EmptyTxList)",
    );
}

#[test]
fn flooded_by_lists() {
    let mut world = World::new(
        "vlan 10\n p1 access 10\n p2 access 10 mtu 1400\n p3 access 10\n p4 access 10\n station 10 a p1\n station 10 b p2",
    );
    let permit = Rule { permit: true, ..Rule::default() };
    let udp = filters(vec![Rule { slot: 3, protocol: Some(17), ..permit }]);
    edit_port(&mut world, "p2", |port| port.acl_out = udp.clone());
    edit_port(&mut world, "p3", |port| port.acl_out = udp);
    edit_port(&mut world, "p4", |port| port.acl_in = filters(vec![Rule { slot: 4, log: true, ..permit }]));
    check(
        &world,
        "p1 a>* 10.0.10.2>10.0.10.9 => l3 p2 p3 p4 mtu 1400 in 10 out 10 line 3 line 3 alive | p1 v10 v10.* v10.a v10.p1
         p1 a>* 10.0.10.2>10.0.10.9 len 1401 => Flood
         p1 a>* 10.0.10.2>10.0.10.9 proto 6 => l3 p4 mtu 1500 in 10 out 10 alive | p1 v10 v10.* v10.a v10.p1
         p1 a>* 10.0.10.2>10.0.10.9 proto 6 len 1401 => l3 p4 mtu 1500 in 10 out 10 alive | p1 v10 v10.* v10.a v10.p1
         p1 a>* 10.0.10.2>10.0.10.9 frag 1 => Header
         p1 a>* 10.0.10.2>10.0.10.9 byte 3 255 => Header",
    );
}

#[test]
fn flooded_to_so_many_and_no_more() {
    for (ports, copies) in [(17, Some(16)), (18, None)] {
        let members: String = (1..=ports).map(|port| format!("p{port} access 10\n")).collect();
        let world = World::new(&format!("vlan 10\n{members}station 10 a p1"));
        let flow = ask(&world, "p1 a>*");
        assert_eq!(flow.as_ref().ok().map(|flow| flow.action.copies().count()), copies);
        assert_eq!(flow.err(), copies.is_none().then_some(Uncached::Flood));
    }
}
