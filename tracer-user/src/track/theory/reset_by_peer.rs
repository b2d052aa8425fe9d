//! An established connection was reset from outside this host.

use super::case::Case;
use super::{Explanation, Look, Opinion, Theory};
use crate::model::aspect::Aspect;
use crate::model::event::RstMaker;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Culprit, Severity};
use crate::model::tcp::TcpState;
use crate::model::time::Timestamp;
use crate::track::config::{COUNT_INTERVAL, RESET_WINDOW, RESETS, RESETS_TO_COUNT};
use crate::track::flow::{Examination, Phase};
use crate::track::recurring;

pub(super) const THEORY: Theory = Theory {
    look,
    ..Theory::new(Cause::ResetByPeer, Severity::Info, weigh)
};

/// Counts the connections that are opened once resets recur.
fn look(case: &Case<'_>) -> Option<Look> {
    let at = was_reset(case)?;
    let before = case.resets();
    let enough = if before.first.is_some() {
        RESETS
    } else {
        RESETS_TO_COUNT
    };
    let rested = before.asked.is_none_or(|asked| at.since(asked) >= COUNT_INTERVAL);
    let on_its_way = matches!(case.flow.examination, Examination::Asked(_));
    let wanted = before.lately + 1 >= enough && rested;
    (wanted || on_its_way).then(|| Look {
        aspects: vec![Aspect::ConnectionsOpened],
        ..Look::default()
    })
}

fn weigh(case: &Case<'_>) -> Opinion {
    if was_reset(case).is_none() {
        return Opinion::Silent;
    }
    let destination = case.flow.tuple.destination;
    let explanation = Explanation::new(Confidence::Likely, destination).by([Culprit::Peer {
        endpoint: destination,
        maker: RstMaker::Remote,
    }]);
    match pattern(case) {
        Some(recurs) => explanation.with([recurs]).of_severity(Severity::Warning).into(),
        None => explanation.into(),
    }
}

/// When it was reset from outside this host while it was established.
fn was_reset(case: &Case<'_>) -> Option<Timestamp> {
    let flow = case.flow;
    let (at, _) = flow
        .signs()
        .reset_received
        .filter(|(_, state)| *state == Some(TcpState::Established))?;
    let ended = matches!(flow.phase, Phase::Ended { connected: true, .. });
    (ended && flow.signs().reset.is_none() && case.reset_by().is_none()).then_some(at)
}

/// Most of the connections that were opened meanwhile ended so. Old ones that end all at once, with a restart of what is
/// in between, are none: new ones are not reset. The namespace's connections to elsewhere count too, so that it takes
/// more resets where there are many.
fn pattern(case: &Case<'_>) -> Option<Evidence> {
    let before = case.resets();
    let (at, opened) = recurring::opened(case.flow)?;
    let first = before.first.filter(|first| at.since(first.at) <= RESET_WINDOW)?;
    let resets = (before.resets + 1).saturating_sub(first.resets);
    let opened = opened.saturating_sub(first.opened);
    let are_new = u64::from(resets) <= opened.saturating_mul(2);
    let are_most = opened <= u64::from(resets) * 2;
    (before.lately + 1 >= RESETS && are_new && are_most).then_some(Evidence::ResetsRecur {
        at,
        since: first.at,
        resets,
        opened,
    })
}
