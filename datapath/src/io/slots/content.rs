//! What stands in a slot: the key it is found by, what is done, and where the further copies of a flood go.

use super::{ALSO, Depends};
use crate::flow::{COPIES, Dep, Depth, Flow, Inner, Outer};
use mona_wire::eth::IPV6;
use mona_wire::{Mac, PortId};
use std::sync::atomic::Ordering::Relaxed;

/// What a flow is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::io) struct Key {
    pub(in crate::io) from: u32,
    pub(super) words: [u64; 6],
}

/// What stands in a slot beside its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::io) enum Content {
    /// Look deeper: at so much, for an inner key with this id.
    Deeper { depth: Depth, flags: u8, id: u32 },
    /// A decision.
    Decided {
        ifindex: u32,
        mtu: u16,
        vid: Option<u16>,
        routed: u8,
        dst: [u8; 6],
        src: [u8; 6],
        credit: u32,
        xdp: bool,
        also: Also,
    },
}

/// The further copies of a flood: by which devices, those from `turn` on with this VID instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::io) struct Also {
    /// Does it go to whoever is there, even if that is one?
    pub(in crate::io) flooded: bool,
    pub(in crate::io) count: u8,
    pub(super) turn: u8,
    pub(super) vid: Option<u16>,
    /// The list by which all with the last tag leave together; 0: none.
    pub(in crate::io) fanout: u16,
    pub(super) ifindexes: [u32; COPIES - 1],
}

impl Key {
    pub(in crate::io) fn outer(outer: &Outer, ifindex: u32) -> Key {
        let (dst, src) = (outer.dst.0, outer.src.0);
        let first = [dst[0], dst[1], dst[2], dst[3], dst[4], dst[5], src[0], src[1]];
        let tag = u64::from(tag(outer.vid));
        let last = u64::from(u32::from_ne_bytes([src[2], src[3], src[4], src[5]]));
        Key { from: ifindex, words: [u64::from_ne_bytes(first), last | tag << 32, 0, 0, 0, 0] }
    }

    pub(in crate::io) fn inner(inner: &Inner, depth: Depth, flags: u8, id: u32) -> Key {
        let mut words = [0; 6];
        let addresses = inner.addresses.as_chunks::<8>().0;
        for (at, bytes) in [0, 2, 3, 4].into_iter().zip(addresses) {
            words[at] = u64::from_ne_bytes(*bytes);
        }
        words[1] = u64::from(inner.ethertype) << 32 | 0xffff << 48;
        words[5] = u64::from(inner.protocol) << 32 | u64::from(inner.tos) << 40;
        if depth == Depth::L4 {
            words[5] |= u64::from(u32::from_ne_bytes(inner.ports)) | u64::from(inner.flags & flags) << 48;
        }
        Key { from: id, words }
    }

    pub(in crate::io) fn read_outer(&self, rx: PortId) -> Outer {
        let (first, last) = (self.words[0].to_ne_bytes(), (self.words[1] as u32).to_ne_bytes());
        let [d @ .., s0, s1] = first;
        let [s2, s3, s4, s5] = last;
        let tag = (self.words[1] >> 32) as u16;
        Outer { rx, vid: untag(tag), dst: Mac(d), src: Mac([s0, s1, s2, s3, s4, s5]) }
    }

    pub(in crate::io) fn read_inner(&self) -> Inner {
        let mut inner = Inner { ethertype: (self.words[1] >> 32) as u16, ..Inner::default() };
        for (bytes, at) in inner.addresses.as_chunks_mut::<8>().0.iter_mut().zip([0, 2, 3, 4]) {
            *bytes = self.words[at].to_ne_bytes();
        }
        inner.ports = (self.words[5] as u32).to_ne_bytes();
        (inner.protocol, inner.tos) = ((self.words[5] >> 32) as u8, (self.words[5] >> 40) as u8);
        inner.flags = (self.words[5] >> 48) as u8;
        inner
    }

    pub(in crate::io) fn is_inner(&self) -> bool {
        self.words[1] >> 48 == 0xffff
    }

    /// By which it is found. As `find()` in flow.h.
    pub(super) fn hash(&self, seed: u64) -> u64 {
        let [a, mut b, c @ .., d] = self.words;
        let (is_six, inner) = (b >> 32 & 0xffff == u64::from(IPV6), self.is_inner());
        if !inner {
            b ^= u64::from(self.from.wrapping_mul(0x9e37_79b9)) << 32;
        }
        let six = c.into_iter().filter(|_| inner && is_six);
        let rest = six.chain([d, self.from.into()].into_iter().filter(|_| inner));
        [a, b].into_iter().chain(rest).fold(seed, |mixed, word| {
            let product = (mixed ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            product ^ product >> 32
        })
    }
}

impl Content {
    /// What a flow says is to be done, with the devices of its copies.
    pub(in crate::io) fn of(flow: &Flow, credit: u32, xdp: bool, ifindexes: &[u32; COPIES]) -> Content {
        let routed = flow.action.route.map_or(0, |_| if flow.counted.six == Some(true) { 6 } else { 4 });
        let (dst, src) = flow.action.route.unwrap_or((Mac::ZERO, Mac::ZERO));
        let (mtu, vid) = (flow.action.mtu, flow.action.vid);
        let [ifindex, ifindexes @ ..] = *ifindexes;
        let flooded = flow.deps.iter().flatten().any(|dep| matches!(dep, Dep::Members(_)));
        let mut also = Also { flooded, vid, ifindexes, ..Also::default() };
        for (_, other) in flow.action.copies().skip(1) {
            if other == also.vid {
                also.turn += u8::from(other == vid);
            }
            (also.vid, also.count) = (other, also.count + 1);
        }
        // Copies are TC's.
        let xdp = xdp && also.count == 0;
        Content::Decided { ifindex, mtu, vid, routed, dst: dst.0, src: src.0, credit, xdp, also }
    }

    /// Is the same done? (By which count a flow waited no longer matters, nor which copies leave together.)
    pub(in crate::io) fn is_same(self, other: &Content) -> bool {
        let plain = |content| match content {
            Content::Decided { ifindex, mtu, vid, routed, dst, src, xdp, also, .. } => {
                let also = Also { fanout: 0, ..also };
                Content::Decided { ifindex, mtu, vid, routed, dst, src, credit: 0, xdp, also }
            }
            deeper => deeper,
        };
        plain(self) == plain(*other)
    }
}

impl Also {
    /// The devices of the copies that have the last tag; the first copy leaves by `first`.
    pub(in crate::io) fn together(&self, first: u32) -> Vec<u32> {
        let (turn, count) = (usize::from(self.turn), usize::from(self.count));
        let (alike, rest) = self.ifindexes.split_at(count).0.split_at(turn);
        if rest.is_empty() { [first].iter().chain(alike).copied().collect() } else { rest.into() }
    }

    pub(super) fn write(&self, depends: &Depends) {
        if self.count > 0 {
            debug_assert!(depends.count.load(Relaxed) as usize <= ALSO);
            let tag = u32::from(self.turn) << 16 | u32::from(tag(self.vid));
            let words = [tag, self.fanout.into()].into_iter().chain(self.ifindexes);
            depends.on[ALSO..].iter().zip(words).for_each(|(on, word)| on.store(word, Relaxed));
        }
    }

    pub(super) fn read(count: u8, vid: Option<u16>, depends: &Depends) -> Also {
        let mut words = depends.on[ALSO..].iter().map(|on| on.load(Relaxed));
        let mut also = Also { count, vid, ..Also::default() };
        if count > 0 {
            let word = words.next().unwrap_or(0);
            (also.turn, also.vid) = ((word >> 16) as u8, untag(word as u16));
            also.fanout = words.next().unwrap_or(0) as u16;
            also.ifindexes.iter_mut().zip(words).take(count.into()).for_each(|(to, from)| *to = from);
        }
        also
    }
}

/// A VID and its mark in one word; 0: no tag.
pub(super) fn tag(vid: Option<u16>) -> u16 {
    vid.map_or(0, |vid| 0x1000 | vid)
}

pub(super) fn untag(tag: u16) -> Option<u16> {
    (tag & 0x1000 != 0).then_some(tag & 0xfff)
}
