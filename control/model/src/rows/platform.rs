//! What only this platform has: the frame tracer and the lines that hooks send.

use super::interface::io;
use super::{Action, AddPort, Does, Rejected, Row};
use crate::args::Args;
use crate::names::InterfaceName;

const ADD: &str = "platform port add <device:word> [interface <interface:interface>] [tag <tag:word>] \
                   [profile <profile:word>] [{mode:access-vlan} <vlan:vlan>] \
                   [trunk <trunk:vlans> [native-vlan <native:vlan>]] [io {io:auto|packet|xdp}] [{force:force}]";

pub(super) static ROWS: &[Row] = &[
    Row::exec(
        "packet-tracer input <interface:interface> [vlan <vlan:vlan>] <smac:mac> <dmac:mac> [<ethertype:ethertype>]",
        Does::Exec(|args| match args.interface("interface") {
            Some(interface) => trace(interface, frame(args)),
            None => Err("Which interface?".into()),
        }),
    )
    .help(&[
        ("vlan", "The frame carries a tag"),
        ("<smac>", "Source address"),
        ("<dmac>", "Destination address"),
        ("<ethertype>", "What it carries: ip, ipv6, arp or a hexadecimal number"),
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

fn trace(interface: InterfaceName, frame: Vec<u8>) -> Result<Action, Rejected> {
    match interface.is_port() {
        true => Ok(Action::Trace { interface, frame }),
        false => Err(format!("Frames come in by ports: {interface} is none")),
    }
}

/// A frame of the least size with these headers.
fn frame(args: &Args) -> Vec<u8> {
    let mut frame = Vec::with_capacity(64);
    for name in ["dmac", "smac"] {
        frame.extend(args.mac(name).map_or([0; 6], |mac| mac.0));
    }
    if let Some(vlan) = args.vlan("vlan") {
        frame.extend([0x81, 0x00]);
        frame.extend(vlan.get().to_be_bytes());
    }
    frame.extend((args.number("ethertype").unwrap_or(0x0800) as u16).to_be_bytes());
    frame.resize(60.max(frame.len()), 0);
    frame
}
