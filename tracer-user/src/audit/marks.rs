//! `mark-overlap`: two components use the same bits of a mark or connmark, once masks are applied.
//!
//! Rules that nobody is known for are taken to look on purpose for exactly what others set, and everybody for what
//! kube-proxy sets; unless they set it, too.

use super::order::Order;
use super::{Looked, Told};
use crate::inspect::rules::owner::owner;
use crate::inspect::walk::culprit::{asked, setters};
use crate::model::finding::{Cause, Confidence, Finding, RuleRole, Severity};
use crate::model::inspected::Inspected;
use crate::model::rules::{Action, Assign, Backend, Component, Item, RuleId, Ruleset, Source, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One for each pair of components and mark.
pub(super) fn find(looked: &Looked<'_>, told: &mut Told<'_>) -> Vec<Finding> {
    let ruleset = &looked.facts.snapshot.ruleset;
    let (mut writes, mut reads) = (writes(ruleset), reads(ruleset));
    if writes.len() > RULES_MAX || reads.len() > RULES_MAX {
        told.gap(format!("more than {RULES_MAX} rules with marks: not all are compared"));
        writes.truncate(RULES_MAX);
        reads.truncate(RULES_MAX);
    }
    let order = Order::new(ruleset);
    let mut pairs = BTreeSet::new();
    let mut makers = BTreeMap::new();
    let mut findings = Vec::new();
    for read in &reads {
        if told.is_late() {
            break;
        }
        let making = makers
            .entry((read.mark, read.mask, read.value))
            .or_insert_with(|| setters(ruleset, read.mark, read.mask, read.value));
        let own: Vec<&Write> = writes
            .iter()
            .filter(|write| write.party == read.party && write.makes(read) && order.share_family(write.rule, read.rule))
            .collect();
        for write in writes.iter().filter(|write| {
            write.mark == read.mark && write.party != read.party && order.share_family(write.rule, read.rule)
        }) {
            let Some(erases) = overlap(&order, &own, making, write, read) else {
                continue;
            };
            let pair = (write.party.clone(), read.party.clone(), read.mark);
            if !are_allies(&write.party, &read.party) && pairs.insert(pair) {
                findings.extend(finding(looked, write, read, erases));
            }
        }
    }
    findings
}

/// Whether the write makes what the other looks for, or erases what its `own` rules set for it; `None`: neither, as the
/// order has it in which one packet can meet them.
fn overlap(order: &Order<'_>, own: &[&Write], making: &[RuleId], write: &Write, read: &Read) -> Option<bool> {
    // A connection keeps its mark for later packets.
    let lasts = read.mark == Target::Connmark;
    let on_purpose = write.is_exactly(read) && own.is_empty() && is_consumer(&write.party, &read.party);
    let gives = write.copies().is_none() && !on_purpose && making.contains(&write.rule);
    if gives && (lasts || order.may_precede(write.rule, read.rule)) {
        return Some(false);
    }
    let between = |set: &&Write| lasts || order.is_between(set.rule, write.rule, read.rule);
    (!gives && write.erases(read) && own.iter().any(between)).then_some(true)
}

fn finding(looked: &Looked<'_>, write: &Write, read: &Read, erases: bool) -> Option<Finding> {
    // Whether the two ever meet in one packet is not known.
    let confidence = if erases {
        Confidence::Possible
    } else {
        Confidence::Likely
    };
    // Nor, of a connection's mark, whether one comes after the other.
    let severity = if erases && read.mark == Target::Connmark {
        Severity::Info
    } else {
        Severity::Warning
    };
    let mut finding = looked.finding(Cause::MarkOverlap, severity, confidence);
    let (setter, matcher) = (looked.locate(write.rule, None)?, looked.locate(read.rule, None)?);
    finding.culprits.push(looked.culprit(setter, RuleRole::SetsMark));
    finding.culprits.push(looked.culprit(matcher, RuleRole::MatchesMark));
    finding.evidence.push(looked.evidence(Inspected::Bits {
        mark: read.mark,
        bits: read.mask & write.written(),
        erases,
    }));
    Some(finding)
}

/// Whose rules these are: a known program, else the chain or table that is not the kernel's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Party {
    Known(Component),
    Named(Arc<str>),
    /// Rules in the built-in chains, whoever made them.
    Anybody,
}

struct Write {
    rule: RuleId,
    party: Party,
    mark: Target,
    assign: Assign,
}

impl Write {
    /// The bits that do not stay as they were.
    fn written(&self) -> u32 {
        !self.assign.keep | self.assign.value | self.copies().unwrap_or_default()
    }

    /// The bits that are taken from another mark, at most.
    fn copies(&self) -> Option<u32> {
        match self.assign.source {
            Source::None => None,
            Source::Mark { mask, .. } | Source::Connmark { mask, .. } => Some(mask),
            Source::Operand(_) => Some(u32::MAX),
        }
    }

    fn makes(&self, read: &Read) -> bool {
        self.mark == read.mark && self.assign.value & read.value != 0
    }

    /// Sets just the mark that is looked for.
    fn is_exactly(&self, read: &Read) -> bool {
        let bits = [!self.assign.keep, self.assign.value];
        self.assign.value == read.value && bits.contains(&read.mask)
    }

    /// Takes away bits that are looked for, and puts nothing in their place.
    fn erases(&self, read: &Read) -> bool {
        read.value & !self.assign.keep & !self.assign.value != 0
    }
}

struct Read {
    rule: RuleId,
    party: Party,
    mark: Target,
    mask: u32,
    /// Never 0: that no bit is set is no mark.
    value: u32,
}

fn writes(ruleset: &Ruleset) -> Vec<Write> {
    let mut all = Vec::new();
    for (rule, party, items) in parties(ruleset) {
        all.extend(items.iter().filter_map(|item| match item {
            Item::Action(Action::Assign(assign)) => Some(Write {
                rule,
                party: party(),
                mark: assign.target,
                assign: assign.clone(),
            }),
            Item::Action(_) | Item::Match(_) => None,
        }));
    }
    all
}

fn reads(ruleset: &Ruleset) -> Vec<Read> {
    let mut all = Vec::new();
    for (id, party, _) in parties(ruleset) {
        let asked = ruleset.rule(id).map(asked).unwrap_or_default();
        let asked = asked.into_iter().filter(|(_, mask, value)| value & mask != 0);
        all.extend(asked.map(|(mark, mask, value)| Read {
            rule: id,
            party: party(),
            mark,
            mask,
            value,
        }));
    }
    all
}

/// Every rule that acts, with whose it is.
fn parties(ruleset: &Ruleset) -> impl Iterator<Item = (RuleId, impl Fn() -> Party, &[Item])> {
    let chains = ruleset.numbered().filter(|(_, chain)| !chain.dormant);
    chains.flat_map(move |(id, chain)| {
        (0..).zip(&chain.rules).map(move |(index, rule)| {
            let party = move || {
                let known = owner(
                    ruleset,
                    chain.backend,
                    chain.family,
                    &chain.table,
                    &chain.name,
                    Some(rule),
                );
                match (known, chain.backend, &chain.base) {
                    (Some(component), ..) => Party::Known(component),
                    (None, Backend::Nft, _) => Party::Named(chain.table.clone()),
                    (None, _, None) => Party::Named(chain.name.clone()),
                    (None, _, Some(_)) => Party::Anybody,
                }
            };
            (RuleId { chain: id, index }, party, rule.items.as_slice())
        })
    })
}

/// Looks for what the other is known to set.
fn is_consumer(writer: &Party, reader: &Party) -> bool {
    let documented = [Component::KubeProxy, Component::Kubelet].map(Party::Known);
    !matches!(reader, Party::Known(_)) || documented.contains(writer)
}

/// Programs that share marks by design.
fn are_allies(one: &Party, other: &Party) -> bool {
    let both = [Component::KubeProxy, Component::Kubelet].map(Party::Known);
    both.contains(one) && both.contains(other)
}

/// Rules with marks that are compared, of each sort.
const RULES_MAX: usize = 1_024;
