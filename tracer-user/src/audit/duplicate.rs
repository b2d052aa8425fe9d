//! `duplicate-jump`: the same jump twice in one chain.

use super::Looked;
use crate::model::finding::{Cause, Confidence, Finding, RuleRole, Severity};
use crate::model::rules::{Action, Chain, ChainId, Item, Match, Rule, RuleId, Verdict};

/// One for each pair of neighbours among equal jumps.
pub(super) fn find(looked: &Looked<'_>) -> Vec<Finding> {
    let chains = looked.facts.snapshot.ruleset.numbered();
    chains
        .filter(|(_, chain)| !chain.dormant)
        .flat_map(|(id, chain)| pairs(chain).into_iter().map(move |pair| (id, pair)))
        .filter_map(|(id, pair)| finding(looked, id, pair))
        .collect()
}

fn finding(looked: &Looked<'_>, chain: ChainId, (first, second): (u32, u32)) -> Option<Finding> {
    let mut finding = looked.finding(Cause::DuplicateJump, Severity::Info, Confidence::Proved);
    for index in [first, second] {
        let rule = looked.locate(RuleId { chain, index }, None)?;
        finding.culprits.push(looked.culprit(rule, RuleRole::Jumps));
    }
    Some(finding)
}

fn pairs(chain: &Chain) -> Vec<(u32, u32)> {
    let jumps: Vec<(u32, &Rule)> = (0..).zip(&chain.rules).filter(|(_, rule)| is_jump(rule)).collect();
    // A chain of very many jumps is a dispatcher that a program wrote.
    if jumps.len() > JUMPS_MAX {
        return Vec::new();
    }
    let second = |(place, (index, rule)): (usize, &(u32, &Rule))| {
        let mut later = jumps.iter().skip(place + 1);
        let twin = later.find(|(_, other)| asks(other) == asks(rule))?;
        Some((*index, twin.0))
    };
    jumps.iter().enumerate().filter_map(second).collect()
}

/// A jump that chance has no part in.
fn is_jump(rule: &Rule) -> bool {
    let jumps = |item: &Item| {
        matches!(
            item,
            Item::Action(Action::Verdict(Verdict::Jump(Some(_)) | Verdict::Goto(Some(_))))
        )
    };
    let unclear = |item: &Item| matches!(item, Item::Match(Match::Chance(_) | Match::Unknown(_)));
    rule.items.iter().any(jumps) && !rule.items.iter().any(unclear)
}

/// What a rule asks and does, without what only counts or logs.
fn asks(rule: &Rule) -> Vec<&Item> {
    let harmless = |item: &&Item| !matches!(item, Item::Action(Action::Harmless(_)));
    rule.items.iter().filter(harmless).collect()
}

/// Jumps of one chain that are compared.
const JUMPS_MAX: usize = 512;
