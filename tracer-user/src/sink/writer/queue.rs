//! The bounded queue between the shell and the output.

use crate::model::time::Timestamp;
use crate::sink::clock::Clock;
use crate::sink::jsonl;
use crate::sink::record::Record;
use crate::sink::writer::WriterReport;
use crate::sink::writer::batch::Batch;
use std::mem;

/// What waits to be written, and what both sides need to know.
#[derive(Debug, Default)]
pub(super) struct Queue {
    items: Batch,
    /// Items that the thread took and has not written yet.
    taken: u64,
    /// What the thread waits for.
    pub waiting_for: Waiting,
    urgent: bool,
    /// The thread is to look at its target at once.
    pub reopen: bool,
    pub phase: Phase,
    /// Whether the thread has come to its end.
    pub ended: bool,
    pub failing: Option<String>,
    pub report: WriterReport,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    #[default]
    Running,
    /// Nothing more will be pushed.
    Finishing,
    /// Nobody waits for the end any more.
    Abandoned,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Waiting {
    /// It is at work.
    #[default]
    Nothing,
    /// For anything at all.
    Anything,
    /// For a full batch, or something urgent.
    Batch,
}

/// What the thread is to do with a batch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    /// Look at the target first.
    pub(super) reopen: bool,
}

impl Queue {
    /// Returns whether the thread is to be woken.
    pub(super) fn extend<'a>(&mut self, records: impl IntoIterator<Item = Record<'a>>) -> bool {
        if self.report.closed {
            return false;
        }
        for record in records {
            self.push(record);
        }
        self.is_to_wake()
    }

    pub(super) fn set_clock(&mut self, clock: Clock) {
        self.items.set_clock(clock);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether it is not worth waiting for more.
    pub(super) fn is_due(&self) -> bool {
        self.phase > Phase::Running || self.urgent || self.reopen || self.items.len() >= BATCH
    }

    /// Everything that waits, in exchange for an empty batch.
    pub(super) fn take(&mut self, batch: &mut Batch) -> Turn {
        self.waiting_for = Waiting::Nothing;
        self.urgent = false;
        mem::swap(&mut self.items, batch);
        self.taken = batch.records();
        Turn {
            reopen: mem::take(&mut self.reopen),
        }
    }

    /// `records` of the batch are dealt with: written, but for those that were left out.
    pub(super) fn wrote(&mut self, records: u64, left_out: u64) {
        self.report.written += records.saturating_sub(left_out);
        self.report.left_out += left_out;
        self.taken = self.taken.saturating_sub(records);
    }

    /// Records that were pushed and not written yet.
    pub(super) fn waiting(&self) -> u64 {
        self.taken + self.items.records()
    }

    fn push(&mut self, record: Record<'_>) {
        if self.items.len() >= EVENTS && self.makes_do_without(record) {
            return;
        }
        self.items.push(record);
        self.urgent |= matches!(
            record,
            Record::Hello(_) | Record::Finding(_) | Record::Loss(_) | Record::Summary(_)
        );
    }

    fn is_to_wake(&mut self) -> bool {
        let wake = match self.waiting_for {
            Waiting::Nothing => false,
            Waiting::Anything => !self.is_empty(),
            Waiting::Batch => self.is_due(),
        };
        if wake {
            self.waiting_for = Waiting::Nothing;
        }
        wake
    }

    /// Of a full queue: whether `record` needs no place of its own.
    fn makes_do_without(&mut self, record: Record<'_>) -> bool {
        let at = jsonl::at(record);
        match record {
            Record::Event(_) | Record::Inquiry(_) | Record::Answer(_) | Record::Deadline(_) => self.lose(at, 1, 0),
            Record::Stats(_) if self.items.len() >= EVENTS + STATS => self.lose(at, 0, 1),
            Record::Finding(finding) => self.items.replace(finding),
            Record::Loss(loss) => self.items.add(loss),
            Record::Port(_) | Record::Stats(_) | Record::Hello(_) | Record::Summary(_) => false,
        }
    }

    fn lose(&mut self, now: Timestamp, events: u64, stats: u64) -> bool {
        self.report.lost_events += events;
        self.report.lost_stats += stats;
        self.items.lose(now, events, stats);
        true
    }
}

/// Whether it is one of the many that go first when there is too little room.
pub(super) fn is_event(record: Record<'_>) -> bool {
    match record {
        Record::Event(_) | Record::Inquiry(_) | Record::Answer(_) | Record::Deadline(_) => true,
        Record::Hello(_)
        | Record::Finding(_)
        | Record::Port(_)
        | Record::Stats(_)
        | Record::Loss(_)
        | Record::Summary(_) => false,
    }
}

/// Records that may wait before events are lost: as many as the ring for ordinary ones holds, some 9 MiB, and as much again
/// in the thread's hands.
pub(super) const EVENTS: usize = 64 * 1024;
/// `stats` that may wait beyond that.
pub(super) const STATS: usize = 64;
/// Records worth waking the thread for: some 10 ms of them at the highest rates.
const BATCH: usize = 1024;
