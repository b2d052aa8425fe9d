//! `bypassed-redirect`: an earlier rule ends the walk of the packets that a redirect is for.
//!
//! Only where that rule asks for nothing more than the redirect does: what lets some pass is an exemption, not a fault.

use super::cover::Scope;
use super::way::{Candidate, Way, alone, asked_ports, callers, candidates, ways};
use super::{Looked, Told};
use crate::inspect::walk::Walker;
use crate::model::finding::{Cause, Confidence, Finding, RuleRole, Severity};
use crate::model::inspected::Inspected;
use crate::model::rules::{
    Action, End, Family, Item, NatKind, NatTarget, Network, Outcome, Rule, RuleId, Ruleset, Verdict,
};
use std::collections::BTreeSet;

/// One for each rule that none of its packets meets, or not those to some of its ports.
pub(super) fn find(looked: &Looked<'_>, told: &mut Told<'_>) -> Vec<Finding> {
    let ruleset = &looked.facts.snapshot.ruleset;
    let callers = callers(ruleset);
    let mut covered = Vec::new();
    // Where others that lead to the same place are met, it is not lost.
    let mut reached = BTreeSet::new();
    let mut crowded = 0_u32;
    for rule in redirects(ruleset, &looked.facts.snapshot.network) {
        if told.is_late() {
            break;
        }
        match ways(ruleset, &callers, rule) {
            None => crowded = crowded.saturating_add(1),
            Some(ways) => match Covered::of(ruleset, rule, ways) {
                Some(found) => {
                    if found.ports.is_some() {
                        reached.extend(place(ruleset, rule));
                    }
                    covered.push(found);
                }
                None => reached.extend(place(ruleset, rule)),
            },
        }
    }
    if crowded > 0 {
        told.gap(format!(
            "{crowded} redirecting rules are reached on too many ways: whether they are bypassed is not known"
        ));
    }
    let mut findings = Vec::new();
    for found in covered {
        let elsewhere =
            found.ports.is_none() && place(ruleset, found.rule).is_some_and(|place| reached.contains(&place));
        if !elsewhere && !told.is_late() {
            findings.extend(finding(looked, &found));
        }
    }
    findings
}

/// A redirect that an earlier rule covers on all its ways.
struct Covered {
    rule: RuleId,
    ways: Vec<Way>,
    /// Only packets to these of its ports; `None`: all.
    ports: Option<Vec<u16>>,
    by: RuleId,
}

impl Covered {
    fn of(ruleset: &Ruleset, rule: RuleId, ways: Vec<Way>) -> Option<Self> {
        // It redirects.
        if ruleset
            .rule(rule)?
            .counters
            .is_some_and(|counters| counters.packets > 0)
        {
            return None;
        }
        let ender = |port: Option<u16>| {
            let mut enders = ways.iter().map(|way| Scope::new(ruleset, way, port).ender(way));
            let first = enders.next()??;
            enders.all(|ender| ender.is_some()).then_some(first)
        };
        let (ports, by) = if let Some(by) = ender(None) {
            (None, by)
        } else {
            let named = asked_ports(ruleset, &ways);
            let missed = named.into_iter().filter_map(|port| Some((port, ender(Some(port))?)));
            let (ports, enders): (Vec<u16>, Vec<RuleId>) = missed.unzip();
            (Some(ports), *enders.first()?)
        };
        Some(Self { rule, ways, ports, by })
    }
}

/// What tells where a redirect leads.
fn place(ruleset: &Ruleset, rule: RuleId) -> Option<(Family, u16)> {
    let family = ruleset.chain(rule.chain)?.family;
    let port = ruleset.rule(rule)?.items.iter().find_map(|item| match item {
        Item::Action(Action::Nat(nat)) => match &nat.target {
            NatTarget::Fixed { ports, .. } => ports.as_ref().map(|ports| *ports.start()),
            NatTarget::Map { .. } | NatTarget::Unknown(_) => None,
        },
        Item::Action(Action::Tproxy(proxy)) => proxy.port,
        Item::Action(_) | Item::Match(_) => None,
    });
    Some((family, port?))
}

fn finding(looked: &Looked<'_>, covered: &Covered) -> Option<Finding> {
    let mut led = Led::default();
    for way in &covered.ways {
        led.lead(looked, covered.rule, way);
    }
    let is_covered = |port: &u16| covered.ports.as_ref().is_none_or(|ports| ports.contains(port));
    let missed = led.missed.difference(&led.arrived_ports).copied().filter(is_covered);
    let missed: Vec<u16> = missed.collect();
    let contradicted = covered.ports.is_none() && led.arrived > 0;
    if missed.is_empty() || led.unclear || contradicted {
        return None;
    }
    let severity = if covered.ports.is_none() {
        Severity::Warning
    } else {
        Severity::Info
    };
    let redirect = looked.locate(covered.rule, None)?;
    let confidence = match redirect.packets {
        Some(0) => Confidence::Proved,
        _ => Confidence::Likely,
    };
    let mut finding = looked.finding(Cause::BypassedRedirect, severity, confidence);
    let role = role(looked.facts.snapshot.ruleset.rule(covered.by)?);
    finding
        .culprits
        .push(looked.culprit(looked.locate(covered.by, None)?, role));
    finding.culprits.push(looked.culprit(redirect, RuleRole::Translates));
    finding.evidence.push(looked.evidence(Inspected::Led {
        packets: led.packets,
        arrived: led.arrived,
        missed: missed.into_iter().take(Inspected::PORTS).collect(),
    }));
    Some(finding)
}

fn role(rule: &Rule) -> RuleRole {
    let does = |item: &Item| match item {
        Item::Action(Action::Verdict(Verdict::Drop)) => Some(RuleRole::Drops),
        Item::Action(Action::Verdict(Verdict::Reject(_))) => Some(RuleRole::Rejects),
        Item::Action(Action::Nat(_)) => Some(RuleRole::Translates),
        Item::Action(_) | Item::Match(_) => None,
    };
    rule.items.iter().find_map(does).unwrap_or(RuleRole::Ends)
}

/// What became of the packets that a rule is for.
#[derive(Default)]
struct Led {
    packets: u32,
    arrived: u32,
    arrived_ports: BTreeSet<u16>,
    missed: BTreeSet<u16>,
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
