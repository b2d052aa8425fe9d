//! Each cause from the events that its failure makes.

use super::world::*;
use crate::model::conntrack::{Conntrack, Direction};
use crate::model::event::{EventKind, RstMaker};
use crate::model::evidence::{Evidence, Place};
use crate::model::finding::{Cause, Confidence, Severity, State, Way};
use crate::model::inquiry::{Answer, Examined, Question, Reply, Waiting};
use crate::model::reason::DropReason;
use crate::model::tcp::{ConntrackState, TcpState};

/// The packet of the connection after a redirect to a local port.
fn leaving() -> crate::model::event::Packet {
    packet(redirected().leaving(), Some(1), Some(redirected()))
}

fn at_target(listeners: Vec<crate::model::inquiry::Listener>) -> Examined {
    Examined {
        conntrack: Some(redirected()),
        target: redirected().leaving().destination,
        target_is_local: true,
        listeners,
        ..waiting()
    }
}

#[test]
fn a_refusal_by_the_translated_port_without_a_listener_is_a_dead_port() {
    let mut world = World::finding(Examined {
        socket: None,
        ..at_target(vec![])
    });
    let events = vec![
        no_socket(1, POD, leaving()),
        rst_received(1, TcpState::SynSent),
        failed(2, 111),
    ];
    world.play(events, 1_000);
    let finding = world.only();
    assert_eq!(finding.cause, Cause::RedirectToDeadPort);
    assert_eq!(
        (finding.confidence, finding.severity, finding.state),
        (Confidence::Proved, Severity::Error, State::Open)
    );
    assert_eq!(
        finding.connection.as_ref().unwrap().translated,
        Some(redirected().leaving())
    );
    assert_eq!(finding.connection.as_ref().unwrap().owner, Some(owner(0)));
    assert!(
        finding
            .evidence
            .iter()
            .any(|evidence| matches!(evidence, Evidence::NoListener { .. }))
    );
    assert_eq!(world.tracker.tracked(), 0);
    world.run_until(60_000);
    assert_eq!(world.states(), [State::Open, State::Closed]);
}

#[test]
fn a_dead_port_is_found_for_a_client_that_is_not_on_this_host() {
    let mut world = World::finding(Examined {
        socket: None,
        ..at_target(vec![])
    });
    world.play(vec![no_socket(1, POD, leaving())], 1_000);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.connection.as_ref().unwrap().way),
        (Cause::RedirectToDeadPort, Way::Inbound)
    );
    assert_eq!(
        (
            finding.connection.as_ref().unwrap().tuple,
            finding.connection.as_ref().unwrap().owner
        ),
        (connection(), None)
    );
}

#[test]
fn repeated_refusals_are_one_finding_with_a_count_and_few_revisions() {
    let mut world = World::finding(Examined {
        socket: None,
        ..at_target(vec![])
    });
    for round in 0..100_u64 {
        let mut received = rst_received(round * 10, TcpState::SynSent);
        received.owner = Some(owner(round * 10));
        let mut ended = failed(round * 10, 111);
        ended.owner = Some(owner(round * 10));
        world.play(vec![no_socket(round * 10, POD, leaving()), received, ended], round * 10);
    }
    world.run_until(5_000);
    let finding = world.only();
    assert_eq!(finding.count, 100);
    assert_eq!(finding.examples.len(), 5);
    assert!(world.findings.len() <= 3, "{} revisions", world.findings.len());
}

#[test]
fn a_dropped_packet_behind_the_translation_is_a_blocked_target() {
    let mut world = World::finding(at_target(vec![listener("0.0.0.0:37673", 0, 128)]));
    let drop = |millis| dropped(millis, POD, DropReason::Netfilter, leaving());
    world.play(vec![drop(0), syn_retransmit(1_000, 1), drop(1_001)], 2_000);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::RedirectTargetBlocked, Confidence::Proved)
    );
    assert!(matches!(
        finding.evidence.first(),
        Some(Evidence::Drop {
            count: 2,
            place: Place::Input,
            ..
        })
    ));
    assert_eq!(
        finding.connection.as_ref().unwrap().translated,
        Some(redirected().leaving())
    );
}

/// Answers to the connection, rejected by a rule that looks at the connmark.
fn rejected_reply(millis: u64, state: ConntrackState) -> crate::model::event::Event {
    let entry = Conntrack {
        state: Some(state),
        mark: 1,
        ..untranslated()
    };
    dropped(
        millis,
        POD,
        DropReason::Netfilter,
        packet(connection().inverted(), Some(2), Some(entry)),
    )
}

#[test]
fn a_reset_that_a_rule_was_seen_to_make_proves_what_its_drop_alone_would_not() {
    // A kernel that does not close the entry (up to 6.1), with and without a hook on drops, in any order.
    let answer = || packet(connection().inverted(), Some(2), Some(untranslated()));
    let reset = |millis| rejected(millis, POD, answer());
    let drop = |millis| dropped(millis, POD, DropReason::Netfilter, answer());
    for events in [
        vec![reset(1), drop(1), syn_retransmit(1_000, 1), drop(1_001), reset(1_001)],
        vec![reset(1), syn_retransmit(1_000, 1), reset(1_001)],
    ] {
        let mut world = World::new();
        world.play(events, 1_500);
        let finding = world.only();
        assert_eq!(
            (finding.cause, finding.confidence),
            (Cause::ReplyRejected, Confidence::Proved)
        );
        assert!(matches!(
            finding.evidence.first(),
            Some(Evidence::Drop {
                count: 2,
                rejected: true,
                ..
            })
        ));
        let made = |evidence: &Evidence| {
            matches!(
                evidence,
                Evidence::RstSent {
                    maker: RstMaker::Netfilter,
                    ..
                }
            )
        };
        assert!(finding.evidence.iter().any(made));
    }
}

#[test]
fn a_rule_whose_answer_arrives_with_the_second_syn_rejects() {
    // The ICMP error of the first SYN meets a socket that connect still has locked.
    let mut world = World::new();
    world.play(vec![dropped_leaving(0), dropped_leaving(1_000)], 1_002);
    assert_eq!(world.only().cause, Cause::SynDropped);
    world.play(vec![failed(1_003, 111)], 3_000);
    let finding = world.findings.last().unwrap();
    assert_eq!(
        (finding.cause, finding.confidence, finding.supersedes),
        (Cause::RejectedByRule, Confidence::Proved, Some(1))
    );
}

#[test]
fn a_rules_reset_of_the_connections_own_packet_explains_a_refusal_without_its_drop() {
    let mut world = World::new();
    let own = packet(connection(), None, None);
    world.play(
        vec![
            rejected(1, POD, own),
            rst_received(1, TcpState::SynSent),
            failed(2, 111),
        ],
        1_000,
    );
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::RejectedByRule, Confidence::Proved)
    );
}

#[test]
fn rejected_answers_to_a_new_connect_are_reply_rejected_without_any_event_of_the_peer() {
    let mut world = World::new();
    let rejected = |millis| rejected_reply(millis, ConntrackState::Close);
    world.play(vec![rejected(1), syn_retransmit(1_000, 1), rejected(1_001)], 1_500);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::ReplyRejected, Confidence::Proved)
    );
    let Some(Evidence::Drop {
        rejected,
        direction,
        place,
        conntrack,
        ..
    }) = finding.evidence.first()
    else {
        panic!("the drop comes first: {:#?}", finding.evidence);
    };
    assert_eq!(
        (*rejected, *direction, *place),
        (true, Some(Direction::Reply), Place::Input)
    );
    assert_eq!(conntrack.map(|entry| entry.mark), Some(1));
    world.play(vec![failed(4_000, 0)], 5_000);
    assert_eq!(world.findings.last().map(|finding| finding.state), Some(State::Closed));
}

#[test]
fn rejected_answers_on_a_pooled_connection_are_found_while_it_hangs_and_closed_when_it_goes_on() {
    let stuck = Examined {
        socket: Some(socket(TcpState::Established, 5, 1)),
        ..waiting()
    };
    let mut healed = false;
    let mut world = World::answering(move |inquiry| {
        let examined = if std::mem::replace(&mut healed, true) {
            Examined {
                socket: Some(socket(TcpState::Established, 0, 0)),
                ..waiting()
            }
        } else {
            stuck.clone()
        };
        is_connection(&inquiry.question).then(|| Reply::Connection(Box::new(examined)))
    });
    let mut events = vec![rejected_reply(10, ConntrackState::Close)];
    for (index, millis) in [410, 810, 1_610, 3_210].into_iter().enumerate() {
        events.push(retransmit(millis, u32::try_from(index).expect("small") + 1));
        events.push(rejected_reply(millis + 1, ConntrackState::Close));
    }
    world.play(events, 4_000);
    assert_eq!(
        (world.only().cause, world.only().state),
        (Cause::ReplyRejected, State::Open)
    );
    assert_eq!(world.only().connection.as_ref().unwrap().owner, Some(owner(0)));
    world.run_until(20_000);
    assert_eq!(world.only().state, State::Closed);
    assert_eq!(world.tracker.tracked(), 0);
}

#[test]
fn the_first_drop_of_an_established_socket_is_kept_until_its_data_hangs() {
    let stuck = Examined {
        socket: Some(socket(TcpState::Established, 4, 1)),
        ..waiting()
    };
    let mut world = World::finding(stuck);
    // Early demultiplexing gave the packet its socket.
    let mut first = rejected_reply(10, ConntrackState::Close);
    (first.socket, first.tuple, first.owner) = (std::num::NonZeroU64::new(500), Some(connection()), Some(owner(0)));
    if let EventKind::Drop(dropped) = &mut first.kind {
        dropped.state = Some(TcpState::Established);
    }
    let second = rejected_reply(11, ConntrackState::Close);
    world.play(vec![first, second, retransmit(400, 1), retransmit(800, 2)], 4_000);
    assert_eq!(world.only().cause, Cause::ReplyRejected);
    // The timer ran from a tail loss probe on, 190 ms later.
    assert_eq!(world.only().at, at(3_010));
    assert!(matches!(
        world.only().evidence.first(),
        Some(Evidence::Drop {
            count: 2,
            rejected: true,
            ..
        })
    ));
}

#[test]
fn a_syn_dropped_on_its_way_out_is_found_at_the_second_one() {
    let mut world = World::new();
    world.play(
        vec![dropped_leaving(0), dropped_leaving(1_000), syn_retransmit(1_000, 1)],
        1_500,
    );
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::SynDropped, Confidence::Proved)
    );
    assert!(matches!(
        finding.evidence.first(),
        Some(Evidence::Drop {
            place: Place::Output,
            ..
        })
    ));
}

#[test]
fn a_give_up_with_a_drop_seen_is_a_finding_at_once() {
    let mut world = World::new();
    world.play(vec![dropped_leaving(0), failed(600, 0)], 1_000);
    assert_eq!(world.only().cause, Cause::SynDropped);
}

#[test]
fn a_drop_in_a_namespace_on_the_way_reaches_the_socket_behind_the_device() {
    let mut world = World::answering(|inquiry| match inquiry.question {
        Question::Link { ifindex: 7 } => Some(Reply::Link(Some(POD))),
        Question::Link { .. } | Question::Sweep | Question::Stalled | Question::Walk { .. } | Question::Who(_) => None,
        Question::Connection { .. } => Some(Reply::Connection(Box::new(waiting()))),
    });
    let drop = |millis| {
        dropped(
            millis,
            NODE,
            DropReason::Netfilter,
            packet(connection(), Some(7), Some(untranslated())),
        )
    };
    world.play(vec![drop(0), syn_retransmit(1_000, 1), drop(1_001)], 2_000);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::SynDropped, Confidence::Proved)
    );
    let Some(Evidence::Drop {
        netns, place, count, ..
    }) = finding.evidence.first()
    else {
        panic!("the drop comes first: {:#?}", finding.evidence);
    };
    assert_eq!((*netns, *place, *count), (NODE, Place::Forward, 2));
}

#[test]
fn a_refusal_waits_for_the_answer_whose_the_dropped_packet_is() {
    // The device is asked for when the drop finds a connection, and the answer comes long after the connection settled.
    for answered in [true, false] {
        let mut world = World::answering(|_| None);
        let drop = packet(connection(), Some(7), Some(untranslated()));
        let events = vec![
            dropped(0, NODE, DropReason::Netfilter, drop),
            rst_received(0, TcpState::SynSent),
            failed(0, 111),
        ];
        world.play(events, 400);
        assert!(world.findings.is_empty() && world.tracker.totals().refused == 0);
        if answered {
            let id = world.inquiries.first().expect("the link is asked for").id;
            let reply = Reply::Link(Some(POD));
            world.tracker.handle_answer(Answer {
                id,
                at: at(400),
                enter: None,
                reply,
            });
        }
        world.run_until(3_000);
        let expected = if answered {
            Confidence::Proved
        } else {
            Confidence::Likely
        };
        assert_eq!(
            (world.only().cause, world.only().confidence),
            (Cause::RejectedByRule, expected)
        );
    }
}

#[test]
fn of_two_pods_with_the_same_tuple_the_one_behind_the_device_is_named() {
    let mut world = World::answering(|inquiry| match inquiry.question {
        Question::Link { .. } => Some(Reply::Link(Some(TWIN))),
        Question::Connection { .. } => Some(Reply::Connection(Box::new(waiting()))),
        Question::Sweep | Question::Stalled | Question::Walk { .. } | Question::Who(_) => None,
    });
    let mut twin = syn_retransmit(1_000, 1);
    (twin.netns, twin.socket) = (TWIN, std::num::NonZeroU64::new(501));
    let drop = |millis| dropped(millis, NODE, DropReason::Netfilter, packet(connection(), Some(8), None));
    world.play(vec![syn_retransmit(1_000, 1), twin, drop(1_000), drop(2_000)], 2_500);
    let finding = world.only();
    assert_eq!(
        (finding.connection.as_ref().unwrap().netns, finding.confidence),
        (TWIN, Confidence::Proved)
    );
}

#[test]
fn where_the_device_does_not_tell_two_candidates_are_both_only_possible() {
    let mut world = World::new();
    let mut twin = syn_retransmit(1_000, 1);
    (twin.netns, twin.socket) = (TWIN, std::num::NonZeroU64::new(501));
    let drop = |millis| dropped(millis, NODE, DropReason::Netfilter, packet(connection(), Some(8), None));
    world.play(vec![syn_retransmit(1_000, 1), twin, drop(1_000), drop(2_000)], 2_500);
    assert_eq!(world.findings.len(), 2);
    assert!(
        world
            .findings
            .iter()
            .all(|finding| finding.confidence == Confidence::Possible)
    );
}

#[test]
fn a_refusal_after_a_drop_of_the_own_packet_is_a_rejecting_rule() {
    let mut world = World::new();
    world.play(
        vec![dropped_leaving(0), rst_received(0, TcpState::SynSent), failed(0, 111)],
        1_000,
    );
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::RejectedByRule, Confidence::Proved)
    );
    let mut icmp = World::new();
    icmp.play(vec![dropped_leaving(0), failed(0, 111)], 1_000);
    assert_eq!(icmp.only().cause, Cause::RejectedByRule);
}

#[test]
fn a_full_queue_of_the_local_listener_is_named_with_or_without_a_translation() {
    let full = listener("0.0.0.0:9000", 1, 0);
    let local = Examined {
        target_is_local: true,
        listeners: vec![full.clone()],
        ..waiting()
    };
    let mut world = World::finding(local);
    world.play(vec![syn_retransmit(1_000, 1), syn_retransmit(2_000, 2)], 4_000);
    assert_eq!(
        (world.only().cause, world.only().confidence),
        (Cause::AcceptQueueFull, Confidence::Proved)
    );
    let mut world = World::finding(at_target(vec![listener("0.0.0.0:37673", 1, 0)]));
    world.play(vec![syn_retransmit(1_000, 1), syn_retransmit(2_000, 2)], 4_000);
    assert_eq!(
        (world.only().cause, world.only().confidence),
        (Cause::RedirectTargetStalled, Confidence::Proved)
    );
}

fn unaccepted(entry: Conntrack) -> Waiting {
    Waiting {
        netns: POD,
        enter: Some("/run/netns/pod".into()),
        listener: listener("0.0.0.0:37673", 1, 128),
        tuple: entry.reply,
        receive_queue: 5,
        conntrack: Some(entry),
        client: None,
    }
}

fn sweeping(mut swept: impl FnMut(u64) -> Vec<Waiting> + 'static) -> World {
    let mut sweeps = 0;
    World::with(without_rules(), move |inquiry| {
        sweeps += 1;
        (inquiry.question == Question::Sweep).then(|| Reply::Swept(swept(sweeps)))
    })
}

#[test]
fn a_redirected_connection_that_nobody_accepts_is_stalled_until_it_is_accepted() {
    let mut world = sweeping(|sweep| {
        if sweep < 6 {
            vec![unaccepted(redirected())]
        } else {
            vec![]
        }
    });
    world.run_until(2_900);
    assert!(world.findings.is_empty());
    world.run_until(5_000);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::RedirectTargetStalled, Confidence::Proved)
    );
    assert_eq!(
        (
            finding.connection.as_ref().unwrap().tuple,
            finding.connection.as_ref().unwrap().translated
        ),
        (connection(), Some(redirected().leaving()))
    );
    world.run_until(20_000);
    assert_eq!(world.states(), [State::Open, State::Closed]);
}

#[test]
fn a_suspension_is_no_time_in_which_nobody_accepts() {
    let mut world = sweeping(|sweep| {
        if sweep < 5 {
            vec![unaccepted(redirected())]
        } else {
            vec![]
        }
    });
    world.run_until(2_000);
    world.stand_still_until(3_600_000);
    world.run_until(3_620_000);
    assert!(world.inquiries.len() > 4 && world.findings.is_empty());
}

#[test]
fn a_full_queue_in_another_namespace_explains_a_hang_towards_it() {
    let mut full = unaccepted(untranslated());
    full.listener = listener("0.0.0.0:9000", 1, 0);
    full.netns = PEER;
    let mut world = World::with(without_rules(), move |inquiry| match inquiry.question {
        Question::Sweep => Some(Reply::Swept(vec![full.clone()])),
        Question::Connection { .. } => Some(Reply::Connection(Box::new(waiting()))),
        Question::Link { .. } | Question::Stalled | Question::Walk { .. } | Question::Who(_) => None,
    });
    world.play(vec![syn_retransmit(1_000, 1), syn_retransmit(2_000, 2)], 4_000);
    assert_eq!(
        (world.only().cause, world.only().confidence),
        (Cause::AcceptQueueFull, Confidence::Likely)
    );
}

#[test]
fn a_reset_from_outside_is_information_about_the_peer() {
    let mut world = World::new();
    world.play(vec![rst_received(10, TcpState::Established)], 1_000);
    let finding = world.only();
    assert_eq!((finding.cause, finding.severity), (Cause::ResetByPeer, Severity::Info));
}

#[test]
fn a_hang_that_nothing_explains_is_said_to_be_just_that_and_ends_with_the_connect() {
    let mut world = World::new();
    world.play(vec![syn_retransmit(1_000, 1), syn_retransmit(2_000, 2)], 3_500);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::Unanswered, Confidence::Possible)
    );
    assert_eq!(finding.first, at(0));
    world.play(vec![event(5_000, EventKind::Established)], 6_000);
    assert_eq!(world.states(), [State::Open, State::Closed]);
}

#[test]
fn a_drop_that_explains_an_unanswered_connect_replaces_the_finding() {
    // The neighbour is given up after three seconds, a moment after the connect counts as hung.
    let mut world = World::new();
    let failed_neighbour = packet(connection(), Some(2), None);
    let mut drop = dropped(3_050, POD, DropReason::NeighFailed, failed_neighbour);
    (drop.socket, drop.tuple, drop.owner) = (std::num::NonZeroU64::new(500), Some(connection()), Some(owner(0)));
    world.play(
        vec![
            syn_retransmit(1_000, 1),
            syn_retransmit(2_000, 2),
            drop,
            failed(3_051, 113),
        ],
        4_000,
    );
    let states: Vec<_> = world
        .findings
        .iter()
        .map(|finding| (finding.cause, finding.state))
        .collect();
    assert_eq!(
        states,
        [
            (Cause::Unanswered, State::Open),
            (Cause::Unanswered, State::Retracted),
            (Cause::DroppedInKernel, State::Open),
            (Cause::DroppedInKernel, State::Closed),
        ]
    );
    let last = world.findings.last().expect("a finding");
    assert_eq!(
        (last.supersedes, last.confidence),
        (Some(world.findings[0].id), Confidence::Proved)
    );
    assert_eq!(world.tracker.totals().findings.get(&Cause::Unanswered), Some(&0));
}

#[test]
fn three_give_ups_to_one_destination_are_a_finding_and_two_are_not() {
    let mut world = World::new();
    for round in 0..3_u64 {
        assert!(world.findings.is_empty());
        let begin = round * 10_000;
        let mut events = vec![syn_retransmit(begin + 1_000, 1), failed(begin + 1_500, 0)];
        for event in &mut events {
            event.owner = Some(owner(begin));
        }
        world.play(events, begin + 9_000);
    }
    let finding = world.only();
    assert_eq!(finding.cause, Cause::Unanswered);
    assert!(
        finding
            .evidence
            .iter()
            .any(|evidence| matches!(evidence, Evidence::GaveUp { count: 3, .. }))
    );
    assert_eq!(world.tracker.totals().given_up, 2);
}

#[test]
fn a_socket_that_waits_while_conntrack_has_closed_its_entry_is_likely_reply_rejected() {
    let closed = Conntrack {
        state: Some(ConntrackState::Close),
        ..untranslated()
    };
    let stuck = Examined {
        conntrack: Some(closed),
        socket: Some(socket(TcpState::Established, 4, 1)),
        ..waiting()
    };
    let mut world = World::finding(stuck);
    world.play(
        vec![retransmit(400, 1), retransmit(800, 2), retransmit(1_600, 3)],
        4_000,
    );
    assert_eq!(
        (world.only().cause, world.only().confidence),
        (Cause::ReplyRejected, Confidence::Likely)
    );
}
