//! The bare redirect that `benches/bpf/redirect.bpf.c` is.

use crate::rig::{Rig, mac_from, mac_of};
use crate::traffic::Stream;
use aya::maps::{HashMap, MapData};
use aya::programs::{SchedClassifier, TcAttachType, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use mona_testbed::netns::inside;

static OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/redirect.bpf.o");

/// Its programs, attached while this lives, and the netdevs p1 and p2.
pub struct Redirect {
    ebpf: Ebpf,
    ports: [u32; 2],
}

pub fn start(rig: &mut Rig, xdp: bool) -> Result<(), String> {
    let made = inside(&rig.sw_ns, || {
        let index = |name| nix::net::if_::if_nametoindex(name).map_err(|e| format!("{name}: {e}"));
        let mut ebpf = EbpfLoader::new().load(OBJECT).map_err(text)?;
        let ports = [index("p1")?, index("p2")?];
        let name = if xdp { "redirect_xdp" } else { "redirect_tc" };
        let program = ebpf.program_mut(name).expect("it is in the object");
        if xdp {
            let program: &mut Xdp = program.try_into().map_err(text)?;
            program.load().map_err(text)?;
            for port in ["p1", "p2"] {
                program.attach(port, XdpMode::Driver).map_err(text)?;
            }
        } else {
            let program: &mut SchedClassifier = program.try_into().map_err(text)?;
            program.load().map_err(text)?;
            for port in ["p1", "p2"] {
                program.attach(port, TcAttachType::Ingress).map_err(text)?;
            }
        }
        Ok::<_, String>(Redirect { ebpf, ports })
    });
    let mut redirect = made.map_err(|e| format!("the redirect: {e}"))?;
    // Broadcasts to the other port; stations of the hosts themselves.
    for mac in [[0xff; 6], mac_from(&rig.mac(&rig.sink_ns, "s0"))] {
        redirect.enter(mac, 0)?;
    }
    for mac in [[0xff; 6], mac_from(&rig.mac(&rig.gen_ns, "g0"))] {
        redirect.enter(mac, 1)?;
    }
    rig.redirect = Some(redirect);
    Ok(())
}

impl Redirect {
    /// Frames that come in by port `from` (0 or 1) for a station leave by the other.
    pub fn enter(&mut self, mac: [u8; 6], from: usize) -> Result<(), String> {
        let mut key = [0; 8];
        key[..6].copy_from_slice(&mac);
        key[6..].copy_from_slice(&(self.ports[from] as u16).to_ne_bytes());
        let map = self.ebpf.map_mut("stations").expect("it is in the object");
        let mut map = HashMap::<&mut MapData, [u8; 8], u32>::try_from(map).map_err(text)?;
        map.insert(key, self.ports[1 - from], 0).map_err(text)
    }

    /// The stream's stations, each behind its port.
    pub fn teach(&mut self, stream: &Stream) -> Result<(), String> {
        (0..stream.dmacs.max(1)).try_for_each(|number| self.enter(mac_of(stream.dmac, number), 0))?;
        (0..stream.smacs.max(1)).try_for_each(|number| self.enter(mac_of(stream.smac, number), 1))
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
