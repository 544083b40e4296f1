//! `ping` and `traceroute`: echo requests by raw sockets of this host, whose netdevs carry the router's addresses. Waiting
//! for answers takes seconds, so each has a thread of its own; the answer is an [`Input::Probed`].

use crate::input::Input;
use mona_datapath::io::sched;
use mona_model::shown::Shown;
use mona_model::shown_ip::{Answer, Ping, Probe, Traceroute};
use mona_wire::icmp::message;
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, bind, recvfrom, sendto,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// At a time: each is a thread.
const MOST: usize = 16;
/// Of the whole: the shell waits half a minute for an answer, and nobody could end it earlier.
const WHOLE: Duration = Duration::from_secs(25);

/// What is to be done, and who asked: session, request, mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Who asked.
    pub session: u64,
    /// Of the request.
    pub id: u64,
    /// The mode it was typed in.
    pub context: Vec<String>,
    /// What.
    pub probe: Probe,
    /// The address it comes from, if that was said.
    pub source: Option<IpAddr>,
    /// It leaves by this netdev (addresses of one link).
    pub device: Option<String>,
}

/// The threads that wait for answers.
pub struct Prober {
    finished: Sender<Input>,
    done: Receiver<Input>,
    bell: Arc<EventFd>,
    running: usize,
    /// Of the echo requests: each job has its own.
    next: u16,
}

impl Prober {
    /// None is under way.
    pub fn new() -> Result<Prober, String> {
        let bell = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC).map_err(|e| e.to_string())?;
        let (finished, done) = channel();
        Ok(Prober { finished, done, bell: Arc::new(bell), running: 0, next: std::process::id() as u16 })
    }

    /// Begins one; `Some` if that could not be.
    pub fn start(&mut self, job: Job) -> Option<Input> {
        let (session, id, context) = (job.session, job.id, job.context.clone());
        let refused = |why: String| Some(Input::Probed { session, id, context, result: Err(why) });
        if self.running >= MOST {
            return refused(format!("{MOST} pings are under way: wait for one to end"));
        }
        self.next = self.next.wrapping_add(1);
        let (ident, finished, bell) = (self.next, self.finished.clone(), self.bell.clone());
        let run = move || {
            // Not as urgent as control, whose thread it comes from, but with its capabilities: raw sockets need one.
            let _ = sched::nice(0);
            let result = run(&job, ident);
            let _ = finished.send(Input::Probed { session: job.session, id: job.id, context: job.context, result });
            let _ = bell.write(1);
        };
        match std::thread::Builder::new().name("probe".into()).spawn(run) {
            Ok(_) => {
                self.running += 1;
                None
            }
            Err(e) => refused(e.to_string()),
        }
    }

    /// Readable when one ended.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Those that ended.
    pub fn done(&mut self) -> Vec<Input> {
        let _ = self.bell.read();
        let done: Vec<Input> = self.done.try_iter().collect();
        self.running -= done.len();
        done
    }
}

fn run(job: &Job, ident: u16) -> Result<Shown, String> {
    let wire = Wire::open(job, ident)?;
    let start = Instant::now();
    let is_time = || start.elapsed() < WHOLE;
    let mut sequence = 0;
    let mut ask = |ttl: u8| {
        sequence += 1;
        let left = WHOLE.saturating_sub(start.elapsed());
        wire.ask(ttl, sequence, left.min(Duration::from_secs(job.probe.timeout_secs.into())))
    };
    if !job.probe.trace {
        let answers = (0..job.probe.repeat).take_while(|_| is_time()).map(|_| ask(255)).collect();
        return Ok(Shown::Ping(Ping { probe: job.probe.clone(), source: job.source, answers }));
    }
    let mut hops: Vec<Vec<Answer>> = Vec::new();
    let (first, last) = job.probe.ttls;
    for ttl in first..=last {
        let answers: Vec<Answer> = (0..job.probe.repeat).take_while(|_| is_time()).map(|_| ask(ttl)).collect();
        let is_end = answers.iter().any(|answer| matches!(answer, Answer::Reply(..) | Answer::Unreachable(..)));
        if !answers.is_empty() {
            hops.push(answers);
        }
        if is_end || !is_time() {
            break;
        }
    }
    Ok(Shown::Traceroute(Traceroute { to: job.probe.to, first, hops }))
}

/// A raw socket that sends echo requests and hears what comes of them.
struct Wire<'a> {
    job: &'a Job,
    ident: u16,
    icmp: OwnedFd,
    /// Sends headers that are written here: of IPv4 the only way to forbid fragments.
    header: Option<OwnedFd>,
}

impl Wire<'_> {
    fn open(job: &Job, ident: u16) -> Result<Wire<'_>, String> {
        let say = |e: Errno| format!("Cannot send: {e}");
        let four = job.probe.to.is_ipv4();
        let raw = |protocol| {
            let family = if four { AddressFamily::Inet } else { AddressFamily::Inet6 };
            let fd = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
            if let Some(device) = &job.device {
                setsockopt(&fd, sockopt::BindToDevice, &OsString::from(device))?;
            }
            match job.source {
                Some(IpAddr::V4(ip)) => bind(fd.as_raw_fd(), &SockaddrIn::from(std::net::SocketAddrV4::new(ip, 0)))?,
                Some(IpAddr::V6(ip)) => bind(fd.as_raw_fd(), &SockaddrIn6::from(SocketAddrV6::new(ip, 0, 0, 0)))?,
                None => {}
            }
            Ok(fd)
        };
        let icmp = raw(if four { SockProtocol::Icmp } else { SockProtocol::IcmpV6 }).map_err(say)?;
        if !four && job.probe.dont_fragment {
            setsockopt(&icmp, sockopt::Ipv6DontFrag, &true).map_err(say)?;
        }
        let header = (four && job.probe.dont_fragment).then(|| raw(SockProtocol::Raw)).transpose().map_err(say)?;
        Ok(Wire { job, ident, icmp, header })
    }

    /// Sends a request and waits for what comes of it.
    fn ask(&self, ttl: u8, sequence: u16, patience: Duration) -> Answer {
        let sent = Instant::now();
        if let Err(e) = self.send(ttl, sequence) {
            return match e {
                Errno::EMSGSIZE => Answer::Unreachable(self.job.probe.to, 'M', 0),
                _ => {
                    // Not at once again: what could not be sent now may be sendable in a moment.
                    std::thread::sleep(patience.min(Duration::from_millis(200)));
                    Answer::Unsent
                }
            };
        }
        let mut buffer = [0; 2048];
        loop {
            let left = patience.saturating_sub(sent.elapsed());
            if left.is_zero() {
                return Answer::Silence;
            }
            let timeout = TimeVal::new(left.as_secs() as i64, i64::from(left.subsec_micros().max(1)));
            let _ = setsockopt(&self.icmp, sockopt::ReceiveTimeout, &timeout);
            let heard = match self.job.probe.to {
                IpAddr::V4(_) => self.hear4(&mut buffer, sequence),
                IpAddr::V6(_) => self.hear6(&mut buffer, sequence),
            };
            let micros = sent.elapsed().as_micros() as u64;
            match heard {
                Some((from, Heard::Reply)) if from == self.job.probe.to => return Answer::Reply(from, micros),
                Some((from, Heard::Exceeded)) => return Answer::Exceeded(from, micros),
                Some((from, Heard::Unreachable(letter))) => return Answer::Unreachable(from, letter, micros),
                Some(_) | None => {}
            }
        }
    }

    fn send(&self, ttl: u8, sequence: u16) -> nix::Result<usize> {
        let [a, b] = self.ident.to_be_bytes();
        let [c, d] = sequence.to_be_bytes();
        let size = usize::from(self.job.probe.size);
        match self.job.probe.to {
            IpAddr::V4(to) => {
                let echo = message(8, 0, [a, b, c, d], &vec![0xab; size.saturating_sub(28)]);
                let to_address = SockaddrIn::from(std::net::SocketAddrV4::new(to, 0));
                let Some(header) = &self.header else {
                    setsockopt(&self.icmp, sockopt::Ipv4Ttl, &i32::from(ttl))?;
                    return sendto(self.icmp.as_raw_fd(), &echo, &to_address, MsgFlags::empty());
                };
                let from = match self.job.source {
                    Some(IpAddr::V4(ip)) => ip,
                    // The kernel fills it in, and the checksum.
                    _ => Ipv4Addr::UNSPECIFIED,
                };
                let [high, low] = ((20 + echo.len()) as u16).to_be_bytes();
                let fixed = [0x45, 0, high, low, a ^ c, b ^ d, 0x40, 0, ttl, 1, 0, 0];
                let packet = [&fixed, &from.octets()[..], &to.octets(), &echo].concat();
                sendto(header.as_raw_fd(), &packet, &to_address, MsgFlags::empty())
            }
            IpAddr::V6(to) => {
                // The kernel writes the checksum (RFC 3542 3.1).
                let echo = message(128, 0, [a, b, c, d], &vec![0xab; size.saturating_sub(48)]);
                setsockopt(&self.icmp, sockopt::Ipv6Ttl, &i32::from(ttl))?;
                let to = SockaddrIn6::from(SocketAddrV6::new(to, 0, 0, 0));
                sendto(self.icmp.as_raw_fd(), &echo, &to, MsgFlags::empty())
            }
        }
    }

    fn hear4(&self, buffer: &mut [u8], sequence: u16) -> Option<(IpAddr, Heard)> {
        let (length, from) = recvfrom::<SockaddrIn>(self.icmp.as_raw_fd(), buffer).ok()?;
        let packet = buffer.get(..length)?;
        let message = packet.get(usize::from(packet.first()? & 0xf) * 4..)?;
        let heard = heard4(message, self.ident, sequence)?;
        Some((IpAddr::V4(from?.ip()), heard))
    }

    fn hear6(&self, buffer: &mut [u8], sequence: u16) -> Option<(IpAddr, Heard)> {
        let (length, from) = recvfrom::<SockaddrIn6>(self.icmp.as_raw_fd(), buffer).ok()?;
        let heard = heard6(buffer.get(..length)?, self.ident, sequence)?;
        Some((IpAddr::V6(from?.ip()), heard))
    }
}

/// What an ICMP message says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Reply,
    Exceeded,
    /// With the letter that IOS shows.
    Unreachable(char),
}

/// RFC 792
fn heard4(message: &[u8], ident: u16, sequence: u16) -> Option<Heard> {
    let quoted = || {
        let packet = message.get(8..)?;
        let inner = packet.get(usize::from(packet.first()? & 0xf) * 4..)?;
        (packet.get(9) == Some(&1) && inner.first() == Some(&8) && is_it(inner, ident, sequence)).then_some(())
    };
    match (*message.first()?, *message.get(1)?) {
        (0, _) => is_it(message, ident, sequence).then_some(Heard::Reply),
        (11, _) => quoted().map(|()| Heard::Exceeded),
        (3, code) => quoted().map(|()| {
            Heard::Unreachable(match code {
                0 => 'N',
                2 => 'P',
                4 => 'M',
                9 | 10 | 13 => 'A',
                _ => 'H',
            })
        }),
        _ => None,
    }
}

/// RFC 4443
fn heard6(message: &[u8], ident: u16, sequence: u16) -> Option<Heard> {
    let quoted = || {
        let (next, inner) = (message.get(8 + 6)?, message.get(8 + 40..)?);
        (*next == 58 && inner.first() == Some(&128) && is_it(inner, ident, sequence)).then_some(())
    };
    match (*message.first()?, *message.get(1)?) {
        (129, _) => is_it(message, ident, sequence).then_some(Heard::Reply),
        (3, _) => quoted().map(|()| Heard::Exceeded),
        (2, _) => quoted().map(|()| Heard::Unreachable('M')),
        (1, code) => quoted().map(|()| {
            Heard::Unreachable(match code {
                0 => 'N',
                1 => 'A',
                4 => 'P',
                _ => 'H',
            })
        }),
        _ => None,
    }
}

fn is_it(echo: &[u8], ident: u16, sequence: u16) -> bool {
    let [a, b] = ident.to_be_bytes();
    let [c, d] = sequence.to_be_bytes();
    echo.get(4..8) == Some(&[a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_known_by_what_they_quote() {
        let echo = |kind| message(kind, 0, [0, 7, 0, 3], &[1, 2, 3]);
        let four = |kind, code, echo: &[u8]| {
            let header = [0x45, 0, 0, 60, 0, 0, 0, 0, 1, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
            message(kind, code, [0; 4], &[&header, echo].concat())
        };
        let six = |kind, code, echo: &[u8]| {
            let mut header = [0; 40];
            (header[0], header[6]) = (0x60, 58);
            message(kind, code, [0; 4], &[&header, echo].concat())
        };
        assert_eq!(heard4(&echo(0), 7, 3), Some(Heard::Reply));
        assert_eq!(heard4(&echo(0), 7, 4), None);
        assert_eq!(heard4(&echo(8), 7, 3), None, "our own request");
        assert_eq!(heard4(&four(11, 0, &echo(8)), 7, 3), Some(Heard::Exceeded));
        assert_eq!(heard4(&four(3, 4, &echo(8)), 7, 3), Some(Heard::Unreachable('M')));
        assert_eq!(heard4(&four(3, 13, &echo(8)), 7, 3), Some(Heard::Unreachable('A')));
        assert_eq!(heard4(&four(3, 1, &echo(8)), 8, 3), None);
        assert_eq!(heard6(&echo(129), 7, 3), Some(Heard::Reply));
        assert_eq!(heard6(&six(3, 0, &echo(128)), 7, 3), Some(Heard::Exceeded));
        assert_eq!(heard6(&six(1, 0, &echo(128)), 7, 3), Some(Heard::Unreachable('N')));
        assert_eq!(heard6(&six(2, 0, &echo(128)), 7, 3), Some(Heard::Unreachable('M')));
        for length in 0..60 {
            let short = &four(11, 0, &echo(8));
            let _ = (heard4(&short[..length.min(short.len())], 7, 3), heard6(&short[..length.min(short.len())], 7, 3));
        }
    }
}
