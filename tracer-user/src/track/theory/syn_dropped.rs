//! A rule drops the connection's own packets in silence.

use super::case::{Case, confidence};
use super::{Diagnosis, Explanation, Opinion, Theory, conntrack_exhausted, no_endpoints, rejected_by_rule};
use crate::model::conntrack::Direction;
use crate::model::finding::{Cause, Confidence, Severity};
use crate::model::rules::End;
use crate::track::flow::Flow;
use crate::track::naming::{self, Answered, Ask};

pub(super) const THEORY: Theory = Theory {
    asks,
    refine,
    ..Theory::new(Cause::SynDropped, Severity::Warning, weigh)
};

fn weigh(case: &Case<'_>) -> Opinion {
    if !case.hangs() {
        return Opinion::Silent;
    }
    let Some(drop) = case.drop() else {
        return Opinion::Excluded("no drop of its packets was seen on this host");
    };
    match (case.dropped_by_rule(), drop.direction) {
        (None, _) => Opinion::Silent,
        (Some(_), Direction::Reply) => Opinion::Excluded("answers come back to this namespace"),
        (Some(drop), Direction::Original) if Case::is_blocked_at_target(drop) || case.was_rejected(drop) => {
            Opinion::Silent
        }
        (Some(drop), Direction::Original) => Explanation::new(confidence(drop), case.target(drop))
            .by([case.nameless_rule(drop)])
            .into(),
    }
}

fn asks(flow: &Flow) -> Vec<Ask> {
    let mut asks = naming::dropped_and_translated(flow);
    let drop = flow.main_drop();
    if let (Some(ask), Some(drop)) = (asks.first_mut(), drop) {
        ask.aspects = conntrack_exhausted::aspects(drop);
    }
    asks
}

/// The rule that it met rejects: the error did not reach the socket. Or no rule dropped it.
fn refine(diagnosis: &mut Diagnosis, answers: &[Answered]) {
    if conntrack_exhausted::take_over(diagnosis, answers) {
        return;
    }
    let rejected = answers
        .iter()
        .flat_map(Answered::trails)
        .any(|(packet, trail)| packet.dropped && trail.agrees && matches!(trail.end, End::Rejected(_)));
    if rejected {
        diagnosis.rename(&rejected_by_rule::THEORY);
        diagnosis.confidence = diagnosis.confidence.min(Confidence::Likely);
    }
    no_endpoints::refine(diagnosis);
}
