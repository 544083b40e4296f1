//! Mona: a switch or a router of two ports.

use crate::rig::{Rig, Role, last_cpu, on_cpu};
use mona_testbed::netns::wait;

const BRIDGED: &str = "interface GigabitEthernet0/1\n device p1\ninterface GigabitEthernet0/2\n device p2\nend\n";

const ROUTED: &str = "\
interface GigabitEthernet0/1
 no switchport
 device p1
 ip address 198.18.255.254 255.255.0.0
interface GigabitEthernet0/2
 no switchport
 device p2
 ip address 198.19.255.254 255.255.0.0
end
";

/// With a line of configuration more, or without.
pub fn start(rig: &mut Rig, io: &str, line: Option<&str>) -> Result<(), String> {
    let namespace = rig.sw_ns.clone();
    let config = match rig.role {
        Role::Bridged => BRIDGED,
        Role::Routed => ROUTED,
    };
    // Pinned with all its threads, as what it starts is.
    let switch = on_cpu(last_cpu(), || rig.world.holding(&namespace, config, &["--workers", "1", "--io", io]))?;
    if let Some(line) = line {
        let (known, text) = rig.world.try_cli(&switch, &["configure terminal", line, "end", "write memory"]);
        if !known {
            let why = text.lines().find(|line| line.contains('%')).unwrap_or("refused").trim().to_string();
            rig.notes.push(format!("`{line}`: {why}"));
        }
    }
    let shown = if rig.role == Role::Routed { "show ip interface brief" } else { "show interfaces status" };
    let up = |text: String| match rig.role {
        Role::Bridged => text.matches("connected").count() >= 2,
        Role::Routed => {
            text.lines().filter(|line| line.contains("198.1") && line.trim_end().ends_with("up")).count() >= 2
        }
    };
    if !wait(|| up(rig.world.cli(&switch, &[shown]))) {
        return Err(format!("the ports do not come up:\n{}", rig.world.cli(&switch, &[shown])));
    }
    rig.switch = Some(switch);
    Ok(())
}
