//! A stream of 10,000 numbered packets a second to 10,000 prefixes that FRR taught the switch: FRR is restarted under it, and
//! then the switch is.

use mona_testbed::frr::{self, Frr};
use mona_testbed::netns::{Switch, World, wait};
use mona_testbed::stream::Stream;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Packets a second.
const RATE: u64 = 10_000;
/// Prefixes of 100.64.0.0/10 that the neighbour tells.
const PREFIXES: u32 = 10_000;
/// Losses that are this machine's doing, and are taken off what the stream lost, frame by frame: each counts a frame that came
/// while the worker had no CPU for so long that its ring ran full. That is so whatever routes do, and none of it is lost
/// by a restart. `credit`: the port's share of a `packet` worker's ring; `ring_full`: that ring; `xsk_rx_ring_full` and
/// `xsk_rx_dropped`: the ring and the memory of an AF_XDP socket. Nothing else is forgiven.
const OVERLOAD: [&str; 4] = ["credit", "ring_full", "xsk_rx_ring_full", "xsk_rx_dropped"];
/// What frames would be dropped for if a restart took routes, neighbours, interfaces or ports away.
const DECIDED: [&str; 9] = [
    "ipv4_lpm_miss",
    "unresolved_neigh",
    "blackhole_route",
    "erif_disabled",
    "irif_disabled",
    "port_down",
    "egress_vlan_filter",
    "tx_queue_full",
    "tx_error",
];
/// FRR is restarted again, at most so often, if a worker had too little CPU: a stream without any loss at all is worth more.
const ROUNDS: usize = 3;

#[test]
fn bgp_by_packet() {
    bgp("bgpp", "packet");
}

#[test]
fn bgp_by_xdp() {
    bgp("bgpx", "xdp");
}

#[test]
fn ospf_by_packet() {
    ospf("ospfp", "packet");
}

#[test]
fn ospf_by_xdp() {
    ospf("ospfx", "xdp");
}

fn bgp(label: &str, io: &str) {
    let bgp = |own: u32, other: u32, [address, peer]: [&str; 2], more: &str| {
        format!(
            "router bgp {own}\n bgp router-id {address}\n no bgp ebgp-requires-policy\n timers bgp 10 30\n neighbor {peer} \
             remote-as {other}\n neighbor {peer} timers connect 1\n address-family ipv4 unicast\n  {more}\n \
             exit-address-family\n"
        )
    };
    let [one, two] = ["10.0.10.1", "10.0.10.2"];
    let own = bgp(65001, 65002, [one, two], "network 10.0.20.0/24");
    let theirs = bgp(65002, 65001, [two, one], "redistribute kernel");
    restarts(label, io, ["bgpd", "show ip bgp"], [own, theirs]);
}

fn ospf(label: &str, io: &str) {
    let interface = |name: &str| {
        format!(
            "interface {name}\n ip ospf network point-to-point\n ip ospf hello-interval 1\n ip ospf dead-interval 30\n!\n"
        )
    };
    let own = interface("vlan10") + "router ospf\n network 10.0.0.0/8 area 0\n";
    let theirs = interface("eth0") + "router ospf\n redistribute kernel\n network 10.0.0.0/8 area 0\n";
    restarts(label, io, ["ospfd", "show ip ospf route"], [own, theirs]);
}

/// The prefix's network and a host in it.
fn prefix(number: u32) -> [Ipv4Addr; 2] {
    let network = 0x6440_0000 + (number << 8);
    [network.into(), (network + 1).into()]
}

/// The counts of these rows of `show platform drops`.
fn dropped(world: &World, switch: &Switch, reasons: &[&str]) -> u64 {
    let shown = world.cli(switch, &["show platform drops"]);
    let rows = shown.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
    let rows = rows.filter(|row| row.first().is_some_and(|name| reasons.contains(name)));
    rows.filter_map(|row| row.get(2)?.parse::<u64>().ok()).sum()
}

fn restarts(label: &str, io: &str, [daemon, learned]: [&str; 2], [own, theirs]: [String; 2]) {
    let mut world = World::new(&format!("stream-{label}"));
    let [router, neighbour, host] = ["r", "n", "h"].map(|name| world.namespace(name));
    world.cable((&router, "p1"), (&neighbour, "eth0"));
    world.cable((&router, "p2"), (&host, "eth0"));
    // What the neighbour tells is also its own: there the stream ends.
    let routes = world.dir.join("routes");
    let lines: String = (0..PREFIXES).map(|n| format!("route add blackhole {}/24\n", prefix(n)[0])).collect();
    std::fs::write(&routes, lines).expect("a file of the test's");
    world.exec(
        &neighbour,
        &format!(
            "ip addr add 10.0.10.2/24 dev eth0; ip rule add to 100.64.0.0/10 lookup 7 pref 1
             ip route add local default dev lo table 7
             ip route add 10.0.20.0/24 via 10.0.10.1; ip -batch {}",
            routes.display()
        ),
    );
    world.exec(&host, "ip addr add 10.0.20.2/24 dev eth0; ip route add default via 10.0.20.1");
    let mut switch = world.holding(&router, &frr::router(), &["--io", io]);
    assert!(wait(|| world.pings(&router, "10.0.10.2")), "{}", world.messages(&switch));
    let their_frr = Frr::start(&mut world, &neighbour, "", daemon, &theirs);
    let own_frr = Frr::start(&mut world, &router, "", daemon, &own);
    let report = |world: &World, switch: &Switch| {
        let lines = ["show ip route summary", "show platform drops", "show platform ports", "show logging"];
        format!("\n{}\n{}", world.cli(switch, &lines), their_frr.log(world))
    };
    let known = |world: &World, switch: &Switch| {
        let shown = world.cli(switch, &["show ip route"]);
        shown.lines().filter(|line| line.starts_with(['B', 'O']) && line.contains("100.")).count() == PREFIXES as usize
    };
    assert!(wait(|| known(&world, &switch)), "{}", report(&world, &switch));
    // How the host remembers the switch is the host's business: it shall not ask while the switch is away.
    assert!(wait(|| world.pings(&host, "10.0.10.2")), "{}", report(&world, &switch));
    world.exec(
        &host,
        "mac=$(ip neigh show 10.0.20.1 | sed -n 's/.*lladdr \\([^ ]*\\).*/\\1/p')
         ip neigh replace 10.0.20.1 lladdr $mac dev eth0 nud permanent",
    );
    let destinations: Vec<_> = (0..PREFIXES).map(|n| SocketAddrV4::new(prefix(n)[1], 9000)).collect();

    let mut own_frr = own_frr;
    for _ in 0..ROUNDS {
        let before = [OVERLOAD.as_slice(), &DECIDED].map(|rows| dropped(&world, &switch, rows));
        let stream = Stream::start(&host, &neighbour, destinations.clone(), RATE);
        assert!(stream.flows(RATE / 2), "nothing flows{}", report(&world, &switch));
        own_frr.crash(&mut world);
        assert!(stream.flows(RATE / 2), "without FRR{}", report(&world, &switch));
        own_frr = Frr::start(&mut world, &router, "", daemon, &own);
        let again = || own_frr.ask(&world, &router, learned).matches("100.").count() >= PREFIXES as usize;
        assert!(wait(again), "FRR does not learn again{}", report(&world, &switch));
        assert!(stream.flows(RATE), "with FRR again{}", report(&world, &switch));
        let count = stream.finish();
        let late = dropped(&world, &switch, &OVERLOAD) - before[0];
        println!("{label}: FRR restarted: {count:?}, for want of CPU {late}");
        assert!(known(&world, &switch));
        assert_eq!(dropped(&world, &switch, &DECIDED), before[1], "a frame had no way{}", report(&world, &switch));
        let wrong = [count.lost.saturating_sub(late), count.duplicate, count.reordered];
        assert_eq!(wrong, [0; 3], "FRR restarted: {count:?}{}", report(&world, &switch));
        if late == 0 {
            break;
        }
    }

    let before = dropped(&world, &switch, &OVERLOAD);
    let stream = Stream::start(&host, &neighbour, destinations, RATE);
    // Of each flow some frames, after which the kernel remembers it.
    assert!(stream.flows(4 * RATE));
    let before = dropped(&world, &switch, &OVERLOAD) - before;
    world.stop(&switch);
    world.restart(&mut switch, &["--io", io]);
    assert!(stream.flows(RATE / 2), "after a restart{}", report(&world, &switch));
    assert!(wait(|| known(&world, &switch)), "routes after a restart{}", report(&world, &switch));
    // All ways are open again: from here on nothing is lost.
    assert!(stream.flows(RATE));
    let count = stream.finish();
    let late = before + dropped(&world, &switch, &OVERLOAD);
    println!("{label}: the switch restarted: {count:?}, for want of CPU {late}");
    // The kernel goes on meanwhile.
    assert!(count.lost <= late, "{count:?}{}", report(&world, &switch));
    assert_eq!((count.duplicate, count.reordered), (0, 0), "{count:?}");
}
