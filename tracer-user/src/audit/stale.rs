//! `stale-entries`: conntrack entries that lead to a local port, where no rule leads and nobody listens.

use super::Looked;
use crate::model::conntrack::Conntrack;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Culprit, Finding, Severity};
use crate::model::inspected::Inspected;
use crate::model::tcp::ConntrackState;
use crate::model::translation::{Listening, Translation};
use crate::model::tuple::Endpoint;

/// One for each target.
pub(super) fn find(looked: &Looked<'_>) -> Vec<Finding> {
    let unexplained = looked.stolen.iter().map(|stolen| &stolen.translation);
    let dead = unexplained.filter(|translation| translation.rule.is_none() && translation.is_dead());
    dead.filter_map(|translation| finding(looked, translation)).collect()
}

fn finding(looked: &Looked<'_>, translation: &Translation) -> Option<Finding> {
    debug_assert!(translation.listening == Listening::Nobody, "only the dead are asked");
    let entries = looked.facts.entries?.iter().filter(|entry| is_of(entry, translation));
    // The flow that goes on although its rule is gone is healthy.
    let stale: Vec<&Conntrack> = entries.filter(|entry| !has_socket(looked, entry)).collect();
    let first = **stale.first()?;
    let on = looked.walker.tracks();
    let severity = if on { Severity::Warning } else { Severity::Info };
    let confidence = match looked.facts.sockets {
        Some(_) => Confidence::Likely,
        None => Confidence::Possible,
    };
    let mut finding = looked.finding(Cause::StaleEntries, severity, confidence);
    finding.count = u64::try_from(stale.len()).unwrap_or(u64::MAX);
    let shown = stale.iter().take(Finding::EXAMPLES);
    finding
        .culprits
        .extend(shown.map(|entry| Culprit::ConntrackEntry(**entry)));
    let at = looked.facts.snapshot.at;
    finding.evidence.push(Evidence::Conntrack {
        at,
        entry: first,
        queried: true,
    });
    let endpoint = first.leaving().destination;
    finding.evidence.push(Evidence::NoListener { at, endpoint });
    finding.evidence.push(looked.evidence(Inspected::Tracking { on }));
    Some(finding)
}

fn is_of(entry: &Conntrack, translation: &Translation) -> bool {
    let Endpoint { address, port } = entry.leaving().destination;
    let target = &translation.target;
    !matches!(entry.state, Some(ConntrackState::TimeWait | ConntrackState::Close))
        && entry.redirects()
        && target.ports.as_ref().is_some_and(|ports| ports.contains(&port))
        && target
            .addresses
            .as_ref()
            .is_none_or(|addresses| addresses.contains(&address))
        && translation
            .ports
            .iter()
            .any(|ports| ports.contains(&entry.original.destination.port))
}

/// Whether the accepted connection is still there.
fn has_socket(looked: &Looked<'_>, entry: &Conntrack) -> bool {
    looked
        .facts
        .sockets
        .is_some_and(|sockets| sockets.contains(&entry.reply))
}
