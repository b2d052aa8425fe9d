//! Whether the agent lives and does its work, as its loop tells.

use crate::model::time::Timestamp;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Clones are handles of the same health. At first nothing is ready.
#[derive(Clone, Debug)]
pub struct Health(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// When the loop turned last, in nanoseconds of `CLOCK_MONOTONIC`.
    beat: AtomicU64,
    unready: Mutex<Vec<String>>,
    /// Somebody looked at the page that shows stolen ports.
    wants_ports: AtomicBool,
}

impl Health {
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(Shared {
            beat: AtomicU64::new(now.as_nanos()),
            wants_ports: AtomicBool::new(false),
            unready: Mutex::new(vec!["the probes are not attached yet".to_owned()]),
        }))
    }

    /// The loop turned.
    pub fn beat(&self, now: Timestamp) {
        self.0.beat.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// Why it cannot do its work now, a phrase each; none: it can.
    pub fn set_unready(&self, reasons: Vec<String>) {
        *self.unready() = reasons;
    }

    /// Somebody looks at the stolen ports.
    pub(super) fn want_ports(&self) {
        self.0.wants_ports.store(true, Ordering::Relaxed);
    }

    /// Whether somebody looked at the stolen ports since this was asked last.
    pub fn were_ports_wanted(&self) -> bool {
        self.0.wants_ports.swap(false, Ordering::Relaxed)
    }

    /// Whether the loop turned lately; if not, since when it has not.
    pub(super) fn lives(&self, now: Timestamp) -> Result<(), Duration> {
        let beat = Timestamp::from_nanos(self.0.beat.load(Ordering::Relaxed));
        let quiet = now.since(beat);
        if quiet <= PATIENCE { Ok(()) } else { Err(quiet) }
    }

    pub(super) fn reasons(&self) -> Vec<String> {
        self.unready().clone()
    }

    fn unready(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.unready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The loop turns at least once a second.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_stands_still_is_dead_until_it_turns_again() {
        let start = Timestamp::from_nanos(1);
        let health = Health::new(start);
        assert_eq!(health.lives(start + PATIENCE), Ok(()));
        let late = start + Duration::from_secs(6);
        assert_eq!(health.lives(late), Err(Duration::from_secs(6)));
        health.beat(late);
        assert_eq!(health.lives(late), Ok(()));
    }

    #[test]
    fn nothing_is_ready_until_it_is_said_to_be() {
        let health = Health::new(Timestamp::default());
        assert_eq!(health.reasons(), ["the probes are not attached yet"]);
        health.clone().set_unready(Vec::new());
        assert!(health.reasons().is_empty());
    }
}
