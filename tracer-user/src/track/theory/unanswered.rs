//! Nothing that was seen explains it.

use super::case::Case;
use super::{Diagnosis, Explanation, Opinion, Theory, rejected_by_rule, reply_rejected, stale_conntrack, syn_dropped};
use crate::model::conntrack::Direction;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Severity};
use crate::model::rules::End;
use crate::track::naming::{self, Answered};

pub(super) const THEORY: Theory = Theory {
    asks: naming::unanswered,
    refine,
    ..Theory::new(Cause::Unanswered, Severity::Warning, weigh)
};

fn weigh(case: &Case<'_>) -> Opinion {
    if let Some(drop) = case.dropped_by_rule() {
        return match drop.direction {
            Direction::Reply => Opinion::Excluded("answers come back to this namespace"),
            Direction::Original => Opinion::Silent,
        };
    }
    if !case.hangs_undropped() {
        return Opinion::Silent;
    }
    let gave_up = case.give_ups().map(|count| Evidence::GaveUp {
        at: case.flow.first_seen,
        count,
    });
    Explanation::new(Confidence::Possible, case.leaving())
        .with(gave_up)
        .into()
}

/// The rules are known not to explain it either: they let its packets and their answers pass.
fn refine(diagnosis: &mut Diagnosis, answers: &[Answered]) {
    if stale_conntrack::rename(diagnosis, answers) {
        return;
    }
    let clears = |answered: &Answered| {
        let walked = answered.walked.as_ref();
        walked.is_ok_and(|walked| {
            let mut trails = walked.trails.iter();
            walked.caveats.is_empty()
                && trails.all(|trail| trail.certain && matches!(trail.end, End::Delivered | End::Left))
        })
    };
    if !answers.is_empty() && answers.iter().all(clears) {
        diagnosis.confidence = diagnosis.confidence.max(Confidence::Likely);
        return;
    }
    for answered in answers {
        stopped(diagnosis, answered);
    }
}

/// The rules are known to stop it, although no drop was seen: too many at once, or before the tracing began.
fn stopped(diagnosis: &mut Diagnosis, answered: &Answered) {
    let knows = answered.walked.as_ref().is_ok_and(|walked| walked.caveats.is_empty());
    let mut trails = answered.trails();
    let Some((packet, trail)) = trails.find(|(_, trail)| knows && trail.is_stopped()) else {
        return;
    };
    let theory = match (naming::is_answer(packet), trail.end) {
        (true, _) => &reply_rejected::THEORY,
        (false, End::Rejected(_)) => &rejected_by_rule::THEORY,
        (false, _) => &syn_dropped::THEORY,
    };
    diagnosis.rename(theory);
    diagnosis.confidence = Confidence::Likely;
    naming::accuse(diagnosis, answered, packet, trail);
}
