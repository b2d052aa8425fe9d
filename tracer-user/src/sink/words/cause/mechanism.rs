//! Sentences that several causes share in what is going on.

use crate::model::evidence::Place;
use crate::sink::words::facts::{Drop, Facts};
use crate::sink::words::{netns, rule_name};

pub(super) fn translation(facts: Facts<'_>) -> String {
    let destination = facts.1.tuple.destination;
    let target = facts
        .target()
        .map_or("elsewhere".to_owned(), |target| format!("to {target}"));
    match (facts.translating(), facts.rules_read()) {
        (Some(rule), _) => format!("{} sends the connection for {destination} {target}.", rule_name(rule)),
        (None, true) => {
            format!("NAT sends the connection for {destination} {target}; no current rule was seen to do it.")
        }
        (None, false) => format!("NAT sends the connection for {destination} {target}; its rule was not read."),
    }
}

pub(super) fn dropper(facts: Facts<'_>, drop: Drop<'_>) -> String {
    let netns = netns(facts.0, drop.netns);
    if drop.is_by_rule() {
        let rule = facts.dropping().map_or_else(|| "a rule".to_owned(), rule_name);
        format!("{rule} in {netns}")
    } else {
        format!("the kernel ({}) in {netns}", drop.reason.name())
    }
}

pub(super) fn reach(place: Place) -> &'static str {
    match place {
        Place::Output => "it never leaves the namespace",
        Place::Input => "it never reaches a socket",
        Place::Forward => "it never arrives",
    }
}

/// How the packet came, without the full stop.
pub(super) fn untranslated(facts: Facts<'_>) -> String {
    match facts.stray() {
        Some(packet) => format!("A packet came as {packet}, and nothing translated it back"),
        None => "A packet was not translated back".to_owned(),
    }
}

/// What became of the entry.
pub(super) fn deletion(facts: Facts<'_>) -> String {
    match facts.deleted() {
        Some(deleted) => format!(
            "The entry that translates the connection to {} was deleted{} while it lived.",
            deleted.entry.leaving().destination,
            deleted.by()
        ),
        None => "Conntrack has no entry that would translate the connection.".to_owned(),
    }
}
