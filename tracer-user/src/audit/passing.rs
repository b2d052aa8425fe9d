//! `bypassed-redirect`: an earlier rule ends the walk of the packets that a redirect is for.

use super::Looked;
use super::way::{Candidate, Way, alone, callers, candidates, ways};
use crate::inspect::rules::locate::locate_policy;
use crate::inspect::walk::Walker;
use crate::model::finding::{Cause, Confidence, Finding, RuleRole, Severity};
use crate::model::inspected::Inspected;
use crate::model::rules::{
    Action, Effect, End, Item, Located, NatKind, NatTarget, Network, Outcome, RuleId, Ruleset, Step,
};
use std::collections::BTreeSet;

/// One for each rule that none of its packets meets, or not those to some of its ports.
pub(super) fn find(looked: &Looked<'_>) -> Vec<Finding> {
    let ruleset = &looked.facts.snapshot.ruleset;
    let callers = callers(ruleset);
    let redirects = redirects(ruleset, &looked.facts.snapshot.network);
    let redirects = redirects.into_iter().take(RULES_MAX);
    redirects
        .filter_map(|rule| {
            let ways = ways(ruleset, &callers, rule)?;
            finding(looked, rule, &ways)
        })
        .collect()
}

fn finding(looked: &Looked<'_>, rule: RuleId, ways: &[Way]) -> Option<Finding> {
    let mut led = Led::default();
    for way in ways {
        led.lead(looked, rule, way);
    }
    let missed: Vec<u16> = led.missed.difference(&led.arrived_ports).copied().collect();
    let culprit = led.ended?;
    if missed.is_empty() || led.unclear {
        return None;
    }
    // A rule that asks for no port is let pass by some on purpose.
    let severity = if led.arrived == 0 {
        Severity::Warning
    } else {
        Severity::Info
    };
    let redirect = looked.locate(rule, None)?;
    let confidence = match redirect.packets {
        Some(0) => Confidence::Proved,
        _ => Confidence::Likely,
    };
    let mut finding = looked.finding(Cause::BypassedRedirect, severity, confidence);
    let role = match culprit.1 {
        Effect::Rejected(_) => RuleRole::Rejects,
        Effect::Translated(_) => RuleRole::Translates,
        Effect::Dropped => RuleRole::Drops,
        Effect::Passed
        | Effect::Accepted
        | Effect::Marked
        | Effect::Queued
        | Effect::Taken
        | Effect::Tracking
        | Effect::Unknown => RuleRole::Ends,
    };
    finding.culprits.push(looked.culprit(culprit.0, role));
    finding.culprits.push(looked.culprit(redirect, RuleRole::Translates));
    finding.evidence.push(looked.evidence(Inspected::Led {
        packets: led.packets,
        arrived: led.arrived,
        missed: missed.into_iter().take(Inspected::PORTS).collect(),
    }));
    Some(finding)
}

/// What became of the packets that a rule is for.
#[derive(Default)]
struct Led {
    packets: u32,
    arrived: u32,
    arrived_ports: BTreeSet<u16>,
    missed: BTreeSet<u16>,
    /// What ended the first one that did not arrive.
    ended: Option<(Located, Effect)>,
    /// Something that is not understood may have led one there.
    unclear: bool,
}

impl Led {
    fn lead(&mut self, looked: &Looked<'_>, rule: RuleId, way: &Way) {
        let (ruleset, network) = (&looked.facts.snapshot.ruleset, &looked.facts.snapshot.network);
        let only = alone(ruleset, way);
        let walker = Walker::over(&only, network);
        for candidate in candidates(ruleset, network, way) {
            let Some(wanted) = arrival(&walker, &candidate, way, rule) else {
                continue;
            };
            self.packets = self.packets.saturating_add(1);
            let walk = looked
                .walker
                .at(&candidate.packet, way.hook, candidate.input, candidate.output);
            if walk.outcomes.iter().any(|outcome| meets(outcome, rule)) {
                self.arrived = self.arrived.saturating_add(1);
                self.arrived_ports.insert(candidate.port);
                continue;
            }
            let same = |outcome: &Outcome| translated(outcome) == wanted;
            if walk.truncated
                || walk
                    .outcomes
                    .iter()
                    .any(|outcome| outcome.end == End::Unknown || same(outcome))
            {
                self.unclear = true;
                continue;
            }
            self.missed.insert(candidate.port);
            if self.ended.is_none() {
                self.ended = walk.outcomes.first().and_then(|outcome| ending(looked, outcome, way));
            }
        }
    }
}

/// Where the packet is sent when only the rules of the way are there; `None`: it does not meet the rule.
fn arrival(
    walker: &Walker<'_>,
    candidate: &Candidate,
    way: &Way,
    rule: RuleId,
) -> Option<(std::net::IpAddr, Option<u16>)> {
    let walk = walker.at(&candidate.packet, way.hook, candidate.input, candidate.output);
    let outcome = walk.outcomes.iter().find(|outcome| meets(outcome, rule))?;
    Some(translated(outcome))
}

fn translated(outcome: &Outcome) -> (std::net::IpAddr, Option<u16>) {
    (outcome.packet.destination, outcome.packet.destination_port.known())
}

fn meets(outcome: &Outcome, rule: RuleId) -> bool {
    outcome.steps.iter().any(|step| step.rule == Some(rule))
}

/// The rule that ended the way: the last one of the chains of that hook that did more than pass.
fn ending(looked: &Looked<'_>, outcome: &Outcome, way: &Way) -> Option<(Located, Effect)> {
    let ruleset = &looked.facts.snapshot.ruleset;
    let table = way.rules.first().and_then(|rule| ruleset.chain(rule.chain))?;
    let decides = |step: &&Step| match step.effect {
        Effect::Dropped | Effect::Rejected(_) | Effect::Translated(_) | Effect::Queued | Effect::Taken => true,
        Effect::Accepted | Effect::Passed => ruleset.chain(step.chain).is_some_and(|chain| {
            (chain.backend, chain.family, &chain.table) == (table.backend, table.family, &table.table)
        }),
        Effect::Marked | Effect::Tracking | Effect::Unknown => false,
    };
    let step = outcome
        .steps
        .iter()
        .rfind(|step| step.rule.is_some() && decides(step))?;
    let located = match step.rule {
        Some(rule) => looked.locate(rule, None),
        None => locate_policy(ruleset, step.chain),
    };
    Some((located?, step.effect))
}

/// The rules that hand packets to this host.
fn redirects(ruleset: &Ruleset, network: &Network) -> Vec<RuleId> {
    let mut all = Vec::new();
    for (chain, own) in ruleset.numbered().filter(|(_, chain)| !chain.dormant) {
        for (index, rule) in (0..).zip(&own.rules) {
            let steals = |item: &Item| match item {
                Item::Action(Action::Tproxy(_)) => true,
                Item::Action(Action::Nat(nat)) => match (nat.kind, &nat.target) {
                    (NatKind::Redirect, _) => true,
                    (NatKind::Destination, NatTarget::Fixed { addresses, .. }) => addresses
                        .as_ref()
                        .is_some_and(|addresses| network.is_local(*addresses.start())),
                    _ => false,
                },
                Item::Action(_) | Item::Match(_) => false,
            };
            if rule.items.iter().any(steals) {
                all.push(RuleId { chain, index });
            }
        }
    }
    all
}

/// Redirects whose packets are led.
const RULES_MAX: usize = 128;
