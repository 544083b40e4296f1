//! TCP by iperf3, offloads as veths have them.

use super::{Part, Rounds, Sample, Wanted};
use crate::device::Device;
use crate::measure::tcp;
use crate::rig::{Rig, Role};

const OURS: &str = Device::MonaPacket.name();
const PLAIN: &str = Device::MonaPacketPlain.name();
const TUNED: &str = Device::BridgeTuned.name();
const LINUX: &str = Device::IpForward.name();

/// Of a run, after a second that does not count.
const SECONDS: u32 = 2;

pub const PART: Part = Part {
    name: "tcp",
    about: "iperf3 through a switch and through a router, one stream and four, Gb/s",
    devices: &[
        Device::MonaPacket,
        Device::MonaPacketPlain,
        Device::MonaXdp,
        Device::Bridge,
        Device::BridgeTuned,
        Device::IpForward,
        Device::TcRedirect,
    ],
    measure,
    wanted: &[
        Wanted::Ratio { column: "bridged 1", ours: OURS, theirs: TUNED, at_least: 1.0 },
        Wanted::Ratio { column: "bridged 4", ours: OURS, theirs: TUNED, at_least: 1.0 },
        Wanted::Ratio { column: "bridged 1", ours: PLAIN, theirs: TUNED, at_least: 0.55 },
        Wanted::Ratio { column: "routed 1", ours: OURS, theirs: LINUX, at_least: 1.0 },
        Wanted::Ratio { column: "routed 4", ours: OURS, theirs: LINUX, at_least: 1.0 },
        Wanted::Ratio { column: "routed 1", ours: PLAIN, theirs: LINUX, at_least: 0.6 },
    ],
    rounds: Rounds::Many,
};

fn measure(sample: &mut Sample) -> Result<(), String> {
    let device = sample.device;
    for (role, name) in [(Role::Bridged, "bridged"), (Role::Routed, "routed")] {
        let can = match role {
            Role::Bridged => device != Device::IpForward,
            Role::Routed => device.is_mona() || device == Device::IpForward,
        };
        if !can {
            continue;
        }
        for streams in [1, 4] {
            let column = format!("{name} {streams}");
            // A rig of its own for each: one that hangs is given up, and the next begins anew.
            sample.attempt(&column, |sample| {
                let rig = Rig::build(device, role, false)?;
                sample.notes_of(&rig);
                sample.put(&column, tcp(&rig, streams, SECONDS)?);
                Ok(())
            });
        }
    }
    Ok(())
}
