//! Requests to the kernel by rtnetlink: each is answered before the next thing happens.

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload, parse_u32,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use std::io;

/// As many as the receive buffer surely holds the answers of, should all be refused.
const BATCH: usize = 128;
/// `struct nlmsghdr`
pub const HEADER: usize = 16;

/// The socket for them.
pub struct Requests {
    socket: Socket,
    /// The number by which what comes of them is known among events.
    port: u32,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Requests {
    /// Opens it in the network namespace of the calling thread.
    pub fn open() -> io::Result<Requests> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        let port = socket.bind_auto()?.port_number();
        socket.connect(&SocketAddr::new(0, 0))?;
        // Answers need not repeat the question.
        socket.set_cap_ack(true)?;
        Ok(Requests { socket, port, sequence: 0, buffer: vec![0; 1 << 18] })
    }

    /// The number by which events say that they come of these requests.
    pub fn port(&self) -> u32 {
        self.port
    }

    /// All there is of something.
    pub fn dump(&mut self, what: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut bytes = Vec::new();
        self.append(&mut bytes, what, NLM_F_REQUEST | NLM_F_DUMP);
        self.socket.send(&bytes, 0)?;
        let mut all = Vec::new();
        loop {
            let size = self.socket.recv(&mut &mut self.buffer[..], 0)?;
            for message in messages(&self.buffer[..size]).filter_map(parse) {
                match message.payload {
                    NetlinkPayload::InnerMessage(inner) => all.push(inner),
                    NetlinkPayload::Done(_) => return Ok(all),
                    NetlinkPayload::Error(error) => {
                        return error.code.map_or(Ok(all), |code| Err(io::Error::from_raw_os_error(-code.get())));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Asks for all of these, in this order, each with what flags say; what came of each.
    pub fn ask(&mut self, requests: Vec<(RouteNetlinkMessage, u16)>) -> io::Result<Vec<io::Result<()>>> {
        let mut results: Vec<io::Result<()>> = Vec::with_capacity(requests.len());
        let mut requests = requests.into_iter().peekable();
        while requests.peek().is_some() {
            let (first, begin, mut bytes) = (self.sequence + 1, results.len(), Vec::new());
            let mut batch = requests.by_ref().take(BATCH).peekable();
            while let Some((what, flags)) = batch.next() {
                // What is refused is answered in any case, and what comes before the last is done before.
                let last = if batch.peek().is_none() { NLM_F_ACK } else { 0 };
                self.append(&mut bytes, what, NLM_F_REQUEST | last | flags);
                results.push(Ok(()));
            }
            self.socket.send(&bytes, 0)?;
            let mut answered = false;
            while !answered {
                let size = self.socket.recv(&mut &mut self.buffer[..], 0)?;
                for message in messages(&self.buffer[..size]).filter_map(parse) {
                    let NetlinkPayload::Error(error) = message.payload else { continue };
                    let number = message.header.sequence_number;
                    answered |= number == self.sequence;
                    if let Some(code) = error.code
                        && let Some(result) = results.get_mut(begin + number.wrapping_sub(first) as usize)
                    {
                        *result = Err(io::Error::from_raw_os_error(-code.get()));
                    }
                }
            }
        }
        Ok(results)
    }

    fn append(&mut self, bytes: &mut Vec<u8>, what: RouteNetlinkMessage, flags: u16) {
        self.sequence += 1;
        let mut message = NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::from(what));
        message.header.flags = flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let begin = bytes.len();
        // Messages begin at multiples of 4.
        bytes.resize(begin + message.buffer_len().next_multiple_of(4), 0);
        message.serialize(&mut bytes[begin..]);
    }
}

/// The messages of a datagram, each with its header.
pub fn messages(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = parse_u32(rest.get(..4)?).ok()? as usize;
        let message = rest.get(..length).filter(|_| length >= HEADER)?;
        rest = &rest[length.next_multiple_of(4).min(rest.len())..];
        Some(message)
    })
}

/// What a message says, if it can be read.
pub fn parse(message: &[u8]) -> Option<NetlinkMessage<RouteNetlinkMessage>> {
    NetlinkMessage::deserialize(message).ok()
}
