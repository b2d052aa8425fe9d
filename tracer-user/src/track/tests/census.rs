//! Connections that hang already when tracing begins.

use super::world::*;
use crate::model::conntrack::Conntrack;
use crate::model::event::{Event, EventKind, Retransmit};
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, State};
use crate::model::identity::{Comm, Process, SocketCookie};
use crate::model::inquiry::{Answer, Census, Examined, Inquiry, Question, Reply, SocketInfo, Stalled};
use crate::model::tcp::{ConntrackState, TcpState};
use crate::track::Config;
use proptest::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const HOLDER: Process = Process {
    pid: 4242,
    comm: Comm(*b"holder\0\0\0\0\0\0\0\0\0\0"),
};

fn held(state: TcpState, retransmits: u8) -> SocketInfo {
    SocketInfo {
        process: Some(HOLDER),
        ..socket(state, retransmits, 1)
    }
}

/// Of the socket of `event`, seen after 100 ms: `retransmits` timeouts, the last of `rto` seconds with `left` to go.
fn stalled(state: TcpState, retransmits: u8, rto: u64, left: u64) -> Stalled {
    Stalled {
        netns: POD,
        enter: Some("/run/netns/pod".into()),
        at: at(100),
        tuple: connection(),
        cookie: SocketCookie::new(500),
        socket: held(state, retransmits),
        unacked: 1,
        backoff: retransmits,
        rto: Some(Duration::from_secs(rto)),
        left: Duration::from_secs(left),
    }
}

fn syn_sent() -> Stalled {
    stalled(TcpState::SynSent, 4, 16, 12)
}

fn established() -> Stalled {
    stalled(TcpState::Established, 5, 8, 6)
}

/// The look at the connection sees the state of the socket that was counted.
fn world(census: Vec<Stalled>) -> World {
    let socket = census.first().map(|stalled| stalled.socket.clone());
    world_where(census, Examined { socket, ..waiting() })
}

fn world_where(census: Vec<Stalled>, examined: Examined) -> World {
    let mut sockets = Some(census);
    answering(move |inquiry| match inquiry.question {
        Question::Connection { .. } => Some(Reply::Connection(Box::new(examined.clone()))),
        Question::Stalled => Some(Reply::Stalled(Census {
            sockets: sockets.take().unwrap_or_default(),
            left_out: 0,
        })),
        Question::Link { .. } | Question::Sweep | Question::Walk { .. } | Question::Who(_) => None,
    })
}

fn answering(answer: impl FnMut(&Inquiry) -> Option<Reply> + 'static) -> World {
    let config = Config {
        sweep: false,
        ..without_rules()
    };
    World::with(config, answer)
}

/// An event of the connection, whose connect was not seen.
fn unowned(mut event: Event) -> Event {
    event.owner = None;
    event
}

fn syn_again(millis: u64, count: u32) -> Event {
    unowned(event(
        millis,
        EventKind::Retransmit(Retransmit {
            state: Some(TcpState::SynSent),
            retransmits: count,
            unacked: 1,
            rto: Some(Duration::from_secs(1 << (count - 1))),
        }),
    ))
}

#[test]
fn a_connect_that_hangs_already_is_found_at_once_with_its_holder() {
    let mut world = world(vec![syn_sent()]);
    world.run_until(200);
    let finding = world.only();
    assert_eq!(
        (
            finding.cause,
            finding.confidence,
            finding.connection.as_ref().unwrap().state
        ),
        (Cause::Unanswered, Confidence::Possible, Some(TcpState::SynSent))
    );
    let connection = finding.connection.as_ref().unwrap();
    assert_eq!((connection.owner, connection.holder), (None, Some(HOLDER)));
    assert_eq!(connection.enter.as_deref(), Some("/run/netns/pod"));
    assert_eq!((connection.syn_retransmits, connection.started), (4, None));
    // 1 + 2 + 4 + 8 seconds until the last SYN, which went out 4 seconds ago.
    let sent = Evidence::Retransmits {
        at: at(100) - Duration::from_secs(4),
        since: at(100) - Duration::from_secs(19),
        count: 4,
        unacked: 1,
        syn: true,
        queried: true,
    };
    assert!(finding.evidence.contains(&sent), "{:#?}", finding.evidence);
    let census = |inquiry: &&Inquiry| inquiry.question == Question::Stalled;
    assert_eq!(world.inquiries.iter().filter(census).count(), 1, "asked once");
}

#[test]
fn data_that_hangs_already_is_judged_by_what_conntrack_says() {
    let seen = established();
    let closed = Conntrack {
        state: Some(ConntrackState::Close),
        ..untranslated()
    };
    let examined = Examined {
        conntrack: Some(closed),
        socket: Some(seen.socket.clone()),
        ..waiting()
    };
    let mut world = world_where(vec![seen], examined);
    world.run_until(200);
    let finding = world.only();
    assert_eq!(
        (
            finding.cause,
            finding.confidence,
            finding.connection.as_ref().unwrap().state
        ),
        (Cause::ReplyRejected, Confidence::Likely, Some(TcpState::Established))
    );
}

#[test]
fn its_next_retransmit_and_drop_join_it_and_explain_it() {
    // Up to Linux 5.11 the events have another number for the socket.
    for number in [500, 77_777] {
        let mut world = world(vec![syn_sent()]);
        let mut events = vec![unowned(dropped_leaving(12_100)), syn_again(12_101, 5)];
        for event in &mut events {
            event.socket = SocketCookie::new(number);
        }
        world.play(events, 12_500);
        let states = [State::Open, State::Retracted, State::Open];
        assert_eq!(world.states(), states);
        let finding = world.findings.last().expect("one");
        assert_eq!((finding.cause, finding.count), (Cause::SynDropped, 1));
        assert_eq!(world.tracker.tracked(), 1, "{number}");
        let mut ended = unowned(failed(20_000, 110));
        ended.socket = SocketCookie::new(number);
        world.play(vec![ended], 21_000);
        let closed = world.findings.last().expect("one");
        assert_eq!(
            (closed.state, closed.connection.as_ref().unwrap().syn_retransmits),
            (State::Closed, 5)
        );
        assert_eq!(world.tracker.tracked(), 0);
    }
}

#[test]
fn one_that_recovers_without_an_event_is_closed() {
    for seen in [syn_sent(), established()] {
        let state = Rc::new(RefCell::new(seen.socket.clone()));
        let (shown, mut census) = (Rc::clone(&state), Some(seen));
        let mut world = answering(move |inquiry| match inquiry.question {
            Question::Connection { .. } => Some(Reply::Connection(Box::new(Examined {
                socket: Some(shown.borrow().clone()),
                ..waiting()
            }))),
            Question::Stalled => Some(Reply::Stalled(Census {
                sockets: census.take().into_iter().collect(),
                left_out: 0,
            })),
            Question::Link { .. } | Question::Sweep | Question::Walk { .. } | Question::Who(_) => None,
        });
        world.run_until(20_000);
        assert_eq!(world.states(), [State::Open]);
        *state.borrow_mut() = socket(TcpState::Established, 0, 0);
        world.run_until(60_000);
        assert_eq!(world.states(), [State::Open, State::Closed]);
        assert_eq!(world.tracker.tracked(), 0);
    }
}

#[test]
fn a_young_one_is_given_its_time() {
    let unsent = stalled(TcpState::SynSent, 0, 1, 1);
    let mut nothing = world(vec![unsent]);
    nothing.run_until(10_000);
    assert!(nothing.findings.is_empty());
    assert_eq!(nothing.tracker.tracked(), 0);
    // One second ago the first SYN, and now the second.
    let young = stalled(TcpState::SynSent, 1, 2, 2);
    let mut world = world(vec![young]);
    world.run_until(2_000);
    assert!(world.findings.is_empty());
    world.run_until(2_100);
    assert_eq!(world.only().at, at(2_100));
}

#[test]
fn an_unanswered_first_syn_counts_once_it_is_old_enough() {
    let mut world = world(vec![stalled(TcpState::SynSent, 0, 30, 20)]);
    world.run_until(200);
    assert_eq!(world.only().cause, Cause::Unanswered);
}

#[test]
fn one_that_goes_on_while_it_is_looked_at_is_silent() {
    for examined in [Some(socket(TcpState::Established, 0, 0)), None] {
        let look = Examined {
            socket: examined,
            ..waiting()
        };
        for seen in [syn_sent(), established()] {
            let mut world = world_where(vec![seen], look.clone());
            world.run_until(10_000);
            assert!(world.findings.is_empty());
            assert_eq!(world.tracker.tracked(), 0);
        }
    }
}

#[test]
fn one_of_a_namespace_that_nobody_asked_for_is_not_followed() {
    let config = Config {
        sweep: false,
        netns: vec![TWIN.inode],
        ..without_rules()
    };
    let mut world = World::with(config, |_| {
        Some(Reply::Stalled(Census {
            sockets: vec![syn_sent()],
            left_out: 5,
        }))
    });
    world.run_until(10_000);
    assert_eq!((world.findings.len(), world.tracker.tracked()), (0, 0));
    assert_eq!(world.tracker.totals().evicted, 5, "what was left out is counted");
}

#[test]
fn a_new_connect_of_the_same_socket_is_another_connection() {
    let mut world = world(vec![syn_sent()]);
    world.run_until(200);
    let mut again = syn_retransmit(3_000, 1);
    again.owner = Some(owner(2_000));
    world.play(vec![again], 4_500);
    let finding = world.only();
    assert_eq!(finding.state, State::Closed, "the first one is over");
    assert_eq!(world.tracker.tracked(), 1);
}

#[test]
fn a_question_that_cannot_be_answered_is_repeated_a_few_times() {
    let mut world = answering(|_| Some(Reply::Unreachable("too many inquiries at once".into())));
    world.run_until(60_000);
    assert_eq!(world.inquiries.len(), 3);
}

/// What the world concludes where the answer comes before the event of that index, each shown with its count.
fn conclude(events: &[Event], position: usize, seen: &Stalled) -> Vec<(Cause, Confidence, u64, State)> {
    let asked = Rc::new(RefCell::new(None));
    let (question, look) = (Rc::clone(&asked), seen.socket.clone());
    let mut world = answering(move |inquiry| match inquiry.question {
        Question::Connection { .. } => Some(Reply::Connection(Box::new(Examined {
            socket: Some(look.clone()),
            ..waiting()
        }))),
        Question::Stalled => {
            *question.borrow_mut() = Some(inquiry.id);
            None
        }
        Question::Link { .. } | Question::Sweep | Question::Walk { .. } | Question::Who(_) => None,
    });
    world.run_until(100);
    let id = asked.borrow().expect("asked at the start");
    let answer = Answer {
        id,
        at: at(200),
        enter: None,
        reply: Reply::Stalled(Census {
            sockets: vec![seen.clone()],
            left_out: 0,
        }),
    };
    let (before, after) = events.split_at(position.min(events.len()));
    world.feed(before.to_vec());
    world.tracker.handle_answer(answer);
    world.feed(after.to_vec());
    world.run_until(40_000);
    let last = world.findings.iter().map(|finding| finding.id).max();
    let mut ends: Vec<_> = world
        .findings
        .iter()
        .filter(|finding| Some(finding.id) == last)
        .map(|finding| (finding.cause, finding.confidence, finding.count, finding.state))
        .collect();
    ends.drain(..ends.len().saturating_sub(1));
    ends
}

proptest! {
    #[test]
    fn the_order_of_answer_and_events_does_not_matter(
        events in Just(vec![
            unowned(dropped_leaving(150)),
            syn_again(151, 5),
            unowned(dropped_leaving(160)),
        ]).prop_shuffle(),
        position in 0..4_usize,
        other_number in any::<bool>(),
        ends in any::<bool>(),
    ) {
        let mut events = events;
        if ends {
            events.push(unowned(failed(170, 110)));
        }
        for event in &mut events {
            event.socket = SocketCookie::new(if other_number { 77_777 } else { 500 });
        }
        let state = if ends { State::Closed } else { State::Open };
        let found = conclude(&events, position, &syn_sent());
        prop_assert_eq!(found, vec![(Cause::SynDropped, Confidence::Proved, 1, state)]);
    }

    #[test]
    fn hostile_numbers_do_no_harm(
        (retransmits, backoff) in any::<(u8, u8)>(),
        (rto, left) in any::<(u64, u64)>(),
        syn in any::<bool>(),
    ) {
        let state = if syn { TcpState::SynSent } else { TcpState::LastAck };
        let seen = Stalled {
            backoff,
            rto: Some(Duration::from_nanos(rto)),
            left: Duration::from_nanos(left),
            ..stalled(state, retransmits, 0, 0)
        };
        let mut world = world(vec![seen]);
        world.run_until(10_000);
        prop_assert!(world.findings.len() <= 2);
    }
}
