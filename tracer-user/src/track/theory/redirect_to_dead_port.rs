//! A translation leads it to a local port where nobody listens.

use super::case::Case;
use super::{Explanation, Look, Opinion, Theory, stale_conntrack};
use crate::model::event::RstMaker;
use crate::model::finding::{Cause, Confidence, Culprit, Severity};
use crate::model::reason::RstReason;
use crate::model::tuple::Endpoint;
use crate::track::flow::Flow;
use crate::track::naming;

pub(super) const THEORY: Theory = Theory {
    look,
    asks: naming::translated,
    refine: |diagnosis, answers| {
        stale_conntrack::rename(diagnosis, answers);
    },
    ..Theory::new(Cause::RedirectToDeadPort, Severity::Error, weigh)
};

fn look(case: &Case<'_>) -> Option<Look> {
    case.failed()?;
    let target = dead_port(case.flow).filter(|_| case.drop().is_none())?;
    Some(Look {
        target: Some(target),
        ..Look::default()
    })
}

fn weigh(case: &Case<'_>) -> Opinion {
    if let Some(drop) = case.drop() {
        return match case.dropped_by_rule() {
            Some(_) if Case::is_blocked_at_target(drop) => {
                Opinion::Excluded("the packet is dropped before any socket is asked")
            }
            Some(_) if case.was_rejected(drop) => Opinion::Excluded("no local TCP made a RST for it"),
            _ => Opinion::Silent,
        };
    }
    if case.hangs() && case.is_redirected() && case.listener().is_some() {
        return Opinion::Excluded("a listener is there");
    }
    let Some(target) = dead_port(case.flow).filter(|_| case.failed().is_some()) else {
        return Opinion::Silent;
    };
    let confidence = match case.examined() {
        Some(examined) if !examined.listeners.is_empty() => {
            return Opinion::Excluded("somebody listens there, and came a moment after the rules");
        }
        Some(_) => Confidence::Proved,
        // Whether somebody came to listen a moment after the rules cannot be told.
        None => Confidence::Possible,
    };
    let entry = case.reset().and_then(|reset| reset.conntrack);
    Explanation::new(confidence, target)
        .by(entry.map(Culprit::ConntrackEntry))
        .into()
}

/// Where a refused packet went, if a translation led it to a port of its own namespace without a socket.
pub(super) fn dead_port(flow: &Flow) -> Option<Endpoint> {
    let reset = flow.signs().reset.as_deref()?;
    let entry = reset.conntrack.as_ref()?;
    let made_here = reset.maker == RstMaker::NoSocket && reset.netns == flow.netns();
    (made_here && entry.redirects() && reset.packet == entry.leaving()).then_some(reset.packet.destination)
}

/// Whether this host's TCP made the RST because no socket was there.
pub(in crate::track) fn is_no_socket(maker: RstMaker, reason: Option<RstReason>) -> bool {
    maker == RstMaker::NoSocket || reason == Some(RstReason::NoSocket)
}
