//! The clocks, as of now.

use crate::model::time::Timestamp;
use crate::sink::Clock;
use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC`, as records carry it.
pub(super) fn now() -> Timestamp {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Timestamp::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// How far the wall clock is ahead of it.
pub(super) fn clock() -> Clock {
    Clock::new(now(), jiff::Timestamp::now())
}
