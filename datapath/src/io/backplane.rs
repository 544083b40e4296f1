//! One end of the backplane: the raw socket on the far end of a veth pair (packet(7), TPACKET_V2), through which all
//! `packet` ports of one worker come and go. A ring receives, so that 64 KiB super-frames are seen without a copy. What
//! is sent goes straight to the port's netdev: going back through the pair would cost a second hop, half of what a small
//! frame costs. Small frames leave by a [ring](super::txring), large ones by `sendto`: the pages of a ring would hang on
//! the frame until its last reader is done, while the slot is free again as soon as the receiver's stack disowns it.

#![allow(unsafe_code)]

use super::RxFrame;
use super::credit::{Credit, Settled};
use super::set::Egress;
use super::socket;
use super::txring::TxRing;
use super::umem::Region;
use super::vnet::{VNET, described, write};
use crate::Drop;
use crate::offload::Leaving;
use mona_wire::PortId;
use std::io;
use std::mem::size_of_val;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What is sent is marked with, so that the port's egress lets it pass, as in mona.bpf.c.
pub(super) const MARK: u32 = 0x4d6f_6e61;
/// The longest frame: 64 KiB of IP packet, addresses, EtherType, two tags.
const LARGEST: usize = 65535 + 14 + 8;
/// The shape of a ring.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub frame: usize,
    pub block: usize,
    pub blocks: usize,
}

impl Shape {
    /// Slots for super-frames. An odd number of cache lines: at a power of two all slots would share the same sets.
    pub(super) const DATA: Shape = Shape { frame: 65856, block: 1 << 20, blocks: 35 };
    /// Slots for bridge protocols, the longest of which (LLDP) fill an Ethernet frame.
    pub(super) const URGENT: Shape = Shape { frame: 2112, block: 1 << 16, blocks: 8 };

    fn per_block(self) -> usize {
        self.block / self.frame
    }

    pub(super) fn slots(self) -> usize {
        self.per_block() * self.blocks
    }

    pub(super) fn size(self) -> usize {
        self.block * self.blocks
    }

    /// Where a slot begins.
    pub(super) fn offset(self, index: usize) -> usize {
        debug_assert!(index < self.slots());
        index / self.per_block() * self.block + index % self.per_block() * self.frame
    }

    pub(super) fn after(self, index: usize) -> usize {
        if index + 1 < self.slots() { index + 1 } else { 0 }
    }

    pub(super) fn request(self) -> libc::tpacket_req {
        libc::tpacket_req {
            tp_block_size: self.block as u32,
            tp_block_nr: self.blocks as u32,
            tp_frame_size: self.frame as u32,
            tp_frame_nr: self.slots() as u32,
        }
    }
}

/// By port number: the index of the netdev it leaves by, 0 for none. Written by control, read by workers.
pub(super) type Devices = Arc<[AtomicU32]>;

/// All `packet` ports of one worker. Owned by its thread.
pub struct Backplane {
    fd: OwnedFd,
    shape: Shape,
    ring: Region,
    /// The slot the next frame comes in.
    next: usize,
    /// Slots handed out before `next`.
    held: usize,
    received: u64,
    credit: Option<Credit>,
    devices: Devices,
    tx: TxRing,
    large: Box<[u8]>,
    tx_full: u64,
    tx_error: u64,
    cut: u64,
    ring_full: u64,
}

impl Backplane {
    /// Opens the raw socket on the far end with this index.
    pub(super) fn open(far: u32, shape: Shape, credit: Option<Credit>, devices: Devices) -> io::Result<Backplane> {
        let fd = socket::packet()?;
        set(&fd, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V2 as i32))?;
        set(&fd, libc::PACKET_VNET_HDR, &1i32)?;
        set(&fd, libc::PACKET_IGNORE_OUTGOING, &1i32)?;
        // No PACKET_QDISC_BYPASS: it would drop a super-frame that a port's device cannot carry instead of cutting it.
        mark(&fd)?;
        set(&fd, libc::PACKET_RX_RING, &shape.request())?;
        let ring = Region::of(fd.as_raw_fd(), shape.size(), 0)?;
        socket::bind(&fd, &socket::netdev(far, libc::ETH_P_ALL))?;
        Ok(Backplane {
            fd,
            shape,
            ring,
            next: 0,
            held: 0,
            received: 0,
            credit,
            devices,
            tx: TxRing::open()?,
            large: vec![0; VNET + LARGEST].into_boxed_slice(),
            tx_full: 0,
            tx_error: 0,
            cut: 0,
            ring_full: 0,
        })
    }

    fn slot(&self, index: usize) -> NonNull<u8> {
        // SAFETY: `index` < slots, so the offset is inside the mapping.
        unsafe { self.ring.at().add(self.shape.offset(index)) }
    }

    /// The word by which a slot changes hands between the kernel and us.
    fn status(&self, index: usize) -> &AtomicU32 {
        // SAFETY: tp_status is the first word of the slot, aligned to 16; both sides access it whole.
        unsafe { self.slot(index).cast::<AtomicU32>().as_ref() }
    }

    /// Appends at most `max` frames; returns how many. They stay until [`Backplane::release`].
    #[inline]
    pub fn receive(&mut self, into: &mut Vec<RxFrame>, max: usize) -> usize {
        let before = into.len();
        for _ in 0..max {
            if self.held == self.shape.slots() {
                break;
            }
            let slot = self.slot(self.next);
            let status = self.status(self.next).load(Ordering::Acquire);
            if status & libc::TP_STATUS_USER == 0 {
                break;
            }
            // SAFETY: the kernel has filled the slot and handed it over (acquired above); it begins with this header.
            let header = unsafe { slot.cast::<libc::tpacket2_hdr>().as_ref() };
            let number = header.tp_vlan_tci & 0xfff;
            if status & libc::TP_STATUS_VLAN_VALID != 0 && number != 0 {
                if header.tp_snaplen == header.tp_len {
                    // SAFETY: the kernel put the frame and, before it, the virtio header inside the slot.
                    let at = unsafe { slot.add(usize::from(header.tp_mac)) };
                    // SAFETY: as above.
                    let (vnet, bytes) = unsafe {
                        let vnet = at.sub(VNET).cast::<[u8; VNET]>().as_ref();
                        (vnet, std::slice::from_raw_parts(at.as_ptr(), header.tp_len as usize))
                    };
                    into.push(RxFrame {
                        rx: PortId(number),
                        at,
                        len: header.tp_len,
                        offload: described(vnet, bytes),
                        chunk: self.next as u64,
                    });
                } else {
                    self.cut += 1;
                }
            }
            self.held += 1;
            self.received += 1;
            self.next = self.shape.after(self.next);
        }
        if let Some(credit) = &mut self.credit {
            credit.received(self.received, self.shape.slots());
        }
        into.len() - before
    }

    /// Nothing came for a while (the caller is about to sleep): whatever was admitted long before is lost.
    pub fn idle(&mut self) {
        if let Some(credit) = &mut self.credit {
            credit.idle(self.received);
        }
    }

    /// Frames of ports for which no worker had room, since ever.
    #[inline]
    pub fn refused(&self) -> u64 {
        self.credit.as_ref().map_or(0, Credit::refused)
    }

    /// Gives the slots of all frames received back to the kernel; their ports get the credit with [`Backplane::settle`].
    #[inline]
    pub fn release(&mut self) {
        let slots = self.shape.slots();
        let mut index = (self.next + slots - self.held) % slots;
        let mut run = (0, 0);
        for _ in 0..self.held {
            let port = self.port(index);
            if run.0 != port {
                self.hold(run);
                run = (port, 0);
            }
            run.1 += 1;
            self.status(index).store(libc::TP_STATUS_KERNEL, Ordering::Release);
            index = self.shape.after(index);
        }
        self.hold(run);
        self.held = 0;
    }

    /// The port whose frame is in a slot that is ours; 0: none's.
    #[inline]
    fn port(&self, index: usize) -> usize {
        // SAFETY: the slot is ours until its status says otherwise, and begins with this header.
        let header = unsafe { self.slot(index).cast::<libc::tpacket2_hdr>().as_ref() };
        let tagged = self.status(index).load(Ordering::Relaxed) & libc::TP_STATUS_VLAN_VALID != 0;
        if tagged { usize::from(header.tp_vlan_tci & 0xfff) } else { 0 }
    }

    #[inline]
    fn hold(&mut self, (port, frames): (usize, u64)) {
        if let Some(credit) = self.credit.as_mut().filter(|_| port != 0) {
            credit.hold(port, frames);
        }
    }

    /// Gives ports the credit of what is sent.
    #[inline]
    pub fn settle(&mut self, settled: Settled) {
        self.credit.iter_mut().for_each(|credit| credit.settle(settled));
    }

    /// Is there a frame to receive?
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.status(self.next).load(Ordering::Relaxed) & libc::TP_STATUS_USER != 0
    }

    /// Queues a copy for `port`; it goes at the latest with [`Backplane::flush`].
    #[inline]
    pub fn send(&mut self, port: PortId, egress: &Egress<'_>) -> Result<(), Drop> {
        let leaving = Leaving::new(egress.bytes, &egress.offload, egress.tag)?;
        if leaving.len() > LARGEST {
            return Err(Drop::Oversize);
        }
        let device = self.devices[port.index()].load(Ordering::Relaxed);
        if device == 0 {
            return Err(Drop::PortDown);
        }
        if TxRing::takes(&leaving) {
            return self.tx.push(device, &leaving);
        }
        // What was queued before goes before.
        self.tx.flush();
        let len = write(&leaving, &mut self.large)?;
        let to = socket::netdev(device, 0);
        // SAFETY: the pointers and lengths are of one buffer and one address, which outlive the call.
        let sent = unsafe {
            libc::sendto(
                self.fd.as_raw_fd(),
                self.large.as_ptr().cast(),
                len,
                libc::MSG_DONTWAIT,
                (&raw const to).cast(),
                size_of_val(&to) as libc::socklen_t,
            )
        };
        if sent < 0 { Err(self.not_taken()) } else { Ok(()) }
    }

    /// Sends what is queued.
    #[inline]
    pub fn flush(&mut self) {
        self.tx.flush();
    }

    /// Counts a frame that the kernel did not take, and says why it did not.
    fn not_taken(&mut self) -> Drop {
        match io::Error::last_os_error().raw_os_error() {
            Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => {
                self.tx_full += 1;
                Drop::TxFull
            }
            _ => {
                self.tx_error += 1;
                Drop::TxError
            }
        }
    }

    /// Can be sent to, with nothing queued.
    #[inline]
    pub(super) fn is_up(&self, device: u32) -> bool {
        self.tx.is_up(device)
    }

    /// Counts frames that were lost after they were taken to be sent.
    pub(super) fn lose(&mut self, why: Drop, frames: u64) {
        match why {
            Drop::TxFull => self.tx_full += frames,
            _ => self.tx_error += frames,
        }
    }

    /// What to sleep on.
    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Frames lost here, by name.
    pub fn losses(&mut self) -> Vec<(&'static str, u64)> {
        // `struct tpacket_stats`: packets, drops. Reading resets them.
        if let Ok([_, drops]) = socket::get::<[u32; 2]>(&self.fd, libc::SOL_PACKET, libc::PACKET_STATISTICS) {
            self.ring_full += u64::from(drops);
        }
        vec![
            ("ring_full", self.ring_full),
            ("frame_cut", self.cut),
            ("tx_queue_full", self.tx_full + self.tx.full),
            ("tx_error", self.tx_error + self.tx.error),
        ]
    }
}

impl AsFd for Backplane {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Marks what the socket sends.
pub(super) fn mark(fd: &OwnedFd) -> io::Result<()> {
    socket::set(fd, libc::SOL_SOCKET, libc::SO_MARK, &MARK)
}

pub(super) fn set<T>(fd: &OwnedFd, option: i32, value: &T) -> io::Result<()> {
    socket::set(fd, libc::SOL_PACKET, option, value)
}

/// A socket whose memberships keep netdevs promiscuous, and let go of them with it.
pub(super) struct Promiscuous {
    fd: OwnedFd,
}

impl Promiscuous {
    pub(super) fn open() -> io::Result<Promiscuous> {
        Ok(Promiscuous { fd: socket::packet()? })
    }

    pub(super) fn set(&self, index: u32, on: bool) -> io::Result<()> {
        let option = if on { libc::PACKET_ADD_MEMBERSHIP } else { libc::PACKET_DROP_MEMBERSHIP };
        let request = libc::packet_mreq {
            mr_ifindex: index as i32,
            mr_type: libc::PACKET_MR_PROMISC as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        set(&self.fd, option, &request)
    }
}
