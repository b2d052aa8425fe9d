//! RSTs that this host made and whose packet was not seen, remembered for the side that receives them; bounded.

use super::config::MAX_RESETS;
use crate::model::event::RstMaker;
use crate::model::time::Timestamp;
use crate::model::tuple::{Endpoint, Tuple};
use foldhash::fast::RandomState;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// What a socket sends of its own accord, or a REJECT rule: a translation on the way is not to be seen, so the side that
/// receives it is recognised by its endpoint alone.
#[derive(Debug, Default)]
pub(super) struct Resets {
    /// Whom each was sent to, oldest first.
    ages: VecDeque<Endpoint>,
    /// By receiver, oldest first.
    recent: HashMap<Endpoint, Sent, RandomState>,
}

/// Nearly always one.
#[derive(Debug)]
enum Sent {
    One(Timestamp, RstMaker),
    More(VecDeque<(Timestamp, RstMaker)>),
}

impl Sent {
    fn add(&mut self, at: Timestamp, maker: RstMaker) {
        match self {
            Self::One(first, of) => *self = Self::More([(*first, *of), (at, maker)].into()),
            Self::More(sent) => sent.push_back((at, maker)),
        }
    }

    /// Whether none is left.
    fn forget_oldest(&mut self) -> bool {
        match self {
            Self::One(..) => true,
            Self::More(sent) => {
                sent.pop_front();
                sent.is_empty()
            }
        }
    }

    /// Who sent the last one within `window` of `at`. They are in order but for that window.
    fn near(&self, at: Timestamp, window: Duration) -> Option<RstMaker> {
        let is_near = |sent: Timestamp| at.since(sent) <= window && sent.since(at) <= window;
        match self {
            Self::One(sent, maker) => is_near(*sent).then_some(*maker),
            Self::More(sent) => {
                let last = sent.iter().rev();
                let mut last = last.take_while(|(sent, _)| at.since(*sent) <= window * 2);
                last.find(|(sent, _)| is_near(*sent)).map(|(_, maker)| *maker)
            }
        }
    }
}

impl Resets {
    /// `tuple` is the RST's own.
    pub(super) fn remember(&mut self, at: Timestamp, maker: RstMaker, tuple: Tuple) {
        if self.ages.len() >= MAX_RESETS {
            self.forget_oldest();
        }
        let receiver = tuple.destination;
        self.ages.push_back(receiver);
        match self.recent.entry(receiver) {
            Entry::Occupied(sent) => sent.into_mut().add(at, maker),
            Entry::Vacant(free) => {
                free.insert(Sent::One(at, maker));
            }
        }
    }

    /// Who sent one to `receiver` (local to remote; `leaving` after translation) within `window` of `at`.
    pub(super) fn sent_to(&self, receiver: Tuple, leaving: Tuple, at: Timestamp, window: Duration) -> Option<RstMaker> {
        let last_to = |endpoint| self.recent.get(&endpoint)?.near(at, window);
        let other = Some(leaving.source).filter(|other| *other != receiver.source);
        last_to(receiver.source).or_else(|| last_to(other?))
    }

    fn forget_oldest(&mut self) {
        let Some(receiver) = self.ages.pop_front() else {
            return;
        };
        if let Entry::Occupied(mut sent) = self.recent.entry(receiver)
            && sent.get_mut().forget_oldest()
        {
            sent.remove();
        }
    }
}
