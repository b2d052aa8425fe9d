//! Somebody listens on that port, at another address.

use super::Words;
use crate::model::inquiry::Listener;
use crate::model::tuple::Endpoint;
use crate::sink::words::facts::Facts;
use crate::sink::words::fixes::{Check, Fix};
use crate::sink::words::{command, netns, process};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn server(listener: &Listener) -> String {
    let of = listener.process;
    of.map_or_else(|| "its server".to_owned(), |of| process(of.pid, of.comm))
}

fn summary(facts: Facts<'_>) -> String {
    let destination = facts.1.tuple.destination;
    let listens = facts.listener().map_or(String::new(), |listener| {
        format!(": {} listens on {} only", server(listener), listener.address)
    });
    format!(
        "{} is refused by {destination} in its own namespace{listens}",
        facts.who()
    )
}

fn why(facts: Facts<'_>) -> Vec<String> {
    let destination = facts.1.tuple.destination;
    let mut text = vec![format!(
        "Nobody listens on {destination}, so this host's own TCP answers with a RST; no rule and no network has a part in it."
    )];
    text.extend(facts.listener().map(|listener| {
        format!(
            "In the same namespace {} listens on {}: a socket that is bound to one address gets nothing that is sent to \
             another, even of the same host.",
            server(listener),
            listener.address
        )
    }));
    text
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    let destination = facts.1.tuple.destination;
    let mut fixes = Vec::new();
    if let Some(listener) = facts.listener() {
        let everywhere = if destination.address.is_ipv4() { "0.0.0.0" } else { "::" };
        fixes.push(Fix::setting(format!(
            "Have {} listen on {} (all addresses) instead of {}, or on {destination} too.",
            server(listener),
            Endpoint::new(
                everywhere.parse().unwrap_or(listener.address.address),
                listener.address.port
            ),
            listener.address
        )));
        fixes.push(Fix::setting(format!(
            "Or have {} connect to {}.",
            facts.who(),
            listener.address
        )));
    }
    let dialer = facts.1.owner.map(|owner| owner.comm);
    if dialer.is_some_and(|comm| comm.as_bytes().starts_with(b"mirrord")) {
        fixes.push(Fix::setting(
            "mirrord passes on to 127.0.0.1: its agent's external_ip_fix has it dial the pod's address.",
        ));
    }
    fixes
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    let why = format!(
        "Who listens on that port in {}, and at which address.",
        netns(facts.0, facts.1.netns)
    );
    let command = command::listeners(facts.1.tuple.destination.port);
    vec![Check::new(facts.0, facts.1.netns, &command, why)]
}
