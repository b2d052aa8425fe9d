//! The conntrack entry that translated a live connection was deleted.

use super::Words;
use super::mechanism::{deletion, untranslated};
use super::remedy::half_open;
use crate::sink::words::facts::Facts;
use crate::sink::words::fixes::{Check, Fix};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn summary(facts: Facts<'_>) -> String {
    let by = facts.deleted().map_or_else(
        || "has no conntrack entry any more".to_owned(),
        |deleted| format!("lost its conntrack entry{}", deleted.by()),
    );
    format!(
        "The connection of {} to {} {by}: what {} sends is not translated back, and {} waits for ever",
        facts.who(),
        facts.1.tuple.destination,
        facts.sender(),
        facts.who()
    )
}

fn why(facts: Facts<'_>) -> Vec<String> {
    let mut text = vec![deletion(facts)];
    text.push(format!(
        "{}. No socket has these addresses, so this host's TCP answers with a RST: {} ends, and {} is not told.",
        untranslated(facts),
        facts.sender(),
        facts.who()
    ));
    if facts.deleted().is_none() {
        text.push(
            "Inferred, not seen: that the entry was deleted, and that this connection, the only one with that end, was \
             meant."
                .to_owned(),
        );
    }
    text
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    vec![
        half_open(facts),
        Fix::setting(
            "Do not delete NAT entries of live connections (conntrack -D, conntrack -F): delete those of one direction \
             only, with --reply-port-src, or let the connections end first.",
        ),
    ]
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    super::remedy::waiting_socket(facts)
}
