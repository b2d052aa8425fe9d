//! What became of packets, and what the rules counted, against what the walk says.

use crate::coverage::Coverage;
use crate::frame::{RST, Seen};
use crate::rule::{Plan, Rule, Tool};
use crate::run::{Fate, Sent};
use crate::subject;
use crate::tell::{tell, text};
use crate::trip::Trip;
use crate::world::Place;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use tracer_user::model::rules::{End, Fact, Outcome, Reject, Snapshot};

/// One packet: the rules that it met are exactly those of one outcome.
pub(crate) fn alone(
    plan: &Plan,
    snapshot: &Snapshot,
    sent: &mut Sent,
    counted: &BTreeMap<u32, u64>,
    coverage: &mut Coverage,
) -> Result<(), String> {
    let fits = |outcome: &Outcome| {
        let expected = expected(snapshot, outcome);
        let count = |rule| counted.get(rule).copied().unwrap_or(0);
        counted.keys().all(|rule| expected.contains_key(rule))
            && expected.iter().all(|(rule, bound)| bound.holds(count(rule)))
    };
    let (met, other): (Vec<Outcome>, Vec<Outcome>) = sent.outcomes.drain(..).partition(fits);
    let Some(first) = met.first() else {
        let told: String = other.iter().map(|outcome| tell(snapshot, outcome)).collect();
        return Err(format!(
            "{:?}\nas {:?}\nkernel: {:?} counted {counted:?}\nwalk:\n{told}",
            sent.trip, sent.packet, sent.fate
        ));
    };
    cover(plan, snapshot, first, counted, coverage);
    sent.outcomes = met;
    Ok(())
}

/// Several: what each rule counted is possible, taken by itself.
pub(crate) fn together(
    plan: &Plan,
    snapshot: &Snapshot,
    sent: &[Sent],
    counted: &BTreeMap<u32, u64>,
    coverage: &mut Coverage,
) -> Result<(), String> {
    let mut bounds: BTreeMap<u32, Bound> = counted.keys().map(|&rule| (rule, Bound::default())).collect();
    for one in sent {
        let all: Vec<_> = one.outcomes.iter().map(|outcome| expected(snapshot, outcome)).collect();
        let rules: BTreeSet<u32> = all.iter().flat_map(BTreeMap::keys).copied().collect();
        for rule in rules {
            let each = || {
                all.iter()
                    .map(|outcome| outcome.get(&rule).copied().unwrap_or_default())
            };
            let bound = bounds.entry(rule).or_default();
            bound.least += each().map(|bound| bound.least).min().unwrap_or(0);
            bound.most += each().map(|bound| bound.most).max().unwrap_or(0);
        }
    }
    let mut wrong = String::new();
    for (rule, bound) in bounds {
        let count = counted.get(&rule).copied().unwrap_or(0);
        if !bound.holds(count) {
            let met = sent
                .iter()
                .find(|one| {
                    one.outcomes
                        .iter()
                        .any(|outcome| expected(snapshot, outcome).contains_key(&rule))
                })
                .or_else(|| {
                    sent.iter()
                        .find(|one| u32::try_from(one.trip.shot.number + 100) == Ok(rule))
                });
            let what = met
                .map(|one| format!("{:?} {:?}", one.trip, one.fate))
                .unwrap_or_default();
            writeln!(
                wrong,
                "rule r{rule} {} counted {count}, not {bound:?}: {what}",
                text(snapshot, rule)
            )
            .unwrap();
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    for outcome in sent.iter().flat_map(|one| &one.outcomes) {
        cover(plan, snapshot, outcome, counted, coverage);
    }
    Ok(())
}

fn cover(plan: &Plan, snapshot: &Snapshot, met: &Outcome, counted: &BTreeMap<u32, u64>, coverage: &mut Coverage) {
    let v6 = met.packet.source.is_ipv6();
    for step in &met.steps {
        let number = step.rule.and_then(|rule| subject::number(snapshot, rule));
        let found = number
            .filter(|number| counted.contains_key(number))
            .and_then(|number| find(plan, number));
        if let Some((rule, tool)) = found {
            coverage.hit(rule, tool, hook(step.hook), v6);
        }
    }
}

fn find(plan: &Plan, number: u32) -> Option<(&Rule, Tool)> {
    let rules = plan
        .tables
        .iter()
        .flat_map(|table| table.chains.iter().map(move |chain| (table.column.tool, chain)));
    let mut rules = rules.flat_map(|(tool, chain)| chain.rules.iter().map(move |rule| (rule, tool)));
    rules.find(|(rule, _)| rule.number == number)
}

fn hook(hook: tracer_user::model::rules::Hook) -> crate::rule::Hook {
    use crate::rule::Hook as Own;
    let mut all = Own::ALL.into_iter();
    all.find(|own| own.name() == hook.name()).unwrap()
}

/// How often a rule is met.
#[derive(Clone, Copy, Debug, Default)]
struct Bound {
    least: u64,
    most: u64,
}

impl Bound {
    fn holds(self, count: u64) -> bool {
        (self.least..=self.most).contains(&count)
    }
}

/// How often an outcome's packet meets each rule: a step that is not certain may have been none.
fn expected(snapshot: &Snapshot, outcome: &Outcome) -> BTreeMap<u32, Bound> {
    let mut all: BTreeMap<u32, Bound> = BTreeMap::new();
    for step in &outcome.steps {
        let number = step.rule.and_then(|rule| subject::number(snapshot, rule));
        if let Some(number) = number {
            let bound = all.entry(number).or_default();
            bound.least += u64::from(step.certain);
            bound.most += 1;
        }
    }
    all
}

pub(crate) fn difference(before: &BTreeMap<u32, u64>, after: &BTreeMap<u32, u64>) -> BTreeMap<u32, u64> {
    let grown = after
        .iter()
        .map(|(rule, count)| (*rule, count - before.get(rule).copied().unwrap_or(0)));
    grown.filter(|(_, count)| *count > 0).collect()
}

pub(crate) fn agrees(outcome: &Outcome, trip: &Trip, fate: Fate) -> bool {
    match (outcome.end, fate) {
        (End::Delivered, Fate::Came(Place::Here, seen)) | (End::Left, Fate::Came(Place::Far(_), seen)) => {
            translated(outcome, trip, &seen)
        }
        (End::Rejected(Reject::TcpReset), Fate::Reset)
        | (End::Rejected(Reject::Icmp), Fate::IcmpError)
        | (End::Dropped | End::Queued, Fate::Nothing) => true,
        // A reset is never answered with a reset, and only TCP is reset.
        (End::Rejected(Reject::TcpReset), Fate::Nothing) => !trip.is_tcp() || trip.shot.flags & RST != 0,
        _ => false,
    }
}

fn translated(outcome: &Outcome, trip: &Trip, seen: &Seen) -> bool {
    let packet = &outcome.packet;
    let port = |fact: Fact<u16>, port| fact.known().is_none_or(|known| known == port);
    (!outcome.source_known || packet.source == seen.source.ip())
        && (!outcome.destination_known || packet.destination == seen.destination.ip())
        && (port(packet.source_port, seen.source.port()) || clashes(outcome, trip, seen))
        && port(packet.destination_port, seen.destination.port())
}

/// Answers, where they begin a connection of their own, come from few ports: translation may find such a port taken, and
/// the kernel then takes another one below 512. What comes after such an answer finds its own port taken by it.
fn clashes(outcome: &Outcome, trip: &Trip, seen: &Seen) -> bool {
    let low = |port: u16| port < 512;
    let (was, is) = (outcome.packet.source_port.known(), seen.source.port());
    was.is_some_and(|was| low(was) == low(is) && (low(was) || trip.follows()))
}
