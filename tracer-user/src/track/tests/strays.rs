//! Packets that nothing translated back, entries that were deleted, and entries that are too old.

use super::rules::{answering, told, trail};
use super::world::*;
use crate::model::aspect::{Connected, Seen, Setting};
use crate::model::conntrack::Conntrack;
use crate::model::event::{Change, ConntrackChange, Event, EventKind, RstMaker, RstSent};
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Confidence, Culprit, Way};
use crate::model::inquiry::{Examined, Question, Reply};
use crate::model::rules::End;
use crate::model::tcp::{self, ConntrackState, TcpState};
use crate::model::tuple::Tuple;
use crate::model::walked::{Trail, Walked};

/// An answer as it comes where nothing translates it back.
fn raw() -> Tuple {
    redirected().reply
}

fn alive() -> Conntrack {
    Conntrack {
        state: Some(ConntrackState::Established),
        status: 0x12e,
        ..redirected()
    }
}

fn stray(millis: u64, ifindex: u32, flags: u8) -> Event {
    let mut packet = packet(raw(), Some(ifindex), None);
    packet.tcp_flags = flags;
    no_socket(millis, POD, packet)
}

fn connected(destination: &str, state: TcpState) -> Connected {
    Connected {
        tuple: tuple("10.77.0.2:40000", destination),
        socket: socket(state, 0, 0),
    }
}

/// What is found when it is asked whose the packet was.
fn looked(conntrack: Option<Conntrack>, sockets: Vec<Connected>) -> Examined {
    Examined {
        conntrack,
        socket: None,
        target: raw().destination,
        target_is_local: true,
        listeners: Vec::new(),
        seen: vec![
            Seen::Sockets {
                local: raw().destination,
                sockets,
            },
            Seen::Setting(liberal("0")),
        ],
    }
}

fn liberal(value: &str) -> Setting {
    Setting {
        path: "net/netfilter/nf_conntrack_tcp_be_liberal".into(),
        value: value.into(),
    }
}

fn waits() -> Vec<Connected> {
    vec![connected("10.77.0.3:9000", TcpState::Established)]
}

fn deleted(millis: u64) -> Event {
    changed(millis, Change::Destroy)
}

fn changed(millis: u64, change: Change) -> Event {
    let kind = EventKind::Conntrack(ConntrackChange {
        change,
        entry: alive(),
        by: None,
    });
    Event {
        socket: None,
        tuple: None,
        owner: None,
        ..event(millis, kind)
    }
}

fn play(examined: Examined, events: Vec<Event>) -> World {
    let mut world = World::finding(examined);
    world.play(events, 3_000);
    world
}

fn silent(examined: Examined, events: Vec<Event>) {
    let world = play(examined, events);
    assert!(world.findings.is_empty(), "{:#?}", world.findings);
    assert_eq!(world.tracker.totals().unmatched_packets, 1);
}

#[test]
fn a_packet_of_a_live_entry_that_met_no_socket_was_invalid() {
    let world = play(looked(Some(alive()), waits()), vec![stray(1, 2, tcp::ACK)]);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::InvalidPacketReset, Confidence::Proved)
    );
    let shown = finding.connection.as_ref().unwrap();
    assert_eq!((shown.tuple, shown.translated), (connection(), Some(alive().leaving())));
    assert!(matches!(
        finding.culprits[..],
        [Culprit::Sysctl { .. }, Culprit::ConntrackEntry(_)]
    ));
    assert_eq!(world.tracker.totals().unmatched_packets, 0);
}

#[test]
fn where_conntrack_is_liberal_the_window_is_not_the_only_reason() {
    let mut examined = looked(Some(alive()), waits());
    examined.seen.pop();
    examined.seen.push(Seen::Setting(liberal("1")));
    let world = play(examined, vec![stray(1, 2, tcp::ACK)]);
    assert_eq!(world.only().confidence, Confidence::Likely);
}

#[test]
fn a_router_resets_connections_whose_socket_is_not_there() {
    let masqueraded = Conntrack {
        original: tuple("10.88.0.7:40000", "10.77.0.3:9000"),
        ..alive()
    };
    let world = play(looked(Some(masqueraded), Vec::new()), vec![stray(1, 2, tcp::ACK)]);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::InvalidPacketReset, Confidence::Likely)
    );
    assert_eq!(finding.connection.as_ref().unwrap().way, Way::Inbound);
}

#[test]
fn a_late_packet_of_a_closed_connection_is_ordinary() {
    // Its socket is gone, its entry is closed, there is none, or it is not translated.
    silent(looked(Some(alive()), Vec::new()), vec![stray(1, 2, tcp::ACK)]);
    let closed = Conntrack {
        state: Some(ConntrackState::TimeWait),
        ..alive()
    };
    silent(looked(Some(closed), waits()), vec![stray(1, 2, tcp::ACK)]);
    silent(looked(None, waits()), vec![stray(1, 2, tcp::ACK)]);
    let plain = Conntrack {
        state: Some(ConntrackState::Established),
        ..entry(raw().inverted(), raw())
    };
    silent(looked(Some(plain), waits()), vec![stray(1, 2, tcp::ACK)]);
}

#[test]
fn nobody_is_asked_about_a_refused_syn_or_a_packet_with_its_entry() {
    let with_entry = {
        let mut packet = packet(
            raw(),
            Some(2),
            Some(Conntrack {
                status: 0x2,
                ..untranslated()
            }),
        );
        packet.tcp_flags = tcp::ACK;
        no_socket(1, POD, packet)
    };
    for event in [stray(1, 2, tcp::SYN), stray(1, 2, tcp::RST), with_entry] {
        let world = play(looked(Some(alive()), waits()), vec![event]);
        assert!(world.findings.is_empty() && world.inquiries.is_empty());
    }
}

#[test]
fn what_this_host_sends_itself_without_an_entry_lost_its_translation() {
    let world = play(looked(None, waits()), vec![stray(1, 1, tcp::ACK)]);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::NatBindingLost, Confidence::Likely)
    );
    assert_eq!(finding.connection.as_ref().unwrap().tuple, connection());
    let is_seen = |evidence: &Evidence| {
        matches!(
            evidence,
            Evidence::Aspect {
                seen: Seen::Sockets { .. },
                ..
            }
        )
    };
    assert!(finding.evidence.iter().any(is_seen));
}

#[test]
fn whose_translation_was_lost_is_not_guessed() {
    let mut two = waits();
    two.push(connected("10.77.0.4:9000", TcpState::Established));
    silent(looked(None, two), vec![stray(1, 1, tcp::ACK)]);
    let closing = vec![connected("10.77.0.3:9000", TcpState::FinWait2)];
    silent(looked(None, closing), vec![stray(1, 1, tcp::ACK)]);
    let server = Examined {
        listeners: vec![listener("0.0.0.0:40000", 0, 128)],
        ..looked(None, waits())
    };
    silent(server, vec![stray(1, 1, tcp::ACK)]);
}

#[test]
fn the_deletion_of_the_entry_proves_it_wherever_the_packet_came_from() {
    let world = play(looked(None, waits()), vec![deleted(1), stray(900, 2, tcp::ACK)]);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::NatBindingLost, Confidence::Proved)
    );
    assert_eq!(finding.connection.as_ref().unwrap().translated, Some(alive().leaving()));
    let is_deletion = |evidence: &Evidence| matches!(evidence, Evidence::ConntrackDeleted { .. });
    assert!(finding.evidence.iter().any(is_deletion));
}

#[test]
fn an_entry_that_came_again_translates_again() {
    let again = vec![deleted(1), changed(2, Change::New), stray(900, 2, tcp::ACK)];
    silent(looked(None, waits()), again);
}

#[test]
fn a_finding_lasts_as_long_as_the_socket_waits() {
    let mut world = World::answering(|inquiry| match inquiry.question {
        Question::Connection { tuple, .. } if tuple == raw() => {
            Some(Reply::Connection(Box::new(looked(None, waits()))))
        }
        Question::Connection { .. } => Some(Reply::Connection(Box::new(Examined {
            socket: (inquiry.at < at(10_000)).then(|| socket(TcpState::Established, 0, 0)),
            ..waiting()
        }))),
        Question::Link { .. } | Question::Sweep | Question::Stalled | Question::Walk { .. } | Question::Who(_) => {
            Some(Reply::Link(None))
        }
    });
    world.play(vec![stray(1, 1, tcp::ACK)], 9_000);
    assert_eq!(world.findings.len(), 1);
    world.run_until(60_000);
    assert_eq!(world.states().last(), Some(&crate::model::finding::State::Closed));
    assert_eq!(world.tracker.tracked(), 0);
}

/// The accepting side, when the entry was deleted: `inode` 0 is not accepted.
fn proxied(inode: u32) -> World {
    World::answering(move |inquiry| match &inquiry.question {
        Question::Connection { aspects, .. } if aspects.is_empty() => {
            let mut child = socket(TcpState::Established, 0, 0);
            child.inode = inode;
            Some(Reply::Connection(Box::new(Examined {
                socket: Some(child),
                ..looked(None, Vec::new())
            })))
        }
        Question::Connection { .. } => Some(Reply::Connection(Box::new(looked(None, waits())))),
        Question::Link { .. } | Question::Sweep | Question::Stalled | Question::Walk { .. } | Question::Who(_) => {
            Some(Reply::Link(None))
        }
    })
}

fn aborted(millis: u64) -> Event {
    let kind = EventKind::RstSent(RstSent {
        maker: RstMaker::Socket,
        reason: None,
        active: true,
        state: Some(TcpState::Close),
        packet: None,
    });
    Event {
        socket: None,
        owner: None,
        tuple: Some(raw()),
        ..event(millis, kind)
    }
}

#[test]
fn a_proxy_that_closes_what_it_accepted_without_an_entry_lost_the_destination() {
    for end in [stray(900, 1, tcp::FIN | tcp::ACK), aborted(900)] {
        let mut world = proxied(0);
        world.play(vec![deleted(1), end], 3_000);
        let finding = world.only();
        assert_eq!(
            (finding.cause, finding.confidence),
            (Cause::OriginalDestinationLost, Confidence::Proved)
        );
        assert_eq!(finding.connection.as_ref().unwrap().tuple, connection());
    }
}

#[test]
fn what_was_accepted_or_goes_on_only_lost_its_translation() {
    for (inode, end) in [
        (7, stray(900, 1, tcp::FIN | tcp::ACK)),
        (7, aborted(900)),
        (0, stray(900, 1, tcp::ACK)),
    ] {
        let mut world = proxied(inode);
        world.play(vec![deleted(1), end], 3_000);
        assert_eq!(world.only().cause, Cause::NatBindingLost);
    }
    // Without the deletion a socket that resets its connection does what it wants.
    let mut world = proxied(0);
    world.play(vec![aborted(900)], 3_000);
    assert!(world.findings.is_empty() && world.inquiries.is_empty());
}

#[test]
fn a_storm_of_late_packets_asks_few_questions_and_counts_the_rest() {
    let mut world = World::finding(looked(None, Vec::new()));
    let late = |port: u16| {
        let mut packet = packet(tuple(&format!("10.77.0.3:{port}"), "10.77.0.2:40000"), Some(2), None);
        packet.tcp_flags = tcp::ACK;
        no_socket(1, POD, packet)
    };
    world.play((1_000..1_500).map(late).collect(), 5_000);
    assert!(world.inquiries.len() <= 25, "{}", world.inquiries.len());
    let totals = world.tracker.totals();
    let asked = u64::try_from(world.inquiries.len()).unwrap();
    assert_eq!((totals.unmatched_packets, totals.unexamined), (500, 500 - asked));
}

#[test]
fn the_same_packet_again_is_not_asked_about_again() {
    let events = vec![
        stray(1, 1, tcp::ACK),
        stray(500, 1, tcp::ACK),
        stray(1_000, 1, tcp::ACK),
    ];
    let world = play(looked(None, Vec::new()), events);
    assert_eq!(world.inquiries.len(), 1);
}

/// Where its packets would go by the rules that are there now.
fn current(destination: Tuple, certain: bool) -> Trail {
    Trail {
        agrees: destination == redirected().leaving(),
        certain,
        destination: Some(destination.destination),
        ..trail(End::Left, Vec::new())
    }
}

fn hanging(entry: Conntrack, rules: Walked) -> World {
    let examined = Examined {
        conntrack: Some(entry),
        target: entry.leaving().destination,
        ..waiting()
    };
    let mut world = answering(examined, move |packets| {
        let mut walked = rules.clone();
        walked.trails = packets.iter().map(|_| rules.trails[0].clone()).collect();
        Some(Reply::Walked(Box::new(walked)))
    });
    world.play(vec![syn_retransmit(1_000, 1), syn_retransmit(3_000, 2)], 4_000);
    world
}

fn walked(trail: Trail) -> Walked {
    let Reply::Walked(walked) = told(vec![trail]) else {
        panic!("told is about rules");
    };
    *walked
}

#[test]
fn an_entry_that_no_current_rule_makes_captures_the_connect() {
    // Still unreplied, and assured: an earlier connection's.
    for entry in [redirected(), alive()] {
        let world = hanging(entry, walked(current(connection(), true)));
        let finding = world.only();
        assert_eq!(
            (finding.cause, finding.confidence),
            (Cause::StaleConntrack, Confidence::Likely)
        );
        assert_eq!(finding.culprits, [Culprit::ConntrackEntry(entry)]);
    }
}

#[test]
fn an_entry_that_a_rule_makes_or_may_make_is_not_accused() {
    let made = hanging(redirected(), walked(current(redirected().leaving(), true)));
    assert_eq!(made.only().cause, Cause::Unanswered);
    let made = hanging(alive(), walked(current(redirected().leaving(), true)));
    assert_eq!(made.only().cause, Cause::Unanswered);
    let unsure = hanging(redirected(), walked(current(connection(), false)));
    assert_eq!(unsure.only().cause, Cause::Unanswered);
    let caveat = Walked {
        caveats: vec!["IPVS has services here".into()],
        ..walked(current(connection(), true))
    };
    assert_eq!(hanging(redirected(), caveat).only().cause, Cause::Unanswered);
}

#[test]
fn an_older_entry_alone_is_only_possible() {
    let world = play(
        Examined {
            conntrack: Some(alive()),
            target: alive().leaving().destination,
            ..waiting()
        },
        vec![syn_retransmit(1_000, 1), syn_retransmit(2_900, 2)],
    );
    let mut world = world;
    world.run_until(4_000);
    let finding = world.only();
    assert_eq!(
        (finding.cause, finding.confidence),
        (Cause::StaleConntrack, Confidence::Possible)
    );
}

#[test]
fn a_refusal_by_an_old_entry_is_the_entry_s() {
    let gone = Examined {
        conntrack: None,
        socket: None,
        target: redirected().leaving().destination,
        target_is_local: true,
        listeners: Vec::new(),
        seen: Vec::new(),
    };
    let mut world = answering(gone, |_| Some(told(vec![current(connection(), true)])));
    let refused = packet(redirected().leaving(), Some(1), Some(redirected()));
    let events = vec![
        no_socket(1, POD, refused),
        rst_received(1, TcpState::SynSent),
        failed(2, 111),
    ];
    world.play(events, 1_000);
    assert_eq!(world.only().cause, Cause::StaleConntrack);
}

#[test]
fn a_rst_that_is_dropped_on_its_way_out_is_no_hang() {
    let mut leaving = dropped_leaving(1);
    if let EventKind::Drop(dropped) = &mut leaving.kind {
        dropped.packet.tcp_flags = tcp::RST | tcp::ACK;
    }
    let mut world = World::new();
    world.play(vec![leaving], 10_000);
    assert!(world.findings.is_empty() && world.inquiries.is_empty());
}
