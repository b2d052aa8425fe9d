//! Records that never came: what was concluded meanwhile may rest on something that was only not seen. Bounded.

use super::config::{LOSS_NOTICED, MAX_LOSSES};
use super::findings::Findings;
use super::totals::Totals;
use super::tracker::Tracker;
use crate::model::time::Timestamp;
use std::collections::VecDeque;

/// When losses were noticed, oldest first, and how many records each was.
#[derive(Debug, Default)]
pub(super) struct Losses {
    noticed: VecDeque<(Timestamp, u64)>,
}

impl Losses {
    fn add(&mut self, at: Timestamp, lost: u64) {
        if let Some((_, known)) = self.noticed.back_mut().filter(|(noticed, _)| *noticed == at) {
            *known = known.saturating_add(lost);
            return;
        }
        if self.noticed.len() >= MAX_LOSSES {
            self.noticed.pop_front();
        }
        self.noticed.push_back((at, lost));
    }

    /// Whether anything may have been lost since this time.
    pub(super) fn touches(&self, since: Timestamp) -> bool {
        self.noticed.back().is_some_and(|(at, _)| *at + LOSS_NOTICED >= since)
    }

    /// How many records were noticed to be lost after `since`, up to `until`.
    pub(super) fn between(&self, since: Timestamp, until: Timestamp) -> u64 {
        let within = self.noticed.iter().filter(|(at, _)| since < *at && *at <= until);
        within.fold(0, |all, (_, lost)| all.saturating_add(*lost))
    }
}

impl Tracker {
    /// Takes in that records were lost: noticed now, lost since the last time somebody looked.
    pub fn handle_loss(&mut self, at: Timestamp, lost: u64) {
        self.advance(at);
        self.findings.lost(at, lost, &mut self.totals);
    }
}

impl Findings {
    /// Tells the findings of this time of a loss, and takes back what rests on nothing having been lost.
    fn lost(&mut self, at: Timestamp, lost: u64, totals: &mut Totals) {
        self.losses.add(at, lost);
        for id in self.lost_meanwhile(at, lost) {
            self.rename(id, totals);
        }
    }
}
