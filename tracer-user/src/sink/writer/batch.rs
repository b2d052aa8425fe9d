//! Records that wait, in their order.

use crate::model::event::EventKind;
use crate::model::finding::Finding;
use crate::model::inquiry::{Answer, Inquiry};
use crate::model::time::Timestamp;
use crate::model::translation::Port;
use crate::sink::clock::Clock;
use crate::sink::jsonl;
use crate::sink::record::{Hello, Loss, LossSource, Record, Stats, Summary};
use crate::sink::writer::seen::{Seen, pack, unpack};

#[derive(Debug, Default)]
pub(super) struct Batch {
    slots: Vec<Slot>,
    /// Of the events that tell more than a slot holds; in their order.
    kinds: Vec<EventKind>,
    /// How many were pushed as records.
    records: u64,
}

/// What comes out of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item<'a> {
    /// For what follows.
    Clock(Clock),
    Record(Record<'a>),
    /// Tells of what did not fit.
    Lost(&'a Loss),
}

#[derive(Debug)]
enum Slot {
    Clock(Clock),
    Event(Seen),
    Deadline(Timestamp),
    Rare(Rare),
    /// What was lost here.
    Lost {
        at: Timestamp,
        events: u64,
        stats: u64,
    },
}

const _: () = assert!(size_of::<Slot>() <= 144);

#[derive(Debug)]
enum Rare {
    Hello(Box<Hello>),
    Inquiry(Box<Inquiry>),
    Answer(Box<Answer>),
    Finding(Box<Finding>),
    Port(Box<Port>),
    Stats(Box<Stats>),
    Loss(Box<Loss>),
    Summary(Box<Summary>),
}

impl Batch {
    /// Takes a copy of `record`.
    pub(super) fn push(&mut self, record: Record<'_>) {
        let rare = match record {
            Record::Event(event) => {
                let seen = pack(event, &mut self.kinds);
                return self.push_record(Slot::Event(seen));
            }
            Record::Deadline(at) => return self.push_record(Slot::Deadline(at)),
            Record::Hello(hello) => Rare::Hello(Box::new(hello.clone())),
            Record::Inquiry(inquiry) => Rare::Inquiry(Box::new(inquiry.clone())),
            Record::Answer(answer) => Rare::Answer(Box::new(answer.clone())),
            Record::Finding(finding) => Rare::Finding(Box::new(finding.clone())),
            Record::Port(port) => Rare::Port(Box::new(port.clone())),
            Record::Stats(stats) => Rare::Stats(Box::new(stats.clone())),
            Record::Loss(loss) => Rare::Loss(Box::new(loss.clone())),
            Record::Summary(summary) => Rare::Summary(Box::new(summary.clone())),
        };
        self.push_record(Slot::Rare(rare));
    }

    /// The clock for what is pushed from now on.
    pub(super) fn set_clock(&mut self, clock: Clock) {
        match self.slots.last_mut() {
            Some(Slot::Clock(last)) => *last = clock,
            _ => self.slots.push(Slot::Clock(clock)),
        }
    }

    /// Says that this much did not fit here.
    pub(super) fn lose(&mut self, now: Timestamp, more_events: u64, more_stats: u64) {
        if let Some(Slot::Lost { at, events, stats }) = self.slots.last_mut() {
            *at = now;
            *events += more_events;
            *stats += more_stats;
        } else {
            self.slots.push(Slot::Lost {
                at: now,
                events: more_events,
                stats: more_stats,
            });
        }
    }

    /// Puts a finding in the place of an earlier revision, which nobody has seen; whether there is one.
    pub(super) fn replace(&mut self, finding: &Finding) -> bool {
        let mut queued = self.slots.iter_mut().rev().filter_map(|slot| {
            let Slot::Rare(Rare::Finding(queued)) = slot else {
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

    /// Adds a loss to one of the same source that waits already; whether there is one.
    pub(super) fn add(&mut self, loss: &Loss) -> bool {
        let mut queued = self.slots.iter_mut().rev().filter_map(|slot| {
            let Slot::Rare(Rare::Loss(queued)) = slot else {
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

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// When the last of it happened, or was lost.
    pub(super) fn latest(&self) -> Option<Timestamp> {
        self.slots.iter().rev().find_map(Slot::at)
    }

    /// Empties it, and calls `take` with everything up to the first error.
    pub(super) fn drain<E>(&mut self, mut take: impl FnMut(Item<'_>) -> Result<(), E>) -> Result<(), E> {
        self.records = 0;
        let mut kinds = self.kinds.drain(..);
        for slot in self.slots.drain(..) {
            match slot {
                Slot::Clock(clock) => take(Item::Clock(clock))?,
                Slot::Event(seen) => {
                    if let Some(event) = unpack(&seen, &mut kinds) {
                        take(Item::Record(Record::Event(&event)))?;
                    }
                }
                Slot::Deadline(at) => take(Item::Record(Record::Deadline(at)))?,
                Slot::Rare(rare) => take(Item::Record(rare.record()))?,
                Slot::Lost { at, events, stats } => {
                    for (queue, lost) in [("events", events), ("stats", stats)] {
                        if lost > 0 {
                            take(Item::Lost(&Loss {
                                at,
                                source: LossSource::Queue(queue.into()),
                                cpu: None,
                                lost,
                            }))?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn push_record(&mut self, slot: Slot) {
        self.slots.push(slot);
        self.records += 1;
    }
}

impl Slot {
    fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Clock(_) => None,
            Self::Event(seen) => Some(seen.at),
            Self::Deadline(at) | Self::Lost { at, .. } => Some(*at),
            Self::Rare(rare) => Some(jsonl::at(rare.record())),
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
