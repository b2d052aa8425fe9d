//! From the kernel's monotonic clock to the wall clock.

use crate::model::time::Timestamp;

/// How far the wall clock is ahead of `CLOCK_MONOTONIC`. Passed in: the sinks read no clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Nanoseconds to add to a monotonic time.
    pub offset: i128,
}

impl Clock {
    /// The clock by which `at` is `wall`.
    pub fn new(at: Timestamp, wall: jiff::Timestamp) -> Self {
        Self {
            offset: wall.as_nanosecond() - i128::from(at.as_nanos()),
        }
    }

    /// The wall time of `at`, held within the years that RFC 3339 can spell.
    pub fn wall(self, at: Timestamp) -> jiff::Timestamp {
        let nanos = self.offset.saturating_add(i128::from(at.as_nanos()));
        match jiff::Timestamp::from_nanosecond(nanos) {
            Ok(wall) => wall.clamp(EARLIEST, LATEST),
            Err(_) if nanos < 0 => EARLIEST,
            Err(_) => LATEST,
        }
    }
}

/// 0000-01-01T00:00:00Z.
const EARLIEST: jiff::Timestamp = jiff::Timestamp::constant(-62_167_219_200, 0);
/// 9999-12-30T22:00:00Z, jiff's own limit.
const LATEST: jiff::Timestamp = jiff::Timestamp::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_the_offset_and_never_leaves_the_calendar() {
        let at = Timestamp::from_nanos(5_000_000_001);
        let clock = Clock::new(at, "2026-03-04T05:06:07.000000008Z".parse().unwrap());
        assert_eq!(clock.wall(at).to_string(), "2026-03-04T05:06:07.000000008Z");
        for offset in [i128::MIN, i128::MAX] {
            let wall = format!("{:.9}", Clock { offset }.wall(at));
            assert_eq!(wall.len(), "2026-03-04T05:06:07.000000008Z".len(), "{wall}");
        }
    }
}
