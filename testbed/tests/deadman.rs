//! What goes on when `switchd` ends: ports stay attached, the next one adopts them, and what is not adopted is let go.

use mona_testbed::netns::{Switch, World, wait};
use mona_testbed::numbered::Numbered;
use std::time::Duration;

/// Two hosts and a switch between them that lets the kernel go on.
fn world(label: &str, config: &str) -> (World, Switch, [String; 2]) {
    let mut world = World::new(&format!("hold-{label}"));
    let space = world.namespace("s");
    let hosts = world.hosts(&space, |host| format!("ip addr add 10.0.0.{host}/24 dev eth0"));
    let switch = world.holding(&space, config, &["--workers", "1"]);
    (world, switch, hosts)
}

const TWO: &str = "interface GigabitEthernet0/1\n device p1\ninterface GigabitEthernet0/2\n device p2\n";

fn mounts(world: &World) -> usize {
    let all = std::fs::read_to_string("/proc/self/mounts").expect("there are mounts");
    all.lines().filter(|line| line.contains(&world.dir.display().to_string())).count()
}

#[test]
fn ports_stay_attached_and_are_adopted() {
    let (mut world, mut switch, [one, _]) = world("adopt", TWO);
    assert!(world.reaches(&one, "10.0.0.2"), "{}", world.messages(&switch));
    let before = [world.links(&switch, "p1"), world.links(&switch, "p2")];
    assert!(before.iter().all(|links| links.len() == 2), "{before:?}\n{}", world.messages(&switch));
    world.crash(&mut switch);
    assert_eq!([world.links(&switch, "p1"), world.links(&switch, "p2")], before, "{}", world.messages(&switch));
    assert!(world.reaches(&one, "10.0.0.2"), "{}", world.messages(&switch));
    // Ended as it is asked to, too.
    world.stop(&switch);
    assert_eq!([world.links(&switch, "p1"), world.links(&switch, "p2")], before);
    // Somebody new: what he sends is of no flow that is known.
    world.exec(&one, "ip link set eth0 address 02:00:00:00:00:77");
    assert!(!world.pings(&one, "10.0.0.2"), "nobody decides any more");
    // Of its own netdevs the one by which copies of floods leave is all that the kernel goes on with.
    let own = world.exec(&switch.namespace, "ip -br link | sed -n 's/^\\(s-[^@ ]*\\).*/\\1/p' | sort");
    assert_eq!(own, "s-bf\ns-wf\n");
    // The next one has no use for p2.
    std::fs::write(&switch.config, "interface GigabitEthernet0/1\n device p1\n").expect("ours");
    world.restart(&mut switch, &["--workers", "1"]);
    assert_eq!([world.links(&switch, "p1"), world.links(&switch, "p2")], [before[0].clone(), Vec::new()]);
    world.stop(&switch);
    // Another build, here: other workers. What was left goes.
    std::fs::write(&switch.config, TWO).expect("ours");
    world.restart(&mut switch, &["--workers", "2"]);
    let after = [world.links(&switch, "p1"), world.links(&switch, "p2")];
    assert!(after.iter().all(|links| links.len() == 2) && after[0] != before[0], "{after:?}");
    assert!(world.reaches(&one, "10.0.0.2"), "{}", world.messages(&switch));
    world.stop(&switch);
    assert_eq!(mounts(&world), 1);
    // One that wants nothing to go on, and whatever ends it.
    world.restart(&mut switch, &["--flush-on-exit"]);
    assert_eq!(mounts(&world), 0);
    assert!(world.reaches(&one, "10.0.0.2"), "{}", world.messages(&switch));
    world.stop(&switch);
    assert!(world.links(&switch, "p1").is_empty() && world.links(&switch, "p2").is_empty());
    let left = std::fs::read_dir(switch.config.with_file_name("s.devices")).expect("a directory").count();
    assert_eq!(left, 0, "devices are given back");
}

#[test]
fn a_program_that_somebody_takes_off_is_put_back() {
    let (world, switch, [one, _]) = world("mend", TWO);
    let all = world.links(&switch, "p1");
    assert_eq!(all.len(), 2);
    for (at, link) in all.iter().enumerate() {
        world.exec(&switch.namespace, &format!("bpftool link detach id {link}"));
        assert!(wait(|| world.links(&switch, "p1").len() == 2), "{}", world.messages(&switch));
        let said = "p1: somebody took the switch's program off; it is attached again";
        assert!(wait(|| world.messages(&switch).matches(said).count() == at + 1), "{}", world.messages(&switch));
    }
    assert!(world.reaches(&one, "10.0.0.2"), "{}", world.messages(&switch));
}

#[test]
fn an_xdp_program_that_somebody_takes_off_is_put_back_too() {
    let (mut world, switch, [one, _]) = world("mendxdp", &over_xdp(TWO));
    assert!(world.reaches(&one, "10.0.0.2"), "{}", world.messages(&switch));
    let pins = switch.config.with_file_name("s.bpf").display().to_string();
    for side in ["native", "in", "out"] {
        let before = world.messages(&switch).matches("attached again").count();
        world.exec(&switch.namespace, &format!("bpftool link detach pinned $(ls {pins}/*/{side}-* | head -n 1)"));
        let said = || world.messages(&switch).matches("attached again").count() == before + 1;
        assert!(wait(said), "{side}: {}", world.messages(&switch));
        assert!(wait(|| world.pings(&one, "10.0.0.2")), "{side}: {}", world.messages(&switch));
    }
    // What was put back stays as the first did.
    world.stop(&switch);
    let left = world.exec(&switch.namespace, "ip link show p1");
    assert!(left.contains("name xdp_in"), "{left}");
    assert_eq!(world.links(&switch, "p1").len(), 2);
}

#[test]
fn without_a_bpffs_it_forwards_all_the_same() {
    let mut world = World::new("hold-none");
    let space = world.namespace("s");
    world.cable((&space, "p1"), (&space, "h1"));
    let dir = world.dir.join("s");
    std::fs::create_dir_all(&dir).expect("a directory");
    // Where a file is there is no directory.
    std::fs::write(dir.join("s.bpf"), "").expect("a file");
    let switch = world.holding(&space, "interface GigabitEthernet0/1\n device p1\n", &[]);
    let said = world.messages(&switch);
    assert!(said.contains("no bpffs") && said.contains("when this process ends forwarding stops at once"), "{said}");
    assert_eq!(world.links(&switch, "p1").len(), 2);
    world.stop(&switch);
    assert!(world.links(&switch, "p1").is_empty());
}

const GAP: Duration = Duration::from_micros(300);

/// Everybody.
const ALL: u8 = 0xff;

fn station(number: u8) -> [u8; 6] {
    if number == ALL { [0xff; 6] } else { [2, 0, 0, 0, 0, number] }
}

fn head(from: u8, to: u8) -> Vec<u8> {
    [&station(to)[..], &station(from), &[0x88, 0xb5]].concat()
}

fn stream(world: &World, hosts: &[String], from: u8, to: u8) -> Numbered {
    stream_at(world, hosts, from, to, &[to])
}

/// The same, as it is seen by these hosts.
fn stream_at(world: &World, hosts: &[String], from: u8, to: u8, at: &[u8]) -> Numbered {
    let socket = |host: &u8| world.raw(&hosts[usize::from(*host) - 1], "eth0");
    Numbered::start(socket(&from), at.iter().map(socket).collect(), head(from, to), from.into(), GAP)
}

/// Frames that the kernel forwarded, by port.
fn hits(world: &World, switch: &Switch) -> Vec<u64> {
    let shown = world.cli(switch, &["show platform flow-cache | json"]);
    let hits = shown.split("\"hits\":").skip(1).map(|rest| {
        let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    });
    hits.collect()
}

const FOUR: &str = "interface GigabitEthernet0/1\n device p1\ninterface GigabitEthernet0/2\n device p2\n\
                    interface GigabitEthernet0/3\n device p3\ninterface GigabitEthernet0/4\n device p4\n";

/// Two streams between four hosts, replayed.
fn streams(label: &str, config: &str) -> (World, Switch, Vec<String>) {
    streams_of(label, config, "off")
}

fn streams_of(label: &str, config: &str, napi: &str) -> (World, Switch, Vec<String>) {
    let mut world = World::new(&format!("hold-{label}"));
    let space = world.namespace("s");
    let hosts: Vec<String> = (1..=4)
        .map(|host| {
            let name = world.namespace(&format!("h{host}"));
            world.cable((&space, &format!("p{host}")), (&name, "eth0"));
            world.exec(&name, &format!("ethtool -K eth0 gro {napi}"));
            name
        })
        .collect();
    let switch = world.holding(&space, config, &["--workers", "1"]);
    // The receivers are known once they have said something.
    for host in [2, 4] {
        world.raw(&hosts[host - 1], "eth0").send(&[&head(host as u8, 9)[..], &[0; 46]].concat()).expect("sent");
    }
    let known = || {
        let shown = world.cli(&switch, &["show mac address-table"]);
        [2, 4].iter().all(|host| shown.contains(&format!("0200.0000.000{host}")))
    };
    assert!(wait(known), "{}", world.messages(&switch));
    (world, switch, hosts)
}

#[test]
fn known_flows_lose_nothing_when_the_switch_is_killed_and_comes_back() {
    killed("kill", FOUR, "off");
}

#[test]
fn nor_do_they_over_xdp() {
    killed("xdp", &over_xdp(FOUR), "off");
    killed("xdpnapi", &over_xdp(FOUR), "on");
    // From packet ports to xdp ports and back.
    killed("mixed", &over_xdp(FOUR).replacen(" io xdp\n", "", 1), "on");
}

/// The same ports, but `xdp` ones.
fn over_xdp(config: &str) -> String {
    (1..=4).fold(config.into(), |config: String, port| {
        config.replace(&format!(" device p{port}\n"), &format!(" device p{port}\n io xdp\n"))
    })
}

/// `napi`: hosts' devices that have it take frames from XDP.
fn killed(label: &str, config: &str, napi: &str) {
    let (mut world, mut switch, hosts) = streams_of(label, config, napi);
    let first = stream(&world, &hosts, 1, 2);
    let second = stream(&world, &hosts, 3, 4);
    let replayed = |world: &World, switch: &Switch| {
        let hits = hits(world, switch);
        hits[0] > 100 && hits[2] > 100
    };
    assert!(wait(|| replayed(&world, &switch)), "{:?}", hits(&world, &switch));
    for killed in [true, false] {
        match killed {
            true => world.kill_switch(&switch),
            false => world.stop(&switch),
        }
        assert!(first.goes_on(1000) && second.goes_on(1000), "{}", world.messages(&switch));
        world.restart(&mut switch, &["--workers", "1"]);
        assert!(first.goes_on(1000) && second.goes_on(1000), "{}", world.messages(&switch));
        let said = world.messages(&switch);
        assert!(said.contains("2 of 2 flows that went on meanwhile are adopted"), "{said}");
        assert!(wait(|| replayed(&world, &switch)), "{:?}", hits(&world, &switch));
        let shown = world.cli(&switch, &["show mac address-table"]);
        assert!((1..=4).all(|host| shown.contains(&format!("0200.0000.000{host}"))), "{shown}");
    }
    // A port is in another VLAN when the switch comes back: its flow ends, and no other one.
    world.kill_switch(&switch);
    let moved = config.replace(" device p3\n", " device p3\n switchport access vlan 30\n");
    std::fs::write(&switch.config, format!("vlan 30\n{moved}")).expect("ours");
    world.restart(&mut switch, &["--workers", "1"]);
    assert!(world.messages(&switch).contains("1 of 2 flows"), "{}", world.messages(&switch));
    assert!(second.stops() && first.goes_on(1000), "{}", world.messages(&switch));
    first.end().whole().expect("all of the first");
    let second = second.end();
    second.until(second.at[0].last().map_or(0, |last| last + 1)).expect("the second as long as it went on");
}

#[test]
fn what_goes_to_all_goes_on_too() {
    let (mut world, mut switch, hosts) = streams("flood", FOUR);
    let all = stream_at(&world, &hosts, 1, ALL, &[2, 3, 4]);
    let unknown = stream_at(&world, &hosts, 3, 8, &[1, 2, 4]);
    let replayed = |world: &World, switch: &Switch| {
        let hits = hits(world, switch);
        hits[0] > 100 && hits[2] > 100
    };
    assert!(wait(|| replayed(&world, &switch)), "{:?}", hits(&world, &switch));
    world.kill_switch(&switch);
    assert!(all.goes_on(3000) && unknown.goes_on(3000), "{}", world.messages(&switch));
    world.restart(&mut switch, &["--workers", "1"]);
    assert!(all.goes_on(3000) && unknown.goes_on(3000), "{}", world.messages(&switch));
    let said = world.messages(&switch);
    assert!(said.contains("2 of 2 flows that went on meanwhile are adopted"), "{said}");
    // Where somebody is whom frames are flooded for is not learned from that.
    let shown = world.cli(&switch, &["show mac address-table"]);
    assert!(shown.contains("0200.0000.0001") && !shown.contains("0200.0000.0008"), "{shown}");
    // Somebody is no longer there when the switch comes back: what was for him as well is decided anew.
    let (whole, also) = (all.next(), unknown.next());
    world.kill_switch(&switch);
    let moved = FOUR.replace(" device p2\n", " device p2\n switchport access vlan 30\n");
    std::fs::write(&switch.config, format!("vlan 30\n{moved}")).expect("ours");
    world.restart(&mut switch, &["--workers", "1"]);
    assert!(world.messages(&switch).contains("0 of 2 flows"), "{}", world.messages(&switch));
    assert!(wait(|| replayed(&world, &switch)), "{:?}", hits(&world, &switch));
    for (arrived, whole, without) in [(all.end(), whole, 0), (unknown.end(), also, 1)] {
        for (at, numbers) in arrived.at.iter().enumerate() {
            assert!(numbers.iter().copied().take(whole as usize).eq(0..whole), "at sink {at}: {whole} of {arrived:?}");
            let last = numbers.last().map_or(0, |last| last + 1);
            assert_eq!(last == arrived.sent, at != without, "at sink {at} {last} of {} sent", arrived.sent);
        }
    }
}

#[test]
fn without_the_switch_it_goes_on_for_so_long_and_no_longer() {
    let (mut world, switch, hosts) = streams("time", &format!("platform flow-cache hold 4\n{FOUR}"));
    let stream = stream(&world, &hosts, 1, 2);
    assert!(wait(|| hits(&world, &switch)[0] > 100), "{:?}", hits(&world, &switch));
    world.kill_switch(&switch);
    assert!(stream.goes_on(500) && stream.stops());
    stream.end();
}

#[test]
fn routed_flows_lose_nothing_either() {
    let mut world = World::new("hold-route");
    let space = world.namespace("s");
    let hosts: [_; 2] = world
        .hosts(&space, |host| format!("ip addr add 10.0.{host}.9/24 dev eth0; ip route add default via 10.0.{host}.1"));
    let config = "vlan 11\nvlan 12\ninterface GigabitEthernet0/1\n device p1\n switchport access vlan 11\n\
                  interface GigabitEthernet0/2\n device p2\n switchport access vlan 12\n\
                  interface vlan 11\n ip address 10.0.1.1 255.255.255.0\n no shutdown\n\
                  interface vlan 12\n ip address 10.0.2.1 255.255.255.0\n no shutdown\n";
    let mut switch = world.holding(&space, config, &["--workers", "1"]);
    assert!(wait(|| world.pings(&hosts[0], "10.0.2.9")), "{}", world.messages(&switch));
    let ping = world.spawn(&hosts[0], "ping".as_ref(), &["-q", "-i", "0.005", "-c", "2400", "10.0.2.9"]);
    // Who is where is written down now and then.
    let known = switch.config.with_file_name("s.neighbours");
    let remembered = |world: &World| hits(world, &switch).iter().filter(|hits| **hits > 100).count() == 2;
    let written = || {
        let text = std::fs::read_to_string(&known).unwrap_or_default();
        ["10.0.1.9", "10.0.2.9"].iter().all(|host| text.contains(host))
    };
    assert!(wait(|| written() && remembered(&world)), "{:?}", hits(&world, &switch));
    world.crash(&mut switch);
    let said = world.messages(&switch);
    assert!(said.contains("2 of 2 flows that went on meanwhile are adopted"), "{said}");
    assert!(wait(|| world.log(ping).contains("packet loss")), "{}", world.log(ping));
    assert!(world.log(ping).contains(" 0% packet loss"), "{}\n{said}", world.log(ping));
}
