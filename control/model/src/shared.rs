//! A map in order whose copies share what they have in common: of a million entries a copy costs a thousand counters, a change
//! in it one part of some hundred entries, and what is different between two of them is found by looking at the parts that are
//! not the same memory. The configuration keeps its routes so, and what is made of them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound::{Included, Unbounded};
use std::sync::Arc;

/// Entries of a part: at most so many. A copy of the map copies a reference for each part, a change in it one part: at a million
/// entries both take about as long.
const PART: usize = 1024;

/// A [`BTreeMap`] in parts, each shared by the copies that have not changed it.
#[derive(Clone)]
pub struct SharedMap<K, V> {
    /// By a key that is not greater than any of the part's, and greater than all of the part before. None is empty.
    parts: BTreeMap<K, Arc<BTreeMap<K, V>>>,
    len: usize,
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> SharedMap<K, V> {
        SharedMap { parts: BTreeMap::new(), len: 0 }
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// An empty one.
    pub fn new() -> SharedMap<K, V> {
        SharedMap::default()
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Has it none?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What stands at this key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.parts.range(..=key).next_back()?.1.get(key)
    }

    /// Is there something at this key?
    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// Enters or replaces; returns what was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        // What is less than all goes into the first part, which begins with it from now on.
        let Some(at) = self.parts.range(..=&key).next_back().or_else(|| self.parts.first_key_value()) else {
            self.parts.insert(key.clone(), Arc::new(BTreeMap::from([(key, value)])));
            self.len = 1;
            return None;
        };
        let at = at.0.clone();
        if key < at
            && let Some(part) = self.parts.remove(&at)
        {
            self.parts.insert(key.clone(), part);
            return self.insert(key, value);
        }
        let part = Arc::make_mut(self.parts.get_mut(&at)?);
        let is_last = part.last_key_value().is_none_or(|(last, _)| *last < key);
        let old = part.insert(key, value);
        self.len += usize::from(old.is_none());
        if part.len() > PART {
            // What is told in order, as files are, fills its parts.
            let middle = if is_last { part.len() - 1 } else { part.len() / 2 };
            if let Some(middle) = part.keys().nth(middle).cloned() {
                let rest = part.split_off(&middle);
                self.parts.insert(middle, Arc::new(rest));
            }
        }
        old
    }

    /// Removes; returns what was there.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.get(key)?;
        let at = self.parts.range(..=key).next_back()?.0.clone();
        let part = Arc::make_mut(self.parts.get_mut(&at)?);
        let old = part.remove(key);
        self.len -= usize::from(old.is_some());
        if part.is_empty() {
            self.parts.remove(&at);
        }
        old
    }

    /// All entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> + Clone {
        self.parts.values().flat_map(|part| part.iter())
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// The entries from this key on, in order.
    pub fn from(&self, key: K) -> impl Iterator<Item = (&K, &V)> {
        let first = self.parts.range(..=&key).next_back().map_or(&key, |(first, _)| first);
        let mut parts = self.parts.range((Included(first), Unbounded)).map(|(_, part)| part);
        let within = parts.next().map(|part| part.range(key..));
        within.into_iter().flatten().chain(parts.flat_map(|part| part.iter()))
    }

    /// The keys at which the two have not the same, in order.
    pub fn different<'a>(&'a self, other: &'a SharedMap<K, V>) -> Vec<&'a K>
    where
        V: PartialEq,
    {
        let own = |map: &'a SharedMap<K, V>, other: &'a SharedMap<K, V>| {
            let is_shared = |(first, part): &(&K, &Arc<BTreeMap<K, V>>)| {
                other.parts.get(*first).is_some_and(|there| Arc::ptr_eq(part, there))
            };
            map.parts.iter().filter(move |part| !is_shared(part)).flat_map(|(_, part)| part.iter())
        };
        let (mut mine, mut theirs) = (own(self, other).peekable(), own(other, self).peekable());
        let mut different = Vec::new();
        loop {
            let next = match (mine.peek(), theirs.peek()) {
                (Some((mine, _)), Some((theirs, _))) => (*mine).min(*theirs),
                (Some((key, _)), None) | (None, Some((key, _))) => *key,
                (None, None) => return different,
            };
            let value = mine.next_if(|(key, _)| *key == next).map(|(_, value)| value);
            if value != theirs.next_if(|(key, _)| *key == next).map(|(_, value)| value) {
                different.push(next);
            }
        }
    }
}

/// Quickly, as long as one is a copy of the other: only what is not shared is looked at.
impl<K: Ord + Clone, V: Clone + PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &SharedMap<K, V>) -> bool {
        self.len == other.len && self.different(other).is_empty()
    }
}

impl<K: Ord + Clone, V: Clone + Eq> Eq for SharedMap<K, V> {}

impl<K: Ord + Clone + fmt::Debug, V: Clone + fmt::Debug> fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for SharedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> SharedMap<K, V> {
        let mut map = SharedMap::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

impl<K: Serialize, V: Serialize> Serialize for SharedMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.parts.values().flat_map(|part| part.iter()))
    }
}

impl<'de, K: Deserialize<'de> + Ord + Clone, V: Deserialize<'de> + Clone> Deserialize<'de> for SharedMap<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SharedMap<K, V>, D::Error> {
        Ok(BTreeMap::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever is done to it, it says what a plain map says, and a copy says what it said when it was made.
        #[test]
        fn it_is_a_map(changes in proptest::collection::vec((0u32..4000, proptest::option::of(0u8..4)), 0..6000), at in 0usize..6000) {
            let (mut shared, mut plain) = (SharedMap::new(), BTreeMap::new());
            let mut copies = (shared.clone(), plain.clone());
            for (number, (key, value)) in changes.into_iter().enumerate() {
                if number == at {
                    copies = (shared.clone(), plain.clone());
                }
                match value {
                    Some(value) => prop_assert_eq!(shared.insert(key, value), plain.insert(key, value)),
                    None => prop_assert_eq!(shared.remove(&key), plain.remove(&key)),
                }
                prop_assert_eq!(shared.get(&key), plain.get(&key));
            }
            for (shared, plain) in [(&shared, &plain), (&copies.0, &copies.1)] {
                prop_assert_eq!(shared.len(), plain.len());
                prop_assert!(shared.iter().eq(plain.iter()));
                prop_assert!(shared.from(1234).eq(plain.range(1234..)));
            }
            let all = plain.keys().chain(copies.1.keys()).collect::<std::collections::BTreeSet<_>>();
            let different: Vec<_> = all.into_iter().filter(|key| plain.get(key) != copies.1.get(key)).collect();
            prop_assert_eq!(shared.different(&copies.0), different);
            prop_assert_eq!(shared == copies.0, plain == copies.1);
        }
    }

    #[test]
    fn a_change_in_a_copy_leaves_the_other_parts_shared() {
        let before: SharedMap<u32, u32> = (0..100_000).map(|n| (n * 2, n)).collect();
        let mut after = before.clone();
        after.insert(77_777, 0);
        after.insert(1_000_000, 0);
        after.remove(&5000);
        let shared =
            after.parts.iter().filter(|(at, part)| before.parts.get(at).is_some_and(|old| Arc::ptr_eq(old, part)));
        let (shared, parts) = (shared.count(), after.parts.len());
        assert!(parts - shared <= 5, "{shared} of {parts}");
        assert_eq!(before.different(&after), [&5000, &77_777, &1_000_000]);
        // What was told in order fills its parts.
        assert!(before.parts.len() <= 100_000 / PART + 1, "{}", before.parts.len());
    }
}
