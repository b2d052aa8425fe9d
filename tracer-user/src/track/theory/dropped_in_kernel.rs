//! The kernel drops its packets for a reason that is no rule's.

use super::case::{Case, confidence};
use super::{Explanation, Opinion, Theory};
use crate::model::finding::{Cause, Severity};
use crate::model::reason::DropReason;

pub(super) const THEORY: Theory = Theory::new(Cause::DroppedInKernel, Severity::Warning, weigh);

fn weigh(case: &Case<'_>) -> Opinion {
    let other = |reason| !matches!(reason, DropReason::Netfilter | DropReason::TcpListenOverflow);
    let drop = case.drop().filter(|drop| other(drop.reason));
    match drop.filter(|_| case.hangs()) {
        Some(drop) => Explanation::new(confidence(drop), case.target(drop)).into(),
        None => Opinion::Silent,
    }
}
