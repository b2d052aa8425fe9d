//! What a socket tells by itself: somebody destroyed it, its full-sized segments are lost, one peer resets all of them.

use super::world::*;
use crate::model::aspect::{Aspect, Seen};
use crate::model::event::{Destroyed, Event, EventKind, Retransmit, RstMaker, RstSent};
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Culprit, Severity};
use crate::model::identity::{Comm, Process, SocketCookie};
use crate::model::inquiry::{Examined, Question, Reply, Sending};
use crate::model::reason::RstReason;
use crate::model::tcp::TcpState;
use crate::model::tuple::Tuple;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

fn ss() -> Process {
    Process {
        pid: 4802,
        comm: Comm::new(b"ss"),
    }
}

fn destroyed(millis: u64, state: TcpState, by: Option<Process>) -> Event {
    let state = Some(state);
    event(millis, EventKind::Destroyed(Destroyed { state, by }))
}

fn closed(millis: u64) -> Event {
    event(millis, EventKind::Closed { errno: 103 })
}

/// What the destroyed socket sends.
fn reset_sent(millis: u64) -> Event {
    event(
        millis,
        EventKind::RstSent(RstSent {
            maker: RstMaker::Socket,
            reason: Some(RstReason::TcpState),
            active: true,
            state: Some(TcpState::Established),
            packet: None,
        }),
    )
}

/// At the other end, on the same host.
fn reset_received(millis: u64) -> Event {
    let mut event = rst_received(millis, TcpState::Established);
    (event.netns, event.socket, event.owner) = (PEER, SocketCookie::new(501), None);
    event.tuple = Some(connection().inverted());
    event
}

#[test]
fn who_destroyed_a_socket_is_named_and_its_peer_is_not_blamed() {
    let story = vec![
        reset_sent(10),
        destroyed(10, TcpState::Established, Some(ss())),
        closed(10),
        reset_received(10),
    ];
    let mut world = World::new();
    world.play(story.clone(), 10_000);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.severity),
        (Cause::SocketDestroyed, Severity::Warning)
    );
    assert_eq!((finding.confidence, finding.count), (Confidence::Likely, 1));
    assert_eq!(finding.culprits, [Culprit::Process(ss())]);
    assert_eq!(world.tracker.totals().aborted, 1, "the other end");

    for lost in 0..story.len() {
        let mut rest = story.clone();
        rest.remove(lost);
        for reversed in [false, true] {
            let mut world = World::new();
            let mut rest = rest.clone();
            if reversed {
                rest.reverse();
            }
            world.play(rest, 10_000);
            let finding = world.only();
            assert_eq!(finding.cause, Cause::SocketDestroyed, "without the event {lost}");
            assert_eq!(finding.culprits.is_empty(), lost == 1);
        }
    }
}

#[test]
fn a_connect_that_somebody_ends_is_told_too() {
    let mut world = World::new();
    let events = vec![
        syn_retransmit(1_000, 1),
        failed(1_500, 103),
        destroyed(1_500, TcpState::SynSent, Some(ss())),
    ];
    world.play(events, 10_000);
    let finding = world.only();
    assert_eq!((finding.cause, finding.count), (Cause::SocketDestroyed, 1));
    assert_eq!(finding.culprits, [Culprit::Process(ss())]);
}

#[test]
fn an_application_that_destroys_its_own_socket_is_silent() {
    let own = Process {
        pid: owner(0).pid,
        comm: owner(0).comm,
    };
    let mut world = World::new();
    world.play(
        vec![destroyed(10, TcpState::Established, Some(own)), closed(10)],
        10_000,
    );
    assert!(world.findings.is_empty());
}

#[test]
fn all_connections_of_a_service_that_are_destroyed_at_once_are_one_finding() {
    let mut world = World::new();
    let accepted = |n: u16| {
        let mut event = destroyed(10, TcpState::Established, Some(ss()));
        event.socket = SocketCookie::new(1_000 + u64::from(n));
        event.owner = None;
        event.tuple = Some(tuple("10.77.0.2:8080", &format!("10.77.0.3:{}", 40_000 + n)));
        event
    };
    world.play((0..100).map(accepted).collect(), 1_200);
    assert_eq!(world.only().count, 100);
}

/// A socket that has sent so many bytes in so many segments, of which the peer has some.
fn sending(in_flight: u32, segments: u32, sacked: u32) -> Examined {
    let mut socket = socket(TcpState::Established, 4, segments);
    socket.send_queue = in_flight;
    socket.sending = Some(Sending {
        mss: 1448,
        path_mtu: 1500,
        in_flight,
        sacked,
        acknowledged: 7,
        window: Some(65_536),
        last_heard: Duration::from_hours(1),
    });
    Examined {
        socket: Some(socket),
        ..waiting()
    }
}

fn stall() -> Vec<Event> {
    let retransmit = |millis, count: u32| {
        let kind = EventKind::Retransmit(Retransmit {
            state: Some(TcpState::Established),
            retransmits: count,
            unacked: 5_001,
            rto: Some(Duration::from_millis(200 << (count - 1))),
        });
        event(millis, kind)
    };
    [(200, 1), (600, 2), (1_400, 3), (3_000, 4)]
        .map(|(millis, count)| retransmit(millis, count))
        .to_vec()
}

fn found(examined: Examined) -> World {
    let mut world = World::finding(examined);
    world.play(stall(), 3_500);
    world
}

#[test]
fn a_small_segment_that_the_peer_has_behind_full_sized_ones_tells_of_the_path() {
    let world = found(sending(5_001, 4, 1));
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::PathMtuBlackhole, Confidence::Likely)
    );
    assert!(
        finding
            .considered
            .iter()
            .all(|other| other.cause != Cause::PathMtuBlackhole)
    );
}

#[test]
fn a_peer_that_is_heard_while_full_sized_segments_are_lost_is_alive() {
    let mut heard = sending(5_001, 4, 0);
    let socket = heard.socket.as_mut().unwrap();
    socket.sending.as_mut().unwrap().last_heard = Duration::from_millis(200);
    assert_eq!(found(heard.clone()).only().cause, Cause::PathMtuBlackhole);
    // Nothing but the handshake was ever acknowledged.
    heard.socket.as_mut().unwrap().sending.as_mut().unwrap().acknowledged = 1;
    assert_eq!(found(heard).only().cause, Cause::Unanswered);
}

#[test]
fn a_peer_that_is_gone_is_not_taken_for_a_path() {
    let world = found(sending(5_001, 4, 0));
    let finding = world.only();
    assert_eq!(finding.cause, Cause::Unanswered);
    assert!(
        finding
            .considered
            .iter()
            .any(|other| other.cause == Cause::PathMtuBlackhole)
    );
}

#[test]
fn what_is_smaller_than_a_segment_or_has_no_room_is_not_taken_for_a_path() {
    let mut shut = sending(5_001, 4, 1);
    shut.socket.as_mut().unwrap().sending.as_mut().unwrap().window = Some(0);
    // Nine bytes; many small ones; full-sized ones that the peer has, behind one that is lost.
    for examined in [sending(9, 1, 0), sending(1_600, 20, 1), sending(5_792, 4, 3), shut] {
        let world = found(examined);
        let finding = world.only();
        assert_eq!(finding.cause, Cause::Unanswered, "{finding:#?}");
    }
}

#[test]
fn without_an_examination_nothing_is_said_of_the_path() {
    let mut world = World::answering(|_| Some(Reply::Gone));
    world.play(stall(), 3_500);
    assert_eq!(world.only().cause, Cause::Unanswered);
}

/// Resets at these times; `opened` tells how many connections the namespace has opened by then.
fn resets(times: &[u64], opened: fn(u64) -> u64) -> World {
    let clock = Rc::new(Cell::new(0));
    let read = Rc::clone(&clock);
    let mut world = World::answering(move |inquiry| {
        let Question::Connection { aspects, .. } = &inquiry.question else {
            return Some(Reply::Link(None));
        };
        assert_eq!(aspects[..], [Aspect::ConnectionsOpened]);
        Some(Reply::Connection(Box::new(Examined {
            socket: None,
            seen: vec![Seen::ConnectionsOpened(opened(read.get()))],
            ..waiting()
        })))
    });
    for (n, &millis) in (0..).zip(times) {
        world.run_until(millis);
        clock.set(millis);
        let mut reset = rst_received(millis, TcpState::Established);
        reset.socket = SocketCookie::new(1_000 + n);
        reset.tuple = Some(Tuple {
            source: end(&format!("10.77.0.2:{}", 40_000 + n)),
            ..connection()
        });
        world.feed([reset]);
    }
    let last = times.last().unwrap();
    world.run_until(last + 1_500);
    world
}

/// One every 300 ms.
fn steadily(count: u64) -> Vec<u64> {
    (1..=count).map(|n| n * 300).collect()
}

#[test]
fn a_peer_that_resets_most_of_what_is_opened_is_a_warning() {
    let world = resets(&steadily(14), |millis| millis / 300);
    let finding = world.only();
    assert_eq!((finding.cause, finding.count), (Cause::ResetByPeer, 14));
    assert_eq!(
        (finding.severity, finding.confidence),
        (Severity::Warning, Confidence::Likely)
    );
    let recurs = |evidence: &&Evidence| {
        matches!(
            evidence,
            Evidence::ResetsRecur {
                resets: 7,
                opened: 7,
                ..
            }
        )
    };
    assert_eq!(finding.evidence.iter().filter(recurs).count(), 1, "{finding:#?}");
    assert_eq!(world.findings[0].severity, Severity::Info);
    assert!(world.inquiries.len() <= 3, "{:#?}", world.inquiries);
}

#[test]
fn resets_now_and_then_are_information() {
    let few = steadily(9);
    let spread: Vec<u64> = (1..=30).map(|n| n * 10_000).collect();
    let burst = vec![10; 500];
    for (times, opened) in [
        (&few, (|millis| millis / 300) as fn(u64) -> u64),
        // One every ten seconds.
        (&spread, |millis| millis / 10_000),
        // Of pooled connections, all at once: nothing was opened meanwhile.
        (&burst, |_| 500),
        // Of a hundred a second.
        (&steadily(14), |millis| millis / 10),
    ] {
        let world = resets(times, opened);
        let warned = world.findings.iter().any(|finding| finding.severity != Severity::Info);
        assert!(!warned && !world.findings.is_empty(), "{times:?}");
    }
}

#[test]
fn resets_without_a_count_are_information() {
    let mut world = World::answering(|_| None);
    for n in 0..14 {
        let mut reset = rst_received(300 * n, TcpState::Established);
        reset.socket = SocketCookie::new(1_000 + n);
        world.run_until(300 * n);
        world.feed([reset]);
    }
    world.run_until(20_000);
    assert_eq!(world.only().severity, Severity::Info);
    assert_eq!(world.only().count, 14);
}
