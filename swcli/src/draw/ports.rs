//! `show platform ports`: which I/O each port uses, and why.

use mona_model::shown::PlatformPort;

/// The table.
pub fn draw(list: &[PlatformPort]) -> Vec<String> {
    let mut lines = vec![
        "Interface   Port Device          I/O    Attach  Memory    Queues Workers  Why".into(),
        "----------- ---- --------------- ------ ------- --------- ------ -------- ------------------------------"
            .into(),
    ];
    for p in list {
        let workers: Vec<String> = p.workers.iter().map(u8::to_string).collect();
        let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        lines.push(format!(
            "{:<11} {:>4} {:<15} {:<6} {:<7} {:<9} {:>6} {:<8} {}",
            p.name.short(),
            p.port,
            or_dash(&p.device),
            or_dash(&p.io),
            or_dash(&p.attach),
            or_dash(&p.memory),
            p.queues,
            or_dash(&workers.join(",")),
            p.why
        ));
    }
    lines
}
