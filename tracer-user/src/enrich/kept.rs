//! A table with a bound on its entries and on their age.
//!
//! Has no clock: the time comes with each call.

use crate::model::time::Timestamp;
use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::Duration;

/// When it is full, the entry that was confirmed longest ago makes room and is counted.
#[derive(Debug)]
pub(super) struct Kept<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Keys by the turn in which they were confirmed.
    order: BTreeMap<u64, K>,
    turn: u64,
    capacity: usize,
    age: Duration,
    evictions: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    at: Timestamp,
    turn: u64,
}

impl<K: Clone + Eq + Hash, V> Kept<K, V> {
    /// `age`: how long an entry is told after it was confirmed.
    pub(super) fn new(capacity: usize, age: Duration) -> Self {
        Self {
            entries: HashMap::new(),
            order: BTreeMap::new(),
            turn: 0,
            capacity,
            age,
            evictions: 0,
        }
    }

    pub(super) fn get<Q>(&self, key: &Q, now: Timestamp) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let entry = self.entries.get(key)?;
        (now.since(entry.at) < self.age).then_some(&entry.value)
    }

    /// Enters or confirms it.
    pub(super) fn insert(&mut self, key: K, value: V, now: Timestamp) {
        self.turn += 1;
        let turn = self.turn;
        self.order.insert(turn, key.clone());
        if let Some(before) = self.entries.insert(key, Entry { value, at: now, turn }) {
            self.order.remove(&before.turn);
        }
        self.forget_the_old(now);
        while self.entries.len() > self.capacity {
            let Some((_, key)) = self.order.pop_first() else {
                break;
            };
            self.entries.remove(&key);
            self.evictions += 1;
        }
    }

    /// All that are told or would be forgotten next.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.order.values()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn evictions(&self) -> u64 {
        self.evictions
    }

    fn forget_the_old(&mut self, now: Timestamp) {
        while let Some(first) = self.order.first_entry() {
            let is_old = |entry: &Entry<V>| now.since(entry.at) >= self.age;
            if !self.entries.get(first.get()).is_none_or(is_old) {
                break;
            }
            self.entries.remove(&first.remove());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AGE: Duration = Duration::from_secs(10);

    fn second(second: u64) -> Timestamp {
        Timestamp::from_nanos(second * 1_000_000_000)
    }

    #[test]
    fn the_entry_confirmed_longest_ago_makes_room() {
        let mut kept = Kept::new(2, AGE);
        kept.insert("a", 1, second(0));
        kept.insert("b", 2, second(1));
        kept.insert("a", 3, second(2));
        kept.insert("c", 4, second(3));
        let now = second(3);
        assert_eq!(
            (kept.get("a", now), kept.get("b", now), kept.get("c", now)),
            (Some(&3), None, Some(&4))
        );
        assert_eq!((kept.len(), kept.evictions()), (2, 1));
    }

    #[test]
    fn an_old_entry_is_not_told_and_its_end_is_no_eviction() {
        let mut kept = Kept::new(2, AGE);
        kept.insert("a", 1, second(0));
        assert_eq!(kept.get("a", second(9)), Some(&1));
        assert_eq!(kept.get("a", second(10)), None);
        kept.insert("b", 2, second(10));
        assert_eq!((kept.len(), kept.evictions()), (1, 0));
    }

    proptest! {
        #[test]
        fn it_never_holds_more_than_it_may(keys in prop::collection::vec(0_u8..20, 0..200)) {
            let mut kept = Kept::new(7, AGE);
            for (at, key) in (0..).zip(&keys) {
                kept.insert(*key, at, second(at / 5));
                prop_assert!(kept.len() <= 7);
                prop_assert_eq!(kept.len(), kept.order.len());
                prop_assert_eq!(kept.get(key, second(at / 5)), Some(&at));
            }
        }
    }
}
