//! Translated to a host that is gone.

use super::Words;
use super::mechanism::translation;
use super::opening::redirected;
use super::remedy::translating_rules;
use crate::model::aspect::Seen;
use crate::sink::words::facts::Facts;
use crate::sink::words::fixes::{Check, Fix};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn summary(facts: Facts<'_>) -> String {
    format!("{}, and no such host answers on the link", redirected(facts))
}

fn why(facts: Facts<'_>) -> Vec<String> {
    let target = facts.end().address;
    let mut text = vec![translation(facts)];
    let state = facts.seen().find_map(|seen| {
        let Seen::Neighbour(of) = seen else {
            return None;
        };
        Some(of.state.name())
    });
    let state = state.map_or(String::new(), |state| format!(" (the neighbour is {state})"));
    text.push(format!(
        "{target} is on a link, but nobody there says that it has this address{state}. After three requests, about three \
         seconds, the kernel gives up, and connect fails: no route to host (EHOSTUNREACH)."
    ));
    text.push(
        "So it is when a container went without who made its rule: a container runtime that was killed leaves its DNAT."
            .to_owned(),
    );
    text
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    let mut fixes: Vec<_> = translating_rules(facts).collect();
    fixes.push(Fix::setting(format!(
        "Start again what had the address {}, or whoever keeps the rule: it corrects it.",
        facts.end().address
    )));
    fixes
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    let netns = facts.drop().map_or(facts.1.netns, |drop| drop.netns);
    let neighbour = format!("ip neighbour show to {}", facts.end().address);
    let why = "The neighbour is FAILED or INCOMPLETE: nobody answers for it.";
    vec![Check::new(facts.0, netns, &neighbour, why)]
}
