//! A translation leads it to loopback, which the kernel does not route.

use super::case::{Case, confidence};
use super::{Diagnosis, Explanation, Opinion, Theory, seen};
use crate::model::aspect::Aspect;
use crate::model::finding::{Cause, Severity};
use crate::model::reason::DropReason;
use crate::track::flow::{DropSeen, Flow};
use crate::track::naming::{self, Answered, Ask};

pub(super) const THEORY: Theory = Theory {
    asks,
    refine,
    ..Theory::new(Cause::MartianRedirect, Severity::Error, weigh)
};

fn weigh(case: &Case<'_>) -> Opinion {
    match martian(case.flow).filter(|_| case.hangs()) {
        Some(drop) => Explanation::new(confidence(drop), case.target(drop)).into(),
        None => Opinion::Silent,
    }
}

/// A packet from outside that was translated to loopback, and dropped for that.
pub(super) fn martian(flow: &Flow) -> Option<&DropSeen> {
    let drop = flow.main_drop()?;
    let translated = drop.conntrack.is_some_and(|entry| entry.redirects());
    let is_one = drop.reason == DropReason::IpLocalnet && drop.packet.destination.address.is_loopback();
    (is_one && translated).then_some(drop)
}

fn asks(flow: &Flow) -> Vec<Ask> {
    let Some(drop) = martian(flow) else {
        return Vec::new();
    };
    let mut ask = Ask::new(drop.netns, naming::passed(flow, drop));
    ask.aspects.extend(drop.ifindex.map(|ifindex| Aspect::DeviceSetting {
        path: "net/ipv4/conf/{}/route_localnet".into(),
        ifindex,
    }));
    vec![ask]
}

fn refine(diagnosis: &mut Diagnosis, answers: &[Answered]) {
    let off = seen::settings(answers).filter(|(_, setting)| &*setting.value == "0");
    diagnosis.culprits.extend(off.map(seen::culprit));
    seen::show(diagnosis, answers);
}
