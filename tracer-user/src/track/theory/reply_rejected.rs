//! A rule rejects or drops what comes back.

use super::case::{Case, confidence};
use super::{Explanation, Opinion, Theory};
use crate::model::conntrack::{Conntrack, Direction};
use crate::model::finding::{Cause, Confidence, Culprit, Severity};
use crate::model::tcp::ConntrackState;
use crate::track::naming;

pub(super) const THEORY: Theory = Theory {
    asks: naming::reply,
    ..Theory::new(Cause::ReplyRejected, Severity::Error, weigh)
};

fn weigh(case: &Case<'_>) -> Opinion {
    if !case.hangs() {
        return Opinion::Silent;
    }
    let Some(drop) = case.drop() else {
        return undropped(case);
    };
    match (case.dropped_by_rule(), drop.direction) {
        (None, _) => Opinion::Silent,
        (Some(_), Direction::Original) => Opinion::Excluded("the packets that are dropped are the connection's own"),
        (Some(drop), Direction::Reply) => Explanation::new(confidence(drop), case.target(drop))
            .by([case.nameless_rule(drop)])
            .into(),
    }
}

/// The decisive contradiction where the drops were not seen: conntrack has closed the connection that the socket still
/// waits on.
fn undropped(case: &Case<'_>) -> Opinion {
    let is_closed = |entry: &&Conntrack| entry.state == Some(ConntrackState::Close);
    let socket = case.examined().and_then(|examined| examined.socket.as_ref());
    let waits = socket.is_some_and(|socket| socket.retransmits > 0) && case.flow.reset_received.is_none();
    match case.flow.entry().filter(is_closed).filter(|_| waits) {
        Some(entry) => Explanation::new(Confidence::Likely, case.leaving())
            .by([Culprit::ConntrackEntry(*entry)])
            .into(),
        None => Opinion::Excluded("no drop of its packets was seen on this host"),
    }
}
