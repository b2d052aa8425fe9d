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
    /// The last one to each endpoint.
    by_receiver: HashMap<Endpoint, (Timestamp, RstMaker), RandomState>,
    ages: VecDeque<Endpoint>,
}

impl Resets {
    /// `tuple` is the RST's own.
    pub(super) fn remember(&mut self, at: Timestamp, maker: RstMaker, tuple: Tuple) {
        let receiver = tuple.destination;
        if self.by_receiver.insert(receiver, (at, maker)).is_none() {
            self.ages.push_back(receiver);
        }
        if self.ages.len() > MAX_RESETS
            && let Some(oldest) = self.ages.pop_front()
        {
            self.by_receiver.remove(&oldest);
        }
    }

    /// Who sent one to `receiver` (local to remote; `leaving` after translation) within `window` of `at`.
    pub(super) fn sent_to(&self, receiver: Tuple, leaving: Tuple, at: Timestamp, window: Duration) -> Option<RstMaker> {
        let near = |sent: Timestamp| at.since(sent) <= window && sent.since(at) <= window;
        let to = |end: Endpoint| self.by_receiver.get(&end).filter(|(sent, _)| near(*sent));
        to(receiver.source)
            .or_else(|| to(leaving.source))
            .map(|(_, maker)| *maker)
    }
}
