//! `show interfaces counters`: frames in, then frames out.

use mona_model::shown::Interface;

/// Both tables.
pub fn draw(list: &[Interface]) -> Vec<String> {
    let mut lines = vec![String::new(), "Port            InOctets    InUcastPkts    InMcastPkts    InBcastPkts".into()];
    for i in list {
        let c = &i.counters;
        lines.push(row(i, c.rx_bytes, c.rx_frames, c.rx_multicast, c.rx_broadcast));
    }
    lines.extend([String::new(), "Port           OutOctets   OutUcastPkts   OutMcastPkts   OutBcastPkts".into()]);
    for i in list {
        let c = &i.counters;
        lines.push(row(i, c.tx_bytes, c.tx_frames, c.tx_multicast, c.tx_broadcast));
    }
    lines
}

/// Unicast is the rest. The counters are read while frames pass, so the parts may be ahead of the sum.
fn row(i: &Interface, bytes: u64, frames: u64, multicast: u64, broadcast: u64) -> String {
    let unicast = frames.saturating_sub(multicast + broadcast);
    format!("{:<10}{bytes:>14} {unicast:>14} {multicast:>14} {broadcast:>14}", i.name.short())
}
