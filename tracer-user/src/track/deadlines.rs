//! When to look at which connection again.

use crate::model::time::Timestamp;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU32;

/// A heap with lazy re-arming: an entry counts only while its owner says so.
#[derive(Debug)]
pub(super) struct Deadlines<T: Ord> {
    heap: BinaryHeap<Reverse<(Timestamp, T)>>,
}

/// By what an owner knows its entry: few others have the same, and to take one of them for it does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(NonZeroU32);

impl Mark {
    pub(super) fn of(at: Timestamp) -> Self {
        let [.., a, b, c, d] = at.as_nanos().to_be_bytes();
        Self(NonZeroU32::MIN | u32::from_be_bytes([a, b, c, d]))
    }
}

impl<T: Ord> Default for Deadlines<T> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
        }
    }
}

impl<T: Ord + Copy> Deadlines<T> {
    pub(super) fn arm(&mut self, at: Timestamp, of: T) {
        self.heap.push(Reverse((at, of)));
    }

    /// The earliest deadline, perhaps of somebody who has been re-armed since: spurious wake-ups are harmless.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the next entry that is due.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<(Timestamp, T)> {
        let Reverse((at, _)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// Drops entries that nobody has any more, once they outnumber the live ones.
    pub(super) fn prune(&mut self, live: usize, is_armed: impl Fn(Timestamp, T) -> bool) {
        if self.heap.len() > 1_024 + live.saturating_mul(2) {
            self.heap.retain(|Reverse((at, of))| is_armed(*at, *of));
        }
        if self.heap.capacity() > 4 * (1_024 + self.heap.len()) {
            self.heap.shrink_to(2 * self.heap.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_out_in_time_order_and_only_when_due() {
        let mut deadlines = Deadlines::default();
        let at = Timestamp::from_nanos;
        deadlines.arm(at(20), 1);
        deadlines.arm(at(10), 2);
        assert_eq!(deadlines.next(), Some(at(10)));
        assert_eq!(deadlines.pop_due(at(9)), None);
        assert_eq!(deadlines.pop_due(at(15)), Some((at(10), 2)));
        assert_eq!(deadlines.pop_due(at(15)), None);
        assert_eq!(deadlines.pop_due(at(20)), Some((at(20), 1)));
    }

    #[test]
    fn stale_entries_are_pruned_once_they_outnumber_the_live_ones() {
        let mut deadlines = Deadlines::default();
        for id in 0..3_000 {
            deadlines.arm(Timestamp::from_nanos(id), id);
        }
        deadlines.prune(1, |_, id| id == 2_999);
        assert_eq!(deadlines.next(), Some(Timestamp::from_nanos(2_999)));
    }
}
