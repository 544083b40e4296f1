//! New flows: what the first frame of one costs, and how many a second can be new.

use super::{Part, Sample, Wanted};
use crate::device::Device;
use crate::measure::{Rate, round_trip};
use crate::rig::{Rig, Role};
use crate::teach::sum_of;
use crate::traffic::Stream;
use std::time::Duration;

const OURS: &str = Device::MonaPacket.name();
const MOST: &str = "new k/s";

/// New flows a second, in thousands.
const RATES: [(u64, &str); 7] = [
    (25, "25 k/s"),
    (50, "50 k/s"),
    (100, "100 k/s"),
    (200, "200 k/s"),
    (300, "300 k/s"),
    (400, "400 k/s"),
    (800, "800 k/s"),
];
/// Flows that are sent again, to see whether they were remembered.
const AGAIN: u64 = 10_000;

pub const PART: Part = Part {
    name: "flows",
    about: "what the first frame of a flow takes more than the next; the most new flows a second of which none is lost \
            and all are remembered; Mpps if every frame is a new flow; and by new flows a second, the frames delivered \
            and the flows remembered, per cent",
    devices: &[Device::MonaPacket, Device::MonaPacketPlain, Device::MonaXdp],
    measure,
    wanted: &[Wanted::AtLeast { column: MOST, row: OURS, at_least: 200.0 }],
    once: false,
};

fn measure(sample: &mut Sample) -> Result<(), String> {
    sample.attempt("first frame", |sample| {
        let trip = |fresh| round_trip(&mut Rig::build(sample.device, Role::Bridged, false)?, 1000, fresh);
        // There and back: two of them.
        let first = (trip(true)?.median_us - trip(false)?.median_us) / 2.0;
        sample.put("first us", first);
        Ok(())
    });
    let mut rig = Rig::new(sample.device)?;
    let mut stream = Stream { smacs: 64, dmacs: 1 << 16, fresh: 1, ..Stream::default() };
    rig.teach(&stream)?;
    let (name, mut most, mut shares) = (sample.device.name(), 0, Vec::new());
    // It is at its best as long as all is well.
    let mut well = true;
    for (rate, column) in RATES {
        stream.gap = 1_000_000 / rate;
        let sent = rig.send(stream, 64, sample.settings.time)?;
        let delivered = sent.seen.frames as f64 / sent.frames as f64;
        stream.sequence += sent.frames;
        let remembered = remembered(&rig, &stream)?;
        shares.push((column, delivered, remembered));
        well &= delivered >= 0.999 && remembered.is_none_or(|share| share >= 0.99);
        if well {
            most = rate;
        }
    }
    sample.put(MOST, most as f64);
    let all = rig.send(Stream { gap: 0, ..stream }, 64, sample.settings.time)?;
    sample.put("all new Mpps", Rate::from(all).mpps);
    for (column, delivered, remembered) in shares {
        sample.put_as(&format!("{name}: delivered"), column, delivered * 100.0);
        if let Some(share) = remembered {
            sample.put_as(&format!("{name}: remembered"), column, share * 100.0);
        }
    }
    sample.notes_of(&rig);
    Ok(())
}

/// Frames that found their flow so far; `None` if this Mona does not tell.
fn hits(rig: &Rig) -> Option<u64> {
    let shown = rig.shown("show platform flow-cache summary");
    (!shown.is_null()).then(|| sum_of(&shown, &["hits"]))
}

/// Of the last flows before this stream's next, the share that hits when it is sent slowly once more, and again: behind the
/// second frame of a flow it is replayed.
fn remembered(rig: &Rig, stream: &Stream) -> Result<Option<f64>, String> {
    std::thread::sleep(Duration::from_millis(500));
    let again = AGAIN.min(stream.sequence);
    let slowly = Stream { sequence: stream.sequence - again, gap: 20_000, ..*stream };
    rig.send(slowly, 64, Duration::from_nanos(again * slowly.gap))?;
    let Some(before) = hits(rig) else { return Ok(None) };
    rig.send(slowly, 64, Duration::from_nanos(again * slowly.gap))?;
    std::thread::sleep(Duration::from_millis(500));
    Ok(hits(rig).map(|after| (after - before) as f64 / again as f64))
}
