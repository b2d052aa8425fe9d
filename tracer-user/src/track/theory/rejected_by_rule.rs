//! A rule answers the connection's own packets with an error.

use super::case::{Case, confidence};
use super::redirect_to_dead_port::dead_port;
use super::{Explanation, Opinion, Theory, no_endpoints};
use crate::model::conntrack::Direction;
use crate::model::finding::{Cause, Severity};
use crate::track::naming;

pub(super) const THEORY: Theory = Theory {
    asks: naming::dropped_and_translated,
    refine: |diagnosis, _| no_endpoints::refine(diagnosis),
    ..Theory::new(Cause::RejectedByRule, Severity::Warning, weigh)
};

fn weigh(case: &Case<'_>) -> Opinion {
    if case.drop().is_none() && dead_port(case.flow).is_some() {
        return Opinion::Excluded("TCP itself made the RST, no rule");
    }
    let own = case.dropped_by_rule().filter(|drop| {
        drop.direction == Direction::Original && !Case::is_blocked_at_target(drop) && case.was_rejected(drop)
    });
    match own.filter(|_| case.hangs()) {
        Some(drop) => {
            let explanation = Explanation::new(confidence(drop), case.target(drop)).by([case.nameless_rule(drop)]);
            if case.is_taken_for_rejected(drop) {
                explanation.by_absence().into()
            } else {
                explanation.into()
            }
        }
        None => Opinion::Silent,
    }
}
