//! Nothing that was seen explains it.

use super::case::Case;
use super::{Diagnosis, Explanation, Opinion, Theory, stale_conntrack};
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
    let gave_up = case.around.give_ups.map(|count| Evidence::GaveUp {
        at: case.flow.first_seen,
        count,
    });
    Explanation::new(Confidence::Possible, case.leaving())
        .with(gave_up)
        .into()
}

/// The rules are known not to explain it either: they let its packets and their answers pass.
fn refine(diagnosis: &mut Diagnosis, answers: &[Answered]) {
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
    }
    stale_conntrack::rename(diagnosis, answers);
}
