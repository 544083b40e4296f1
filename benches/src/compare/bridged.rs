//! 64-byte frames through a switch: one flow, a thousand, a hundred thousand.

use super::{Part, Rounds, Sample, Wanted};
use crate::device::Device;
use crate::measure::rate;
use crate::rig::Rig;
use crate::traffic::Stream;

const OURS: &str = Device::MonaPacket.name();
const PLAIN: &str = Device::MonaPacketPlain.name();
const UNGUARDED: &str = Device::MonaPacketUnguarded.name();
const XDP: &str = Device::MonaXdp.name();
const TUNED: &str = Device::BridgeTuned.name();
const ONE: &str = "one flow";
const THOUSAND: &str = "1,000 flows";
const MANY: &str = "100 k flows";

pub const PART: Part = Part {
    name: "bridged",
    about: "64-byte frames between two ports of a switch, Mpps; flows differ by their destination's address",
    devices: &[
        Device::Nothing,
        Device::MonaPacket,
        Device::MonaPacketPlain,
        Device::MonaPacketUnguarded,
        Device::MonaXdp,
        Device::MonaXdpPlain,
        Device::Bridge,
        Device::BridgeTuned,
        Device::Ovs,
        Device::Testpmd,
        Device::TcRedirect,
        Device::XdpRedirect,
    ],
    measure,
    wanted: &[
        ratio(ONE, OURS, Device::Bridge.name(), 1.4),
        ratio(THOUSAND, OURS, Device::Bridge.name(), 1.4),
        ratio(ONE, OURS, TUNED, 1.15),
        ratio(THOUSAND, OURS, TUNED, 1.15),
        ratio(MANY, OURS, TUNED, 1.1),
        ratio(ONE, OURS, Device::TcRedirect.name(), 0.97),
        ratio(THOUSAND, OURS, Device::TcRedirect.name(), 0.97),
        ratio(ONE, UNGUARDED, Device::TcRedirect.name(), 0.97),
        ratio(THOUSAND, UNGUARDED, Device::TcRedirect.name(), 0.97),
        ratio(ONE, XDP, TUNED, 1.3),
        ratio(THOUSAND, XDP, TUNED, 1.3),
        ratio(ONE, OURS, Device::Ovs.name(), 1.2),
        ratio(ONE, PLAIN, Device::Ovs.name(), 1.2),
        ratio(ONE, Device::MonaXdpPlain.name(), Device::Ovs.name(), 1.15),
    ],
    rounds: Rounds::Asked,
};

const fn ratio(column: &'static str, ours: &'static str, theirs: &'static str, at_least: f64) -> Wanted {
    Wanted::Ratio { column, ours, theirs, at_least }
}

fn measure(sample: &mut Sample) -> Result<(), String> {
    let mut rig = Rig::new(sample.device)?;
    let time = sample.settings.time;
    let one = rate(&mut rig, Stream::default(), 64, time)?;
    sample.put(ONE, one.mpps);
    sample.put(THOUSAND, rate(&mut rig, Stream { dmacs: 1000, ..Stream::default() }, 64, time)?.mpps);
    let stations = Stream { dmacs: sample.settings.stations, ..Stream::default() };
    sample.attempt(MANY, |sample| {
        sample.put(MANY, rate(&mut rig, stations, 64, time)?.mpps);
        Ok(())
    });
    sample.put("offered", one.offered_mpps);
    sample.put("worker %", one.device_busy * 100.0);
    if one.duplicate + one.reordered > 0 {
        sample.note(&format!("one flow: {} duplicate, {} reordered", one.duplicate, one.reordered));
    }
    sample.notes_of(&rig);
    Ok(())
}
