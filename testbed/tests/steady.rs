//! Numbered streams past changes, at the kernel's hand and at the workers': what a change is not about goes on without loss,
//! double or disorder; what it is about obeys from the first frame that is sent after the command has returned; and who is not
//! concerned keeps what the kernel remembers of him.

mod bed;

use bed::Bed;
use mona_model::shown::{MacRow, Shown};
use mona_testbed::netns::wait;
use mona_testbed::numbered::{Arrived, Numbered};
use mona_wire::checksum::Sum;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Between two frames: about 3,000 a second, which a debug build on a busy machine bears.
const GAP: Duration = Duration::from_micros(300);
/// Ports at which streams may arrive.
const OUT: [u16; 3] = [2, 3, 4];

/// What is sent: bridged from station 1 to station 2, or routed from there to 10.9.1.1, port 9.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Bridged,
    Routed,
}

fn head(bed: &Bed, way: Way) -> Vec<u8> {
    match way {
        Way::Bridged => vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5],
        Way::Routed => {
            let macs = [bed.router(), [2, 0, 0, 0, 0, 1]].concat();
            let mut packet = vec![8, 0, 0x45, 0, 0, 60, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 10, 2, 10, 9, 1, 1];
            let sum = Sum::default().bytes(&packet[2..]).finish();
            packet[12..14].copy_from_slice(&sum.to_be_bytes());
            [macs, packet, vec![0, 7, 0, 9, 0, 40, 0, 0]].concat()
        }
    }
}

fn stream(bed: &Bed, way: Way) -> Numbered {
    let socket = |port: u16| bed.world.raw(&bed.hosts, &format!("h{port}"));
    Numbered::start(socket(1), OUT.map(socket).into(), head(bed, way), way as u16, GAP)
}

/// Waits until the kernel forwards for port 1, and some more.
fn replayed(bed: &mut Bed) {
    let before = bed.hits(1);
    assert!(wait(|| bed.hits(1) > before + 200), "{:?}\n{}", bed.summary(), bed.world.messages(&bed.switch));
}

/// Up to which number frames may and from which they must obey.
struct Moment {
    before: u32,
    after: u32,
    /// What is just leaving by the old port is lost: the port is shut.
    shut: bool,
}

/// Everything before arrives at the old port, everything after at the new one, or nowhere.
fn judge(arrived: &Arrived, old: u16, new: Option<u16>, moment: &Moment) -> Result<(), String> {
    let at = |port: u16| &arrived.at[usize::from(port - OUT[0])];
    let all: Vec<u32> = at(old).iter().chain(new.iter().flat_map(|new| at(*new))).copied().collect();
    let border = at(old).len() as u32;
    let end = if new.is_some() { arrived.sent } else { border };
    let strays: usize =
        OUT.iter().filter(|port| **port != old && Some(**port) != new).map(|port| at(*port).len()).sum();
    // One may be between its number and its way.
    let in_time = moment.before.saturating_sub(1) <= border && border <= moment.after;
    let lost = if moment.shut { (0..end).filter(|number| !all.contains(number)).count() as u32 } else { 0 };
    let whole = match lost {
        0 => all.iter().copied().eq(0..end),
        _ => all.iter().copied().eq((0..border).chain(border + lost..end)),
    };
    if whole && in_time && border + lost <= moment.after && strays == 0 {
        return Ok(());
    }
    let gaps: Vec<_> = all.windows(2).filter(|pair| pair[1] != pair[0] + 1).take(8).collect();
    Err(format!(
        "{border} at port {old}, then {} at {new:?} and {strays} elsewhere, of {}; changed between {} and {}; {gaps:?}",
        all.len() as u32 - border,
        arrived.sent,
        moment.before,
        moment.after
    ))
}

#[test]
fn the_first_frame_after_a_change_obeys() {
    let mut bed = Bed::new("obey");
    bed.configure(&["interface gi0/1", "ip access-group free in", "ip access-list extended free", "permit ip any any"]);
    bed.configure(&["interface vlan 20", "ip access-group free out"]);
    type Change = (Way, &'static [&'static str], Option<u16>, &'static [&'static str]);
    let changes: &[Change] = &[
        (Way::Bridged, &["no vlan 10"], None, &["vlan 10"]),
        (Way::Bridged, &["interface gi0/2", "shutdown"], Some(3), &["interface gi0/2", "no shutdown"]),
        (
            Way::Bridged,
            &["mac address-table static 0200.0000.0002 vlan 10 interface gi0/3"],
            Some(3),
            &["no mac address-table static 0200.0000.0002 vlan 10"],
        ),
        // Seen elsewhere.
        (Way::Bridged, &[], Some(3), &[]),
        (
            Way::Routed,
            &["ip route 10.9.1.0 255.255.255.0 10.0.30.2"],
            Some(3),
            &["no ip route 10.9.1.0 255.255.255.0 10.0.30.2"],
        ),
        (
            Way::Routed,
            &["ip route 10.9.1.1 255.255.255.255 null0"],
            None,
            &["no ip route 10.9.1.1 255.255.255.255 null0"],
        ),
        (
            Way::Routed,
            &["ip access-list extended free", "5 deny udp any any eq 9"],
            None,
            &["ip access-list extended free", "no 5"],
        ),
        (Way::Routed, &["no vlan 20"], None, &["vlan 20"]),
        (Way::Routed, &["no ip routing"], None, &["ip routing"]),
    ];
    let mut wrong = String::new();
    for (way, change, new, back) in changes {
        bed.teach(1, 1, None);
        bed.teach(2, 2, None);
        let stream = stream(&bed, *way);
        replayed(&mut bed);
        let before = stream.next();
        match change {
            [] => bed.teach(3, 2, Some(10)),
            lines => bed.configure(lines),
        }
        let shut = change.contains(&"shutdown");
        let moment = Moment { before, after: stream.next(), shut };
        assert!(wait(|| stream.next() > moment.after + 200));
        let arrived = stream.end();
        if let Err(why) = judge(&arrived, if *way == Way::Bridged { 2 } else { 4 }, *new, &moment) {
            let drops = bed.world.cli(&bed.switch, &["show platform drops"]);
            wrong += &format!("{way:?}, {change:?}: {why}\n{drops}\n");
        }
        if !back.is_empty() {
            bed.configure(back);
        }
        bed.connected();
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_a_change_is_not_about_goes_on() {
    let mut bed = Bed::new("goes-on");
    bed.configure(&["interface gi0/1", "ip access-group free in", "ip access-list extended free", "permit ip any any"]);
    bed.configure(&["vlan 40"]);
    bed.teach(1, 1, None);
    bed.teach(2, 2, None);
    // Some make the flow be decided anew, all leave it as it was.
    let changes: &[&[&str]] = &[
        &["no vlan 40"],
        &["vlan 40"],
        &["no vlan 30"],
        &["vlan 30"],
        &["interface gi0/3", "shutdown"],
        &["interface gi0/3", "no shutdown"],
        &["interface gi0/3", "switchport trunk allowed vlan 30"],
        &["interface gi0/3", "switchport trunk allowed vlan 10,30"],
        &["ip access-list extended free", "5 deny udp any any eq 99"],
        &["ip access-list extended free", "7 permit udp any any eq 9"],
        &["ip access-list extended free", "no 5"],
        &["ip access-list extended free", "no 7"],
        &["ip route 10.9.1.0 255.255.255.0 10.0.20.2"],
        &["no ip route 10.9.1.0 255.255.255.0 10.0.20.2"],
        &["ip route 10.77.0.0 255.255.0.0 10.0.30.2"],
        &["no ip route 10.77.0.0 255.255.0.0 10.0.30.2"],
        &["mac address-table static 0200.0000.0099 vlan 10 interface gi0/3"],
        &["no mac address-table static 0200.0000.0099 vlan 10"],
        &["mac address-table static 0200.0000.0002 vlan 10 interface gi0/2"],
        &["no mac address-table aging-time"],
        &["arp 10.0.20.99 0200.0000.0099 arpa"],
        &["no arp 10.0.20.99 0200.0000.0099 arpa"],
        &["interface gi0/1", "no platform flow-cache"],
        &["interface gi0/1", "platform flow-cache"],
        &["no platform flow-cache"],
        &["platform flow-cache"],
    ];
    for way in [Way::Bridged, Way::Routed] {
        let stream = stream(&bed, way);
        for turn in 0..2 {
            replayed(&mut bed);
            for change in changes {
                bed.configure(change);
                assert!(stream.goes_on(20), "{way:?}, turn {turn}: after {change:?}");
            }
        }
        replayed(&mut bed);
        let moment = Moment { before: 0, after: u32::MAX, shut: false };
        let arrived = stream.end();
        let port = if way == Way::Bridged { 2 } else { 4 };
        // A copy leaves by port 3 while it is not yet known again who is where: what counts is who it is for.
        let arrived = Arrived {
            at: (OUT.iter().zip(arrived.at)).map(|(p, at)| if *p == port { at } else { vec![] }).collect(),
            ..arrived
        };
        judge(&arrived, port, None, &moment)
            .and_then(|()| {
                let all = arrived.at[usize::from(port - OUT[0])].len() as u32 == arrived.sent;
                all.then_some(()).ok_or_else(|| format!("the last of {} are missing", arrived.sent))
            })
            .unwrap_or_else(|why| panic!("{way:?}: {why}\n{}", bed.world.cli(&bed.switch, &["show platform drops"])));
    }
}

/// Frames that came in by port 1: the kernel's and the switch's.
fn counted(bed: &mut Bed) -> (u64, u64) {
    let port = &bed.summary().ports[0];
    (port.hits, port.misses)
}

/// What is forwarded for others meanwhile, by both ways: of a hundred hits it may cost one.
fn costs_others_little(bed: &mut Bed, what: &str, disturb: impl FnOnce(&mut Bed)) {
    let streams = [stream(bed, Way::Bridged), stream(bed, Way::Routed)];
    replayed(bed);
    replayed(bed);
    let before = counted(bed);
    disturb(bed);
    let after = counted(bed);
    let (hits, misses) = (after.0 - before.0, after.1 - before.1);
    assert!(
        hits > 2000 && misses * 100 < hits,
        "{what}: {misses} of {} were not replayed: {:?}",
        hits + misses,
        bed.summary()
    );
    for (stream, port) in streams.into_iter().zip([2, 4]) {
        let arrived = stream.end();
        let moment = Moment { before: arrived.sent, after: arrived.sent, shut: false };
        judge(&arrived, port, None, &moment).unwrap_or_else(|why| panic!("{what}: {why}"));
    }
}

#[test]
fn a_station_that_flaps_costs_others_nothing() {
    let mut bed = Bed::new("flap");
    bed.teach(2, 9, None);
    costs_others_little(&mut bed, "a station flaps", |bed| {
        let frames = [(2, bed.frame([2, 0, 0, 0, 0, 9], 9, None)), (3, bed.frame([2, 0, 0, 0, 0, 9], 9, Some(10)))];
        let (began, mut turns) = (Instant::now(), 0u32);
        while turns < 3000 {
            let (port, frame) = &frames[turns as usize % 2];
            bed.sockets[port].send(frame).expect("it is sent");
            turns += 1;
            sleep((began + turns * Duration::from_millis(1)).saturating_duration_since(Instant::now()));
        }
        // And once more, by a frame that is flooded: who gets it knows that it was heard. There the station is, though it says
        // nothing more.
        let heard = wait(|| {
            let last = bed.frame([2, 0, 0, 0, 9, 9], 9, Some(10));
            bed.sockets[&2].send(&frames[0].1).expect("it is sent");
            !bed.send(3, &last, 1).is_empty()
        });
        let line = "show mac address-table dynamic address 0200.0000.0009 vlan 10";
        let is_there = |rows: &[MacRow]| {
            rows.iter().any(|row| row.port.is_some_and(|name| name.to_string() == "GigabitEthernet0/3"))
        };
        let there = heard && wait(|| matches!(bed.ask(line), Shown::MacTable(rows) if is_there(&rows)));
        let shown =
            ["show mac address-table dynamic vlan 10", "show platform drops", "show platform ports", "show logging"];
        assert!(there, "{turns} turns in {:?}: {}", began.elapsed(), bed.world.cli(&bed.switch, &shown));
    });
}

#[test]
fn routes_that_change_cost_others_nothing() {
    let mut bed = Bed::new("churn");
    costs_others_little(&mut bed, "routes change", |bed| {
        let began = Instant::now();
        for turn in 0..300u32 {
            let route =
                format!("ip route 10.8.{}.0 255.255.255.0 10.0.{}.2", turn / 2 % 50, [20, 30][turn as usize / 100 % 2]);
            let line = if turn % 2 == 0 { route } else { format!("no {route}") };
            bed.configure(&[&line]);
            sleep((began + turn * Duration::from_millis(10)).saturating_duration_since(Instant::now()));
        }
    });
}

#[test]
fn stations_that_age_cost_others_nothing() {
    const STATIONS: u16 = 1000;
    let mut bed = Bed::new("aging");
    bed.configure(&["mac address-table aging-time 10"]);
    // Who only receives ages too.
    bed.configure(&["mac address-table static 0200.0000.0002 vlan 10 interface gi0/2"]);
    costs_others_little(&mut bed, "stations age", |bed| {
        let known = |bed: &mut Bed| {
            let table = bed.world.cli(&bed.switch, &["show mac address-table dynamic vlan 10"]);
            table.matches(" 0200.0001.").count()
        };
        let all = |bed: &mut Bed| {
            for station in 0..STATIONS {
                let mut frame = bed.frame([2, 0, 0, 0, 0, 9], 0, Some(10));
                frame[8..12].copy_from_slice(&[0, 1, (station >> 8) as u8, station as u8]);
                bed.sockets[&3].send(&frame).expect("it is sent");
                if station % 50 == 0 {
                    sleep(Duration::from_millis(1));
                }
            }
            known(bed) == usize::from(STATIONS)
        };
        assert!(wait(|| all(bed)), "{} are known", known(bed));
        assert!(wait(|| known(bed) == 0), "{} do not age", known(bed));
    });
}
