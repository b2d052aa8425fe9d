//! Redirected to a port where nobody listens.

use super::Words;
use super::mechanism::translation;
use super::opening::redirected;
use super::remedy::translating_rules;
use crate::sink::words::command;
use crate::sink::words::command::Family;
use crate::sink::words::facts::Facts;
use crate::sink::words::fixes::{Check, Fix};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn summary(facts: Facts<'_>) -> String {
    format!(
        "{}, where nobody listens: this host refuses it, {} does not",
        redirected(facts),
        facts.1.tuple.destination
    )
}

fn why(facts: Facts<'_>) -> Vec<String> {
    vec![
        translation(facts),
        format!(
            "Nobody listens on {}, so this host's own TCP answers with a RST. Its address is translated back: the \
             application sees a refusal by {}, which never got the connection.",
            facts.end(),
            facts.1.tuple.destination
        ),
    ]
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    let mut fixes: Vec<_> = translating_rules(facts).collect();
    fixes.push(Fix::setting(format!(
        "Restart the program that should listen on port {}, or remove the rule if it is a leftover.",
        facts.end().port
    )));
    fixes
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    let (finding, end, netns) = (facts.0, facts.end(), facts.1.netns);
    let nobody = format!("Nobody listens on port {}: it prints nothing.", end.port);
    let mut checks = vec![Check::new(finding, netns, &command::listeners(end.port), nobody)];
    if facts.translating().is_none() {
        let family = Family::of(facts.1.tuple);
        let rule = format!(
            "Find the rule: nat table, OUTPUT or PREROUTING, port {} to port {} (REDIRECT or DNAT). If there is none, an \
             older conntrack entry does it.",
            facts.1.tuple.destination.port, end.port
        );
        checks.push(Check::new(finding, netns, &command::rules(None, family), rule));
    }
    checks
}
