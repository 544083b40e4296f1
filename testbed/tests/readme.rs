//! The README's "Ten things" are true: what is to be typed there is accepted, in the order it stands there, and what is to be
//! printed is printed.

use mona_testbed::netns::{Switch, World, wait};

/// With what the commands begin that are for the switch; other words between backquotes are something else.
const COMMANDS: [&str; 11] =
    ["show", "switchport", "vlan", "interface", "ip", "ipv6", "no", "ping", "traceroute", "packet-tracer", "write"];
/// Where a command may be typed.
const MODES: [&[&str]; 4] = [
    &[],
    &["configure terminal"],
    &["configure terminal", "interface gi0/2"],
    &["configure terminal", "interface vlan 10"],
];

#[test]
fn ten_things() {
    let text = include_str!("../../README.md");
    let section = text.split("\n## ").find(|section| section.starts_with("Ten things")).expect("the section");
    let mut world = World::new("readme");
    let (space, host) = (world.namespace("s"), world.namespace("h"));
    world.cable((&space, "eth1"), (&host, "eth0"));
    world.exec(&host, "ip addr add 10.0.10.2/24 dev eth0");
    world.exec(&space, "ip tuntap add vnet7 mode tap");
    // A port, and a loopback whose address others may use.
    let there = "interface gi0/2\ninterface loopback 0\n ip address 192.0.2.1 255.255.255.255\nend\n";
    let switch = world.switch(&space, there, &[]);
    let (mut blocks, mut spans) = (0, 0);
    for (n, part) in section.split("```").enumerate() {
        if n % 2 == 0 {
            for span in part.split('`').skip(1).step_by(2) {
                spans += usize::from(said(&world, &switch, &span.split_whitespace().collect::<Vec<_>>()));
            }
        } else if let Some(block) = part.strip_prefix("text\n") {
            typed(&world, &switch, block);
            blocks += 1;
        }
    }
    assert!(blocks >= 2 && spans >= 20, "{blocks} blocks and {spans} commands: is this the README?");
    // In scripts.
    let vlans = world.cli(&switch, &["show vlan | json"]);
    assert!(serde_json::from_str::<serde_json::Value>(&vlans).is_ok(), "{vlans}");
    for _ in 0..2 {
        let (done, name) = world.ctl(&switch, &["add-port", "vnet7", "--access-vlan", "10"]);
        assert!(done && name.starts_with("GigabitEthernet1/"), "{name}");
    }
    world.exec(&space, "ip link del vnet7");
    for _ in 0..2 {
        let (done, said) = world.ctl(&switch, &["remove-port", "vnet7"]);
        assert!(done, "{said}");
    }
}

/// A command between backquotes: accepted in one of the modes. Was it one?
fn said(world: &World, switch: &Switch, words: &[&str]) -> bool {
    if words.len() < 2 || !COMMANDS.contains(&words[0]) {
        return false;
    }
    // `A` is an address.
    let line = words.iter().map(|word| if *word == "A" { "10.0.10.2" } else { word }).collect::<Vec<_>>().join(" ");
    let accepted = |mode: &[&str]| world.try_cli(switch, &[mode, &[line.as_str()][..]].concat()).0;
    assert!(wait(|| MODES.iter().any(|mode| accepted(mode))), "`{line}` is accepted nowhere");
    true
}

/// A session: lines behind prompts are typed, the others are to be printed.
fn typed(world: &World, switch: &Switch, block: &str) {
    let (mut lines, mut printed) = (Vec::new(), Vec::new());
    for line in block.lines() {
        match line.strip_prefix("Switch").and_then(|line| line.split_once("# ")) {
            Some((mode, command)) => {
                if lines.is_empty() && mode.starts_with("(config") {
                    lines.push("configure terminal");
                }
                lines.push(command);
            }
            None => printed.push(line),
        }
    }
    let said = world.cli(switch, &lines);
    for line in printed {
        assert!(said.contains(line), "{line} is not printed:\n{said}");
    }
}
