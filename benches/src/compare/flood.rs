//! What goes to all of a VLAN, by the number of its members.

use super::{Part, Sample, Wanted};
use crate::device::Device;
use crate::rig::Rig;
use crate::traffic::{Sink, Stream};
use mona_testbed::netns::inside;

const OURS: &str = Device::MonaPacket.name();
const PLAIN: &str = Device::MonaPacketPlain.name();
/// Copies of each frame, and members of the VLAN: one of them sends.
const SIZES: [(u8, &str); 4] = [(1, "to 1"), (3, "to 3"), (7, "to 7"), (15, "to 15")];

pub const PART: Part = Part {
    name: "flood",
    about: "64-byte broadcasts into a VLAN of 2, 4, 8 and 16 members: frames that reach the others, kpps each; and at most \
            so many copies in all, Mpps",
    devices: &[Device::MonaPacket, Device::MonaPacketPlain, Device::Bridge, Device::BridgeTuned],
    measure,
    wanted: &[faster("to 1"), faster("to 3"), faster("to 7"), faster("to 15")],
    once: false,
};

const fn faster(column: &'static str) -> Wanted {
    Wanted::Ratio { column, ours: OURS, theirs: PLAIN, at_least: 1.0 }
}

fn measure(sample: &mut Sample) -> Result<(), String> {
    let mut rig = Rig::new(sample.device)?;
    let namespace = rig.world.namespace("more");
    let stream = Stream { dmac: [0xff; 6], ..Stream::default() };
    let (mut sinks, mut most): (Vec<Sink>, f64) = (Vec::new(), 0.0);
    rig.announce("gen", stream.smac, 1);
    for (copies, column) in SIZES {
        while sinks.len() + 1 < usize::from(copies) {
            let number = sinks.len() as u8 + 3;
            let far = format!("m{number}");
            rig.add_port(number, (&namespace, &far))?;
            sinks.push(inside(&namespace, || Sink::new(&far))?);
        }
        rig.warm(&stream)?;
        let before: Vec<_> = sinks.iter().map(Sink::settled).collect();
        let sent = rig.blast(stream, 64, sample.settings.time)?;
        // The others see the generator's short run before the long one as well: they get what the first one gets.
        let seconds = sent.took.as_secs_f64();
        let rate = sent.seen.frames as f64 / seconds;
        let others = sinks.iter().zip(&before).map(|(sink, before)| sink.settled().since(before).frames);
        if let Some(least) = others.min().filter(|least| *least < sent.seen.frames * 99 / 100) {
            sample.note(&format!(
                "{column}: one gets {:.0} % of what another gets",
                least as f64 / sent.seen.frames as f64 * 100.0
            ));
        }
        most = most.max(rate * f64::from(copies));
        sample.put(column, rate / 1e3);
    }
    sample.put("copies Mpps", most / 1e6);
    sample.notes_of(&rig);
    Ok(())
}
