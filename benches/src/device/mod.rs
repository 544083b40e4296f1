//! What stands between generator and sink, and how each is set up.

mod linux;
mod mona;
mod ovs;
mod redirect;
mod testpmd;

pub use ovs::stations as stations_of_ovs;
pub use redirect::Redirect;

use crate::rig::Rig;
use clap::ValueEnum;

/// A device under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Device {
    /// Nothing: the generator's own ceiling.
    Nothing,
    /// Mona on `packet` ports.
    MonaPacket,
    /// The same without the flow cache: every frame goes through userspace.
    MonaPacketPlain,
    /// Mona on `packet` ports by which the host's own programs may send too, as they may by ports of a bridge.
    MonaPacketUnguarded,
    /// Mona on `xdp` ports.
    MonaXdp,
    /// The same without the flow cache.
    MonaXdpPlain,
    /// The Linux bridge as this system has it.
    Bridge,
    /// The Linux bridge with `net.bridge.bridge-nf-call-*=0`.
    BridgeTuned,
    /// Linux `ip_forward`.
    IpForward,
    /// Open vSwitch in userspace on AF_XDP.
    Ovs,
    /// DPDK testpmd, `io` forwarding on AF_XDP.
    Testpmd,
    /// A redirect by one look-up in a hash map at tcx, and nothing else.
    TcRedirect,
    /// The same at XDP.
    XdpRedirect,
}

impl Device {
    /// As the table calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Device::Nothing => "generator and sink",
            Device::MonaPacket => "mona packet",
            Device::MonaPacketPlain => "mona packet, no cache",
            Device::MonaPacketUnguarded => "mona packet, unguarded",
            Device::MonaXdp => "mona xdp",
            Device::MonaXdpPlain => "mona xdp, no cache",
            Device::Bridge => "bridge as installed",
            Device::BridgeTuned => "bridge nf-call=0",
            Device::IpForward => "linux ip_forward",
            Device::Ovs => "ovs afxdp",
            Device::Testpmd => "testpmd af_xdp",
            Device::TcRedirect => "bare tc redirect",
            Device::XdpRedirect => "bare xdp redirect",
        }
    }

    /// Is it Mona?
    pub fn is_mona(self) -> bool {
        use Device::{MonaPacket, MonaPacketPlain, MonaPacketUnguarded, MonaXdp, MonaXdpPlain};
        matches!(self, MonaPacket | MonaPacketPlain | MonaPacketUnguarded | MonaXdp | MonaXdpPlain)
    }

    /// Do its ports have an XDP program of their own, by which live frames may enter?
    pub fn has_xdp(self) -> bool {
        use Device::{MonaXdp, MonaXdpPlain, Nothing, Ovs, Testpmd, XdpRedirect};
        matches!(self, MonaXdp | MonaXdpPlain | Ovs | Testpmd | Nothing | XdpRedirect)
    }

    /// Does it send by XDP, which a veth takes only if its far end has NAPI?
    pub fn sends_by_xdp(self) -> bool {
        matches!(self, Device::MonaXdp | Device::XdpRedirect)
    }

    /// Sets it up in a rig whose cables are there.
    pub fn set_up(self, rig: &mut Rig) -> Result<(), String> {
        match self {
            Device::Nothing => Ok(()),
            Device::MonaPacket => mona::start(rig, "packet", None),
            Device::MonaPacketPlain => mona::start(rig, "packet", Some("no platform flow-cache")),
            Device::MonaPacketUnguarded => mona::start(rig, "packet", Some("platform host-frames")),
            Device::MonaXdp => mona::start(rig, "xdp", None),
            Device::MonaXdpPlain => mona::start(rig, "xdp", Some("no platform flow-cache")),
            Device::Bridge => linux::bridge(rig, 1),
            Device::BridgeTuned => linux::bridge(rig, 0),
            Device::IpForward => linux::ip_forward(rig),
            Device::Ovs => ovs::start(rig),
            Device::Testpmd => testpmd::start(rig),
            Device::TcRedirect => redirect::start(rig, false),
            Device::XdpRedirect => redirect::start(rig, true),
        }
    }
}
