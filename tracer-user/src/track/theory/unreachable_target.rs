//! A translation leads it to a host on a link that is gone.

use super::case::{Case, confidence};
use super::{Diagnosis, Explanation, Look, Opinion, Theory, seen};
use crate::model::aspect::{Aspect, Neighbour, NeighbourState, Seen};
use crate::model::conntrack::{Conntrack, Direction};
use crate::model::evidence::{Evidence, Place};
use crate::model::finding::{Cause, Confidence, Severity};
use crate::model::reason::DropReason;
use crate::model::walked::Traveller;
use crate::track::flow::{DropSeen, Flow, Phase};
use crate::track::naming::{self, Answered, Ask};
use std::time::Duration;

pub(super) const THEORY: Theory = Theory {
    look,
    asks,
    refine,
    ..Theory::new(Cause::UnreachableTarget, Severity::Error, weigh)
};

/// Only a connect that took a second can have waited for a neighbour. Up to 6.17 a SYN that waits for one in vain is not
/// told to be sent again.
fn look(case: &Case<'_>) -> Option<Look> {
    let flow = case.flow;
    let sent_again = flow.syn_retransmits > 0;
    let waited = match flow.phase {
        Phase::Connecting => sent_again,
        Phase::Ended { at, .. } => {
            let took = flow.started().map_or(Duration::ZERO, |started| at.since(started));
            case.failed() == Some(EHOSTUNREACH) && (sent_again || took >= Duration::from_secs(1))
        }
        Phase::Established => false,
    };
    (waited && case.drop().is_none()).then(|| Look {
        aspects: vec![Aspect::Neighbour(None)],
        ..Look::default()
    })
}

fn weigh(case: &Case<'_>) -> Opinion {
    if let Some(drop) = gone(case.flow).filter(|_| case.hangs()) {
        return Explanation::new(confidence(drop), case.target(drop)).into();
    }
    let unreachable = case.failed() == Some(EHOSTUNREACH);
    let Some(examined) = case
        .examined()
        .filter(|_| case.drop().is_none() && case.is_redirected())
    else {
        return Opinion::Silent;
    };
    if examined.target_is_local || !(unreachable || case.hangs()) {
        return Opinion::Silent;
    }
    let target = case.leaving();
    let silent = examined.seen.iter().find_map(|seen| {
        let Seen::Neighbour(of) = seen else {
            return None;
        };
        Some(of).filter(|of| of.address == target.address && is_silent(of))
    });
    match silent {
        // Whom the kernel still asks for may answer yet.
        Some(_) if unreachable => Explanation::new(Confidence::Proved, target).by_absence().into(),
        Some(_) => Explanation::new(Confidence::Likely, target).into(),
        None => Opinion::Silent,
    }
}

fn is_silent(neighbour: &Neighbour) -> bool {
    matches!(neighbour.state, NeighbourState::Incomplete | NeighbourState::Failed)
}

/// A translated packet that was dropped for want of a neighbour.
pub(super) fn gone(flow: &Flow) -> Option<&DropSeen> {
    let drop = flow.main_drop()?;
    let translated = drop.conntrack.as_ref().is_some_and(Conntrack::redirects);
    let own = drop.reason == DropReason::NeighFailed && drop.direction == Direction::Original;
    (own && translated).then_some(drop)
}

fn asks(flow: &Flow) -> Vec<Ask> {
    let mut ask = match gone(flow) {
        // It was dropped on the device it was to leave by, not on the one it came by.
        Some(drop) => Ask::new(
            drop.netns,
            Traveller {
                ifindex: None,
                place: if drop.netns == flow.netns() {
                    Place::Output
                } else {
                    drop.place
                },
                ..naming::passed(flow, drop)
            },
        ),
        None => Ask::new(flow.netns(), naming::first(flow)),
    };
    let target = match gone(flow) {
        Some(drop) => drop.packet.destination,
        None => flow.leaving().destination,
    };
    ask.aspects.push(Aspect::Neighbour(Some(target.address)));
    vec![ask]
}

fn refine(diagnosis: &mut Diagnosis, answers: &[Answered]) {
    seen::show(diagnosis, answers);
    let answers = |evidence: &Evidence| {
        let is_answering = |seen: &Seen| matches!(seen, Seen::Neighbour(of) if !is_silent(of));
        matches!(evidence, Evidence::Aspect { seen, .. } if is_answering(seen))
    };
    if diagnosis.evidence.iter().any(answers) {
        diagnosis.confidence = diagnosis.confidence.min(Confidence::Likely);
    }
}

/// errno where a neighbour does not answer.
const EHOSTUNREACH: u32 = 113;
