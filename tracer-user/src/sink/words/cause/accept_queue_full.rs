//! The server does not accept fast enough.

use super::Words;
use super::opening::queue;
use super::remedy::server;
use crate::model::inquiry::Listener;
use crate::model::reason::DropReason;
use crate::sink::words::facts::Facts;
use crate::sink::words::fixes::{Check, Fix};
use crate::sink::words::{count, process};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn summary(facts: Facts<'_>) -> String {
    match facts.listener() {
        Some(listener) => {
            let who = listener
                .process
                .map_or(String::new(), |of| format!("{} on ", process(of.pid, of.comm)));
            let queue = queue(listener);
            format!(
                "The accept queue of {who}{} is full ({queue}): new connections hang",
                listener.address
            )
        }
        None => format!("The accept queue of {} is full: new connections hang", facts.end()),
    }
}

fn why(facts: Facts<'_>) -> Vec<String> {
    let mut text = vec![match facts.listener() {
        Some(listener) => format!(
            "The server accepts more slowly than clients connect: {} to be accepted on {}, the backlog is {}.",
            count(u64::from(listener.queue), "connection") + if listener.queue == 1 { " waits" } else { " wait" },
            listener.address,
            listener.backlog
        ),
        None => "The server accepts more slowly than clients connect.".to_owned(),
    }];
    text.push("The kernel drops the handshakes that find no room; clients send again and hang.".to_owned());
    let overflow = facts
        .drop()
        .is_some_and(|drop| drop.reason == DropReason::TcpListenOverflow);
    if overflow || facts.listener().is_some_and(Listener::is_full) {
        text.push("No rule and no network fault is involved.".to_owned());
    } else {
        text.push("This is inferred: the queue itself was not seen full.".to_owned());
    }
    text
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    let backlog = facts
        .listener()
        .map_or(String::new(), |listener| format!(" (now {})", listener.backlog));
    vec![Fix::setting(format!(
        "Let the server accept faster, or give it a longer backlog{backlog}: the argument of listen(), which \
         net.core.somaxconn limits."
    ))]
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    server(facts)
}
