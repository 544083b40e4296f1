use super::four::{Scope, check};
use crate::Drop;
use std::net::Ipv4Addr;

/// `source > destination`, and what becomes of it: usually, and if it is `strict`.
#[test]
fn martians() {
    let table = "
        10.0.0.1        > 10.0.1.1         global               global
        0.0.0.1         > 10.0.1.1         sip_is_unspecified   sip_is_unspecified
        127.9.9.9       > 10.0.1.1         sip_is_loopback_address sip_is_loopback_address
        126.255.255.255 > 128.0.0.0        global               global
        224.0.0.1       > 10.0.1.1         sip_is_mc            sip_is_mc
        239.255.255.255 > 10.0.1.1         sip_is_mc            sip_is_mc
        240.0.0.1       > 10.0.1.1         global               non_routable_packet
        255.255.255.254 > 10.0.1.1         global               non_routable_packet
        255.255.255.255 > 10.0.1.1         ipv4_sip_is_limited_bc ipv4_sip_is_limited_bc
        169.254.0.1     > 10.0.1.1         global               non_routable_packet
        169.253.0.1     > 10.0.1.1         global               global
        169.255.0.1     > 10.0.1.1         global               global
        10.0.0.1        > 0.0.0.0          non_routable_packet  non_routable_packet
        10.0.0.1        > 1.0.0.0          global               global
        10.0.0.1        > 127.0.0.1        dip_is_loopback_address dip_is_loopback_address
        10.0.0.1        > 223.255.255.255  global               global
        10.0.0.1        > 224.0.0.5        non_routable_packet  non_routable_packet
        10.0.0.1        > 240.0.0.1        global               non_routable_packet
        10.0.0.1        > 255.255.255.255  link                 link
        10.0.0.1        > 169.254.0.1      global               non_routable_packet
        10.0.0.1        > 169.253.0.1      global               global
        169.253.0.1     > 169.255.0.1      global               global
        240.0.0.1       > 169.254.0.1      global               non_routable_packet
        224.0.0.1       > 127.0.0.1        sip_is_mc            sip_is_mc
    ";
    let name = |answer: Result<Scope, Drop>| match answer {
        Ok(Scope::Global) => "global",
        Ok(Scope::Link) => "link",
        Err(why) => why.name(),
    };
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let address = |at: usize| words[at].parse::<Ipv4Addr>().unwrap().to_bits();
        let answers = [false, true].map(|strict| name(check(address(0), address(2), strict)));
        assert_eq!(answers, words[3..5], "{line}");
    }
}
