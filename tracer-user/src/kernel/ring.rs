//! The rings of records: ready when one of their descriptors is, drained record by record without copies.

use crate::kernel::fdinfo;
use aya::maps::{MapData, RingBuf};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// The reading end of one. Wrap it in tokio's `AsyncFd`, wait until readable, drain, clear the readiness.
pub struct Ring {
    ring: RingBuf<MapData>,
    fill: Fill,
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
        let size = fdinfo::read(ring.as_fd()).ok();
        let size = size.and_then(|text| fdinfo::number(&text, "max_entries"));
        Self {
            ring,
            fill: Fill::of(size),
        }
    }

    /// Hands up to `limit` records to `take`; returns how many there were. Fewer than `limit`: the ring was empty.
    pub fn drain(&mut self, limit: usize, mut take: impl FnMut(&[u8])) -> usize {
        for count in 0..limit {
            let Some(record) = self.ring.next() else {
                self.fill.emptied();
                return count;
            };
            self.fill.took(record.len());
            take(&record);
        }
        limit
    }

    /// The most bytes that were taken in a row until it was empty: what waited at once, and what came meanwhile.
    pub fn high_water(&self) -> u64 {
        self.fill.high_water()
    }

    /// Its size.
    pub fn bytes(&self) -> Option<u64> {
        self.fill.size
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

/// How full a ring was found.
#[derive(Clone, Copy, Debug, Default)]
struct Fill {
    /// `None`: not known.
    size: Option<u64>,
    /// Taken since it was last empty.
    taken: u64,
    most: u64,
}

impl Fill {
    fn of(size: Option<u64>) -> Self {
        Self {
            size,
            ..Self::default()
        }
    }

    fn took(&mut self, record: usize) {
        let record = u64::try_from(record).unwrap_or(u64::MAX);
        self.taken += (record + HEADER).next_multiple_of(ALIGNMENT);
    }

    fn emptied(&mut self) {
        self.most = self.high_water();
        self.taken = 0;
    }

    /// No more than fits in can have waited, however long it was not empty.
    fn high_water(&self) -> u64 {
        self.most.max(self.taken).min(self.size.unwrap_or(u64::MAX))
    }
}

/// `BPF_RINGBUF_HDR_SZ`.
const HEADER: u64 = 8;
/// Records are padded to it.
const ALIGNMENT: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_the_most_that_was_taken_until_it_was_empty() {
        let mut fill = Fill::of(Some(4096));
        fill.took(1);
        fill.took(16);
        assert_eq!(fill.high_water(), 16 + 24);
        fill.emptied();
        fill.took(8);
        fill.emptied();
        assert_eq!(fill.high_water(), 40);
        fill.took(40);
        assert_eq!(fill.high_water(), 48);
    }

    #[test]
    fn no_more_waits_than_fits_in() {
        let mut fill = Fill::of(Some(4096));
        for _ in 0..100 {
            fill.took(120);
        }
        assert_eq!(fill.high_water(), 4096);
        fill.emptied();
        assert_eq!(fill.high_water(), 4096);
    }
}
