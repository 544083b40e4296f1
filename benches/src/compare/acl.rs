//! What access lists cost through two ports.

use super::{Part, Rounds, Sample};
use crate::device::Device;
use crate::measure::rate;
use crate::rig::Rig;
use crate::traffic::Stream;

pub const PART: Part = Part {
    name: "acl",
    about: "64-byte frames of 1,000 UDP flows past a list at the port, all decided by its last line, Mpps by lines",
    devices: &[Device::MonaPacket, Device::MonaPacketPlain],
    measure,
    wanted: &[],
    rounds: Rounds::Asked,
};

fn measure(sample: &mut Sample) -> Result<(), String> {
    let mut rig = Rig::new(sample.device)?;
    let stream = Stream { flows: 1000, ..Stream::default() };
    let mut rates = Vec::new();
    for (lines, column) in [(0, "0"), (10, "10"), (1000, "1,000")] {
        if lines > 0 {
            let mut list = vec!["configure terminal".to_string(), format!("ip access-list extended LINES{lines}")];
            list.extend((1..lines).map(|n| format!("deny udp 10.{}.{}.0 0.0.0.255 any eq {n}", n >> 8, n & 255)));
            list.push("permit ip any any".into());
            list.extend(["interface gi0/1".into(), format!("ip access-group LINES{lines} in"), "end".into()]);
            rig.cli(&list.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        rates.push(rate(&mut rig, stream, 64, sample.settings.time)?.mpps);
        sample.put(column, *rates.last().expect("just pushed"));
    }
    sample.put("1,000 of 0 %", rates[2] / rates[0] * 100.0);
    sample.notes_of(&rig);
    Ok(())
}
