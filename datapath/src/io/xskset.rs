//! The AF_XDP sockets of one worker and the chunks they share. A chunk is free, in the hands of a socket's kernel side,
//! or held: its frame is being decided. A frame that leaves as it came, by a port whose memory is the same, takes its
//! chunk with it instead of being copied. Nobody writes to a chunk while it is held, so that other copies of the frame
//! may be made from it afterwards.

#![allow(unsafe_code)]

use super::credit::{Settled, SocketCredit};
use super::set::Egress;
use super::umem::{CHUNK, Umem};
use super::xsk::{DEPTH, Xsk};
use super::{Offload, RxFrame};
use crate::Drop;
use crate::offload::{self, Leaving};
use crate::prefetch::prefetch;
use mona_wire::{Eth, PortId};
use std::ptr::NonNull;
use std::sync::Arc;

/// Sockets a worker may have: each needs chunks of its own.
pub(super) const SOCKETS: usize = 32;
/// Chunks one frame may be sent in (the kernel's limit is MAX_SKB_FRAGS, 17).
const PARTS: usize = 16;
/// Room for frames that came in parts, until they are released.
const GATHER: usize = 1 << 20;

/// Owners of chunks besides sockets.
const FREE: u8 = u8::MAX;
const HELD: u8 = u8::MAX - 1;
const GONE: u8 = u8::MAX - 2;

/// The chunks of one mode.
struct Pool {
    umem: Arc<Umem>,
    free: Vec<u32>,
    owner: Box<[u8]>,
    /// Chunks of frames handed out by [`XskSet::receive`].
    held: Vec<u32>,
    back: Vec<u32>,
}

impl Pool {
    fn new(umem: &Arc<Umem>) -> Pool {
        Pool {
            umem: Arc::clone(umem),
            free: (0..umem.chunks() as u32).rev().collect(),
            owner: vec![FREE; umem.chunks()].into_boxed_slice(),
            held: Vec::with_capacity(umem.chunks()),
            back: Vec::new(),
        }
    }

    #[inline]
    fn give(&mut self, chunk: usize) {
        self.owner[chunk] = FREE;
        self.free.push(chunk as u32);
    }

    #[inline]
    fn take(&mut self, owner: u8) -> Option<u64> {
        let chunk = self.free.pop()? as usize;
        self.owner[chunk] = owner;
        Some((chunk * CHUNK) as u64)
    }

    /// The sockets that are closed by now give theirs back.
    fn reclaim(&mut self) {
        let mut back = std::mem::take(&mut self.back);
        self.umem.take_back(&mut back);
        back.drain(..).for_each(|chunk| self.give(chunk as usize));
        self.back = back;
    }

    /// Keeps chunks with the kernel for what comes in: half of all, shared by the worker's sockets.
    #[inline]
    fn fill(&mut self, xsk: &mut Xsk, sockets: usize) {
        let target = DEPTH.min((self.umem.chunks() / 2 / sockets.max(1)) as u32);
        let wanted = target.saturating_sub(xsk.lent);
        if wanted == 0 {
            return;
        }
        let room = xsk.fill.free(wanted).min(wanted);
        let mut filled = 0;
        while filled < room
            && let Some(address) = self.take(xsk.id)
        {
            xsk.fill.push(address);
            filled += 1;
        }
        if filled > 0 {
            xsk.lent += filled;
            xsk.fill.submit();
        }
        xsk.wake_fill();
    }

    /// Where in the memory a held frame lies, if it does.
    #[inline]
    fn address(&self, frame: &RxFrame) -> Option<u64> {
        let address = (frame.at.as_ptr() as usize).wrapping_sub(self.umem.start().as_ptr() as usize);
        (address < self.umem.size() && self.owner[address / CHUNK] == HELD).then_some(address as u64)
    }

    /// The chunk at `address`, to be written.
    #[inline]
    fn chunk(&mut self, address: u64) -> Option<&mut [u8]> {
        let at = self.umem.span(address, CHUNK)?;
        // SAFETY: inside the memory; the chunk was just taken, so neither the kernel nor a frame uses it.
        Some(unsafe { std::slice::from_raw_parts_mut(at.as_ptr(), CHUNK) })
    }
}

/// The AF_XDP sockets of one worker.
#[derive(Default)]
pub struct XskSet {
    sockets: Vec<Xsk>,
    /// One per mode at most, and in the order in which they were first used.
    pools: Vec<Pool>,
    /// By port: which of the sockets sends, counted from 1; 0 for none.
    senders: Vec<u8>,
    gather: Box<[u8]>,
    gathered: usize,
    /// A frame longer than a chunk, before it is cut.
    long: Vec<u8>,
    /// Where the next round of receiving starts, so that no socket is always first.
    next: usize,
}

impl XskSet {
    /// Takes a socket in.
    pub fn add(&mut self, port: PortId, mut xsk: Xsk) {
        xsk.port = port;
        // Control opens no more sockets than there are numbers.
        let free = (0..GONE).find(|id| self.sockets.iter().all(|other| other.id != *id));
        xsk.id = free.unwrap_or(0);
        let at = pool_of(&self.pools, &xsk).unwrap_or_else(|| {
            self.pools.push(Pool::new(xsk.umem()));
            self.pools.len() - 1
        });
        self.sockets.push(xsk);
        let sockets = self.sockets.len();
        let (pool, xsk) = (&mut self.pools[at], self.sockets.last_mut());
        pool.reclaim();
        if let Some(xsk) = xsk {
            pool.fill(xsk, sockets);
        }
        self.index();
    }

    /// Gives one socket of the port back.
    pub fn remove(&mut self, port: PortId) -> Option<Xsk> {
        let at = self.sockets.iter().position(|xsk| xsk.port == port)?;
        let mut xsk = self.sockets.swap_remove(at);
        self.index();
        if let Some(pool) = pool_of(&self.pools, &xsk) {
            let owner = &mut self.pools[pool].owner;
            let mut chunks = Vec::new();
            for (chunk, owner) in owner.iter_mut().enumerate().filter(|(_, owner)| **owner == xsk.id) {
                *owner = GONE;
                chunks.push(chunk as u32);
            }
            xsk.leave(chunks);
            if self.sockets.iter().all(|other| !Arc::ptr_eq(other.umem(), xsk.umem())) {
                // Control lets go of the memory too when the socket is closed.
                self.pools.swap_remove(pool);
            }
        }
        Some(xsk)
    }

    fn index(&mut self) {
        self.senders.clear();
        self.senders.resize(PortId::COUNT, 0);
        for (at, xsk) in self.sockets.iter().enumerate().rev() {
            self.senders[xsk.port.index()] = at as u8 + 1;
        }
    }

    #[inline]
    fn sender(&self, port: PortId) -> Option<usize> {
        self.senders.get(port.index()).filter(|at| **at > 0).map(|at| usize::from(*at) - 1)
    }

    /// Is the port here?
    #[inline]
    pub fn has(&self, port: PortId) -> bool {
        self.sender(port).is_some()
    }

    /// Is there a frame to receive?
    pub fn is_ready(&self) -> bool {
        self.sockets.iter().any(|xsk| xsk.rx.is_filled())
    }

    /// Appends at most `max` frames of each socket. They stay until [`XskSet::release`].
    #[inline]
    pub fn receive(&mut self, frames: &mut Vec<RxFrame>, max: usize) {
        let sockets = self.sockets.len();
        self.next = if self.next + 1 < sockets { self.next + 1 } else { 0 };
        for index in 0..sockets {
            let xsk = &mut self.sockets[(self.next + index) % sockets];
            let filled = xsk.rx.filled(max as u32);
            if filled == 0 {
                continue;
            }
            let Some(pool) = pool_of(&self.pools, xsk) else { continue };
            let pool = &mut self.pools[pool];
            let batch = filled.min(max as u32);
            for ahead in 0..batch {
                if let Some(at) = pool.umem.span(xsk.rx.peek(ahead).addr, 1) {
                    // SAFETY: inside the memory, which stays mapped.
                    prefetch(unsafe { at.as_ref() });
                }
            }
            let (mut taken, mut whole) = (0, 0);
            while taken < batch {
                let first = xsk.rx.peek(taken);
                if first.options & libc::XDP_PKT_CONTD == 0 {
                    receive_one(pool, xsk.port, &first, frames);
                    (taken, whole) = (taken + 1, whole + 1);
                    continue;
                }
                if self.gather.is_empty() {
                    self.gather = vec![0; GATHER].into_boxed_slice();
                }
                let room = &mut self.gather[self.gathered..];
                let Some((parts, len)) = gather(pool, xsk, taken, filled, room) else { break };
                if let Some(frame) = describe(xsk.port, &mut room[..len]) {
                    frames.push(frame);
                }
                self.gathered += len;
                (taken, whole) = (taken + parts, whole + 1);
            }
            xsk.rx.skip(taken);
            xsk.rx.release();
            xsk.credit.iter_mut().for_each(|credit| credit.hold(whole));
            xsk.lent -= taken.min(xsk.lent);
        }
    }

    /// Sends by `port`: the frame's own chunk where that is possible, else a copy. Checksums are completed and
    /// super-frames cut, since what is sent here carries nothing beside it.
    #[inline]
    pub fn send(&mut self, port: PortId, egress: &Egress<'_>, from: Option<&RxFrame>) -> Result<(), Drop> {
        let at = self.sender(port).ok_or(Drop::PortDown)?;
        let xsk = &mut self.sockets[at];
        let pool = pool_of(&self.pools, xsk).ok_or(Drop::PortDown)?;
        let pool = &mut self.pools[pool];
        if egress.offload == Offload::default()
            && let Some(address) = from.and_then(|frame| pool.address(frame))
            && Eth::parse(egress.bytes).is_some_and(|eth| eth.tag == egress.tag)
        {
            room(xsk, 1)?;
            pool.owner[address as usize / CHUNK] = xsk.id;
            xsk.tx.push(libc::xdp_desc { addr: address, len: egress.bytes.len() as u32, options: 0 });
            xsk.written = true;
            return Ok(());
        }
        let leaving = Leaving::new(egress.bytes, &egress.offload, egress.tag)?;
        if leaving.offload.gso.is_none() {
            let len = leaving.len();
            room(xsk, len.div_ceil(CHUNK))?;
            return write(pool, xsk, &mut self.long, len, |into| leaving.write_complete(into).map(drop));
        }
        let segments = leaving.segments()?;
        room(xsk, segments.count() * segments.len(0).div_ceil(CHUNK))?;
        for index in 0..segments.count() {
            let cut = |into: &mut [u8]| segments.write(index, into).map(drop).ok_or(Drop::TxError);
            write(pool, xsk, &mut self.long, segments.len(index), cut)?;
        }
        Ok(())
    }

    /// What was sent goes; what is done with is free again. Is there something that did not go?
    #[inline]
    pub fn flush(&mut self) -> bool {
        let mut left = false;
        for xsk in &mut self.sockets {
            if std::mem::take(&mut xsk.written) {
                xsk.tx.submit();
            }
            left |= xsk.kick();
            let done = xsk.done.filled(u32::MAX);
            if done > 0
                && let Some(pool) = pool_of(&self.pools, xsk)
            {
                let pool = &mut self.pools[pool];
                for ahead in 0..done {
                    let chunk = xsk.done.peek(ahead) as usize / CHUNK;
                    if pool.owner.get(chunk) == Some(&xsk.id) {
                        pool.give(chunk);
                    }
                }
                xsk.done.skip(done);
                xsk.done.release();
            }
        }
        left
    }

    /// The frames handed out are no longer needed: their chunks go back to the kernel. Comes after [`XskSet::flush`].
    #[inline]
    pub fn release(&mut self) {
        self.gathered = 0;
        for pool in &mut self.pools {
            while let Some(chunk) = pool.held.pop() {
                // Not those that went out with their frame.
                if pool.owner[chunk as usize] == HELD {
                    pool.give(chunk as usize);
                }
            }
            pool.reclaim();
        }
        let sockets = self.sockets.len();
        for xsk in &mut self.sockets {
            if let Some(pool) = pool_of(&self.pools, xsk) {
                self.pools[pool].fill(xsk, sockets);
            }
        }
    }

    /// Gives sockets the credit of what is sent.
    #[inline]
    pub fn settle(&mut self, settled: Settled) {
        self.sockets.iter_mut().flat_map(|xsk| &mut xsk.credit).for_each(|credit| credit.settle(settled));
    }

    /// Now and then: what was admitted to a socket and did not come is lost.
    pub fn reconcile(&mut self) {
        for xsk in self.sockets.iter_mut().filter(|xsk| !xsk.rx.is_filled()) {
            xsk.credit.iter_mut().for_each(SocketCredit::empty);
        }
    }
}

#[inline]
fn pool_of(pools: &[Pool], xsk: &Xsk) -> Option<usize> {
    pools.iter().position(|pool| Arc::ptr_eq(&pool.umem, xsk.umem()))
}

/// Is there room for so many descriptors, if need be after the kernel has sent some?
#[inline]
fn room(xsk: &mut Xsk, wanted: usize) -> Result<(), Drop> {
    let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
    if xsk.tx.free(wanted) >= wanted {
        return Ok(());
    }
    xsk.tx.submit();
    xsk.kick();
    if xsk.tx.free(wanted) >= wanted { Ok(()) } else { Err(Drop::TxFull) }
}

/// Puts a frame of `len` bytes, which `fill` writes, into as many chunks as it needs.
#[inline]
fn write(
    pool: &mut Pool,
    xsk: &mut Xsk,
    long: &mut Vec<u8>,
    len: usize,
    fill: impl FnOnce(&mut [u8]) -> Result<(), Drop>,
) -> Result<(), Drop> {
    if len > CHUNK {
        return write_long(pool, xsk, long, len, fill);
    }
    let address = pool.take(xsk.id).ok_or(Drop::TxFull)?;
    let written = pool.chunk(address).ok_or(Drop::TxError).and_then(|chunk| fill(&mut chunk[..len]));
    if let Err(why) = written {
        pool.give(address as usize / CHUNK);
        return Err(why);
    }
    xsk.tx.push(libc::xdp_desc { addr: address, len: len as u32, options: 0 });
    xsk.written = true;
    Ok(())
}

fn write_long(
    pool: &mut Pool,
    xsk: &mut Xsk,
    long: &mut Vec<u8>,
    len: usize,
    fill: impl FnOnce(&mut [u8]) -> Result<(), Drop>,
) -> Result<(), Drop> {
    if len > PARTS * CHUNK {
        return Err(Drop::Oversize);
    }
    if pool.free.len() < PARTS {
        return Err(Drop::TxFull);
    }
    long.resize(PARTS * CHUNK, 0);
    fill(&mut long[..len])?;
    let parts = len.div_ceil(CHUNK);
    for (index, part) in long[..len].chunks(CHUNK).enumerate() {
        // There are enough.
        let Some(address) = pool.take(xsk.id) else { return Err(Drop::TxFull) };
        if let Some(chunk) = pool.chunk(address) {
            chunk[..part.len()].copy_from_slice(part);
        }
        let options = if index + 1 < parts { libc::XDP_PKT_CONTD } else { 0 };
        xsk.tx.push(libc::xdp_desc { addr: address, len: part.len() as u32, options });
    }
    xsk.written = true;
    Ok(())
}

/// A frame that lies in one chunk.
#[inline]
fn receive_one(pool: &mut Pool, port: PortId, first: &libc::xdp_desc, frames: &mut Vec<RxFrame>) {
    let len = first.len as usize;
    let Some(at) = pool.umem.span(first.addr, len) else { return };
    let chunk = first.addr as usize / CHUNK;
    pool.owner[chunk] = HELD;
    pool.held.push(chunk as u32);
    // SAFETY: inside the memory; the kernel has handed the chunk over, and no frame refers to it yet.
    if let Some(frame) = describe(port, unsafe { std::slice::from_raw_parts_mut(at.as_ptr(), len) }) {
        frames.push(frame);
    }
}

/// Copies a frame that came in parts together and frees them; how many parts, how many bytes. `None`: not all of them
/// are there, or there is no room before the next release.
#[cold]
fn gather(pool: &mut Pool, xsk: &mut Xsk, start: u32, filled: u32, room: &mut [u8]) -> Option<(u32, usize)> {
    let (mut parts, mut len) = (0, 0);
    loop {
        if start + parts == filled {
            let filled = xsk.rx.filled(DEPTH);
            if start + parts == filled {
                return None;
            }
        }
        let part = xsk.rx.peek(start + parts);
        (parts, len) = (parts + 1, len + part.len as usize);
        if part.options & libc::XDP_PKT_CONTD == 0 {
            break;
        }
    }
    let mut rest = room.get_mut(..len)?;
    for ahead in start..start + parts {
        let part = xsk.rx.peek(ahead);
        let (into, later) = rest.split_at_mut(part.len as usize);
        if let Some(at) = pool.umem.span(part.addr, into.len()) {
            // SAFETY: inside the memory; the kernel has handed the chunk over.
            into.copy_from_slice(unsafe { std::slice::from_raw_parts(at.as_ptr(), into.len()) });
            pool.give(part.addr as usize / CHUNK);
        }
        rest = later;
    }
    Some((parts, len))
}

/// What a sender on the same machine left to its device does not show beside the frame, but in it: a checksum that is
/// the sum of its pseudo-header.
#[inline]
fn describe(rx: PortId, bytes: &mut [u8]) -> Option<RxFrame> {
    let mut offload = Offload::default();
    if let Some((csum, end)) = offload::pseudo(bytes) {
        if end == bytes.len() {
            offload.csum = Some(csum);
        } else {
            // Padding would be summed too.
            let _ = offload::complete(&mut bytes[..end], csum);
        }
    }
    Some(RxFrame { rx, at: NonNull::new(bytes.as_mut_ptr())?, len: bytes.len() as u32, offload, chunk: 0 })
}
