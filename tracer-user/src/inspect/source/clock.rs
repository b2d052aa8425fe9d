//! When something was looked at.

use crate::model::time::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC`.
pub(crate) fn now() -> Timestamp {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    Timestamp::from_nanos(seconds.saturating_mul(NANOS).saturating_add(nanos))
}

const NANOS: u64 = 1_000_000_000;
