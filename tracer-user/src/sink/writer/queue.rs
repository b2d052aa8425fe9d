//! The bounded queue between the shell and the output.

use crate::model::event::Event;
use crate::model::finding::Finding;
use crate::model::inquiry::{Answer, Inquiry};
use crate::model::time::Timestamp;
use crate::model::translation::Port;
use crate::sink::clock::Clock;
use crate::sink::jsonl;
use crate::sink::record::{Hello, Loss, LossSource, Record, Stats, Summary};
use crate::sink::writer::WriterReport;
use std::collections::VecDeque;
use std::mem;

/// What waits to be written, and what both sides need to know.
#[derive(Debug, Default)]
pub(super) struct Queue {
    items: VecDeque<Item>,
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

/// A record that waits. Events are kept in place, they are the many.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are events, and a box for each costs more than the push"
)]
pub(super) enum Item {
    Clock(Clock),
    Event(Event),
    Deadline(Timestamp),
    Rare(Rare),
    /// What was lost here.
    Lost {
        at: Timestamp,
        events: u64,
        stats: u64,
    },
}

#[derive(Debug)]
pub(super) enum Rare {
    Hello(Box<Hello>),
    Inquiry(Box<Inquiry>),
    Answer(Box<Answer>),
    Finding(Box<Finding>),
    Port(Box<Port>),
    Stats(Box<Stats>),
    Loss(Box<Loss>),
    Summary(Box<Summary>),
}

impl Queue {
    /// Returns whether the thread is to be woken.
    pub(super) fn push(&mut self, record: Record<'_>) -> bool {
        if self.report.closed {
            return false;
        }
        if self.items.len() >= EVENTS && self.makes_do_without(record) {
            return false;
        }
        self.items.push_back(Item::of(record));
        self.urgent |= matches!(
            record,
            Record::Hello(_) | Record::Finding(_) | Record::Loss(_) | Record::Summary(_)
        );
        self.is_to_wake()
    }

    pub(super) fn set_clock(&mut self, clock: Clock) {
        match self.items.back_mut() {
            Some(Item::Clock(last)) => *last = clock,
            _ => self.items.push_back(Item::Clock(clock)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether it is not worth waiting for more.
    pub(super) fn is_due(&self) -> bool {
        self.phase > Phase::Running || self.urgent || self.reopen || self.items.len() >= BATCH
    }

    /// Everything that waits, in exchange for an empty batch.
    pub(super) fn take(&mut self, batch: &mut VecDeque<Item>) -> Turn {
        self.waiting_for = Waiting::Nothing;
        self.urgent = false;
        mem::swap(&mut self.items, batch);
        self.taken = count(batch);
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
        self.taken + count(&self.items)
    }

    fn is_to_wake(&mut self) -> bool {
        let wake = match self.waiting_for {
            Waiting::Nothing => false,
            Waiting::Anything => true,
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
            Record::Finding(finding) => self.replace(finding),
            Record::Loss(loss) => self.add(loss),
            Record::Port(_) | Record::Stats(_) | Record::Hello(_) | Record::Summary(_) => false,
        }
    }

    fn lose(&mut self, now: Timestamp, more_events: u64, more_stats: u64) -> bool {
        self.report.lost_events += more_events;
        self.report.lost_stats += more_stats;
        if let Some(Item::Lost { at, events, stats }) = self.items.back_mut() {
            *at = now;
            *events += more_events;
            *stats += more_stats;
        } else {
            self.items.push_back(Item::Lost {
                at: now,
                events: more_events,
                stats: more_stats,
            });
        }
        true
    }

    /// Puts a finding in the place of an earlier revision, which nobody has seen.
    fn replace(&mut self, finding: &Finding) -> bool {
        let mut queued = self.items.iter_mut().rev().filter_map(|item| {
            let Item::Rare(Rare::Finding(queued)) = item else {
                return None;
            };
            (queued.id == finding.id).then_some(queued)
        });
        let Some(queued) = queued.next() else {
            return false;
        };
        **queued = finding.clone();
        true
    }

    /// Adds a loss to one of the same source that waits already.
    fn add(&mut self, loss: &Loss) -> bool {
        let mut queued = self.items.iter_mut().rev().filter_map(|item| {
            let Item::Rare(Rare::Loss(queued)) = item else {
                return None;
            };
            (queued.source == loss.source && queued.cpu == loss.cpu).then_some(queued)
        });
        let Some(queued) = queued.next() else {
            return false;
        };
        queued.at = loss.at;
        queued.lost += loss.lost;
        true
    }
}

impl Item {
    fn of(record: Record<'_>) -> Self {
        let rare = match record {
            Record::Event(event) => return Self::Event(event.clone()),
            Record::Deadline(at) => return Self::Deadline(at),
            Record::Hello(hello) => Rare::Hello(Box::new(hello.clone())),
            Record::Inquiry(inquiry) => Rare::Inquiry(Box::new(inquiry.clone())),
            Record::Answer(answer) => Rare::Answer(Box::new(answer.clone())),
            Record::Finding(finding) => Rare::Finding(Box::new(finding.clone())),
            Record::Port(port) => Rare::Port(Box::new(port.clone())),
            Record::Stats(stats) => Rare::Stats(Box::new(stats.clone())),
            Record::Loss(loss) => Rare::Loss(Box::new(loss.clone())),
            Record::Summary(summary) => Rare::Summary(Box::new(summary.clone())),
        };
        Self::Rare(rare)
    }

    /// Whether it was pushed as a record.
    pub(super) fn is_record(&self) -> bool {
        !matches!(self, Self::Clock(_) | Self::Lost { .. })
    }

    /// When it happened, or was lost.
    pub(super) fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Clock(_) => None,
            Self::Event(event) => Some(event.at),
            Self::Deadline(at) | Self::Lost { at, .. } => Some(*at),
            Self::Rare(rare) => Some(jsonl::at(rare.record())),
        }
    }

    /// Calls `write` with each record of this item, up to the first error.
    pub(super) fn each<E>(&self, mut write: impl FnMut(Record<'_>) -> Result<(), E>) -> Result<(), E> {
        match self {
            Self::Clock(_) => Ok(()),
            Self::Event(event) => write(Record::Event(event)),
            Self::Deadline(at) => write(Record::Deadline(*at)),
            Self::Rare(rare) => write(rare.record()),
            Self::Lost { at, events, stats } => {
                for (queue, lost) in [("events", *events), ("stats", *stats)] {
                    if lost > 0 {
                        let source = LossSource::Queue(queue.into());
                        write(Record::Loss(&Loss {
                            at: *at,
                            source,
                            cpu: None,
                            lost,
                        }))?;
                    }
                }
                Ok(())
            }
        }
    }
}

impl Rare {
    fn record(&self) -> Record<'_> {
        match self {
            Self::Hello(hello) => Record::Hello(hello),
            Self::Inquiry(inquiry) => Record::Inquiry(inquiry),
            Self::Answer(answer) => Record::Answer(answer),
            Self::Finding(finding) => Record::Finding(finding),
            Self::Port(port) => Record::Port(port),
            Self::Stats(stats) => Record::Stats(stats),
            Self::Loss(loss) => Record::Loss(loss),
            Self::Summary(summary) => Record::Summary(summary),
        }
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

fn count(items: &VecDeque<Item>) -> u64 {
    let records = items.iter().filter(|item| item.is_record());
    u64::try_from(records.count()).unwrap_or(u64::MAX)
}

/// Records that may wait before events are lost: some 6 MiB, and as much again in the thread's hands.
pub(super) const EVENTS: usize = 16 * 1024;
/// `stats` that may wait beyond that.
pub(super) const STATS: usize = 64;
/// Records worth waking the thread for.
const BATCH: usize = 256;
