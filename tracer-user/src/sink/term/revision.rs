//! What a later revision of a shown finding changed, in one line.

use crate::model::finding::{Cause, Confidence, Finding, State};
use crate::sink::jsont::Spell;
use crate::sink::term::page::Page;
use crate::sink::term::style;
use crate::sink::words;
use std::time::Duration;

/// What of a finding was shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub cause: Cause,
    confidence: Confidence,
    count: u64,
    victims: usize,
    lost: u64,
}

impl Shown {
    pub(super) fn of(finding: &Finding) -> Self {
        Self {
            cause: finding.cause,
            confidence: finding.confidence,
            count: finding.count,
            victims: finding.victims.len(),
            lost: finding.lost,
        }
    }
}

/// Nothing where nothing changed that a person would want to know.
pub(super) fn write(finding: &Finding, before: Shown, page: &mut Page<'_>) {
    let mut changes = Vec::new();
    match finding.state {
        State::Open | State::Updated => {}
        State::Closed => changes.push(ended(finding)),
        State::Retracted => changes.push("withdrawn: what was seen since speaks against it".to_owned()),
    }
    if finding.count != before.count {
        changes.push(format!("{} so far", words::count(finding.count, "connection")));
    }
    if finding.confidence != before.confidence {
        changes.push(format!(
            "now {}, was {}",
            finding.confidence.spell(),
            before.confidence.spell()
        ));
    }
    if finding.victims.len() > before.victims {
        let waiting = words::count(
            u64::try_from(finding.victims.len()).unwrap_or(u64::MAX),
            "more connection",
        );
        changes.push(format!("{waiting} waiting for it"));
    }
    if before.lost == 0 {
        changes.extend(words::lost_meanwhile(finding));
    }
    if !changes.is_empty() {
        let name = format!("{} #{}", finding.cause.name(), finding.id);
        page.line(&[(style::STRONG, &name), (anstyle::Style::new(), &changes.join(", "))]);
    }
}

/// `ended after 12.0 s`.
pub(super) fn ended(finding: &Finding) -> String {
    format!("ended after {}", words::seconds(lasted(finding)))
}

fn lasted(finding: &Finding) -> Duration {
    let times = finding
        .connection
        .as_ref()
        .map(|connection| (connection.started, connection.ended));
    let (started, ended) = times.unwrap_or_default();
    match (started, ended, finding.count) {
        (Some(started), Some(ended), 0 | 1) => ended.since(started),
        (started, ..) => finding.last.since(started.unwrap_or(finding.first).min(finding.first)),
    }
}
