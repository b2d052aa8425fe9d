//! A finding in one sentence, on one line.

use crate::model::finding::{Cause, Finding};
use crate::model::inquiry::Listener;
use crate::model::tcp::TcpState;
use crate::sink::words::facts::Facts;
use crate::sink::words::phrase::capitalised;
use crate::sink::words::rule::{opening, quoted};
use crate::sink::words::{count, errno, inspected, netns, process};

/// One sentence without its full stop, on one line.
pub fn summary(finding: &Finding) -> String {
    let Some(connection) = &finding.connection else {
        return inspected::summary(finding);
    };
    let facts = Facts(finding, connection);
    match finding.cause {
        Cause::ReplyRejected => reply_rejected(facts),
        Cause::RedirectTargetBlocked => {
            format!(
                "{}, and there {} its packets: it hangs",
                redirected(facts),
                dropper(facts)
            )
        }
        Cause::RedirectTargetStalled => redirect_target_stalled(facts),
        Cause::RedirectToDeadPort => format!(
            "{}, where nobody listens: this host refuses it, {} does not",
            redirected(facts),
            connection.tuple.destination
        ),
        Cause::SynDropped | Cause::DroppedInKernel => format!(
            "{} the SYNs of {} to {}: connect hangs",
            opening_dropper(facts),
            facts.who(),
            connection.tuple.destination
        ),
        Cause::RejectedByRule => rejected_by_rule(facts),
        Cause::AcceptQueueFull => accept_queue_full(facts),
        Cause::ResetByPeer => format!(
            "{} reset an established connection of {}: the RST came from outside this host",
            facts.peer(),
            facts.who()
        ),
        Cause::Unanswered => unanswered(facts),
        Cause::DeadRedirect
        | Cause::LeftoverChain
        | Cause::DuplicateJump
        | Cause::MarkOverlap
        | Cause::MixedBackends
        | Cause::AddressFamilyGap
        | Cause::BypassedRedirect
        | Cause::StaleEntries => inspected::summary(finding),
    }
}

fn reply_rejected(facts: Facts<'_>) -> String {
    let (verb, end) = if facts.rejects() {
        ("rejected", "only the peer gets the RST, the local socket hangs")
    } else {
        ("dropped", "the connection hangs")
    };
    format!(
        "Answers of {} to {} are {verb} by {}{}: {end}",
        facts.peer(),
        facts.who(),
        dropping(facts),
        whereabouts(facts)
    )
}

fn redirect_target_stalled(facts: Facts<'_>) -> String {
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

fn rejected_by_rule(facts: Facts<'_>) -> String {
    let how = match facts.errno() {
        Some(number) if number != 0 => format!("it fails with {}", errno(number)),
        _ => "it is reset".to_owned(),
    };
    format!(
        "{}{} rejects the connection of {} to {}: {how}, and that is not the peer's answer",
        opening(facts.dropping()),
        whereabouts(facts),
        facts.who(),
        facts.1.tuple.destination
    )
}

fn accept_queue_full(facts: Facts<'_>) -> String {
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

fn unanswered(facts: Facts<'_>) -> String {
    let connection = facts.1;
    let (peer, who) = (facts.peer(), facts.who());
    let nothing = "and nothing seen on this node explains it";
    if let Some(times) = facts.gave_up() {
        let connects = count(u64::from(times), "connect");
        return format!("{peer} left {connects} of {who} unanswered, {nothing}");
    }
    if connection.state == Some(TcpState::SynSent) || connection.syn_retransmits > 0 && connection.retransmits == 0 {
        return format!("{peer} does not answer the SYNs of {who}, {nothing}");
    }
    match connection.unacked {
        0 => format!("{peer} does not answer {who}, {nothing}"),
        unacked => {
            let bytes = count(u64::from(unacked), "byte");
            format!("{peer} does not acknowledge {bytes} of {who}, {nothing}")
        }
    }
}

fn redirected(facts: Facts<'_>) -> String {
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
fn dropper(facts: Facts<'_>) -> String {
    match facts.drop() {
        Some(drop) if !drop.is_by_rule() => {
            format!("the kernel ({}){} drops", drop.reason.name(), whereabouts(facts))
        }
        _ => format!("{}{} drops", dropping(facts), whereabouts(facts)),
    }
}

/// The rule that drops or rejects, as far as it is known.
fn dropping(facts: Facts<'_>) -> String {
    facts.dropping().map_or_else(|| "a rule".to_owned(), quoted)
}

fn opening_dropper(facts: Facts<'_>) -> String {
    let dropper = dropper(facts);
    match facts.dropping() {
        Some(_) => dropper,
        None => capitalised(&dropper),
    }
}

/// ` in netns blue`.
fn whereabouts(facts: Facts<'_>) -> String {
    facts
        .drop()
        .map_or(String::new(), |drop| format!(" in {}", netns(facts.0, drop.netns)))
}

fn queue(listener: &Listener) -> String {
    format!("{} waiting, backlog {}", listener.queue, listener.backlog)
}
