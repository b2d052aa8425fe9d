//! Inquiries on their way, and what to do with their answers.

use super::config::{ANSWER_LOST, MAX_EXAMINATIONS, MAX_INQUIRIES, MAX_NAME_INQUIRIES};
use super::flows::Handle;
use super::totals::Totals;
use crate::model::identity::Netns;
use crate::model::inquiry::{Inquiry, Question};
use crate::model::time::Timestamp;
use crate::model::tuple::Tuple;
use crate::model::who::Subject;
use std::collections::{BTreeMap, VecDeque};

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    Flow(Handle),
    /// The far end of the device of this namespace.
    Link {
        netns: u64,
        ifindex: u32,
    },
    /// The packet that met no socket.
    Stray(u64),
    /// The deleted entry with these answers.
    Deleted {
        netns: Netns,
        reply: Tuple,
    },
    Sweep,
    Census,
    Name(Subject),
    /// The finding whose rules are asked for, and which of its questions.
    Walk {
        finding: u64,
        index: usize,
    },
}

#[derive(Debug, Default)]
pub(super) struct Inquiries {
    next: u64,
    out: VecDeque<Inquiry>,
    /// Which namespace each is about, who asked, and when.
    waiting: BTreeMap<u64, (u64, Asker, Timestamp)>,
}

impl Inquiries {
    pub(super) fn poll(&mut self) -> Option<Inquiry> {
        self.out.pop_front()
    }

    /// Whether one more may be on its way; those that will not be answered make room.
    pub(super) fn has_room(&mut self, at: Timestamp, totals: &mut Totals) -> bool {
        let is_lost = |asked: Timestamp| at.since(asked) >= ANSWER_LOST;
        let first = self.waiting.first_key_value().map(|(_, (_, _, asked))| *asked);
        if first.is_some_and(is_lost) {
            let before = self.waiting.len();
            self.waiting.retain(|_, (_, _, asked)| !is_lost(*asked));
            totals.unresolved += u64::try_from(before - self.waiting.len()).unwrap_or(u64::MAX);
        }
        self.waiting.len() < MAX_INQUIRIES
    }

    /// Whether examinations leave room for others: they are answered in turn.
    pub(super) fn has_room_to_examine(&self) -> bool {
        self.count(|asker| matches!(asker, Asker::Flow(_))) < MAX_EXAMINATIONS
    }

    fn count(&self, is_one: impl Fn(&Asker) -> bool) -> usize {
        self.waiting.values().filter(|(_, asker, _)| is_one(asker)).count()
    }

    /// `false` where too many are on their way already.
    pub(super) fn ask(
        &mut self,
        at: Timestamp,
        asker: Asker,
        netns: Netns,
        hint: Option<u32>,
        question: Question,
        totals: &mut Totals,
    ) -> bool {
        let is_name = |asker: &Asker| matches!(asker, Asker::Name(_));
        let names_wait = is_name(&asker) && self.count(is_name) >= MAX_NAME_INQUIRIES;
        if names_wait || !self.has_room(at, totals) {
            return false;
        }
        self.next += 1;
        totals.inquiries += 1;
        self.waiting.insert(self.next, (netns.id(), asker, at));
        self.out.push_back(Inquiry {
            id: self.next,
            at,
            netns,
            hint,
            question,
        });
        true
    }

    /// Which namespace it is about and who asked; `None` for an answer that nobody waits for (any more).
    pub(super) fn take(&mut self, id: u64) -> Option<(u64, Asker)> {
        self.waiting.remove(&id).map(|(netns, asker, _)| (netns, asker))
    }

    /// The questions that the end leaves without an answer. A look at everything, which comes round again and again, is
    /// only cut short by it.
    pub(super) fn unresolved(&self, now: Timestamp) -> u64 {
        let missed = self.waiting.values().filter(|(_, asker, asked)| match asker {
            Asker::Flow(_) | Asker::Link { .. } | Asker::Stray(_) | Asker::Deleted { .. } | Asker::Walk { .. } => true,
            Asker::Sweep | Asker::Census | Asker::Name(_) => now.since(*asked) >= ANSWER_LOST,
        });
        u64::try_from(missed.count()).unwrap_or(u64::MAX)
    }
}
