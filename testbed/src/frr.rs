//! FRR's daemons in a namespace of a test: a router as neighbour, or the switch's own routing daemons.

use crate::netns::{TWO_VLANS, World};
use std::fs;
use std::path::Path;

/// A switch between a neighbour in VLAN 10 and a host in VLAN 20.
pub fn router() -> String {
    let addresses = "hostname r1
interface vlan 10
 ip address 10.0.10.1 255.255.255.0
interface vlan 20
 ip address 10.0.20.1 255.255.255.0
";
    [TWO_VLANS, addresses].concat()
}

/// Where Debian puts them.
const DAEMONS: &str = "/usr/lib/frr";

/// For so many seconds zebra leaves the routes of the one before in the kernel: by then they should be learned again.
pub const RETAIN: u64 = 60;

/// Daemons that run in one namespace.
pub struct Frr {
    processes: Vec<usize>,
    sockets: String,
}

impl Frr {
    /// Starts zebra and another daemon (`bgpd`, `ospfd`) there, with configurations. They end with the world.
    pub fn start(world: &mut World, namespace: &str, zebra: &str, daemon: &str, config: &str) -> Frr {
        // FRR's own user must get there, and its paths are short.
        let sockets = format!("/tmp/{namespace}-frr");
        let _ = fs::remove_dir_all(&sockets);
        fs::create_dir(&sockets).expect("a directory for sockets");
        world.exec(namespace, &format!("chown frr:frr {sockets}"));
        let mut processes = Vec::new();
        for (name, config) in [("zebra", zebra), (daemon, config)] {
            let file = format!("{sockets}/{name}.conf");
            fs::write(&file, config).expect("a configuration");
            let arguments = [
                ("-f", file.clone()),
                ("-i", format!("{sockets}/{name}.pid")),
                ("-z", format!("{sockets}/zserv.api")),
                ("--vty_socket", sockets.clone()),
                ("-P", "0".into()),
            ];
            let mut arguments: Vec<String> =
                arguments.into_iter().flat_map(|(key, value)| [key.into(), value]).collect();
            if name == "zebra" {
                arguments.extend(["-K".into(), RETAIN.to_string()]);
            }
            let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
            words.extend(["--log", "stdout", "-u", "frr", "-g", "frr"]);
            processes.push(world.spawn(namespace, &Path::new(DAEMONS).join(name), &words));
            // The second asks the first for routes.
            let there = || Path::new(&format!("{sockets}/{name}.vty")).exists();
            assert!(crate::netns::wait(there), "{name} does not start: {}", world.log(processes[processes.len() - 1]));
        }
        Frr { processes, sockets }
    }

    /// What the daemons said.
    pub fn log(&self, world: &World) -> String {
        self.processes.iter().map(|process| world.log(*process)).collect()
    }

    /// All of them fail: zebra first, as a zebra that outlives a daemon takes the daemon's routes away.
    pub fn crash(mut self, world: &mut World) {
        for process in self.processes.drain(..) {
            world.kill(process);
        }
    }

    /// Asks them in their own shell.
    pub fn ask(&self, world: &World, namespace: &str, line: &str) -> String {
        let asked = world.attempt(namespace, &format!("vtysh --vty_socket {} -c '{line}'", self.sockets));
        String::from_utf8_lossy(&asked.stdout).into_owned()
    }

    /// They end at once.
    pub fn kill(&mut self, world: &mut World) {
        for process in self.processes.drain(..).rev() {
            world.kill(process);
        }
        let _ = fs::remove_dir_all(&self.sockets);
    }
}

impl Drop for Frr {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.sockets);
    }
}
