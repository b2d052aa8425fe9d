//! What is wrong with the rules of a namespace, without any traffic: a finding for each cause that inspection finds.
//!
//! Pure: from rules, sockets, conntrack entries and processes that were read. Whether something is only starting cannot
//! be told from one look: who reads looks twice.

mod dead;
mod duplicate;
mod family_gap;
mod leftover;
mod marks;
mod mixed;
mod passing;
mod stale;
mod way;

use crate::inspect::rules::locate::locate;
use crate::inspect::walk::Walker;
use crate::inventory::{self, Inventory, Listeners};
use crate::model::conntrack::Conntrack;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Culprit, Finding, RuleRole, Severity, State};
use crate::model::identity::{Comm, Process};
use crate::model::inspected::Inspected;
use crate::model::rules::{Located, RuleId, Snapshot};
use crate::model::translation::{Class, Translation};
use crate::model::tuple::Tuple;
use std::collections::BTreeSet;

/// What was read of one namespace.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub snapshot: &'a Snapshot,
    pub listeners: &'a Listeners,
    /// TCP entries that lead to a local address; `None`: not read.
    pub entries: Option<&'a [Conntrack]>,
    /// Sockets that are there, local to remote, of those that entries lead to; `None`: not asked.
    pub sockets: Option<&'a BTreeSet<Tuple>>,
    /// Processes of the namespace, and agents with a thread in it; `None`: not read.
    pub processes: Option<&'a [Process]>,
}

/// Everything that is wrong, the worst first. Ids count from 1.
pub fn audit(facts: &Facts<'_>) -> Vec<Finding> {
    let looked = Looked::new(facts);
    let mut findings = dead::find(&looked);
    findings.extend(leftover::find(&looked));
    findings.extend(passing::find(&looked));
    findings.extend(family_gap::find(&looked));
    findings.extend(marks::find(&looked));
    findings.extend(mixed::find(&looked));
    findings.extend(stale::find(&looked));
    findings.extend(duplicate::find(&looked));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings.truncate(FINDINGS_MAX);
    for (id, finding) in (1..).zip(&mut findings) {
        finding.id = id;
    }
    findings
}

/// Whether a process of that name is an agent that leaves chains behind.
pub fn is_agent(comm: Comm) -> bool {
    leftover::is_agent(comm)
}

/// Whether a second look can tell more: what is only starting looks dead.
pub fn may_be_starting(findings: &[Finding]) -> bool {
    findings
        .iter()
        .any(|finding| matches!(finding.cause, Cause::DeadRedirect | Cause::LeftoverChain))
}

/// The facts, and what several causes ask of them.
struct Looked<'a> {
    facts: &'a Facts<'a>,
    walker: Walker<'a>,
    /// Stolen ports; those that no rule explains have no rule.
    stolen: Vec<Stolen>,
}

struct Stolen {
    rule: Option<RuleId>,
    translation: Translation,
}

impl<'a> Looked<'a> {
    fn new(facts: &'a Facts<'a>) -> Self {
        let Snapshot { ruleset, network, .. } = facts.snapshot;
        let Inventory { translations, .. } = inventory::inventory(
            &inventory::Facts {
                ruleset,
                network,
                listeners: facts.listeners,
                entries: facts.entries,
            },
            false,
        );
        let stolen = translations
            .into_iter()
            .filter(|translation| translation.class == Class::Stolen)
            .map(|translation| Stolen {
                rule: translation.rule.as_ref().and_then(|rule| find(facts.snapshot, rule)),
                translation,
            });
        Self {
            facts,
            walker: Walker::new(facts.snapshot),
            stolen: stolen.collect(),
        }
    }

    fn locate(&self, rule: RuleId, from: Option<&Translation>) -> Option<Located> {
        locate(&self.facts.snapshot.ruleset, rule, from.and_then(|from| from.hook))
    }

    fn finding(&self, cause: Cause, severity: Severity, confidence: Confidence) -> Finding {
        let at = self.facts.snapshot.at;
        let gaps = !self.facts.snapshot.ruleset.gaps.is_empty();
        Finding {
            id: 0,
            revision: 0,
            at,
            cause,
            state: State::Open,
            supersedes: None,
            severity,
            // What was not read may say otherwise.
            confidence: if gaps {
                confidence.min(Confidence::Likely)
            } else {
                confidence
            },
            connection: None,
            count: 0,
            examples: Vec::new(),
            victims: Vec::new(),
            culprits: Vec::new(),
            evidence: Vec::new(),
            considered: Vec::new(),
            first: at,
            last: at,
        }
    }

    fn culprit(&self, rule: Located, role: RuleRole) -> Culprit {
        Culprit::Rule {
            netns: self.facts.snapshot.netns,
            enter: self.facts.snapshot.enter.clone(),
            rule: Some(Box::new(rule)),
            role,
            evidence: None,
        }
    }

    fn evidence(&self, what: Inspected) -> Evidence {
        Evidence::Inspected {
            at: self.facts.snapshot.at,
            netns: self.facts.snapshot.netns,
            enter: self.facts.snapshot.enter.clone(),
            what,
        }
    }
}

/// What a stolen port's rule is for.
fn redirect(translation: &Translation) -> Inspected {
    Inspected::Redirect {
        hook: translation.hook,
        family: translation.family,
        protocol: translation.protocol,
        ports: translation.ports.iter().take(Inspected::PORTS).cloned().collect(),
        target: translation.target.ports.clone(),
    }
}

/// The rule that was taken out.
fn find(snapshot: &Snapshot, located: &Located) -> Option<RuleId> {
    let index = located.index?.checked_sub(1)?;
    let (chain, _) = snapshot.ruleset.numbered().find(|(_, chain)| {
        (chain.backend, chain.family) == (located.backend, located.family)
            && chain.table == located.table
            && chain.name == located.chain
    })?;
    Some(RuleId { chain, index })
}

/// Findings of one namespace.
const FINDINGS_MAX: usize = 256;

#[cfg(test)]
mod tests;
