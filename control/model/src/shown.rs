//! What commands show, as typed values: swcli draws them, `| json` prints them, tests assert on them.

use crate::acl::ListKind;
use crate::names::InterfaceName;
use crate::shown_host::{MemoryPool, Processes, User, Version};
use crate::shown_ip::{CefRow, IpInterface, NeighbourRow, Ping, RouteSummary, RouteTable, Traceroute, Traffic};
use ipnet::Ipv4Net;
use mona_wire::{Mac, VlanId};
use serde::{Deserialize, Serialize};

/// One piece of output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "show", content = "rows", rename_all = "kebab-case")]
pub enum Shown {
    /// Lines as they are (running-config, messages, packet-tracer's prose).
    Text(Vec<String>),
    /// `show version`
    Version(Version),
    /// `show vlan`, `show vlan brief`, `id`, `name`
    Vlans {
        /// Without the second table (type, SAID, MTU …).
        brief: bool,
        /// The VLANs.
        vlans: Vec<VlanRow>,
    },
    /// `show vlan counters`
    VlanCounters(Vec<VlanCountersRow>),
    /// `show mac address-table`
    MacTable(Vec<MacRow>),
    /// `show mac address-table aging-time`, seconds.
    AgingTime(u32),
    /// `show mac address-table count`
    MacCount(Vec<MacCountRow>),
    /// `show interfaces`
    Interfaces(Vec<Interface>),
    /// `show interfaces status`
    Status(Vec<Interface>),
    /// `show interfaces description`
    Description(Vec<Interface>),
    /// `show interfaces switchport`
    Switchport(Vec<Interface>),
    /// `show interfaces trunk`
    Trunk(Vec<Interface>),
    /// `show interfaces counters`
    Counters(Vec<Interface>),
    /// `show interfaces counters errors`
    Errors(Vec<Interface>),
    /// `show access-lists`, `show ip access-lists`, `show ipv6 access-list`
    AccessLists(Vec<AccessListRow>),
    /// `show ip route`, `show ipv6 route`
    Routes(RouteTable),
    /// `show ip route A`, `show ipv6 route A`
    Route(RouteTable),
    /// `show ip route summary`
    RouteSummary(RouteSummary),
    /// `show ip arp`
    Arp(Vec<NeighbourRow>),
    /// `show ipv6 neighbors`
    Neighbors(Vec<NeighbourRow>),
    /// `show ip interface`
    IpInterfaces(Vec<IpInterface>),
    /// `show ip interface brief`
    IpInterfacesBrief(Vec<IpInterface>),
    /// `show ipv6 interface`
    Ip6Interfaces(Vec<IpInterface>),
    /// `show ipv6 interface brief`
    Ip6InterfacesBrief(Vec<IpInterface>),
    /// `show ip traffic`, `show ipv6 traffic`
    Traffic(Traffic),
    /// `show ip cef`
    Cef(Vec<CefRow>),
    /// `show ip cef A`
    CefTo(CefRow),
    /// `ping`
    Ping(Ping),
    /// `traceroute`
    Traceroute(Traceroute),
    /// `show platform ports`
    PlatformPorts(Vec<PlatformPort>),
    /// `show platform drops`
    PlatformDrops(Vec<DropRow>),
    /// `show platform flow-cache`
    FlowCache(FlowCache),
    /// `show platform flow-cache flow`
    Flows(Flows),
    /// `show logging`
    Logging(Logging),
    /// `show clock`
    Clock(String),
    /// `show users`
    Users(Vec<User>),
    /// `show processes cpu`
    Processes(Processes),
    /// `show memory statistics`
    Memory(Vec<MemoryPool>),
    /// `show privilege`
    Privilege(u8),
    /// `packet-tracer`
    Trace(Trace),
    /// The interface a hook's port was given: `swctl add-port` prints it.
    Port(InterfaceName),
}

/// A row of `show vlan`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VlanRow {
    /// The VLAN.
    pub vlan: VlanId,
    /// Its name.
    pub name: String,
    /// `active` or `act/unsup`.
    pub status: String,
    /// Access ports in it (trunks are not listed), as on IOS.
    pub ports: Vec<InterfaceName>,
}

/// A row of `show mac address-table`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MacRow {
    /// `None`: all VLANs (the reserved addresses, `All … STATIC CPU`).
    pub vlan: Option<VlanId>,
    /// The address.
    pub mac: Mac,
    /// Configured, or learned.
    pub is_static: bool,
    /// Where; `None` = CPU.
    pub port: Option<InterfaceName>,
    /// Seconds since a frame from it was seen (dynamic ones).
    pub age_secs: Option<u64>,
}

/// A row of `show vlan counters`: since the last clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VlanCountersRow {
    /// The VLAN.
    pub vlan: VlanId,
    /// Frames that were admitted to it.
    pub rx_frames: u64,
    /// Bytes of those.
    pub rx_bytes: u64,
    /// Copies that left in it.
    pub tx_frames: u64,
    /// Bytes of those.
    pub tx_bytes: u64,
}

/// A row of `show mac address-table count`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MacCountRow {
    /// The VLAN.
    pub vlan: VlanId,
    /// Learned addresses.
    pub dynamic: usize,
    /// Configured ones.
    pub statics: usize,
    /// Places left in the whole table.
    pub free: usize,
}

/// Everything about an interface that some `show interfaces …` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interface {
    /// `GigabitEthernet0/1`
    pub name: InterfaceName,
    /// The netdev, if bound.
    pub device: Option<String>,
    /// Administratively down.
    pub shutdown: bool,
    /// Line up: device open and carrier.
    pub up: bool,
    /// Why it is down, a few words: `no device`, `vnet7: no such device`, `no carrier`, `administratively down`.
    pub reason: Option<String>,
    /// `connected`, `notconnect`, `disabled`, `err-disabled`, `inactive` (its access VLAN does not exist).
    pub status: String,
    /// Description.
    pub description: Option<String>,
    /// The netdev's address.
    pub mac: Mac,
    /// Bytes.
    pub mtu: u32,
    /// Mb/s; `None` = unknown (virtual).
    pub speed_mbps: Option<u32>,
    /// `true` = full duplex; `None` = unknown.
    pub duplex_full: Option<bool>,
    /// One of the router's: a routed port, an SVI, a loopback, a sub-interface.
    #[serde(default)]
    pub routed: bool,
    /// Its IPv4 address.
    #[serde(default)]
    pub address: Option<Ipv4Net>,
    /// The loopback whose address that is, if it has none of its own.
    #[serde(default)]
    pub lender: Option<InterfaceName>,
    /// `arp timeout`, seconds.
    #[serde(default = "four_hours")]
    pub arp_timeout_secs: u32,
    /// The VLAN identifier in its tag (sub-interfaces).
    #[serde(default)]
    pub encapsulation: Option<VlanId>,
    /// Trunk rather than access (administrative mode).
    pub trunk: bool,
    /// Access VLAN.
    pub access_vlan: VlanId,
    /// Name of the access VLAN; `None` = it does not exist (`Inactive`).
    pub access_vlan_name: Option<String>,
    /// Native VLAN.
    pub native_vlan: VlanId,
    /// Name of the native VLAN, `None` = `Inactive`.
    pub native_vlan_name: Option<String>,
    /// `vlan dot1q tag native` is on.
    pub native_tagged: bool,
    /// Allowed VLANs, `ALL`, `NONE` or a list.
    pub allowed: String,
    /// Those of them that exist, a list.
    pub active: String,
    /// `switchport protected`
    pub protected: bool,
    /// `switchport block unicast`
    pub block_unicast: bool,
    /// `switchport block multicast`
    pub block_multicast: bool,
    /// Counters since the last clear.
    pub counters: InterfaceCounters,
}

/// What IOS remembers ARP entries for unless something else is said.
fn four_hours() -> u32 {
    4 * 3600
}

/// Counters and rates of an interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InterfaceCounters {
    /// Frames in.
    pub rx_frames: u64,
    /// Bytes in.
    pub rx_bytes: u64,
    /// Multicast frames in (without broadcast).
    pub rx_multicast: u64,
    /// Broadcast frames in.
    pub rx_broadcast: u64,
    /// Frames out.
    pub tx_frames: u64,
    /// Bytes out.
    pub tx_bytes: u64,
    /// Multicast frames out.
    pub tx_multicast: u64,
    /// Broadcast frames out.
    pub tx_broadcast: u64,
    /// Dropped on entry, any reason.
    pub rx_drops: u64,
    /// Dropped on the way out (full queues, refused by the device).
    pub tx_drops: u64,
    /// Too short.
    pub runts: u64,
    /// Too long.
    pub giants: u64,
    /// Bits per second in, five-minute exponential average as on IOS (`load-interval 300`).
    pub rx_bps: u64,
    /// Frames per second in.
    pub rx_pps: u64,
    /// Bits per second out.
    pub tx_bps: u64,
    /// Frames per second out.
    pub tx_pps: u64,
    /// Seconds since the last frame came in; `None` = never.
    pub last_input_secs: Option<u64>,
    /// Seconds since the last frame went out.
    pub last_output_secs: Option<u64>,
    /// Seconds since the counters were cleared; `None` = never.
    pub last_clear_secs: Option<u64>,
    /// What of that was routed, where there is a router.
    #[serde(default)]
    pub routed: Option<Routed>,
}

/// What the router's interface routed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routed {
    /// Packets that came in here and were forwarded.
    pub in_packets: u64,
    /// Their bytes, frame headers included.
    pub in_bytes: u64,
    /// Packets that were forwarded to here.
    pub out_packets: u64,
    /// Their bytes.
    pub out_bytes: u64,
}

/// A list of `show access-lists`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessListRow {
    /// What it looks at.
    pub kind: ListKind,
    /// Its name or number.
    pub name: String,
    /// Its entries.
    pub lines: Vec<AccessListLine>,
}

/// An entry of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessListLine {
    /// Its number.
    pub sequence: u32,
    /// `permit tcp any host 10.0.0.1 eq www`
    pub text: String,
    /// Frames it decided about since the last clear.
    pub matches: u64,
}

/// A row of `show platform ports`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformPort {
    /// The interface.
    pub name: InterfaceName,
    /// The port number in the datapath.
    pub port: u16,
    /// The netdev.
    pub device: String,
    /// `packet`, `xdp`; `-` when not open.
    pub io: String,
    /// `tcx`, `native`, `generic`.
    pub attach: String,
    /// `ring`, `copy`, `zero-copy`.
    pub memory: String,
    /// Queues.
    pub queues: u16,
    /// Workers that receive from it.
    pub workers: Vec<u8>,
    /// Why this I/O, or why it is not open.
    pub why: String,
}

/// A row of `show platform drops`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropRow {
    /// The reason's word.
    pub reason: String,
    /// The interface; `None` = no single one (a worker's ring).
    pub interface: Option<InterfaceName>,
    /// How many.
    pub count: u64,
    /// What it means.
    pub why: String,
}

/// `show platform flow-cache`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowCache {
    /// Is it on?
    pub on: bool,
    /// How long flows go on without the switch.
    pub hold_secs: u32,
    /// Flows that are remembered.
    pub flows: u64,
    /// And how many can be.
    pub room: u64,
    /// Decisions entered since the start.
    pub entered: u64,
    /// By port.
    pub ports: Vec<FlowCachePort>,
    /// Why decisions are not remembered: word, how many were asked about, a sentence.
    pub not_cached: Vec<(String, u64, String)>,
}

/// One port of [`FlowCache`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowCachePort {
    /// The interface.
    pub name: InterfaceName,
    /// Is the cache on here?
    pub on: bool,
    /// Flows that come in here.
    pub flows: u64,
    /// Frames that came in here and were forwarded by the kernel.
    pub hits: u64,
    /// Frames that came in here and were forwarded by the switch.
    pub misses: u64,
    /// Flows that went to make room for others of the port.
    pub evictions: u64,
    /// Flows that found no room.
    pub refused: u64,
}

/// `show platform flow-cache flow`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flows {
    /// How many there are of what was asked for.
    pub total: u64,
    /// The busiest of them.
    pub flows: Vec<FlowRow>,
    /// Of one interface: why decisions about frames that come in there are not remembered, as in [`FlowCache`].
    #[serde(default)]
    pub not_cached: Vec<(String, u64, String)>,
}

/// One flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowRow {
    /// Frames that come in here
    pub from: InterfaceName,
    /// with this VID in their tag, or without one,
    pub tag: Option<u16>,
    /// from
    pub src: Mac,
    /// to
    pub dst: Mac,
    /// and that are so further in (if that matters): `10.0.0.1 > 10.0.1.2 tos 0x00 udp 5000 > 53`,
    pub matching: Option<String>,
    /// leave here
    pub to: InterfaceName,
    /// with this VID or none,
    pub tag_out: Option<u16>,
    /// other copies of them here,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<(InterfaceName, Option<u16>)>,
    /// routed: from this MAC to that one,
    pub rewrite: Option<(Mac, Mac)>,
    /// if they are at most so large.
    pub mtu: u16,
    /// How many did.
    pub frames: u64,
    /// And their bytes.
    pub bytes: u64,
    /// Seconds since the last one.
    pub idle_secs: u64,
}

/// `show logging`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// Lines the buffer holds.
    pub size: u32,
    /// Lines logged since the start.
    pub logged: u64,
    /// Sessions with `terminal monitor`.
    pub monitors: usize,
    /// The buffer, oldest first.
    pub lines: Vec<String>,
}

/// `packet-tracer`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The decisions in order.
    pub steps: Vec<TraceStep>,
    /// The interfaces the frame leaves by, with the VID it carries there (`None` = untagged).
    pub out: Vec<(InterfaceName, Option<u16>)>,
    /// The switch's own netdevs that get it.
    #[serde(default)]
    pub host: Vec<String>,
    /// `Some`: dropped, with the reason's word.
    pub drop: Option<String>,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceStep {
    /// `classify`, `learn`, `lookup`, `egress`, …
    pub phase: String,
    /// What was decided, a sentence.
    pub text: String,
    /// The configuration lines behind it, with the line of the section they stand in
    /// (`interface GigabitEthernet0/1`, ` switchport access vlan 10`); empty = default.
    pub config: Vec<String>,
}
