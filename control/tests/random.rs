//! Whatever happens in whatever order: nothing panics, what workers are told makes sense, every question has one answer,
//! and a restart finds what was there.

use mona_control::compile::{Made, compile};
use mona_control::fib::{Fib, Limits};
use mona_control::input::{Device, Input, Output, Session};
use mona_control::switch::Switch;
use mona_datapath::fdb::Origin;
use mona_datapath::out::Seen;
use mona_datapath::switching::{IoChoice, Opened};
use mona_datapath::{Fdb, Snapshot};
use mona_model::config::InterfaceConfig;
use mona_wire::{Instant, Mac, PortId, VlanId};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Few of everything, so that things meet.
const DEVICES: u8 = 4;
const LINES: &[&str] = &[
    "access-list 10 permit 10.0.0.0 0.0.0.255",
    "access-list 10 deny any log",
    "no access-list 10",
    "no access-list 10 deny any log",
    "ip access-list resequence 10 5 7",
    "ip access-list standard 10",
    "ip access-list extended web",
    "no ip access-list extended web",
    "ipv6 access-list web",
    "vlan 10",
    "no vlan 10",
    "vlan 20",
    "no vlan 20",
    "vlan dot1q tag native",
    "no vlan dot1q tag native",
    "mac address-table aging-time 10",
    "mac address-table aging-time 0",
    "no mac address-table learning vlan 10",
    "mac address-table learning vlan 10",
    "mac address-table static 0200.0000.0001 vlan 10 interface gi0/1",
    "no mac address-table static 0200.0000.0001 vlan 10",
    "no interface gi0/1",
    "no interface gi1/1",
    "port-profile p",
    "no port-profile p",
];
const INTERFACE_LINES: &[&str] = &[
    "ip access-group 10 in",
    "ip access-group web out",
    "no ip access-group 10",
    "ipv6 traffic-filter web in",
    "device t0",
    "device t1",
    "device t2",
    "no device",
    "io packet",
    "no io",
    "shutdown",
    "no shutdown",
    "mtu 1400",
    "no mtu",
    "switchport mode access",
    "switchport mode trunk",
    "switchport access vlan 10",
    "switchport access vlan 1003",
    "no switchport access vlan",
    "switchport trunk allowed vlan 10,20",
    "switchport trunk allowed vlan none",
    "no switchport trunk allowed vlan",
    "switchport trunk native vlan 20",
    "switchport protected",
    "no mac address-table learning",
    "mac address-table learning",
    "tag web",
    "no tag",
    "inherit port-profile p",
    "description words",
];
const HOOK_OPTIONS: &[&str] = &[
    "",
    "access-vlan 10",
    "access-vlan 30",
    "trunk 10,20 native-vlan 10",
    "tag web",
    "tag db access-vlan 20",
    "interface gi0/1",
    "interface gi0/9 access-vlan 10",
    "io xdp",
    "profile p",
    "force",
];
const EXEC_LINES: &[&str] = &[
    "clear access-list counters",
    "clear access-list counters 10",
    "clear mac address-table dynamic",
    "clear mac address-table dynamic interface gi0/1 vlan 10",
    "clear counters",
    "clear logging",
    "write memory",
    "show vlan brief",
    "packet-tracer input gi0/1 0200.0000.0001 ffff.ffff.ffff",
    "nonsense",
];

#[derive(Clone, Debug)]
enum Event {
    Appears { device: u8, up: bool, carrier: bool, mtu: u32, master: bool, address: bool },
    Replaced(u8),
    Renamed(u8, u8),
    Gone(u8),
    Line(usize),
    Interface(u8, usize),
    Exec(usize),
    Add(u8, usize),
    Remove(u8),
    Answer { which: usize, good: bool },
    Stray(u16),
    Seen { port: u16, vlan: u16, mac: u8, behind: u64 },
    Idle(u16, u8),
    Frame(u16),
    Wait(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let device = 0..DEVICES;
    prop_oneof![
        4 => (device.clone(), any::<bool>(), any::<bool>(), prop_oneof![Just(1500), Just(9000)], 0..8, 0..8)
            .prop_map(|(device, up, carrier, mtu, master, address)| Event::Appears {
                device, up, carrier, mtu, master: master == 0, address: address == 0
            }),
        1 => device.clone().prop_map(Event::Replaced),
        1 => (device.clone(), device.clone()).prop_map(|(a, b)| Event::Renamed(a, b)),
        2 => device.clone().prop_map(Event::Gone),
        4 => (0..LINES.len()).prop_map(Event::Line),
        8 => (0..5u8, 0..INTERFACE_LINES.len()).prop_map(|(interface, line)| Event::Interface(interface, line)),
        2 => (0..EXEC_LINES.len()).prop_map(Event::Exec),
        6 => (device.clone(), 0..HOOK_OPTIONS.len()).prop_map(|(device, options)| Event::Add(device, options)),
        3 => device.prop_map(Event::Remove),
        12 => (0..4usize, 0..5).prop_map(|(which, bad)| Event::Answer { which, good: bad > 0 }),
        1 => (0..6u16).prop_map(Event::Stray),
        8 => (0..6u16, prop_oneof![Just(1), Just(10), Just(20)], 0..4u8, 0..4u64)
            .prop_map(|(port, vlan, mac, behind)| Event::Seen { port, vlan, mac, behind }),
        1 => (prop_oneof![Just(1), Just(10)], 0..4u8).prop_map(|(vlan, mac)| Event::Idle(vlan, mac)),
        1 => (0..6u16).prop_map(Event::Frame),
        3 => (0..20u64).prop_map(Event::Wait),
    ]
}

struct Rig {
    switch: Switch,
    now: Instant,
    devices: BTreeMap<String, Device>,
    next_index: u32,
    /// Asked to be opened and not answered yet.
    opening: Vec<(PortId, String)>,
    open: BTreeMap<PortId, String>,
    /// Requests without an answer.
    unanswered: BTreeSet<u64>,
    next_request: u64,
    number: u64,
    kept: String,
    saved: String,
}

impl Rig {
    fn new() -> Rig {
        Rig {
            switch: Switch::new(
                Arc::new(Fdb::with_capacity_and_seed(8, [1, 2])),
                Fib::new(Limits::SMALL),
                IoChoice::Auto,
            ),
            now: Instant::default(),
            devices: BTreeMap::new(),
            next_index: 1,
            opening: Vec::new(),
            open: BTreeMap::new(),
            unanswered: BTreeSet::new(),
            next_request: 1,
            number: 0,
            kept: String::new(),
            saved: String::new(),
        }
    }

    fn feed(&mut self, input: Input) {
        let mut again = Vec::new();
        for output in self.switch.step(self.now, input) {
            match output {
                Output::Reply { reply, .. } => {
                    assert!(self.unanswered.remove(&reply.id), "answered twice, or never asked: {reply:?}");
                }
                Output::Show { id, .. } => assert!(self.unanswered.remove(&id), "shown twice"),
                Output::Print(job) => assert!(self.unanswered.remove(&job.reply.id), "printed twice"),
                Output::Open { port, device, .. } => {
                    assert!(!self.open.contains_key(&port), "{port} is opened twice");
                    assert!(!self.open.values().any(|d| *d == device), "{device} is opened twice");
                    self.open.insert(port, device.clone());
                    self.opening.push((port, device));
                }
                Output::Close { port, device } => {
                    assert_eq!(self.open.remove(&port), Some(device), "{port} is closed and was not open");
                    // The rim answers what it was asked, also when nobody wants to know any more; here it does not.
                    self.opening.retain(|(p, _)| *p != port);
                }
                Output::Publish(snapshot) => {
                    assert!(snapshot.number > self.number, "numbers go up");
                    self.number = snapshot.number;
                }
                Output::Keep(text) => self.kept = text,
                Output::Save { session, id, config } => {
                    self.saved = mona_model::print::startup(&config);
                    again.push(Input::Saved { session, id, result: Ok(()) });
                }
                Output::Probe(job) => assert!(self.unanswered.remove(&job.id), "probed twice"),
                Output::Host(_)
                | Output::Raise(_)
                | Output::LookAgain(_)
                | Output::ScanNeighbours
                | Output::Inject { .. }
                | Output::SetUp { .. }
                | Output::SetMtu { .. }
                | Output::Log(_)
                | Output::Monitor { .. }
                | Output::KeepNeighbours(_)
                | Output::ClearCounters(_)
                | Output::ClearMatches(_)
                | Output::Scan { .. } => {}
            }
        }
        again.into_iter().for_each(|input| self.feed(input));
    }

    fn line(&mut self, context: &[&str], line: &str) {
        let session = Session { id: 1, privilege: 15, user: "alice".into(), origin: "vty0".into() };
        let (id, context) = (self.next_request, context.iter().map(|line| line.to_string()).collect());
        self.next_request += 1;
        self.unanswered.insert(id);
        self.feed(Input::Line { session, id, context, line: line.into() });
    }

    fn answer(&mut self, which: usize, good: bool) {
        if self.opening.is_empty() {
            return;
        }
        let (port, device) = self.opening.remove(which % self.opening.len());
        let opened = Opened { io: "mem".into(), ..Opened::default() };
        if !good {
            self.open.remove(&port);
        }
        let result = if good { Ok(opened) } else { Err(format!("{device} is busy")) };
        self.feed(Input::Opened { port, device, result });
    }

    fn happens(&mut self, event: &Event) {
        let name = |device: &u8| format!("t{device}");
        match event {
            Event::Appears { device, up, carrier, mtu, master, address } => {
                let name = name(device);
                let ifindex = self.devices.get(&name).map_or(self.next_index, |d| d.ifindex);
                self.next_index = self.next_index.max(ifindex + 1);
                let device = Device {
                    name: name.clone(),
                    ifindex,
                    kind: "veth".into(),
                    admin_up: *up,
                    carrier: *up && *carrier,
                    mtu: *mtu,
                    mac: None,
                    master: master.then_some(1000),
                    master_kind: None,
                    has_address: *address,
                    has_default_route: false,
                };
                self.devices.insert(name, device.clone());
                self.feed(Input::Device(device));
            }
            Event::Replaced(device) => {
                if let Some(device) = self.devices.get_mut(&name(device)) {
                    device.ifindex = self.next_index;
                    self.next_index += 1;
                    let device = device.clone();
                    self.feed(Input::Device(device));
                }
            }
            Event::Renamed(from, to) => {
                if from != to
                    && let Some(mut device) = self.devices.remove(&name(from))
                {
                    device.name = name(to);
                    self.devices.insert(name(to), device.clone());
                    self.feed(Input::Device(device));
                }
            }
            Event::Gone(device) => {
                if let Some(device) = self.devices.remove(&name(device)) {
                    self.feed(Input::DeviceGone { ifindex: device.ifindex, name: device.name });
                }
            }
            Event::Line(line) => self.line(&["configure terminal"], LINES[*line]),
            Event::Interface(interface, line) => {
                let name = ["gi0/1", "gi0/2", "gi0/9", "gi1/1", "gi1/2"][usize::from(*interface)];
                self.line(&["configure terminal"], &format!("interface {name}"));
                let context = format!("interface {name}");
                self.line(&["configure terminal", &context], INTERFACE_LINES[*line]);
            }
            Event::Exec(line) => self.line(&[], EXEC_LINES[*line]),
            Event::Add(device, options) => {
                self.line(&[], format!("platform port add t{device} {}", HOOK_OPTIONS[*options]).trim());
            }
            Event::Remove(device) => self.line(&[], &format!("platform port remove t{device}")),
            Event::Answer { which, good } => self.answer(*which, *good),
            Event::Stray(port) => {
                let result = Err("nobody asked".into());
                self.feed(Input::Opened { port: PortId(*port), device: "stray".into(), result });
            }
            Event::Seen { port, vlan, mac, behind } => {
                let (vlan, snapshot) = (VlanId::new(*vlan).expect("a VLAN"), self.number.saturating_sub(*behind));
                self.feed(Input::Seen(vec![Seen {
                    vlan,
                    mac: Mac([2, 0, 0, 0, 0, *mac]),
                    port: PortId(*port),
                    snapshot,
                }]));
            }
            Event::Idle(vlan, mac) => {
                self.feed(Input::Idle(vec![(VlanId::new(*vlan).expect("a VLAN"), Mac([2, 0, 0, 0, 0, *mac]))]));
            }
            Event::Frame(port) => self.feed(Input::Frame { port: PortId(*port), bytes: vec![0; 60] }),
            Event::Wait(secs) => {
                self.now = self.now + std::time::Duration::from_secs(*secs);
                self.feed(Input::Time);
            }
        }
    }

    /// What workers are told makes sense.
    fn check(&self) {
        let (snapshot, state, config) = (&self.switch.snapshot, &self.switch.state, &self.switch.config);
        let mut accessed = BTreeSet::new();
        for vid in 1..4095 {
            let vlan = VlanId::new(vid).expect("a VLAN");
            let Some(sets) = snapshot.vlan(vlan) else { continue };
            assert!(config.vlans.contains_key(&vlan), "VLAN {vlan} does not exist");
            assert!(!(1002..=1005).contains(&vid), "VLAN {vlan} carries nothing");
            for port in sets.untagged.iter().chain(sets.learn.iter()) {
                assert!(sets.forward.contains(port), "{port} is no member of VLAN {vlan}");
            }
            for id in sets.forward.iter() {
                let port = snapshot.port(id).unwrap_or_else(|| panic!("{id} of VLAN {vlan} is no port"));
                assert!(port.up, "{id} of VLAN {vlan} is down");
                assert!(port.tagged || accessed.insert(id), "access port {id} is in two VLANs");
                assert_eq!(sets.untagged.contains(id), port.untagged == Some(vlan), "{id} in VLAN {vlan}");
            }
        }
        let whole = compile(config, state, &Snapshot::empty(snapshot.fdb.clone()), &Made::default(), 1).0;
        assert!(whole.ports == snapshot.ports && whole.vlans == snapshot.vlans, "by parts it is something else");
        let twice = |of: &dyn Fn(&InterfaceConfig) -> Option<String>| {
            let all: Vec<String> = config.interfaces.values().filter_map(of).collect();
            all.iter().collect::<BTreeSet<_>>().len() < all.len()
        };
        assert!(!twice(&|i| i.device.clone()) && !twice(&|i| i.tag.clone()), "a device or a tag twice: {config:?}");
        let profiles = config.interfaces.values().filter_map(|i| i.profile.as_ref());
        profiles.for_each(|profile| assert!(config.profiles.contains_key(profile), "there is no {profile}"));
        let ids: BTreeSet<PortId> = state.ports.values().map(|port| port.id).collect();
        let devices: BTreeSet<&String> = state.ports.values().map(|port| &port.device).collect();
        assert_eq!((ids.len(), devices.len()), (state.ports.len(), state.ports.len()), "a number or a device twice");
        assert!(!ids.contains(&PortId::SELF));
        assert_eq!(ids, self.open.keys().copied().collect(), "what is open is what was asked for");
        for (index, port) in snapshot.ports.iter().enumerate() {
            let known = state.ports.values().any(|p| p.id.index() == index && p.opened.is_some());
            assert_eq!(port.is_some(), known, "p{index}");
        }
        for port in state.ports.values().filter(|port| port.opened.is_some()) {
            assert!(snapshot.port(port.id).is_some(), "{} is open and workers do not know it", port.id);
        }
        for station in self.switch.fdb.iter() {
            let member = snapshot.vlan(station.vlan).is_some_and(|sets| sets.forward.contains(station.port));
            match station.origin {
                Origin::Dynamic => assert!(member, "{station:?} is where nothing can be"),
                Origin::Static => assert!(config.mac.statics.contains_key(&(station.vlan, station.mac)), "{station:?}"),
            }
        }
        // Every entry has a counter of its own, and knows it.
        let counters = state.lists.counters(None);
        let entries = config.access_lists.iter().flat_map(|(name, list)| list.entries().map(move |(_, e)| (name, e)));
        let entries: Vec<_> = entries.collect();
        assert_eq!(counters.iter().collect::<BTreeSet<_>>().len(), entries.len());
        for (name, entry) in entries {
            let slot = state.lists.slot(name, entry);
            assert_eq!(state.lists.line(slot), Some(&(name.clone(), entry.clone())));
        }
        for name in &state.hooked {
            let interface = config.interfaces.get(name);
            assert!(interface.is_some_and(|i| i.device.is_some()), "{name} has no device and is a hook's");
        }
    }

    /// Another switch with what was saved and kept has the hooks' ports as they were.
    fn check_restart(&mut self) {
        self.line(&[], "write memory");
        let mut next = Rig::new();
        for device in self.devices.values() {
            next.feed(Input::Device(device.clone()));
        }
        next.feed(Input::Startup(self.saved.clone()));
        next.kept.clone_from(&self.kept);
        next.feed(Input::Restore(self.kept.clone()));
        next.check();
        let ports = |rig: &Rig| -> Vec<_> {
            let hooked = rig.switch.state.hooked.iter();
            hooked
                .map(|name| {
                    let mut interface = rig.switch.config.interfaces[name].clone();
                    interface.hot_plug = false;
                    (*name, interface)
                })
                .collect()
        };
        assert_eq!(ports(self), ports(&next), "saved:\n{}\nkept:\n{}", self.saved, self.kept);
        assert_eq!(self.kept, next.kept);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(events in proptest::collection::vec(event(), 1..120)) {
        let mut rig = Rig::new();
        rig.feed(Input::Time);
        for event in &events {
            rig.happens(event);
            rig.check();
        }
        while !rig.opening.is_empty() {
            rig.answer(0, true);
            rig.check();
        }
        assert!(rig.unanswered.is_empty(), "never answered: {:?}", rig.unanswered);
        rig.check_restart();
    }
}
