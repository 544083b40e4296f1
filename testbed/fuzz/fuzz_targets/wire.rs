//! Any bytes through the views of headers: an answer or none, and one that agrees with the bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mona_datapath::acl::{Acl, Flags, Key, Masked, Ports, Rule};
use mona_wire::arp::Arp;
use mona_wire::checksum::Sum;
use mona_wire::eth::{Eth, TPID_C};
use mona_wire::ip::Upper;
use mona_wire::ip4::Ip4;
use mona_wire::ip6::Ip6;
use mona_wire::nd::Message;

fuzz_target!(|bytes: &[u8]| {
    let Some(eth) = Eth::parse(bytes) else {
        assert!(bytes.len() < 18);
        return;
    };
    assert!(eth.len() <= bytes.len());
    assert_eq!([eth.dst.0, eth.src.0].concat(), bytes[..12]);
    assert_eq!(eth.ethertype.to_be_bytes(), bytes[eth.inner()..eth.len()]);
    assert_eq!(eth.tag.is_some(), bytes[12..14] == TPID_C.to_be_bytes());
    assert_eq!(mona_wire::Mac::from_u64(eth.dst.to_u64()), eth.dst);
    if let Ok(key) = Key::read(&eth, bytes) {
        lists(&key);
    }
    let rest = &bytes[eth.inner()..];
    if let Some(upper) = Upper::locate(rest) {
        assert!(upper.ip < upper.at && upper.at <= rest.len());
        assert_eq!(upper.addresses(rest).len(), if upper.six { 32 } else { 8 });
        let _ = upper.pseudo(rest, rest.len() - upper.at);
    }
    headers(&bytes[eth.len()..]);
    // A sum in two parts is the sum of the whole, and the complement completes it.
    let (one, two) = rest.split_at(rest.len() / 4 * 2);
    let sum = Sum::default().bytes(one).bytes(two);
    assert_eq!(sum.folded(), Sum::default().bytes(rest).folded());
    assert_eq!(sum.word(sum.finish()).finish(), 0);
});

/// Values are what they were read from, whatever the EtherType says.
fn headers(packet: &[u8]) {
    if let Some(arp) = Arp::parse(packet) {
        assert_eq!(arp.bytes(), packet[..28]);
    }
    if let Some(ip) = Ip4::parse(packet) {
        assert!(ip.header <= ip.length.into() && usize::from(ip.length) <= packet.len());
        // A checksum of zero has two ways to be written.
        assert!(ip.header > 20 || ip.bytes()[..10] == packet[..10] && ip.bytes()[12..] == packet[12..20]);
    }
    if let Some(ip) = Ip6::parse(packet) {
        assert_eq!(ip.bytes(), packet[..40]);
        assert!(ip.upper(packet).is_none_or(|upper| (40..=ip.total()).contains(&upper.at)));
    }
    let _ = Message::parse(packet);
}

/// A list says of any packet what its lines say, read from the top.
fn lists(key: &Key) {
    let (src, dst) = key.addresses();
    let [sport, dport] = key.ports;
    let run = |low: u16, high: u16, not| Some(Ports { low, high, not });
    let rules = vec![
        Rule { fragments: true, src: Masked::new(src, &[0xf0; 16]), ..Rule::default() },
        Rule { sport: run(sport.saturating_add(1), u16::MAX, false), protocol: Some(6), ..Rule::default() },
        Rule { permit: true, dport: run(53, 53, true), dst: Masked::new(&[10; 16], &[0x0f; 16]), ..Rule::default() },
        Rule { flags: Some(Flags::ESTABLISHED), ..Rule::default() },
        Rule { permit: true, icmp: Some((8, None)), dport: run(dport, sport, false), ..Rule::default() },
        Rule { dst: Masked::new(dst, &[0xff; 16]), tos: Masked::new(&[0x20], &[0xe0]), ..Rule::default() },
    ];
    let acl = Acl::compile(rules.clone()).expect("six lines");
    if let Ok(first) = acl.first(key) {
        assert_eq!(first, rules.iter().position(|rule| rule.fits(key)), "{key:?}");
    }
}
