//! Whose examination comes next when there are too many: who asked for few lately goes before who floods. Bounded.

use super::config::{
    EXAMINATIONS_BURST, EXAMINATIONS_PER_SECOND, MAX_SHARES, RESERVE_BURST, RESERVE_PER_SECOND, SHARE_OF_DESTINATION,
    SHARE_OF_NETNS,
};
use super::pace::Pace;
use crate::model::identity::Netns;
use crate::model::time::Timestamp;
use crate::model::tuple::Endpoint;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Whom a connection shares its turns with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Party {
    pub(super) netns: Netns,
    pub(super) destination: Endpoint,
}

#[derive(Debug)]
pub(super) struct Turns {
    /// Everybody's.
    common: Pace,
    /// For those to a destination, and in a namespace, with few in the current window: a flood to many destinations
    /// leaves the other namespaces theirs.
    destinations: Reserve<(u64, Endpoint)>,
    namespaces: Reserve<u64>,
    window: Timestamp,
}

#[derive(Debug)]
struct Reserve<K> {
    pace: Pace,
    /// How many of each there were in the window.
    taken: HashMap<K, u32, RandomState>,
    share: u32,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self {
            common: Pace::new(EXAMINATIONS_PER_SECOND, EXAMINATIONS_BURST),
            destinations: Reserve::new(SHARE_OF_DESTINATION),
            namespaces: Reserve::new(SHARE_OF_NETNS),
            window: Timestamp::default(),
        }
    }

    /// Whether it is one of few of its destination, or of its namespace.
    pub(super) fn are_few(&mut self, of: Party, now: Timestamp) -> bool {
        self.begin_window(now);
        self.destinations.are_few(&of.key()) || self.namespaces.are_few(&of.netns.id())
    }

    /// Whether one more may be made, then it counts.
    pub(super) fn take(&mut self, of: Party, now: Timestamp) -> bool {
        self.begin_window(now);
        let (destination, netns) = (of.key(), of.netns.id());
        let taken =
            self.common.take(now) || self.destinations.take(&destination, now) || self.namespaces.take(&netns, now);
        if taken {
            self.destinations.count(destination);
            self.namespaces.count(netns);
        }
        taken
    }

    /// Whether [`Self::take_common`] would.
    pub(super) fn allows_common(&self, now: Timestamp) -> bool {
        self.common.allows(now)
    }

    /// For what is only looked at again.
    pub(super) fn take_common(&mut self, now: Timestamp) -> bool {
        self.common.take(now)
    }

    fn begin_window(&mut self, now: Timestamp) {
        if now.since(self.window) >= WINDOW {
            self.window = now;
            self.destinations.taken.clear();
            self.namespaces.taken.clear();
        }
    }
}

impl Party {
    fn key(self) -> (u64, Endpoint) {
        (self.netns.id(), self.destination)
    }
}

impl<K: Eq + Hash> Reserve<K> {
    fn new(share: u32) -> Self {
        Self {
            pace: Pace::new(RESERVE_PER_SECOND, RESERVE_BURST),
            taken: HashMap::default(),
            share,
        }
    }

    /// Past the bound of the table nobody new is known to have few.
    fn are_few(&self, key: &K) -> bool {
        match self.taken.get(key) {
            Some(taken) => *taken < self.share,
            None => self.taken.len() < MAX_SHARES,
        }
    }

    fn take(&mut self, key: &K, now: Timestamp) -> bool {
        self.are_few(key) && self.pace.take(now)
    }

    fn count(&mut self, key: K) {
        if self.taken.len() < MAX_SHARES || self.taken.contains_key(&key) {
            *self.taken.entry(key).or_default() += 1;
        }
    }
}

const WINDOW: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn party(netns: u64, port: u16) -> Party {
        Party {
            netns: Netns {
                cookie: netns,
                inode: 0,
            },
            destination: Endpoint::new([10, 0, 0, 1].into(), port),
        }
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_nanos(1_000_000_000_000) + Duration::from_millis(millis)
    }

    #[test]
    fn a_flood_to_one_destination_leaves_the_others_their_turns() {
        let mut turns = Turns::new();
        let flooded = (0..20_000).filter(|_| turns.take(party(1, 80), at(0))).count();
        assert_eq!(flooded, usize::try_from(EXAMINATIONS_BURST).unwrap());
        assert!(turns.take(party(1, 81), at(1)) && turns.take(party(2, 80), at(1)));
        assert!(!turns.take_common(at(1)));
    }

    #[test]
    fn a_flood_to_all_destinations_leaves_other_namespaces_theirs() {
        let mut turns = Turns::new();
        let flooded = (1..u16::MAX).filter(|port| turns.take(party(1, *port), at(0))).count();
        let most = EXAMINATIONS_BURST + RESERVE_BURST + SHARE_OF_NETNS;
        assert!(flooded <= usize::try_from(most).unwrap(), "{flooded}");
        assert!(turns.take(party(2, 80), at(1)) && turns.take(party(3, 80), at(2)));
    }
}
