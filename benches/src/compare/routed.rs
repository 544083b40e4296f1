//! 64-byte packets through a router: one route, and a million with few and with all of them in use.

use super::{Part, Rounds, Sample, Wanted};
use crate::device::Device;
use crate::measure::{Rate, rate};
use crate::prefixes::{addresses, prefixes};
use crate::rig::{Rig, Role};
use crate::traffic::Stream;

const OURS: &str = Device::MonaPacket.name();
const PLAIN: &str = Device::MonaPacketPlain.name();
const LINUX: &str = Device::IpForward.name();
const ONE: &str = "1 route";
const ACTIVE: &str = "1 M, 1,000 flows";
const RANDOM: &str = "1 M, no flow twice";

pub const PART: Part = Part {
    name: "routed",
    about: "64-byte packets between two ports of a router, Mpps; the last column at ordinary priority",
    devices: &[
        Device::Nothing,
        Device::MonaPacket,
        Device::MonaPacketPlain,
        Device::MonaXdp,
        Device::IpForward,
        Device::Ovs,
    ],
    measure,
    wanted: &[
        Wanted::Ratio { column: ONE, ours: OURS, theirs: LINUX, at_least: 1.05 },
        Wanted::Ratio { column: ACTIVE, ours: OURS, theirs: LINUX, at_least: 1.15 },
        Wanted::Ratio { column: ONE, ours: OURS, theirs: "mona packet, bridged", at_least: 0.9 },
        Wanted::Ratio { column: ONE, ours: PLAIN, theirs: "mona packet, no cache, bridged", at_least: 0.9 },
        Wanted::Ratio { column: ONE, ours: OURS, theirs: Device::Ovs.name(), at_least: 1.0 },
    ],
    rounds: Rounds::Asked,
};

fn measure(sample: &mut Sample) -> Result<(), String> {
    let (device, time) = (sample.device, sample.settings.time);
    let mut rig = Rig::build(device, Role::Routed, true)?;
    rig.add_gateways();
    let has_table = !matches!(device, Device::Nothing | Device::Ovs);
    let all = prefixes(sample.settings.routes);
    if has_table {
        rig.add_routes(&[(0x1000_0000, 4)])?;
    }
    rig.targets = [[16, 0, 0, 1].into()].into();
    let stream = rig.to_router(1);
    let one = rate(&mut rig, stream, 64, time)?;
    sample.put(ONE, one.mpps);
    sample.put("offered", one.offered_mpps);
    sample.put("worker %", one.device_busy * 100.0);
    sample.attempt("1 M routes", |sample| {
        if device == Device::Ovs {
            return Err("in userspace it has rules, no table of routes for what it forwards".into());
        }
        if has_table {
            rig.sw(&format!("ip route del 16.0.0.0/4 dev {}", rig.way_out()));
            rig.add_routes(&all)?;
        }
        rig.targets = addresses(&all, all.len()).into();
        let stream = rig.to_router(1_000);
        sample.put(ACTIVE, rate(&mut rig, stream, 64, time)?.mpps);
        let random = Stream { fresh: 1, ..rig.to_router(rig.targets.len() as u32) };
        sample.put(RANDOM, Rate::from(rig.send(random, 64, time)?).mpps);
        Ok(())
    });
    sample.notes_of(&rig);
    drop(rig);
    if matches!(device, Device::MonaPacket | Device::MonaPacketPlain) {
        let bridged = rate(&mut Rig::new(device)?, Stream::default(), 64, time)?;
        sample.put_as(&format!("{}, bridged", device.name()), ONE, bridged.mpps);
    }
    Ok(())
}
