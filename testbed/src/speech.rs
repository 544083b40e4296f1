//! Packets as scenarios say them, and frames of the switch's own as the record tells them.
//!
//! ```text
//! b>0200.0000.0001 10.0.1.2>10.0.2.2 ttl 64 len 100 df     UDP over IPv4; with 2001:db8::1 over IPv6
//! b>0200.0000.0001 10.0.1.2>10.0.2.2 options 94040000      with IP options
//! b>* who-has 10.0.1.1 tell 10.0.1.2                       ARP
//! b>0200.0000.0001 10.0.1.2 is-at b
//! ```

use mona_wire::arp::{self, Arp};
use mona_wire::checksum::Sum;
use mona_wire::ip::{ICMP, ICMPV6};
use mona_wire::ip4::{self, Ip4};
use mona_wire::ip6::{self, Ip6};
use mona_wire::{Eth, Mac, eth};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

/// The frame that words say, untagged.
pub fn frame(words: &[&str], mac: &dyn Fn(&str) -> Result<Mac, String>) -> Result<Vec<u8>, String> {
    let (ends, rest) = words.split_first().ok_or("SOURCE>DESTINATION …")?;
    let (from, to) = ends.split_once('>').ok_or("SOURCE>DESTINATION")?;
    let (from, to) = (mac(from)?, mac(to)?);
    let (ethertype, packet) = match *rest {
        ["who-has", target, "tell", sender] => {
            let operation = arp::Operation::Request;
            let target_mac = Mac::ZERO;
            let (sender, target) = (address4(sender)?, address4(target)?);
            let request = Arp { operation, sender_mac: from, sender, target_mac, target };
            (arp::ETHERTYPE, request.bytes().to_vec())
        }
        [sender, "is-at", at] => {
            let operation = arp::Operation::Reply;
            let (sender, sender_mac) = (address4(sender)?, mac(at)?);
            let reply = Arp { operation, sender_mac, sender, target_mac: to, target: sender };
            (arp::ETHERTYPE, reply.bytes().to_vec())
        }
        [ends, ref options @ ..] => packet(ends, options)?,
        [] => return Err("what does it carry?".into()),
    };
    Ok([&to.0[..], &from.0, &ethertype.to_be_bytes(), &packet].concat())
}

fn packet(ends: &str, options: &[&str]) -> Result<(u16, Vec<u8>), String> {
    let (src, dst) = ends.split_once('>').ok_or_else(|| format!("{ends}: SOURCE>DESTINATION"))?;
    let (mut ttl, mut length, mut fragment, mut ip_options) = (64, 46, 0, Vec::new());
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let mut number = || options.next().and_then(|n| n.parse::<u16>().ok()).ok_or(format!("{option} N"));
        match *option {
            "ttl" => ttl = number()? as u8,
            "len" => length = number()?,
            "df" => fragment = ip4::DF,
            "options" => ip_options = hex(options.next().unwrap_or(&""))?,
            other => return Err(format!("{other} is no option of a packet: ttl N, len N, df, options HEX")),
        }
    }
    // UDP to the discard port, without a checksum.
    let udp = |payload: u16| [7000u16, 9, payload, 0].into_iter().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let address = |text: &str| text.parse::<IpAddr>().map_err(|_| format!("{text} is no address"));
    match (address(src)?, address(dst)?) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let header = Ip4 { header: 20, tos: 0, length, id: 1, fragment, ttl, protocol: 17, src, dst };
            let mut header = header.bytes().to_vec();
            if !ip_options.is_empty() {
                header.extend(ip_options);
                (header[0], header[10], header[11]) = (0x40 | (header.len() / 4) as u8, 0, 0);
                let checksum = Sum::default().bytes(&header).finish();
                header[10..12].copy_from_slice(&checksum.to_be_bytes());
            }
            let payload = length - header.len() as u16;
            let mut bytes = [header, udp(payload)].concat();
            bytes.resize(length.into(), 0);
            Ok((eth::IPV4, bytes))
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let payload = length.max(48) - 40;
            let header = Ip6 { class: 0, flow: 0, length: payload, next: 17, hop_limit: ttl, src, dst };
            let mut bytes = [&header.bytes()[..], &udp(payload)].concat();
            bytes.resize(40 + usize::from(payload), 0);
            Ok((eth::IPV6, bytes))
        }
        _ => Err(format!("{ends}: both of one family")),
    }
}

/// What a frame says, in a few words.
pub fn describe(frame: &[u8]) -> String {
    let Some(eth) = Eth::parse(frame) else { return format!("{} bytes", frame.len()) };
    let mut text = format!("{}>{}", eth.src, eth.dst);
    if let Some(tag) = eth.tag {
        let _ = write!(text, " vlan {}", tag.vid());
    }
    let packet = &frame[eth.len()..];
    let more = match eth.ethertype {
        arp::ETHERTYPE => Arp::parse(packet).map(|arp| match arp.operation {
            arp::Operation::Request => format!("who-has {} tell {}", arp.target, arp.sender),
            arp::Operation::Reply => format!("{} is-at {}", arp.sender, arp.sender_mac),
        }),
        eth::IPV4 => Ip4::parse(packet).map(|ip| {
            let upper = packet.get(ip.header..).unwrap_or_default();
            let what = if ip.protocol == ICMP { icmp("icmp", upper) } else { format!("protocol {}", ip.protocol) };
            format!("{}>{} ttl {} {what}", ip.src, ip.dst, ip.ttl)
        }),
        eth::IPV6 => Ip6::parse(packet).map(|ip| {
            let upper = packet.get(ip6::HEADER..).unwrap_or_default();
            let what = if ip.next == ICMPV6 { icmp("icmp6", upper) } else { format!("next header {}", ip.next) };
            format!("{}>{} ttl {} {what}", ip.src, ip.dst, ip.hop_limit)
        }),
        _ => None,
    };
    let _ = write!(text, " {}", more.unwrap_or_else(|| format!("{:04x}", eth.ethertype)));
    text
}

fn icmp(name: &str, message: &[u8]) -> String {
    match message {
        // Parameter Problem: where.
        [kind @ 12, code, _, _, pointer, ..] if name == "icmp" => format!("{name} {kind}/{code} at {pointer}"),
        [kind, code, ..] => format!("{name} {kind}/{code}"),
        _ => name.into(),
    }
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let byte = |at: usize| text.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
    bytes
        .filter(|bytes| !bytes.is_empty() && bytes.len() % 4 == 0)
        .ok_or_else(|| format!("{text} is no options: words of 4 bytes in hexadecimal"))
}

fn address4(text: &str) -> Result<Ipv4Addr, String> {
    text.parse().map_err(|_| format!("{text} is no IPv4 address"))
}
