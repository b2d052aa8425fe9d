//! Stories that do not fit together: what is asked about ends meanwhile, others have the same addresses, numbers come
//! again.

use super::world::*;
use crate::model::conntrack::Conntrack;
use crate::model::event::{Event, EventKind};
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, State};
use crate::model::identity::{Netns, Owner, SocketCookie};
use crate::model::inquiry::{Inquiry, Question, Reply};
use crate::model::reason::DropReason;
use crate::model::tcp::TcpState;
use crate::track::Config;

/// The event as one of another socket.
fn of(socket: u64, netns: Netns, event: Event) -> Event {
    Event {
        socket: SocketCookie::new(socket),
        netns,
        ..event
    }
}

/// The event as one of a connect that began at another time.
fn begun(started: u64, event: Event) -> Event {
    let owner = |owner: Owner| Owner {
        started: at(started),
        ..owner
    };
    Event {
        owner: event.owner.map(owner),
        ..event
    }
}

fn silent() -> World {
    World::answering(|_| None)
}

fn asked(world: &World) -> Inquiry {
    let inquiry = world.inquiries.iter().find(|inquiry| is_connection(&inquiry.question));
    inquiry.expect("it is looked at").clone()
}

#[test]
fn a_process_that_ends_while_it_is_looked_at_gave_up() {
    let mut world = silent();
    world.play(vec![syn_retransmit(1_000, 1), syn_retransmit(3_000, 2)], 3_000);
    let inquiry = asked(&world);
    world.feed([failed(3_001, 0)]);
    world.answer(&inquiry, 3_002, Reply::Gone);
    world.run_until(20_000);
    assert!(world.findings.is_empty(), "{:#?}", world.findings);
    assert_eq!((world.tracker.totals().given_up, world.tracker.tracked()), (1, 0));
}

#[test]
fn a_namespace_that_ends_while_it_is_looked_at_leaves_what_was_seen() {
    let mut world = silent();
    world.play(vec![dropped_leaving(0), dropped_leaving(1_000)], 1_000);
    let inquiry = asked(&world);
    world.answer(&inquiry, 1_005, Reply::Gone);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::SynDropped, Confidence::Proved)
    );
    let not_examined = |evidence: &Evidence| matches!(evidence, Evidence::NotExamined { .. });
    assert!(finding.evidence.iter().any(not_examined), "{:#?}", finding.evidence);
    world.play(vec![failed(1_010, 0)], 20_000);
    assert_eq!((world.only().state, world.tracker.tracked()), (State::Closed, 0));
}

#[test]
fn rules_of_a_namespace_that_is_gone_name_nobody() {
    let config = Config {
        sweep: false,
        census: false,
        ..Config::default()
    };
    let mut world = World::with(config, |inquiry| match inquiry.question {
        Question::Connection { .. } => Some(Reply::Connection(Box::new(waiting()))),
        Question::Link { .. } | Question::Sweep | Question::Stalled | Question::Walk { .. } | Question::Who(_) => {
            Some(Reply::Gone)
        }
    });
    world.play(vec![dropped_leaving(0), dropped_leaving(1_000)], 2_000);
    let finding = world.only();
    assert_eq!(finding.cause, Cause::SynDropped);
    let unread = |evidence: &Evidence| matches!(evidence, Evidence::RulesNotRead { .. });
    assert!(finding.evidence.iter().any(unread), "{:#?}", finding.evidence);
}

#[test]
fn a_dead_port_that_nobody_could_look_at_is_possible_and_no_more() {
    let refused = || {
        let packet = packet(redirected().leaving(), Some(1), Some(redirected()));
        vec![
            no_socket(1, POD, packet),
            rst_received(2, TcpState::SynSent),
            failed(3, 111),
        ]
    };
    for reply in [None, Some(Reply::Gone), Some(Reply::Unreachable("no right".into()))] {
        let mut world = World::answering(move |_| reply.clone());
        world.play(refused(), 20_000);
        assert_eq!(
            (world.only().cause, world.only().confidence),
            (Cause::RedirectToDeadPort, Confidence::Possible)
        );
    }
}

#[test]
fn of_two_namespaces_with_the_same_addresses_only_the_one_that_hangs_is_told() {
    for twin_first in [false, true] {
        let twin = [
            of(501, TWIN, syn_retransmit(1_000, 1)),
            of(501, TWIN, event(1_001, EventKind::Established)),
            of(501, TWIN, event(1_500, EventKind::Closed { errno: 0 })),
        ];
        let pod = [dropped_leaving(0), syn_retransmit(1_000, 1), dropped_leaving(1_000)];
        let mut events: Vec<_> = if twin_first {
            twin.into_iter().chain(pod).collect()
        } else {
            pod.into_iter().chain(twin).collect()
        };
        events.sort_by_key(|event| event.at);
        let mut world = World::new();
        world.play(events, 2_500);
        let finding = world.only();
        assert_eq!(
            (finding.cause, finding.count, finding.state),
            (Cause::SynDropped, 1, State::Open)
        );
        assert_eq!(finding.connection.as_ref().unwrap().netns, POD);
        assert!(world.inquiries.iter().all(|inquiry| inquiry.netns == POD));
    }
}

#[test]
fn what_a_connection_left_behind_does_not_explain_the_next_from_its_port() {
    let mut world = World::new();
    // Refused by a rule, and at once the port is used again: that one hangs, and nothing is dropped.
    let refusal = vec![dropped_leaving(0), rst_received(1, TcpState::SynSent), failed(1, 111)];
    let next = |event| begun(100, of(501, POD, event));
    let hang = [next(syn_retransmit(1_100, 1)), next(syn_retransmit(3_100, 2))];
    world.play(refusal.into_iter().chain(hang).collect(), 4_000);
    let told: Vec<_> = world
        .findings
        .iter()
        .filter(|finding| finding.revision == 0)
        .map(|finding| (finding.cause, finding.count))
        .collect();
    assert_eq!(told, [(Cause::RejectedByRule, 1), (Cause::Unanswered, 1)]);
}

#[test]
fn a_late_packet_is_of_the_connection_that_has_the_port_by_then() {
    let mut world = World::new();
    let entry = Conntrack {
        mark: 1,
        ..untranslated()
    };
    let rejected = |millis| {
        let answer = packet(connection().inverted(), Some(2), Some(entry));
        dropped(millis, POD, DropReason::Netfilter, answer)
    };
    let next = |event| begun(20, of(501, POD, event));
    world.play(
        vec![
            syn_retransmit(10, 1),
            failed(15, 0),
            rejected(21),
            next(syn_retransmit(1_020, 1)),
            rejected(1_021),
        ],
        4_000,
    );
    let finding = world.only();
    assert_eq!((finding.cause, finding.count), (Cause::ReplyRejected, 1));
    assert_eq!(finding.connection.as_ref().unwrap().started, Some(at(20)));
    assert_eq!(world.tracker.totals().given_up, 1);
}

/// Up to Linux 5.11 a socket's address stands in for its cookie, and the next socket may lie there.
#[test]
fn a_cookie_that_comes_again_is_another_connection() {
    let elsewhere = |event: Event| Event {
        tuple: Some(tuple("10.77.0.2:40001", "10.77.0.4:9100")),
        ..begun(5_000, event)
    };
    let mut world = World::new();
    world.play(
        vec![
            dropped_leaving(0),
            syn_retransmit(1_000, 1),
            dropped_leaving(1_000),
            elsewhere(syn_retransmit(6_000, 1)),
            elsewhere(event(6_500, EventKind::Established)),
        ],
        20_000,
    );
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.count, finding.state),
        (Cause::SynDropped, 1, State::Closed)
    );
    assert_eq!(finding.connection.as_ref().unwrap().tuple, connection());
    assert_eq!(world.tracker.tracked(), 0);
}
