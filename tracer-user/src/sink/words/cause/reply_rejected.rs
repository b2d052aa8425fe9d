//! Answers are rejected or dropped by a rule.

use super::Words;
use super::mechanism::dropper;
use super::opening::{dropping, whereabouts};
use super::remedy::{dropping_rule, dropping_rules};
use crate::model::conntrack::Conntrack;
use crate::model::identity::Netns;
use crate::model::rules::Component;
use crate::model::tcp::{ConntrackState, TcpState};
use crate::sink::words::command::{self, Towards};
use crate::sink::words::facts::{Facts, hooks};
use crate::sink::words::fixes::{Check, Fix, FixKind};
use crate::sink::words::phrase::{holder, seconds};
use crate::sink::words::rule_name;

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
    let marks = facts.entry().filter(|(entry, _)| entry.mark != 0);
    text.extend(marks.map(|(entry, _)| marked(facts, entry.mark)));
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
    }
    text.extend(waiting(facts));
    text.extend(facts.ends_in().map(|ends| match ends {
        Some(ends) => format!("Left alone, the hang ends in about {}.", seconds(ends)),
        None => "It does not end by itself, or only when the socket gives up after a quarter of an hour.".to_owned(),
    }));
    text
}

/// Why the applications see nothing.
fn waiting(facts: Facts<'_>) -> Option<String> {
    let first = facts.0.victims.first()?;
    let who = holder(first).unwrap_or_else(|| "An application".to_owned());
    let others = match facts.0.victims.len() {
        1 => String::new(),
        many => format!(" (and {} like it)", many - 1),
    };
    Some(format!(
        "{who}{others} waits behind {}, and sees nothing of it: its own connection ends at that process and works, only \
         the answer does not come.",
        facts.who()
    ))
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    let mark = facts.entry().map_or(0, |(entry, _)| entry.mark);
    let forget = facts.entry().filter(|_| mark != 0);
    let forget = forget.map(|(entry, netns)| forget_marked(facts, entry, netns));
    if is_mirrords(facts) && forget.is_some() {
        return forget.into_iter().chain(better_mirrord("")).collect();
    }
    let mut fixes = dropping_rules(facts);
    // Where a rule sets the mark, the next entry has it, too.
    if fixes.is_empty() || facts.is_marked_from_outside() {
        fixes.extend(forget);
    }
    if is_mirrords(facts) {
        fixes.extend(better_mirrord(""));
    } else if may_be_mirrords(facts, mark) {
        fixes.extend(better_mirrord("If mirrord is used on this workload: "));
    } else {
        fixes.push(Fix::setting(
            "Change that rule, or let the answers of established connections pass ahead of it.",
        ));
    }
    fixes
}

fn forget_marked(facts: Facts<'_>, entry: &Conntrack, netns: Netns) -> Fix {
    let mark = entry.mark;
    let towards = towards(facts, entry);
    let to = match towards {
        Towards::Endpoint(endpoint) => format!("to {endpoint}"),
        Towards::Port(port) => format!("to port {port}"),
        Towards::Anywhere => "of this namespace".to_owned(),
    };
    let condition = match facts.mark_setter() {
        Some((_, Some(true))) => "Forget",
        _ => "If it is the mark that the rule matches, forget",
    };
    let again = if entry.translated().is_some() || !facts.0.victims.is_empty() {
        " What an entry translated, the rules have to translate again."
    } else {
        ""
    };
    let why = format!(
        "{condition} the entries with connmark {mark:#x} of connections {to}: this one's, and any other leg of it. At its \
         next retransmission each goes on, or gets the RST that it never saw; either ends the hang.{again}"
    );
    Fix::command(facts.0, netns, &command::delete_marked(entry, towards), why)
}

/// What all connections of the finding have in common: as little as possible is to be forgotten.
fn towards(facts: Facts<'_>, entry: &Conntrack) -> Towards {
    let destination = entry.original.destination;
    let mut others = facts.0.examples.iter().map(|example| example.tuple.destination);
    if others.clone().all(|other| other == destination) {
        Towards::Endpoint(destination)
    } else if others.all(|other| other.port == destination.port) {
        Towards::Port(destination.port)
    } else {
        Towards::Anywhere
    }
}

fn better_mirrord(known: &str) -> [Fix; 2] {
    let upgrade = Fix {
        kind: FixKind::Upgrade,
        netns: None,
        command: None,
        why: format!(
            "{known}mirrord before 3.134.0 sets connmark 0x1 on live connections and rejects their answers. Upgrade mirrord \
             to 3.134.0 or later."
        ),
    };
    let setting = Fix {
        kind: FixKind::Setting,
        netns: None,
        command: Some("MIRRORD_AGENT_STEALER_FLUSH_CONNECTIONS=false".to_owned()),
        why: "If mirrord cannot be upgraded: set this in the environment of its agent.".to_owned(),
    };
    [upgrade, setting]
}

/// Where the rule has no name, and what of it a person can see.
fn checks(facts: Facts<'_>) -> Vec<Check> {
    let marked = facts.entry().filter(|(entry, _)| entry.mark != 0);
    let marked = marked.map(|(entry, netns)| {
        let why = "See the marked entries: CLOSE, although ss shows their sockets as ESTAB.";
        Check::new(facts.0, netns, &command::list_marked(entry, towards(facts, entry)), why)
    });
    dropping_rule(facts).into_iter().chain(marked).collect()
}

fn marked(facts: Facts<'_>, mark: u32) -> String {
    if facts.dropping().is_none() {
        return format!(
            "The connection carries connmark {mark:#x}: inferred, not seen, that the rule matches this mark; connections \
             without it would then be unharmed."
        );
    }
    let decides = match facts.mark_setter() {
        Some((_, Some(true))) => ", and that is why: without that mark the same rules let the packets in",
        _ => "",
    };
    if let Some(rule) = facts.marking() {
        return format!(
            "The connection carries connmark {mark:#x}, which {} sets{decides}.",
            rule_name(rule)
        );
    }
    let who = match (facts.is_marked_from_outside(), is_mirrords(facts)) {
        (false, _) => "",
        (true, false) => " No rule here sets it: somebody did with `conntrack -U` or the like.",
        (true, true) => {
            " No rule here sets it: somebody did with `conntrack -U`, as mirrord up to 3.133 does with every \
             connection to a port when it begins to steal that port."
        }
    };
    format!("The connection carries connmark {mark:#x}{decides}.{who}")
}

/// Who owns the rule that stops the packets.
fn owner(facts: Facts<'_>) -> Option<Component> {
    facts.dropping()?.owner
}

/// Whether the rule is the one of mirrord that rejects by a mark.
fn is_mirrords(facts: Facts<'_>) -> bool {
    let decides = facts.mark_setter().and_then(|(_, decides)| decides);
    owner(facts) == Some(Component::Mirrord) && decides != Some(false)
}

/// Nobody is known to own the rule, and the mark may be mirrord's.
fn may_be_mirrords(facts: Facts<'_>, mark: u32) -> bool {
    owner(facts).is_none() && mark == MIRRORD_MARK && facts.marking().is_none()
}

/// What mirrord before 3.134.0 sets (its pull request 3106 removed it).
const MIRRORD_MARK: u32 = 0x1;
