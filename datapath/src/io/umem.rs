//! The packet memory that the `xdp` ports of one worker share (linux/Documentation/networking/af_xdp.rst): chunks, and
//! the four rings of descriptors by which a socket and the kernel pass them to each other.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::RawFd;
use std::ptr::{self, NonNull};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// A chunk holds a frame of 1,522 bytes behind the 256 that the kernel keeps free; longer ones come in several.
pub(super) const CHUNK: usize = 2048;
/// Chunks of a worker if that much memory (32 MiB) may be locked…
pub(super) const CHUNKS: usize = 16384;
/// …and at least.
pub(super) const FEWEST: usize = 512;

/// Memory mapped from the kernel, undone with its owner.
pub(super) struct Region {
    at: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to no thread; its users follow the protocol of the rings.
unsafe impl Send for Region {}
// SAFETY: as above; chunks are only touched by the worker that holds them.
unsafe impl Sync for Region {}

impl Region {
    pub(super) fn anonymous(len: usize) -> io::Result<Region> {
        Region::map(-1, len, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE, 0)
    }

    pub(super) fn of(fd: RawFd, len: usize, offset: i64) -> io::Result<Region> {
        Region::map(fd, len, libc::MAP_SHARED | libc::MAP_POPULATE, offset)
    }

    fn map(fd: RawFd, len: usize, flags: i32, offset: i64) -> io::Result<Region> {
        // SAFETY: a new mapping of `len` bytes where the kernel likes.
        let at = unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, flags, fd, offset) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(at.cast()).map(|at| Region { at, len }).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    pub(super) fn at(&self) -> NonNull<u8> {
        self.at
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping made by `map`.
        unsafe { libc::munmap(self.at.as_ptr().cast(), self.len) };
    }
}

/// The chunks of one worker and mode.
pub(super) struct Umem {
    region: Region,
    chunks: usize,
    /// Chunks of sockets that were closed, for the worker to take back.
    returned: Mutex<Vec<u32>>,
    any_returned: AtomicBool,
}

impl Umem {
    pub(super) fn new(chunks: usize) -> io::Result<Umem> {
        let region = Region::anonymous(CHUNK * chunks)?;
        Ok(Umem { region, chunks, returned: Mutex::default(), any_returned: AtomicBool::new(false) })
    }

    /// How many there are.
    #[inline]
    pub(super) fn chunks(&self) -> usize {
        self.chunks
    }

    /// Its first byte.
    #[inline]
    pub(super) fn start(&self) -> NonNull<u8> {
        self.region.at()
    }

    /// Its bytes.
    #[inline]
    pub(super) fn size(&self) -> usize {
        CHUNK * self.chunks
    }

    /// `len` bytes at `address`, as descriptors say it; `None` if they are not all inside.
    #[inline]
    pub(super) fn span(&self, address: u64, len: usize) -> Option<NonNull<u8>> {
        let address = usize::try_from(address).ok()?;
        let inside = address < self.size() && len <= self.size() - address;
        // SAFETY: inside the mapping.
        inside.then(|| unsafe { self.region.at().add(address) })
    }

    /// The kernel is done with these.
    pub(super) fn give_back(&self, chunks: &mut Vec<u32>) {
        if let Ok(mut returned) = self.returned.lock() {
            returned.append(chunks);
            self.any_returned.store(true, Ordering::Release);
        }
    }

    /// Appends what was given back, unless somebody is giving just now.
    #[inline]
    pub(super) fn take_back(&self, into: &mut Vec<u32>) {
        if self.any_returned.load(Ordering::Acquire)
            && let Ok(mut returned) = self.returned.try_lock()
        {
            into.append(&mut returned);
            self.any_returned.store(false, Ordering::Relaxed);
        }
    }
}

/// One ring of `T`, written by one side and read by the other. Both indices run freely and wrap.
pub(super) struct Ring<T> {
    _region: Region,
    producer: NonNull<AtomicU32>,
    consumer: NonNull<AtomicU32>,
    flags: NonNull<AtomicU32>,
    entries: NonNull<T>,
    mask: u32,
    /// Our own index, ahead of what the kernel has been told.
    own: u32,
    /// The kernel's, as last seen.
    other: u32,
}

// SAFETY: the pointers are into the region that the ring owns; only the holder of the ring uses them.
unsafe impl<T: Send> Send for Ring<T> {}

impl<T: Copy> Ring<T> {
    /// Maps the ring of `size` entries (a power of two) that `fd` has at `page`.
    pub(super) fn map(fd: RawFd, size: u32, page: i64, at: &libc::xdp_ring_offset) -> io::Result<Ring<T>> {
        let region = Region::of(fd, at.desc as usize + size as usize * size_of::<T>(), page)?;
        // SAFETY: the kernel says where in the mapping they are; it aligns them.
        let (producer, consumer, flags, entries) = unsafe {
            (
                region.at().add(at.producer as usize).cast::<AtomicU32>(),
                region.at().add(at.consumer as usize).cast::<AtomicU32>(),
                region.at().add(at.flags as usize).cast::<AtomicU32>(),
                region.at().add(at.desc as usize).cast::<T>(),
            )
        };
        Ok(Ring { _region: region, producer, consumer, flags, entries, mask: size - 1, own: 0, other: 0 })
    }

    fn word(at: &NonNull<AtomicU32>) -> &AtomicU32 {
        // SAFETY: in the mapping, which lives as long as the ring; both sides access the word atomically.
        unsafe { at.as_ref() }
    }

    /// Does the kernel want to be called?
    #[inline]
    pub(super) fn wants_kick(&self) -> bool {
        Self::word(&self.flags).load(Ordering::Relaxed) & libc::XDP_RING_NEED_WAKEUP != 0
    }

    /// As the writer: how many entries are free, at least `wanted` if there are as many.
    #[inline]
    pub(super) fn free(&mut self, wanted: u32) -> u32 {
        let size = self.mask + 1;
        if size - self.own.wrapping_sub(self.other) < wanted {
            self.other = Self::word(&self.consumer).load(Ordering::Acquire);
        }
        size - self.own.wrapping_sub(self.other)
    }

    /// As the writer: entries that the reader has not taken yet.
    #[inline]
    pub(super) fn pending(&mut self) -> u32 {
        self.other = Self::word(&self.consumer).load(Ordering::Acquire);
        self.own.wrapping_sub(self.other)
    }

    /// As the writer: puts one entry where [`Ring::free`] said there is room; told by [`Ring::submit`].
    #[inline]
    pub(super) fn push(&mut self, entry: T) {
        // SAFETY: the index is masked; the reader does not look at free entries.
        unsafe { self.entries.as_ptr().add((self.own & self.mask) as usize).write(entry) };
        self.own = self.own.wrapping_add(1);
    }

    /// As the writer: hands on what was pushed.
    #[inline]
    pub(super) fn submit(&mut self) {
        Self::word(&self.producer).store(self.own, Ordering::Release);
    }

    /// As the reader: how many entries there are, at least `wanted` if there are as many.
    #[inline]
    pub(super) fn filled(&mut self, wanted: u32) -> u32 {
        if self.other.wrapping_sub(self.own) < wanted {
            self.other = Self::word(&self.producer).load(Ordering::Acquire);
        }
        self.other.wrapping_sub(self.own)
    }

    /// As the reader: is there an entry?
    #[inline]
    pub(super) fn is_filled(&self) -> bool {
        Self::word(&self.producer).load(Ordering::Relaxed) != self.own
    }

    /// As the reader: the entry `ahead` of the next, where [`Ring::filled`] said there is one.
    #[inline]
    pub(super) fn peek(&self, ahead: u32) -> T {
        // SAFETY: the index is masked; the writer has filled the entry (acquired in `filled`).
        unsafe { self.entries.as_ptr().add((self.own.wrapping_add(ahead) & self.mask) as usize).read() }
    }

    /// As the reader: `count` entries are taken; told by [`Ring::release`].
    #[inline]
    pub(super) fn skip(&mut self, count: u32) {
        self.own = self.own.wrapping_add(count);
    }

    /// As the reader: gives the entries taken back to the writer.
    #[inline]
    pub(super) fn release(&mut self) {
        Self::word(&self.consumer).store(self.own, Ordering::Release);
    }
}
