//! `show …`

use super::{Action, Does, InterfaceView, MacFilter, Row};
use crate::args::Args;
use crate::config::Banner;
use crate::grammar::Local;

const MAC_FILTERS: &str = "show mac address-table [{kind:dynamic|static}] [address <mac:mac>] \
                           [interface <interface:interface>] [vlan <vlan:vlan>]";

pub(super) static ROWS: &[Row] = &[
    Row::exec("show version", Does::Exec(|_| Ok(Action::ShowVersion))),
    Row::exec(
        "show running-config [{all:all}]",
        Does::Exec(|args| Ok(Action::ShowRunning { interface: None, all: args.has("all") })),
    )
    .privileged()
    .help(&[("all", "Configuration with defaults")]),
    Row::exec(
        "show running-config interface <interface:interface> [{all:all}]",
        Does::Exec(|args| Ok(Action::ShowRunning { interface: args.interface("interface"), all: args.has("all") })),
    )
    .privileged()
    .help(&[("interface", "Show interface configuration"), ("all", "Configuration with defaults")]),
    Row::exec(
        "show banner [{kind:exec|login|motd}]",
        Does::Exec(|args| {
            let kind = args.word("kind");
            Ok(Action::ShowBanner(Banner::ALL.into_iter().find(|banner| kind.as_deref() == Some(banner.word()))))
        }),
    )
    .help(&[
        ("banner", "Display banner information"),
        ("exec", "Display EXEC process creation banner"),
        ("login", "Display login banner"),
        ("motd", "Display Message of the Day banner"),
    ]),
    Row::exec("show startup-config", Does::Exec(|_| Ok(Action::ShowStartup))).privileged(),
    Row::exec(
        "show vlan [{brief:brief}]",
        Does::Exec(|args| Ok(Action::ShowVlan { brief: args.has("brief"), id: None, name: None })),
    )
    .help(&[("vlan", "VTP VLAN status"), ("brief", "VTP all VLAN status in brief")]),
    Row::exec(
        "show vlan id <vlan:vlan>",
        Does::Exec(|args| Ok(Action::ShowVlan { brief: false, id: args.vlan("vlan"), name: None })),
    )
    .help(&[("vlan", "VTP VLAN status"), ("id", "VTP VLAN status by VLAN id")]),
    Row::exec(
        "show vlan name <name:word>",
        Does::Exec(|args| Ok(Action::ShowVlan { brief: false, id: None, name: args.word("name") })),
    )
    .help(&[("vlan", "VTP VLAN status"), ("name", "VTP VLAN status by VLAN name"), ("<name>", "Name of the VLAN")]),
    Row::exec(
        "show vlan counters [id <vlan:vlan>]",
        Does::Exec(|args| Ok(Action::ShowVlanCounters(args.vlan("vlan")))),
    )
    .help(&[
        ("vlan", "VTP VLAN status"),
        ("counters", "Frames and bytes of each VLAN"),
        ("id", "VTP VLAN status by VLAN id"),
    ]),
    Row::exec(MAC_FILTERS, Does::Exec(|args| Ok(Action::ShowMac(mac_filter(args))))),
    Row::exec("show mac address-table aging-time", Does::Exec(|_| Ok(Action::ShowMacAging)))
        .help(&[("aging-time", "Aging time of the table")]),
    Row::exec(
        "show mac address-table count [vlan <vlan:vlan>]",
        Does::Exec(|args| Ok(Action::ShowMacCount(args.vlan("vlan")))),
    )
    .help(&[("count", "Number of addresses in the table")]),
    Row::exec(
        "show interfaces [<interface:interface>] [{view:counters|description|status|switchport|trunk}]",
        Does::Exec(|args| {
            let view = match args.word("view").as_deref() {
                Some("counters") => InterfaceView::Counters,
                Some("description") => InterfaceView::Description,
                Some("status") => InterfaceView::Status,
                Some("switchport") => InterfaceView::Switchport,
                Some("trunk") => InterfaceView::Trunk,
                _ => InterfaceView::Full,
            };
            Ok(Action::ShowInterfaces { interface: args.interface("interface"), view })
        }),
    )
    .help(&[
        ("counters", "Show interface counters"),
        ("description", "Show interface description"),
        ("status", "Show interface line status"),
        ("switchport", "Show interface switchport information"),
        ("trunk", "Show interface trunk information"),
    ]),
    Row::exec(
        "show interfaces [<interface:interface>] counters errors",
        Does::Exec(|args| {
            Ok(Action::ShowInterfaces { interface: args.interface("interface"), view: InterfaceView::Errors })
        }),
    )
    .help(&[("counters", "Show interface counters"), ("errors", "Show interface error counters")]),
    Row::exec("show platform ports", Does::Exec(|_| Ok(Action::ShowPlatformPorts)))
        .help(&[("ports", "How each port is reached, and why so")]),
    Row::exec("show platform drops", Does::Exec(|_| Ok(Action::ShowPlatformDrops)))
        .help(&[("drops", "Frames dropped, by reason and interface")]),
    Row::exec("show logging", Does::Exec(|_| Ok(Action::ShowLogging)))
        .help(&[("logging", "Show the contents of logging buffers")]),
    Row::exec("show history", Does::Local(|_| Local::History)),
    Row::exec("show clock", Does::Exec(|_| Ok(Action::ShowClock))),
    Row::exec("show users", Does::Exec(|_| Ok(Action::ShowUsers))),
    Row::exec(
        "show processes cpu [{sorted:sorted}]",
        Does::Exec(|args| Ok(Action::ShowProcesses { sorted: args.has("sorted") })),
    )
    .help(&[
        ("processes", "Active process statistics"),
        ("cpu", "Show CPU usage per process"),
        ("sorted", "Show sorted output based on percentage of usage"),
    ]),
    Row::exec("show memory statistics", Does::Exec(|_| Ok(Action::ShowMemory)))
        .help(&[("memory", "Memory statistics"), ("statistics", "Memory pool statistics")]),
    Row::exec("show privilege", Does::Exec(|_| Ok(Action::ShowPrivilege))),
];

/// The filters of `show` and `clear mac address-table`.
pub(super) fn mac_filter(args: &Args) -> MacFilter {
    MacFilter {
        is_static: args.word("kind").map(|kind| kind == "static"),
        address: args.mac("mac"),
        interface: args.interface("interface"),
        vlan: args.vlan("vlan"),
    }
}
