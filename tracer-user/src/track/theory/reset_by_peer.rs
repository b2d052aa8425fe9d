//! An established connection was reset from outside this host.

use super::case::Case;
use super::{Explanation, Opinion, Theory};
use crate::model::event::RstMaker;
use crate::model::finding::{Cause, Confidence, Culprit, Severity};
use crate::model::tcp::TcpState;
use crate::track::flow::Phase;

pub(super) const THEORY: Theory = Theory::new(Cause::ResetByPeer, Severity::Info, weigh);

fn weigh(case: &Case<'_>) -> Opinion {
    let flow = case.flow;
    let established = flow
        .reset_received
        .is_some_and(|(_, state)| state == Some(TcpState::Established));
    let ended = matches!(flow.phase, Phase::Ended { connected: true, .. });
    if !ended || !established || flow.reset.is_some() || case.around.reset_by.is_some() {
        return Opinion::Silent;
    }
    let destination = flow.tuple.destination;
    Explanation::new(Confidence::Likely, destination)
        .by([Culprit::Peer {
            endpoint: destination,
            maker: RstMaker::Remote,
        }])
        .into()
}
