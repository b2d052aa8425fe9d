//! A translation leads it to a local port, and a rule drops it there.

use super::case::{Case, confidence};
use super::{Explanation, Opinion, Theory};
use crate::model::finding::{Cause, Confidence, Culprit, Severity};
use crate::track::naming;

pub(super) const THEORY: Theory = Theory {
    asks: naming::dropped_and_translated,
    ..Theory::new(Cause::RedirectTargetBlocked, Severity::Error, weigh)
};

fn weigh(case: &Case<'_>) -> Opinion {
    let drop = case.dropped_by_rule().filter(|drop| Case::is_blocked_at_target(drop));
    let Some(drop) = drop.filter(|_| case.hangs()) else {
        return Opinion::Silent;
    };
    let listener = case.listener().cloned().map(Culprit::Listener);
    // Whether somebody listens behind the block belongs to the proof.
    let best = if listener.is_some() {
        Confidence::Proved
    } else {
        Confidence::Likely
    };
    Explanation::new(confidence(drop).min(best), case.target(drop))
        .by([case.nameless_rule(drop)])
        .by(listener)
        .into()
}
