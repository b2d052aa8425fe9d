//! The conntrack table is full: a packet that would need an entry is dropped.
//!
//! Such a drop looks like a rule's, and only the rules tell that it is none: it becomes this of `syn-dropped`.

use super::{Diagnosis, Opinion, Theory, seen};
use crate::model::aspect::{Aspect, ConntrackStatistics, Seen};
use crate::model::finding::{Cause, Confidence, Culprit, Severity};
use crate::model::rules::End;
use crate::track::flow::DropSeen;
use crate::track::naming::Answered;

pub(super) const THEORY: Theory = Theory::new(Cause::ConntrackExhausted, Severity::Error, |_| Opinion::Silent);

/// What is looked at where a packet without an entry was dropped.
pub(super) fn aspects(drop: &DropSeen) -> Vec<Aspect> {
    if drop.conntrack.is_some() {
        return Vec::new();
    }
    vec![
        Aspect::ConntrackCount,
        Aspect::ConntrackStatistics,
        Aspect::Setting(MAX.into()),
    ]
}

/// Whether the table, and no rule, dropped the packet; the judgement is then this.
pub(super) fn take_over(diagnosis: &mut Diagnosis, answers: &[Answered]) -> bool {
    let Some(answered) = answers.iter().find(|answered| is_full(answered.seen())) else {
        return false;
    };
    let mut dropped = answered.trails().filter(|(packet, _)| packet.dropped).peekable();
    let passes = |end| matches!(end, End::Delivered | End::Left);
    if dropped.peek().is_none() || dropped.any(|(_, trail)| trail.agrees || !passes(trail.end)) {
        return false;
    }
    diagnosis.rename(&THEORY);
    let certain = answered.walked.as_ref().is_ok_and(|walked| walked.caveats.is_empty())
        && answered.trails().all(|(_, trail)| trail.certain);
    if !certain || statistics(answered.seen()).is_none_or(|counted| counted.drop == 0) {
        diagnosis.confidence = diagnosis.confidence.min(Confidence::Likely);
    }
    diagnosis
        .culprits
        .retain(|culprit| !matches!(culprit, Culprit::Rule { rule: None, .. }));
    let max = seen::settings(answers).filter(|(_, setting)| &*setting.path == MAX);
    diagnosis.culprits.extend(max.map(seen::culprit));
    seen::show(diagnosis, answers);
    true
}

fn is_full(seen: &[Seen]) -> bool {
    let count = seen.iter().find_map(|seen| {
        let Seen::ConntrackCount(count) = seen else {
            return None;
        };
        Some(*count)
    });
    let max = crate::model::aspect::setting(seen, MAX).and_then(|setting| setting.value.parse::<u32>().ok());
    matches!((count, max), (Some(count), Some(max)) if max != 0 && count >= max)
}

fn statistics(seen: &[Seen]) -> Option<ConntrackStatistics> {
    seen.iter().find_map(|seen| {
        let Seen::ConntrackStatistics(counted) = seen else {
            return None;
        };
        Some(*counted)
    })
}

/// Entries of one namespace at most; those of the host act in all others.
const MAX: &str = "net/netfilter/nf_conntrack_max";
