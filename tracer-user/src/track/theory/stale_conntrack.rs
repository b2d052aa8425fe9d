//! An old conntrack entry decides where its packets go, not a rule.

use super::case::Case;
use super::{Diagnosis, Explanation, Opinion, Theory, unanswered};
use crate::model::conntrack::Conntrack;
use crate::model::finding::{Cause, Confidence, Culprit, Severity};
use crate::model::tcp::ConntrackState;
use crate::track::flow::Phase;
use crate::track::naming::{self, Answered};

pub(super) const THEORY: Theory = Theory {
    asks: naming::translated,
    refine,
    ..Theory::new(Cause::StaleConntrack, Severity::Error, weigh)
};

/// The contradiction that needs no rule: the connection has an answer by conntrack's account, and its socket has none.
fn weigh(case: &Case<'_>) -> Opinion {
    let flow = case.flow;
    if flow.phase != Phase::Connecting || !case.hangs_undropped() || !case.is_redirected() {
        return Opinion::Silent;
    }
    match flow.entry().filter(|entry| is_older(entry)) {
        Some(entry) => Explanation::new(Confidence::Possible, case.leaving())
            .by([Culprit::ConntrackEntry(*entry)])
            .into(),
        None => Opinion::Silent,
    }
}

/// Established and assured: no connection is that whose socket still waits for the answer to its SYN.
fn is_older(entry: &Conntrack) -> bool {
    entry.state == Some(ConntrackState::Established) && entry.status & ASSURED != 0
}

fn refine(diagnosis: &mut Diagnosis, answers: &[Answered]) {
    if captured(answers).is_some() {
        diagnosis.confidence = diagnosis.confidence.max(Confidence::Likely);
    } else if follows_rules(answers) {
        diagnosis.culprits.clear();
        diagnosis.rename(&unanswered::THEORY);
    }
}

/// Whether the current rules would send its first packet elsewhere than the entry does: that is the cause then.
pub(super) fn rename(diagnosis: &mut Diagnosis, answers: &[Answered]) -> bool {
    let Some(entry) = captured(answers) else {
        return false;
    };
    diagnosis.rename(&THEORY);
    diagnosis.confidence = Confidence::Likely;
    let culprit = Culprit::ConntrackEntry(entry);
    if !diagnosis.culprits.contains(&culprit) {
        diagnosis.culprits.push(culprit);
    }
    true
}

/// The entry of a first packet whose translation no current rule makes, for sure.
fn captured(answers: &[Answered]) -> Option<Conntrack> {
    let known = answers.iter().filter(|answered| {
        let walked = answered.walked.as_ref();
        walked.is_ok_and(|walked| walked.caveats.is_empty())
    });
    known.flat_map(Answered::trails).find_map(|(packet, trail)| {
        let entry = packet.conntrack.filter(|entry| packet.first && entry.redirects())?;
        let elsewhere = trail.destination.is_some_and(|to| to != entry.leaving().destination);
        (!packet.dropped && !trail.agrees && trail.certain && elsewhere).then_some(entry)
    })
}

/// The current rules translate its first packet as the entry does.
fn follows_rules(answers: &[Answered]) -> bool {
    let mut trails = answers.iter().flat_map(Answered::trails);
    trails.any(|(packet, trail)| packet.first && trail.agrees)
}

/// `IPS_ASSURED`.
const ASSURED: u32 = 1 << 2;
