//! A rule taken out of its ruleset, for people.
//!
//! Does not choose the rule: the walk does.

use super::owner::owner;
use crate::model::rules::{Backend, Chain, ChainId, Hook, Located, Rule, RuleId, Ruleset, Verdict};
use std::sync::Arc;

/// A rule. `hook`: where the packet met it; else it is its chain's own, where that is hooked.
pub fn locate(ruleset: &Ruleset, id: RuleId, hook: Option<Hook>) -> Option<Located> {
    let chain = ruleset.chain(id.chain)?;
    let rule = ruleset.rule(id)?;
    Some(Located {
        index: id.index.checked_add(1),
        handle: rule.handle,
        text: Arc::clone(&rule.text),
        comment: rule.comment.clone(),
        packets: rule.counters.map(|counters| counters.packets),
        ..in_chain(ruleset, chain, Some(rule), hook)
    })
}

/// The policy of a base chain.
pub fn locate_policy(ruleset: &Ruleset, id: ChainId) -> Option<Located> {
    let chain = ruleset.chain(id)?;
    let base = chain.base.as_ref()?;
    let drops = base.policy == Verdict::Drop;
    let text = match (chain.backend, drops) {
        (Backend::Nft, true) => "policy drop".into(),
        (Backend::Nft, false) => "policy accept".into(),
        (_, true) => format!("-P {} DROP", chain.name).into(),
        (_, false) => format!("-P {} ACCEPT", chain.name).into(),
    };
    Some(Located {
        text,
        packets: chain.counters.map(|counters| counters.packets),
        ..in_chain(ruleset, chain, None, None)
    })
}

fn in_chain(ruleset: &Ruleset, chain: &Chain, rule: Option<&Rule>, hook: Option<Hook>) -> Located {
    Located {
        backend: chain.backend,
        family: chain.family,
        table: Arc::clone(&chain.table),
        chain: Arc::clone(&chain.name),
        hook: hook.or_else(|| chain.base.as_ref().map(|base| base.hook)),
        index: None,
        handle: None,
        text: "".into(),
        comment: None,
        owner: owner(ruleset, chain.backend, chain.family, &chain.table, &chain.name, rule),
        packets: None,
    }
}

#[cfg(test)]
mod tests;
