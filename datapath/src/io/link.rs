//! Netdevs of this network namespace: made, looked at and set by rtnetlink (RFC 3549) and by the ioctls of ethtool(8),
//! without spawning either tool.

#![allow(unsafe_code)]

use super::socket;
use nix::sys::socket::{MsgFlags, recv, send};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};

const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_STATS64: u16 = 23;
const IFLA_PERM_ADDRESS: u16 = 54;
const VETH_INFO_PEER: u16 = 1;
const NESTED: u16 = 1 << 15;
const IFINFOMSG: usize = 16;

/// What the kernel says of a netdev.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// IFF_… of netdevice(7).
    pub flags: u32,
    /// The bridge, bond or Open vSwitch it is a port of.
    pub master: Option<u32>,
    /// What kind of virtual device it is; `None` for a physical one.
    pub kind: Option<String>,
    /// What its frames wait in before they leave; `noqueue`: in nothing.
    pub qdisc: String,
    /// What somebody wrote on it.
    pub alias: String,
    /// Bytes.
    pub mtu: u32,
    /// The address it was made with, hexadecimal; empty where there is none, as on virtual devices.
    pub permanent: String,
    /// Frames that came in and were dropped by the kernel before anybody saw them.
    pub rx_dropped: u64,
    /// Frames that the device had no buffer for.
    pub rx_missed: u64,
    /// Frames that were sent to it and that it dropped.
    pub tx_dropped: u64,
}

/// A netlink socket and a socket for ioctls.
pub struct Links {
    netlink: OwnedFd,
    ioctl: OwnedFd,
}

impl Links {
    /// Opens both in the network namespace of the calling thread.
    pub fn open() -> io::Result<Links> {
        let netlink = socket::open(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
        Ok(Links { netlink, ioctl: socket::open(libc::AF_INET, libc::SOCK_DGRAM, 0)? })
    }

    /// Looks a netdev up by its name.
    pub fn get(&self, name: &str) -> io::Result<Link> {
        let mut message = Message::new(libc::RTM_GETLINK, 0, 0, 0, 0);
        message.string(libc::IFLA_IFNAME, name);
        self.ask(message).and_then(|reply| reply.ok_or_else(|| io::ErrorKind::InvalidData.into()))
    }

    /// Looks a netdev up by its index.
    pub fn at(&self, index: u32) -> io::Result<Link> {
        let reply = self.ask(Message::new(libc::RTM_GETLINK, 0, index, 0, 0));
        reply.and_then(|reply| reply.ok_or_else(|| io::ErrorKind::InvalidData.into()))
    }

    /// Makes a veth pair, both ends down, named as said and marked alike.
    pub fn create_veth(&self, near: &str, far: &str, mtu: u32, alias: &str) -> io::Result<(u32, u32)> {
        let flags = (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
        let mut message = Message::new(libc::RTM_NEWLINK, flags, 0, 0, 0);
        message.string(libc::IFLA_IFNAME, near);
        message.word(libc::IFLA_MTU, mtu);
        let info = message.begin(IFLA_LINKINFO | NESTED);
        message.string(IFLA_INFO_KIND, "veth");
        let data = message.begin(IFLA_INFO_DATA | NESTED);
        let peer = message.begin(VETH_INFO_PEER | NESTED);
        message.bytes.extend([0; IFINFOMSG]);
        message.string(libc::IFLA_IFNAME, far);
        message.word(libc::IFLA_MTU, mtu);
        message.end(peer);
        message.end(data);
        message.end(info);
        self.ask(message)?;
        let mut indices = [0; 2];
        for (index, name) in indices.iter_mut().zip([near, far]) {
            *index = self.get(name)?.index;
            let mut message = Message::new(libc::RTM_SETLINK, 0, *index, 0, 0);
            message.string(IFLA_IFALIAS, alias);
            self.ask(message)?;
        }
        Ok((indices[0], indices[1]))
    }

    /// Sets the flags in `change` to those in `flags`.
    pub fn set_flags(&self, index: u32, flags: i32, change: i32) -> io::Result<()> {
        self.ask(Message::new(libc::RTM_NEWLINK, 0, index, flags as u32, change as u32)).map(drop)
    }

    /// Sets its MTU.
    pub fn set_mtu(&self, index: u32, mtu: u32) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_SETLINK, 0, index, 0, 0);
        message.word(libc::IFLA_MTU, mtu);
        self.ask(message).map(drop)
    }

    /// A number that this network namespace alone has until the machine boots anew.
    pub fn namespace(&self) -> io::Result<u64> {
        socket::get(&self.netlink, libc::SOL_SOCKET, libc::SO_NETNS_COOKIE)
    }

    /// Removes a netdev (of a veth pair, both).
    pub fn delete(&self, index: u32) -> io::Result<()> {
        self.ask(Message::new(libc::RTM_DELLINK, 0, index, 0, 0)).map(drop)
    }

    /// Asks the kernel for something and waits for its word on it.
    fn ask(&self, message: Message) -> io::Result<Option<Link>> {
        self.tell(message).and_then(|reply| reply.map(|reply| parse(&reply)).transpose())
    }

    /// The same of anything; `None`: it has been done.
    pub(super) fn tell(&self, message: Message) -> io::Result<Option<Vec<u8>>> {
        let bytes = message.finish();
        let mut reply = vec![0u8; 1 << 16];
        send(self.netlink.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let length = recv(self.netlink.as_raw_fd(), &mut reply, MsgFlags::empty())?;
        reply.truncate(length);
        let kind = u16::from_ne_bytes(part(&reply, 4)?);
        if i32::from(kind) == libc::NLMSG_ERROR {
            return match i32::from_ne_bytes(part(&reply, 16)?) {
                0 => Ok(None),
                error => Err(io::Error::from_raw_os_error(-error)),
            };
        }
        // The acknowledgement that follows an answer is read too, or the next question would get it.
        let _ = recv(self.netlink.as_raw_fd(), &mut [0; 4096], MsgFlags::empty());
        Ok(Some(reply))
    }

    /// Is this feature, by ethtool's name for it, on? `None` if the device does not know it.
    pub fn feature(&self, device: &str, feature: &str) -> io::Result<Option<bool>> {
        let Some(bit) = self.feature_names(device)?.iter().position(|name| name == feature) else { return Ok(None) };
        const ETHTOOL_GFEATURES: u32 = 0x3a;
        let mut words = [0u32; 2 + 4 * 8];
        words[0] = ETHTOOL_GFEATURES;
        words[1] = 8;
        self.ethtool(device, words.as_mut_ptr().cast())?;
        // available, requested, active, never_changed
        Ok(words.get(2 + 4 * (bit / 32) + 2).map(|active| active >> (bit % 32) & 1 == 1))
    }

    /// Turns features on or off; those the device does not know are left out.
    pub fn set_features(&self, device: &str, on: bool, wanted: impl Fn(&str) -> bool) -> io::Result<()> {
        const ETHTOOL_SFEATURES: u32 = 0x3b;
        let names = self.feature_names(device)?;
        let blocks = names.len().div_ceil(32);
        let mut words = vec![0u32; 2 + 2 * blocks];
        words[0] = ETHTOOL_SFEATURES;
        words[1] = blocks as u32;
        for bit in names.iter().enumerate().filter(|(_, name)| wanted(name)).map(|(bit, _)| bit) {
            // valid, requested
            words[2 + 2 * (bit / 32)] |= 1 << (bit % 32);
            words[2 + 2 * (bit / 32) + 1] |= u32::from(on) << (bit % 32);
        }
        self.ethtool(device, words.as_mut_ptr().cast())
    }

    /// Its queues; `None` if its driver does not say.
    pub fn queues(&self, device: &str) -> Option<u32> {
        const ETHTOOL_GCHANNELS: u32 = 0x3c;
        // cmd; at most: rx, tx, other, combined; now: rx, tx, other, combined
        let mut words = [0u32; 9];
        words[0] = ETHTOOL_GCHANNELS;
        self.ethtool(device, words.as_mut_ptr().cast()).ok()?;
        Some(words[5].max(words[6]) + words[8]).filter(|queues| *queues > 0)
    }

    fn feature_names(&self, device: &str) -> io::Result<Vec<String>> {
        const ETHTOOL_GSSET_INFO: u32 = 0x37;
        const ETHTOOL_GSTRINGS: u32 = 0x1b;
        const ETH_SS_FEATURES: u32 = 4;
        const ETH_GSTRING_LEN: usize = 32;
        // cmd, reserved, a mask of 64 bits, the count
        let mut info = [ETHTOOL_GSSET_INFO, 0, 1 << ETH_SS_FEATURES, 0, 0];
        self.ethtool(device, info.as_mut_ptr().cast())?;
        let count = info[4] as usize;
        // cmd, string_set, len, strings
        let mut strings = vec![0u32; 3 + count * ETH_GSTRING_LEN / 4];
        strings[..3].copy_from_slice(&[ETHTOOL_GSTRINGS, ETH_SS_FEATURES, count as u32]);
        self.ethtool(device, strings.as_mut_ptr().cast())?;
        let bytes: Vec<u8> = strings[3..].iter().flat_map(|word| word.to_ne_bytes()).collect();
        Ok(bytes.chunks(ETH_GSTRING_LEN).map(text).collect())
    }

    /// `data` points to the structure that its first word, the command, says.
    fn ethtool(&self, device: &str, data: *mut libc::c_char) -> io::Result<()> {
        const SIOCETHTOOL: libc::c_ulong = 0x8946;
        let mut request = socket::request(device)?;
        request.ifr_ifru.ifru_data = data;
        // SAFETY: the callers pass a buffer of the size that its command and counts claim.
        let done = unsafe { libc::ioctl(self.ioctl.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// An rtnetlink request in the making.
pub(super) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// Of a link: index, flags and change of `struct ifinfomsg`.
    fn new(kind: u16, more: u16, index: u32, flags: u32, change: u32) -> Message {
        Message::about(kind, more, [index, flags, change])
    }

    /// With these words of its header behind the family.
    pub(super) fn about<const N: usize>(kind: u16, more: u16, words: [u32; N]) -> Message {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(((libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16 | more).to_ne_bytes());
        // Sequence number, port; family and padding.
        bytes.extend([0; 12]);
        bytes.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        Message { bytes }
    }

    pub(super) fn begin(&mut self, kind: u16) -> usize {
        let at = self.bytes.len();
        self.bytes.extend([0, 0]);
        self.bytes.extend(kind.to_ne_bytes());
        at
    }

    pub(super) fn end(&mut self, at: usize) {
        let length = (self.bytes.len() - at) as u16;
        self.bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    pub(super) fn string(&mut self, kind: u16, value: &str) {
        let at = self.begin(kind);
        self.bytes.extend(value.as_bytes());
        self.bytes.push(0);
        self.end(at);
    }

    fn word(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    pub(super) fn bytes(&mut self, kind: u16, value: &[u8]) {
        let at = self.begin(kind);
        self.bytes.extend(value);
        self.end(at);
    }

    fn finish(mut self) -> Vec<u8> {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes
    }
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> io::Result<[u8; N]> {
    bytes.get(at..at + N).and_then(|b| b.try_into().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// RTM_NEWLINK: nlmsghdr, ifinfomsg, attributes.
fn parse(reply: &[u8]) -> io::Result<Link> {
    let mut link = Link {
        index: u32::from_ne_bytes(part(reply, 20)?),
        flags: u32::from_ne_bytes(part(reply, 24)?),
        ..Link::default()
    };
    let end = (u32::from_ne_bytes(part(reply, 0)?) as usize).min(reply.len());
    let mut at = size_of::<libc::nlmsghdr>() + IFINFOMSG;
    while at + 4 <= end {
        let length = usize::from(u16::from_ne_bytes(part(reply, at)?));
        let kind = u16::from_ne_bytes(part(reply, at + 2)?) & !NESTED;
        let Some(value) = (length >= 4).then(|| reply.get(at + 4..at + length)).flatten() else { break };
        match kind {
            libc::IFLA_IFNAME => link.name = text(value),
            libc::IFLA_QDISC => link.qdisc = text(value),
            IFLA_IFALIAS => link.alias = text(value),
            // struct rtnl_link_stats64: words of 64 bits.
            IFLA_STATS64 if value.len() >= 16 * 8 => {
                let word = |index: usize| part(value, index * 8).map(u64::from_ne_bytes);
                (link.rx_dropped, link.tx_dropped, link.rx_missed) = (word(6)?, word(7)?, word(15)?);
            }
            libc::IFLA_MTU => link.mtu = u32::from_ne_bytes(part(value, 0)?),
            IFLA_PERM_ADDRESS => link.permanent = value.iter().map(|byte| format!("{byte:02x}")).collect(),
            // The kind is the first attribute inside.
            IFLA_LINKINFO if value.get(2..4) == Some(&IFLA_INFO_KIND.to_ne_bytes()[..]) => {
                let length = usize::from(u16::from_ne_bytes(part(value, 0)?));
                link.kind = value.get(4..length).map(text);
            }
            libc::IFLA_MASTER => link.master = Some(u32::from_ne_bytes(part(value, 0)?)),
            _ => (),
        }
        at += length.next_multiple_of(4);
    }
    Ok(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// struct rtnl_link_stats64: what physical devices alone count is found where the kernel puts it.
    #[test]
    fn losses_of_a_device() {
        let mut message = Message::new(libc::RTM_NEWLINK, 0, 7, 0, 0);
        message.string(libc::IFLA_IFNAME, "eth0");
        let counts: Vec<u8> = (100u64..125).flat_map(u64::to_ne_bytes).collect();
        let stats = message.begin(IFLA_STATS64);
        message.bytes.extend(counts);
        message.end(stats);
        let link = parse(&message.finish()).unwrap();
        assert_eq!((link.index, &link.name[..]), (7, "eth0"));
        assert_eq!([link.rx_dropped, link.tx_dropped, link.rx_missed], [106, 107, 115]);
        let mut cut = Message::new(libc::RTM_NEWLINK, 0, 7, 0, 0);
        let stats = cut.begin(IFLA_STATS64);
        cut.bytes.extend([1; 15 * 8]);
        cut.end(stats);
        assert_eq!(parse(&cut.finish()).unwrap().rx_missed, 0, "an older kernel's is shorter");
        assert!(parse(&[0; 10]).is_err());
    }
}
