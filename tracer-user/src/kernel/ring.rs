//! The rings of records: ready when one of their descriptors is, drained record by record without copies.

use aya::maps::{MapData, RingBuf};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// The reading end of one. Wrap it in tokio's `AsyncFd`, wait until readable, drain, clear the readiness.
pub struct Ring {
    ring: RingBuf<MapData>,
}

/// Both rings.
pub struct Rings<R = Ring> {
    /// Symptoms. Take what is here first.
    pub events: R,
    /// What is ordinary; empty unless that was asked for.
    pub bulk: R,
}

impl Rings {
    /// Hands up to `limit` records to `take`, symptoms first; returns how many there were.
    pub fn drain(&mut self, limit: usize, mut take: impl FnMut(&[u8])) -> usize {
        let symptoms = self.events.drain(limit, &mut take);
        symptoms + self.bulk.drain(limit - symptoms, take)
    }
}

impl Ring {
    pub(super) fn new(ring: RingBuf<MapData>) -> Self {
        Self { ring }
    }

    /// Hands up to `limit` records to `take`; returns how many there were. Fewer than `limit`: the ring was empty.
    pub fn drain(&mut self, limit: usize, mut take: impl FnMut(&[u8])) -> usize {
        for count in 0..limit {
            match self.ring.next() {
                Some(record) => take(&record),
                None => return count,
            }
        }
        limit
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

impl AsRawFd for Ring {
    fn as_raw_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }
}
