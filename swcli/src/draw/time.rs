//! Spans of time as IOS writes them.

/// `never`, `00:01:05`, `1d02h`, `3w4d`, `1y2w`.
pub fn ago(secs: Option<u64>) -> String {
    let Some(secs) = secs else { return "never".into() };
    let (minutes, hours, days, weeks) = (secs / 60, secs / 3600, secs / 86400, secs / (7 * 86400));
    match days {
        0 => format!("{hours:02}:{:02}:{:02}", minutes % 60, secs % 60),
        1..7 => format!("{days}d{:02}h", hours % 24),
        7..365 => format!("{weeks}w{}d", days % 7),
        _ => format!("{}y{}w", days / 365, days % 365 / 7),
    }
}

/// `1 year, 2 weeks, 3 days, 4 hours, 5 minutes`; parts that are zero are left out.
pub fn uptime(secs: u64) -> String {
    let days = secs / 86400;
    let parts = [
        (days / 365, "year"),
        (days % 365 / 7, "week"),
        (days % 365 % 7, "day"),
        (secs / 3600 % 24, "hour"),
        (secs / 60 % 60, "minute"),
    ];
    let words: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}{}", if *count == 1 { "" } else { "s" }))
        .collect();
    if words.is_empty() { "0 minutes".into() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let cases = [
            (None, "never"),
            (Some(0), "00:00:00"),
            (Some(65), "00:01:05"),
            (Some(86399), "23:59:59"),
            (Some(86400 + 7200), "1d02h"),
            (Some(9 * 86400), "1w2d"),
            (Some(400 * 86400), "1y5w"),
        ];
        for (secs, expect) in cases {
            assert_eq!(ago(secs), expect);
        }
        for (secs, expect) in [
            (59, "0 minutes"),
            (60, "1 minute"),
            (86400 + 2 * 3600 + 180, "1 day, 2 hours, 3 minutes"),
            (372 * 86400, "1 year, 1 week"),
        ] {
            assert_eq!(uptime(secs), expect);
        }
    }
}
