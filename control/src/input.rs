//! What comes into the control machine and what goes out of it: closed, serialisable enums. A log of inputs *is* a bug
//! report (`switchd --record`, `testbed replay`).

use crate::counters::Counted;
use crate::printer;
use crate::probe::Job;
use crate::rib::Refusal;
use ipnet::IpNet;
use mona_datapath::changes::Changes;
use mona_datapath::out::{Seen, Told};
use mona_datapath::switching::{IoChoice, Opened};
use mona_model::api::Reply;
use mona_model::config::Config;
use mona_model::rows::Action;
use mona_model::shared::SharedMap;
use mona_model::shown::Shown;
use mona_wire::{Mac, PortId, VlanId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Unique while the daemon runs; replies go there.
    pub id: u64,
    /// Privilege of the request: 1 or 15.
    pub privilege: u8,
    /// Unix user name (or uid).
    pub user: String,
    /// `console`, `vty0`, `swctl`.
    pub origin: String,
}

/// Everything the outside can tell the switch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// The clock moved; nothing else happened.
    Time,
    /// Wall-clock time at switch time zero, microseconds since 1970, UTC: log lines are stamped with it. First input of
    /// a record.
    Wall(u64),
    /// The saved configuration, whole: one transaction, unusable lines are reported and the rest applies.
    Startup(String),
    /// The ports that hooks had added before a restart (text of the `/run` file): applied after [`Input::Startup`].
    Restore(String),
    /// The neighbours that were known before a restart (text of the `/run` file).
    Neighbours(String),
    /// A line from a client.
    Line {
        /// Who asked.
        session: Session,
        /// Of the request; returned with the reply.
        id: u64,
        /// The mode it was typed in.
        context: Vec<String>,
        /// The line.
        line: String,
    },
    /// Ports that the switch before this one left attached: the kernel indices of their devices, and the numbers they are
    /// to have again.
    Left(Vec<(u32, PortId)>),
    /// A netdev appeared or changed (also sent for every netdev at the start).
    Device(Device),
    /// A netdev of that index vanished.
    DeviceGone {
        /// Kernel index.
        ifindex: u32,
        /// Its name.
        name: String,
    },
    /// The rim opened a port, or could not (a sentence).
    Opened {
        /// Which.
        port: PortId,
        /// The netdev's name and kernel index when it was opened.
        device: String,
        /// How it went.
        result: Result<Opened, String>,
    },
    /// Workers saw sources that they do not know.
    Seen(Vec<Seen>),
    /// Stations whose age stamp is older than the ageing time (the rim scans the table, since workers write the stamps).
    Idle(Vec<(VlanId, Mac)>),
    /// A frame for the switch itself.
    Frame {
        /// The port it came in on.
        port: PortId,
        /// All of it.
        bytes: Vec<u8>,
    },
    /// Who the switch is; among the first inputs of a record.
    Identity {
        /// The router's MAC: the same after every restart.
        mac: Mac,
        /// What the netdevs begin with that are the switch's own: `mona` of `mona-vlan10`.
        name: String,
    },
    /// Routes that others (routing daemons) entered into the kernel by the switch's own interfaces, or took back.
    Routes(Vec<KernelRoute>),
    /// A frame that workers show as it came in: dropped, or heard on its way.
    Exception {
        /// The port it came in on.
        port: PortId,
        /// The VLAN it came in.
        vlan: VlanId,
        /// Why it is shown.
        why: Told,
        /// All of it, complete in its checksums.
        bytes: Vec<u8>,
    },
    /// Neighbours that workers sent to since they were asked last (the rim looks, since workers write the stamps).
    NeighboursUsed(Vec<(VlanId, IpAddr)>),
    /// A `ping` or `traceroute` ended.
    Probed {
        /// The session that asked.
        session: u64,
        /// Of its request.
        id: u64,
        /// The mode it was typed in.
        context: Vec<String>,
        /// What it found, or why it could not begin.
        result: Result<Shown, String>,
    },
    /// The configuration was written to disk, or could not be.
    Saved {
        /// The session that asked.
        session: u64,
        /// Of its request.
        id: u64,
        /// How it went.
        result: Result<(), String>,
    },
}

/// A netdev as the kernel describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Kernel index.
    pub ifindex: u32,
    /// `veth`, `tun`, `bridge`, …; empty for physical ones.
    pub kind: String,
    /// IFF_UP.
    pub admin_up: bool,
    /// IFF_LOWER_UP: there is a carrier.
    pub carrier: bool,
    /// MTU, bytes.
    pub mtu: u32,
    /// Its address.
    pub mac: Option<Mac>,
    /// Index of the bridge, bond or switch it belongs to.
    pub master: Option<u32>,
    /// Kind of that master as far as the kernel tells (`bridge`, `openvswitch`, …).
    pub master_kind: Option<String>,
    /// Does the host have an address (other than IPv6 link-local) on it?
    pub has_address: bool,
    /// Does the host's default route leave by it?
    pub has_default_route: bool,
}

/// A route in the kernel's main table whose ways all lead by the switch's own interfaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelRoute {
    /// The destinations.
    pub prefix: IpNet,
    /// Who entered it (RTPROT: 186 BGP, 188 OSPF, …).
    pub protocol: u8,
    /// Its metric (RTA_PRIORITY): routes of one prefix and different metrics stand beside each other.
    pub metric: u32,
    /// Its ways; `None`: it is gone; without any: what goes there is dropped.
    pub hops: Option<Vec<KernelHop>>,
    /// What is said of what it drops.
    #[serde(default)]
    pub refusal: Refusal,
}

/// One way of a [`KernelRoute`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelHop {
    /// The next router; `None`: the destinations are on the link.
    pub gateway: Option<IpAddr>,
    /// The netdev, such as `vlan10`.
    pub device: String,
    /// Its share among the ways, 1 to 256.
    pub weight: u16,
}

/// What the switch's own interfaces are to Linux: netdevs, each one end of a veth pair whose other end is a port, with the
/// addresses of the interface, and the routes by them. Whole every time; the rim makes the kernel follow it and leaves alone
/// what is not the switch's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostPlan {
    /// By name: `vlan10`, `gi0-1`, `gi0-1.100`, `lo0`.
    pub links: BTreeMap<String, HostLink>,
    /// Static routes, under a protocol number of the switch's own. (The kernel makes the connected ones itself.)
    pub routes: SharedMap<IpNet, HostRoute>,
}

/// One netdev of the [`HostPlan`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLink {
    /// The other end, which is the switch's port.
    pub peer: String,
    /// Its address: the router's.
    pub mac: Mac,
    /// Bytes.
    pub mtu: u32,
    /// Is the interface up? A netdev that is down has no routes.
    pub up: bool,
    /// Its addresses, the primary one first.
    pub addresses: Vec<IpNet>,
    /// Its link-local address; `None`: it does not speak IPv6.
    pub link_local: Option<Ipv6Addr>,
    /// How often an address is probed before it is used (RFC 4862 5.1).
    pub dad_attempts: u32,
}

/// A static route of the [`HostPlan`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRoute {
    /// Its administrative distance, by which routing daemons on this host weigh it against their own.
    pub distance: u8,
    /// Its ways; many routes have the same.
    pub hops: Arc<[HostHop]>,
}

/// One way of a static route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostHop {
    /// The next router; `None`: the destinations are on the link.
    pub gateway: Option<IpAddr>,
    /// The netdev; `None` drops (`Null0`).
    pub device: Option<String>,
}

/// Everything the switch asks of the outside.
#[derive(Clone)]
pub enum Output {
    /// The switch's own interfaces are to look so to Linux.
    Host(Arc<HostPlan>),
    /// Send a frame of the switch's own, complete with its tag, by a port.
    Inject {
        /// Which.
        port: PortId,
        /// The frame.
        frame: Vec<u8>,
    },
    /// Answer to a session.
    Reply {
        /// Which.
        session: u64,
        /// The answer.
        reply: Reply,
    },
    /// Open a port; the answer is [`Input::Opened`].
    Open {
        /// Which.
        port: PortId,
        /// The netdev.
        device: String,
        /// How.
        io: IoChoice,
    },
    /// Close a port and give its netdev back as it was.
    Close {
        /// Which.
        port: PortId,
        /// The netdev.
        device: String,
    },
    /// Set the netdev up or down (`shutdown` takes the link down for the peer).
    SetUp {
        /// The netdev.
        device: String,
        /// Up?
        up: bool,
    },
    /// Set the netdev's MTU.
    SetMtu {
        /// The netdev.
        device: String,
        /// Bytes.
        mtu: u32,
    },
    /// Workers shall decide by this.
    Publish(Arc<mona_datapath::Snapshot>),
    /// Flows that depend on these are stale, once workers decide by what was published.
    Raise(Changes),
    /// A log line, complete with time stamp, for the buffer's readers: stderr and `terminal monitor` sessions.
    Log(String),
    /// Write the startup-config; the answer is [`Input::Saved`].
    Save {
        /// Who asked.
        session: u64,
        /// Of the request.
        id: u64,
        /// What it is to say; who writes it prints it, which takes a second of a million lines.
        config: Box<Config>,
    },
    /// Keep the ports that hooks added (the `/run` file's text; whole every time).
    Keep(String),
    /// Keep the neighbours that are known (the `/run` file's text; whole every time).
    KeepNeighbours(String),
    /// The session wants log lines, or no more.
    Monitor {
        /// Which.
        session: u64,
        /// On?
        on: bool,
    },
    /// Counters of a port or a router start from zero now (cleared, or a new owner).
    ClearCounters(Counted),
    /// Counters of lines of access lists start from zero now (cleared, or a new owner).
    ClearMatches(Vec<u32>),
    /// A session wants to see something: the rim answers it with [`Switch::show`](crate::switch::Switch::show), which
    /// changes nothing.
    Show {
        /// Who asked.
        session: Session,
        /// Of the request.
        id: u64,
        /// The mode it was typed in, and stays in.
        context: Vec<String>,
        /// What.
        action: Action,
    },
    /// A session wants to see a configuration: who prints it answers.
    Print(printer::Job),
    /// Ping or trace; the answer is [`Input::Probed`].
    Probe(Job),
    /// The stations of these reports moved: workers may have seen them elsewhere since, which is then reported again.
    LookAgain(Vec<Seen>),
    /// Look for neighbours that were sent to since the last time; the answer is [`Input::NeighboursUsed`].
    ScanNeighbours,
    /// Look for dynamic stations that no frame was seen from for more than `limit` epochs; the answer is
    /// [`Input::Idle`].
    Scan {
        /// Epochs.
        limit: u16,
    },
}
