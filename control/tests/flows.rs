//! Every change of what a flow depends on is raised: random switches, changes and stations; a flow that nothing was raised for
//! is still what would be decided.

use mona_control::fib::{Fib, Limits};
use mona_control::input::{Device, Input, Output, Session};
use mona_control::switch::Switch;
use mona_datapath::Fdb;
use mona_datapath::changes::Changes;
use mona_datapath::flow::{Action, Counted, Flow, Inner, Looked};
use mona_datapath::io::Offload;
use mona_datapath::out::Seen;
use mona_datapath::program::program;
use mona_datapath::snapshot::Home;
use mona_datapath::switching::{IoChoice, Opened};
use mona_model::names::InterfaceName;
use mona_wire::checksum::Sum;
use mona_wire::{Instant, Mac, PortId, VlanId};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const START: &str = "\
vlan 10,20,30
ip access-list extended some
 permit udp any any
 permit ip any any
interface gi0/1
 device t1
 switchport access vlan 10
interface gi0/2
 device t2
 switchport mode trunk
interface gi0/3
 device t3
 switchport access vlan 20
interface gi0/4
 device t4
 no switchport
 ip address 10.0.40.1 255.255.255.0
interface gi0/5
 device t5
 switchport access vlan 30
interface gi0/6
 device t6
 switchport access vlan 30
interface vlan 10
 ip address 10.0.10.1 255.255.255.0
 ipv6 address 2001:db8:10::1/64
interface vlan 20
 ip address 10.0.20.1 255.255.255.0
 ipv6 address 2001:db8:20::1/64
ipv6 unicast-routing
ip route 10.9.0.0 255.255.0.0 10.0.20.2
arp 10.0.10.2 0200.0000.0001 arpa
arp 10.0.20.2 0200.0000.0003 arpa
arp 10.0.40.2 0200.0000.0004 arpa
end
";

const LINES: &[&str] = &[
    "vlan 10",
    "no vlan 10",
    "vlan 20",
    "no vlan 20",
    "vlan 30",
    "no vlan 30",
    "mac address-table static 0200.0000.0007 vlan 30 interface gi0/6",
    "no mac address-table static 0200.0000.0007 vlan 30",
    "interface vlan 30",
    "no interface vlan 30",
    "vlan dot1q tag native",
    "no vlan dot1q tag native",
    "no mac address-table learning vlan 10",
    "mac address-table learning vlan 10",
    "mac address-table static 0200.0000.0003 vlan 20 interface gi0/2",
    "no mac address-table static 0200.0000.0003 vlan 20",
    "mac address-table static 0200.0000.0002 vlan 10 interface gi0/1",
    "no mac address-table static 0200.0000.0002 vlan 10",
    "ip route 10.9.1.0 255.255.255.0 10.0.40.2",
    "no ip route 10.9.1.0 255.255.255.0 10.0.40.2",
    "ip route 10.9.1.1 255.255.255.255 null0",
    "no ip route 10.9.1.1 255.255.255.255 null0",
    "ip route 10.0.0.0 255.0.0.0 10.0.10.2",
    "no ip route 10.0.0.0 255.0.0.0 10.0.10.2",
    "ip route 10.9.0.0 255.255.0.0 10.0.40.2",
    "no ip route 10.9.0.0 255.255.0.0 10.0.40.2",
    "ip route 0.0.0.0 0.0.0.0 10.0.20.2",
    "no ip route 0.0.0.0 0.0.0.0 10.0.20.2",
    "ipv6 route 2001:db8:9::/48 2001:db8:20::2",
    "no ipv6 route 2001:db8:9::/48 2001:db8:20::2",
    "arp 10.0.20.2 0200.0000.0002 arpa",
    "arp 10.0.20.2 0200.0000.0003 arpa",
    "no arp 10.0.20.2",
    "ipv6 neighbor 2001:db8:20::2 vlan 20 0200.0000.0003",
    "no ipv6 neighbor 2001:db8:20::2 vlan 20",
    "no ip routing",
    "ip routing",
    "ip cef load-sharing algorithm original",
    "no ip cef load-sharing algorithm",
    "ip martian strict",
    "no platform flow-cache",
    "platform flow-cache",
];
const LIST: &[&str] =
    &["5 deny udp any any eq 9", "no 5", "7 permit tcp any any established", "no 7", "3 deny ip any any dscp ef"];
const INTERFACE: &[&str] = &[
    "shutdown",
    "no shutdown",
    "mtu 1000",
    "no mtu",
    "switchport access vlan 20",
    "switchport access vlan 10",
    "switchport access vlan 30",
    "switchport mode trunk",
    "switchport block unicast",
    "no switchport block unicast",
    "no switchport mode",
    "switchport trunk native vlan 10",
    "no switchport trunk native vlan",
    "switchport trunk allowed vlan 20",
    "no switchport trunk allowed vlan",
    "switchport protected",
    "no switchport protected",
    "no mac address-table learning",
    "mac address-table learning",
    "ip access-group some in",
    "ip access-group some out",
    "no ip access-group some in",
    "no ip access-group some out",
    "no platform flow-cache",
    "platform flow-cache",
    "ip address 10.0.99.1 255.255.255.0",
    "ip address 10.0.20.1 255.255.255.0",
    "ip mtu 200",
    "no ip mtu",
    "no ip redirects",
    "ip verify unicast source reachable-via rx",
    "no ip verify unicast source reachable-via rx",
    "no switchport",
    "switchport",
];
const INTERFACES: [&str; 8] = ["gi0/1", "gi0/2", "gi0/3", "gi0/4", "gi0/5", "gi0/6", "vlan 10", "vlan 20"];

#[derive(Clone, Debug)]
enum Event {
    Line(usize),
    List(usize),
    Interface(usize, usize),
    Seen { port: u16, vlan: u16, station: u8 },
    Idle { vlan: u16, station: u8 },
    Clear,
    Carrier(u8, bool),
    Wait(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let vlan = || prop::sample::select(vec![10u16, 20, 30]);
    prop_oneof![
        8 => (0..LINES.len()).prop_map(Event::Line),
        2 => (0..LIST.len()).prop_map(Event::List),
        8 => (0..INTERFACES.len(), 0..INTERFACE.len()).prop_map(|(at, line)| Event::Interface(at, line)),
        8 => (1..7u16, vlan(), 1..8u8).prop_map(|(port, vlan, station)| Event::Seen { port, vlan, station }),
        2 => (vlan(), 1..8u8).prop_map(|(vlan, station)| Event::Idle { vlan, station }),
        1 => Just(Event::Clear),
        2 => (1..7u8, prop::bool::weighted(0.7)).prop_map(|(device, up)| Event::Carrier(device, up)),
        1 => (1..400u64).prop_map(Event::Wait),
    ]
}

struct Rig {
    switch: Switch,
    now: Instant,
    raised: Changes,
}

impl Rig {
    fn new() -> Rig {
        let fdb = Arc::new(Fdb::with_capacity_and_seed(64, [1, 2]));
        let switch = Switch::new(fdb, Fib::new(Limits::SMALL), IoChoice::Auto);
        let mut rig = Rig { switch, now: Instant::default(), raised: Changes::default() };
        rig.feed(Input::Identity { mac: mac(0xfe), name: "mona".into() });
        rig.feed(Input::Startup(START.into()));
        (1..=6u32).for_each(|device| rig.device(&format!("t{device}"), device, true));
        for (port, vlan, station) in [(1, 10, 1), (2, 10, 2), (3, 20, 3), (5, 30, 5), (2, 30, 2)] {
            rig.happens(&Event::Seen { port, vlan, station });
        }
        rig
    }

    fn device(&mut self, name: &str, ifindex: u32, up: bool) {
        let device = Device { name: name.into(), ifindex, admin_up: up, carrier: up, mtu: 1500, ..Device::default() };
        self.feed(Input::Device(device));
    }

    /// Plays the rim: everything can be opened, also the netdevs of the router's interfaces.
    fn feed(&mut self, input: Input) {
        let mut inputs = vec![input];
        while !inputs.is_empty() {
            for output in self.switch.step(self.now, inputs.remove(0)) {
                match output {
                    Output::Raise(changes) => self.raised.append(changes),
                    Output::Open { port, device, .. } => {
                        let opened = Opened { io: "packet".into(), home: Some(Home::Backplane), ..Opened::default() };
                        inputs.push(Input::Opened { port, device, result: Ok(opened) });
                    }
                    Output::Host(plan) => {
                        for (at, link) in plan.links.values().enumerate() {
                            let device = Device {
                                name: link.peer.clone(),
                                ifindex: 100 + at as u32,
                                admin_up: true,
                                carrier: link.up,
                                mtu: link.mtu,
                                ..Device::default()
                            };
                            if self.switch.state.devices.get(&link.peer) != Some(&device) {
                                inputs.push(Input::Device(device));
                            }
                        }
                    }
                    Output::SetUp { device, up } => {
                        let known = self.switch.state.devices.get(&device).cloned();
                        inputs.extend(known.map(|d| Input::Device(Device { admin_up: up, carrier: up, ..d })));
                    }
                    _ => {}
                }
            }
        }
    }

    /// The port that `gi0/N` is now.
    fn port(&self, number: u16) -> PortId {
        let name = InterfaceName::port(0, number);
        self.switch.state.ports.get(&name).map_or(PortId(4000), |port| port.id)
    }

    fn line(&mut self, context: &[&str], line: &str) {
        let session = Session { id: 1, privilege: 15, user: "root".into(), origin: "console".into() };
        let context = context.iter().map(|c| c.to_string()).collect();
        self.feed(Input::Line { session, id: 1, context, line: line.into() });
    }

    fn happens(&mut self, event: &Event) {
        let global = "configure terminal";
        match event {
            Event::Line(line) => self.line(&[global], LINES[*line]),
            Event::List(line) => self.line(&[global, "ip access-list extended some"], LIST[*line]),
            Event::Interface(at, line) => {
                self.line(&[global, &format!("interface {}", INTERFACES[*at])], INTERFACE[*line]);
            }
            Event::Seen { port, vlan, station } => {
                let seen = Seen {
                    vlan: VlanId::new(*vlan).expect("a VLAN"),
                    mac: mac(*station),
                    port: self.port(*port),
                    snapshot: self.switch.snapshot.number,
                };
                self.feed(Input::Seen(vec![seen]));
            }
            Event::Idle { vlan, station } => {
                self.feed(Input::Idle(vec![(VlanId::new(*vlan).expect("a VLAN"), mac(*station))]));
            }
            Event::Clear => self.line(&[], "clear mac address-table dynamic"),
            Event::Carrier(device, up) => self.device(&format!("t{device}"), (*device).into(), *up),
            Event::Wait(secs) => {
                self.now = self.now + Duration::from_secs(*secs);
                self.feed(Input::Time);
            }
        }
    }
}

fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

/// Frames of every kind: from each port, to each station and the router, tagged or not.
fn frames() -> Vec<(u16, Vec<u8>)> {
    let mut frames = Vec::new();
    for (rx, tag) in [(1u16, None), (2, None), (2, Some(10u16)), (2, Some(20)), (3, None), (4, None)] {
        for src in 1..5 {
            for dst in [1, 2, 3, 0xfe] {
                let mut head = [mac(dst).0, mac(src).0].concat();
                head.extend(tag.iter().flat_map(|vid| [0x81, 0, (vid >> 8) as u8, *vid as u8]));
                for to in [[10, 0, 20, 2], [10, 0, 10, 2], [10, 9, 1, 1], [10, 9, 7, 7], [192, 0, 2, 1]] {
                    for port in [9u8, 80] {
                        frames.push((rx, [&head[..], &four(to, port)].concat()));
                    }
                    if dst != 0xfe {
                        break;
                    }
                }
                frames.push((rx, [&head[..], &six()].concat()));
                frames.push((rx, [&head[..], &[0x88, 0xb5], &[0; 46]].concat()));
            }
        }
    }
    // What goes to all of a VLAN without a router: broadcast, a group, who is unknown.
    for (rx, tag, src) in [(5u16, None, 5), (2, Some([0x81, 0, 0, 30]), 2), (1, None, 1)] {
        for dst in [Mac::BROADCAST, Mac([1, 0, 0x5e, 0, 0, 1]), mac(7)] {
            let head = [&dst.0[..], &mac(src).0, tag.as_ref().map_or(&[], |tag| &tag[..])].concat();
            frames.push((rx, [&head[..], &four([10, 9, 1, 1], 9)].concat()));
            frames.push((rx, [&head[..], &[0x88, 0xb5], &[0; 46]].concat()));
        }
    }
    frames
}

fn four(to: [u8; 4], port: u8) -> Vec<u8> {
    let mut packet = vec![8, 0, 0x45, 0, 0, 60, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 10, 2];
    packet.extend(to);
    let sum = Sum::default().bytes(&packet[2..22]).finish();
    packet[12..14].copy_from_slice(&sum.to_be_bytes());
    packet.extend([0, 7, 0, port, 0, 40, 0, 0]);
    packet.resize(62, 0);
    packet
}

fn six() -> Vec<u8> {
    let mut packet = vec![0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 17, 64];
    for address in ["2001:db8:10::2", "2001:db8:9::9"] {
        let address: std::net::Ipv6Addr = address.parse().expect("an address");
        packet.extend(address.octets());
    }
    packet.extend([0, 7, 0, 9, 0, 20, 0, 0]);
    packet.resize(62, 0);
    packet
}

/// What a flow says is done.
fn said(flow: &Flow) -> (Looked, Inner, Action, Counted) {
    (flow.looked, flow.inner.at(flow.looked), flow.action, flow.counted)
}

fn ask(rig: &Rig, rx: u16, frame: &[u8]) -> Option<Flow> {
    program(&rig.switch.snapshot, rig.port(rx), frame, frame.len() as u32, &Offload::default(), 0).ok()
}

/// Plays kernel: remembers flows, forgets what is raised. Returns how many were remembered and raised.
fn check(events: &[Event]) -> Result<(usize, usize), TestCaseError> {
    let (mut rig, frames) = (Rig::new(), frames());
    let mut flows: BTreeMap<usize, Flow> = BTreeMap::new();
    let (mut remembered, mut raised) = (0, 0);
    for event in events {
        for (at, (rx, frame)) in frames.iter().enumerate() {
            if !flows.contains_key(&at)
                && let Some(flow) = ask(&rig, *rx, frame)
            {
                flows.insert(at, flow);
                remembered += 1;
            }
        }
        rig.raised = Changes::default();
        rig.happens(event);
        let before = flows.len();
        flows.retain(|_, flow| !rig.raised.touch(flow.deps.iter().flatten().copied()));
        raised += before - flows.len();
        for (at, flow) in &flows {
            let (rx, frame) = &frames[*at];
            let now = ask(&rig, *rx, frame);
            prop_assert_eq!(
                now.as_ref().map(said),
                Some(said(flow)),
                "after {:?} {:?}: from {:?} {:02x?}; raised {:?}",
                event,
                words(event),
                rx,
                frame,
                rig.raised
            );
        }
    }
    Ok((remembered, raised))
}

fn words(event: &Event) -> &'static str {
    match event {
        Event::Line(line) => LINES[*line],
        Event::List(line) => LIST[*line],
        Event::Interface(_, line) => INTERFACE[*line],
        _ => "",
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_not_raised_stays_true(events in prop::collection::vec(event(), 1..60)) {
        check(&events)?;
    }
}

#[test]
fn flows_come_and_go() {
    // The property says nothing if nothing is remembered, or if everything is raised with every change.
    let events: Vec<Event> = (0..20)
        .flat_map(|_| {
            [
                Event::Seen { port: 2, vlan: 10, station: 4 },
                Event::Seen { port: 1, vlan: 10, station: 4 },
                Event::Line(13),
                Event::Line(14),
            ]
        })
        .collect();
    let (remembered, raised) = check(&events).expect("true");
    assert!(remembered > 200 && raised > 50 && raised < remembered, "{remembered} remembered, {raised} raised");
    let mut rig = Rig::new();
    let routed = |rig: &Rig| {
        frames().iter().filter(|(rx, frame)| ask(rig, *rx, frame).is_some_and(|f| f.action.route.is_some())).count()
    };
    assert!(routed(&rig) > 4, "{} routed", routed(&rig));
    let floods = |(rx, frame): &(u16, Vec<u8>)| ask(&rig, *rx, frame).is_some_and(|f| f.action.copies().count() > 1);
    assert!(frames().iter().filter(|frame| floods(frame)).count() > 4);
    // A change costs the flows that depend on it and no others.
    let all: Vec<Flow> = frames().iter().filter_map(|(rx, frame)| ask(&rig, *rx, frame)).collect();
    rig.raised = Changes::default();
    rig.happens(&Event::Seen { port: 3, vlan: 20, station: 4 });
    rig.happens(&Event::Line(13));
    let lost = all.iter().filter(|flow| rig.raised.touch(flow.deps.iter().flatten().copied())).count();
    assert!(lost < all.len() / 4, "{lost} of {}: {:?}", all.len(), rig.raised);
}
