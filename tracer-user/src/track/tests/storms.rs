//! Very many connections in trouble at once: few findings, few questions, nothing that piles up.

use super::bounds::nth;
use super::rules::{answering, named, trail, world};
use super::world::*;
use crate::model::event::{Event, EventKind};
use crate::model::finding::{Cause, Finding, RuleRole, State};
use crate::model::inquiry::{Inquiry, Question};
use crate::model::rules::End;
use crate::model::tuple::{Endpoint, Tuple};
use crate::track::config::{EXAMINATIONS_BURST, EXAMINATIONS_PER_SECOND, MAX_ALIKE};
use std::collections::{BTreeMap, BTreeSet};

const MANY: u64 = 10_000;

fn ids(findings: &[Finding]) -> BTreeSet<u64> {
    findings.iter().map(|finding| finding.id).collect()
}

/// The last revision of each that was not withdrawn.
fn latest(world: &World) -> Vec<&Finding> {
    let by_id: BTreeMap<_, _> = world.findings.iter().map(|finding| (finding.id, finding)).collect();
    by_id
        .into_values()
        .filter(|finding| finding.state != State::Retracted)
        .collect()
}

fn examinations(inquiries: &[Inquiry]) -> usize {
    let asked = inquiries.iter().map(|inquiry| &inquiry.question);
    asked.filter(|question| is_connection(question)).count()
}

/// The `n`-th connection of many, each to a destination of its own.
fn apart(n: u64, mut event: Event) -> Event {
    let [.., high, low] = n.to_be_bytes();
    let destination = Endpoint::new([10, 9, high, low].into(), 9_000);
    let source = nth(n, 0).tuple.expect("it has one").source;
    let tuple = Tuple::new(source, destination);
    event.socket = nth(n, 0).socket;
    event.tuple = Some(tuple);
    if let EventKind::Drop(dropped) = &mut event.kind {
        dropped.packet.tuple = tuple;
    }
    event
}

#[test]
fn ten_thousand_that_hang_are_one_finding_of_which_few_were_looked_at() {
    let mut world = World::new();
    for n in 0..MANY {
        world.tracker.handle_event(&nth(n, 1_000));
    }
    world.run_until(10_000);
    let [finding] = latest(&world)[..] else {
        panic!("{} findings", latest(&world).len());
    };
    assert_eq!((finding.cause, finding.count), (Cause::Unanswered, MANY));
    let asked = examinations(&world.inquiries);
    let most = usize::try_from(EXAMINATIONS_BURST + 8 * EXAMINATIONS_PER_SECOND).expect("small");
    assert!((200..=most).contains(&asked), "{asked}");
    assert!(
        finding.unexamined >= MANY - u64::try_from(asked).expect("small"),
        "{}",
        finding.unexamined
    );
    // An hour later the questions are still as few a second, and all the answers were taken in.
    world.run_until(100_000);
    let most = most + usize::try_from(90 * EXAMINATIONS_PER_SECOND).expect("small");
    assert!(examinations(&world.inquiries) <= most);
    world.tracker.finish(at(100_000));
    assert_eq!(world.tracker.totals().unresolved, 0);
}

#[test]
fn an_outbreak_that_ended_is_closed_and_the_next_one_is_another() {
    let mut world = World::new();
    let outbreak = |world: &mut World, millis: u64| {
        for n in 0..100 {
            world.tracker.handle_event(&nth(n, millis));
        }
        world.run_until(millis + 5_000);
        for n in 0..100 {
            let mut end = nth(n, millis + 5_000);
            end.kind = EventKind::Failed { errno: 0 };
            world.tracker.handle_event(&end);
        }
        world.run_until(millis + 10_000);
    };
    outbreak(&mut world, 1_000);
    assert_eq!(world.findings.last().map(|finding| finding.state), Some(State::Closed));
    let first = ids(&world.findings);
    outbreak(&mut world, 100_000);
    assert_eq!(first.len(), 1);
    assert_eq!(ids(&world.findings).len(), 2);
}

#[test]
fn a_storm_of_few_to_each_of_many_destinations_leaves_an_innocent_connection_its_look() {
    for innocent_at in [0, 500, 999] {
        let mut world = World::new();
        let mut wanted = None;
        for n in 0..1_000 {
            let mut event = apart(n, syn_retransmit(1_000, 1));
            if n == innocent_at {
                event.netns = PEER;
                wanted = event.tuple;
            }
            world.tracker.handle_event(&event);
        }
        world.run_until(8_000);
        let is_of_it = |inquiry: &&Inquiry| matches!(&inquiry.question, Question::Connection { tuple, .. } if Some(*tuple) == wanted);
        assert!(
            world.inquiries.iter().any(|inquiry| is_of_it(&inquiry)),
            "{innocent_at}"
        );
    }
}

#[test]
fn a_rule_that_stops_a_thousand_destinations_is_one_finding() {
    let stopped = trail(End::Dropped, vec![named(RuleRole::Drops, "OUTPUT")]);
    let mut world = world(waiting(), stopped, trail(End::Left, Vec::new()));
    for n in 0..1_000 {
        let millis = 10 * n;
        let events = [
            dropped_leaving(millis),
            syn_retransmit(millis + 1_000, 1),
            dropped_leaving(millis + 1_001),
        ];
        world.play(events.map(|event| apart(n, event)).into(), millis + 1_001);
    }
    world.run_until(20_000);
    let [finding] = latest(&world)[..] else {
        panic!("{} findings", latest(&world).len());
    };
    assert_eq!((finding.cause, finding.count), (Cause::SynDropped, 1_000));
    assert_eq!(finding.examples.len(), Finding::EXAMPLES);
    // They end one by one, whichever finding they began with.
    for n in 0..1_000 {
        world.feed([apart(n, failed(21_000, 110))]);
    }
    world.run_until(22_000);
    assert_eq!(world.findings.last().map(|finding| finding.state), Some(State::Closed));
}

#[test]
fn rules_that_differ_are_findings_of_their_own() {
    let mut world = answering(waiting(), |packets| {
        let [.., last] = match packets.first()?.tuple.destination.address {
            std::net::IpAddr::V4(address) => address.octets(),
            std::net::IpAddr::V6(_) => return None,
        };
        let chain = if last % 2 == 0 { "EVEN" } else { "ODD" };
        let stopped = trail(End::Dropped, vec![named(RuleRole::Drops, chain)]);
        Some(super::rules::told(packets.iter().map(|_| stopped.clone()).collect()))
    });
    for n in 0..8 {
        let events = [dropped_leaving(1), syn_retransmit(1_000, 1), dropped_leaving(1_001)];
        world.feed(events.map(|event| apart(n, event)));
    }
    world.run_until(5_000);
    let counts: Vec<_> = latest(&world).iter().map(|finding| finding.count).collect();
    assert_eq!(counts, [4, 4]);
}

#[test]
fn a_thousand_silent_destinations_are_few_findings_that_lose_nobody() {
    let mut world = World::answering(|inquiry| {
        let Question::Connection { tuple, .. } = inquiry.question else {
            return None;
        };
        let mut examined = waiting();
        examined.conntrack = None;
        examined.target = tuple.destination;
        Some(crate::model::inquiry::Reply::Connection(Box::new(examined)))
    });
    for n in 0..1_000 {
        world.feed([apart(n, syn_retransmit(1_000, 1))]);
    }
    world.run_until(20_000);
    let found = latest(&world);
    assert_eq!(found.len(), MAX_ALIKE + 1);
    assert_eq!(found.iter().map(|finding| finding.count).sum::<u64>(), 1_000);
}

#[test]
fn a_storm_leaves_an_innocent_connection_its_look() {
    let mut world = World::new();
    for n in 0..20_000 {
        world.tracker.handle_event(&nth(n, 1_000));
    }
    let mut innocent = apart(7, syn_retransmit(1_000, 1));
    (innocent.netns, innocent.socket) = (PEER, std::num::NonZeroU64::new(1 << 40));
    let tuple = innocent.tuple;
    world.feed([innocent]);
    world.run_until(5_000);
    let is_of_it =
        |inquiry: &&Inquiry| matches!(&inquiry.question, Question::Connection { tuple: of, .. } if Some(*of) == tuple);
    let looked = world.inquiries.iter().find(is_of_it).expect("it is looked at");
    assert!(looked.at <= at(4_100), "{looked:?}");
    let finding = world.findings.iter().find(|finding| {
        let own = finding.connection.as_ref();
        own.is_some_and(|own| own.netns == PEER)
    });
    assert_eq!(finding.map(|finding| finding.unexamined), Some(0));
}
