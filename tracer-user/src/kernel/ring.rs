//! The ring buffer of records: ready when its descriptor is, drained record by record without copies.

use aya::maps::{MapData, RingBuf};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// The reading end. Wrap it in tokio's `AsyncFd`, wait until readable, drain, clear the readiness.
pub struct Ring {
    ring: RingBuf<MapData>,
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
