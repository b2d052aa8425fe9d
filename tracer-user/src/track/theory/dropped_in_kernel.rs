//! The kernel drops its packets for a reason that is no rule's.

use super::case::{Case, confidence};
use super::martian_redirect::martian;
use super::reverse_path_filtered::unroutable;
use super::unreachable_target::gone;
use super::{Diagnosis, Explanation, Opinion, Theory, seen};
use crate::model::aspect::Aspect;
use crate::model::finding::{Cause, Severity};
use crate::model::reason::DropReason;
use crate::track::flow::Flow;
use crate::track::naming::{Answered, Ask};

pub(super) const THEORY: Theory = Theory {
    asks,
    refine,
    ..Theory::new(Cause::DroppedInKernel, Severity::Warning, weigh)
};

fn weigh(case: &Case<'_>) -> Opinion {
    let other = |reason| !matches!(reason, DropReason::Netfilter | DropReason::TcpListenOverflow);
    let flow = case.flow;
    let own = martian(flow).or_else(|| unroutable(flow)).or_else(|| gone(flow));
    let drop = case.drop().filter(|drop| other(drop.reason) && own.is_none());
    match drop.filter(|_| case.hangs()) {
        Some(drop) => Explanation::new(confidence(drop), case.target(drop)).into(),
        None => Opinion::Silent,
    }
}

/// What is attached to the device where it was dropped.
fn asks(flow: &Flow) -> Vec<Ask> {
    let attached = |reason| matches!(reason, DropReason::TcIngress | DropReason::TcEgress | DropReason::Xdp);
    let drop = flow.main_drop().filter(|drop| attached(drop.reason));
    let ask = drop.and_then(|drop| {
        Some(Ask {
            netns: drop.netns,
            packets: Vec::new(),
            connmark: None,
            aspects: vec![Aspect::Attached { ifindex: drop.ifindex? }],
        })
    });
    ask.into_iter().collect()
}

fn refine(diagnosis: &mut Diagnosis, answers: &[Answered]) {
    seen::show(diagnosis, answers);
}
