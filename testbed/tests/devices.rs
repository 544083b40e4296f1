//! What a switch does to the machine's devices, and what the machine does to the switch's: settings that survive a crash,
//! devices that vanish, events that are lost.

use mona_testbed::netns::{World, wait};
use std::fs;

/// A world with one namespace of `ports` devices p1…, each a cable to a device h1… of the namespace of hosts.
fn world(label: &str, ports: usize) -> (World, String, String) {
    let mut world = World::new(&format!("dev-{label}"));
    let (space, hosts) = (world.namespace("s"), world.namespace("h"));
    for port in 1..=ports {
        world.cable((&space, &format!("p{port}")), (&hosts, &format!("h{port}")));
    }
    (world, space, hosts)
}

/// All that is known of the devices p1… of a namespace, but for carriers, which come back in their own time.
fn facts(world: &World, space: &str, ports: usize) -> String {
    let link = "ip -d link show $d | sed -E 's/ (qlen|numtxqueues) [0-9]+//g; s/(NO-CARRIER|LOWER_UP),?//; s/ state [A-Z]+//; s/ id [0-9]+.*//'";
    let rest =
        "sysctl net.ipv6.conf.$d.disable_ipv6; ethtool -k $d; bpftool net show dev $d | sed -E 's/ id [0-9]+.*//'";
    world.exec(space, &format!("for d in $(seq -f p%g {ports}); do {link}; {rest}; done"))
}

/// The lines that differ.
fn differing(before: &str, after: &str) -> Vec<String> {
    let pairs = before.lines().zip(after.lines()).filter(|(before, after)| before != after);
    pairs.map(|(before, after)| format!("{before} → {after}")).collect()
}

#[test]
fn after_kill_9_devices_are_given_back_as_they_were_found() {
    let (mut world, space, _) = world("kill", 5);
    world.exec(&space, "sysctl -qw net.ipv6.conf.p1.disable_ipv6=0; ip link set p2 mtu 1400; ip link set p3 down");
    let before = facts(&world, &space, 5);
    let config = "interface GigabitEthernet0/1\n device p1\n mtu 1600\n\
        interface GigabitEthernet0/2\n device p2\n shutdown\n mtu 1300\n\
        interface GigabitEthernet0/4\n device p4\n io xdp\n";
    let mut switch = world.switch(&space, config, &[]);
    for device in ["p3", "p5"] {
        assert!(world.ctl(&switch, &["add-port", device]).0);
    }
    let with_it = facts(&world, &space, 5);
    assert!(with_it.contains("mtu 1600") && with_it.contains("mtu 1300"), "{with_it}");
    // Twice: what the second finds is not what there was.
    for _ in 0..2 {
        world.crash(&mut switch);
        assert!(wait(|| facts(&world, &space, 5) == with_it), "{:#?}", differing(&with_it, &facts(&world, &space, 5)));
    }
    // One by one, at the hands of the third.
    world.cli(
        &switch,
        &["configure terminal", "interface gi0/1", "no mtu", "no device", "interface gi0/2", "no device"],
    );
    world.cli(&switch, &["configure terminal", "interface gi0/4", "no device"]);
    for device in ["p3", "p5"] {
        assert!(world.ctl(&switch, &["remove-port", device]).0);
    }
    assert!(wait(|| facts(&world, &space, 5) == before), "{:#?}", differing(&before, &facts(&world, &space, 5)));
    // All at once, by a switch that has none of them any more; p5 is gone, and another has its name.
    world.crash(&mut switch);
    for device in ["p3", "p5"] {
        assert!(world.ctl(&switch, &["add-port", device]).0);
    }
    assert!(wait(|| facts(&world, &space, 5) == with_it), "{:#?}", differing(&with_it, &facts(&world, &space, 5)));
    let run = switch.config.parent().expect("a directory").to_path_buf();
    fs::write(&switch.config, "hostname other\n").expect("ours");
    fs::remove_file(run.join("ports")).expect("what the hook added was kept");
    world.crash_and(&mut switch, "ip link del p5; ip link add p5 type veth peer name q5");
    assert!(
        wait(|| facts(&world, &space, 4) == facts_of(&before, 4)),
        "{:#?}",
        differing(&before, &facts(&world, &space, 4))
    );
    let left = fs::read_dir(run.join("s.devices")).expect("a directory").count();
    assert_eq!(left, 0, "nothing is left to be given back");
}

/// Those of the first devices alone.
fn facts_of(facts: &str, ports: usize) -> String {
    let end = format!(": p{}@", ports + 1);
    let line = facts.lines().position(|line| line.contains(&end)).expect("one more device");
    facts.lines().take(line).map(|line| format!("{line}\n")).collect()
}
