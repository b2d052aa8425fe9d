//! A table that forgets who entered it first when it is full.

use foldhash::fast::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

#[derive(Debug)]
pub(super) struct Recent<K, V> {
    bound: usize,
    values: HashMap<K, V, RandomState>,
    /// First come first.
    order: VecDeque<K>,
}

impl<K: Copy + Eq + Hash, V: Default> Recent<K, V> {
    pub(super) fn bounded(bound: usize) -> Self {
        Self {
            bound,
            values: HashMap::default(),
            order: VecDeque::new(),
        }
    }

    pub(super) fn get(&self, key: K) -> Option<&V> {
        self.values.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.values.get_mut(&key)
    }

    /// What there is of it; room is made for a new one.
    pub(super) fn of(&mut self, key: K) -> &mut V {
        let is_new = !self.values.contains_key(&key);
        if is_new
            && self.order.len() >= self.bound
            && let Some(first) = self.order.pop_front()
        {
            self.values.remove(&first);
        }
        if is_new {
            self.order.push_back(key);
        }
        self.values.entry(key).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_forgets_who_entered_first() {
        let mut recent = Recent::<u32, u32>::bounded(3);
        for key in [1, 2, 3, 1, 4, 1] {
            *recent.of(key) += 1;
        }
        let left: Vec<_> = (1..=4).map(|key| recent.get(key).copied()).collect();
        assert_eq!(
            left,
            [Some(1), None, Some(1), Some(1)],
            "1 was forgotten for 4, and 2 for 1"
        );
        *recent.get_mut(4).expect("it is there") += 1;
        assert_eq!(recent.get(4), Some(&2));
    }
}
