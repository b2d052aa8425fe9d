//! `mixed-backends`: rules of iptables-legacy and of nf_tables meet the same packets.

use super::Looked;
use crate::inspect::rules::locate::locate_policy;
use crate::model::finding::{Cause, Confidence, Finding, RuleRole, Severity};
use crate::model::inspected::Inspected;
use crate::model::rules::{
    Action, Backend, Base, Chain, ChainId, ChainKind, Family, Hook, Item, RuleId, Ruleset, Verdict,
};
use std::collections::BTreeSet;

/// One for each family.
pub(super) fn find(looked: &Looked<'_>) -> Vec<Finding> {
    [Family::Ip, Family::Ip6]
        .into_iter()
        .filter_map(|family| of_family(looked, family))
        .collect()
}

fn of_family(looked: &Looked<'_>, family: Family) -> Option<Finding> {
    let ruleset = &looked.facts.snapshot.ruleset;
    let chains: Vec<Hooked<'_>> = hooked(ruleset, family).collect();
    let at = |legacy: bool| -> BTreeSet<Hook> {
        let own = chains.iter().filter(|chain| chain.is_legacy() == legacy);
        own.map(|chain| chain.base.hook).collect()
    };
    let hooks: Vec<Hook> = at(true).intersection(&at(false)).copied().collect();
    let first = *hooks.first()?;
    let translates = hooks.iter().find_map(|&hook| first_translator(ruleset, &chains, hook));
    let severity = if translates.is_some() {
        Severity::Warning
    } else {
        Severity::Info
    };
    let mut finding = looked.finding(Cause::MixedBackends, severity, Confidence::Proved);
    let count = |legacy: bool| {
        let own = chains
            .iter()
            .filter(|chain| chain.is_legacy() == legacy && hooks.contains(&chain.base.hook));
        u32::try_from(own.map(|chain| chain.chain.rules.len()).sum::<usize>()).unwrap_or(u32::MAX)
    };
    finding.evidence.push(looked.evidence(Inspected::BackEnds {
        family,
        legacy: count(true),
        nft: count(false),
        hooks: hooks.clone(),
        translates: translates.as_ref().map(|(_, backend)| *backend),
    }));
    let shown = translates.map_or(first, |(hook, _)| hook);
    let kind = |chain: &&Hooked<'_>| translates.is_none() || chain.base.kind == ChainKind::Nat;
    for legacy in [true, false] {
        let mut own = chains
            .iter()
            .filter(|chain| chain.is_legacy() == legacy && chain.base.hook == shown);
        let culprit = own.find(kind).and_then(|chain| {
            let first = RuleId {
                chain: chain.id,
                index: 0,
            };
            looked.locate(first, None).or_else(|| locate_policy(ruleset, chain.id))
        });
        finding
            .culprits
            .extend(culprit.map(|rule| looked.culprit(rule, RuleRole::Acts)));
    }
    Some(finding)
}

/// A base chain that does something: by its rules, or by dropping what none of them decides.
struct Hooked<'a> {
    id: ChainId,
    chain: &'a Chain,
    base: &'a Base,
}

impl Hooked<'_> {
    fn is_legacy(&self) -> bool {
        self.chain.backend == Backend::IptablesLegacy
    }
}

fn hooked(ruleset: &Ruleset, family: Family) -> impl Iterator<Item = Hooked<'_>> {
    ruleset.numbered().filter_map(move |(id, chain)| {
        let base = chain.base.as_ref()?;
        let meets = chain.family == family || chain.family == Family::Inet;
        let acts = !chain.rules.is_empty() || base.policy == Verdict::Drop;
        (meets && !chain.dormant && acts).then_some(Hooked { id, chain, base })
    })
}

/// At a hook where both translate: who comes first; `None`: they have one priority, and who registered first is not told.
fn first_translator(ruleset: &Ruleset, chains: &[Hooked<'_>], hook: Hook) -> Option<(Hook, Option<Backend>)> {
    let priority = |legacy: bool| {
        let own = chains
            .iter()
            .filter(|chain| chain.is_legacy() == legacy && chain.base.hook == hook);
        let nat = own.filter(|chain| chain.base.kind == ChainKind::Nat);
        let translating = nat.filter(|chain| translates(ruleset, chain.id, 0));
        translating
            .map(|chain| (chain.base.priority, chain.chain.backend))
            .min()
    };
    let (legacy, nft) = (priority(true)?, priority(false)?);
    let first = match legacy.0.cmp(&nft.0) {
        std::cmp::Ordering::Less => Some(legacy.1),
        std::cmp::Ordering::Greater => Some(nft.1),
        std::cmp::Ordering::Equal => None,
    };
    Some((hook, first))
}

fn translates(ruleset: &Ruleset, chain: ChainId, depth: usize) -> bool {
    let rules = ruleset.chain(chain).into_iter().flat_map(|chain| &chain.rules);
    let mut items = rules.flat_map(|rule| &rule.items);
    items.any(|item| match item {
        Item::Action(Action::Nat(_)) => true,
        Item::Action(Action::Verdict(Verdict::Jump(Some(to)) | Verdict::Goto(Some(to)))) => {
            depth < DEPTH_MAX && translates(ruleset, *to, depth + 1)
        }
        Item::Action(_) | Item::Match(_) => false,
    })
}

/// Jumps that are followed.
const DEPTH_MAX: usize = 3;
