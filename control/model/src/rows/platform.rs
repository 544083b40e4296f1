//! What only this platform has: the flow cache, the frame tracer and the lines that hooks send.

use super::interface::{each, io, of};
use super::{Action, AddPort, DONE, Does, FlowFilter, No, Rejected, Row, Said, flag, say};
use crate::args::Args;
use crate::modes::Mode;
use crate::names::InterfaceName;
use mona_wire::ip::{ICMP, ICMPV6, TCP, UDP};
use mona_wire::ip4::{self, Ip4};
use mona_wire::ip6::Ip6;
use mona_wire::{arp, eth};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const ADD: &str = "platform port add <device:word> [interface <interface:interface>] [tag <tag:word>] \
                   [profile <profile:word>] [{mode:access-vlan} <vlan:vlan>] \
                   [trunk <trunk:vlans> [native-vlan <native:vlan>]] [io {io:auto|packet|xdp}] [{force:force}]";

const FLOW_CACHE: (&str, &str) = ("flow-cache", "Decisions that the kernel remembers and replays");
const HOST_FRAMES: (&str, &str) =
    ("host-frames", "Let frames out that the host's own programs send by a port's netdev");
const SHOW_FLOWS: &str = "show platform flow-cache (flow | interface <interface:interface>) \
                          [(address <mac:mac> | host <host:ip> | host <host6:ip6>)]";

/// What a packet carries, and which.
macro_rules! packet {
    ($word:literal $kind:literal $six:literal) => {
        concat!(
            "{kind:",
            $word,
            "} [<src",
            $six,
            ":",
            $kind,
            "> <dst",
            $six,
            ":",
            $kind,
            "> [(",
            "{upper:tcp} <sport:tcp-port> <dport:tcp-port> | {upper:udp} <sport:udp-port> <dport:udp-port> | ",
            "{upper:icmp} | <protocol:0-255>)]]"
        )
    };
}
const TRACE: &str = concat!(
    "packet-tracer input <interface:interface> [vlan <vlan:vlan>] <smac:mac> <dmac:mac> [(",
    packet!("ip" "ip" ""),
    " | ",
    packet!("ipv6" "ip6" "6"),
    " | {kind:arp} | <ethertype:ethertype>)]"
);

pub(super) static ROWS: &[Row] = &[
    Row::config(
        &[Mode::Config],
        "platform flow-cache",
        No::Words,
        Does::Set {
            set: |config, _, _, no| {
                config.flow_cache.off = no;
                DONE
            },
            get: |config, _| unless(config.flow_cache.off),
        },
    )
    .help(&[FLOW_CACHE]),
    Row::config(
        &[Mode::Config],
        "platform flow-cache hold <seconds:0-86400>",
        No::Words,
        Does::Set {
            set: |config, _, args, no| {
                config.flow_cache.hold_secs = if no { None } else { args.number("seconds") };
                DONE
            },
            get: |config, _| say(config.flow_cache.hold_secs),
        },
    )
    .help(&[
        FLOW_CACHE,
        ("hold", "How long known flows go on while the switch is away"),
        ("<seconds>", "Seconds; 0: not at all"),
    ]),
    Row::config(
        &[Mode::Interface],
        "platform flow-cache",
        No::Words,
        Does::Set {
            set: |config, place, _, no| each(config, place, |interface| interface.uncached = no),
            get: |config, place| unless(of(config, place).is_some_and(|interface| interface.uncached)),
        },
    )
    .help(&[FLOW_CACHE]),
    Row::config(
        &[Mode::Config],
        "platform host-frames",
        No::Words,
        Does::Set {
            set: |config, _, _, no| {
                config.host_frames = !no;
                DONE
            },
            get: |config, _| flag(config.host_frames),
        },
    )
    .help(&[HOST_FRAMES]),
    Row::config(
        &[Mode::Interface],
        "platform host-frames",
        No::Words,
        Does::Set {
            set: |config, place, _, no| each(config, place, |interface| interface.host_frames = !no),
            get: |config, place| flag(of(config, place).is_some_and(|interface| interface.host_frames)),
        },
    )
    .help(&[HOST_FRAMES]),
    Row::exec("show platform flow-cache [summary]", Does::Exec(|_| Ok(Action::ShowFlowCache)))
        .help(&[FLOW_CACHE, ("summary", "How many flows, where, and why others are not remembered")]),
    Row::exec(
        SHOW_FLOWS,
        Does::Exec(|args| {
            let host = args.ip("host").map(IpAddr::V4).or(args.ip6("host6").map(IpAddr::V6));
            let (interface, mac) = (args.interface("interface"), args.mac("mac"));
            Ok(Action::ShowFlows(FlowFilter { interface, mac, host }))
        }),
    )
    .help(&[
        FLOW_CACHE,
        ("flow", "The flows, the busiest first"),
        ("interface", "Those that come in or leave by one interface"),
        ("address", "Those from or to one station"),
        ("<mac>", "48-bit hardware address"),
        ("host", "Those of packets from or to one address"),
        ("<host>", "IP address"),
        ("<host6>", "IPv6 address"),
    ]),
    Row::exec(
        TRACE,
        Does::Exec(|args| match args.interface("interface") {
            Some(interface) => trace(interface, frame(args)),
            None => Err("Which interface?".into()),
        }),
    )
    .help(&[
        ("vlan", "The frame carries a tag"),
        ("<smac>", "Source address"),
        ("<dmac>", "Destination address"),
        ("ip", "It carries an IPv4 packet"),
        ("ipv6", "It carries an IPv6 packet"),
        ("arp", "It carries ARP"),
        ("<ethertype>", "What it carries, a hexadecimal number"),
        ("<src>", "Source address of the packet"),
        ("<dst>", "Destination address of the packet"),
        ("<src6>", "Source address of the packet"),
        ("<dst6>", "Destination address of the packet"),
        ("tcp", "The packet opens a TCP connection"),
        ("udp", "The packet is a UDP datagram"),
        ("icmp", "The packet is an echo request"),
        ("<sport>", "Source port"),
        ("<dport>", "Destination port"),
        ("<protocol>", "Number of the protocol"),
    ]),
    Row::exec(
        "packet-tracer input <interface:interface> hex <bytes:hex>",
        Does::Exec(|args| match (args.interface("interface"), args.bytes("bytes")) {
            (Some(interface), Some(frame)) => trace(interface, frame),
            _ => Err("Which interface, which bytes?".into()),
        }),
    )
    .help(&[("hex", "The frame as bytes"), ("<bytes>", "Pairs of hexadecimal digits")]),
    Row::exec(
        ADD,
        Does::Exec(|args| {
            if args.has("mode") && args.has("trunk") {
                return Err("A port is access or trunk: give access-vlan or trunk, not both".into());
            }
            if let Some(name) = args.interface("interface").filter(|name| !name.is_port()) {
                return Err(format!("{name} is no port: a netdev becomes GigabitEthernet<slot>/<number>"));
            }
            Ok(Action::AddPort(AddPort {
                device: args.word("device").unwrap_or_default(),
                interface: args.interface("interface"),
                tag: args.word("tag"),
                profile: args.word("profile"),
                access_vlan: args.vlan("vlan"),
                trunk: args.vlans("trunk"),
                native_vlan: args.vlan("native"),
                io: io(args.word("io").as_deref()),
                force: args.has("force"),
            }))
        }),
    )
    .help(&[
        ("port", "Ports that hooks add and remove"),
        ("add", "Make a netdev a port"),
        ("interface", "Be this interface"),
        ("tag", "Be the interface that has this tag"),
        ("<tag>", "Name, such as that of a virtual machine"),
        ("profile", "Inherit this port-profile"),
        ("access-vlan", "Access port in this VLAN"),
        ("trunk", "Trunk of these VLANs"),
        ("<trunk>", "VLAN IDs: 10 or 10,20-29"),
        ("native-vlan", "VLAN of untagged frames on the trunk"),
        ("<native>", "VLAN ID"),
        ("force", "Even if the host has addresses or its default route there"),
    ])
    .privileged()
    .hidden(),
    Row::exec(
        "platform port remove <device:word>",
        Does::Exec(|args| Ok(Action::RemovePort { device: args.word("device").unwrap_or_default() })),
    )
    .help(&[("port", "Ports that hooks add and remove"), ("remove", "Give a netdev back")])
    .privileged()
    .hidden(),
];

/// On is not worth a word.
fn unless(off: bool) -> Vec<Said> {
    if off { vec![Said::No(Vec::new())] } else { Vec::new() }
}

fn trace(interface: InterfaceName, frame: Vec<u8>) -> Result<Action, Rejected> {
    match interface.is_port() {
        true => Ok(Action::Trace { interface, frame }),
        false => Err(format!("Frames come in by ports: {interface} is none")),
    }
}

/// A frame of the least size with these headers. Without a word about it, it carries nothing that anybody knows
/// (RFC 9542 B.2: for experiments).
fn frame(args: &Args) -> Vec<u8> {
    let mut frame = Vec::with_capacity(128);
    for name in ["dmac", "smac"] {
        frame.extend(args.mac(name).map_or([0; 6], |mac| mac.0));
    }
    if let Some(vlan) = args.vlan("vlan") {
        frame.extend([0x81, 0x00]);
        frame.extend(vlan.get().to_be_bytes());
    }
    let (ethertype, packet) = match args.word("kind").as_deref() {
        Some("ip") => (eth::IPV4, packet4(args)),
        Some("ipv6") => (eth::IPV6, packet6(args)),
        Some(_) => (arp::ETHERTYPE, Vec::new()),
        None => (args.number("ethertype").unwrap_or(0x88b5) as u16, Vec::new()),
    };
    frame.extend(ethertype.to_be_bytes());
    frame.extend(packet);
    frame.resize(60.max(frame.len()), 0);
    frame
}

fn packet4(args: &Args) -> Vec<u8> {
    let address = |name| args.ip(name).unwrap_or(Ipv4Addr::UNSPECIFIED);
    let (protocol, upper) = upper(args, ICMP, 8);
    let length = ip4::HEADER as u16 + upper.len() as u16;
    let (src, dst) = (address("src"), address("dst"));
    let header = Ip4 { header: ip4::HEADER, tos: 0, length, id: 0, fragment: 0, ttl: 64, protocol, src, dst };
    [&header.bytes()[..], &upper].concat()
}

fn packet6(args: &Args) -> Vec<u8> {
    let address = |name| args.ip6(name).unwrap_or(Ipv6Addr::UNSPECIFIED);
    let (next, upper) = upper(args, ICMPV6, 128);
    let (src, dst) = (address("src6"), address("dst6"));
    let header = Ip6 { class: 0, flow: 0, length: upper.len() as u16, next, hop_limit: 64, src, dst };
    [&header.bytes()[..], &upper].concat()
}

/// Protocol and header of what the packet carries; nobody looks at a checksum there. Without a word about it, it is what
/// nobody knows (RFC 3692: for experiments).
fn upper(args: &Args, icmp: u8, echo: u8) -> (u8, Vec<u8>) {
    let port = |name| (args.number(name).unwrap_or(0) as u16).to_be_bytes();
    let ports = [port("sport"), port("dport")].concat();
    match args.word("upper").as_deref() {
        // A SYN.
        Some("tcp") => (TCP, [&ports[..], &[0; 8], &[0x50, 2, 0xff, 0xff], &[0; 4]].concat()),
        Some("udp") => (UDP, [&ports[..], &[0, 8, 0, 0]].concat()),
        Some(_) => (icmp, vec![echo, 0, 0, 0, 0, 0, 0, 0]),
        None => (args.number("protocol").unwrap_or(253) as u8, Vec::new()),
    }
}
