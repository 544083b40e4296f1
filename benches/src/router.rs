//! What a rig needs to be a router's: next hops at the sink, and as many routes as are asked for, by the kernel's tables.

use crate::device::Device;
use crate::rig::{Rig, mac_from};
use crate::teach::sum_of;
use crate::traffic::Stream;
use mona_testbed::netns::wait;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// Next hops, all at the sink.
pub const GATEWAYS: usize = 16;

/// The gateway of route number `n`.
pub fn gateway(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(198, 19, 1, 1 + (n % GATEWAYS) as u8)
}

impl Rig {
    /// Gives the sink the addresses of all next hops.
    pub fn add_gateways(&self) {
        for n in 0..GATEWAYS {
            self.world.exec(&self.sink_ns, &format!("ip addr add {}/16 dev s0", gateway(n)));
        }
    }

    /// The netdev that routes are entered for: the router's own where the router is Mona.
    pub fn way_out(&self) -> &'static str {
        if self.device.is_mona() { "gi0-2" } else { "p2" }
    }

    /// A stream for the router, not for what is behind it.
    pub fn to_router(&self, targets: u32) -> Stream {
        let dmac = match self.device {
            Device::Nothing | Device::Ovs => Stream::default().dmac,
            device => mac_from(&self.mac(&self.sw_ns, if device.is_mona() { "gi0-1" } else { "p1" })),
        };
        Stream { dmac, targets, ..Stream::default() }
    }

    /// A file for `ip -batch` with a route for each prefix.
    pub fn batch(&self, verb: &str, prefixes: &[(u32, u8)]) -> Result<PathBuf, String> {
        let mut text = String::with_capacity(prefixes.len() * 56);
        for (n, (address, length)) in prefixes.iter().enumerate() {
            let (address, gateway) = (Ipv4Addr::from_bits(*address), gateway(n));
            let _ = writeln!(text, "route {verb} {address}/{length} via {gateway} dev {} proto bgp", self.way_out());
        }
        let path = self.world.dir.join("routes");
        std::fs::write(&path, text).map_err(|e| e.to_string())?;
        Ok(path)
    }

    /// Enters a route for each prefix, and waits until the device has them.
    pub fn add_routes(&self, prefixes: &[(u32, u8)]) -> Result<(), String> {
        self.add_batch(&self.batch("add", prefixes)?)?;
        if self.device.is_mona() && !wait(|| self.routes() >= prefixes.len()) {
            return Err(format!("it has {} of {} routes", self.routes(), prefixes.len()));
        }
        Ok(())
    }

    /// Runs such a file.
    pub fn add_batch(&self, path: &Path) -> Result<(), String> {
        let made = self.world.attempt(&self.sw_ns, &format!("ip -batch {}", path.display()));
        made.status.success().then_some(()).ok_or_else(|| format!("ip: {}", String::from_utf8_lossy(&made.stderr)))
    }

    /// How many routes of IPv4 Mona has.
    pub fn routes(&self) -> usize {
        sum_of(&self.shown("show ip route summary"), &["networks", "subnets"]) as usize
    }
}
