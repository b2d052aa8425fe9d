//! Somebody destroyed the socket under the application that holds it.

use super::case::Case;
use super::{Explanation, Opinion, Theory};
use crate::model::event::Destroyed;
use crate::model::finding::{Cause, Confidence, Culprit, Severity};
use crate::model::identity::Process;
use crate::model::tuple::{Endpoint, Tuple};
use crate::track::flow::{Flow, Phase};
use crate::track::judge::ECONNABORTED;

pub(super) const THEORY: Theory = Theory::new(Cause::SocketDestroyed, Severity::Warning, weigh);

fn weigh(case: &Case<'_>) -> Opinion {
    let flow = case.flow;
    let by = match (flow.signs().destroyed, flow.phase) {
        (Some((_, Destroyed { by, .. })), _) => by,
        // Who did it was not seen; that somebody did follows from the error.
        (None, Phase::Ended { errno, .. }) if errno == ECONNABORTED => None,
        _ => return Opinion::Silent,
    };
    if by.is_some_and(|by| is_own(flow, by)) {
        return Opinion::Excluded("the application destroyed its own socket");
    }
    Explanation::new(Confidence::Likely, service(flow.tuple))
        .by(by.map(Culprit::Process))
        .into()
}

fn is_own(flow: &Flow, by: Process) -> bool {
    flow.owner().is_some_and(|owner| owner.pid == by.pid)
}

/// The end that many connections share when all of a service are destroyed: the one with the lower port.
fn service(tuple: Tuple) -> Endpoint {
    let own = tuple.source.port != 0 && tuple.source.port < tuple.destination.port;
    if own { tuple.source } else { tuple.destination }
}
