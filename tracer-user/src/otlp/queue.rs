//! What waits to be sent, bounded.

use crate::model::time::Timestamp;
use std::collections::VecDeque;

/// One log record that waits.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Encoded: as a value of its type it takes three times the memory.
    pub log: Box<[u8]>,
    /// The length of `log`.
    pub bytes: usize,
    pub is_finding: bool,
    pub pushed: Timestamp,
}

/// How many records were dropped for want of room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    pub findings: u64,
    pub others: u64,
}

/// In the order in which they came. What is on its way counts as waiting, since it may come back.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Entries that are no findings.
    others: usize,
    taken: usize,
    taken_bytes: usize,
    dropped: Dropped,
}

impl Queue {
    /// Where there is no room the oldest that is no finding goes, else the oldest finding.
    pub(super) fn push(&mut self, entry: Entry) {
        self.bytes += entry.bytes;
        self.others += usize::from(!entry.is_finding);
        self.entries.push_back(entry);
        self.make_room();
    }

    /// The oldest ones, as many as a request carries; they stay counted until [`Queue::settle`] or [`Queue::put_back`].
    pub(super) fn take(&mut self) -> Vec<Entry> {
        let mut batch = Vec::new();
        while batch.len() < BATCH_RECORDS
            && let Some(entry) = self.entries.front()
            && (batch.is_empty() || self.taken_bytes + entry.bytes <= BATCH_BYTES)
            && let Some(entry) = self.remove(0)
        {
            self.taken_bytes += entry.bytes;
            batch.push(entry);
        }
        self.taken = batch.len();
        batch
    }

    /// What was taken will not come back.
    pub(super) fn settle(&mut self) {
        self.taken = 0;
        self.taken_bytes = 0;
    }

    /// What was taken is to be sent again, before all others.
    pub(super) fn put_back(&mut self, batch: Vec<Entry>) {
        self.settle();
        for entry in batch.into_iter().rev() {
            self.bytes += entry.bytes;
            self.others += usize::from(!entry.is_finding);
            self.entries.push_front(entry);
        }
        self.make_room();
    }

    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.entries.front().map(|entry| entry.pushed)
    }

    /// A request would be full.
    pub(super) fn fills_a_batch(&self) -> bool {
        self.entries.len() >= BATCH_RECORDS || self.bytes >= BATCH_BYTES
    }

    /// With what is on its way.
    pub(super) fn len(&self) -> usize {
        self.entries.len() + self.taken
    }

    /// With what is on its way.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.taken_bytes
    }

    pub(super) fn dropped(&self) -> Dropped {
        self.dropped
    }

    fn make_room(&mut self) {
        while self.len() > RECORDS || self.bytes() > BYTES {
            let other = (self.others > 0).then(|| self.entries.iter().position(|entry| !entry.is_finding));
            let Some(entry) = self.remove(other.flatten().unwrap_or(0)) else {
                return;
            };
            if entry.is_finding {
                self.dropped.findings += 1;
            } else {
                self.dropped.others += 1;
            }
        }
    }

    fn remove(&mut self, index: usize) -> Option<Entry> {
        let entry = self.entries.remove(index)?;
        self.bytes -= entry.bytes;
        self.others -= usize::from(!entry.is_finding);
        Some(entry)
    }
}

/// Records that may wait.
pub(super) const RECORDS: usize = 4096;
/// Bytes that they may take together, as they are on the wire.
pub(super) const BYTES: usize = 8 << 20;
/// Records of one request.
pub(super) const BATCH_RECORDS: usize = 512;
/// Bytes of one request, before compression; collectors take some megabytes.
pub(super) const BATCH_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(number: u64, bytes: usize, is_finding: bool) -> Entry {
        Entry {
            log: number.to_be_bytes().into(),
            bytes,
            is_finding,
            pushed: Timestamp::from_nanos(number),
        }
    }

    fn numbers(queue: &mut Queue) -> Vec<u64> {
        let mut numbers = Vec::new();
        while queue.oldest().is_some() {
            numbers.extend(queue.take().iter().map(|entry| entry.pushed.as_nanos()));
            queue.settle();
        }
        numbers
    }

    #[test]
    fn what_is_no_finding_goes_first_and_the_oldest_of_its_kind() {
        let mut queue = Queue::default();
        for number in 0..4096 {
            queue.push(entry(number, 1, number % 1024 != 7));
        }
        for number in 4096..4096 + 6 {
            queue.push(entry(number, 1, true));
        }
        assert_eq!(queue.dropped(), Dropped { findings: 2, others: 4 });
        let left = numbers(&mut queue);
        assert_eq!(left.len(), RECORDS);
        assert_eq!(left.get(..2), Some(&[2, 3][..]), "the two oldest findings went");
        assert!(!left.iter().any(|number| number % 1024 == 7));
    }

    #[test]
    fn a_record_that_is_no_finding_finds_no_room_among_findings() {
        let mut queue = Queue::default();
        for number in 0..4096 {
            queue.push(entry(number, 1, true));
        }
        queue.push(entry(9999, 1, false));
        assert_eq!(queue.dropped(), Dropped { findings: 0, others: 1 });
        assert!(!numbers(&mut queue).contains(&9999));
    }

    #[test]
    fn a_request_is_bounded_in_records_and_in_bytes_but_never_empty() {
        let mut queue = Queue::default();
        for number in 0..3 {
            queue.push(entry(number, BATCH_BYTES + 1, true));
        }
        assert_eq!(queue.take().len(), 1);
        queue.settle();
        let mut queue = Queue::default();
        for number in 0..600 {
            queue.push(entry(number, 1, true));
        }
        assert_eq!((queue.take().len(), queue.len()), (BATCH_RECORDS, 600));
    }

    proptest! {
        #[test]
        fn the_bounds_hold_and_everything_is_accounted_for(
            steps in proptest::collection::vec((0_u8..4, 1_usize..300_000, any::<bool>()), 1..300),
        ) {
            let mut queue = Queue::default();
            let (mut pushed, mut settled) = (0_u64, 0_u64);
            let mut batch: Option<Vec<Entry>> = None;
            for (step, bytes, is_finding) in steps {
                match (step, batch.take()) {
                    (0, None) => batch = Some(queue.take()),
                    (1, Some(taken)) => { settled += taken.len() as u64; queue.settle(); }
                    (2, Some(taken)) => queue.put_back(taken),
                    (_, taken) => {
                        batch = taken;
                        queue.push(entry(pushed, bytes, is_finding));
                        pushed += 1;
                    }
                }
                prop_assert!(queue.len() <= RECORDS && queue.bytes() <= BYTES);
                let dropped = queue.dropped();
                prop_assert_eq!(pushed, settled + queue.len() as u64 + dropped.findings + dropped.others);
            }
            if let Some(taken) = batch {
                queue.put_back(taken);
            }
            let left = numbers(&mut queue);
            prop_assert!(left.is_sorted(), "the order is kept: {left:?}");
        }
    }
}
