//! Access lists of the router's interfaces: what is routed, what is for the router, what is bridged beside it.

mod world;

use mona_datapath::acl::{Acl, Filters, Ports, Rule};
use mona_datapath::routing::RouterInterface;
use std::sync::Arc;
use world::{World, line, vlan};

/// What is for one port of UDP is denied, all else permitted.
fn no_port(port: u16, slot: u32) -> Option<Arc<Filters>> {
    let denied = Ports { low: port, high: port, not: false };
    let rules = vec![
        Rule { slot, protocol: Some(17), dport: Some(denied), ..Rule::default() },
        Rule { permit: true, slot: slot + 1, log: true, ..Rule::default() },
    ];
    Filters { ip4: Some(Arc::new(Acl::compile(rules).unwrap())), ..Filters::default() }.some()
}

fn router<'a>(world: &'a mut World, vid: &str) -> &'a mut RouterInterface {
    let vlan = world.snapshot.vlans[vlan(vid).index()].as_mut().expect("the VLAN is there");
    Arc::make_mut(Arc::make_mut(vlan).router.as_mut().expect("with a router"))
}

#[test]
fn r4_11_in_and_out_of_the_router() {
    let mut world = World::new(
        "vlan 10 20
         p1 access 10
         p2 access 20
         p3 access 10
         svi 10 10.0.10.1/24
         svi 20 10.0.20.1/24
         neighbour 10 10.0.10.2 a
         neighbour 20 10.0.20.2 b
         station 10 a p1
         station 10 c p3
         station 20 b p2",
    );
    router(&mut world, "10").acl_in = no_port(53, 0);
    router(&mut world, "20").acl_out = no_port(69, 2);
    for (frame, expect) in [
        ("p1 a>r 10.0.10.2>10.0.20.2 ports 9:53", "drop ingress_flow_action_drop"),
        ("p1 a>r 10.0.10.2>10.0.20.2 ports 9:69", "drop egress_flow_action_drop"),
        ("p1 a>r 10.0.10.2>10.0.20.2 ports 9:80", "p2 r>b ttl 63"),
        // The router itself is behind its list too, whether it is named or everybody is.
        ("p1 a>r 10.0.10.2>10.0.10.1 ports 9:53", "drop ingress_flow_action_drop"),
        ("p1 a>r 10.0.10.2>10.0.10.1 ports 9:80", "h10"),
        ("p1 a>* 10.0.10.2>255.255.255.255 ports 9:53", "p3"),
        ("p1 a>* 10.0.10.2>255.255.255.255 ports 9:80", "p3 h10"),
        // What is bridged is none of the router's, nor is what goes the other way.
        ("p1 a>c 10.0.10.2>10.0.10.3 ports 9:53", "p3"),
        ("p2 b>r 10.0.20.2>10.0.10.2 ports 9:53", "p1 r>a ttl 63"),
        ("p1 a>* arp", "p3 h10 told neighbour"),
    ] {
        assert_eq!(world.run(&line(frame)), expect, "{frame}");
    }
}
