//! Rejected by a rule.

use super::mechanism::reach;
use super::opening::whereabouts;
use super::{Words, syn_dropped};
use crate::sink::words::facts::{Facts, hooks};
use crate::sink::words::rule::opening;
use crate::sink::words::{errno, netns, rule_name};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes: syn_dropped::fixes,
    checks: syn_dropped::checks,
};

fn summary(facts: Facts<'_>) -> String {
    let how = match facts.errno() {
        Some(number) if number != 0 => format!("it fails with {}", errno(number)),
        _ => "it is reset".to_owned(),
    };
    format!(
        "{}{} rejects the connection of {} to {}: {how}, and that is not the peer's answer",
        opening(facts.dropping()),
        whereabouts(facts),
        facts.who(),
        facts.1.tuple.destination
    )
}

fn why(facts: Facts<'_>) -> Vec<String> {
    let mut text = Vec::new();
    if let Some(drop) = facts.drop() {
        let place = netns(facts.0, drop.netns);
        text.push(format!(
            "{} rejects {} {}, in {place}: {}.",
            facts.dropping().map_or_else(|| "A rule".to_owned(), rule_name),
            drop.packet,
            hooks(drop.place),
            reach(drop.place)
        ));
    }
    text.push(
        "The error that the application sees is made by that rule: a policy of this node, not the peer.".to_owned(),
    );
    text
}
