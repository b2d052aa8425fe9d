//! Redirected into the socket of an older connection.

use super::Words;
use super::opening::redirected;
use super::remedy::dropping_rules;
use crate::model::aspect::{Connected, Seen};
use crate::sink::words::facts::Facts;
use crate::sink::words::fixes::{Check, Fix};
use crate::sink::words::{command, process, rule_name};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn summary(facts: Facts<'_>) -> String {
    format!(
        "{}, where an old socket of {} still has the same addresses and ports: it hangs",
        redirected(facts),
        holder(facts)
    )
}

fn why(facts: Facts<'_>) -> Vec<String> {
    let mut text = Vec::new();
    if let Some(old) = old(facts) {
        let state = old.socket.state.map_or("open", |state| state.name());
        text.push(format!(
            "The socket {} is {state} there: it is of an earlier connection, of whose end it was not told.",
            old.tuple
        ));
    }
    text.push(
        "The SYN is delivered to that socket, not to the listener. It is answered for the old connection (a challenge ACK), \
         not for the new one; the client's RST should then end the old socket."
            .to_owned(),
    );
    text.push(match facts.dropping() {
        Some(rule) => format!("{} drops that RST, so the old socket stays.", rule_name(rule)),
        None => "Why it did not was not seen: the old socket is still there.".to_owned(),
    });
    text.push("Inferred, not seen: the answer of the old socket.".to_owned());
    text
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    let mut fixes = Vec::new();
    if let Some(old) = old(facts) {
        let why = format!(
            "End the old socket of {}: the next SYN meets the listener, and the connect goes on.",
            holder(facts)
        );
        fixes.push(Fix::command(
            facts.0,
            facts.1.netns,
            &command::end_socket(old.tuple),
            why,
        ));
    }
    fixes.extend(dropping_rules(facts));
    fixes.push(Fix::setting(format!(
        "Do not drop the RSTs of local connections, and let {} close what is idle or half closed (its idle timeout, TCP \
         keepalive) sooner than conntrack forgets it (net.netfilter.nf_conntrack_tcp_timeout_close_wait).",
        holder(facts)
    )));
    fixes
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    let Some(old) = old(facts) else {
        return Vec::new();
    };
    let netns = facts.1.netns;
    let answers = "Each SYN that is sent again adds one challenge ACK.";
    vec![
        Check::new(facts.0, netns, &command::socket(old.tuple), "See the old socket."),
        Check::new(facts.0, netns, "nstat -asz TcpExtTCPChallengeACK", answers),
    ]
}

fn old(facts: Facts<'_>) -> Option<&Connected> {
    facts.seen().find_map(|seen| {
        let Seen::Sockets { sockets, .. } = seen else {
            return None;
        };
        sockets.first()
    })
}

fn holder(facts: Facts<'_>) -> String {
    let process = old(facts)
        .and_then(|old| old.socket.process)
        .map(|of| process(of.pid, of.comm));
    process.unwrap_or_else(|| "a process that is not known".to_owned())
}
