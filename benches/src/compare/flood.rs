//! What goes to all of a VLAN, by the number of its members.

use super::{Part, Rounds, Sample, Wanted};
use crate::device::Device;
use crate::rig::{Rig, first_in_line, pin};
use crate::traffic::{Sink, Stream, counted};
use mona_testbed::netns::inside;
use std::time::{Duration, Instant};

const OURS: &str = Device::MonaPacket.name();
const PLAIN: &str = Device::MonaPacketPlain.name();
const TUNED: &str = Device::BridgeTuned.name();
const COST: &str = "CPUs / Mcopies";
/// Nanoseconds between broadcasts that every device bears: 20 kpps.
const GAP: u64 = 50_000;
/// The rows of frames that a socket sent.
const FROM_A_HOST: &str = ", from a host";
/// Copies of each frame, and members of the VLAN: one of them sends.
const SIZES: [(u8, &str); 4] = [(1, "to 1"), (3, "to 3"), (7, "to 7"), (15, "to 15")];

pub const PART: Part = Part {
    name: "flood",
    about: "64-byte broadcasts into a VLAN of 2, 4, 8 and 16 members: frames that reach the others, kpps each; and at most \
            so many copies in all, Mpps. The generator's frames are a page each, those from a host (what broadcasts mostly \
            are) as small as a socket makes them; and CPUs that a million copies a second take, with the generator, at \
            20 kpps to 15",
    devices: &[Device::MonaPacket, Device::MonaPacketPlain, Device::Bridge, Device::BridgeTuned],
    measure,
    wanted: &[
        faster("to 1", OURS, PLAIN),
        faster("to 3", OURS, PLAIN),
        faster("to 7", OURS, PLAIN),
        faster("to 15", OURS, PLAIN),
        faster(COST, PLAIN, OURS),
        faster("to 1", OURS, TUNED),
        faster("to 3", OURS, TUNED),
        faster("to 7", OURS, TUNED),
        faster("to 15", OURS, TUNED),
        faster("to 7", "mona packet, from a host", "bridge nf-call=0, from a host"),
        faster("to 15", "mona packet, from a host", "bridge nf-call=0, from a host"),
    ],
    rounds: Rounds::Asked,
};

const fn faster(column: &'static str, ours: &'static str, theirs: &'static str) -> Wanted {
    Wanted::Ratio { column, ours, theirs, at_least: 1.0 }
}

fn measure(sample: &mut Sample) -> Result<(), String> {
    let mut rig = Rig::new(sample.device)?;
    let namespace = rig.world.namespace("more");
    let stream = broadcasts();
    let (mut sinks, mut most): (Vec<Sink>, f64) = (Vec::new(), 0.0);
    rig.announce("gen", stream.smac, 1);
    for (copies, column) in SIZES {
        grow(&rig, &namespace, &mut sinks, copies)?;
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
        let row = format!("{}{FROM_A_HOST}", sample.device.name());
        sample.put_as(&row, column, by_socket(&rig, &stream, sample.settings.time)? / 1e3);
    }
    sample.put("copies Mpps", most / 1e6);
    let paced = Stream { gap: GAP, ..stream };
    let sent = rig.blast(paced, 64, sample.settings.time)?;
    let spent = (sent.took - sent.spun + sent.device).as_secs_f64();
    sample.put(COST, spent * 1e6 / (sent.seen.frames * u64::from(SIZES[3].0)) as f64);
    sample.notes_of(&rig);
    Ok(())
}

/// What the generator sends.
pub fn broadcasts() -> Stream {
    Stream { dmac: [0xff; 6], ..Stream::default() }
}

/// Adds members until there are so many beside the sender; all but the rig's own sink are in this namespace.
pub fn grow(rig: &Rig, namespace: &str, sinks: &mut Vec<Sink>, copies: u8) -> Result<(), String> {
    while sinks.len() + 1 < usize::from(copies) {
        let number = sinks.len() as u8 + 3;
        let far = format!("m{number}");
        rig.add_port(number, (namespace, &far))?;
        sinks.push(inside(namespace, || Sink::new(&far))?);
    }
    Ok(())
}

/// The same sent by a socket, one by one: frames a second that reach one of the others.
pub fn by_socket(rig: &Rig, stream: &Stream, time: Duration) -> Result<f64, String> {
    let sink = inside(&rig.sink_ns, || Sink::new("s0"))?;
    let socket = rig.world.raw(&rig.gen_ns, "g0");
    let _first = rig.first()?;
    let before = sink.settled();
    let send = || {
        pin(0)?;
        first_in_line()?;
        let begin = Instant::now();
        for sequence in 0.. {
            if begin.elapsed() >= time {
                break;
            }
            socket.send(&counted(stream, sequence)).map_err(|e| format!("g0: {e}"))?;
        }
        Ok::<_, String>(begin.elapsed())
    };
    let took = std::thread::scope(|scope| scope.spawn(send).join()).map_err(|_| "the sending thread failed")??;
    Ok(sink.settled().since(&before).frames as f64 / took.as_secs_f64())
}
