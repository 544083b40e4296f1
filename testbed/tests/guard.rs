//! What the host's own programs send by a port's netdev stays in, unless `platform host-frames` lets it out. For `packet` and
//! `xdp` ports alike.

use mona_datapath::io::raw::RawSocket;
use mona_testbed::netns::{PATIENCE, Switch, World};
use std::time::Instant;

/// Local experimental (802-2014 table 3).
const ETHERTYPE: [u8; 2] = [0x88, 0xb5];

/// A broadcast that says what it is.
fn frame(from: u8, what: u8) -> Vec<u8> {
    let mut frame = vec![0; 60];
    frame[..6].copy_from_slice(&[0xff; 6]);
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, from]);
    frame[12..14].copy_from_slice(&ETHERTYPE);
    frame[14] = what;
    frame
}

struct Bed {
    world: World,
    switch: Switch,
    hosts: [RawSocket; 2],
    names: [String; 2],
    sent: u8,
}

impl Bed {
    fn new(io: &str) -> Bed {
        let mut world = World::new(&format!("guard-{io}"));
        let space = world.namespace("s");
        let names = world.hosts(&space, |host| format!("ip addr add 10.0.0.{host}/24 dev eth0"));
        let config = "interface gi0/1\n device p1\ninterface gi0/2\n device p2\nend\n";
        let switch = world.switch(&space, config, &["--workers", "1", "--io", io]);
        let hosts = [0, 1].map(|host| world.raw(&names[host], "eth0"));
        Bed { world, switch, hosts, names, sent: 0 }
    }

    /// What a program of the host sends by a port's netdev: does it leave there? What the host behind the other port sends
    /// afterwards does.
    fn leaves(&mut self, port: usize) -> bool {
        let own = self.world.raw(&self.switch.namespace, &format!("p{port}"));
        let [probe, last] = [self.sent + 1, self.sent + 2];
        self.sent += 2;
        // Of what is kept in its sender hears.
        drop(own.send(&frame(9, probe)));
        let (here, other) = (&self.hosts[port - 1], &self.hosts[2 - port]);
        let end = Instant::now() + PATIENCE;
        let mut left = false;
        loop {
            other.send(&frame(port as u8, last)).expect("sent");
            while let Ok(Some(bytes)) = here.receive(std::time::Duration::from_millis(100)) {
                match (bytes[12..14] == ETHERTYPE, bytes[14]) {
                    (true, what) if what == probe => left = true,
                    (true, what) if what == last => return left,
                    _ => {}
                }
            }
            assert!(Instant::now() < end, "nothing leaves by p{port}");
        }
    }

    fn configure(&self, lines: &[&str]) {
        let lines = [&["configure terminal"], lines, &["end"]].concat();
        self.world.cli(&self.switch, &lines);
    }
}

fn what_the_host_sends_stays_in_unless_it_is_let_out(io: &str) {
    let mut bed = Bed::new(io);
    let leave = |bed: &mut Bed| [1, 2].map(|port| bed.leaves(port));
    let links = |bed: &Bed| ["p1", "p2"].map(|port| bed.world.links(&bed.switch, port).len());
    assert_eq!((leave(&mut bed), links(&bed)), ([false, false], [2, 2]));
    // What is forwarded passes either way, by the kernel too.
    let reaches = |bed: &Bed| bed.world.reaches(&bed.names[0], "10.0.0.2");
    assert!(reaches(&bed));
    bed.configure(&["interface gi0/1", "platform host-frames"]);
    assert_eq!((leave(&mut bed), links(&bed)), ([true, false], [1, 2]));
    assert!(reaches(&bed));
    // The next switch has it from its configuration, and takes over what is there.
    bed.world.cli(&bed.switch, &["write memory"]);
    bed.world.crash(&mut bed.switch);
    assert_eq!((leave(&mut bed), links(&bed)), ([true, false], [1, 2]));
    bed.configure(&["interface gi0/1", "no platform host-frames"]);
    assert_eq!((leave(&mut bed), links(&bed)), ([false, false], [2, 2]));
    bed.configure(&["platform host-frames"]);
    assert_eq!((leave(&mut bed), links(&bed)), ([true, true], [1, 1]));
    assert!(reaches(&bed));
    // Nothing of it stays behind.
    bed.configure(&["interface gi0/1", "no device"]);
    assert_eq!(links(&bed), [0, 1]);
    let messages = bed.world.messages(&bed.switch);
    assert!(!messages.contains("switchd: p"), "{messages}");
}

#[test]
fn of_packet_ports() {
    what_the_host_sends_stays_in_unless_it_is_let_out("packet");
}

#[test]
fn of_xdp_ports() {
    what_the_host_sends_stays_in_unless_it_is_let_out("xdp");
}
