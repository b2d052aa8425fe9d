//! Phrases that several causes share in their one sentence.

use crate::model::inquiry::Listener;
use crate::sink::words::facts::Facts;
use crate::sink::words::netns;
use crate::sink::words::phrase::capitalised;
use crate::sink::words::rule::quoted;

pub(super) fn redirected(facts: Facts<'_>) -> String {
    let (who, destination) = (facts.who(), facts.1.tuple.destination);
    let by = facts
        .translating()
        .map_or(String::new(), |rule| format!(" by {}", quoted(rule)));
    match facts.target() {
        Some(target) => format!("The connection of {who} to {destination} is redirected to {target}{by}"),
        None => format!("The connection of {who} to {destination} is redirected to a local port{by}"),
    }
}

/// Who drops: a rule where netfilter does, else the kernel, with its reason.
pub(super) fn drops(facts: Facts<'_>) -> String {
    match facts.drop() {
        Some(drop) if !drop.is_by_rule() => {
            format!("the kernel ({}){} drops", drop.reason.name(), whereabouts(facts))
        }
        _ => format!("{}{} drops", dropping(facts), whereabouts(facts)),
    }
}

/// The rule that drops or rejects, as far as it is known.
pub(super) fn dropping(facts: Facts<'_>) -> String {
    facts.dropping().map_or_else(|| "a rule".to_owned(), quoted)
}

pub(super) fn opening_dropper(facts: Facts<'_>) -> String {
    let drops = drops(facts);
    match facts.dropping() {
        Some(_) => drops,
        None => capitalised(&drops),
    }
}

/// ` in netns blue`.
pub(super) fn whereabouts(facts: Facts<'_>) -> String {
    facts
        .drop()
        .map_or(String::new(), |drop| format!(" in {}", netns(facts.0, drop.netns)))
}

pub(super) fn queue(listener: &Listener) -> String {
    format!("{} waiting, backlog {}", listener.queue, listener.backlog)
}
