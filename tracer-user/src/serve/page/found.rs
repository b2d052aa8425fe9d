//! The open findings, and those that ended.

use super::{Moment, finding, short};
use crate::board::Board;
use crate::model::finding::{Finding, Severity};
use crate::sink::words::{self, count, thousands};
use maud::{Markup, html};
use std::cmp::Reverse;

/// What there is to see, in one sentence.
pub(super) fn status(board: &Board) -> String {
    let findings = board.findings();
    let of = |severity| findings.open().filter(|finding| finding.severity == severity).count();
    let numbers = [
        (of(Severity::Error), "error"),
        (of(Severity::Warning), "warning"),
        (of(Severity::Info), "note"),
    ];
    let numbers: Vec<_> = numbers
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| count(as_u64(number), what))
        .collect();
    if numbers.is_empty() {
        return "Nothing is wrong: no finding is open.".to_owned();
    }
    let hanging = match findings.hanging() {
        0 => "no connection hangs".to_owned(),
        1 => "1 connection hangs".to_owned(),
        number => format!("{} connections hang", thousands(number)),
    };
    format!("Open findings: {}; {hanging} now.", numbers.join(", "))
}

pub(super) fn open(board: &Board, moment: Moment) -> Markup {
    let mut findings: Vec<&Finding> = board.findings().open().collect();
    findings.sort_by_key(|finding| Reverse((finding.severity, finding.last)));
    let (whole, rest) = findings.split_at(findings.len().min(WHOLE));
    html! {
        section aria-labelledby="findings" {
            h2 #findings { "Open findings (" (findings.len()) ")" }
            @if findings.is_empty() { p { "None." } }
            @for finding in whole { (finding::article(finding, moment)) }
            @if !rest.is_empty() {
                h3 { "More, in short" }
                ul { @for finding in rest { li { (line(finding)) } } }
            }
            @if board.findings().left_out() > 0 {
                p.warning { (count(board.findings().left_out(), "finding")) " more had no place here. They are in the output." }
            }
        }
    }
}

pub(super) fn ended(board: &Board, moment: Moment) -> Markup {
    let findings = board.findings().closed();
    html! {
        section aria-labelledby="ended" {
            h2 #ended { "Ended lately (" (findings.len()) ")" }
            @if findings.len() == 0 { p { "None." } }
            ul.ended {
                @for finding in findings {
                    li { (line(finding)) " " span.dim { "Ended " (moment.ago(finding.at)) "." } }
                }
            }
        }
    }
}

fn line(finding: &Finding) -> Markup {
    html! { strong { (finding.cause.name()) } " #" (finding.id) ": " (short(&words::summary(finding))) "." }
}

fn as_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Findings that are shown with all that is known, the worst first; of the others there is a line.
const WHOLE: usize = 50;
