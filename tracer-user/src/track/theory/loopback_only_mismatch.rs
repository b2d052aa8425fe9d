//! It is refused within its own namespace, and the listener is at another address.

use super::case::Case;
use super::{Explanation, Look, Opinion, Theory};
use crate::model::aspect::{Aspect, Seen, listeners};
use crate::model::event::RstMaker;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Culprit, Severity};
use crate::model::inquiry::Listener;
use crate::model::tuple::Endpoint;
use crate::track::flow::Examination;

pub(super) const THEORY: Theory = Theory {
    look,
    ..Theory::new(Cause::LoopbackOnlyMismatch, Severity::Warning, weigh)
};

fn look(case: &Case<'_>) -> Option<Look> {
    let refused = refused_here(case)?;
    let is_asked = !matches!(case.flow.examination, Examination::None | Examination::Wanted { .. });
    (is_asked || case.may_look()).then(|| Look {
        target: Some(refused),
        aspects: vec![Aspect::Listeners(refused.port)],
    })
}

fn weigh(case: &Case<'_>) -> Opinion {
    let (Some(refused), Some(examined)) = (refused_here(case), case.examined()) else {
        return Opinion::Silent;
    };
    // Somebody who came a moment later.
    if !examined.listeners.is_empty() {
        return Opinion::Silent;
    }
    let Some(elsewhere) = listeners(&examined.seen).find(|listener| is_meant(listener, refused)) else {
        return Opinion::Silent;
    };
    let (netns, at) = (
        case.flow.netns(),
        case.flow.examined().map_or(case.flow.first_seen, |result| result.at),
    );
    Explanation::new(Confidence::Proved, refused)
        .by([Culprit::Listener(elsewhere.clone())])
        .with([Evidence::Aspect {
            at,
            netns,
            seen: Seen::Listening(elsewhere.clone()),
        }])
        .into()
}

/// Who dials a name gets its IPv6 address first, and goes on to IPv4 where that is refused: nothing is wrong then.
fn is_meant(listener: &Listener, refused: Endpoint) -> bool {
    listener.address.port == refused.port && (refused.address.is_ipv4() || listener.address.address.is_ipv6())
}

/// Where its packets went, if that is its own namespace, which had no socket for them. Nothing translated them.
fn refused_here(case: &Case<'_>) -> Option<Endpoint> {
    case.failed()?;
    let (flow, reset) = (case.flow, case.reset()?);
    let here = reset.maker == RstMaker::NoSocket && reset.netns == flow.netns() && case.drop().is_none();
    (here && reset.packet.destination == flow.tuple.destination).then_some(flow.tuple.destination)
}
