//! One finding: what happens, to whom, what to do about it, and what proves it.

use super::{Moment, long, short};
use crate::model::finding::{Connection, Culprit, Finding, Way};
use crate::sink::jsont::Spell;
use crate::sink::words::{self, Check, Fix, count, thousands};
use maud::{Markup, html};

pub(super) fn article(finding: &Finding, moment: Moment) -> Markup {
    let severity = finding.severity.spell();
    let id = format!("finding-{}", finding.id);
    html! {
        article class={ "finding " (severity) } aria-labelledby=(id) {
            h3 id=(id) {
                span.severity { (severity) } " " (finding.cause.name())
                span.dim { " #" (finding.id) ", " (finding.confidence.spell()) }
            }
            p.summary { (short(&words::summary(finding))) "." }
            (facts(finding, moment))
            (to_do(&words::fixes(finding)))
            details {
                summary { "Why, and what proves it" }
                p { (long(&words::why(finding))) }
                (proof(finding))
                (checks(&words::checks(finding)))
                (considered(finding))
            }
        }
    }
}

fn facts(finding: &Finding, moment: Moment) -> Markup {
    html! {
        dl {
            @if let Some(connection) = &finding.connection { (connection_facts(finding, connection)) }
            @let rules = rules(finding);
            @if !rules.is_empty() {
                dt { "Rules" }
                @for rule in rules { dd { code { (rule) } } }
            }
            @if finding.connection.is_some() {
                dt { "Connections" }
                dd { (extent(finding)) }
            }
            @if let Some(lost) = words::lost_meanwhile(finding) {
                dt { "Note" }
                dd { (lost) "." }
            }
            dt { "Seen" }
            dd {
                "first " (moment.time(finding.first)) ", " (moment.ago(finding.first))
                "; last " (moment.ago(finding.last))
            }
        }
    }
}

fn connection_facts(finding: &Finding, connection: &Connection) -> Markup {
    let way = match connection.way {
        Way::Outbound => "outbound",
        Way::Inbound => "inbound",
    };
    let netns = words::netns(finding, connection.netns);
    html! {
        dt { "Connection" }
        dd { code { (words::connection(connection)) } ", " (way) ", " (short(&netns)) }
        @if let Some(translated) = connection.translated {
            dt { "After NAT" }
            dd { code { (translated.to_string()) } }
        }
        @if let Some(holder) = words::holder(connection) {
            dt { "Process" }
            dd { (short(&holder)) }
        }
        @if let Some(program) = words::program(finding, connection) {
            dt { "Program" }
            dd { code { (short(&program)) } }
        }
        @if let Some((label, place)) = words::place_of(finding, connection) {
            dt { @if label == "pod" { "Pod" } @else { "Container" } }
            dd { (short(&place)) }
        }
    }
}

/// The rules that are known, each with what it has to do with it.
fn rules(finding: &Finding) -> Vec<String> {
    let rules = finding.culprits.iter().filter_map(|culprit| {
        let Culprit::Rule {
            rule: Some(rule), role, ..
        } = culprit
        else {
            return None;
        };
        Some(short(&words::rule_line(rule, *role)))
    });
    rules.take(LISTED).collect()
}

/// How many connections, and how many of them hang.
fn extent(finding: &Finding) -> String {
    let mut text = format!("{} in all", thousands(finding.count));
    if finding.unexamined > 0 {
        text = format!("{text} ({} not looked at)", thousands(finding.unexamined));
    }
    match finding.hanging {
        0 => format!("{text}, none hangs"),
        1 => format!("{text}, 1 hangs"),
        number => format!("{text}, {} hang", thousands(number)),
    }
}

fn to_do(fixes: &[Fix]) -> Markup {
    html! {
        @if !fixes.is_empty() {
            h4 { "What to do" }
            ol {
                @for fix in fixes.iter().take(LISTED) {
                    li {
                        p { (long(&fix.why)) }
                        @if let Some(command) = &fix.command { (pasted(command)) }
                    }
                }
            }
        }
    }
}

fn checks(checks: &[Check]) -> Markup {
    html! {
        @if !checks.is_empty() {
            h4 { "See it by hand" }
            ul {
                @for check in checks.iter().take(LISTED) {
                    li { p { (long(&check.why)) } (pasted(&check.command)) }
                }
            }
        }
    }
}

/// A command is there to be pasted: whole, or not at all.
fn pasted(command: &str) -> Markup {
    html! {
        @if command.len() <= COMMAND {
            pre { code { (command) } }
        } @else {
            p.dim { "The command has " (count(u64::try_from(command.len()).unwrap_or(u64::MAX), "byte")) ": it is in the output." }
        }
    }
}

/// The evidence in the order of time, counted from the connect.
fn proof(finding: &Finding) -> Markup {
    let connection = finding.connection.as_ref();
    let zero = connection
        .and_then(|connection| connection.started)
        .unwrap_or(finding.first);
    let mut evidence: Vec<_> = finding.evidence.iter().collect();
    evidence.sort_by_key(|evidence| words::evidence_at(evidence));
    html! {
        @if !evidence.is_empty() {
            h4 { "Proof" }
            ul.proof {
                @for evidence in evidence.iter().take(LISTED) {
                    li {
                        span.when { (words::after(zero, words::evidence_at(evidence))) } " "
                        (long(&words::evidence(finding, evidence)))
                    }
                }
                @if evidence.len() > LISTED { li { "and " (evidence.len() - LISTED) " more" } }
            }
        }
    }
}

fn considered(finding: &Finding) -> Markup {
    html! {
        @if !finding.considered.is_empty() {
            h4 { "Not" }
            ul {
                @for other in finding.considered.iter().take(LISTED) {
                    li { (other.cause.name()) ": " (other.why_not) }
                }
            }
        }
    }
}

/// Items of one list.
const LISTED: usize = 24;
/// Bytes of a command.
const COMMAND: usize = 4_000;
