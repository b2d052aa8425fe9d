//! How much of the time may go into work that grows with the kernel's tables: a small part, saved up for a while.

use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(crate) struct Allowance {
    /// When everything that was done would have been paid for.
    even: Option<Instant>,
}

impl Allowance {
    pub(super) fn is_left(&self) -> bool {
        let now = Instant::now();
        self.even
            .is_none_or(|even| even.saturating_duration_since(now) <= SAVED)
    }

    /// Does the work, and takes the processor time of it away.
    pub(super) fn spend<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let begun = thread_time();
        let done = work();
        self.take(thread_time().saturating_sub(begun), Instant::now());
        done
    }

    fn take(&mut self, spent: Duration, now: Instant) {
        self.even = Some(self.even.map_or(now, |even| even.max(now)) + spent * PARTS);
    }
}

/// Processor time of the calling thread: in the kernel, too, and not what others took meanwhile.
fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// One of so many parts of the time: 5 %.
const PARTS: u32 = 20;
/// What may be saved up: 200 ms of work.
const SAVED: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spent_has_to_be_saved_again() {
        let mut allowance = Allowance::default();
        let now = Instant::now();
        assert!(allowance.is_left());
        allowance.take(Duration::from_millis(150), now);
        assert!(allowance.is_left(), "three seconds of it, and four may be owed");
        allowance.take(Duration::from_millis(150), now);
        assert!(!allowance.is_left());
        allowance.take(Duration::ZERO, now + Duration::from_mins(1));
        assert_eq!(
            allowance.even,
            Some(now + Duration::from_mins(1)),
            "no debt is left by then"
        );
    }

    #[test]
    fn only_the_time_of_the_work_counts() {
        let mut allowance = Allowance::default();
        let slept = allowance.spend(|| {
            let begun = Instant::now();
            std::thread::sleep(Duration::from_millis(300));
            begun.elapsed()
        });
        assert!(slept * PARTS > SAVED, "it would not be left otherwise");
        assert!(allowance.is_left());
    }
}
