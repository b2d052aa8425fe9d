//! There is no way back to where its packets came from, by the device they came by, or no way at all.

use super::case::{Case, confidence};
use super::{Diagnosis, Explanation, Opinion, Theory, seen};
use crate::model::aspect::{Aspect, Setting};
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Culprit, RuleRole, Severity};
use crate::model::reason::DropReason;
use crate::track::flow::{DropSeen, Flow};
use crate::track::naming::{self, Answered, Ask};

pub(super) const THEORY: Theory = Theory {
    asks,
    refine,
    ..Theory::new(Cause::ReversePathFiltered, Severity::Error, weigh)
};

fn weigh(case: &Case<'_>) -> Opinion {
    match unroutable(case.flow).filter(|_| case.hangs()) {
        Some(drop) => Explanation::new(confidence(drop), case.target(drop)).into(),
        None => Opinion::Silent,
    }
}

pub(super) fn unroutable(flow: &Flow) -> Option<&DropSeen> {
    let drop = flow.main_drop()?;
    matches!(drop.reason, DropReason::IpRpfilter | DropReason::IpOutNoRoutes).then_some(drop)
}

fn asks(flow: &Flow) -> Vec<Ask> {
    let Some(drop) = unroutable(flow) else {
        return Vec::new();
    };
    let mut ask = Ask::new(drop.netns, naming::passed(flow, drop));
    for name in [FILTER, MARK] {
        ask.aspects.extend(drop.ifindex.map(|ifindex| Aspect::DeviceSetting {
            path: format!("net/ipv4/conf/{{}}/{name}").into(),
            ifindex,
        }));
        ask.aspects
            .push(Aspect::Setting(format!("net/ipv4/conf/all/{name}").into()));
    }
    vec![ask]
}

/// The greater of the device's value and that of all devices acts.
fn refine(diagnosis: &mut Diagnosis, answers: &[Answered]) {
    let acting = |name: &str| {
        let value = |setting: &Setting| setting.value.parse::<u32>().unwrap_or_default();
        let named = seen::settings(answers).filter(|(_, setting)| setting.path.rsplit('/').next() == Some(name));
        let mut named: Vec<_> = named.collect();
        let greatest = named.iter().map(|(_, setting)| value(setting)).max();
        named.retain(|(_, setting)| value(setting) != 0 && Some(value(setting)) == greatest);
        named
    };
    diagnosis.culprits.extend(acting(FILTER).into_iter().map(seen::culprit));
    let no_route = |evidence: &Evidence| {
        let Evidence::Drop { reason, .. } = evidence else {
            return false;
        };
        *reason == DropReason::IpOutNoRoutes
    };
    // The filter looks at marks only where it is told to.
    if acting(MARK).is_empty() && !diagnosis.evidence.first().is_some_and(no_route) {
        diagnosis.culprits.retain(|culprit| {
            !matches!(
                culprit,
                Culprit::Rule {
                    role: RuleRole::SetsPacketMark,
                    ..
                }
            )
        });
    }
    seen::show(diagnosis, answers);
}

const FILTER: &str = "rp_filter";
const MARK: &str = "src_valid_mark";
