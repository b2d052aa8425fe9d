//! Records that never came: findings tell of it, what rests on their absence is not proved, and nothing hangs for ever.

use super::bounds::nth;
use super::world::*;
use crate::model::conntrack::Conntrack;
use crate::model::event::Event;
use crate::model::finding::{Cause, Confidence, State};
use crate::model::inquiry::{Examined, Question, Reply};
use crate::model::reason::DropReason;
use crate::model::tcp::{ConntrackState, TcpState};
use std::cell::Cell;
use std::rc::Rc;

fn judged(world: &World) -> (Cause, Confidence, u64) {
    let finding = world.only();
    (finding.cause, finding.confidence, finding.lost)
}

/// A hang of which no drop was seen, and the listener's queue is full.
fn full_queue() -> World {
    World::finding(Examined {
        target_is_local: true,
        listeners: vec![listener("0.0.0.0:9000", 1, 0)],
        ..waiting()
    })
}

fn hangs() -> Vec<Event> {
    vec![syn_retransmit(1_000, 1), syn_retransmit(2_000, 2)]
}

#[test]
fn what_was_seen_stays_proved_and_tells_of_the_loss() {
    let mut world = World::new();
    world.play(vec![dropped_leaving(0), dropped_leaving(1_000)], 1_500);
    assert_eq!(judged(&world), (Cause::SynDropped, Confidence::Proved, 0));
    world.tracker.handle_loss(at(1_900), 7);
    world.tracker.handle_loss(at(1_900), 5);
    world.run_until(3_000);
    assert_eq!(judged(&world), (Cause::SynDropped, Confidence::Proved, 12));
    assert_eq!(world.states(), [State::Open, State::Updated]);
}

#[test]
fn what_rests_on_no_drop_having_been_seen_is_likely_after_a_loss() {
    // Before its first sign, while it hung, a little after it was judged, and long after.
    for (noticed, confidence, lost) in [
        (100, Confidence::Likely, 3),
        (1_500, Confidence::Likely, 3),
        (3_900, Confidence::Likely, 3),
        (6_000, Confidence::Proved, 0),
    ] {
        let mut world = full_queue();
        let (before, after) = hangs().into_iter().partition(|event| event.at <= at(noticed));
        world.play(before, noticed);
        world.tracker.handle_loss(at(noticed), 3);
        world.play(after, 8_000);
        assert_eq!(judged(&world), (Cause::AcceptQueueFull, confidence, lost), "{noticed}");
    }
}

#[test]
fn a_loss_long_before_is_no_matter() {
    let mut world = full_queue();
    world.tracker.handle_loss(at(0), 1_000);
    let later = |event: Event| Event {
        at: event.at + std::time::Duration::from_secs(10),
        owner: Some(owner(10_000)),
        ..event
    };
    world.play(hangs().into_iter().map(later).collect(), 15_000);
    assert_eq!(judged(&world), (Cause::AcceptQueueFull, Confidence::Proved, 0));
}

/// Conntrack was CLOSE at the dropped packet: some RST was made.
fn rejected_unseen() -> Event {
    let closed = Conntrack {
        state: Some(ConntrackState::Close),
        ..untranslated()
    };
    dropped(1, POD, DropReason::Netfilter, packet(connection(), None, Some(closed)))
}

#[test]
fn a_rejection_that_follows_from_no_reset_having_been_seen_is_likely() {
    for (seen, confidence) in [(false, Confidence::Likely), (true, Confidence::Proved)] {
        let mut world = World::new();
        world.tracker.handle_loss(at(0), 1);
        let reset = rejected(1, POD, packet(connection(), None, None));
        let again = Event {
            at: at(1_001),
            ..rejected_unseen()
        };
        let events = [
            Some(reset).filter(|_| seen),
            Some(rejected_unseen()),
            Some(syn_retransmit(1_000, 1)),
            Some(again),
        ];
        world.play(events.into_iter().flatten().collect(), 4_000);
        let finding = world.only();
        assert_eq!((finding.cause, finding.confidence), (Cause::RejectedByRule, confidence));
    }
}

#[test]
fn a_refusal_that_was_seen_whole_is_proved_whatever_was_lost() {
    let mut world = World::finding(Examined {
        conntrack: Some(redirected()),
        socket: None,
        target: redirected().leaving().destination,
        target_is_local: true,
        ..waiting()
    });
    world.tracker.handle_loss(at(0), 9);
    let refused = packet(redirected().leaving(), Some(1), Some(redirected()));
    let events = vec![
        no_socket(1, POD, refused),
        rst_received(1, TcpState::SynSent),
        failed(2, 111),
    ];
    world.play(events, 1_000);
    assert_eq!(judged(&world), (Cause::RedirectToDeadPort, Confidence::Proved, 9));
}

/// What a look at a socket finds that is gone, once its end was lost.
fn until_gone(mut socket: Examined) -> (World, Rc<Cell<bool>>) {
    let gone = Rc::new(Cell::new(false));
    let is_gone = Rc::clone(&gone);
    let world = World::answering(move |inquiry| match inquiry.question {
        Question::Connection { .. } => {
            if is_gone.get() {
                socket.socket = None;
            }
            Some(Reply::Connection(Box::new(socket.clone())))
        }
        Question::Link { .. } | Question::Sweep | Question::Stalled | Question::Walk { .. } | Question::Who(_) => None,
    });
    (world, gone)
}

#[test]
fn a_hang_whose_end_was_lost_is_closed_by_the_next_look() {
    let stalled = Examined {
        socket: Some(socket(TcpState::Established, 3, 9)),
        ..waiting()
    };
    let retransmits = (1..5).map(|count| retransmit(300 << count, count)).collect();
    for (socket, events) in [
        (waiting(), vec![dropped_leaving(0), dropped_leaving(1_000)]),
        (waiting(), hangs()),
        (stalled, retransmits),
    ] {
        let (mut world, gone) = until_gone(socket);
        world.play(events, 10_000);
        assert_eq!(world.only().state, State::Open);
        gone.set(true);
        world.tracker.handle_loss(at(10_000), 1);
        world.run_until(45_000);
        assert_eq!((world.only().state, world.tracker.tracked()), (State::Closed, 0));
    }
}

#[test]
fn ten_thousand_hangs_whose_ends_were_lost_are_closed_within_minutes() {
    let (mut world, gone) = until_gone(waiting());
    for n in 0..10_000 {
        world.tracker.handle_event(&nth(n, 1_000));
    }
    world.run_until(20_000);
    gone.set(true);
    world.tracker.handle_loss(at(20_000), 10_000);
    world.run_until(200_000);
    assert_eq!(
        (
            world.findings.last().map(|finding| finding.state),
            world.tracker.tracked()
        ),
        (Some(State::Closed), 0)
    );
}
