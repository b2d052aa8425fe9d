//! Answers are rejected or dropped by a rule.

use super::Words;
use super::mechanism::dropper;
use super::opening::{dropping, whereabouts};
use super::remedy::{dropping_rule, dropping_rules};
use crate::model::rules::Component;
use crate::model::tcp::{ConntrackState, TcpState};
use crate::sink::words::facts::{Facts, hooks};
use crate::sink::words::fixes::{Check, Fix, FixKind};
use crate::sink::words::{command, rule_name};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn summary(facts: Facts<'_>) -> String {
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

fn why(facts: Facts<'_>) -> Vec<String> {
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

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
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

/// Where the rule has no name.
fn checks(facts: Facts<'_>) -> Vec<Check> {
    dropping_rule(facts).into_iter().collect()
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

/// Who owns the rule that stops the packets.
fn owner(facts: Facts<'_>) -> Option<Component> {
    facts.dropping()?.owner
}

/// Whether the rule is mirrord's, or may be by the mark alone.
fn is_mirrord(facts: Facts<'_>, mark: u32) -> bool {
    owner(facts).map_or(mark == MIRRORD_MARK, |owner| owner == Component::Mirrord)
}

/// What mirrord before 3.134.0 sets (its pull request 3106 removed it).
const MIRRORD_MARK: u32 = 0x1;
