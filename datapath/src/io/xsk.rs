//! One AF_XDP socket: a queue of an `xdp` port, with its four rings.

#![allow(unsafe_code)]

use super::credit::SocketCredit;
use super::socket;
use super::umem::{CHUNK, Ring, Umem};
use mona_wire::PortId;
use std::io;
use std::mem::zeroed;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::Arc;

/// Entries of the rings of received frames, of frames to send and of free chunks.
pub(super) const DEPTH: u32 = 1024;
/// Completions may wait for two rings of sent frames.
const COMPLETIONS: u32 = 2 * DEPTH;
/// Frames the kernel sends per call instead of 32, where it can be told (Linux 6.17, linux/if_xdp.h).
const XDP_MAX_TX_SKB_BUDGET: i32 = 9;
const BUDGET: u32 = 256;

/// What a closed socket leaves behind.
pub(super) struct Left {
    umem: Arc<Umem>,
    chunks: Vec<u32>,
}

impl Drop for Left {
    fn drop(&mut self) {
        self.umem.give_back(&mut self.chunks);
    }
}

/// A queue of a port. Control opens and drops it, a worker has it in between.
pub struct Xsk {
    pub(super) port: PortId,
    /// Its number among the sockets of the worker that has it.
    pub(super) id: u8,
    /// Chunks in the fill ring and with the kernel.
    pub(super) lent: u32,
    /// Was something pushed that was not handed on?
    pub(super) written: bool,
    /// Counts what came out of it; none before it has a place among all.
    pub(super) credit: Option<SocketCredit>,
    pub(super) rx: Ring<libc::xdp_desc>,
    pub(super) tx: Ring<libc::xdp_desc>,
    pub(super) fill: Ring<u64>,
    pub(super) done: Ring<u64>,
    fd: Arc<OwnedFd>,
    // Dropped last: the kernel lets go of the chunks when the rings are unmapped and the descriptor is closed.
    left: Left,
}

impl Xsk {
    /// Binds a socket to a queue. `shared` is a socket that has registered the same memory.
    pub(super) fn open(
        port: PortId,
        umem: &Arc<Umem>,
        shared: Option<RawFd>,
        zero_copy: bool,
        ifindex: u32,
        queue: u32,
    ) -> io::Result<Xsk> {
        let fd = socket::open(libc::AF_XDP, libc::SOCK_RAW, 0)?;
        if shared.is_none() {
            // SAFETY: plain data for which all zeros is a value.
            let mut memory: libc::xdp_umem_reg = unsafe { zeroed() };
            memory.addr = umem.start().as_ptr() as u64;
            memory.len = umem.size() as u64;
            memory.chunk_size = CHUNK as u32;
            set(&fd, libc::XDP_UMEM_REG, &memory)?;
        }
        set(&fd, libc::XDP_UMEM_FILL_RING, &DEPTH)?;
        set(&fd, libc::XDP_UMEM_COMPLETION_RING, &COMPLETIONS)?;
        set(&fd, libc::XDP_RX_RING, &DEPTH)?;
        set(&fd, libc::XDP_TX_RING, &DEPTH)?;
        // An older kernel does not know it and is called more often.
        let _ = set(&fd, XDP_MAX_TX_SKB_BUDGET, &BUDGET);
        let offsets: libc::xdp_mmap_offsets = socket::get(&fd, libc::SOL_XDP, libc::XDP_MMAP_OFFSETS)?;
        let raw = fd.as_raw_fd();
        let xsk = Xsk {
            port,
            id: 0,
            lent: 0,
            written: false,
            credit: None,
            rx: Ring::map(raw, DEPTH, libc::XDP_PGOFF_RX_RING, &offsets.rx)?,
            tx: Ring::map(raw, DEPTH, libc::XDP_PGOFF_TX_RING, &offsets.tx)?,
            fill: Ring::map(raw, DEPTH, libc::XDP_UMEM_PGOFF_FILL_RING as i64, &offsets.fr)?,
            done: Ring::map(raw, COMPLETIONS, libc::XDP_UMEM_PGOFF_COMPLETION_RING as i64, &offsets.cr)?,
            fd: Arc::new(fd),
            left: Left { umem: Arc::clone(umem), chunks: Vec::new() },
        };
        let mode = if zero_copy { libc::XDP_ZEROCOPY } else { libc::XDP_COPY };
        let address = libc::sockaddr_xdp {
            sxdp_family: libc::AF_XDP as u16,
            // Who shares inherits the mode.
            sxdp_flags: match shared {
                Some(_) => libc::XDP_SHARED_UMEM,
                None => mode | libc::XDP_USE_NEED_WAKEUP | libc::XDP_USE_SG,
            },
            sxdp_ifindex: ifindex,
            sxdp_queue_id: queue,
            sxdp_shared_umem_fd: shared.map_or(0, |fd| fd as u32),
        };
        socket::bind(&xsk.fd, &address)?;
        Ok(xsk)
    }

    /// Readable when there are frames.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The descriptor as control keeps it.
    pub(super) fn descriptor(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    /// Its memory.
    pub(super) fn umem(&self) -> &Arc<Umem> {
        &self.left.umem
    }

    /// The chunks that are given back when it is closed.
    pub(super) fn leave(&mut self, chunks: Vec<u32>) {
        self.left.chunks = chunks;
    }

    /// Has the kernel send what is in the ring. Is there something left that another call may send?
    pub(super) fn kick(&mut self) -> bool {
        let mut before = self.tx.pending();
        while before > 0 && self.tx.wants_kick() {
            // SAFETY: no pointers.
            let done = unsafe { libc::sendto(self.fd.as_raw_fd(), ptr::null(), 0, libc::MSG_DONTWAIT, ptr::null(), 0) };
            let error = if done < 0 { io::Error::last_os_error().raw_os_error() } else { None };
            let after = self.tx.pending();
            match error {
                // The kernel sends a limited number per call.
                None | Some(libc::EAGAIN) if after < before => before = after,
                None | Some(libc::EAGAIN | libc::EBUSY | libc::ENOBUFS | libc::EINTR) => return after > 0,
                // The device is down or gone.
                Some(_) => return false,
            }
        }
        false
    }

    /// Tells a driver that waits for free chunks that there are some.
    #[inline]
    pub(super) fn wake_fill(&mut self) {
        if self.fill.wants_kick() {
            // SAFETY: no pointers.
            unsafe {
                libc::recvfrom(
                    self.fd.as_raw_fd(),
                    ptr::null_mut(),
                    0,
                    libc::MSG_DONTWAIT,
                    ptr::null_mut(),
                    ptr::null_mut(),
                )
            };
        }
    }
}

/// What the kernel counted at a socket.
pub(super) fn statistics(fd: &OwnedFd) -> io::Result<libc::xdp_statistics> {
    socket::get(fd, libc::SOL_XDP, libc::XDP_STATISTICS)
}

fn set<T>(fd: &OwnedFd, option: i32, value: &T) -> io::Result<()> {
    socket::set(fd, libc::SOL_XDP, option, value)
}
