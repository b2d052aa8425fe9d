//! A SYN that meets an old socket behind a redirect, and what looks like it.

use super::rules::{answering, named, told, trail};
use super::world::*;
use crate::model::aspect::{Aspect, Connected, Seen};
use crate::model::conntrack::Conntrack;
use crate::model::event::{Destroyed, Event, EventKind};
use crate::model::evidence::{Evidence, Place};
use crate::model::finding::{Cause, Confidence, Culprit, RuleRole, State};
use crate::model::identity::SocketCookie;
use crate::model::inquiry::{Examined, Question};
use crate::model::reason::DropReason;
use crate::model::rules::End;
use crate::model::tcp::{self, ConntrackState, TcpState};
use crate::model::tuple::Tuple;

fn ends() -> Tuple {
    redirected().leaving().inverted()
}

fn met(tuple: Tuple, state: TcpState) -> Seen {
    Seen::Sockets {
        local: tuple.source,
        sockets: vec![Connected {
            tuple,
            socket: socket(state, 0, 0),
        }],
    }
}

/// A listener is there, and what else the SYN could meet.
fn behind(entry: ConntrackState, seen: Vec<Seen>) -> Examined {
    Examined {
        conntrack: Some(Conntrack {
            state: Some(entry),
            ..redirected()
        }),
        target: redirected().leaving().destination,
        target_is_local: true,
        listeners: vec![listener("0.0.0.0:37673", 0, 128)],
        seen,
        ..waiting()
    }
}

fn syns() -> Vec<Event> {
    vec![syn_retransmit(1_000, 1), syn_retransmit(2_000, 2)]
}

fn found(examined: Examined) -> (Cause, Confidence) {
    let mut world = World::finding(examined);
    world.play(syns(), 4_000);
    (world.only().cause, world.only().confidence)
}

/// A packet from the redirect's target to the connection's socket, dropped on its way.
fn dropped_back(millis: u64, flags: u8) -> Event {
    let mut packet = packet(ends(), None, Some(redirected()));
    packet.tcp_flags = flags;
    dropped(millis, POD, DropReason::Netfilter, packet)
}

#[test]
fn an_old_socket_at_the_end_of_the_redirect_explains_a_connect_that_hangs() {
    use ConntrackState::{Close, SynSent};
    use TcpState::{CloseWait, Closing, Established, FinWait1, FinWait2, LastAck};
    for state in [Established, CloseWait, FinWait1, FinWait2, LastAck, Closing] {
        for entry in [SynSent, Close, ConntrackState::Established] {
            let explained = found(behind(entry, vec![met(ends(), state)]));
            assert_eq!(
                explained,
                (Cause::RedirectFanIn, Confidence::Likely),
                "{state:?} {entry:?}"
            );
        }
    }
}

#[test]
fn the_old_socket_is_asked_for_and_shown() {
    let mut world = World::finding(behind(ConntrackState::Close, vec![met(ends(), TcpState::CloseWait)]));
    world.play(syns(), 4_000);
    let asked = world.inquiries.iter().any(|inquiry| {
        let question = &inquiry.question;
        matches!(question, Question::Connection { aspects, .. } if aspects.contains(&Aspect::OtherEnd))
    });
    assert!(asked);
    let finding = world.only();
    let shown = |evidence: &Evidence| matches!(evidence, Evidence::Aspect { seen: Seen::Sockets { local, .. }, .. } if *local == ends().source);
    assert!(finding.evidence.iter().any(shown));
    let why_not = |cause| finding.considered.iter().any(|other| other.cause == cause);
    assert!(why_not(Cause::ReplyRejected));
    assert!(why_not(Cause::RedirectTargetStalled));
}

#[test]
fn the_listener_behind_an_old_socket_is_not_blamed_for_its_queue() {
    let full = Examined {
        listeners: vec![listener("0.0.0.0:37673", 1, 0)],
        ..behind(ConntrackState::SynSent, vec![met(ends(), TcpState::Established)])
    };
    assert_eq!(found(full).0, Cause::RedirectFanIn);
}

#[test]
fn what_takes_a_syn_or_is_another_connections_is_no_old_socket() {
    let elsewhere = Tuple::new(ends().source, end("10.77.0.2:40001"));
    for seen in [
        vec![],
        vec![met(ends(), TcpState::SynRecv)],
        vec![met(ends(), TcpState::NewSynRecv)],
        vec![met(ends(), TcpState::TimeWait)],
        vec![met(ends(), TcpState::SynSent)],
        vec![met(elsewhere, TcpState::Established)],
    ] {
        assert_eq!(found(behind(ConntrackState::SynSent, seen)).0, Cause::Unanswered);
    }
    // Not redirected: the socket is of another pair of ends.
    let direct = Examined {
        seen: vec![met(ends(), TcpState::Established)],
        ..waiting()
    };
    assert_eq!(found(direct).0, Cause::Unanswered);
}

#[test]
fn a_dropped_answer_is_not_explained_by_an_old_socket_and_a_dropped_rst_of_it_is_none() {
    for (flags, cause) in [
        (tcp::SYN | tcp::ACK, Cause::ReplyRejected),
        (tcp::RST | tcp::ACK, Cause::RedirectFanIn),
    ] {
        let mut world = World::finding(behind(ConntrackState::Close, vec![met(ends(), TcpState::Established)]));
        let mut events = syns();
        events.push(dropped_back(2_500, flags));
        world.play(events, 4_000);
        assert_eq!(world.only().cause, cause, "{flags:#x}");
    }
}

#[test]
fn it_is_over_once_the_connect_goes_on() {
    let mut world = World::finding(behind(ConntrackState::Close, vec![met(ends(), TcpState::Established)]));
    let mut events = syns();
    events.push(event(4_500, EventKind::Established));
    world.play(events, 10_000);
    assert_eq!(world.states(), [State::Open, State::Closed]);
}

#[test]
fn the_rule_that_drops_the_clients_rst_is_named() {
    let examined = behind(ConntrackState::Close, vec![met(ends(), TcpState::Established)]);
    let mut world = answering(examined, |packets| {
        let [packet] = packets else {
            return None;
        };
        assert_eq!(
            (packet.place, packet.tcp_flags, packet.first),
            (Place::Output, tcp::RST, false)
        );
        let stopped = trail(End::Dropped, vec![named(RuleRole::Drops, "OUTPUT")]);
        Some(told(vec![stopped]))
    });
    world.play(syns(), 4_000);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::RedirectFanIn, Confidence::Likely)
    );
    let [
        Culprit::Rule {
            rule: Some(rule), role, ..
        },
    ] = &*finding.culprits
    else {
        panic!("one rule: {:?}", finding.culprits);
    };
    assert_eq!((&*rule.chain, *role), ("OUTPUT", RuleRole::Drops));
}

#[test]
fn that_the_old_socket_was_destroyed_is_no_news_and_that_another_was_is() {
    let elsewhere = Tuple::new(end("127.0.0.1:37673"), end("10.77.0.2:40001"));
    for (tuple, findings) in [(ends(), 0), (elsewhere, 1)] {
        let mut world = World::finding(behind(ConntrackState::Close, vec![met(ends(), TcpState::Established)]));
        world.play(syns(), 4_000);
        let state = Some(TcpState::Established);
        let destroyed = Event {
            socket: SocketCookie::new(501),
            tuple: Some(tuple),
            owner: None,
            ..event(4_100, EventKind::Destroyed(Destroyed { state, by: None }))
        };
        world.play(vec![destroyed], 4_400);
        let news = world
            .findings
            .iter()
            .filter(|finding| finding.cause == Cause::SocketDestroyed);
        assert_eq!(news.count(), findings, "{tuple}");
    }
}
