use super::leaving::REST;
use super::*;
use mona_wire::{Mac, VlanId};
use proptest::prelude::*;

const PORTS: u16 = 4;

fn table(slots: u32) -> FlowTable {
    let mut table = FlowTable::in_memory(slots).unwrap();
    for port in 1..PORTS {
        let ifindex = 10 + u32::from(port);
        table.set_port(PortId(port), Way::tc(ifindex, u32::from(port)));
    }
    table
}

fn mac(last: u16) -> Mac {
    let [high, low] = last.to_be_bytes();
    Mac([2, 0, 0, 0, high, low])
}

/// From a station behind one port to one behind the next.
fn flow(rx: u16, src: u16, epoch: u64) -> Flow {
    let to = PortId(rx % (PORTS - 1) + 1);
    let vlan = VlanId::DEFAULT;
    let mut deps = [None; crate::flow::DEPS];
    (deps[0], deps[1]) = (Some(Dep::Port(PortId(rx))), Some(Dep::Station(vlan, mac(src))));
    Flow {
        outer: Outer { rx: PortId(rx), vid: None, dst: mac(9), src: mac(src) },
        looked: Looked::default(),
        inner: Inner::default(),
        action: Action { to, vid: None, mtu: 1500, route: None, also: Action::ALONE },
        deps,
        counted: Counted { from: vlan, to: vlan, six: None, lines: Default::default(), alive: true, neighbour: None },
        snapshot: 1,
        epoch,
    }
}

/// The same, of a packet, by more of it.
fn deeper(flow: Flow, depth: Depth, protocol: u8, port: u8) -> Flow {
    let inner = Inner { ethertype: 0x0800, protocol, ports: [0, port, 0, 80], ..Inner::default() };
    Flow { looked: Looked { depth, flags: false }, inner, ..flow }
}

fn found(table: &FlowTable, flow: &Flow) -> Option<Action> {
    table.answer(&flow.outer, &flow.inner).map(|entry| entry.action)
}

#[test]
fn flows_are_found_until_what_they_depend_on_is_raised() {
    let mut table = table(64);
    let (one, two) = (flow(1, 1, table.epoch()), flow(1, 2, table.epoch()));
    table.insert(&one, 0).unwrap();
    table.insert(&two, 0).unwrap();
    table.raise([Dep::Station(VlanId::DEFAULT, mac(1))]);
    assert_eq!((found(&table, &one), found(&table, &two)), (None, Some(two.action)));
    assert_eq!(table.insert(&one, 0), Err(Refused::Stale), "decided before");
    table.raise([Dep::Station(VlanId::DEFAULT, mac(7))]);
    let again = flow(1, 1, table.epoch() - 1);
    assert_eq!(table.insert(&again, 0), Ok(()), "decided after that, and before something else");
    assert_eq!(found(&table, &one), Some(one.action));
    table.raise([Dep::Port(PortId(1))]);
    assert_eq!((found(&table, &one), found(&table, &two)), (None, None));
}

#[test]
fn flows_are_found_by_what_was_looked_at() {
    let mut table = table(64);
    let plain = flow(1, 1, table.epoch());
    let (tcp, other) = (deeper(plain, Depth::L4, 6, 1), deeper(plain, Depth::L4, 6, 2));
    let ospf = deeper(plain, Depth::L3, 89, 0);
    table.insert(&ospf, 0).unwrap();
    assert_eq!(found(&table, &deeper(plain, Depth::L3, 89, 7)), Some(ospf.action), "its ports were not looked at");
    table.insert(&tcp, 0).unwrap();
    assert_eq!(found(&table, &ospf), None, "from now on they are");
    table.insert(&ospf, 0).unwrap();
    assert_eq!(table.flows().count(), 3, "the old one is there until the next fold");
    table.fold(0, 1, |_, _, _| ());
    assert_eq!(table.flows().count(), 2);
    assert_eq!([tcp, ospf, other].map(|flow| found(&table, &flow).is_some()), [true, true, false]);
    table.insert(&plain, 0).unwrap();
    assert_eq!(found(&table, &other), Some(plain.action), "whatever the packet");
}

#[test]
fn flows_lie_between_ports_that_are_known() {
    let mut table = table(64);
    let (there, back) = (flow(1, 1, table.epoch()), flow(3, 3, table.epoch()));
    table.insert(&there, 0).unwrap();
    table.insert(&back, 0).unwrap();
    table.unset_port(PortId(2));
    assert_eq!(found(&table, &there), None, "left by it");
    assert_eq!(found(&table, &back), Some(back.action));
    assert_eq!(table.insert(&there, 0), Err(Refused::Device));
    table.flush();
    assert_eq!((found(&table, &back), table.flows().count()), (None, 0));
}

#[test]
fn flows_take_xdp_when_they_pause() {
    const SECOND: u64 = 1_000_000_000;
    let mut table = table(64);
    let way = |port: u16, takes_xdp| Way { takes_xdp, gives_xdp: true, ..Way::tc(10 + u32::from(port), port.into()) };
    table.set_port(PortId(1), way(1, true));
    table.set_port(PortId(2), way(2, false));
    let (busy, lone) = (flow(1, 1, table.epoch()), flow(1, 2, table.epoch()));
    let by_xdp = |table: &FlowTable, flow: &Flow| {
        let at = table.slots.find(&Key::outer(&flow.outer, 11))?;
        Some(table.slots.is_by_xdp(at))
    };
    for flow in [busy, lone] {
        table.insert(&flow, 0).unwrap();
    }
    assert_eq!([busy, lone].map(|flow| by_xdp(&table, &flow)), [Some(false); 2]);
    table.set_port(PortId(2), way(2, true));
    for now in 1..4 {
        table.slots.count_up(table.slots.find(&Key::outer(&busy.outer, 11)).unwrap(), 1, 60);
        table.fold(now * SECOND, u64::MAX, |_, _, _| ());
        table.fold(now * SECOND, u64::MAX, |_, _, _| ());
        assert_eq!(by_xdp(&table, &busy), Some(false), "the next frame would overtake the last");
        assert_eq!(by_xdp(&table, &lone), (now == 1).then_some(false));
    }
    table.insert(&lone, 4 * SECOND).unwrap();
    assert_eq!(by_xdp(&table, &lone), Some(true));
    table.set_port(PortId(2), way(2, false));
    assert_eq!([busy, lone].map(|flow| by_xdp(&table, &flow)), [None; 2]);
}

#[test]
fn flows_all_find_room_as_long_as_there_is_plenty() {
    let mut table = table(super::SLOTS);
    for src in 0..60_000 {
        assert_eq!(table.insert(&flow(1, src, table.epoch()), 0), Ok(()), "{src}");
    }
}

#[test]
fn flows_that_spray_evict_their_own() {
    const MILLISECOND: u64 = 1_000_000;
    let mut table = table(1024);
    let quiet = flow(1, 1, table.epoch());
    table.insert(&quiet, 0).unwrap();
    let mut refused = 0;
    for src in 0..20_000 {
        refused += usize::from(table.insert(&flow(2, src, table.epoch()), u64::from(src) * MILLISECOND / 8).is_err());
    }
    assert_eq!(found(&table, &quiet), Some(quiet.action));
    let stats: BTreeMap<PortId, FlowStats> = table.stats().collect();
    assert!((680..=717).contains(&stats[&PortId(2)].flows), "four fifths of seven eighths: {stats:?}");
    // Four fifths are taken, and what was given up rests.
    assert!(refused < 100, "{refused}: groups that are full are the exception");
    assert_eq!(stats[&PortId(2)].refused, refused as u64);
    assert_eq!(stats[&PortId(2)].evictions, 20_000 - refused as u64 - stats[&PortId(2)].flows as u64);
}

#[test]
fn a_port_that_has_much_leaves_room_for_as_much_again() {
    // A hundred thousand stations behind a port that answered once each, and as many flows to them that go on.
    let mut table = table(1024);
    let mut refused = [0; 2];
    for src in 0..390 {
        for (port, refused) in [2, 1].into_iter().zip(&mut refused) {
            *refused += usize::from(table.insert(&flow(port, src, table.epoch()), 0).is_err());
        }
    }
    let stats: BTreeMap<PortId, FlowStats> = table.stats().collect();
    assert_eq!([1, 2].map(|port| stats[&PortId(port)].evictions), [0; 2], "{stats:?}");
    assert!(refused.iter().sum::<usize>() < 20, "{refused:?}");
}

#[test]
fn flows_of_a_group_that_is_full_are_refused() {
    let mut table = table(8);
    let refused = (0..20).filter(|src| table.insert(&flow(1, *src, table.epoch()), 0) == Err(Refused::Full)).count();
    assert!(refused > 0, "nothing has rested yet");
    table.insert(&flow(1, 50, table.epoch()), REST).expect("now it has");
}

#[test]
fn flows_tell_what_went_by_them_once() {
    let mut table = table(64);
    let flow = flow(1, 1, table.epoch());
    let told = |table: &mut FlowTable, now: u64| {
        let mut told = Vec::new();
        table.fold(now, 100, |entry, frames, bytes| told.push((entry.outer.src, frames, bytes)));
        told
    };
    table.insert(&flow, 0).unwrap();
    table.went_by(&flow, 3, 300);
    assert_eq!(told(&mut table, 10), [(mac(1), 3, 300)]);
    assert_eq!(told(&mut table, 20), []);
    table.went_by(&flow, 1, 60);
    table.remove_port(PortId(1));
    table.flush();
    assert_eq!(told(&mut table, 30), [], "it may still be used by somebody");
    assert_eq!(told(&mut table, 30 + REST), [(mac(1), 1, 60)]);
    table.insert(&flow, REST + 40).unwrap();
    assert_eq!(told(&mut table, REST + 50), [], "a slot's counters go on");
    table.went_by(&flow, 2, 120);
    let entry = |table: &FlowTable| table.flows().next().map(|entry| (entry.frames, entry.bytes, entry.used));
    assert_eq!(told(&mut table, REST + 60), [(mac(1), 2, 120)]);
    assert_eq!(entry(&table), Some((2, 120, REST + 60)));
    told(&mut table, REST + 160);
    assert!(entry(&table).is_some());
    told(&mut table, REST + 161);
    assert_eq!(entry(&table), None, "idle for too long");
}

impl FlowTable {
    /// As the program does it.
    fn went_by(&mut self, flow: &Flow, frames: u64, bytes: u64) {
        let at = self.slots.find(&Key::outer(&flow.outer, self.way(flow.outer.rx).unwrap().ifindex)).unwrap();
        self.slots.count_up(at, frames, bytes);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Flow),
    /// Decided some raises ago.
    Late(Flow, u64),
    Raise(Dep),
    Close(u16),
    Pass(u64),
    Flush,
}

/// Of one outer key all packets are looked at as deep, or it would not be of them that the decision depends.
fn flows() -> impl Strategy<Value = Flow> {
    let also = proptest::option::weighted(0.3, (1..PORTS, proptest::option::of(Just(7u16))));
    (1..PORTS, 0u16..12, prop_oneof![Just(6u8), Just(17)], 0u8..3, 1..PORTS, also).prop_map(
        |(rx, src, protocol, port, to, also)| {
            let mut flow = match src % 3 {
                0 => flow(rx, src, 0),
                1 => deeper(flow(rx, src, 0), Depth::L3, protocol, port),
                _ => deeper(flow(rx, src, 0), Depth::L4, protocol, port),
            };
            flow.action.to = PortId(to);
            flow.action.also[0] = also.map(|(to, vid)| (PortId(to), vid));
            flow
        },
    )
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => flows().prop_map(Step::Insert),
        3 => (flows(), 0u64..3).prop_map(|(flow, ago)| Step::Late(flow, ago)),
        4 => (0u16..12).prop_map(|src| Step::Raise(Dep::Station(VlanId::DEFAULT, mac(src)))),
        1 => (1..PORTS).prop_map(|port| Step::Raise(Dep::Port(PortId(port)))),
        1 => (1..PORTS).prop_map(Step::Close),
        8 => (0..2 * REST).prop_map(Step::Pass),
        1 => Just(Step::Flush),
    ]
}

/// What is found is what was inserted last for what was looked at, unless something it depends on was raised since.
#[derive(Default)]
struct Model(Vec<(Flow, u64)>);

impl Model {
    fn covers(known: &Flow, asked: &Flow) -> bool {
        let (mine, other) = (known.inner, asked.inner);
        known.outer == asked.outer
            && match known.looked.depth {
                Depth::L2 => true,
                Depth::L3 => mine.protocol == other.protocol,
                Depth::L4 => (mine.protocol, mine.ports) == (other.protocol, other.ports),
            }
    }
}

proptest! {
    #[test]
    fn flows_are_found_as_a_list_would(steps in proptest::collection::vec(steps(), 1..200)) {
        let (mut table, mut model, mut now) = (table(4096), Model::default(), 0);
        let mut raised: Vec<(u64, Dep)> = Vec::new();
        for step in steps {
            match step {
                Step::Insert(flow) | Step::Late(flow, _) => {
                    let ago = if let Step::Late(_, ago) = step { ago } else { 0 };
                    let flow = Flow { epoch: table.epoch() - ago.min(table.epoch()), ..flow };
                    let changed = raised.iter().any(|(at, dep)| *at > flow.epoch && flow.deps.contains(&Some(*dep)));
                    let done = table.insert(&flow, now);
                    prop_assert_eq!(done, if changed { Err(Refused::Stale) } else { Ok(()) });
                    if !changed {
                        model.0.retain(|(known, _)| !Model::covers(known, &flow));
                        model.0.push((flow, table.epoch()));
                    }
                }
                Step::Raise(dep) => {
                    table.raise([dep]);
                    raised.push((table.epoch(), dep));
                    model.0.retain(|(flow, _)| !flow.deps.contains(&Some(dep)));
                }
                Step::Close(port) => {
                    table.remove_port(PortId(port));
                    let leaves = |flow: &Flow| flow.action.copies().any(|(to, _)| to.0 == port);
                    model.0.retain(|(flow, _)| flow.outer.rx.0 != port && !leaves(flow));
                }
                Step::Pass(time) => {
                    now += time;
                    table.fold(now, u64::MAX, |_, _, _| ());
                    let known = table.flows().count();
                    prop_assert_eq!(known, model.0.len());
                }
                Step::Flush => {
                    table.flush();
                    model.0.clear();
                }
            }
            for rx in 1..PORTS {
                for src in 0..12 {
                    for (protocol, port) in [(6, 0), (6, 1), (17, 2)] {
                        let asked = deeper(flow(rx, src, 0), Depth::L4, protocol, port);
                        let expected = model.0.iter().find(|(known, _)| Model::covers(known, &asked));
                        let expected = expected.map(|(known, _)| known.action);
                        prop_assert_eq!(found(&table, &asked), expected, "{:?}", asked);
                    }
                }
            }
        }
    }
}
