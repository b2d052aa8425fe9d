//! The block of one finding: what happens, to whom, why, what proves it, what to do.

use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Connection, Culprit, Finding, Severity, State, Way};
use crate::model::time::Timestamp;
use crate::sink::clock::Clock;
use crate::sink::jsont::Spell;
use crate::sink::term::page::Page;
use crate::sink::term::{line, revision, style};
use crate::sink::words;

/// `before` is the cause that this id had until now.
pub(super) fn write(finding: &Finding, before: Option<Cause>, clock: Clock, page: &mut Page<'_>) {
    page.blank();
    headline(finding, before, clock, page);
    page.paragraph(style::STRONG, &format!("{}.", words::summary(finding)));
    page.blank();
    if let Some(own) = &finding.connection {
        connection(finding, own, clock, page);
    }
    others("also", "connections with this cause", &finding.examples, finding, page);
    others(
        "waiting",
        "connections that wait because of it",
        &finding.victims,
        finding,
        page,
    );
    culprits(finding, page);
    rules(finding, page);
    page.field("why", &words::why(finding));
    proof(finding, page);
    if let Some(lost) = words::lost_meanwhile(finding) {
        page.field("note", &format!("{lost}."));
    }
    to_do(finding, page);
    checks(finding, page);
    for (at, considered) in finding.considered.iter().enumerate() {
        let label = if at == 0 { "not" } else { "" };
        page.hanging(
            label,
            "- ",
            &format!("{}: {}", considered.cause.name(), considered.why_not),
        );
    }
    if finding.state == State::Closed {
        page.field("now", &revision::ended(finding));
    }
}

fn headline(finding: &Finding, before: Option<Cause>, clock: Clock, page: &mut Page<'_>) {
    let severity = match finding.severity {
        Severity::Error => "ERROR",
        Severity::Warning => "WARNING",
        Severity::Info => "INFO",
    };
    let colour = style::severity(finding.severity);
    let title = format!("{severity} {}", finding.cause.name());
    let before = before.map_or(String::new(), |before| format!(", before taken for {}", before.name()));
    let rest = format!(
        "{}, #{}, {} UTC{before}",
        finding.confidence.spell(),
        finding.id,
        line::time(finding.at, clock)
    );
    page.line(&[(colour, &title), (style::DIM, &rest)]);
}

fn connection(finding: &Finding, connection: &Connection, clock: Clock, page: &mut Page<'_>) {
    let way = match connection.way {
        Way::Outbound => "outbound",
        Way::Inbound => "inbound",
    };
    let netns = words::netns(finding, connection.netns);
    page.field(
        "connection",
        &format!("{}, {way}, {netns}", words::connection(connection)),
    );
    if let Some(translated) = connection.translated {
        page.field("after NAT", &translated.to_string());
    }
    if let Some(holder) = words::holder(connection) {
        let uid = connection
            .owner
            .map_or(String::new(), |owner| format!(", uid {}", owner.uid));
        page.field("process", &format!("{holder}{uid}"));
    }
    who(finding, connection, page);
    page.field("state", &state(connection, finding.at, clock));
}

/// The program, container and pod that have the connection.
fn who(finding: &Finding, connection: &Connection, page: &mut Page<'_>) {
    if let Some(program) = words::program(finding, connection) {
        page.field("program", &program);
    }
    if let Some((label, place)) = words::place_of(finding, connection) {
        page.field(label, &place);
    }
}

/// Where those who do it belong, if that is elsewhere.
fn culprits(finding: &Finding, page: &mut Page<'_>) {
    for (at, place) in words::culprits_places(finding).iter().enumerate() {
        page.hanging(if at == 0 { "culprit" } else { "" }, "- ", &format!("in {place}"));
    }
}

/// The rules that are known, each with what it has to do with it.
fn rules(finding: &Finding, page: &mut Page<'_>) {
    let rules = finding.culprits.iter().filter_map(|culprit| {
        let Culprit::Rule {
            rule: Some(rule), role, ..
        } = culprit
        else {
            return None;
        };
        Some((rule, *role))
    });
    for (at, (rule, role)) in rules.enumerate() {
        let label = if at == 0 { "rule" } else { "" };
        page.hanging(label, "- ", &words::rule_line(rule, role));
    }
}

/// `SYN_SENT for 3.2 s (since 14:03:07.123), 3 SYN retransmits, 9 bytes unacknowledged`.
fn state(connection: &Connection, now: Timestamp, clock: Clock) -> String {
    let state = connection.state.map_or("unknown", |state| state.name());
    let mut age = match (connection.started, connection.ended) {
        (Some(started), Some(ended)) => format!("ended as {state}, {} old", words::seconds(ended.since(started))),
        (None, Some(_)) => format!("ended as {state}"),
        (Some(started), None) => format!("{state}, {} old", words::seconds(now.since(started))),
        (None, None) => state.to_owned(),
    };
    if let Some(started) = connection.started {
        age = format!("{age} (since {} UTC)", line::time(started, clock));
    }
    let numbers = [
        (connection.syn_retransmits, "SYN retransmit", ""),
        (connection.retransmits, "retransmit", ""),
        (connection.unacked, "byte", " unacknowledged"),
    ];
    let numbers = numbers.into_iter().filter(|(number, ..)| *number > 0);
    let numbers = numbers.map(|(number, what, how)| words::count(u64::from(number), what) + how);
    std::iter::once(age).chain(numbers).collect::<Vec<_>>().join(", ")
}

/// A list of connections; of one with the finding's own, nothing.
fn others(label: &str, what: &str, connections: &[Connection], finding: &Finding, page: &mut Page<'_>) {
    let own = finding.connection.as_ref().map(|connection| connection.id);
    let mut others = connections
        .iter()
        .filter(|connection| Some(connection.id) != own)
        .peekable();
    if others.peek().is_none() {
        return;
    }
    let all = match label {
        "also" => {
            let unexamined = match finding.unexamined {
                0 => String::new(),
                number => format!(" ({} of them not looked at)", words::thousands(number)),
            };
            let all = words::count(finding.count, "connection");
            format!("{all} in all{unexamined}, among them")
        }
        _ => format!("{what}:"),
    };
    page.field(label, &all);
    for connection in others {
        let holder = words::holder(connection).map_or(String::new(), |holder| format!(", {holder}"));
        page.hanging("", "- ", &format!("{}{holder}", words::connection(connection)));
    }
}

/// The evidence in the order of time, counted from the connect.
fn proof(finding: &Finding, page: &mut Page<'_>) {
    let zero = finding
        .connection
        .as_ref()
        .and_then(|connection| connection.started)
        .unwrap_or(finding.first);
    let mut evidence: Vec<&Evidence> = finding.evidence.iter().collect();
    evidence.sort_by_key(|evidence| words::evidence_at(evidence));
    let times: Vec<_> = evidence
        .iter()
        .map(|evidence| words::after(zero, words::evidence_at(evidence)))
        .collect();
    let width = times.iter().map(String::len).max().unwrap_or(0);
    for (at, (evidence, time)) in evidence.into_iter().zip(&times).enumerate() {
        let label = if at == 0 { "proof" } else { "" };
        page.hanging(label, &format!("{time:>width$}  "), &words::evidence(finding, evidence));
    }
}

fn to_do(finding: &Finding, page: &mut Page<'_>) {
    for (at, fix) in words::fixes(finding).iter().enumerate() {
        let label = if at == 0 { "to do" } else { "" };
        page.hanging(label, &format!("{}. ", at + 1), &fix.why);
        if let Some(command) = &fix.command {
            page.command(command);
        }
    }
}

/// How to see it by hand.
fn checks(finding: &Finding, page: &mut Page<'_>) {
    for (at, check) in words::checks(finding).iter().enumerate() {
        let label = if at == 0 { "check" } else { "" };
        page.hanging(label, "- ", &check.why);
        page.command(&check.command);
    }
}
