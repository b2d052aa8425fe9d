//! Any order of the events of one moment leads to the same finding.

use super::world::*;
use crate::model::event::Event;
use crate::model::finding::{Cause, Confidence};
use crate::model::inquiry::Examined;
use crate::model::tcp::TcpState;
use proptest::prelude::*;

fn dead_port() -> Vec<Event> {
    let packet = packet(redirected().leaving(), Some(1), Some(redirected()));
    vec![
        no_socket(1, POD, packet),
        rst_received(2, TcpState::SynSent),
        failed(3, 111),
    ]
}

fn rejected() -> Vec<Event> {
    vec![dropped_leaving(1), rst_received(2, TcpState::SynSent), failed(3, 111)]
}

fn conclude(events: Vec<Event>) -> Vec<(Cause, Confidence, u64)> {
    let nobody = Examined {
        conntrack: None,
        socket: None,
        target: redirected().leaving().destination,
        target_is_local: true,
        listeners: vec![],
        seen: Vec::new(),
    };
    let mut world = World::finding(nobody);
    world.feed(events);
    world.run_until(20_000);
    world
        .findings
        .iter()
        .map(|finding| (finding.cause, finding.confidence, finding.count))
        .collect()
}

proptest! {
    #[test]
    fn the_order_of_a_refusals_events_does_not_matter(events in Just(dead_port()).prop_shuffle()) {
        prop_assert_eq!(conclude(events), vec![(Cause::RedirectToDeadPort, Confidence::Proved, 1)]);
    }

    #[test]
    fn the_order_of_a_rejections_events_does_not_matter(events in Just(rejected()).prop_shuffle()) {
        prop_assert_eq!(conclude(events), vec![(Cause::RejectedByRule, Confidence::Proved, 1)]);
    }

    #[test]
    fn any_loss_of_events_changes_what_is_known_but_never_breaks_anything(
        events in Just([dead_port(), rejected()].concat()).prop_shuffle(),
        kept in proptest::collection::vec(any::<bool>(), 6),
    ) {
        let events = events.into_iter().zip(kept).filter(|(_, keep)| *keep).map(|(event, _)| event).collect();
        prop_assert!(conclude(events).len() <= 2);
    }
}
