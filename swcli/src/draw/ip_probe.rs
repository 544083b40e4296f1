//! `ping`, `traceroute`.

use super::address;
use mona_model::shown_ip::{Answer, Ping, Traceroute};
use std::net::IpAddr;

/// Answers in a line.
const WIDTH: usize = 70;

/// What came of a ping.
pub fn draw_ping(ping: &Ping) -> Vec<String> {
    let probe = &ping.probe;
    let mut lines = vec![
        "Type escape sequence to abort.".to_string(),
        format!(
            "Sending {}, {}-byte ICMP Echos to {}, timeout is {} seconds:",
            ping.answers.len(),
            probe.size,
            address(probe.to),
            probe.timeout_secs
        ),
    ];
    lines.extend(ping.source.map(|from| format!("Packet sent with a source address of {} ", address(from))));
    if probe.dont_fragment {
        lines.push("Packet sent with the DF bit set".into());
    }
    let letters: Vec<char> = ping.answers.iter().map(letter).collect();
    lines.extend(letters.chunks(WIDTH).map(String::from_iter));
    let times: Vec<u64> = ping.answers.iter().filter_map(time).collect();
    let (sent, came) = (ping.answers.len(), times.len());
    let rate = (came * 100).checked_div(sent).unwrap_or(0);
    let millis = |micros: u64| micros.div_ceil(1000);
    let trip = match (times.iter().min(), times.iter().max()) {
        (Some(min), Some(max)) => {
            let mean = times.iter().sum::<u64>() / came as u64;
            format!(", round-trip min/avg/max = {}/{}/{} ms", millis(*min), millis(mean), millis(*max))
        }
        _ => String::new(),
    };
    lines.push(format!("Success rate is {rate} percent ({came}/{sent}){trip}"));
    lines
}

fn time(answer: &Answer) -> Option<u64> {
    match answer {
        Answer::Reply(_, micros) => Some(*micros),
        Answer::Exceeded(..) | Answer::Unreachable(..) | Answer::Silence | Answer::Unsent => None,
    }
}

fn letter(answer: &Answer) -> char {
    match answer {
        Answer::Reply(..) => '!',
        Answer::Exceeded(..) => '&',
        // IOS: M could not fragment, U any other.
        Answer::Unreachable(_, 'M', _) => 'M',
        Answer::Unreachable(..) => 'U',
        Answer::Silence | Answer::Unsent => '.',
    }
}

/// The routers on the way.
pub fn draw_trace(trace: &Traceroute) -> Vec<String> {
    let mut lines = vec![
        "Type escape sequence to abort.".to_string(),
        format!("Tracing the route to {}", address(trace.to)),
        String::new(),
    ];
    for (n, answers) in trace.hops.iter().enumerate() {
        let mut line = format!("{:>3}", n + usize::from(trace.first));
        let mut last: Option<IpAddr> = None;
        for answer in answers {
            let (who, said) = match answer {
                Answer::Reply(who, micros) | Answer::Exceeded(who, micros) => {
                    (Some(*who), format!("{} msec", micros.div_ceil(1000)))
                }
                Answer::Unreachable(who, letter, _) => (Some(*who), format!("!{letter}")),
                Answer::Silence | Answer::Unsent => (None, " *".into()),
            };
            if let Some(who) = who.filter(|who| last != Some(*who)) {
                line += &format!(" {}", address(who));
                last = Some(who);
            }
            line += &format!(" {said}");
        }
        lines.push(line);
    }
    lines
}
