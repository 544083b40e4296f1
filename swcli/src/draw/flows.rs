//! `show platform flow-cache`: what the kernel remembers.

use mona_model::shown::{FlowCache, FlowRow, Flows};

/// The summary.
pub fn draw(cache: &FlowCache) -> Vec<String> {
    let mut lines = vec![
        format!(
            "Flow cache is {}, flows go on for {} seconds without the switch",
            if cache.on { "on" } else { "off" },
            cache.hold_secs
        ),
        format!("{} flows of at most {}, {} entered", cache.flows, cache.room, cache.entered),
        String::new(),
        "Interface   Cache    Flows            Hits          Misses   Evictions  No room".into(),
        "----------- ----- -------- --------------- --------------- ----------- --------".into(),
    ];
    lines.extend(cache.ports.iter().map(|port| {
        format!(
            "{:<11} {:<5} {:>8} {:>15} {:>15} {:>11} {:>8}",
            port.name.short(),
            if port.on { "on" } else { "off" },
            port.flows,
            port.hits,
            port.misses,
            port.evictions,
            port.refused
        )
    }));
    lines.extend(draw_not_cached(&cache.not_cached));
    lines
}

fn draw_not_cached(reasons: &[(String, u64, String)]) -> Vec<String> {
    if reasons.is_empty() {
        return Vec::new();
    }
    let mut lines = vec!["".into(), "Not cached       Count  Because".into()];
    lines.push("---------- -----------  ------------------------------".into());
    lines.extend(reasons.iter().map(|(word, count, why)| format!("{word:<10} {count:>11}  {why}")));
    lines
}

/// The flows.
pub fn draw_flows(list: &Flows) -> Vec<String> {
    let mut lines = Vec::new();
    if list.total > list.flows.len() as u64 {
        lines.push(format!("{} flows, of which the busiest {} are shown", list.total, list.flows.len()));
        lines.push(String::new());
    }
    lines.push(
        "In          Tag  Source         Destination    Out         Tag          Frames             Bytes  Idle".into(),
    );
    lines.push(
        "----------- ---- -------------- -------------- ----------- ---- --------------- ----------------- -----"
            .into(),
    );
    lines.extend(list.flows.iter().flat_map(draw_flow));
    lines.extend(draw_not_cached(&list.not_cached));
    lines
}

fn draw_flow(flow: &FlowRow) -> Vec<String> {
    let tag = |vid: Option<u16>| vid.map_or("-".into(), |vid| vid.to_string());
    let mut lines = vec![format!(
        "{:<11} {:<4} {:<14} {:<14} {:<11} {:<4} {:>15} {:>17} {:>5}",
        flow.from.short(),
        tag(flow.tag),
        flow.src.to_string(),
        flow.dst.to_string(),
        flow.to.short(),
        tag(flow.tag_out),
        flow.frames,
        flow.bytes,
        flow.idle_secs
    )];
    let also = flow.also.iter().map(|(to, vid)| to.short() + &vid.map_or(String::new(), |vid| format!(" tag {vid}")));
    if !flow.also.is_empty() {
        lines.push(format!("  and to {}", also.collect::<Vec<_>>().join(", ")));
    }
    lines.extend(flow.matching.iter().map(|matching| format!("  matching {matching}")));
    lines
        .extend(flow.rewrite.iter().map(|(src, dst)| format!("  routed as {src} > {dst}, at most {} bytes", flow.mtu)));
    lines
}
