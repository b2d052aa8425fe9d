//! What packets that were seen met in a snapshot of the rules: the walk, narrowed to what agrees with what was seen.
//!
//! Pure. Accuses nobody: which of the rules are at fault is the Tracker's business.

use crate::inspect::repeat;
use crate::inspect::rules::locate::{locate, locate_policy};
use crate::inspect::socket::Socket;
use crate::inspect::walk::{Walker, culprit};
use crate::model::conntrack::{Conntrack, Direction};
use crate::model::evidence::Place;
use crate::model::finding::RuleRole;
use crate::model::rules::{
    Action, Assign, Bypass, ChainId, ChainKind, Effect, End, Fact, Family, Hook, Item, Journey, Located, NatKind,
    Outcome, Packet, RuleId, Ruleset, Snapshot, Source, Step, Target, Tracking, Walk,
};
use crate::model::tuple::Endpoint;
use crate::model::walked::{Named, Repeated, Trail, Traveller, Walked};
use std::net::IpAddr;
use std::sync::Arc;

/// Where each packet would be sent to: the device of the route to its destination, where there is one.
pub type Route = Option<u32>;

/// The way of the packet through these rules.
pub fn trail(snapshot: &Snapshot, walker: &Walker<'_>, traveller: &Traveller, route: Route) -> Trail {
    let journey = journey(snapshot, traveller, route);
    let ipv6 = traveller.tuple.destination.address.is_ipv6();
    let acts = walker.tracks_family(ipv6) && translates(&snapshot.ruleset, ipv6);
    let mut first = None;
    for mark in marks(traveller) {
        let walk = walker.walk(&packet(traveller, journey, mark), journey);
        let trail = of_walk(&snapshot.ruleset, traveller, &walk, acts);
        if trail.agrees {
            return trail;
        }
        first.get_or_insert(trail);
    }
    first.unwrap_or(Trail {
        rules: Vec::new(),
        end: End::Unknown,
        agrees: false,
        certain: false,
        destination: None,
        connmark: None,
        repeated: Vec::new(),
    })
}

/// Whether NAT is on for the family: it is while there is a chain for it, even an empty one, and entries act only then.
fn translates(ruleset: &Ruleset, ipv6: bool) -> bool {
    let own = if ipv6 { Family::Ip6 } else { Family::Ip };
    ruleset.chains.iter().any(|chain| {
        let is_nat = chain.base.as_ref().is_some_and(|base| base.kind == ChainKind::Nat);
        is_nat && !chain.dormant && (chain.family == own || chain.family == Family::Inet)
    })
}

/// The destination whose route says where the packet leaves.
pub fn routed(traveller: &Traveller) -> Endpoint {
    match (traveller.place, traveller.conntrack) {
        // Locally made packets are routed before they are translated, the others after it.
        (Place::Forward, Some(entry)) if traveller.tuple == entry.reply => entry.original.source,
        (Place::Forward, Some(entry)) => entry.leaving().destination,
        (Place::Output | Place::Input | Place::Forward, _) => traveller.tuple.destination,
    }
}

/// Rules that give connections this mark, whatever it was before; one that copies another mark is not among them.
pub fn setters(ruleset: &Ruleset, connmark: u32) -> Vec<Located> {
    let constant = |item: &Item| {
        matches!(
            item,
            Item::Action(Action::Assign(Assign {
                target: Target::Connmark,
                source: Source::None,
                ..
            }))
        )
    };
    let all = culprit::setters(ruleset, Target::Connmark, u32::MAX, connmark);
    let constants = all
        .into_iter()
        .filter(|id| ruleset.rule(*id).is_some_and(|rule| rule.items.iter().any(constant)));
    constants
        .filter_map(|id| locate(ruleset, id, None))
        .take(Walked::RULES)
        .collect()
}

/// Whether a rule asks who listens.
pub fn asks_listeners(ruleset: &Ruleset) -> bool {
    let rules = ruleset.chains.iter().flat_map(|chain| &chain.rules);
    rules
        .flat_map(|rule| &rule.items)
        .any(|item| matches!(item, Item::Action(Action::Tproxy(_))))
}

/// Whether TPROXY finds a transparent one of these listeners at an address and port; `None`: they do not tell.
pub fn takes(listeners: &[Socket], address: IpAddr, port: u16) -> Option<bool> {
    let target = Endpoint::new(address, port);
    let serving = listeners.iter().filter(|listener| listener.serves(target));
    // Which one of several the kernel prefers, and where one on a device is, is not known here.
    let one = |listener: &Socket| listener.transparent.filter(|takes| !takes || listener.interface == 0);
    let all: Vec<_> = serving.map(one).collect();
    if all.is_empty() {
        return Some(false);
    }
    common(all.into_iter()).flatten()
}

/// What makes that a walk proves nothing, in words.
pub fn caveats(ruleset: &Ruleset) -> Vec<Arc<str>> {
    let bypasses = ruleset.bypasses.iter().map(|bypass| match bypass {
        Bypass::Flowtable { family, table, name } => Arc::from(format!(
            "the flowtable {name} of {} {table} leads established connections around FORWARD",
            family.name()
        )),
        Bypass::BridgeNetfilter => "br_netfilter leads bridged packets through the rules".into(),
        Bypass::Ipvs => "IPVS has services here, which the rules do not show".into(),
        Bypass::BpfNetfilter => "a BPF program is attached to a netfilter hook of some namespace".into(),
        Bypass::CgroupConnect => "a cgroup program may change where connections go".into(),
    });
    let all = ruleset.gaps.iter().cloned().chain(bypasses);
    all.take(Walked::CAVEATS).collect()
}

fn journey(snapshot: &Snapshot, traveller: &Traveller, route: Route) -> Journey {
    let loopback = snapshot.network.loopback().map(|link| link.index);
    let looped = traveller.ifindex.is_some() && traveller.ifindex == loopback;
    match traveller.place {
        Place::Output => Journey::Output { device: route.into() },
        // What comes by loopback was sent here.
        Place::Input | Place::Forward if looped => Journey::Output { device: route.into() },
        Place::Input | Place::Forward => Journey::Arrival {
            device: traveller.ifindex.into(),
            leaves_by: route.into(),
        },
    }
}

/// The marks that the packet may have begun with, the likelier first: rules may have set the one that was seen.
fn marks(traveller: &Traveller) -> Vec<Fact<u32>> {
    match traveller.mark {
        None => vec![Fact::Unknown],
        Some(0) => vec![Fact::Known(0)],
        Some(mark) => vec![Fact::Known(0), Fact::Known(mark)],
    }
}

fn packet(traveller: &Traveller, journey: Journey, mark: Fact<u32>) -> Packet {
    let tuple = traveller.tuple;
    let (uid, gid) = match journey {
        Journey::Output { .. } => (traveller.uid.into(), Fact::Unknown),
        Journey::Arrival { .. } => (Fact::Absent, Fact::Absent),
    };
    Packet {
        source: tuple.source.address,
        destination: tuple.destination.address,
        protocol: TCP,
        source_port: Fact::Known(tuple.source.port),
        destination_port: Fact::Known(tuple.destination.port),
        tcp_flags: Fact::Known(traveller.tcp_flags),
        icmp: Fact::Absent,
        length: Fact::Unknown,
        time_to_live: Fact::Unknown,
        dscp: Fact::Unknown,
        mark,
        uid,
        gid,
        tracking: tracking(traveller),
    }
}

fn tracking(traveller: &Traveller) -> Tracking {
    if traveller.first {
        return Tracking::New;
    }
    let known = traveller
        .conntrack
        .and_then(|entry| Some((entry, entry.direction(traveller.tuple)?)));
    match known {
        None => Tracking::Unknown,
        Some((entry, direction)) => Tracking::Entry {
            entry,
            direction,
            established: direction == Direction::Reply || entry.status & SEEN_REPLY != 0,
        },
    }
}

/// `acts`: conntrack is at work, so that its entry is where the packet was sent to.
fn of_walk(ruleset: &Ruleset, traveller: &Traveller, walk: &Walk, acts: bool) -> Trail {
    let all = &walk.outcomes;
    let agreeing: Vec<_> = all.iter().filter(|outcome| agrees(outcome, traveller, acts)).collect();
    let sure = !walk.truncated && all.iter().all(|outcome| outcome.end != End::Unknown);
    let told: Vec<_> = if agreeing.is_empty() {
        all.iter().collect()
    } else {
        agreeing.clone()
    };
    let end = common(told.iter().map(|outcome| outcome.end)).unwrap_or(End::Unknown);
    let destination = common(told.iter().map(|outcome| destination(outcome))).flatten();
    let connmark = common(told.iter().map(|outcome| outcome.connmark.known())).flatten();
    Trail {
        rules: rules(ruleset, &agreeing, sure),
        end,
        agrees: !agreeing.is_empty(),
        certain: sure && all.len() == 1 && all.iter().all(|outcome| outcome.certain),
        destination,
        connmark,
        repeated: repeated(ruleset, &told),
    }
}

/// Whether this is what was seen: that it did not get through, and where it was translated to.
fn agrees(outcome: &Outcome, traveller: &Traveller, acts: bool) -> bool {
    let stopped = matches!(outcome.end, End::Dropped | End::Rejected(_) | End::Queued);
    let expected = traveller
        .conntrack
        .filter(|_| traveller.first && acts)
        .map(|entry| leaving(&entry));
    let goes = destination(outcome);
    let arrives = expected.is_none_or(|expected| goes.is_none_or(|goes| goes == expected));
    arrives && (stopped || !traveller.dropped)
}

fn leaving(entry: &Conntrack) -> Endpoint {
    entry.leaving().destination
}

fn destination(outcome: &Outcome) -> Option<Endpoint> {
    let port = outcome.packet.destination_port.known()?;
    outcome
        .destination_known
        .then(|| Endpoint::new(outcome.packet.destination, port))
}

/// The harmless repeated jumps of the chains that the packet met.
fn repeated(ruleset: &Ruleset, outcomes: &[&Outcome]) -> Vec<Repeated> {
    let mut met: Vec<(ChainId, Hook)> = Vec::new();
    for step in outcomes.iter().flat_map(|outcome| &outcome.steps) {
        if !met.iter().any(|(chain, _)| *chain == step.chain) {
            met.push((step.chain, step.hook));
        }
    }
    let pairs = met.into_iter().flat_map(|(id, hook)| {
        let pairs = ruleset
            .chain(id)
            .map_or(Vec::new(), |chain| repeat::pairs(ruleset, chain));
        pairs.into_iter().map(move |pair| (id, hook, pair))
    });
    let located = pairs.filter_map(|(chain, hook, (first, second))| {
        let located = |index| locate(ruleset, RuleId { chain, index }, Some(hook));
        Some(Repeated {
            first: located(first)?,
            second: located(second)?,
        })
    });
    located.take(Walked::REPEATED).collect()
}

/// The rules that did something to the packet in any of these outcomes; certain is what did so in all of them.
fn rules(ruleset: &Ruleset, outcomes: &[&Outcome], sure: bool) -> Vec<Named> {
    let ways: Vec<_> = outcomes.iter().map(|outcome| acted(ruleset, outcome)).collect();
    let mut named: Vec<Named> = Vec::new();
    for (role, step) in ways.iter().flatten() {
        let in_all = ways
            .iter()
            .all(|way| way.iter().any(|(its, of)| its == role && same(of, step)));
        let Some(rule) = located(ruleset, step) else {
            continue;
        };
        let known = named.iter().any(|known| known.role == *role && known.rule == rule);
        if !known && named.len() < Walked::RULES {
            named.push(Named {
                role: *role,
                rule,
                certain: sure && in_all,
            });
        }
    }
    named
}

fn acted<'o>(ruleset: &Ruleset, outcome: &'o Outcome) -> Vec<(RuleRole, &'o Step)> {
    let translates = |step: &&Step| {
        matches!(
            step.effect,
            Effect::Translated(NatKind::Destination | NatKind::Redirect) | Effect::Taken
        )
    };
    let steps = outcome.steps.iter();
    let mut acted: Vec<_> = steps
        .clone()
        .filter(translates)
        .map(|step| (RuleRole::Translates, step))
        .collect();
    // Only the last one has its mark.
    let marked = |target| {
        let marks = move |step: &&Step| step.effect == Effect::Marked && sets(ruleset, step, target);
        steps.clone().rfind(marks)
    };
    acted.extend(marked(Target::Connmark).map(|step| (RuleRole::SetsMark, step)));
    // The mark that counts is the one the packet is routed with.
    let routed = |step: &&Step| matches!(step.hook, Hook::Prerouting | Hook::Output);
    let marked = marked(Target::Mark)
        .filter(routed)
        .filter(|step| is_constant(ruleset, step));
    acted.extend(marked.map(|step| (RuleRole::SetsPacketMark, step)));
    let role = match outcome.end {
        End::Dropped | End::Queued => Some(RuleRole::Drops),
        End::Rejected(_) => Some(RuleRole::Rejects),
        End::Delivered | End::Left | End::Unknown => None,
    };
    acted.extend(role.zip(culprit::deciding(outcome)));
    acted
}

fn sets(ruleset: &Ruleset, step: &Step, target: Target) -> bool {
    let rule = step.rule.and_then(|id| ruleset.rule(id));
    let sets = |item: &Item| matches!(item, Item::Action(Action::Assign(assign)) if assign.target == target);
    rule.is_some_and(|rule| rule.items.iter().any(sets))
}

/// Whether the packet's mark becomes one that no other mark decides.
fn is_constant(ruleset: &Ruleset, step: &Step) -> bool {
    let rule = step.rule.and_then(|id| ruleset.rule(id));
    let constant = |item: &Item| {
        matches!(item, Item::Action(Action::Assign(assign))
            if assign.target == Target::Mark && matches!(assign.source, Source::None))
    };
    rule.is_some_and(|rule| rule.items.iter().any(constant))
}

fn located(ruleset: &Ruleset, step: &Step) -> Option<Located> {
    match step.rule {
        Some(id) => locate(ruleset, id, Some(step.hook)),
        None => locate_policy(ruleset, step.chain),
    }
}

fn same(one: &Step, other: &Step) -> bool {
    (one.hook, one.chain, one.rule) == (other.hook, other.chain, other.rule)
}

/// What all of them are.
fn common<T: PartialEq>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

const TCP: u8 = 6;
/// `IPS_SEEN_REPLY`.
const SEEN_REPLY: u32 = 1 << 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::socket;

    #[test]
    fn tproxy_finds_only_listeners_that_are_known_to_be_transparent() {
        let listener = socket::parse(include_bytes!("testdata/listener.bin")).unwrap();
        let Endpoint { address, port } = listener.tuple.source;
        let with = |transparent, interface| Socket {
            transparent,
            interface,
            ..listener.clone()
        };
        let clear = with(Some(true), 0);
        let here = |listeners: &[Socket]| takes(listeners, address, port);
        assert_eq!(here(&[]), Some(false));
        assert_eq!(here(std::slice::from_ref(&clear)), Some(true));
        assert_eq!(here(&[with(Some(false), 0)]), Some(false));
        assert_eq!(here(&[clear.clone(), with(Some(false), 0)]), None);
        assert_eq!(here(&[with(None, 0)]), None);
        assert_eq!(here(&[with(Some(true), 3)]), None);
        assert_eq!(takes(&[clear], address, port + 1), Some(false));
    }
}
