//! A neighbour that speaks just enough BGP (RFC 4271) to teach a router a full table and to take it back again.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

/// The router's AS and the neighbour's.
pub const AS: [u16; 2] = [65001, 65002];
/// Longest message (4.1), and what surely has room in one beside the prefixes.
const LONGEST: usize = 4096;
const BESIDE: usize = 96;
/// No longer may a peer be silent, in seconds. Loading takes longer on slow machines, and nothing is said meanwhile.
const HOLD: u16 = 0;

const OPEN: u8 = 1;
const UPDATE: u8 = 2;
const NOTIFICATION: u8 = 3;
const KEEPALIVE: u8 = 4;

/// A session.
pub struct Neighbour {
    stream: TcpStream,
}

impl Neighbour {
    /// Opens a session with the router at this address, as the neighbour `id`.
    pub fn open(router: Ipv4Addr, id: Ipv4Addr) -> Result<Neighbour, String> {
        let stream = TcpStream::connect_timeout(&SocketAddrV4::new(router, 179).into(), Duration::from_secs(5));
        let stream = stream.map_err(|e| format!("BGP to {router}: {e}"))?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).map_err(|e| e.to_string())?;
        let mut session = Neighbour { stream };
        // 4.2: version, AS, hold time, identifier, no parameters.
        let open = [&[4][..], &AS[1].to_be_bytes(), &HOLD.to_be_bytes(), &id.octets(), &[0]].concat();
        session.say(OPEN, &open)?;
        session.hear(OPEN)?;
        session.say(KEEPALIVE, &[])?;
        session.hear(KEEPALIVE)?;
        Ok(session)
    }

    /// Tells of these prefixes, all by one next router.
    pub fn announce(&mut self, prefixes: &[(u32, u8)], next_hop: Ipv4Addr) -> Result<(), String> {
        // 4.3: ORIGIN igp; AS_PATH of a sequence of one; NEXT_HOP.
        let path = [&[0x40, 2, 4, 2, 1][..], &AS[1].to_be_bytes()].concat();
        let attributes = [&[0x40, 1, 1, 0][..], &path, &[0x40, 3, 4], &next_hop.octets()].concat();
        let head = [&[0, 0][..], &(attributes.len() as u16).to_be_bytes(), &attributes].concat();
        self.say_all(prefixes, |some| [&head[..], some].concat())
    }

    /// Takes these back.
    pub fn withdraw(&mut self, prefixes: &[(u32, u8)]) -> Result<(), String> {
        self.say_all(prefixes, |some| [&(some.len() as u16).to_be_bytes()[..], some, &[0, 0]].concat())
    }

    fn say_all(&mut self, prefixes: &[(u32, u8)], message: impl Fn(&[u8]) -> Vec<u8>) -> Result<(), String> {
        let mut some = Vec::with_capacity(LONGEST);
        for (address, length) in prefixes {
            some.push(*length);
            some.extend(&address.to_be_bytes()[..usize::from(length.div_ceil(8))]);
            if some.len() > LONGEST - BESIDE {
                self.say(UPDATE, &message(&some))?;
                some.clear();
            }
        }
        if some.is_empty() { Ok(()) } else { self.say(UPDATE, &message(&some)) }
    }

    fn say(&mut self, kind: u8, body: &[u8]) -> Result<(), String> {
        let length = 19 + body.len() as u16;
        let message = [&[0xff; 16][..], &length.to_be_bytes(), &[kind], body].concat();
        self.stream.write_all(&message).map_err(|e| format!("BGP: {e}"))
    }

    /// Waits for a message of this kind.
    fn hear(&mut self, wanted: u8) -> Result<(), String> {
        loop {
            let mut head = [0; 19];
            self.stream.read_exact(&mut head).map_err(|e| format!("BGP: {e}"))?;
            let length = usize::from(u16::from_be_bytes([head[16], head[17]]));
            let mut body = vec![0; length.saturating_sub(head.len())];
            self.stream.read_exact(&mut body).map_err(|e| format!("BGP: {e}"))?;
            match head[18] {
                kind if kind == wanted => return Ok(()),
                NOTIFICATION => return Err(format!("BGP: the router ends it: {body:?}")),
                _ => {}
            }
        }
    }
}
