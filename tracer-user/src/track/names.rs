//! Who is behind the numbers of a finding: asked once a subject, and waited for a moment.
//!
//! A finding never depends on a name: where no answer comes in time it is given out without.

use super::answers::{Asker, Inquiries};
use super::config::{MAX_HELD, MAX_NAMES, NAME_FRESH, NAME_PATIENCE};
use super::totals::Totals;
use super::tracker::Tracker;
use crate::model::finding::Finding;
use crate::model::identity::Netns;
use crate::model::inquiry::{Question, Reply};
use crate::model::time::Timestamp;
use crate::model::who::{Identity, Names, Subject};
use foldhash::fast::RandomState;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Register {
    known: HashMap<Subject, Known, RandomState>,
    /// In the order in which they were first asked for.
    order: VecDeque<Subject>,
    /// Findings that wait for names, in the order in which they were made.
    held: VecDeque<(Timestamp, Finding)>,
    ready: VecDeque<Finding>,
}

#[derive(Debug)]
struct Known {
    /// What was told last; kept while it is asked for again.
    identity: Option<Arc<Identity>>,
    asked: Timestamp,
    awaits: bool,
}

impl Register {
    pub(super) fn poll(&mut self) -> Option<Finding> {
        self.ready.pop_front()
    }

    pub(super) fn poll_timeout(&self) -> Option<Timestamp> {
        self.held.front().map(|(until, _)| *until)
    }

    pub(super) fn of(&self, subject: Subject) -> Option<&Arc<Identity>> {
        self.known.get(&subject)?.identity.as_ref()
    }

    fn awaits(&self, subject: Subject) -> bool {
        self.known.get(&subject).is_some_and(|known| known.awaits)
    }

    fn is_fresh(&self, subject: Subject, at: Timestamp) -> bool {
        self.known
            .get(&subject)
            .is_some_and(|known| known.awaits || at.since(known.asked) < NAME_FRESH)
    }

    fn ask(&mut self, subject: Subject, netns: Netns, at: Timestamp, inquiries: &mut Inquiries, totals: &mut Totals) {
        if self.is_fresh(subject, at) {
            return;
        }
        let netns = if let Subject::Netns(of) = subject { of } else { netns };
        let question = Question::Who(subject);
        let awaits = inquiries.ask(at, Asker::Name(subject), netns, None, question, totals);
        if let Some(known) = self.known.get_mut(&subject) {
            (known.asked, known.awaits) = (at, awaits);
            return;
        }
        if self.known.len() >= MAX_NAMES
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
            totals.evicted += 1;
        }
        self.order.push_back(subject);
        let known = Known {
            identity: None,
            asked: at,
            awaits,
        };
        self.known.insert(subject, known);
    }

    fn answered(&mut self, subject: Subject, reply: Reply) {
        let Some(known) = self.known.get_mut(&subject) else {
            return;
        };
        known.awaits = false;
        // A process that is gone by now keeps the name it had.
        if let Reply::Identity(identity) = reply
            && !(identity.is_empty() && known.identity.is_some())
        {
            known.identity = Some(identity);
        }
    }

    /// Lets go of the findings at the front that wait for nothing any more.
    fn release(&mut self, at: Timestamp) {
        while let Some((until, finding)) = self.held.front() {
            let waits = *until > at && subjects(finding).iter().any(|subject| self.awaits(*subject));
            if waits && self.held.len() <= MAX_HELD {
                return;
            }
            let Some((_, mut finding)) = self.held.pop_front() else {
                return;
            };
            finding.names = self.names(&finding);
            self.ready.push_back(finding);
        }
    }

    fn names(&self, finding: &Finding) -> Names {
        let known = |subject: Subject| Some((subject, Arc::clone(self.of(subject).filter(|of| !of.is_empty())?)));
        subjects(finding).into_iter().filter_map(known).collect()
    }
}

impl Tracker {
    /// The name is wanted soon: the process may be gone by then.
    pub fn expect_name(&mut self, subject: Subject, netns: Netns, at: Timestamp) {
        if self.config.names {
            self.names
                .ask(subject, netns, at, &mut self.inquiries, &mut self.totals);
        }
    }

    pub(super) fn name_answered(&mut self, subject: Subject, reply: Reply) {
        self.names.answered(subject, reply);
    }

    /// Processes and namespaces whose names are remembered.
    pub fn named(&self) -> usize {
        self.names.known.len()
    }

    /// Takes the findings that were made, asks for the names in them, and gives out those that wait for none.
    pub(super) fn name_findings(&mut self, at: Timestamp) {
        while let Some(finding) = self.findings.poll() {
            if self.config.names {
                let netns = finding.connection.as_ref().map(|connection| connection.netns);
                for subject in subjects(&finding) {
                    self.expect_name(subject, netns.unwrap_or_default(), at);
                }
            }
            self.names.held.push_back((at + NAME_PATIENCE, finding));
        }
        self.names.release(at);
    }

    /// At the end nothing more is waited for.
    pub(super) fn release_findings(&mut self, now: Timestamp) {
        self.name_findings(now);
        self.names.release(now + NAME_PATIENCE);
    }

    /// Whether an answer is on its way.
    pub fn awaits_name(&self, subject: Subject) -> bool {
        self.names.awaits(subject)
    }

    /// What is known of the subject by now.
    pub fn identity(&self, subject: Subject) -> Option<&Arc<Identity>> {
        self.names.of(subject)
    }
}

/// Whose names the finding wants, each once.
fn subjects(finding: &Finding) -> Vec<Subject> {
    let mut all = Vec::new();
    finding.each_subject(|subject| {
        if !all.contains(&subject) {
            all.push(subject);
        }
    });
    all
}
