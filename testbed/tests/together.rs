//! Bursts of numbered frames, which leave many at a time, between lone ones: without the flow cache none is lost, comes twice or
//! overtakes another, and each has the tag it is to have.

use mona_datapath::io::raw::RawSocket;
use mona_datapath::io::{CsumStart, Offload};
use mona_testbed::netns::{Switch, World, inside};
use mona_wire::Eth;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::Pid;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(40);
/// Frames that come while the switch stands still, so that a worker finds all of them at once. A port's share of its ring is 262.
const BURSTS: [u32; 14] = [200, 1, 30, 64, 2, 130, 20, 23, 24, 25, 180, 7, 128, 250];
/// …and then, while it runs.
const LONE: u32 = 5;
/// What hosts say so that they are known: of no stream.
const HELLO: u32 = u32::MAX;
const CONFIG: &str = "\
vlan 10
interface GigabitEthernet0/1
 device p1
 switchport access vlan 10
interface GigabitEthernet0/2
 device p2
 switchport access vlan 10
interface GigabitEthernet0/3
 device p3
 switchport mode trunk
no platform flow-cache
end
";

#[test]
fn packet_to_hosts_without_napi() {
    bursts("pb", "packet", "off", true);
}

#[test]
fn packet_to_hosts_with_napi() {
    bursts("pn", "packet", "on", true);
}

#[test]
fn xdp_to_hosts_with_napi() {
    bursts("xn", "xdp", "on", true);
}

/// Something is in the way: that is said, and frames leave one by one.
#[test]
fn one_by_one() {
    bursts("ob", "packet", "on", false);
}

fn bursts(label: &str, io: &str, gro: &str, many: bool) {
    let mut world = World::new(&format!("together-{label}"));
    let (space, hosts) = (world.namespace("s"), world.namespace("h"));
    for port in 1..=3 {
        world.cable((&space, &format!("p{port}")), (&hosts, &format!("h{port}")));
        world.exec(&hosts, &format!("ethtool -K h{port} gro {gro} txvlan off"));
    }
    if !many {
        world.exec(&space, "ip link add s-bl type veth peer name s-wl");
    }
    let switch = world.switch(&space, CONFIG, &["--workers", "1", "--io", io]);
    let host = |name: &str| inside(&hosts, || RawSocket::open_with_offload(name)).expect("a raw socket");
    let (out, sinks) = (host("h1"), [(host("h2"), 2, None), (host("h3"), 3, Some(10))]);
    for (sink, station, tag) in &sinks {
        setsockopt(sink, sockopt::RcvBufForce, &(64 << 20)).expect("root may have buffers");
        // The switch shall know them.
        let said = frame(1, *station, *tag, HELLO);
        sink.send_with(&said.0, &said.1).expect("sent");
    }
    let wanted = |station: u8| format!("0200.0000.000{station}");
    let known = || {
        let table = world.cli(&switch, &["show mac address-table"]);
        [2, 3].into_iter().all(|station| table.contains(&wanted(station)))
    };
    assert!(mona_testbed::netns::wait(known), "{}", world.messages(&switch));
    let mut next = 0;
    for burst in BURSTS.into_iter().cycle().take(3 * BURSTS.len()) {
        let first = next;
        let mut send = |count: u32| {
            for number in next..next + count {
                let (bytes, offload) = frame(to(number), 1, None, number);
                out.send_with(&bytes, &offload).expect("sent");
            }
            next += count;
        };
        stopped(&world, &switch, || send(burst));
        send(LONE);
        for number in first..next {
            let (sink, station, tag) = &sinks[usize::from(to(number)) - 2];
            let got = arrives(sink).unwrap_or_else(|| {
                panic!(
                    "{number} of {burst} does not arrive at {station}: {}",
                    world.cli(&switch, &["show platform drops"])
                )
            });
            assert_eq!(got, (number, *tag), "burst of {burst}, at {station}");
        }
    }
    for (sink, station, _) in &sinks {
        let more = sink.receive_with(&mut [0; 2048], Duration::from_millis(200)).expect("a socket");
        assert_eq!(more, None, "nothing else comes to {station}");
    }
    let said = world.messages(&switch);
    let why = "the kernel does not send many frames at a time (s-bl is in the way; remove it or choose another --name)";
    assert_eq!(said.contains(why), !many, "{said}");
    assert!(!many || together(&world, &space) > 500, "{said}");
}

/// To which station.
fn to(number: u32) -> u8 {
    if number.is_multiple_of(3) { 3 } else { 2 }
}

/// UDP with its number; of some the checksum is left to be done.
fn frame(to: u8, from: u8, tag: Option<u16>, number: u32) -> (Vec<u8>, Offload) {
    let mut frame = vec![2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from];
    frame.extend(tag.iter().flat_map(|vid| [[0x81, 0], vid.to_be_bytes()]).flatten());
    let start = frame.len() as u16 + 22;
    frame.extend([8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0x66, 0xbd, 10, 0, 0, 1, 10, 0, 0, 2]);
    // No checksum, or the sum of the pseudo header: addresses, protocol, length.
    let left = number % 71 == 70;
    frame.extend([0, 7, 0, 7, 0, 26]);
    frame.extend(if left { [0x14, 0x2e] } else { [0, 0] });
    frame.extend(b"together by mona");
    frame.extend(number.to_be_bytes());
    (frame, Offload { csum: left.then_some(CsumStart { start, offset: 6 }), gso: None })
}

/// The next frame's number and tag.
fn arrives(sink: &RawSocket) -> Option<(u32, Option<u16>)> {
    let mut buffer = [0; 2048];
    loop {
        let (length, _) = sink.receive_with(&mut buffer, PATIENCE).expect("a socket")?;
        let bytes = &buffer[..length];
        // Others may speak too.
        if let Some(at) = bytes.windows(16).position(|part| part == b"together by mona") {
            let number = u32::from_be_bytes(*bytes[at + 16..].first_chunk().expect("a number"));
            if number == HELLO {
                continue;
            }
            return Some((number, Eth::parse(bytes).and_then(|eth| eth.tag).map(|tag| tag.vid())));
        }
    }
}

/// While the switch stands still.
fn stopped(world: &World, switch: &Switch, work: impl FnOnce()) {
    let pid = Pid::from_raw(world.pid(switch) as i32);
    kill(pid, Signal::SIGSTOP).expect("it runs");
    work();
    kill(pid, Signal::SIGCONT).expect("it runs");
}

/// Frames that left many at a time: the program's own count.
fn together(world: &World, space: &str) -> u64 {
    let said = world.exec(
        space,
        "id=$(bpftool net show dev s-bl | sed -n 's/.* id \\([0-9]*\\).*/\\1/p' | head -1)
         for map in $(bpftool prog show id $id | sed -n 's/.*map_ids \\([0-9,]*\\).*/\\1/p' | tr , ' '); do
             if bpftool map show id $map | grep -q live_progress; then bpftool -j map dump id $map; fi
         done",
    );
    let at = said.find("\"passed\":").unwrap_or_else(|| panic!("no count: {said}")) + 9;
    said[at..].trim_start().chars().take_while(char::is_ascii_digit).collect::<String>().parse().expect("a number")
}
