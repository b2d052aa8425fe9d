//! What several causes have to do or to look at.

use crate::model::aspect::Setting;
use crate::model::finding::{Cause, RuleRole};
use crate::model::identity::Netns;
use crate::model::reason::DropReason;
use crate::sink::text::quote;
use crate::sink::words::command::Family;
use crate::sink::words::facts::{Facts, hooks};
use crate::sink::words::fixes::{Check, Fix};
use crate::sink::words::{command, process, rule};

/// Deletes the rules that drop or reject the packets, where they have a name.
pub(super) fn dropping_rules(facts: Facts<'_>) -> Vec<Fix> {
    let ends = |role| matches!(role, RuleRole::Drops | RuleRole::Rejects);
    deletions(facts, ends, "stops the packets").collect()
}

/// Deletes the rules that translate the connection.
pub(super) fn translating_rules(facts: Facts<'_>) -> impl Iterator<Item = Fix> {
    deletions(facts, |role| role == RuleRole::Translates, "translates the connection")
}

/// Deletes the rules that give the packets another mark.
pub(super) fn marking_rules(facts: Facts<'_>) -> impl Iterator<Item = Fix> {
    deletions(
        facts,
        |role| role == RuleRole::SetsPacketMark,
        "changes the packets' mark",
    )
}

/// Sets a setting of the namespace.
pub(super) fn set(facts: Facts<'_>, (setting, netns): (&Setting, Netns), value: u32, why: String) -> Fix {
    let command = format!("sysctl -w {}={value}", quote(&setting.name()));
    Fix::command(facts.0, netns, &command, why)
}

fn deletions(facts: Facts<'_>, does: impl Fn(RuleRole) -> bool, what: &str) -> impl Iterator<Item = Fix> {
    rule::named(facts.0, does).filter_map(move |(of, netns)| {
        let owner = of.owner.map_or(String::new(), |owner| {
            format!(" It is {}'s: see to that first, or it comes back.", owner.name())
        });
        let verb = if of.index.is_some() {
            "Delete the rule"
        } else {
            "Change the policy"
        };
        let why = format!("{verb} that {what}, {}.{owner}", rule::rule_name(of));
        Some(Fix::command(facts.0, netns, &rule::delete(of)?, why))
    })
}

/// What drops the packets, where it has no name: how to find it.
pub(super) fn dropping_rule(facts: Facts<'_>) -> Option<Check> {
    let drop = facts.drop().filter(|_| facts.dropping().is_none())?;
    if !drop.is_by_rule() {
        let why = format!(
            "No netfilter rule did it ({}): see what is attached there.",
            drop.reason.name()
        );
        return Some(Check::new(facts.0, drop.netns, command::attached(drop.reason), why));
    }
    let (cause, packet) = (facts.0.cause, drop.packet);
    let rejects = drop.rejected || cause == Cause::RejectedByRule;
    let verb = if rejects { "rejects" } else { "drops" };
    let packets = if cause == Cause::ReplyRejected {
        format!("from {}", packet.source)
    } else {
        format!("to {}", packet.destination)
    };
    let mark = match drop.conntrack.map_or(0, |entry| entry.mark) {
        0 => String::new(),
        mark => format!("; look at matches on connmark {mark:#x} first"),
    };
    let why = format!(
        "Find the rule that {verb} packets {packets} {}{mark}.",
        hooks(drop.place)
    );
    let command = command::rules(drop.location, Family::of(packet));
    Some(Check::new(facts.0, drop.netns, &command, why))
}

/// Looks at the listener and its process.
pub(super) fn server(facts: Facts<'_>) -> Vec<Check> {
    let Some(listener) = facts.listener() else {
        return Vec::new();
    };
    let port = listener.address.port;
    let why = format!("Watch the queue of port {port}: Recv-Q is who waits, Send-Q the backlog.");
    let overflow = facts.drop().filter(|drop| drop.reason == DropReason::TcpListenOverflow);
    let netns = overflow.map_or(facts.1.netns, |drop| drop.netns);
    let mut checks = vec![Check::new(facts.0, netns, &command::listeners(port), why)];
    if let Some(of) = listener.process {
        let why = format!(
            "See what {} is doing: T is stopped, D is stuck in the kernel.",
            process(of.pid, of.comm)
        );
        checks.push(Check::anywhere(command::process(of.pid), why));
    }
    checks
}

/// Ends the wait of the side that is not told.
pub(super) fn half_open(facts: Facts<'_>) -> Fix {
    let connection = facts.1;
    let why = format!(
        "End the half-open connection: {} gets an error instead of waiting, and can connect again.",
        facts.who()
    );
    Fix::command(facts.0, connection.netns, &command::end_socket(connection.tuple), why)
}

/// Shows the side that is not told.
pub(super) fn waiting_socket(facts: Facts<'_>) -> Vec<Check> {
    let connection = facts.1;
    let why = format!(
        "It is established here, and {} has no such connection any more.",
        facts.sender()
    );
    let command = command::socket(connection.tuple);
    vec![Check::new(facts.0, connection.netns, &command, why)]
}
