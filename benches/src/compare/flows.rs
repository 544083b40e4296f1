//! New flows: what the first frame of one costs, and how many a second can be new.

use super::{Part, Rounds, Sample, Wanted};
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
    (250, "250 k/s"),
    (300, "300 k/s"),
    (400, "400 k/s"),
];
/// Frames of a flow (as many as open a connection), and how far apart.
const FRAMES: u64 = 3;
const APART: Duration = Duration::from_millis(15);
/// At real-time priority no longer than the kernel lets others wait.
const LONGEST: Duration = Duration::from_millis(800);

pub const PART: Part = Part {
    name: "flows",
    about: "what the first frame of a flow takes more than the next; the most new flows a second, of three frames each 15 ms \
            apart, of which none is lost and the first alone goes to userspace; Mpps if every frame is a new flow; and by new \
            flows a second, what the sender had time for of it, and per cent of frames delivered, and of those that are no \
            flow's first forwarded by the kernel",
    devices: &[Device::MonaPacket, Device::MonaPacketPlain, Device::MonaXdp, Device::BridgeTuned, Device::Ovs],
    measure,
    wanted: &[Wanted::AtLeast { column: MOST, row: OURS, at_least: 200.0 }],
    rounds: Rounds::Asked,
};

fn measure(sample: &mut Sample) -> Result<(), String> {
    sample.attempt("first frame", |sample| {
        let trip = |fresh| round_trip(&mut Rig::build(sample.device, Role::Bridged, false)?, 1000, fresh);
        // There and back: two of them.
        let first = (trip(true)?.median_us - trip(false)?.median_us) / 2.0;
        sample.put("first us", first);
        Ok(())
    });
    if !sample.device.is_mona() {
        return Ok(());
    }
    let mut rig = Rig::new(sample.device)?;
    let mut stream = Stream { smacs: 64, dmacs: 1 << 16, fresh: 1, repeats: FRAMES as u32, ..Stream::default() };
    rig.teach(&stream)?;
    let (name, mut most, mut shares) = (sample.device.name(), 0.0, Vec::new());
    let time = sample.settings.time.min(LONGEST);
    // It is at its best as long as all is well.
    let mut well = true;
    for (rate, column) in RATES {
        stream.gap = 1_000_000 / rate / FRAMES;
        stream.window = (APART.as_micros() as u64 * rate / 1000) as u32;
        // Each rate has flows of its own.
        stream.begin = stream.sequence;
        let before = hits(&rig);
        let sent = rig.blast(stream, 64, time)?;
        stream.sequence += sent.frames;
        // Until the first flows have their second and third frames, these are missing.
        let missing = u64::from(stream.window) * FRAMES * (FRAMES - 1) / 2;
        let delivered = sent.seen.frames as f64 / (sent.frames - missing) as f64;
        let later = (sent.frames / FRAMES * (FRAMES - 1) - missing) as f64;
        let remembered = before.zip(hits(&rig)).map(|(before, after)| (after - before) as f64 / later);
        // The sender's CPU may have no time for more: the kernel forwards on it.
        let offered = sent.frames as f64 / FRAMES as f64 / sent.took.as_secs_f64() / 1000.0;
        shares.push((column, offered, delivered, remembered));
        well &= delivered >= 0.999 && remembered.is_none_or(|share| share >= 0.99);
        if well {
            // Beginning and ending take some of the time.
            most = if offered >= 0.95 * rate as f64 { rate as f64 } else { offered };
        }
    }
    sample.put(MOST, most);
    let all = rig.blast(Stream { gap: 0, repeats: 0, ..stream }, 64, time)?;
    sample.put("all new Mpps", Rate::from(all).mpps);
    for (column, offered, delivered, remembered) in shares {
        sample.put_as(&format!("{name}: offered, k/s"), column, offered);
        sample.put_as(&format!("{name}: delivered"), column, delivered * 100.0);
        if let Some(share) = remembered {
            sample.put_as(&format!("{name}: by the kernel"), column, share * 100.0);
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
