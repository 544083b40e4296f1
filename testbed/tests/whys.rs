//! Every reason that `show interfaces` and `show platform ports` give has a case that provokes it: an interface each, and
//! what is in its way.

use mona_testbed::netns::{World, wait};
use std::path::Path;

#[test]
fn each_says_why_it_is_as_it_is() {
    let mut world = World::new("whys");
    let (space, hosts) = (world.namespace("s"), world.namespace("h"));
    for port in 1..=12 {
        world.cable((&space, &format!("p{port}")), (&hosts, &format!("h{port}")));
    }
    let object = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datapath/bpf/mona.bpf.o").display().to_string();
    let fs = world.dir.join("bpf").display().to_string();
    // A bpffs of the command's own: the program stays with its device.
    world.exec(
        &space,
        &format!(
            "ip link add br0 type bridge; ip link set p6 master br0; ip tuntap add tap0 mode tap
             mkdir {fs} && mount -t bpf none {fs} && bpftool prog loadall {object} {fs}/x
             bpftool net attach xdp pinned {fs}/x/xdp_in dev p10"
        ),
    );
    let other = world.dir.join("other").display().to_string();
    let first = format!("--name other --run {other} --config {other}/none --socket {other}.sock");
    let index = world.spawn(&space, &mona_testbed::netns::binary("switchd"), &first.split(' ').collect::<Vec<_>>());
    assert!(wait(|| world.log(index).contains("switchd: ready")), "{}", world.log(index));
    let ctl = format!("{} --socket {other}.sock add-port p9", mona_testbed::netns::binary("swctl").display());
    world.exec(&space, &ctl);
    let cases = [
        ("", "No device, down: no device"),
        ("device p2\n shutdown", "administratively down"),
        ("device nosuch", "nosuch: no such device"),
        ("device p4", "p4 is down: ip link set p4 up"),
        ("device p5", "no carrier"),
        ("device p6", "p6 belongs to bridge br0: remove it from there first (ip link set p6 nomaster)"),
        ("device lo", "lo is the loopback device, which cannot be a port"),
        ("device s-b0", "s-b0 is part of a switch's backplane"),
        (
            "device p9",
            "p9 has TC programs: it is a port of a switch already, or they are in the way (bpftool net show dev p9)",
        ),
        ("device p10\n io xdp", "p10 has an XDP program already; detach it (ip link set dev p10 xdp off)"),
        ("device p11", "a veth is a virtual device: packet carries its offloads"),
        ("device tap0", "a tun is a virtual device: packet carries its offloads"),
        ("device p12\n io packet", "asked for"),
    ];
    let sections = cases.iter().enumerate().map(|(at, (lines, _))| {
        let lines = if lines.is_empty() { String::new() } else { format!(" {lines}\n") };
        format!("interface GigabitEthernet0/{}\n{lines}", at + 1)
    });
    let switch = world.switch(&space, &sections.collect::<String>(), &[]);
    world.exec(&space, "ip link set p4 down");
    world.exec(&hosts, "ip link set h5 down");
    for (at, (lines, why)) in cases.iter().enumerate() {
        let name = format!("Gi0/{}", at + 1);
        let said = || {
            let platform = world.cli(&switch, &["show platform ports"]);
            let row = platform.lines().find(|line| line.split_whitespace().next() == Some(&name)).unwrap_or_default();
            world.cli(&switch, &[&format!("show interfaces {name}")]) + row
        };
        assert!(wait(|| said().contains(why)), "{lines}: {}", said());
    }
}
