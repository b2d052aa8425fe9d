//! Changes of a namespace that has an id but is not identified yet.
//!
//! The kernel tells of a namespace from the moment that it has an id, which most get with their first veth: before
//! anybody could have looked.

use crate::model::event::ConntrackChange;
use crate::model::identity::Netns;
use crate::model::time::Timestamp;
use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(super) struct Waiting {
    queue: VecDeque<Item>,
    /// Ids that were waited for in vain.
    nameless: HashSet<i32>,
}

#[derive(Debug)]
struct Item {
    until: Instant,
    id: i32,
    at: Timestamp,
    change: ConntrackChange,
}

impl Waiting {
    /// `false`: there is no point in waiting, or no room.
    pub(super) fn push(&mut self, id: i32, at: Timestamp, change: ConntrackChange, now: Instant) -> bool {
        if self.queue.len() >= WAITING_MAX || self.nameless.contains(&id) {
            return false;
        }
        let until = now + PATIENCE;
        self.queue.push_back(Item { until, id, at, change });
        true
    }

    /// Hands over what is identified by now; the others stay. How many were given up.
    pub(super) fn sort(
        &mut self,
        now: Instant,
        whose: impl Fn(i32) -> Option<Netns>,
        mut found: impl FnMut(Netns, Timestamp, ConntrackChange),
    ) -> u64 {
        let mut given_up = 0;
        let nameless = &mut self.nameless;
        self.queue.retain(|item| {
            if let Some(netns) = whose(item.id) {
                found(netns, item.at, item.change);
                return false;
            }
            if now < item.until {
                return true;
            }
            if nameless.len() < WAITING_MAX && nameless.insert(item.id) {
                tracing::warn!(
                    id = item.id,
                    "conntrack changes of a network namespace that cannot be found"
                );
            }
            given_up += 1;
            false
        });
        given_up
    }

    /// The id is another namespace's from now on. How many were given up.
    pub(super) fn free(&mut self, id: i32) -> u64 {
        self.nameless.remove(&id);
        let before = self.queue.len();
        self.queue.retain(|item| item.id != id);
        u64::try_from(before - self.queue.len()).unwrap_or(u64::MAX)
    }

    /// The id was identified after all.
    pub(super) fn clear_nameless(&mut self) {
        self.nameless.clear();
    }
}

const WAITING_MAX: usize = 8192;
/// Longer than it takes to look for new namespaces.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctnetlink::change::changes;

    const NEW: &[u8] = include_bytes!("../testdata/new.bin");
    const NETNS: Netns = Netns { cookie: 7, inode: 8 };

    #[test]
    fn a_change_waits_until_its_namespace_is_known() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        assert!(
            waiting.push(3, Timestamp::default(), change(), now)
                && waiting.push(4, Timestamp::default(), change(), now)
        );
        let mut found = Vec::new();
        let given_up = waiting.sort(now, |id| (id == 4).then_some(NETNS), |netns, _, _| found.push(netns));
        assert_eq!(
            (given_up, found.as_slice(), waiting.queue.is_empty()),
            (0, &[NETNS][..], false)
        );
    }

    #[test]
    fn what_waited_in_vain_is_counted_and_no_more_of_it_waits() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        waiting.push(3, Timestamp::default(), change(), now);
        assert_eq!(waiting.sort(now + PATIENCE, |_| None, |_, _, _| ()), 1);
        assert!(!waiting.push(3, Timestamp::default(), change(), now));
        // The id is free, and somebody else has it.
        assert_eq!(waiting.free(3), 0);
        assert!(waiting.push(3, Timestamp::default(), change(), now));
        assert_eq!((waiting.free(3), waiting.queue.is_empty()), (1, true));
    }

    #[test]
    fn no_more_waits_than_there_is_room_for() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        let taken = (0..WAITING_MAX + 5).filter(|_| waiting.push(3, Timestamp::default(), change(), now));
        assert_eq!(taken.count(), WAITING_MAX);
    }

    fn change() -> ConntrackChange {
        changes(NEW).next().unwrap().unwrap().unwrap()
    }
}
