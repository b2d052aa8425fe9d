//! How long to wait before a failed request is tried again.

use std::time::Duration;

/// Doubles from 1..2 s to 30..60 s; where in between is chance, so that the nodes of a fleet come back one by one.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    failures: u32,
    random: u64,
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            failures: 0,
            random: seed,
        }
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The pause after one more failure.
    pub(super) fn next(&mut self) -> Duration {
        let longest = FIRST.saturating_mul(1 << self.failures.min(DOUBLINGS)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let half = longest / 2;
        let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        half + Duration::from_nanos(self.random() % nanos.max(1))
    }

    /// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The longest pause after the first failure; the shortest is half of it.
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_mins(1);
/// More would be past the longest.
const DOUBLINGS: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_success_begins_anew() {
        let mut backoff = Backoff::new(7);
        for _ in 0..10 {
            backoff.next();
        }
        assert!(backoff.next() >= Duration::from_secs(30));
        backoff.reset();
        assert!(backoff.next() < Duration::from_secs(2));
    }

    #[test]
    fn two_seeds_wait_for_different_times() {
        assert_ne!(Backoff::new(1).next(), Backoff::new(2).next());
    }

    proptest! {
        #[test]
        fn pauses_double_from_a_second_to_a_minute(seed: u64, failures in 0_u32..200) {
            let mut backoff = Backoff::new(seed);
            for _ in 0..failures {
                backoff.next();
            }
            let pause = backoff.next();
            let longest = Duration::from_secs(2 << failures.min(10)).min(LONGEST);
            prop_assert!(pause >= longest / 2 && pause < longest, "{pause:?} after {failures}");
        }
    }
}
