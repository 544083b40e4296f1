//! The machine alone, on virtual time: what goes in, what comes out.

use mona_control::fib::{Fib, Limits};
use mona_control::input::{Device, Input, Output, Session};
use mona_control::switch::Switch;
use mona_datapath::Fdb;
use mona_datapath::fdb::Origin;
use mona_datapath::out::{Seen, Told};
use mona_datapath::snapshot::Home;
use mona_datapath::switching::{IoChoice, Opened};
use mona_model::api::Reply;
use mona_wire::{Instant, Mac, PortId, VlanId};
use std::sync::Arc;

struct Bench {
    switch: Switch,
    now: Instant,
    log: Vec<String>,
    kept: String,
    /// Counters of lines that were told to start from zero.
    cleared: Vec<u32>,
}

impl Bench {
    fn new(devices: &[&str], startup: &str) -> Bench {
        let fdb = Arc::new(Fdb::with_capacity_and_seed(1000, [1, 2]));
        let switch = Switch::new(fdb, Fib::new(Limits::SMALL), IoChoice::Auto);
        let mut bench =
            Bench { switch, now: Instant::default(), log: Vec::new(), kept: String::new(), cleared: Vec::new() };
        for (index, name) in devices.iter().enumerate() {
            bench.device(name, index as u32 + 1, true);
        }
        bench.feed(Input::Startup(startup.into()));
        bench
    }

    fn device(&mut self, name: &str, ifindex: u32, up: bool) {
        let device = Device { name: name.into(), ifindex, admin_up: up, carrier: up, mtu: 1500, ..Device::default() };
        self.feed(Input::Device(device));
    }

    /// Feeds an input and plays the rim: every port can be opened, every device does as it is told.
    fn feed(&mut self, input: Input) -> Vec<Reply> {
        let mut replies = Vec::new();
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for output in self.switch.step(self.now, input) {
                match output {
                    Output::Open { port, device, .. } => {
                        let opened = Opened { io: "packet".into(), home: Some(Home::Backplane), ..Opened::default() };
                        inputs.push(Input::Opened { port, device, result: Ok(opened) });
                    }
                    Output::SetUp { device, up } => {
                        let known = self.switch.state.devices.get(&device).cloned();
                        inputs.extend(known.map(|d| Input::Device(Device { admin_up: up, carrier: up, ..d })));
                    }
                    Output::Log(line) => self.log.push(line),
                    Output::Keep(text) => self.kept = text,
                    Output::ClearMatches(slots) => self.cleared.extend(slots),
                    Output::Reply { reply, .. } => replies.push(reply),
                    _ => {}
                }
            }
        }
        replies
    }

    fn say(&mut self, context: &[&str], line: &str) -> Reply {
        let session = Session { id: 1, privilege: 15, user: "root".into(), origin: "console".into() };
        let context = context.iter().map(|c| c.to_string()).collect();
        let mut replies = self.feed(Input::Line { session, id: 1, context, line: line.into() });
        assert_eq!(replies.len(), 1, "{line}");
        replies.remove(0)
    }

    fn up(&self) -> Vec<u16> {
        let ports = self.switch.snapshot.ports.iter().enumerate();
        ports.filter(|(_, p)| p.as_ref().is_some_and(|p| p.up)).map(|(n, _)| n as u16).collect()
    }

    fn seen(&mut self, vlan: u16, last: u8, port: u16, snapshot: u64) {
        let seen = Seen { vlan: vid(vlan), mac: station(last), port: PortId(port), snapshot };
        self.feed(Input::Seen(vec![seen]));
    }

    fn port_of(&self, vlan: u16, last: u8) -> Option<u16> {
        self.switch.fdb.lookup(vid(vlan), station(last)).map(|s| s.port.0)
    }
}

fn vid(vlan: u16) -> VlanId {
    VlanId::new(vlan).expect("a VLAN")
}

fn station(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

const TWO: &str = "vlan 10\ninterface gi0/1\n device a\n switchport access vlan 10\n\
                   interface gi0/2\n device b\n switchport access vlan 10\nend\n";

#[test]
fn an_unusable_section_does_not_reach_the_one_before() {
    let text =
        "interface gi0/1\n device a\ninterface TenGig0/2\n shutdown\n switchport access vlan 20\n\nvlan 30\nnonsense\n";
    let bench = Bench::new(&["a"], text);
    assert_eq!(bench.up(), [1]);
    let config = &bench.switch.config;
    assert!(config.vlans.contains_key(&vid(30)) && !config.vlans.contains_key(&vid(20)));
    let said: Vec<&str> = bench.log.iter().filter_map(|l| l.split("startup-config ").nth(1)).collect();
    assert_eq!(
        said,
        [
            "line 3: \"interface TenGig0/2\": Invalid input at column 11",
            "line 4: \"shutdown\": its section is unusable",
            "line 5: \"switchport access vlan 20\": its section is unusable",
            "line 8: \"nonsense\": Invalid input at column 2",
        ]
    );
}

#[test]
fn stations_are_learned_move_and_are_forgotten_with_link_and_vlan() {
    let mut bench = Bench::new(&["a", "b"], TWO);
    let number = bench.switch.snapshot.number;
    bench.seen(10, 7, 1, number);
    assert_eq!(bench.port_of(10, 7), Some(1));
    bench.seen(10, 7, 2, number);
    assert_eq!(bench.port_of(10, 7), Some(2), "the newest port wins");
    // L2-18: link down forgets; a report from before the flush is stale.
    bench.device("b", 2, false);
    assert_eq!((bench.port_of(10, 7), bench.up()), (None, vec![1]));
    bench.device("b", 2, true);
    bench.seen(10, 7, 2, number);
    assert_eq!(bench.port_of(10, 7), None, "the report is older than the flush");
    let number = bench.switch.snapshot.number;
    bench.seen(10, 7, 2, number);
    assert_eq!(bench.port_of(10, 7), Some(2));
    assert!(bench.say(&["configure terminal"], "no vlan 10").error.is_none());
    assert_eq!(bench.port_of(10, 7), None, "a VLAN that is gone has no stations");
    bench.say(&["configure terminal"], "vlan 10");
    assert_eq!(bench.port_of(10, 7), None);
}

#[test]
fn a_static_station_neither_moves_nor_ages() {
    let text = TWO.replace("end\n", "mac address-table static 0200.0000.0007 vlan 10 interface gi0/1\nend\n");
    let mut bench = Bench::new(&["a", "b"], &text);
    let number = bench.switch.snapshot.number;
    bench.seen(10, 7, 2, number);
    bench.feed(Input::Idle(vec![(vid(10), station(7))]));
    bench.say(&[], "clear mac address-table dynamic");
    let found = bench.switch.fdb.lookup(vid(10), station(7)).map(|s| (s.port, s.origin));
    assert_eq!(found, Some((PortId(1), Origin::Static)));
}

#[test]
fn shutdown_holds_against_who_sets_the_device_up() {
    let mut bench = Bench::new(&["a", "b"], TWO);
    bench.say(&["configure terminal", "interface GigabitEthernet0/1"], "shutdown");
    assert_eq!(bench.up(), [2]);
    bench.device("a", 1, true);
    assert_eq!(bench.up(), [2]);
    assert!(!bench.switch.state.devices["a"].admin_up, "it is set down again");
    bench.say(&["configure terminal", "interface GigabitEthernet0/1"], "no shutdown");
    assert_eq!(bench.up(), [1, 2]);
    assert!(
        bench.log.iter().any(|l| l.contains("%LINK-5-CHANGED: Interface GigabitEthernet0/1, changed state to adm"))
    );
}

#[test]
fn hooks_add_find_by_tag_and_leave_nothing_behind() {
    let mut bench = Bench::new(&["vnet0"], "interface gi0/5\n tag web1\n switchport access vlan 20\nend\n");
    let first = bench.say(&[], "platform port add vnet0 access-vlan 10");
    assert_eq!((first.error, bench.up()), (None, vec![1]));
    assert!(bench.kept.contains("interface GigabitEthernet1/1\n device vnet0\n"), "{}", bench.kept);
    // Said again it is the same; a crashed guest's tap takes it away with all its state.
    bench.say(&[], "platform port add vnet0 access-vlan 10");
    let number = bench.switch.snapshot.number;
    bench.seen(10, 7, 1, number);
    bench.feed(Input::DeviceGone { ifindex: 1, name: "vnet0".into() });
    assert_eq!((bench.port_of(10, 7), bench.kept.as_str()), (None, ""));
    assert!(bench.switch.config.interfaces.len() == 1);
    assert!(bench.say(&[], "platform port remove vnet0").error.is_none(), "gone already is fine");
    // The name comes back for another guest, which has a tag.
    bench.device("vnet0", 9, true);
    bench.say(&[], "platform port add vnet0 tag web1");
    let interface = &bench.switch.config.interfaces[&"gi0/5".parse().expect("a name")];
    assert_eq!((interface.device.as_deref(), interface.switchport.access_vlan), (Some("vnet0"), VlanId::new(20)));
    // After a crash the kept text makes the same ports again.
    let kept = bench.kept.clone();
    let mut again = Bench::new(&["vnet0"], "interface gi0/5\n tag web1\n switchport access vlan 20\nend\n");
    again.device("vnet0", 9, true);
    again.feed(Input::Restore(kept));
    assert_eq!(again.up(), [1]);
    assert!(bench.say(&[], "platform port add nosuch").error.is_some());
}

#[test]
fn a_full_table_is_said_once() {
    let mut bench = Bench::new(&["a", "b"], TWO);
    let number = bench.switch.snapshot.number;
    let stations = (0..2000u16).map(|n| Mac([2, 0, 0, 1, (n >> 8) as u8, n as u8]));
    let seen = stations.map(|mac| Seen { vlan: vid(10), mac, port: PortId(1), snapshot: number }).collect();
    bench.feed(Input::Seen(seen));
    let full: Vec<&String> = bench.log.iter().filter(|l| l.contains("%SW_MATM-4-TABLE_FULL")).collect();
    assert!(full.len() == 1 && full[0].contains("no more addresses are learned until some age"), "{full:?}");
    assert_eq!(bench.switch.learn.full as usize, 2000 - bench.switch.fdb.len());
}

#[test]
fn a_flapping_station_is_named_once() {
    let mut bench = Bench::new(&["a", "b"], TWO);
    let number = bench.switch.snapshot.number;
    for turn in 0..20 {
        bench.seen(10, 7, 1 + turn % 2, number);
    }
    let flaps: Vec<&String> = bench.log.iter().filter(|l| l.contains("MACFLAP_NOTIF")).collect();
    assert_eq!(flaps.len(), 1, "{flaps:?}");
    assert!(
        flaps[0].ends_with("Host 0200.0000.0007 in vlan 10 is flapping between port Gi0/1 and port Gi0/2")
            || flaps[0].ends_with("Host 0200.0000.0007 in vlan 10 is flapping between port Gi0/2 and port Gi0/1")
    );
}

#[test]
fn a_change_costs_what_it_changes() {
    // A thousand trunks with explicit lists of four thousand VLANs.
    let names: Vec<String> = (1..=1000).map(|port| format!("t{port}")).collect();
    let devices: Vec<&str> = names.iter().map(String::as_str).collect();
    let ports = (1..=1000).map(|port| {
        format!("interface gi0/{port}\n device t{port}\n switchport mode trunk\n switchport trunk allowed vlan 2-1001,1006-4005\n")
    });
    let text: String = std::iter::once("vlan 2-1001,1006-4005\n".to_string()).chain(ports).collect();
    let mut bench = Bench::new(&devices, &text);
    assert_eq!(bench.up().len(), 1000);
    let vlans = |bench: &Bench| bench.switch.snapshot.vlans.clone();
    let members =
        |bench: &Bench, vlan: u16| bench.switch.snapshot.vlan(vid(vlan)).map_or(0, |v| v.forward.iter().count());
    assert_eq!((members(&bench, 2), members(&bench, 4005), members(&bench, 1)), (1000, 1000, 0));
    let here = ["configure terminal", "interface GigabitEthernet0/7"];
    for (line, changes) in [
        ("description words", 0),
        ("switchport trunk allowed vlan remove 100", 1),
        ("switchport protected", 0),
        ("switchport trunk native vlan 200", 1),
        ("switchport trunk allowed vlan add 100", 1),
        ("shutdown", 4000),
        ("no shutdown", 4000),
    ] {
        let before = vlans(&bench);
        let begin = std::time::Instant::now();
        assert!(bench.say(&here, line).error.is_none(), "{line}");
        let took = begin.elapsed();
        let pairs = before.into_iter().zip(vlans(&bench));
        let anew = pairs.filter(|(old, new)| match (old, new) {
            (Some(old), Some(new)) => !Arc::ptr_eq(old, new),
            (old, new) => old.is_some() != new.is_some(),
        });
        assert_eq!(anew.count(), changes, "VLANs made anew by {line}");
        println!("{line}: {took:?}");
    }
    assert_eq!((members(&bench, 100), members(&bench, 4005)), (1000, 1000));
}

/// A UDP packet from 10.0.0.1, with this source port.
fn packet(sport: u16) -> Vec<u8> {
    let mut frame = vec![
        2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ];
    frame.extend(sport.to_be_bytes());
    frame.extend([0, 53]);
    frame.resize(60, 0);
    frame
}

const LISTS: &str = "interface gi0/1\n device p1\n ip access-group A in\naccess-list 7 permit any log\nip access-list extended A\n \
                     permit tcp any any\n deny udp any any eq domain log-input\n permit ip any any log\n";

#[test]
fn an_entry_keeps_its_counter_whatever_is_edited_around_it() {
    let mut bench = Bench::new(&["p1"], LISTS);
    let mut fresh = std::mem::take(&mut bench.cleared);
    fresh.sort();
    assert_eq!(fresh, [0, 1, 2, 3]);
    let slot = |bench: &Bench, list: &str, sequence: u32| {
        let lists = &bench.switch.config.access_lists[list];
        let entry = lists.entries().find(|(number, _)| *number == sequence).expect("the line is there").1;
        bench.switch.state.lists.slot(list, entry)
    };
    let (udp, all) = (slot(&bench, "A", 20), slot(&bench, "A", 30));
    let list = ["configure terminal", "ip access-list extended A"];
    for line in ["no 10", "5 permit icmp any any", "15 deny tcp any any"] {
        bench.say(&list, line);
    }
    assert_eq!((slot(&bench, "A", 20), slot(&bench, "A", 30)), (udp, all));
    // Two new entries, one of which has the counter of the one that is gone.
    assert_eq!(std::mem::take(&mut bench.cleared).len(), 2);
    bench.say(&list[..1], "ip access-list resequence A 100 1");
    assert_eq!((slot(&bench, "A", 102), slot(&bench, "A", 103)), (udp, all));
    assert!(bench.cleared.is_empty());
    bench.say(&[], "clear access-list counters A");
    assert_eq!(bench.cleared.len(), 4);
    assert!(!bench.cleared.contains(&slot(&bench, "7", 10)));
    // Workers have what was said, at once.
    let port = bench.switch.snapshot.port(PortId(1)).expect("it is open");
    let rules = port.acl_in.as_ref().and_then(|filters| filters.ip4.as_ref()).expect("it has a list").rules().len();
    assert_eq!(rules, 4);
    bench.say(&list[..1], "no ip access-list extended A");
    assert!(
        bench.switch.snapshot.port(PortId(1)).expect("it is open").acl_in.is_none(),
        "no list lets everything pass"
    );
}

#[test]
fn flows_are_logged_once_and_again_in_sums() {
    let mut bench = Bench::new(&["p1"], LISTS);
    let lists = &bench.switch.state.lists;
    let slot = |list: &str, permit: bool| {
        let mut all = lists.counters(Some(list)).into_iter();
        all.find(|slot| {
            lists.line(*slot).is_some_and(|(_, entry)| entry.permit == permit && entry.log != Default::default())
        })
        .expect("one")
    };
    let (denied, standard) = (slot("A", false), slot("7", true));
    let shown = |bench: &mut Bench, slot: u32, permit: bool, frame: &[u8]| -> Vec<String> {
        bench.log.clear();
        bench.feed(Input::Exception {
            port: PortId(1),
            vlan: VlanId::DEFAULT,
            why: Told::Listed { slot, permit },
            bytes: frame.to_vec(),
        });
        bench.log.iter().map(|line| line.split_once(": ").expect("a stamp").1.to_string()).collect()
    };
    let first =
        "%SEC-6-IPACCESSLOGP: list A denied udp 10.0.0.1(1000) (GigabitEthernet0/1 0200.0000.0001) -> 10.0.0.2(53), ";
    assert_eq!(shown(&mut bench, denied, false, &packet(1000)), [format!("{first}1 packet")]);
    assert_eq!(shown(&mut bench, denied, false, &packet(1000)), Vec::<String>::new());
    assert_eq!(shown(&mut bench, denied, false, &packet(1000)), Vec::<String>::new());
    bench.now = bench.now + std::time::Duration::from_secs(300);
    assert_eq!(shown(&mut bench, denied, false, &packet(1000)), [format!("{first}3 packets")]);
    let simple = ["%SEC-6-IPACCESSLOGS: list 7 permitted 10.0.0.1 1 packet"];
    assert_eq!(shown(&mut bench, standard, true, &packet(1)), simple);
    // A scan fills no log, and it is said how much is missing.
    bench.now = bench.now + std::time::Duration::from_secs(1);
    let lines: usize = (2000..2100).map(|port| shown(&mut bench, denied, false, &packet(port)).len()).sum();
    assert_eq!(lines, 10);
    bench.now = bench.now + std::time::Duration::from_secs(1);
    let after = shown(&mut bench, denied, false, &packet(3000));
    assert_eq!(
        after.last().map(String::as_str),
        Some("%SEC-6-IPACCESSLOGRL: access-list logging rate-limited or missed 90 packets")
    );
    // A line that is gone, and a frame that says nothing.
    assert_eq!(shown(&mut bench, 999, false, &packet(1)), Vec::<String>::new());
    assert_eq!(shown(&mut bench, denied, false, &[0; 20]), Vec::<String>::new());
}
