//! Translated to loopback, without `route_localnet`.

use super::Words;
use super::mechanism::translation;
use super::opening::{redirected, whereabouts};
use super::remedy::{dropping_rule, set, translating_rules};
use crate::sink::words::facts::Facts;
use crate::sink::words::fixes::{Check, Fix};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn summary(facts: Facts<'_>) -> String {
    let because = facts.settings().next().map_or_else(
        || "route_localnet is off there".to_owned(),
        |(setting, _)| format!("{} is {}", setting.name(), setting.value),
    );
    format!(
        "{}, and the kernel drops it{}: what comes from outside may not go to loopback, because {because}",
        redirected(facts),
        whereabouts(facts)
    )
}

fn why(facts: Facts<'_>) -> Vec<String> {
    vec![
        translation(facts),
        "The packet came by a device, and is routed after its translation: one from outside to 127.0.0.0/8 is a martian, \
         dropped unless route_localnet is 1 for the device or for all."
            .to_owned(),
        "Nothing is sent back, so connect waits and sends its SYN again until it times out.".to_owned(),
    ]
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    let why = "Let packets that come by this device go to loopback. Everything that listens on 127.0.0.1 and is \
               translated to can then be reached from there.";
    let mut fixes: Vec<_> = facts
        .settings()
        .map(|setting| set(facts, setting, 1, why.to_owned()))
        .collect();
    fixes.extend(translating_rules(facts));
    fixes.push(Fix::setting(
        "Or have the rule lead to an address of the device (REDIRECT does), and the program listen there.",
    ));
    fixes
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    dropping_rule(facts).into_iter().collect()
}
