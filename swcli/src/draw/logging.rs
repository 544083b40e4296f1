//! `show logging`.

use mona_model::shown::Logging;

/// The head and the buffer.
pub fn draw(logging: &Logging) -> Vec<String> {
    let mut lines = vec![
        "Syslog logging: enabled (0 messages dropped, 0 messages rate-limited, 0 flushes, 0 overruns)".into(),
        String::new(),
        format!("    Console logging: level debugging, {} messages logged", logging.logged),
        format!("    Monitor logging: level debugging, {} sessions", logging.monitors),
        format!("    Buffer logging:  level debugging, {} messages logged", logging.logged),
        String::new(),
        format!("Log Buffer ({} lines):", logging.size),
        String::new(),
    ];
    lines.extend(logging.lines.iter().cloned());
    lines
}
