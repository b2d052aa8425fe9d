//! What is wrong with the rules of a namespace, without any traffic: a finding for each cause that inspection finds.
//!
//! Pure: from rules, sockets, conntrack entries and processes that were read. Whether something is only starting cannot
//! be told from one look: who reads looks twice.

mod cover;
mod dead;
mod duplicate;
mod family_gap;
mod leftover;
mod marks;
mod mixed;
mod order;
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
use crate::model::inspected::{Inspected, Unserved};
use crate::model::rules::{Backend, ChainId, Family, Located, RuleId, Ruleset, Snapshot};
use crate::model::translation::{Class, Manner, Translation};
use crate::model::tuple::Tuple;
use crate::model::who::Names;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

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

/// What is wrong, and what was not looked at.
#[derive(Debug, Default)]
pub struct Audited {
    /// The worst first. Ids count from 1.
    pub findings: Vec<Finding>,
    /// One sentence each.
    pub gaps: Vec<Arc<str>>,
}

/// Everything that is wrong, until it is late.
pub fn audit(facts: &Facts<'_>, is_late: &dyn Fn() -> bool) -> Audited {
    let mut told = Told {
        gaps: Vec::new(),
        is_late,
    };
    let looked = Looked::new(facts, &mut told);
    let causes: [fn(&Looked<'_>, &mut Told<'_>) -> Vec<Finding>; 8] = [
        |looked, _| dead::find(looked),
        |looked, _| leftover::find(looked),
        |looked, _| family_gap::find(looked),
        |looked, _| mixed::find(looked),
        |looked, _| stale::find(looked),
        |looked, _| duplicate::find(looked),
        marks::find,
        passing::find,
    ];
    let mut findings = Vec::new();
    for find in causes {
        if !told.is_late() {
            findings.extend(find(&looked, &mut told));
        }
    }
    findings.sort_by_key(|finding: &Finding| std::cmp::Reverse(finding.severity));
    if let Some(more) = findings.len().checked_sub(FINDINGS_MAX).filter(|more| *more > 0) {
        told.gap(format!("{more} findings more are not told"));
        findings.truncate(FINDINGS_MAX);
    }
    if told.is_late() {
        told.gap("the audit took too long: not everything was looked at".to_owned());
    }
    for (id, finding) in (1..).zip(&mut findings) {
        finding.id = id;
    }
    Audited {
        findings,
        gaps: told.gaps,
    }
}

/// What the causes could not look at, and whether they still may.
struct Told<'a> {
    gaps: Vec<Arc<str>>,
    is_late: &'a dyn Fn() -> bool,
}

impl Told<'_> {
    fn gap(&mut self, gap: String) {
        self.gaps.push(gap.into());
    }

    fn is_late(&self) -> bool {
        (self.is_late)()
    }
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
    fn new(facts: &'a Facts<'a>, told: &mut Told<'_>) -> Self {
        let Snapshot { ruleset, network, .. } = facts.snapshot;
        let Inventory { translations, cut } = inventory::inventory(
            &inventory::Facts {
                ruleset,
                network,
                listeners: facts.listeners,
                entries: facts.entries,
            },
            false,
        );
        if cut {
            told.gap("it translates more than is looked at".to_owned());
        }
        let chains = chains(ruleset);
        let stolen = translations
            .into_iter()
            .filter(|translation| translation.class == Class::Stolen)
            .map(|translation| Stolen {
                rule: translation.rule.as_ref().and_then(|rule| find(&chains, rule)),
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
            hanging: 0,
            unexamined: 0,
            lost: 0,
            examples: Vec::new(),
            victims: Vec::new(),
            culprits: Vec::new(),
            evidence: Vec::new(),
            considered: Vec::new(),
            names: Names::default(),
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
    let is_native = translation
        .rule
        .as_ref()
        .is_some_and(|rule| rule.backend == Backend::Nft);
    Inspected::Redirect {
        hook: translation.hook,
        family: translation.family,
        protocol: translation.protocol,
        ports: translation.ports.iter().take(Inspected::PORTS).cloned().collect(),
        target: translation.target.ports.clone(),
        unserved: match translation.manner {
            Manner::Tproxy if is_native => Unserved::Passed,
            Manner::Tproxy => Unserved::Dropped,
            Manner::Redirect | Manner::Dnat | Manner::Snat | Manner::Masquerade => Unserved::Refused,
        },
        others_served: false,
    }
}

type Name<'a> = (Backend, Family, &'a str, &'a str);

fn chains(ruleset: &Ruleset) -> HashMap<Name<'_>, ChainId> {
    let named = ruleset.numbered();
    named
        .map(|(id, chain)| ((chain.backend, chain.family, &*chain.table, &*chain.name), id))
        .collect()
}

/// The rule that was taken out.
fn find(chains: &HashMap<Name<'_>, ChainId>, located: &Located) -> Option<RuleId> {
    let index = located.index?.checked_sub(1)?;
    let name = (located.backend, located.family, &*located.table, &*located.chain);
    let chain = *chains.get(&name)?;
    Some(RuleId { chain, index })
}

/// Findings of one namespace.
const FINDINGS_MAX: usize = 256;

#[cfg(test)]
mod tests;
