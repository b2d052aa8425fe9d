//! Whose rules a finding or a port is about, in a set of names that cannot grow.

use crate::model::evidence::Evidence;
use crate::model::finding::{Culprit, Finding};
use crate::model::inspected::Inspected;
use crate::model::rules::Component;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleOwner {
    Known(Component),
    /// A rule has to do with it, and whose it is is not known.
    Other,
    /// No rule is known to have to do with it.
    None,
}

impl RuleOwner {
    /// Of the first culprit whose owner is known.
    pub fn of(finding: &Finding) -> Self {
        let rules = finding.culprits.iter().filter_map(|culprit| match culprit {
            Culprit::Rule { rule, .. } => Some(rule.as_ref().and_then(|rule| rule.owner)),
            Culprit::ConntrackEntry(_)
            | Culprit::Listener(_)
            | Culprit::Sysctl { .. }
            | Culprit::Process(_)
            | Culprit::Peer { .. } => None,
        });
        let owners: Vec<_> = rules.collect();
        let known = owners.iter().copied().flatten().next();
        match known.or_else(|| left_over(finding)) {
            Some(component) => Self::Known(component),
            None if owners.is_empty() => Self::None,
            None => Self::Other,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Known(component) => component.name(),
            Self::Other => "other",
            Self::None => "none",
        }
    }
}

/// Chains without an agent may have no rule that leads to them.
fn left_over(finding: &Finding) -> Option<Component> {
    finding.evidence.iter().find_map(|evidence| {
        let Evidence::Inspected {
            what: Inspected::NoAgent { component, .. },
            ..
        } = evidence
        else {
            return None;
        };
        Some(*component)
    })
}
