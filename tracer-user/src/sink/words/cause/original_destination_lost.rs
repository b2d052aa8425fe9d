//! The conntrack entry went before the proxy asked it for the original destination.

use super::Words;
use super::mechanism::{deletion, untranslated};
use super::remedy::{half_open, waiting_socket};
use crate::sink::words::facts::{Deleted, Facts};
use crate::sink::words::fixes::{Check, Fix, FixKind};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn summary(facts: Facts<'_>) -> String {
    let by = facts.deleted().map_or_else(String::new, Deleted::by);
    format!(
        "The connection of {} to {} lost its conntrack entry{by} before {} accepted it: it was closed there, and {} is \
         not told",
        facts.who(),
        facts.1.tuple.destination,
        facts.sender(),
        facts.who()
    )
}

fn why(facts: Facts<'_>) -> Vec<String> {
    vec![
        deletion(facts),
        format!(
            "It was not accepted by then. A proxy asks for the original destination (SO_ORIGINAL_DST) when it accepts, and \
             gets ENOENT without the entry; then {} closed the connection.",
            facts.sender()
        ),
        format!("{}: {} does not learn of the end.", untranslated(facts), facts.who()),
    ]
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    vec![
        half_open(facts),
        Fix {
            kind: FixKind::Setting,
            netns: None,
            command: Some("MIRRORD_AGENT_STEALER_FLUSH_CONNECTIONS_CONNTRACK=false".to_owned()),
            why: "If mirrord's agent deletes the entries: set this in its environment.".to_owned(),
        },
        Fix::setting(
            "Else let what flushes conntrack spare the connections that are redirected already: --reply-port-src with the \
             original port.",
        ),
    ]
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    waiting_socket(facts)
}
