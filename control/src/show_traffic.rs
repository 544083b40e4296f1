//! `show ip traffic`, `show ipv6 traffic`: what was forwarded, what was not and why, and what the switch said about it. In the
//! words of IOS where it has them. What Linux receives and sends for itself is Linux's to tell (`nstat`).

use crate::show::View;
use crate::switch::Switch;
use mona_datapath::Drop;
use mona_model::shown_ip::{Count, CountGroup, Traffic, TrafficSection};

/// Under what a reason is counted. `None`: it is none of the router's.
fn title(why: Drop, six: bool) -> Option<(&'static str, &'static str)> {
    Some(match why {
        Drop::IpHeader | Drop::TinyFragment => ("Rcvd", "format errors"),
        Drop::Ttl => ("Rcvd", if six { "hop count exceeded" } else { "bad hop count" }),
        Drop::OptionMalformed => ("Rcvd", "bad options"),
        Drop::InDisabled | Drop::OutDisabled => ("Rcvd", if six { "not a router" } else { "not a gateway" }),
        Drop::SourceIpMulticast
        | Drop::SourceIpLoopback
        | Drop::SourceIpUnspecified
        | Drop::SourceIpBroadcast
        | Drop::SourceIpLinkLocal => ("Rcvd", "bad source"),
        Drop::DestinationIpLoopback | Drop::NonRoutable => ("Rcvd", "bad destination"),
        Drop::HostPoliced => ("Rcvd", "policed"),
        Drop::Mtu if six => ("Drop", "too big"),
        Drop::Mtu | Drop::Unfragmentable => ("Drop", "couldn't fragment"),
        Drop::Unresolved => ("Drop", "unresolved"),
        Drop::LpmMiss4 | Drop::LpmMiss6 => ("Drop", "no route"),
        Drop::Blackhole => ("Drop", "null route"),
        Drop::Reject => ("Drop", "unreachable route"),
        Drop::Prohibit => ("Drop", "prohibited route"),
        Drop::Rpf => ("Drop", if six { "RPF drops" } else { "unicast RPF" }),
        Drop::AclIn | Drop::AclOut => ("Drop", "access denied"),
        Drop::Options | Drop::SourceRouted => ("Drop", "options denied"),
        Drop::DirectedBroadcast => ("Drop", "directed broadcast"),
        Drop::Malformed
        | Drop::Oversize
        | Drop::PortDown
        | Drop::SourceMulticast
        | Drop::SourceZero
        | Drop::TagMismatch
        | Drop::ReservedVlan
        | Drop::IngressVlanFilter
        | Drop::PortLoopback
        | Drop::EgressVlanFilter
        | Drop::Isolated
        | Drop::UnknownUnicastBlocked
        | Drop::UnknownMulticastBlocked
        | Drop::EmptyTxList
        | Drop::TxFull
        | Drop::TxError
        | Drop::Unsegmentable
        | Drop::RingFull
        | Drop::PuntFull
        | Drop::PortAclIn
        | Drop::PortAclOut => return None,
    })
}

impl Switch {
    pub(crate) fn traffic(&self, six: bool, view: &View) -> Traffic {
        let vlans = self.state.routers.values().filter_map(|router| router.vlan);
        let forwarded = vlans.map(|vlan| (view.router)(vlan)).map(|c| if six { c.in6 } else { c.in4 }).sum();
        let [received, dropped] = ["Rcvd", "Drop"].map(|wanted| drops(six, wanted, view.ip_drops));
        let of_ip = vec![received, group("Sent", &[("forwarded", forwarded)]), dropped];
        let section = |title: &str, groups| TrafficSection { title: title.into(), groups };
        let ip = section(if six { "IPv6 statistics" } else { "IP statistics" }, of_ip);
        let rest = if six { self.about6() } else { self.about4() };
        let rest = rest.into_iter().map(|(title, groups)| section(title, groups));
        Traffic { six, sections: std::iter::once(ip).chain(rest).collect() }
    }

    fn about4(&self) -> Vec<(&'static str, Vec<CountGroup>)> {
        let c = self.neigh.counters();
        let sent = [
            ("redirects", c.icmp_redirects),
            ("unreachable", c.icmp_unreachables),
            ("time exceeded", c.icmp_exceeded),
            ("parameter problem", c.icmp_parameter),
        ];
        let heard = [("requests", c.arp_requests_in), ("replies", c.arp_replies_in)];
        let said = [("requests", c.arp_requests_out), ("replies (proxy)", c.arp_proxied)];
        vec![
            ("ICMP statistics", vec![group("Sent", &sent)]),
            ("ARP statistics", vec![group("Rcvd", &heard), group("Sent", &said)]),
            ("Of IPv4 and IPv6", self.common()),
        ]
    }

    fn about6(&self) -> Vec<(&'static str, Vec<CountGroup>)> {
        let c = self.neigh.counters();
        let sent = [
            ("redirects", c.icmp6_redirects),
            ("unreachable", c.icmp6_unreachables),
            ("too big", c.icmp6_too_big),
            ("hopcount expired", c.icmp6_exceeded),
            ("parameter problem", c.icmp6_parameter),
            ("neighbor solicit", c.nd_solicits_out),
            ("router advert", c.nd_adverts_out),
        ];
        let heard = [("neighbor and router discovery", c.nd_in)];
        vec![
            ("ICMP statistics", vec![group("Rcvd", &heard), group("Sent", &sent)]),
            ("Of IPv4 and IPv6", self.common()),
        ]
    }

    /// What the machine of neighbours counts for both families together.
    fn common(&self) -> Vec<CountGroup> {
        let c = self.neigh.counters();
        let rate = [("ICMP errors", c.errors_limited), ("ARP and ND requests", c.requests_limited)];
        let waited =
            [("forwarded then", c.released), ("queue full", c.queue_dropped), ("neighbor unresolved", c.unresolved)];
        let rest = [
            ("ICMP errors exempt", c.errors_exempt),
            ("ARP and ND invalid", c.invalid),
            ("neighbors evicted", c.evicted),
        ];
        vec![group("Limit", &rate), group("Wait", &waited), group("Other", &rest)]
    }
}

fn drops(six: bool, wanted: &str, count: &dyn Fn(bool, Drop) -> u64) -> CountGroup {
    let mut counts: Vec<(&str, u64)> = Vec::new();
    for why in Drop::ALL {
        let Some((_, what)) = title(*why, six).filter(|(title, _)| *title == wanted && has(*why, six)) else {
            continue;
        };
        let n = count(six, *why);
        match counts.iter_mut().find(|(other, _)| *other == what) {
            Some((_, sum)) => *sum += n,
            None => counts.push((what, n)),
        }
    }
    group(wanted, &counts)
}

/// Can a packet of the family be dropped for that?
fn has(why: Drop, six: bool) -> bool {
    match why {
        Drop::LpmMiss6 | Drop::SourceIpLinkLocal => six,
        Drop::LpmMiss4
        | Drop::SourceIpBroadcast
        | Drop::TinyFragment
        | Drop::Unfragmentable
        | Drop::DirectedBroadcast
        | Drop::Options
        | Drop::OptionMalformed
        | Drop::SourceRouted => !six,
        _ => true,
    }
}

fn group(title: &str, counts: &[(&str, u64)]) -> CountGroup {
    let count = |(what, count): &(&str, u64)| Count { what: what.to_string(), count: *count };
    CountGroup { title: title.into(), counts: counts.iter().map(count).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every reason counts 1 for IPv4 and 100 for IPv6: the words that they are counted under.
    fn check(six: bool, wanted: &str, expect: &str) {
        let counted = drops(six, wanted, &|six, _| if six { 100 } else { 1 });
        let words: Vec<String> = counted.counts.iter().map(|c| format!("{} {}", c.count, c.what)).collect();
        assert_eq!(words.join(", "), expect);
    }

    #[test]
    fn reasons_have_words() {
        check(
            false,
            "Rcvd",
            "2 format errors, 1 bad options, 4 bad source, 2 bad destination, 2 not a gateway, 1 bad hop count, 1 policed",
        );
        check(
            false,
            "Drop",
            "2 options denied, 1 unicast RPF, 1 no route, 1 null route, 1 unreachable route, 1 prohibited route, \
             1 directed broadcast, 1 unresolved, 2 couldn't fragment, 2 access denied",
        );
        check(
            true,
            "Rcvd",
            "100 format errors, 400 bad source, 200 bad destination, 200 not a router, 100 hop count exceeded, 100 policed",
        );
        check(
            true,
            "Drop",
            "100 RPF drops, 100 no route, 100 null route, 100 unreachable route, 100 prohibited route, 100 unresolved, \
             100 too big, 200 access denied",
        );
    }
}
