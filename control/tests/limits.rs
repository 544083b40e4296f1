//! More routes than there is room for, at the limit of a router: what finds none is said and counted, and all else goes on.

use ipnet::{IpNet, Ipv4Net};
use mona_control::fib::{Fib, Limits};
use mona_control::input::{Input, KernelRoute, Output};
use mona_control::rib::Refusal;
use mona_control::switch::Switch;
use mona_datapath::Fdb;
use mona_datapath::switching::IoChoice;
use mona_wire::Instant;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// What a routing daemon offers.
const OFFERED: usize = 2_000_000;

/// The number of a prefix: a /24 each, from 16.0.0.0 on, then a /26 in each of them.
fn prefix(number: usize) -> Ipv4Net {
    let (base, length) = if number < 1 << 20 { (0x1000_0000, 24) } else { (0x1000_0040, 26) };
    let address = base + ((number % (1 << 20)) as u32) * 256;
    Ipv4Net::new(Ipv4Addr::from(address), length).expect("a length")
}

fn route(number: usize, hops: Option<Vec<mona_control::input::KernelHop>>) -> KernelRoute {
    KernelRoute { prefix: IpNet::V4(prefix(number)), protocol: 186, metric: 0, hops, refusal: Refusal::Unreachable }
}

struct Router {
    switch: Switch,
    log: Vec<String>,
}

impl Router {
    fn feed(&mut self, routes: Vec<KernelRoute>) {
        for output in self.switch.step(Instant::default(), Input::Routes(routes)) {
            if let Output::Log(line) = output {
                self.log.push(line);
            }
        }
        let fib = &mut self.switch.fib;
        fib.reclaim(fib.moment());
    }

    /// By IPv4 and IPv6: routes, those that are left out, and for how many there is room.
    fn summary(&self) -> [(usize, usize, usize); 2] {
        [false, true].map(|six| {
            let summary = self.switch.route_summary(six);
            let routes = summary.sources.iter().map(|source| source.networks + source.subnets).sum();
            (routes, summary.left_out, summary.room)
        })
    }

    fn has(&self, number: usize) -> bool {
        // Of the /24 an address that is in no /26.
        self.switch.fib.routing().lpm4.lookup(prefix(number).broadcast().to_bits()).is_some()
    }

    /// Of some prefixes all over, the first that has no route of its own, nor a shorter one's.
    fn missing(&self) -> Option<usize> {
        (0..OFFERED).step_by(97).find(|number| !self.has(*number))
    }
}

#[test]
fn two_million_routes() {
    let fdb = Arc::new(Fdb::with_capacity_and_seed(16, [1, 2]));
    let switch = Switch::new(fdb, Fib::new(Limits::ROUTER), IoChoice::Auto);
    let mut router = Router { switch, log: Vec::new() };
    let limit = Limits::ROUTER.routes4;
    let mut numbers = 0..OFFERED;
    while !numbers.is_empty() {
        router.feed(numbers.by_ref().take(100_000).map(|number| route(number, Some(Vec::new()))).collect());
    }
    let lost = OFFERED - limit;
    assert_eq!(router.switch.fib.left_out().len(), lost);
    // The operator sees it, too, and that other routes are not concerned.
    assert_eq!(router.summary(), [(OFFERED, lost, limit), (0, 0, Limits::ROUTER.routes6)]);
    let said = |line: &String| {
        let (_, text) = line.split_once("%MONA-2-FIBFULL: ").expect("nothing else is said");
        assert!(
            text.ends_with("routes found no room: there are 1500000 IPv4 and 400000 IPv6 routes at most"),
            "{line}"
        );
        text.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0)
    };
    assert_eq!(router.log.iter().map(said).sum::<usize>(), lost, "{:?}", router.log);
    // A /26 for which there was no room has its /24's way.
    assert_eq!(router.missing(), None);
    let (four, _) = router.switch.fib.memory();
    assert!(four < 256 << 20, "{four} bytes");
    // What is there can be changed, and what goes makes room for another.
    router.feed(vec![route(0, None)]);
    assert_eq!(router.missing(), Some(0));
    assert_eq!(router.switch.fib.left_out().len(), lost - 1);
    assert_eq!(router.log.len(), router.log.iter().filter(|line| line.contains("FIBFULL")).count());
}
