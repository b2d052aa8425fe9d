//! A proxy that is redirected to itself.

use super::Words;
use super::mechanism::translation;
use super::opening::redirected;
use super::remedy::{server, translating_rules};
use crate::model::finding::RuleRole;
use crate::sink::words::facts::Facts;
use crate::sink::words::fixes::{Check, Fix};
use crate::sink::words::{process, removal, rule, thousands};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn proxy(facts: Facts<'_>) -> String {
    let of = facts.listener().and_then(|listener| listener.process);
    of.map_or_else(|| "the proxy there".to_owned(), |of| process(of.pid, of.comm))
}

fn summary(facts: Facts<'_>) -> String {
    let held = facts.sockets_to().and_then(|sockets| sockets.holder);
    let times = held.map_or(String::new(), |(_, held)| {
        format!(", {} times by now", thousands(held.into()))
    });
    format!("{}, back into {} itself{times}", redirected(facts), proxy(facts))
}

fn why(facts: Facts<'_>) -> Vec<String> {
    let destination = facts.1.tuple.destination;
    vec![
        translation(facts),
        format!(
            "{} listens there, and connects to {destination} itself to pass the connection on. The rule does not tell the \
             two apart: what the proxy sends out comes back to it as one more connection to pass on.",
            proxy(facts)
        ),
        "That goes on until its descriptors or the ports run out. Who connects through it sees a working connection \
         without an answer."
            .to_owned(),
    ]
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    let mut fixes: Vec<_> = exemption(facts).into_iter().collect();
    fixes.push(Fix::setting(format!(
        "Exempt what {} sends ahead of the rule, by a user, a group or a mark (SO_MARK) that only it has; then restart it, \
         for what it holds is not given back.",
        proxy(facts)
    )));
    fixes.extend(translating_rules(facts));
    fixes
}

/// By the proxy's user, unless that is root, which others are too.
fn exemption(facts: Facts<'_>) -> Option<Fix> {
    let uid = facts.listener().map(|listener| listener.uid).filter(|uid| *uid != 0)?;
    let (redirect, netns) = rule::named(facts.0, |role| role == RuleRole::Translates).next()?;
    let command = removal::exempt(redirect, uid)?;
    let why = format!(
        "Let what user {uid} sends out pass, ahead of {}; then restart the proxy. Whatever else runs as that user is not \
         redirected either.",
        rule::rule_name(redirect)
    );
    Some(Fix::command(facts.0, netns, &command, why))
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    let why = "The proxy's own sockets to one destination: more with each try.";
    let command = format!("ss -Htanp 'dst = {}'", facts.1.tuple.destination);
    let mut checks = vec![Check::new(facts.0, facts.1.netns, &command, why)];
    checks.extend(server(facts));
    checks
}
