//! Asking for the rules behind a finding, and what follows from the answers.

use super::answers::Asker;
use super::findings::Findings;
use super::naming::{self, Answered, Ask};
use super::theory::Diagnosis;
use super::totals::Totals;
use super::tracker::Tracker;
use crate::model::finding::Confidence;
use crate::model::identity::Netns;
use crate::model::inquiry::Reply;
use crate::model::time::Timestamp;
use std::sync::Arc;

/// What a finding waits for, and what came.
#[derive(Debug)]
pub(super) struct Naming {
    /// As events and the examination told.
    pub(super) base: Diagnosis,
    /// In the order of the questions.
    asks: Vec<Ask>,
    answers: Vec<Option<Answered>>,
    /// The first revision waits for the answers until then.
    pub(super) held: Option<Timestamp>,
    /// The last connection ended while it was held.
    pub(super) closing: bool,
}

impl Naming {
    pub(super) fn new(base: Diagnosis) -> Self {
        Self {
            base,
            asks: Vec::new(),
            answers: Vec::new(),
            held: None,
            closing: false,
        }
    }

    /// The diagnosis with what is known of the rules.
    pub(super) fn diagnosis(&self) -> Diagnosis {
        let answers: Vec<_> = self.answers.iter().flatten().cloned().collect();
        let mut named = naming::name(&self.base, &answers);
        // That netfilter dropped it names no rule: a full table drops for the same reason.
        if !self.asks.is_empty() && named.culprits.iter().any(naming::is_nameless) {
            named.confidence = named.confidence.min(Confidence::Likely);
        }
        named
    }

    fn is_complete(&self) -> bool {
        self.answers.iter().all(Option::is_some)
    }
}

impl Tracker {
    /// Asks for the rules behind the finding, once; its first revision waits for them no longer than `until`.
    pub(super) fn ask_rules(
        &mut self,
        finding: u64,
        asks: Vec<Ask>,
        hint: Option<(Netns, u32)>,
        now: Timestamp,
        until: Timestamp,
    ) {
        let now = now.max(self.latest);
        if !self.config.walk || asks.is_empty() || !self.findings.is_unasked(finding) {
            return;
        }
        let mut asked = Vec::new();
        for ask in asks {
            let asker = Asker::Walk {
                finding,
                index: asked.len(),
            };
            let hint = hint.filter(|(netns, _)| *netns == ask.netns).map(|(_, pid)| pid);
            if self
                .inquiries
                .ask(now, asker, ask.netns, hint, ask.question(), &mut self.totals)
            {
                asked.push(ask);
            }
        }
        self.findings.hold(finding, asked, until);
        self.findings.rename(finding, &mut self.totals);
    }

    pub(super) fn walked(
        &mut self,
        (finding, index): (u64, usize),
        at: Timestamp,
        enter: Option<Arc<str>>,
        reply: Reply,
    ) {
        let walked = match reply {
            Reply::Walked(walked) => Ok(*walked),
            Reply::Gone => Err("the namespace is gone".into()),
            Reply::Unreachable(why) => Err(why),
            Reply::Connection(_) | Reply::Link(_) | Reply::Swept(_) | Reply::Stalled(_) | Reply::Identity(_) => {
                Err("the answer is to another question".into())
            }
        };
        let answered = |ask| Answered { ask, at, enter, walked };
        self.findings.answered(finding, index, answered, at, &mut self.totals);
    }
}

impl Findings {
    /// Whether nobody asked for its rules yet.
    pub(super) fn is_unasked(&self, id: u64) -> bool {
        self.naming(id).is_some_and(|naming| naming.asks.is_empty())
    }

    fn hold(&mut self, id: u64, asks: Vec<Ask>, until: Timestamp) {
        let shown = self.is_shown(id);
        let Some(naming) = self.naming_mut(id).filter(|_| !asks.is_empty()) else {
            return;
        };
        naming.answers = asks.iter().map(|_| None).collect();
        naming.asks = asks;
        naming.held = (!shown).then_some(until);
    }

    fn answered(
        &mut self,
        id: u64,
        index: usize,
        answered: impl FnOnce(Ask) -> Answered,
        at: Timestamp,
        totals: &mut Totals,
    ) {
        let Some(naming) = self.naming_mut(id) else {
            return;
        };
        let (Some(ask), Some(slot)) = (naming.asks.get(index), naming.answers.get_mut(index)) else {
            return;
        };
        *slot = Some(answered(ask.clone()));
        let complete = naming.is_complete();
        self.rename(id, totals);
        if complete {
            let id = self.merge(id, totals);
            self.release_hold(id, at);
        }
    }
}
