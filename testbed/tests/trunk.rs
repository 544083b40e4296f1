//! Two switches and a trunk between them, whatever I/O each uses: hosts in one VLAN reach each other with all their offloads
//! on, those in different ones do not. XDP on a veth sees only tags that are in the frame: a switch that left them beside it
//! would put every frame into the native VLAN of the other.

use mona_testbed::netns::{World, tcp};

/// Hosts 1 and 2 at the first switch, 3 and 4 at the second; 1 and 3 in VLAN 10, 2 and 4 in VLAN 20; all in one subnet.
fn trunk(label: &str, first: &str, second: &str) {
    let mut world = World::new(&format!("trunk-{label}"));
    let switches = [world.namespace("s1"), world.namespace("s2")];
    world.cable((&switches[0], "trunk"), (&switches[1], "trunk"));
    let mut hosts = Vec::new();
    for host in 1..=4 {
        let name = world.namespace(&format!("h{host}"));
        world.cable((&switches[usize::from(host > 2)], &format!("p{host}")), (&name, "eth0"));
        world.exec(&name, &format!("ip addr add 10.0.0.{host}/24 dev eth0"));
        hosts.push(name);
    }
    let running: Vec<_> = [(1, first), (3, second)]
        .into_iter()
        .zip(&switches)
        .map(|((host, io), space)| {
            let port = |host: i32, vlan: i32| {
                format!("interface GigabitEthernet0/{host}\n device p{host}\n switchport access vlan {vlan}\n")
            };
            let ports = port(host, 10) + &port(host + 1, 20);
            let trunk = "interface GigabitEthernet0/9\n device trunk\n switchport mode trunk\n";
            world.switch(space, &format!("vlan 10,20\n{ports}{trunk}"), &["--io", io, "--workers", "2"])
        })
        .collect();
    for (from, to) in [(1, 3), (3, 1), (2, 4), (4, 2)] {
        let reached = world.reaches(&hosts[from - 1], &format!("10.0.0.{to}"));
        let drops = || running.iter().map(|s| world.cli(s, &["show platform drops"])).collect::<String>();
        assert!(reached, "{first} – {second}: {from} does not reach {to}: {}", drops());
    }
    // What waits for nothing waits at once.
    std::thread::scope(|scope| {
        for (from, to) in [(1, 2), (1, 4), (2, 3), (4, 3)] {
            let (world, host) = (&world, &hosts[from - 1]);
            scope.spawn(move || {
                assert!(!world.pings(host, &format!("10.0.0.{to}")), "{from} reaches {to} in another VLAN");
            });
        }
    });
    for (from, to) in [(1, 3), (3, 1)] {
        tcp(&hosts[from - 1], &hosts[to - 1], &format!("10.0.0.{to}"), 4);
    }
}

#[test]
fn packet_to_packet() {
    trunk("pp", "packet", "packet");
}

#[test]
fn packet_to_xdp() {
    trunk("px", "packet", "xdp");
}

#[test]
fn xdp_to_xdp() {
    trunk("xx", "xdp", "xdp");
}
