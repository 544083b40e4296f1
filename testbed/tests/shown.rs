//! What a running switch shows: every command answers, in text and as JSON; counters, rates and times are those of the
//! frames that passed; what is wrong is said and changes nothing.

use mona_testbed::netns::{Switch, World, wait};

const CONFIG: &str = "hostname s1\nvlan 10\n name red\nport-profile office\n switchport access vlan 10\n\
    interface GigabitEthernet0/1\n device p1\n tag web1\n switchport access vlan 10\n\
    interface GigabitEthernet0/2\n device p2\n switchport access vlan 10\n\
    interface GigabitEthernet0/3\n switchport mode trunk\n\
    mac address-table static 0011.2233.4455 vlan 10 interface GigabitEthernet0/1\n";

/// A router in that VLAN, which sends by itself.
const ROUTER: &str = "ipv6 unicast-routing\n\
    interface Vlan10\n ip address 10.0.10.1 255.255.255.0\n ipv6 address 2001:db8:10::1/64\n\
    ip access-list extended WEB\n permit tcp any any eq www\nipv6 access-list SIX\n permit tcp any any eq www\n\
    arp 10.0.10.5 0011.2233.4455 arpa\nipv6 neighbor 2001:db8:10::5 Vlan10 0011.2233.4455\n\
    ip route 20.0.0.0 255.0.0.0 10.0.10.5\nipv6 route 2001:db8:20::/48 2001:db8:10::5\n";

/// Two ports in VLAN 10, and what is at their other ends; and what else is configured.
fn world(label: &str, more: &str) -> (World, Switch, String) {
    let mut world = World::new(&format!("shown-{label}"));
    let (space, hosts) = (world.namespace("s"), world.namespace("h"));
    for port in [1, 2] {
        world.cable((&space, &format!("p{port}")), (&hosts, &format!("h{port}")));
    }
    let switch = world.switch(&space, &[CONFIG, more].concat(), &[]);
    (world, switch, hosts)
}

#[test]
fn every_command_answers_in_text_and_as_json() {
    let (world, switch, _) = world("all", ROUTER);
    let commands = [
        "show version",
        "show running-config",
        "show running-config all",
        "show running-config interface gi0/1",
        "show running-config interface p1 all",
        "show startup-config",
        "show vlan",
        "show vlan brief",
        "show vlan id 10",
        "show vlan name red",
        "show vlan counters",
        "show vlan counters id 10",
        "show mac address-table",
        "show mac address-table dynamic",
        "show mac address-table static",
        "show mac address-table address 0011.2233.4455",
        "show mac address-table interface gi0/1",
        "show mac address-table vlan 10",
        "show mac address-table static address 0011.2233.4455 interface gi0/1 vlan 10",
        "show mac address-table aging-time",
        "show mac address-table count",
        "show mac address-table count vlan 10",
        "show interfaces",
        "show interfaces gi0/1",
        "show interfaces p1 counters",
        "show interfaces status",
        "show interfaces description",
        "show interfaces switchport",
        "show interfaces gi0/3 switchport",
        "show interfaces trunk",
        "show interfaces counters",
        "show platform ports",
        "show platform drops",
        "show logging",
        "show clock",
        "show users",
        "show privilege",
        "packet-tracer input gi0/1 0200.0000.0001 ffff.ffff.ffff",
        "packet-tracer input gi0/1 0200.0000.0001 ffff.ffff.ffff ip 10.0.10.2 20.0.0.1 udp 1 2",
        "show interfaces vlan 10",
        "show ip route",
        "show ip route 20.0.0.1",
        "show ip route 20.0.0.0 255.0.0.0 longer-prefixes",
        "show ip route connected",
        "show ip route static",
        "show ip route ospf",
        "show ip route bgp",
        "show ip route summary",
        "show ipv6 route",
        "show ipv6 route 2001:db8:20::1",
        "show ipv6 route static",
        "show ipv6 route summary",
        "show ip arp",
        "show ip arp vlan 10",
        "show arp",
        "show ipv6 neighbors",
        "show ip interface",
        "show ip interface vlan 10",
        "show ip interface brief",
        "show ipv6 interface",
        "show ipv6 interface vlan 10",
        "show ipv6 interface brief",
        "show access-lists",
        "show access-lists WEB",
        "show ip access-lists",
        "show ipv6 access-list",
        "show ip traffic",
        "show ipv6 traffic",
        "show ip cef",
        "show ip cef 20.0.0.1",
        "show ipv6 cef 2001:db8:20::1",
        "show platform flow-cache",
        "show platform flow-cache summary",
        "show platform flow-cache interface gi0/1",
        "show platform flow-cache flow",
        "show platform flow-cache flow host 10.0.0.1",
        "ping 10.0.10.1 repeat 1",
        "ping 2001:db8:10::1 repeat 1",
        "traceroute 10.0.10.1",
    ];
    for command in commands {
        let text = world.cli(&switch, &[command]);
        assert!(!text.trim().is_empty(), "{command}");
        let json = world.cli(&switch, &[&format!("{command} | json")]);
        let value: serde_json::Value =
            serde_json::from_str(&json).unwrap_or_else(|e| panic!("{command}: {e}:\n{json}"));
        assert!(value.get("show").is_some() && value.get("rows").is_some(), "{command}: {json}");
    }
    assert!(world.cli(&switch, &["show history", "show clock", "show history"]).contains("  show clock"));
}

#[test]
fn counters_rates_and_times_are_real() {
    let (world, switch, hosts) = world("rates", "");
    let one = world.raw(&hosts, "h1");
    let mut frame = [[0xff; 6], [2, 0, 0, 0, 0, 1]].concat();
    frame.extend([0x88, 0xb5]);
    frame.resize(100, 0);
    let shown = |port: u8| world.cli(&switch, &[&format!("show interfaces gi0/{port}")]);
    for port in [1, 2] {
        let before = shown(port);
        for expect in ["Last input never, output never", "     0 packets input, 0 bytes", "counters never"] {
            assert!(before.contains(expect), "{port} lacks {expect}: {before}");
        }
    }
    (0..100).for_each(|_| one.send(&frame).expect("sent"));
    let all = |port, expects: &[&str]| wait(|| expects.iter().all(|expect| shown(port).contains(expect)));
    let input = ["     100 packets input, 10000 bytes", "Received 100 broadcasts (0 multicasts)", "Last input 00:00:"];
    assert!(all(1, &input), "{}", shown(1));
    assert!(all(2, &["     100 packets output, 10000 bytes", "output 00:00:"]), "{}", shown(2));
    assert!(shown(2).contains("Last input never"), "{}", shown(2));
    let row = world.cli(&switch, &["show interfaces counters | include Gi0/1"]);
    assert!(row.contains("10000"), "{row}");
    let vlan = || world.cli(&switch, &["show vlan counters id 10"]);
    let counted = |wanted: [&str; 5]| wait(|| vlan().split_whitespace().collect::<Vec<_>>().ends_with(&wanted));
    assert!(counted(["10", "100", "10000", "100", "10000"]), "{}", vlan());
    // Rates are sampled every few seconds.
    let flows = |port, direction: &str| {
        (0..1000).for_each(|_| drop(one.send(&frame)));
        let text = shown(port);
        let rate = text.lines().find(|line| line.contains(&format!("minute {direction} rate"))).expect("a rate");
        !rate.contains(" 0 bits/sec") && !rate.contains(" 0 packets/sec")
    };
    assert!(wait(|| flows(1, "input")), "{}", shown(1));
    assert!(wait(|| flows(2, "output")), "{}", shown(2));
    assert!(shown(1).contains("5 minute output rate 0 bits/sec, 0 packets/sec"), "{}", shown(1));
    // What is still on its way is counted after the clear.
    let cleared = || {
        world.cli(&switch, &["clear counters gi0/1"]);
        shown(1).contains("     0 packets input, 0 bytes")
    };
    assert!(wait(cleared), "{}", shown(1));
    assert!(shown(1).contains("counters 00:00:") && shown(2).contains("counters never"), "{}", shown(2));
    // A frame whose tag is cut off. Before a packet port the kernel drops it itself.
    world.cli(&switch, &["configure terminal", "interface gi0/1", "io xdp"]);
    let up = || world.cli(&switch, &["show interfaces gi0/1 status"]).contains(" connected");
    assert!(wait(up), "{}", world.cli(&switch, &["show platform ports"]));
    one.send(&[&frame[..12], &[0x81, 0]].concat()).expect("sent");
    let drops = || world.cli(&switch, &["show platform drops"]);
    assert!(wait(|| drops().contains("malformed_frame") && shown(1).contains("1 runts, 0 giants")), "{}", drops());
    // What there was in a VLAN that is gone is not the next one's of that number.
    world.cli(&switch, &["configure terminal", "no vlan 10", "vlan 10"]);
    assert!(counted(["10", "0", "0", "0", "0"]), "{}", vlan());
}

#[test]
fn what_is_wrong_is_said_and_changes_nothing() {
    let (world, switch, _) = world("wrong", "");
    let before = world.cli(&switch, &["show running-config"]);
    let cases: &[(&[&str], &str)] = &[
        (&["vlan 0"], "Invalid input"),
        (&["vlan 4095"], "Invalid input"),
        (&["vlan 5000"], "Invalid input"),
        (&["vlan 10", "name default"], "VLAN 1 has the name default already"),
        (&["no vlan 1"], "Default VLAN 1 may not be deleted."),
        (&["no vlan 1003"], "Default VLAN 1003 may not be deleted."),
        (&["interface gi0/2", "device p1"], "p1 is the device of GigabitEthernet0/1: say `no device` there first"),
        (&["interface gi0/2", "tag web1"], "web1"),
        (&["interface gi0/2", "inherit port-profile nowhere"], "nowhere"),
        (&["interface gi0/2", "switchport access vlan 0"], "Invalid input"),
        (&["interface gi0/2", "switchport trunk allowed vlan 4095"], "Invalid input"),
        (&["interface gi0/2", "mtu 9"], "Invalid input"),
        (&["interface eth9"], "Invalid input"),
        (&["mac address-table aging-time 5"], "The aging time is 0 (never) or 10 to 1000000 seconds"),
    ];
    for (lines, expect) in cases {
        let lines = [&["configure terminal"], *lines].concat();
        let (done, text) = world.try_cli(&switch, &lines);
        assert!(!done && text.contains(expect), "{lines:?}: {text}");
        let after = world.cli(&switch, &["show running-config"]);
        assert_eq!(after, before, "{lines:?}");
    }
    for (arguments, expect) in [
        (&["add-port", "nosuch"][..], "no such device"),
        (&["add-port", "p1", "--access-vlan", "0"], "0"),
        (&["add-port", "p1", "--access-vlan", "5000"], "5000"),
        (&["add-port", "p1", "--interface", "gi0/2"], "p1 is the device of GigabitEthernet0/1"),
        (&["add-port", "a name"], "is not one word"),
        (&["add-port"], "NETDEV"),
    ] {
        let (done, text) = world.ctl(&switch, arguments);
        assert!(!done && text.contains(expect), "{arguments:?}: {text}");
        assert_eq!(world.cli(&switch, &["show running-config"]), before, "{arguments:?}");
    }
}
