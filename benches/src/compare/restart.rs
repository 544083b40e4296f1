//! `kill -9` of the switch under load, and a start anew a second later: what a known flow loses.

use super::{Part, Rounds, Sample, Wanted};
use crate::device::Device;
use crate::rig::{Rig, last_cpu, on_cpu};
use crate::traffic::Stream;
use std::time::{Duration, Instant};

/// Nanoseconds between frames: 100 kpps.
const GAP: u64 = 10_000;
/// Large enough for the time it was sent at.
const SIZE: usize = 128;

pub const PART: Part = Part {
    name: "restart",
    about: "kill -9 at 100 kpps of one known flow, started again a second later: frames lost of 500,000, the longest \
            silence at the sink, and how long the new switch takes until it is ready",
    devices: &[Device::MonaPacket, Device::MonaPacketPlain, Device::MonaXdp],
    measure,
    wanted: &[
        Wanted::AtMost { column: "lost", row: Device::MonaPacket.name(), at_most: 0.0 },
        Wanted::AtMost { column: "lost", row: Device::MonaXdp.name(), at_most: 0.0 },
    ],
    rounds: Rounds::Asked,
};

fn measure(sample: &mut Sample) -> Result<(), String> {
    let mut rig = Rig::new(sample.device)?;
    let stream = Stream { gap: GAP, stamp: 1, ..Stream::default() };
    rig.teach(&stream)?;
    rig.warm(&stream)?;
    let path = rig.path();
    let mut switch = rig.switch.take().ok_or("only Mona is killed")?;
    let (sent, ready) = std::thread::scope(|scope| {
        let sender = scope.spawn(|| path.send(stream, SIZE, Duration::from_secs(5), false));
        std::thread::sleep(Duration::from_millis(1500));
        let began = Instant::now();
        on_cpu(last_cpu(), || rig.world.crash_and(&mut switch, "sleep 1"))?;
        let ready = began.elapsed() - Duration::from_secs(1);
        let sent = sender.join().map_err(|_| "the sender failed")??;
        Ok::<_, String>((sent, ready))
    })?;
    sample.put("lost", sent.frames as f64 - sent.seen.frames as f64);
    sample.put("silent ms", sent.seen.silence as f64 / 1e6);
    sample.put("duplicate", sent.seen.duplicate as f64);
    sample.put("reordered", sent.seen.reordered as f64);
    sample.put("ready ms", ready.as_secs_f64() * 1e3);
    sample.notes_of(&rig);
    Ok(())
}
