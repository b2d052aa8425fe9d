//! What is going on: the mechanism behind a finding, what is seen and what is inferred.

use crate::model::evidence::Place;
use crate::model::finding::{Cause, Confidence, Finding};
use crate::model::inquiry::Listener;
use crate::model::reason::DropReason;
use crate::model::tcp::{ConntrackState, TcpState};
use crate::sink::words::facts::{Drop, Facts, hooks};
use crate::sink::words::phrase::capitalised;
use crate::sink::words::{count, inspected, netns, rule_name};

/// A few short sentences.
pub fn why(finding: &Finding) -> String {
    let Some(connection) = &finding.connection else {
        return inspected::why(finding);
    };
    let facts = Facts(finding, connection);
    let sentences = match finding.cause {
        Cause::ReplyRejected => reply_rejected(facts),
        Cause::RedirectTargetBlocked => redirect_target_blocked(facts),
        Cause::RedirectTargetStalled => redirect_target_stalled(facts),
        Cause::RedirectToDeadPort => redirect_to_dead_port(facts),
        Cause::SynDropped | Cause::DroppedInKernel => syn_dropped(facts),
        Cause::RejectedByRule => rejected_by_rule(facts),
        Cause::AcceptQueueFull => accept_queue_full(facts),
        Cause::ResetByPeer => reset_by_peer(facts),
        Cause::Unanswered => unanswered(facts),
        Cause::DeadRedirect
        | Cause::LeftoverChain
        | Cause::DuplicateJump
        | Cause::MarkOverlap
        | Cause::MixedBackends
        | Cause::AddressFamilyGap
        | Cause::BypassedRedirect
        | Cause::StaleEntries => return inspected::why(finding),
    };
    sentences.join(" ")
}

fn reply_rejected(facts: Facts<'_>) -> Vec<String> {
    let mut text = vec![match facts.drop() {
        Some(drop) => format!(
            "The packets of {} do arrive, but {} drops them {} before the socket sees them.",
            facts.peer(),
            dropper(facts, drop),
            hooks(drop.place)
        ),
        None => format!("The packets of {} do not reach the socket.", facts.peer()),
    }];
    if facts.rejects() {
        text.push(
            "It rejects with a TCP reset: that RST goes back to the peer, so the local socket never learns of it, and waits."
                .to_owned(),
        );
    }
    if let Some((entry, _)) = facts.entry() {
        let socket = facts.socket().and_then(|socket| socket.state).or(facts.1.state);
        if entry.state == Some(ConntrackState::Close) && socket == Some(TcpState::Established) {
            text.push("Conntrack has closed the connection while the socket is still ESTABLISHED.".to_owned());
        }
        if entry.mark != 0 {
            text.push(marked(facts, entry.mark));
        }
    }
    text
}

fn marked(facts: Facts<'_>, mark: u32) -> String {
    if facts.dropping().is_none() {
        return format!(
            "The connection carries connmark {mark:#x}: inferred, not seen, that the rule matches this mark; connections \
             without it would then be unharmed."
        );
    }
    match facts.marking() {
        Some(rule) => format!(
            "The connection carries connmark {mark:#x}, which {} sets.",
            rule_name(rule)
        ),
        None => format!("The connection carries connmark {mark:#x}."),
    }
}

fn redirect_target_blocked(facts: Facts<'_>) -> Vec<String> {
    let mut text = vec![translation(facts)];
    if let Some(drop) = facts.drop() {
        text.push(format!(
            "Then {} drops the translated packets {}. The two do not fit together: one sends the connection there, the \
             other does not let it in.",
            dropper(facts, drop),
            hooks(drop.place)
        ));
    }
    if let Some(listener) = facts.listener() {
        text.push(format!(
            "The listener on {} is alive and never sees them.",
            listener.address
        ));
    }
    text
}

fn redirect_target_stalled(facts: Facts<'_>) -> Vec<String> {
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

fn redirect_to_dead_port(facts: Facts<'_>) -> Vec<String> {
    vec![
        translation(facts),
        format!(
            "Nobody listens on {}, so this host's own TCP answers with a RST. Its address is translated back: the \
             application sees a refusal by {}, which never got the connection.",
            facts.end(),
            facts.1.tuple.destination
        ),
    ]
}

fn syn_dropped(facts: Facts<'_>) -> Vec<String> {
    let Some(drop) = facts.drop() else {
        return vec!["The SYN is dropped on this node.".to_owned()];
    };
    let dropper = match facts.dropping() {
        Some(_) => dropper(facts, drop),
        None => capitalised(&dropper(facts, drop)),
    };
    let mut text = vec![format!(
        "{dropper} drops {} {}: {}.",
        drop.packet,
        hooks(drop.place),
        reach(drop.place)
    )];
    text.push("Nothing is sent back, so connect waits and sends its SYN again until it times out.".to_owned());
    if drop.netns != facts.1.netns {
        text.push("The packet was dropped in another namespace than the socket's, on its way.".to_owned());
    }
    text
}

fn rejected_by_rule(facts: Facts<'_>) -> Vec<String> {
    let mut text = Vec::new();
    if let Some(drop) = facts.drop() {
        let place = netns(facts.0, drop.netns);
        text.push(format!(
            "{} rejects {} {}, in {place}: {}.",
            facts.dropping().map_or_else(|| "A rule".to_owned(), rule_name),
            drop.packet,
            hooks(drop.place),
            reach(drop.place)
        ));
    }
    text.push(
        "The error that the application sees is made by that rule: a policy of this node, not the peer.".to_owned(),
    );
    text
}

fn accept_queue_full(facts: Facts<'_>) -> Vec<String> {
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

fn reset_by_peer(facts: Facts<'_>) -> Vec<String> {
    vec![format!(
        "A RST arrived while the connection was established, and nothing on this host made it: it came from {} or from \
         something on the path.",
        facts.peer()
    )]
}

fn unanswered(facts: Facts<'_>) -> Vec<String> {
    let rules = match (facts.rules_read(), facts.0.confidence) {
        (false, _) => ", and rules were not read",
        (true, Confidence::Possible) => ", and the rules do not say for sure that they let its packets pass",
        (true, _) => "; the rules that were read let its packets and their answers pass",
    };
    let mut text = vec![format!(
        "No drop, no RST and no full queue was seen on this node. What is beyond it cannot be seen from here{rules}."
    )];
    if let Some(target) = facts.target() {
        text.push(format!("The packets are translated and go to {target}."));
    }
    text
}

fn translation(facts: Facts<'_>) -> String {
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

fn dropper(facts: Facts<'_>, drop: Drop<'_>) -> String {
    let netns = netns(facts.0, drop.netns);
    if drop.is_by_rule() {
        let rule = facts.dropping().map_or_else(|| "a rule".to_owned(), rule_name);
        format!("{rule} in {netns}")
    } else {
        format!("the kernel ({}) in {netns}", drop.reason.name())
    }
}

fn reach(place: Place) -> &'static str {
    match place {
        Place::Output => "it never leaves the namespace",
        Place::Input => "it never reaches a socket",
        Place::Forward => "it never arrives",
    }
}
