//! A set of VLANs: a bit each, so that a thousand trunks with lists of thousands are copied and compared at next to no cost.

use mona_wire::VlanId;
use serde::{Deserialize, Serialize};
use std::array::from_fn;
use std::fmt;

/// Only VLANs that a tag can name: internal ones are nobody's to list.
const WORDS: usize = 4096 / 64;

/// A set of VLANs; prints as `1-5,7`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<VlanId>", into = "Vec<VlanId>")]
pub struct VlanSet {
    // Apart: lines and actions that may hold a set stay small.
    words: Box<[u64; WORDS]>,
}

impl VlanSet {
    /// 1-4094
    pub fn all() -> VlanSet {
        let mut words = [u64::MAX; WORDS];
        // There is neither a VLAN 0 nor a VLAN 4095.
        words[0] &= !1;
        words[WORDS - 1] &= u64::MAX >> 1;
        VlanSet { words: words.into() }
    }

    /// Are all in it?
    pub fn is_all(&self) -> bool {
        self.len() == 4094
    }

    /// Is none in it?
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// How many are in it?
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Is this one in it?
    pub fn contains(&self, vlan: VlanId) -> bool {
        self.words.get(vlan.index() / 64).is_some_and(|word| word >> (vlan.index() % 64) & 1 != 0)
    }

    /// Adds one.
    pub fn insert(&mut self, vlan: VlanId) {
        if let Some(word) = self.words.get_mut(vlan.index() / 64) {
            *word |= 1 << (vlan.index() % 64);
        }
    }

    /// The VLANs in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = VlanId> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros();
                // A word without bits has 64 zeros.
                rest &= rest.checked_sub(1)?;
                VlanId::new((index * 64) as u16 + bit as u16)
            })
        })
    }

    /// Those in this set and in the other.
    pub fn and(&self, other: &VlanSet) -> VlanSet {
        VlanSet { words: Box::new(from_fn(|index| self.words[index] & other.words[index])) }
    }

    /// Those in this set, the other or both.
    pub fn or(&self, other: &VlanSet) -> VlanSet {
        VlanSet { words: Box::new(from_fn(|index| self.words[index] | other.words[index])) }
    }

    /// Those in this set and not in the other.
    pub fn without(&self, other: &VlanSet) -> VlanSet {
        VlanSet { words: Box::new(from_fn(|index| self.words[index] & !other.words[index])) }
    }

    /// Those in one of both alone.
    pub fn differing(&self, other: &VlanSet) -> VlanSet {
        VlanSet { words: Box::new(from_fn(|index| self.words[index] ^ other.words[index])) }
    }
}

impl Default for VlanSet {
    fn default() -> VlanSet {
        VlanSet { words: Box::new([0; WORDS]) }
    }
}

impl fmt::Display for VlanSet {
    /// As IOS lists them: `1-5,7`; runs of two are written `4,5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut runs: Vec<(u16, u16)> = Vec::new();
        for vlan in self.iter().map(|v| v.get()) {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == vlan => *last = vlan,
                _ => runs.push((vlan, vlan)),
            }
        }
        for (index, (first, last)) in runs.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                1 => write!(f, "{comma}{first},{last}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for VlanSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

impl FromIterator<VlanId> for VlanSet {
    fn from_iter<I: IntoIterator<Item = VlanId>>(vlans: I) -> VlanSet {
        let mut set = VlanSet::default();
        vlans.into_iter().for_each(|vlan| set.insert(vlan));
        set
    }
}

impl From<Vec<VlanId>> for VlanSet {
    fn from(vlans: Vec<VlanId>) -> VlanSet {
        vlans.into_iter().collect()
    }
}

impl From<VlanSet> for Vec<VlanId> {
    fn from(set: VlanSet) -> Vec<VlanId> {
        set.iter().collect()
    }
}
