//! `duplicate-jump`: the same jump twice in one chain, where the second one changes nothing.

use super::Looked;
use crate::inspect::repeat;
use crate::model::finding::{Cause, Confidence, Finding, RuleRole, Severity};
use crate::model::rules::{ChainId, RuleId};

/// One for each pair of neighbours among equal jumps.
pub(super) fn find(looked: &Looked<'_>) -> Vec<Finding> {
    let ruleset = &looked.facts.snapshot.ruleset;
    let chains = ruleset.numbered().filter(|(_, chain)| !chain.dormant);
    // The last one first: removing it leaves the numbers of the others.
    let pairs = chains.flat_map(|(id, chain)| repeat::pairs(ruleset, chain).into_iter().map(move |pair| (id, pair)));
    pairs.filter_map(|(id, pair)| finding(looked, id, pair)).collect()
}

fn finding(looked: &Looked<'_>, chain: ChainId, (first, second): (u32, u32)) -> Option<Finding> {
    let mut finding = looked.finding(Cause::DuplicateJump, Severity::Info, Confidence::Proved);
    for index in [first, second] {
        let rule = looked.locate(RuleId { chain, index }, None)?;
        finding.culprits.push(looked.culprit(rule, RuleRole::Jumps));
    }
    Some(finding)
}
