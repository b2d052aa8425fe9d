//! Refused connects to the own namespace that are looked at more closely: few, for most are ordinary. Bounded.

use super::config::{LOCAL_LOOK_INTERVAL, LOCAL_LOOKS_BURST, LOCAL_LOOKS_PER_SECOND, MAX_LOCAL_LOOKS};
use super::pace::Pace;
use crate::model::time::Timestamp;
use crate::model::tuple::Endpoint;
use std::collections::BTreeMap;

#[derive(Debug)]
pub(super) struct Locals {
    pace: Pace,
    /// When each was looked at for the last time, by namespace and destination.
    looked: BTreeMap<(u64, Endpoint), Timestamp>,
}

impl Default for Locals {
    fn default() -> Self {
        Self {
            pace: Pace::new(LOCAL_LOOKS_PER_SECOND, LOCAL_LOOKS_BURST),
            looked: BTreeMap::new(),
        }
    }
}

impl Locals {
    /// Whether one more refusal by this destination may be looked at.
    pub(super) fn allow(&self, netns: u64, destination: Endpoint, now: Timestamp) -> bool {
        let looked = self.looked.get(&(netns, destination));
        looked.is_none_or(|looked| now.since(*looked) >= LOCAL_LOOK_INTERVAL) && self.pace.allows(now)
    }

    pub(super) fn count(&mut self, netns: u64, destination: Endpoint, now: Timestamp) {
        if self.looked.len() >= MAX_LOCAL_LOOKS {
            self.looked.retain(|_, looked| now.since(*looked) < LOCAL_LOOK_INTERVAL);
        }
        // Where all of them are recent, the pace alone holds back.
        if self.looked.len() < MAX_LOCAL_LOOKS {
            self.looked.insert((netns, destination), now);
        }
        self.pace.take(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_destination_is_looked_at_now_and_then_and_many_at_a_pace() {
        let end = |port| Endpoint::new([127, 0, 0, 1].into(), port);
        let at = |millis| Timestamp::from_nanos(1_000_000_000_000) + Duration::from_millis(millis);
        let mut locals = Locals::default();
        let mut look = |port, millis| {
            let allowed = locals.allow(1, end(port), at(millis));
            if allowed {
                locals.count(1, end(port), at(millis));
            }
            allowed
        };
        assert!(look(80, 0) && !look(80, 5_000) && look(80, 10_000));
        let looked = (1_000..2_000).filter(|port| look(*port, 20_000)).count();
        assert_eq!(looked, usize::try_from(LOCAL_LOOKS_BURST).unwrap());
    }
}
