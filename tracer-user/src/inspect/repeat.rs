//! Jumps that stand twice in one chain, where the second one changes nothing.
//!
//! A packet that comes back from the first jump must be the same at the second one, and come back again: where marks are
//! written, or chance or memory decides, nothing is told.

use crate::model::rules::{Action, Chain, ChainId, Item, Match, Operand, Rule, Ruleset, Verdict};
use std::collections::BTreeSet;

/// The harmless pairs of neighbours among a chain's equal jumps, by their indices, the last pair first.
pub fn pairs(ruleset: &Ruleset, chain: &Chain) -> Vec<(u32, u32)> {
    let pairs = equal_jumps(chain).into_iter().rev();
    let harmless = pairs.filter(|(first, second)| (*first..*second).all(|index| keeps(ruleset, chain, index)));
    harmless.collect()
}

fn equal_jumps(chain: &Chain) -> Vec<(u32, u32)> {
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

/// Whether a packet that the rule does not end is the same behind it, and would be led the same way again.
fn keeps(ruleset: &Ruleset, chain: &Chain, index: u32) -> bool {
    let rule = usize::try_from(index).ok().and_then(|index| chain.rules.get(index));
    rule.is_some_and(|rule| is_repeatable(ruleset, rule, &mut BTreeSet::new()))
}

fn is_repeatable(ruleset: &Ruleset, rule: &Rule, seen: &mut BTreeSet<ChainId>) -> bool {
    rule.items.iter().all(|item| match item {
        Item::Match(asked) => is_lasting(ruleset, asked),
        Item::Action(Action::Harmless(text)) => !STATEFUL.iter().any(|word| text.contains(word)),
        Item::Action(Action::Verdict(Verdict::Jump(Some(to)) | Verdict::Goto(Some(to)))) => {
            // What is being looked at, or was and keeps the packet.
            !seen.insert(*to)
                || ruleset
                    .chain(*to)
                    .is_some_and(|chain| chain.rules.iter().all(|rule| is_repeatable(ruleset, rule, seen)))
        }
        Item::Action(
            Action::Verdict(Verdict::Accept | Verdict::Drop | Verdict::Reject(_) | Verdict::Return | Verdict::Continue)
            | Action::Nat(_),
        ) => true,
        Item::Action(_) => false,
    })
}

/// The answer is the same when the same packet asks again.
fn is_lasting(ruleset: &Ruleset, asked: &Match) -> bool {
    match asked {
        Match::Chance(_) | Match::Unknown(_) => false,
        Match::Lookup { set, key, .. } => {
            ruleset.set(*set).is_some_and(|set| !set.dynamic)
                && key
                    .iter()
                    .all(|operand| matches!(operand, Operand::Field { .. } | Operand::Constant(_)))
        }
        Match::Any(all) | Match::NotAll(all) => all.iter().all(|asked| is_lasting(ruleset, asked)),
        Match::Equal { left, right, .. } => [left, right]
            .iter()
            .all(|operand| matches!(operand, Operand::Field { .. } | Operand::Constant(_))),
        Match::Number { .. } | Match::Name { .. } => true,
    }
}

/// What a rule asks and does, without what only counts or logs.
fn asks(rule: &Rule) -> Vec<&Item> {
    let harmless = |item: &&Item| !matches!(item, Item::Action(Action::Harmless(_)));
    rule.items.iter().filter(harmless).collect()
}

/// What remembers packets, or limits them.
const STATEFUL: [&str; 6] = ["add @", "update @", "delete @", "quota", "limit", "SET"];
/// Jumps of one chain that are compared.
const JUMPS_MAX: usize = 512;
