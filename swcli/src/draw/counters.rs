//! `show interfaces counters`: frames in, then frames out; `errors`.

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

/// `errors`: what IOS counts at a wire is nought here, the rest is what was dropped.
pub fn draw_errors(list: &[Interface]) -> Vec<String> {
    let heads = [
        "Port        Align-Err     FCS-Err    Xmit-Err     Rcv-Err   UnderSize  OutDiscards",
        "Port     Single-Col  Multi-Col   Late-Col  Excess-Col  Carri-Sen      Runts     Giants",
    ];
    let first = |i: &Interface| {
        let c = &i.counters;
        format!("{:<10}{:>11}{:>12}{:>12}{:>12}{:>12}{:>13}", i.name.short(), 0, 0, 0, c.rx_drops, c.runts, c.tx_drops)
    };
    let second = |i: &Interface| {
        let c = &i.counters;
        format!("{:<9}{:>10}{:>11}{:>11}{:>12}{:>11}{:>11}{:>11}", i.name.short(), 0, 0, 0, 0, 0, c.runts, c.giants)
    };
    let mut lines = vec![String::new(), heads[0].into()];
    lines.extend(list.iter().map(first));
    lines.extend([String::new(), heads[1].into()]);
    lines.extend(list.iter().map(second));
    lines
}
