//! Destroyed under the application that held it.

use super::Words;
use crate::model::identity::Process;
use crate::model::tcp::TcpState;
use crate::sink::words::facts::Facts;
use crate::sink::words::fixes::{Check, Fix};
use crate::sink::words::{command, process};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn summary(facts: Facts<'_>) -> String {
    format!(
        "{} destroyed the socket of {} for {}: neither the network nor the peer ended the connection",
        destroyer(facts).map_or_else(|| "Somebody".to_owned(), |of| process(of.pid, of.comm)),
        facts.who(),
        facts.1.tuple
    )
}

fn why(facts: Facts<'_>) -> Vec<String> {
    let told = match facts.destroyed() {
        Some((_, Some(TcpState::SynSent))) => "the connect fails with ECONNABORTED",
        _ => "the application gets ECONNABORTED, and the peer a RST, as if the application had aborted",
    };
    let mut text = vec![format!(
        "The kernel was asked to destroy the socket (SOCK_DESTROY, as by `ss -K`): {told}."
    )];
    text.push(match destroyer(facts) {
        Some(of) => format!(
            "It was done in the context of {}; which program asked is inferred from that.",
            process(of.pid, of.comm)
        ),
        None => "Who asked was not seen; nothing else ends a connection with this error.".to_owned(),
    });
    text
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    vec![Fix::setting(format!(
        "See why {} destroys connections: an administrator, or an agent that flushes them when its rules change. The \
         application has to connect again.",
        by(facts)
    ))]
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    let check = |of: Process| {
        let why = format!("See who {} is, if it still runs.", process(of.pid, of.comm));
        Check::anywhere(command::process(of.pid), why)
    };
    destroyer(facts).map(check).into_iter().collect()
}

fn by(facts: Facts<'_>) -> String {
    destroyer(facts).map_or_else(|| "somebody".to_owned(), |of| process(of.pid, of.comm))
}

fn destroyer(facts: Facts<'_>) -> Option<Process> {
    facts.destroyed()?.0
}
