//! When the runtime may be asked again.

use crate::model::time::Timestamp;
use std::time::Duration;

/// A second after an answer; after failures in a row one, two, four seconds, up to a minute.
#[derive(Debug, Default)]
pub(super) struct Pace {
    next: Timestamp,
    failures: u32,
}

impl Pace {
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        now >= self.next
    }

    pub(super) fn went_well(&mut self, now: Timestamp) {
        self.failures = 0;
        self.next = now + EVERY;
    }

    pub(super) fn failed(&mut self, now: Timestamp) {
        let pause = EVERY * 2_u32.saturating_pow(self.failures).min(60);
        self.failures = self.failures.saturating_add(1);
        self.next = now + pause;
    }
}

const EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_double_the_pause_up_to_a_minute() {
        let mut pace = Pace::default();
        let now = Timestamp::from_nanos(0);
        assert!(pace.is_due(now));
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            pace.failed(now);
            assert!(
                !pace.is_due(now + Duration::from_millis(seconds * 1_000 - 1)),
                "{seconds}"
            );
            assert!(pace.is_due(now + Duration::from_secs(seconds)), "{seconds}");
        }
        pace.went_well(now);
        assert!(pace.is_due(now + EVERY) && !pace.is_due(now));
    }
}
