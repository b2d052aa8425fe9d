//! What must stay silent, and how it is counted.

use super::world::*;
use crate::model::event::{EventKind, RstMaker, RstSent};
use crate::model::inquiry::{Examined, Reply};
use crate::model::reason::RstReason;
use crate::model::tcp::TcpState;
use crate::track::Config;

#[test]
fn an_ordinary_refused_port_is_counted() {
    let mut world = World::new();
    let packet = packet(connection(), Some(2), Some(untranslated()));
    world.play(
        vec![
            no_socket(1, PEER, packet),
            rst_received(1, TcpState::SynSent),
            failed(1, 111),
        ],
        10_000,
    );
    assert!(world.findings.is_empty());
    assert_eq!(world.tracker.totals().refused, 1);
    assert_eq!(
        (world.tracker.tracked(), world.inquiries.len()),
        (0, 0),
        "nothing to look at"
    );
}

#[test]
fn a_refused_port_on_loopback_is_counted() {
    let mut world = World::new();
    world.play(vec![rst_received(1, TcpState::SynSent), failed(1, 111)], 10_000);
    assert!(world.findings.is_empty());
    assert_eq!(world.tracker.totals().refused, 1);
}

#[test]
fn a_proxy_that_starts_listening_a_moment_after_its_rules_is_not_accused() {
    let late = Examined {
        conntrack: Some(redirected()),
        socket: None,
        target: redirected().leaving().destination,
        target_is_local: true,
        listeners: vec![listener("0.0.0.0:37673", 0, 128)],
        seen: Vec::new(),
    };
    let mut world = World::finding(late);
    let packet = packet(redirected().leaving(), Some(1), Some(redirected()));
    world.play(
        vec![
            no_socket(1, POD, packet),
            rst_received(1, TcpState::SynSent),
            failed(1, 111),
        ],
        10_000,
    );
    assert!(world.findings.is_empty());
    assert_eq!(world.tracker.totals().refused, 1);
}

fn active_reset(reason: RstReason) -> crate::model::event::Event {
    let sent = RstSent {
        maker: RstMaker::Socket,
        reason: Some(reason),
        active: true,
        state: Some(TcpState::Close),
        packet: None,
    };
    let mut event = event(10, EventKind::RstSent(sent));
    (event.netns, event.socket, event.owner) = (PEER, None, None);
    event.tuple = Some(connection().inverted());
    event
}

#[test]
fn an_application_that_aborts_is_counted_whichever_event_comes_first() {
    for reason in [RstReason::TcpState, RstReason::TcpAbortOnClose] {
        for reversed in [false, true] {
            let mut events = vec![active_reset(reason), rst_received(10, TcpState::Established)];
            if reversed {
                events.reverse();
            }
            let mut world = World::new();
            world.play(events, 10_000);
            assert!(world.findings.is_empty());
            assert_eq!(world.tracker.totals().aborted, 1);
        }
    }
}

#[test]
fn a_reset_after_a_fin_is_counted() {
    let mut world = World::new();
    world.play(vec![rst_received(10, TcpState::CloseWait)], 10_000);
    assert!(world.findings.is_empty());
    assert_eq!(world.tracker.totals().late_resets, 1);
}

#[test]
fn one_unexplained_give_up_is_only_counted() {
    let mut world = World::new();
    world.play(vec![syn_retransmit(1_000, 1), failed(1_200, 0)], 10_000);
    assert!(world.findings.is_empty());
    assert_eq!(world.tracker.totals().given_up, 1);
}

#[test]
fn a_hang_that_ends_before_it_is_one_is_silent() {
    let mut world = World::new();
    world.play(
        vec![syn_retransmit(1_000, 1), event(1_100, EventKind::Established)],
        10_000,
    );
    assert!(world.findings.is_empty());
    assert_eq!(world.tracker.tracked(), 0);
}

/// The clock went on for an hour while the host did not.
const AN_HOUR: u64 = 3_600_000;

#[test]
fn a_connect_that_a_suspension_interrupts_has_its_whole_time_again() {
    for answered in [true, false] {
        let mut world = World::new();
        world.play(vec![syn_retransmit(1_000, 1)], 1_500);
        // Whichever comes first.
        if answered {
            world.stand_still_until(AN_HOUR);
        }
        world.feed([syn_retransmit(AN_HOUR + 1, 2)]);
        world.run_until(AN_HOUR + 1_000);
        assert!(world.findings.is_empty() && world.inquiries.is_empty());
        if answered {
            world.feed([event(AN_HOUR + 1_001, EventKind::Established)]);
        }
        world.run_until(AN_HOUR + 4_000);
        assert_eq!(world.findings.is_empty(), answered, "a suspension excuses for so long");
    }
}

#[test]
fn data_that_a_suspension_leaves_unacknowledged_has_its_whole_time_again() {
    let mut world = World::new();
    world.play(vec![retransmit(200, 1), retransmit(600, 2)], 1_000);
    world.stand_still_until(AN_HOUR);
    world.run_until(AN_HOUR + 2_900);
    assert!(world.findings.is_empty() && world.inquiries.is_empty());
}

#[test]
fn data_that_was_acknowledged_by_the_time_one_looks_is_silent() {
    let fine = Examined {
        socket: Some(socket(TcpState::Established, 0, 0)),
        ..waiting()
    };
    let mut world = World::finding(fine);
    world.play(vec![retransmit(400, 1)], 10_000);
    assert!(world.findings.is_empty());
    assert_eq!(world.tracker.tracked(), 0);
}

#[test]
fn a_rule_that_drops_packets_of_nobody_here_is_counted() {
    let mut world = World::new();
    let scan = packet(tuple("203.0.113.9:5555", "10.77.0.2:22"), Some(2), None);
    world.play(
        vec![dropped(0, POD, crate::model::reason::DropReason::Netfilter, scan)],
        10_000,
    );
    assert!(world.findings.is_empty());
    assert_eq!(world.tracker.totals().unmatched_packets, 1);
}

#[test]
fn a_connection_of_a_namespace_that_nobody_asked_for_is_not_followed() {
    for (wanted, found) in [(TWIN, 0), (POD, 1)] {
        let config = Config {
            sweep: false,
            census: false,
            netns: vec![wanted.inode],
            ..without_rules()
        };
        let mut world = World::with(config, |_| Some(Reply::Connection(Box::new(waiting()))));
        world.play(vec![dropped_leaving(0), dropped_leaving(1_000)], 2_000);
        assert_eq!((world.findings.len(), world.tracker.tracked()), (found, found));
    }
}

#[test]
fn an_orderly_end_leaves_nothing_behind() {
    let mut world = World::new();
    let kinds = [
        EventKind::Connect,
        EventKind::Established,
        EventKind::Closed { errno: 0 },
    ];
    world.play(kinds.into_iter().map(|kind| event(1, kind)).collect(), 10_000);
    assert!(world.findings.is_empty());
    let totals = world.tracker.totals();
    assert_eq!((totals.connects, totals.established, totals.closed), (1, 1, 1));
    assert_eq!(world.tracker.tracked(), 0);
}

#[test]
fn a_namespace_that_cannot_be_looked_at_is_said_so_and_does_not_stop_the_judgement() {
    let mut world = World::answering(|_| Some(Reply::Gone));
    world.play(vec![syn_retransmit(1_000, 1), syn_retransmit(2_000, 2)], 4_000);
    let why = crate::model::evidence::Evidence::NotExamined {
        at: at(3_000),
        why: "the namespace is gone".into(),
    };
    assert!(world.only().evidence.contains(&why), "{:#?}", world.only().evidence);
}
