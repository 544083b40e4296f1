//! `show version`.

use super::time::uptime;
use mona_model::shown_host::Version;

/// The layout that netmiko, NAPALM, Ansible, RANCID and Genie recognise, with our own name in it.
pub fn draw(v: &Version) -> Vec<String> {
    let mac: Vec<String> = v.mac.0.iter().map(|byte| format!("{byte:02x}")).collect();
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    vec![
        format!("Mona Software (switchd), Version {}, RELEASE SOFTWARE (fc1)", v.version),
        "Copyright (c) 2026 by the Mona authors".into(),
        String::new(),
        format!("ROM: Linux-{}", v.kernel),
        String::new(),
        format!("{} uptime is {}", v.hostname, uptime(v.uptime_secs)),
        "System returned to ROM by power-on".into(),
        format!("System restarted at {}", v.restarted),
        format!("System image file is \"flash:{}\"", v.image),
        "Last reload reason: power-on".into(),
        String::new(),
        format!("mona switchd ({}) processor (revision A0) with {}K bytes of memory.", v.machine, v.memory_kib),
        format!("Processor board ID {}", v.serial),
        format!("{} forwarding worker{}", v.workers, plural(v.workers)),
        format!("{} Gigabit Ethernet interface{}", v.interfaces, plural(v.interfaces)),
        format!("Base ethernet MAC Address       : {}", mac.join(":")),
        "Configuration register is 0xF".into(),
    ]
}
