//! How often something may be done: so often a second, and a number at once after a quiet time.

use crate::model::time::Timestamp;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Pace {
    /// Between two of them.
    interval: Duration,
    burst: u32,
    /// When all that was done would have been done at an even pace.
    even: Timestamp,
}

impl Pace {
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / per_second,
            burst,
            even: Timestamp::from_nanos(0),
        }
    }

    /// Whether one more may be done at this time; then it counts.
    pub(super) fn take(&mut self, now: Timestamp) -> bool {
        if !self.allows(now) {
            return false;
        }
        self.even = self.even.max(now) + self.interval;
        true
    }

    /// Whether [`Self::take`] would.
    pub(super) fn allows(&self, now: Timestamp) -> bool {
        self.even.since(now) <= self.interval * (self.burst - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_followed_by_an_even_pace() {
        let mut pace = Pace::new(10, 3);
        let at = |millis: u64| Timestamp::from_nanos(1_000_000 * millis);
        let mut taken = |millis| (0..10).filter(|_| pace.take(at(millis))).count();
        assert_eq!(taken(5_000), 3);
        assert_eq!(taken(5_050), 0);
        assert_eq!(taken(5_100), 1);
        assert_eq!(taken(5_300), 2);
        assert_eq!(taken(50_000), 3);
    }
}
