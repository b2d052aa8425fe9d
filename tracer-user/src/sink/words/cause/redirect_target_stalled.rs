//! Redirected to a listener that does not accept.

use super::Words;
use super::mechanism::translation;
use super::opening::{queue, redirected};
use super::remedy::{server, translating_rules};
use crate::model::inquiry::Listener;
use crate::sink::words::facts::Facts;
use crate::sink::words::fixes::{Check, Fix};
use crate::sink::words::process;

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn summary(facts: Facts<'_>) -> String {
    let redirected = redirected(facts);
    let who = |listener: &Listener| match listener.process {
        Some(of) => process(of.pid, of.comm),
        None => "its listener".to_owned(),
    };
    match facts.listener() {
        Some(listener) if listener.is_full() => {
            let who = who(listener);
            format!(
                "{redirected}, where the accept queue of {who} is full ({}): it hangs",
                queue(listener)
            )
        }
        Some(listener) => format!("{redirected}, where {} does not accept it: it hangs", who(listener)),
        None => format!("{redirected}, where nobody accepts it: it hangs"),
    }
}

fn why(facts: Facts<'_>) -> Vec<String> {
    let mut text = vec![translation(facts)];
    match facts.listener() {
        Some(listener) if listener.is_full() => text.push(format!(
            "The listener there lets {} wait and {} do: further handshakes are not completed.",
            listener.backlog, listener.queue
        )),
        _ => text.push(
            "The kernel completes the handshake and acknowledges the data by itself, so the client sees a working \
             connection; but no process accepts it, and no answer can come."
                .to_owned(),
        ),
    }
    text.push("No rule blocks it and the network is not involved.".to_owned());
    text
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    let mut fixes: Vec<_> = translating_rules(facts).collect();
    fixes.push(Fix::setting(format!(
        "Make that process accept again, or restart it; else remove the rule that redirects {} to {}.",
        facts.1.tuple.destination,
        facts.end()
    )));
    fixes
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    server(facts)
}
