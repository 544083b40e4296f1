//! `show processes cpu`.

use mona_model::shown_host::Processes;

/// The sums, then a row a thread.
pub fn draw(all: &Processes) -> Vec<String> {
    let [five_seconds, minute, five_minutes] = all.busy;
    let mut lines = vec![
        format!(
            "CPU utilization for five seconds: {five_seconds:.0}%/{:.0}%; one minute: {minute:.0}%; five minutes: \
             {five_minutes:.0}%",
            all.interrupts
        ),
        " PID Runtime(ms)     Invoked      uSecs   5Sec   1Min   5Min TTY Process".into(),
    ];
    lines.extend(all.threads.iter().map(|thread| {
        let each = thread.runtime_ms * 1000 / thread.invoked.max(1);
        let [five_seconds, minute, five_minutes] = thread.busy;
        format!(
            "{:>4} {:>11} {:>11} {each:>10} {five_seconds:>5.2}% {minute:>5.2}% {five_minutes:>5.2}%   0 {}",
            thread.pid, thread.runtime_ms, thread.invoked, thread.name
        )
    }));
    lines
}
