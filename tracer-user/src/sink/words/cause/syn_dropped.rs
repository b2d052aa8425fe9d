//! Dropped by a rule, or by the kernel for another reason.

use super::Words;
use super::mechanism::{dropper, reach};
use super::opening::opening_dropper;
use super::remedy::{dropping_rule, dropping_rules};
use crate::sink::words::facts::{Facts, hooks};
use crate::sink::words::fixes::{Check, Fix};
use crate::sink::words::phrase::capitalised;

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn summary(facts: Facts<'_>) -> String {
    format!(
        "{} the SYNs of {} to {}: connect hangs",
        opening_dropper(facts),
        facts.who(),
        facts.1.tuple.destination
    )
}

fn why(facts: Facts<'_>) -> Vec<String> {
    let Some(drop) = facts.drop() else {
        return vec!["The SYN is dropped on this node.".to_owned()];
    };
    let dropper = match facts.dropping() {
        Some(_) => dropper(facts, drop),
        None => capitalised(&dropper(facts, drop)),
    };
    let mut text = vec![format!(
        "{dropper} drops {} {}: {}.",
        drop.packet,
        hooks(drop.place),
        reach(drop.place)
    )];
    text.push("Nothing is sent back, so connect waits and sends its SYN again until it times out.".to_owned());
    if drop.netns != facts.1.netns {
        text.push("The packet was dropped in another namespace than the socket's, on its way.".to_owned());
    }
    text
}

pub(super) fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    let mut fixes = dropping_rules(facts);
    if facts.drop().is_none_or(|drop| drop.is_by_rule()) {
        fixes.push(Fix::setting(format!(
            "If the connection to {} is meant to work: change that rule, or allow the connection ahead of it.",
            facts.1.tuple.destination
        )));
    }
    fixes
}

pub(super) fn checks(facts: Facts<'_>) -> Vec<Check> {
    dropping_rule(facts).into_iter().collect()
}
