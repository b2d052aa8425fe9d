//! RSTs that this host made and whose packet was not seen, remembered for the side that receives them; bounded.

use super::config::MAX_RESETS;
use crate::model::event::RstMaker;
use crate::model::time::Timestamp;
use crate::model::tuple::Tuple;
use std::collections::VecDeque;
use std::time::Duration;

/// What a socket sends of its own accord, or a REJECT rule: a translation on the way is not to be seen, so the side that
/// receives it is recognised by its endpoint alone.
#[derive(Debug, Default)]
pub(super) struct Resets {
    recent: VecDeque<(Timestamp, RstMaker, Tuple)>,
}

impl Resets {
    /// `tuple` is the RST's own.
    pub(super) fn remember(&mut self, at: Timestamp, maker: RstMaker, tuple: Tuple) {
        if self.recent.len() >= MAX_RESETS {
            self.recent.pop_front();
        }
        self.recent.push_back((at, maker, tuple));
    }

    /// Who sent one to `receiver` (local to remote; `leaving` after translation) within `window` of `at`.
    pub(super) fn sent_to(&self, receiver: Tuple, leaving: Tuple, at: Timestamp, window: Duration) -> Option<RstMaker> {
        let near = |sent: Timestamp| at.since(sent) <= window && sent.since(at) <= window;
        let reaches = |to| to == receiver.source || to == leaving.source;
        let mut recent = self.recent.iter().rev();
        recent
            .find(|(sent, _, rst)| near(*sent) && reaches(rst.destination))
            .map(|(_, maker, _)| *maker)
    }
}
