//! The findings: the open ones, the last that were closed, and how many there were of each sort.

use crate::board::RuleOwner;
use crate::model::finding::{Cause, Finding, Severity, State};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub struct Findings {
    open: BTreeMap<u64, Arc<Finding>>,
    /// The last one is the latest.
    closed: VecDeque<Arc<Finding>>,
    counts: BTreeMap<Judged, u64>,
    left_out: u64,
}

/// What findings are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Judged {
    pub cause: Cause,
    pub owner: RuleOwner,
    pub severity: Severity,
}

impl Findings {
    /// A revision replaces the earlier ones; one that is retracted is forgotten.
    pub(super) fn take(&mut self, finding: &Finding) {
        let before = self.open.remove(&finding.id);
        self.count(finding, before.as_deref());
        match finding.state {
            State::Open | State::Updated if self.open.len() < MAX_OPEN => {
                self.open.insert(finding.id, Arc::new(finding.clone()));
            }
            State::Open | State::Updated => self.left_out += u64::from(finding.revision == 0),
            State::Closed => {
                if self.closed.len() >= MAX_CLOSED {
                    self.closed.pop_front();
                }
                self.closed.push_back(Arc::new(finding.clone()));
            }
            State::Retracted => {}
        }
    }

    /// The open ones in the order of their ids.
    pub fn open(&self) -> impl ExactSizeIterator<Item = &Finding> {
        self.open.values().map(|finding| &**finding)
    }

    /// The last ones that were closed, the latest first.
    pub fn closed(&self) -> impl ExactSizeIterator<Item = &Finding> {
        self.closed.iter().rev().map(|finding| &**finding)
    }

    /// Findings so far. One that was judged anew, for another cause, say, counts under both.
    pub fn counts(&self) -> impl Iterator<Item = (Judged, u64)> {
        self.counts.iter().map(|(judged, count)| (*judged, *count))
    }

    /// Findings that are not among the open ones because there were too many.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Connections that hang now.
    pub fn hanging(&self) -> u64 {
        self.open().map(|finding| finding.hanging).fold(0, u64::saturating_add)
    }

    fn count(&mut self, finding: &Finding, before: Option<&Finding>) {
        let judged = Judged::of(finding);
        let is_new = match before {
            Some(before) => Judged::of(before) != judged,
            // A revision of one that was left out is no news.
            None => finding.revision == 0 || self.open.len() < MAX_OPEN,
        };
        if is_new && finding.state != State::Retracted {
            *self.counts.entry(judged).or_default() += 1;
        }
    }
}

impl Judged {
    fn of(finding: &Finding) -> Self {
        Self {
            cause: finding.cause,
            owner: RuleOwner::of(finding),
            severity: finding.severity,
        }
    }
}

/// As many as the Tracker keeps open. Past it a new one is only counted.
pub(super) const MAX_OPEN: usize = 1_024;
/// Past it the one that was closed first is forgotten.
pub(super) const MAX_CLOSED: usize = 100;
