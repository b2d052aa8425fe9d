//! Bounded tables and bounded inquiries.

use super::world::*;
use crate::model::inquiry::{Question, Reply};
use crate::model::tuple::{Endpoint, Tuple};
use crate::track::Config;
use crate::track::config::{MAX_EXAMINATIONS, MAX_INQUIRIES};
use std::num::NonZeroU64;

/// The `n`-th connection of many to one destination.
pub(super) fn nth(n: u64, millis: u64) -> crate::model::event::Event {
    let mut event = syn_retransmit(millis, 1);
    event.socket = NonZeroU64::new(n + 1);
    let port = 15_000 + u16::try_from(n % 50_000).expect("fits");
    let [.., high, low] = (n / 50_000).to_be_bytes();
    let source = Endpoint::new([10, 1, high, low].into(), port);
    event.tuple = Some(Tuple::new(source, connection().destination));
    event
}

#[test]
fn the_oldest_connection_makes_room_and_is_counted() {
    let config = Config {
        max_flows: 5_000,
        sweep: false,
        census: false,
        ..without_rules()
    };
    let mut world = World::with(config, |_| None);
    for n in 0..5_010 {
        world.tracker.handle_event(&nth(n, 1_000));
    }
    assert_eq!(world.tracker.tracked(), 5_000);
    assert_eq!(world.tracker.totals().evicted, 10);
    // An old one is new to it, and one of the others is not.
    world.tracker.handle_event(&nth(9, 1_001));
    assert_eq!(world.tracker.totals().evicted, 11);
    world.tracker.handle_event(&nth(11, 1_002));
    assert_eq!(world.tracker.totals().evicted, 11);
}

#[test]
fn a_storm_is_examined_a_few_at_a_time_and_everybody_is_judged() {
    let mut world = World::answering(|_| None);
    for n in 0..10_000 {
        world.tracker.handle_event(&nth(n, 1_000));
    }
    world.run_until(3_100);
    assert!(world.inquiries.len() <= MAX_INQUIRIES);
    world.run_until(30_000);
    let finding = world.only();
    assert_eq!(finding.count, 10_000);
    assert_eq!(world.tracker.totals().unexamined, 10_000);
}

#[test]
fn resets_by_many_clients_of_one_service_are_one_finding() {
    let mut world = World::new();
    for n in 0..5_000 {
        let mut reset = nth(n, 10);
        // The accepting side: it has no owner, and its peers have a port of their own each.
        (reset.tuple, reset.owner) = (reset.tuple.map(Tuple::inverted), None);
        let state = Some(crate::model::tcp::TcpState::Established);
        reset.kind = crate::model::event::EventKind::RstReceived { state };
        world.tracker.handle_event(&reset);
    }
    world.run_until(1_000);
    let mut ids: Vec<_> = world.findings.iter().map(|finding| finding.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

#[test]
fn an_answer_that_nobody_asked_for_changes_nothing() {
    let mut world = World::new();
    let answer = crate::model::inquiry::Answer {
        id: 99,
        at: at(0),
        enter: None,
        reply: Reply::Gone,
    };
    world.tracker.handle_answer(answer);
    assert_eq!(world.tracker.poll_timeout(), None);
}

#[test]
fn a_sweep_that_the_end_cuts_short_is_no_unanswered_question() {
    let end = |millis| {
        let mut world = World::with(Config::default(), |_| None);
        world.run_until(millis);
        world.tracker.finish(at(millis));
        let asked = world.inquiries.iter().map(|inquiry| &inquiry.question);
        assert!(
            asked.clone().any(|question| *question == Question::Sweep),
            "{:?}",
            world.inquiries
        );
        assert!(!asked.clone().any(is_connection), "{:?}", world.inquiries);
        world.tracker.totals().unresolved
    };
    assert_eq!(end(5_000), 0);
    assert_ne!(end(50_000), 0);
}

#[test]
fn sweeps_become_rare_while_all_is_calm_and_frequent_with_the_first_suspicion() {
    let config = Config {
        census: false,
        ..Config::default()
    };
    let mut world = World::with(config, |inquiry| match inquiry.question {
        Question::Sweep => Some(Reply::Swept(Vec::new())),
        Question::Connection { .. }
        | Question::Link { .. }
        | Question::Stalled
        | Question::Walk { .. }
        | Question::Who(_) => None,
    });
    let sweeps_until = |world: &mut World, millis| {
        let before = world.inquiries.len();
        world.run_until(millis);
        let asked = world.inquiries.iter().skip(before);
        asked.filter(|inquiry| inquiry.question == Question::Sweep).count()
    };
    assert_eq!(sweeps_until(&mut world, 29_000), 20);
    assert!((2..=3).contains(&sweeps_until(&mut world, 60_000)));
    world.tracker.handle_event(&nth(1, 60_000));
    assert!(sweeps_until(&mut world, 62_000) >= 1);
    assert!(sweeps_until(&mut world, 68_000) >= 3);
}

#[test]
fn answers_that_never_come_do_not_end_the_questions() {
    let mut world = World::with(Config::default(), |_| None);
    world.run_until(100_000);
    let asked = world.inquiries.iter().map(|inquiry| &inquiry.question);
    let sweeps = asked.filter(|question| **question == Question::Sweep).count();
    assert!(
        (3..=4).contains(&sweeps),
        "a lost sweep is asked for again after a while: {sweeps}"
    );
    for (batch, millis) in [100_000, 200_000].into_iter().enumerate() {
        let first = 1_000 * u64::try_from(batch).expect("small");
        for n in first..first + 1_000 {
            world.tracker.handle_event(&nth(n, millis));
        }
        world.run_until(millis + 90_000);
    }
    let asked = world
        .inquiries
        .iter()
        .filter(|inquiry| is_connection(&inquiry.question));
    let asked = asked.count();
    assert!(
        asked > MAX_EXAMINATIONS * 3,
        "the second thousand is asked about, too: {asked}"
    );
}
