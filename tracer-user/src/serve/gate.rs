//! Who is connected: so many at once, and the oldest goes when there is no place for another.
//!
//! Turning the newest away instead would let anybody with as many idle connections keep the probes of the kubelet out.

use crate::serve::metrics::Connections;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::AbortHandle;

/// The connections that are open; they end with it.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// The oldest first.
    open: VecDeque<AbortHandle>,
}

/// What became of the connections so far.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) accepted: AtomicU64,
    pub(super) crowded_out: AtomicU64,
    pub(super) timed_out: AtomicU64,
}

impl Gate {
    /// Makes place for one more connection.
    pub(super) fn make_place(&mut self, counters: &Counters) {
        self.open.retain(|connection| !connection.is_finished());
        if self.open.len() >= PLACES
            && let Some(oldest) = self.open.pop_front()
        {
            oldest.abort();
            counters.crowded_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn admit(&mut self, connection: AbortHandle) {
        self.open.push_back(connection);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open.iter().for_each(AbortHandle::abort);
    }
}

impl Counters {
    pub(super) fn read(&self) -> Connections {
        Connections {
            accepted: self.accepted.load(Ordering::Relaxed),
            crowded_out: self.crowded_out.load(Ordering::Relaxed),
            timed_out: self.timed_out.load(Ordering::Relaxed),
        }
    }
}

/// Connections at once.
const PLACES: usize = 64;
