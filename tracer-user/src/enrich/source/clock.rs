//! When a process started, on the clock of the events.

use crate::inspect::source::now;
use crate::model::time::Timestamp;
use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// How far the clock that counts from boot is ahead of CLOCK_MONOTONIC, which stands still while the host is suspended.
#[derive(Debug)]
pub(super) struct Boot {
    ahead: Duration,
    tick: Duration,
}

impl Boot {
    /// What the kernel counts starts of processes in, almost everywhere.
    #[cfg(test)]
    pub(super) const TICK: Duration = Duration::from_millis(10);

    pub(super) fn read() -> Self {
        let boot = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(boot.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(boot.tv_nsec).unwrap_or(0);
        let boot = Duration::new(seconds, nanos);
        Self {
            ahead: boot.saturating_sub(Duration::from_nanos(now().as_nanos())),
            tick: Duration::from_secs(1) / u32::try_from(clock_ticks_per_second().max(1)).unwrap_or(100),
        }
    }

    /// A start in ticks since boot: the begin of its tick, and earlier if the host was suspended since.
    pub(super) fn monotonic(&self, ticks: u64) -> Timestamp {
        let tick = u64::try_from(self.tick.as_nanos()).unwrap_or(u64::MAX);
        Timestamp::from_nanos(ticks.saturating_mul(tick)) - self.ahead
    }
}
