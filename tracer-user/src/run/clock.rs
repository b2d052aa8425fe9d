//! The clocks: the kernel's monotonic one, which events carry, and the wall.

use crate::model::time::Timestamp;
use crate::sink::Clock;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use tokio::time::Instant;

/// `CLOCK_MONOTONIC`, as the probes read it.
pub(super) fn now() -> Timestamp {
    read(ClockId::Monotonic)
}

/// CPU time of this process.
pub(super) fn cpu() -> Duration {
    Duration::from_nanos(read(ClockId::ProcessCPUTime).as_nanos())
}

/// The offset between the wall clock and the kernel's, as of now.
pub fn clock() -> Clock {
    Clock::new(now(), jiff::Timestamp::now())
}

/// The runtime's clock at that moment; a day from now for `None`.
pub(super) fn instant(at: Option<Timestamp>) -> Instant {
    const NEVER: Duration = Duration::from_hours(24);
    Instant::now() + at.map_or(NEVER, |at| at.since(now()).min(NEVER))
}

fn read(id: ClockId) -> Timestamp {
    let time = clock_gettime(id);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Timestamp::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}
