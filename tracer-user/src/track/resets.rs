//! RSTs that this host made and whose packet was not seen, remembered for the side that receives them; bounded.

use super::config::MAX_RESETS;
use crate::model::event::RstMaker;
use crate::model::time::Timestamp;
use crate::model::tuple::{Endpoint, Tuple};
use foldhash::fast::RandomState;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// What a socket sends of its own accord, or a REJECT rule: a translation on the way is not to be seen, so the side that
/// receives it is recognised by its endpoint alone.
#[derive(Debug, Default)]
pub(super) struct Resets {
    /// Whom each was sent to, oldest first.
    ages: VecDeque<Endpoint>,
    /// By receiver, oldest first.
    recent: HashMap<Endpoint, VecDeque<(Timestamp, RstMaker)>, RandomState>,
}

impl Resets {
    /// `tuple` is the RST's own.
    pub(super) fn remember(&mut self, at: Timestamp, maker: RstMaker, tuple: Tuple) {
        if self.ages.len() >= MAX_RESETS {
            self.forget_oldest();
        }
        let receiver = tuple.destination;
        self.ages.push_back(receiver);
        self.recent.entry(receiver).or_default().push_back((at, maker));
    }

    /// Who sent one to `receiver` (local to remote; `leaving` after translation) within `window` of `at`.
    pub(super) fn sent_to(&self, receiver: Tuple, leaving: Tuple, at: Timestamp, window: Duration) -> Option<RstMaker> {
        let near = |sent: Timestamp| at.since(sent) <= window && sent.since(at) <= window;
        let last_to = |endpoint| {
            let mut sent = self.recent.get(&endpoint)?.iter().rev();
            sent.find(|(sent, _)| near(*sent)).map(|(_, maker)| *maker)
        };
        last_to(receiver.source).or_else(|| last_to(leaving.source))
    }

    fn forget_oldest(&mut self) {
        let Some(receiver) = self.ages.pop_front() else {
            return;
        };
        if let Some(sent) = self.recent.get_mut(&receiver) {
            sent.pop_front();
            if sent.is_empty() {
                self.recent.remove(&receiver);
            }
        }
    }
}
