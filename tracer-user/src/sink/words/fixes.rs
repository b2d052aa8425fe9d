//! What a person can do: complete commands first, then what to change. Nothing that the evidence does not name.

use crate::model::finding::{Cause, Finding, RuleRole};
use crate::model::identity::Netns;
use crate::model::reason::DropReason;
use crate::model::rules::Component;
use crate::sink::words::command::{self, Family};
use crate::sink::words::facts::{Drop, Facts, hooks};
use crate::sink::words::{inspected, process, rule};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    pub kind: FixKind,
    /// Where a command runs: the path to enter the namespace, else its inode.
    pub netns: Option<String>,
    /// Complete, to be pasted into a shell; of a setting, what to set. Absent where only words help.
    pub command: Option<String>,
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixKind {
    Command,
    Setting,
    Upgrade,
}

/// What to do about a finding, the first thing first.
pub fn fixes(finding: &Finding) -> Vec<Fix> {
    let Some(connection) = &finding.connection else {
        return inspected::fixes(finding);
    };
    let facts = Facts(finding, connection);
    match finding.cause {
        Cause::ReplyRejected => reply_rejected(facts),
        Cause::RedirectTargetBlocked => redirect_target_blocked(facts),
        Cause::RedirectTargetStalled => redirect_target_stalled(facts),
        Cause::RedirectToDeadPort => redirect_to_dead_port(facts),
        Cause::SynDropped | Cause::RejectedByRule | Cause::DroppedInKernel => blocked(facts),
        Cause::AcceptQueueFull => accept_queue_full(facts),
        Cause::ResetByPeer => vec![Fix::setting(format!(
            "Look at {} (its log, its restarts) and at load balancers and firewalls on the path, not at this node.",
            facts.peer()
        ))],
        Cause::Unanswered => unanswered(facts),
        Cause::DeadRedirect
        | Cause::LeftoverChain
        | Cause::DuplicateJump
        | Cause::MarkOverlap
        | Cause::MixedBackends
        | Cause::AddressFamilyGap
        | Cause::BypassedRedirect
        | Cause::StaleEntries => inspected::fixes(finding),
    }
}

impl Fix {
    pub(super) fn command(finding: &Finding, netns: Netns, command: &str, why: impl Into<String>) -> Self {
        Self {
            kind: FixKind::Command,
            netns: command::place(finding, netns),
            command: Some(command::within(finding, netns, command)),
            why: why.into(),
        }
    }

    /// A command that needs no namespace.
    fn anywhere(command: String, why: impl Into<String>) -> Self {
        Self {
            kind: FixKind::Command,
            netns: None,
            command: Some(command),
            why: why.into(),
        }
    }

    pub(super) fn setting(why: impl Into<String>) -> Self {
        Self {
            kind: FixKind::Setting,
            netns: None,
            command: None,
            why: why.into(),
        }
    }
}

fn reply_rejected(facts: Facts<'_>) -> Vec<Fix> {
    let finding = facts.0;
    let entry = facts.entry();
    let mark = entry.map_or(0, |(entry, _)| entry.mark);
    let mut fixes = dropping_rules(facts);
    if let (Some((entry, netns)), true) = (entry, mark != 0) {
        let why = format!(
            "If the rule matches connmark {mark:#x}: forget the marked entry. At its next retransmission the connection \
             goes on or gets the RST that it never saw; either ends the hang.{}",
            if entry.translated().is_some() {
                " The entry holds its translation too: the connection needs a rule that makes it again."
            } else {
                ""
            }
        );
        fixes.push(Fix::command(finding, netns, &command::delete(entry), why));
    }
    if is_mirrord(facts, mark) {
        let known = if owner(facts).is_some() {
            ""
        } else {
            "If mirrord is used on this workload: "
        };
        fixes.push(Fix {
            kind: FixKind::Upgrade,
            netns: None,
            command: None,
            why: format!(
                "{known}mirrord before 3.134.0 sets connmark 0x1 on live connections and rejects their answers. Upgrade \
                 mirrord to 3.134.0 or later."
            ),
        });
        fixes.push(Fix {
            kind: FixKind::Setting,
            netns: None,
            command: Some("MIRRORD_AGENT_STEALER_FLUSH_CONNECTIONS=false".to_owned()),
            why: "If mirrord cannot be upgraded: set this in the environment of its agent.".to_owned(),
        });
    } else {
        fixes.push(Fix::setting(
            "Change that rule, or let the answers of established connections pass ahead of it.",
        ));
    }
    fixes
}

fn redirect_target_blocked(facts: Facts<'_>) -> Vec<Fix> {
    let mut fixes = dropping_rules(facts);
    fixes.extend(translating_rules(facts));
    fixes.push(Fix::setting(format!(
        "Let packets to {} pass in the rule that drops them, or remove the rule that redirects {} there.",
        facts.end(),
        facts.1.tuple.destination
    )));
    fixes
}

fn redirect_target_stalled(facts: Facts<'_>) -> Vec<Fix> {
    let mut fixes = server(facts);
    fixes.extend(translating_rules(facts));
    fixes.push(Fix::setting(format!(
        "Make that process accept again, or restart it; else remove the rule that redirects {} to {}.",
        facts.1.tuple.destination,
        facts.end()
    )));
    fixes
}

fn redirect_to_dead_port(facts: Facts<'_>) -> Vec<Fix> {
    let (finding, end) = (facts.0, facts.end());
    let destination = facts.1.tuple.destination;
    let family = Family::of(facts.1.tuple);
    let netns = facts.1.netns;
    let mut fixes = vec![Fix::command(
        finding,
        netns,
        &command::listeners(end.port),
        format!("Check that nobody listens on port {} (it prints nothing).", end.port),
    )];
    fixes.extend(translating_rules(facts));
    if facts.translating().is_none() {
        fixes.push(Fix::command(
            finding,
            netns,
            &command::rules(None, family),
            format!(
                "Find the rule: nat table, OUTPUT or PREROUTING, port {} to port {} (REDIRECT or DNAT). If there is \
                 none, an older conntrack entry does it.",
                destination.port, end.port
            ),
        ));
    }
    fixes.push(Fix::setting(format!(
        "Restart the program that should listen on port {}, or remove the rule if it is a leftover.",
        end.port
    )));
    fixes
}

fn blocked(facts: Facts<'_>) -> Vec<Fix> {
    let mut fixes = dropping_rules(facts);
    if facts.drop().is_none_or(|drop| drop.is_by_rule()) {
        fixes.push(Fix::setting(format!(
            "If the connection to {} is meant to work: change that rule, or allow the connection ahead of it.",
            facts.1.tuple.destination
        )));
    }
    fixes
}

fn accept_queue_full(facts: Facts<'_>) -> Vec<Fix> {
    let mut fixes = server(facts);
    let backlog = facts
        .listener()
        .map_or(String::new(), |listener| format!(" (now {})", listener.backlog));
    fixes.push(Fix::setting(format!(
        "Let the server accept faster, or give it a longer backlog{backlog}: the argument of listen(), which \
         net.core.somaxconn limits."
    )));
    fixes
}

fn unanswered(facts: Facts<'_>) -> Vec<Fix> {
    let finding = facts.0;
    vec![
        Fix::command(
            finding,
            facts.1.netns,
            &command::capture(facts.1.tuple),
            "See whether the packets leave and whether an answer comes back.",
        ),
        Fix::setting(format!("Look at {} and at the path to it.", facts.peer())),
    ]
}

/// The rules that drop or reject the packets: each deleted by name, or how to find it.
fn dropping_rules(facts: Facts<'_>) -> Vec<Fix> {
    let ends = |role| matches!(role, RuleRole::Drops | RuleRole::Rejects);
    let named: Vec<_> = deletions(facts, ends, "stops the packets").collect();
    if named.is_empty() {
        return facts
            .drop()
            .map(|drop| dropping_rule(facts, drop))
            .into_iter()
            .collect();
    }
    named
}

fn translating_rules(facts: Facts<'_>) -> impl Iterator<Item = Fix> {
    deletions(facts, |role| role == RuleRole::Translates, "translates the connection")
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

/// Who owns the rule that stops the packets.
fn owner(facts: Facts<'_>) -> Option<Component> {
    facts.dropping()?.owner
}

/// Whether the rule is mirrord's, or may be by the mark alone.
fn is_mirrord(facts: Facts<'_>, mark: u32) -> bool {
    owner(facts).map_or(mark == MIRRORD_MARK, |owner| owner == Component::Mirrord)
}

/// Lists the rules where the packets were dropped, and says which one to look for.
fn dropping_rule(facts: Facts<'_>, drop: Drop<'_>) -> Fix {
    if !drop.is_by_rule() {
        let why = format!(
            "No netfilter rule did it ({}): see what is attached there.",
            drop.reason.name()
        );
        return Fix::command(facts.0, drop.netns, command::attached(drop.reason), why);
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
    Fix::command(facts.0, drop.netns, &command, why)
}

/// Looks at the listener and its process.
fn server(facts: Facts<'_>) -> Vec<Fix> {
    let Some(listener) = facts.listener() else {
        return Vec::new();
    };
    let port = listener.address.port;
    let why = format!("Watch the queue of port {port}: Recv-Q is who waits, Send-Q the backlog.");
    let overflow = facts.drop().filter(|drop| drop.reason == DropReason::TcpListenOverflow);
    let netns = overflow.map_or(facts.1.netns, |drop| drop.netns);
    let mut fixes = vec![Fix::command(facts.0, netns, &command::listeners(port), why)];
    if let Some(of) = listener.process {
        let why = format!(
            "See what {} is doing: T is stopped, D is stuck in the kernel.",
            process(of.pid, of.comm)
        );
        fixes.push(Fix::anywhere(command::process(of.pid), why));
    }
    fixes
}

/// What mirrord before 3.134.0 sets (its pull request 3106 removed it).
const MIRRORD_MARK: u32 = 0x1;
