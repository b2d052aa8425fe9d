//! Repeated give-ups: one means nothing (Happy Eyeballs, a short dial timeout), several to one destination do.

use super::config::{GIVE_UP_WINDOW, GIVE_UPS, MAX_GIVE_UPS};
use super::recent::Recent;
use crate::model::identity::Netns;
use crate::model::time::Timestamp;
use crate::model::tuple::Endpoint;
use std::collections::VecDeque;

/// Times kept per destination; more are not counted.
const MAX_TIMES: usize = 1_000;

#[derive(Debug)]
pub(super) struct GiveUps {
    /// By namespace and destination.
    seen: Recent<(u64, Endpoint), VecDeque<Timestamp>>,
}

impl Default for GiveUps {
    fn default() -> Self {
        Self {
            seen: Recent::bounded(MAX_GIVE_UPS),
        }
    }
}

impl GiveUps {
    pub(super) fn count(&mut self, netns: Netns, destination: Endpoint, at: Timestamp) {
        let times = self.seen.of((netns.id(), destination));
        // Nearly in order: what is a little late leaves a little late.
        while times.front().is_some_and(|time| at.since(*time) > GIVE_UP_WINDOW) {
            times.pop_front();
        }
        if times.len() < MAX_TIMES {
            times.push_back(at);
        }
    }

    /// How many there were within the window of the last one, if that makes a pattern.
    pub(super) fn pattern(&self, netns: Netns, destination: Endpoint) -> Option<u32> {
        let times = self.seen.get((netns.id(), destination))?;
        let count = u32::try_from(times.len()).unwrap_or(u32::MAX);
        (count >= GIVE_UPS).then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn three_within_a_minute_make_a_pattern_and_spread_out_ones_do_not() {
        let mut give_ups = GiveUps::default();
        let netns = Netns { cookie: 1, inode: 1 };
        let to = Endpoint::new([10, 0, 0, 1].into(), 80);
        let at = |seconds| Timestamp::default() + Duration::from_secs(seconds);
        for seconds in [0, 40, 70] {
            give_ups.count(netns, to, at(seconds));
            assert_eq!(give_ups.pattern(netns, to), None);
        }
        give_ups.count(netns, to, at(80));
        assert_eq!(give_ups.pattern(netns, to), Some(3));
        assert_eq!(give_ups.pattern(netns, Endpoint::new([10, 0, 0, 2].into(), 80)), None);
    }
}
