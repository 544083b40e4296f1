//! `packet-tracer`: each decision, the configuration behind it, and where the frame ends.

use mona_model::shown::Trace;

/// The story of one frame.
pub fn draw(trace: &Trace) -> Vec<String> {
    let mut lines = Vec::new();
    for (n, step) in trace.steps.iter().enumerate() {
        lines.push(format!("{:>2}. {:<10} {}", n + 1, step.phase, step.text));
        lines.extend(step.config.iter().map(|line| format!("{:15}| {line}", "")));
    }
    lines.push(String::new());
    lines.extend(trace.drop.iter().map(|reason| format!("Result: dropped, {reason}")));
    for (interface, vid) in &trace.out {
        let tag = vid.map_or("untagged".into(), |vid| format!("tagged {vid}"));
        lines.push(format!("Result: out by {interface}, {tag}"));
    }
    lines.extend(trace.host.iter().map(|netdev| format!("Result: to the switch itself, {netdev}")));
    if trace.drop.is_none() && trace.out.is_empty() && trace.host.is_empty() {
        lines.push("Result: no other port to leave by".into());
    }
    lines
}
