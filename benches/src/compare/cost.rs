//! What a frame costs: CPU time at a rate that every device bears, CPU time of an idle device, round trips.

use super::{Part, Rounds, Sample, Wanted};
use crate::cpu::spent_by;
use crate::device::Device;
use crate::measure::round_trip;
use crate::rig::{Rig, Role};
use crate::traffic::Stream;
use std::time::Duration;

const OURS: &str = Device::MonaPacket.name();
const TUNED: &str = Device::BridgeTuned.name();
const TRIP: &str = "RTT us";
const COST: &str = "CPUs / Mpps";

/// Nanoseconds between frames: 0.25 Mpps.
const GAP: u64 = 4_000;

pub const PART: Part = Part {
    name: "cost",
    about: "CPUs that a million frames a second take, at 0.25 Mpps, without generator and sink; an idle device's share \
            of a CPU; round trips of single frames over an idle device",
    devices: &[
        Device::Nothing,
        Device::MonaPacket,
        Device::MonaPacketPlain,
        Device::MonaXdp,
        Device::Bridge,
        Device::BridgeTuned,
        Device::Ovs,
        Device::TcRedirect,
    ],
    measure,
    wanted: &[
        Wanted::Ratio { column: COST, ours: TUNED, theirs: OURS, at_least: 1.0 },
        Wanted::AtMost { column: "idle %", row: OURS, at_most: 2.0 },
        Wanted::Added { column: TRIP, ours: OURS, theirs: TUNED, at_most: 0.0 },
        Wanted::Added { column: "p99 us", ours: OURS, theirs: TUNED, at_most: 0.0 },
        Wanted::Added { column: TRIP, ours: Device::MonaPacketPlain.name(), theirs: TUNED, at_most: 30.0 },
    ],
    rounds: Rounds::Asked,
};

fn measure(sample: &mut Sample) -> Result<(), String> {
    let mut rig = Rig::new(sample.device)?;
    let stream = Stream { gap: GAP, ..Stream::default() };
    rig.teach(&stream)?;
    rig.warm(&stream)?;
    let sent = rig.blast(stream, 64, 2 * sample.settings.time)?;
    let all = (sent.took - sent.spun + sent.device).as_secs_f64() * 1e6 / sent.frames as f64;
    sample.put("with generator", all);
    // The first device is none at all: what is left is the generator's.
    let generator = sample.get(Device::Nothing.name(), "with generator").unwrap_or(0.0);
    if sample.device != Device::Nothing {
        sample.put(COST, all - generator);
        let total = || spent_by(&rig.world.processes());
        let (before, time) = (total(), Duration::from_secs(2));
        std::thread::sleep(time);
        sample.put("idle %", (total() - before).as_secs_f64() / time.as_secs_f64() * 100.0);
        let lost = 1.0 - sent.seen.frames as f64 / sent.frames as f64;
        if lost > 0.001 {
            sample.note(&format!("{:.1} % of 0.25 Mpps lost", lost * 100.0));
        }
    }
    drop(rig);
    sample.attempt(TRIP, |sample| {
        let mut rig = Rig::build(sample.device, Role::Bridged, false)?;
        let trip = round_trip(&mut rig, 1000, false)?;
        sample.put(TRIP, trip.median_us);
        sample.put("p99 us", trip.p99_us);
        sample.notes_of(&rig);
        Ok(())
    });
    Ok(())
}
