//! A steady stream of UDP packets with numbers, from a host in one namespace to one in another: what was lost, came twice or
//! was overtaken on the way.

use crate::netns::inside;
use nix::sys::socket::{setsockopt, sockopt};
use std::net::{SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The sender was not scheduled for so many packets: they are not made up for at once, which would be no steady stream.
const BURST: u64 = 64;
/// The sink hears nothing for so long: nothing is on the way any more.
const QUIET: Duration = Duration::from_millis(500);
/// What a sink that is not scheduled may leave in its socket.
const BUFFER: usize = 64 << 20;

/// A stream that runs.
pub struct Stream {
    stop: Arc<AtomicBool>,
    received: Arc<AtomicU64>,
    sender: JoinHandle<u64>,
    sink: JoinHandle<Vec<u64>>,
    flows: u64,
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets that left the sender.
    pub sent: u64,
    /// Of these, never came.
    pub lost: u64,
    /// The longest row of lost ones.
    pub gap: u64,
    /// Came again.
    pub duplicate: u64,
    /// Came after a later one to the same destination.
    pub reordered: u64,
}

impl Stream {
    /// `rate` packets a second from a namespace to each of the destinations in turn, whose host is the other namespace.
    pub fn start(from: &str, to: &str, destinations: Vec<SocketAddrV4>, rate: u64) -> Stream {
        let port = destinations[0].port();
        let sink = inside(to, || UdpSocket::bind(("0.0.0.0", port))).expect("a sink");
        setsockopt(&sink, sockopt::RcvBufForce, &BUFFER).expect("root may have buffers");
        sink.set_read_timeout(Some(QUIET)).expect("a timeout");
        let sender = inside(from, || UdpSocket::bind(("0.0.0.0", 0))).expect("a sender");
        let (stop, received) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let flows = destinations.len() as u64;
        let (stop_sender, stop_sink, count) = (stop.clone(), stop.clone(), received.clone());
        Stream {
            stop,
            received,
            sender: std::thread::spawn(move || send(&sender, &destinations, rate, &stop_sender)),
            sink: std::thread::spawn(move || receive(&sink, &stop_sink, &count)),
            flows,
        }
    }

    /// Packets that came so far.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Waits until that many more have come: does it flow?
    pub fn flows(&self, packets: u64) -> bool {
        let goal = self.received() + packets;
        crate::netns::wait(|| self.received() >= goal)
    }

    /// Ends it.
    pub fn finish(self) -> Count {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.sender.join().expect("the sender ends");
        count(sent, self.flows, &self.sink.join().expect("the sink ends"))
    }
}

fn send(socket: &UdpSocket, destinations: &[SocketAddrV4], rate: u64, stop: &AtomicBool) -> u64 {
    let mut start = Instant::now();
    let (mut sent, mut base) = (0u64, 0u64);
    while !stop.load(Ordering::Relaxed) {
        let due = (start.elapsed().as_micros() as u64) * rate / 1_000_000 + base;
        if due > sent + BURST {
            (start, base) = (Instant::now(), sent);
            continue;
        }
        while sent < due {
            let to = destinations[(sent % destinations.len() as u64) as usize];
            if socket.send_to(&sent.to_be_bytes(), to).is_err() {
                break;
            }
            sent += 1;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    sent
}

/// The numbers, in the order they came in.
fn receive(socket: &UdpSocket, stop: &AtomicBool, count: &AtomicU64) -> Vec<u64> {
    let (mut numbers, mut packet) = (Vec::new(), [0; 16]);
    loop {
        match socket.recv(&mut packet) {
            Ok(8) => {
                numbers.push(u64::from_be_bytes(packet[..8].try_into().expect("eight")));
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(_) => {}
            Err(_) if stop.load(Ordering::Relaxed) => return numbers,
            Err(_) => {}
        }
    }
}

fn count(sent: u64, flows: u64, numbers: &[u64]) -> Count {
    let mut seen = vec![false; sent as usize];
    let mut count = Count { sent, ..Count::default() };
    let mut latest = vec![0; flows as usize];
    for number in numbers {
        let latest = &mut latest[(number % flows) as usize];
        match std::mem::replace(&mut seen[*number as usize], true) {
            true => count.duplicate += 1,
            false if number < latest => count.reordered += 1,
            false => *latest = *number,
        }
    }
    let mut row = 0;
    for came in seen {
        row = if came { 0 } else { row + 1 };
        count.lost += u64::from(!came);
        count.gap = count.gap.max(row);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_them() {
        let table: [(u64, &[u64], [u64; 4]); 5] = [
            (3, &[0, 1, 2], [0, 0, 0, 0]),
            (5, &[0, 4], [3, 3, 0, 0]),
            (5, &[1, 3], [3, 1, 0, 0]),
            (3, &[0, 2, 1], [0, 0, 0, 1]),
            (3, &[0, 1, 1, 2, 0], [0, 0, 2, 0]),
        ];
        for (sent, numbers, [lost, gap, duplicate, reordered]) in table {
            assert_eq!(count(sent, 1, numbers), Count { sent, lost, gap, duplicate, reordered }, "{numbers:?}");
        }
        assert_eq!(count(4, 2, &[1, 0, 3, 2]).reordered, 0, "of different destinations");
    }
}
