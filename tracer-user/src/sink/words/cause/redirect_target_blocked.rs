//! Redirected to a local port, and dropped there.

use super::Words;
use super::mechanism::{dropper, translation};
use super::opening::{drops, redirected};
use super::remedy::{dropping_rule, dropping_rules, translating_rules};
use crate::sink::words::facts::{Facts, hooks};
use crate::sink::words::fixes::{Check, Fix};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn summary(facts: Facts<'_>) -> String {
    format!(
        "{}, and there {} its packets: it hangs",
        redirected(facts),
        drops(facts)
    )
}

fn why(facts: Facts<'_>) -> Vec<String> {
    let mut text = vec![translation(facts)];
    if let Some(drop) = facts.drop() {
        text.push(format!(
            "Then {} drops the translated packets {}. The two do not fit together: one sends the connection there, the \
             other does not let it in.",
            dropper(facts, drop),
            hooks(drop.place)
        ));
    }
    if let Some(listener) = facts.listener() {
        text.push(format!(
            "The listener on {} is alive and never sees them.",
            listener.address
        ));
    }
    text
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    let mut fixes = dropping_rules(facts);
    fixes.extend(translating_rules(facts));
    fixes.push(Fix::setting(format!(
        "Let packets to {} pass in the rule that drops them, or remove the rule that redirects {} there.",
        facts.end(),
        facts.1.tuple.destination
    )));
    fixes
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    dropping_rule(facts).into_iter().collect()
}
