//! What the commands of layer 3 show, as typed values: routes, neighbours, the router's interfaces.

use crate::l3::{Ip, Ip6, Verify};
use crate::names::InterfaceName;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use mona_wire::Mac;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who tells of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteSource {
    /// The subnet of an interface.
    Connected,
    /// An interface's own address.
    Local,
    /// `ip route`
    Static,
    /// RIP
    Rip,
    /// BGP
    Bgp,
    /// EIGRP
    Eigrp,
    /// OSPF
    Ospf,
    /// IS-IS
    Isis,
    /// Another program, by the kernel.
    Kernel,
}

impl RouteSource {
    /// As `show ip route` says it in full.
    pub fn word(self) -> &'static str {
        match self {
            RouteSource::Connected => "connected",
            RouteSource::Local => "local",
            RouteSource::Static => "static",
            RouteSource::Rip => "rip",
            RouteSource::Bgp => "bgp",
            RouteSource::Eigrp => "eigrp",
            RouteSource::Ospf => "ospf",
            RouteSource::Isis => "isis",
            RouteSource::Kernel => "kernel",
        }
    }
}

/// Which routes are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    /// All.
    All,
    /// The one that a packet to this address takes.
    To(IpAddr),
    /// The one to this prefix.
    Prefix(IpNet),
    /// Those to prefixes within this one.
    Within(IpNet),
    /// Those of a source; `connected` means local ones too.
    Of(RouteSource),
}

/// `show ip route`, `show ipv6 route`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// Of IPv6.
    pub six: bool,
    /// Where packets go for which there is no other route; `None`: nowhere.
    pub last_resort: Option<LastResort>,
    /// The routes, ascending by prefix.
    pub routes: Vec<RouteRow>,
    /// So many more there are than are listed.
    pub more: usize,
    /// Of one family all routes: how many there are.
    pub total: usize,
}

/// The default route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastResort {
    /// Its first gateway; `None`: there is none, as with `Null0`.
    pub gateway: Option<IpAddr>,
    /// The network it is the route to.
    pub network: IpAddr,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteRow {
    /// Who tells of it.
    pub source: RouteSource,
    /// The destinations.
    pub prefix: IpNet,
    /// How much its source is trusted.
    pub distance: u8,
    /// What it costs.
    pub metric: u32,
    /// Its ways; none: what goes there is dropped (`Null0`), unless it is local.
    pub paths: Vec<PathRow>,
    /// Seconds since it is so.
    pub age_secs: u64,
}

/// One way of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathRow {
    /// By this interface.
    pub interface: InterfaceName,
    /// To this router; `None`: the destinations are there.
    pub gateway: Option<IpAddr>,
    /// Its share.
    pub weight: u16,
}

/// `show ip route summary`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteSummary {
    /// Of IPv6.
    pub six: bool,
    /// By source.
    pub sources: Vec<SourceRow>,
    /// How many prefixes of each length there are.
    pub lengths: Vec<(u8, usize)>,
    /// Of these routes so many found no room in the forwarding table.
    #[serde(default)]
    pub left_out: usize,
    /// How many it has room for.
    #[serde(default)]
    pub room: usize,
}

/// A row of [`RouteSummary`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRow {
    /// Whose routes.
    pub source: RouteSource,
    /// To whole networks of the old classes, or larger ones. (IPv6: all.)
    pub networks: usize,
    /// To parts of such.
    pub subnets: usize,
    /// Bytes they take.
    pub memory: usize,
}

/// A row of `show ip arp` and `show ipv6 neighbors`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighbourRow {
    /// The address.
    pub ip: IpAddr,
    /// Minutes since it was last known to be there; `None`: the router's own, or static.
    pub age_mins: Option<u64>,
    /// Its station address, if known.
    pub mac: Option<Mac>,
    /// `REACH`, `STALE`, `DELAY`, `PROBE`, `INCMP`
    pub state: String,
    /// Where.
    pub interface: InterfaceName,
}

/// An interface as `show ip interface` and `show ipv6 interface` print it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpInterface {
    /// Its name.
    pub name: InterfaceName,
    /// `shutdown`
    pub shutdown: bool,
    /// Is it up?
    pub up: bool,
    /// Why it is not.
    pub reason: Option<String>,
    /// Is it one of the router's? Else it switches.
    pub routed: bool,
    /// The address of IPv4.
    pub address: Option<Ipv4Net>,
    /// Further ones.
    pub secondary: Vec<Ipv4Net>,
    /// Bytes that an IPv4 packet may have.
    pub mtu: u16,
    /// Bytes that an IPv6 packet may have.
    pub mtu6: u16,
    /// The access list of IPv4 packets that leave, and of those that come in.
    pub lists: (Option<String>, Option<String>),
    /// The same of IPv6.
    pub lists6: (Option<String>, Option<String>),
    /// What is configured of IPv4.
    pub ip: Ip,
    /// Is IPv6 on?
    pub has_ip6: bool,
    /// The link-local address.
    pub link_local: Option<Ipv6Addr>,
    /// The addresses of IPv6.
    pub addresses6: Vec<Ipv6Net>,
    /// What is configured of IPv6.
    pub ipv6: Ip6,
    /// Are router advertisements sent?
    pub advertises: bool,
}

impl IpInterface {
    /// `ip verify unicast source …`
    pub fn verify(&self, six: bool) -> Option<Verify> {
        if six { self.ipv6.verify } else { self.ip.verify }
    }
}

/// `show ip traffic`, `show ipv6 traffic`: names and counts, in groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Of IPv6.
    pub six: bool,
    /// IP, ICMP, ARP, …
    pub sections: Vec<TrafficSection>,
}

/// What is counted about one protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficSection {
    /// `IP statistics`
    pub title: String,
    /// Received, sent, dropped, …
    pub groups: Vec<CountGroup>,
}

/// Counters of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountGroup {
    /// `Rcvd`, `Sent`, `Drop`, …
    pub title: String,
    /// The counters.
    pub counts: Vec<Count>,
}

/// A counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// What is counted.
    pub what: String,
    /// How often.
    pub count: u64,
}

/// An entry of `show ip cef`: what is done with a frame to this prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CefRow {
    /// The destinations; `None`: of no route.
    pub prefix: IpNet,
    /// What is done.
    pub does: CefDoes,
}

/// What is done with a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CefDoes {
    /// It is for the router, by the interface that has the address.
    Receive(Option<InterfaceName>),
    /// It is dropped (`Null0`).
    Drop,
    /// There is no route.
    NoRoute,
    /// It is forwarded by one of these.
    Forward(Vec<CefPath>),
}

/// One of the ways of a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CefPath {
    /// By this interface.
    pub interface: InterfaceName,
    /// To this router; `None`: attached.
    pub gateway: Option<IpAddr>,
    /// If the address asked for is known: the neighbour, with his station address as far as it is known.
    pub adjacency: Option<(IpAddr, Option<Mac>)>,
}

/// `ping`, `traceroute`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// To whom.
    pub to: IpAddr,
    /// From this interface's address.
    pub from: Option<ProbeSource>,
    /// How often (of `traceroute`: to each hop).
    pub repeat: u32,
    /// Bytes of the whole packet.
    pub size: u16,
    /// It is not to be fragmented.
    pub dont_fragment: bool,
    /// Until a packet counts as lost.
    #[serde(default = "two")]
    pub timeout_secs: u32,
    /// The first and the last router on the way that is asked.
    #[serde(default = "ttls")]
    pub ttls: (u8, u8),
    /// Along the path, router by router.
    pub trace: bool,
}

impl Probe {
    /// Routers that `traceroute` asks unless something else is said.
    pub const TTLS: (u8, u8) = (1, 30);
}

fn ttls() -> (u8, u8) {
    Probe::TTLS
}

/// What IOS waits.
fn two() -> u32 {
    2
}

/// `source …`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeSource {
    /// An address of the switch.
    Address(IpAddr),
    /// The address of an interface.
    Interface(InterfaceName),
}

/// What `ping` found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// What was asked.
    pub probe: Probe,
    /// The address it was sent from, if one was asked for.
    pub source: Option<IpAddr>,
    /// Of each packet, what came of it.
    pub answers: Vec<Answer>,
}

/// What `traceroute` found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traceroute {
    /// To whom.
    pub to: IpAddr,
    /// Number of the first hop.
    pub first: u8,
    /// Of each hop, what came of each packet.
    pub hops: Vec<Vec<Answer>>,
}

/// What came of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It was answered by this host after so many microseconds.
    Reply(IpAddr, u64),
    /// Its time to live was used up at this router, who said so after so many microseconds.
    Exceeded(IpAddr, u64),
    /// This router says that it cannot be delivered: the letter that IOS shows, and microseconds.
    Unreachable(IpAddr, char, u64),
    /// Nothing came.
    Silence,
    /// It could not be sent.
    Unsent,
}

/// The prefix of all addresses.
pub fn default_network(six: bool) -> IpNet {
    match six {
        true => Ipv6Net::default().into(),
        false => Ipv4Net::default().into(),
    }
}

/// How long the prefix of a network was when networks had classes (RFC 791 3.2): IOS still groups routes so.
pub fn class_length(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        ..128 => 8,
        128..192 => 16,
        192.. => 24,
    }
}
