//! The server accepts more slowly than clients connect.

use super::case::{Case, confidence};
use super::{Explanation, Opinion, Theory};
use crate::model::conntrack::Conntrack;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Culprit, Severity};
use crate::model::inquiry::Listener;
use crate::model::reason::DropReason;

pub(super) const THEORY: Theory = Theory::new(Cause::AcceptQueueFull, Severity::Warning, weigh);

fn weigh(case: &Case<'_>) -> Opinion {
    let redirected = match case.drop() {
        Some(drop) => drop.conntrack.as_ref().is_some_and(Conntrack::redirects),
        None => case.is_redirected(),
    };
    if let Some(full) = full_queue(case) {
        return if redirected { Opinion::Silent } else { full.into() };
    }
    if !case.hangs_undropped() {
        return Opinion::Silent;
    }
    let Some((at, listener)) = case.full_listener() else {
        return Opinion::Excluded("no local listener at its destination has a full queue");
    };
    Explanation::new(Confidence::Likely, case.leaving())
        .by([Culprit::Listener(listener.clone())])
        .with([Evidence::Listener {
            at,
            listener: listener.clone(),
        }])
        .into()
}

/// The queue where its packets arrive is full: seen itself, or by the drop that it makes.
pub(super) fn full_queue(case: &Case<'_>) -> Option<Explanation> {
    if !case.hangs() {
        return None;
    }
    let culprit = || case.listener().cloned().map(Culprit::Listener);
    if let Some(drop) = case.drop() {
        let overflows = drop.reason == DropReason::TcpListenOverflow;
        return overflows.then(|| Explanation::new(confidence(drop), case.target(drop)).by(culprit()));
    }
    let full = case.listener().is_some_and(Listener::is_full);
    let explanation = || Explanation::new(Confidence::Proved, case.leaving()).by(culprit());
    full.then(|| explanation().by_absence())
}
