//! Who is behind a finding: asked once, waited for a moment, never needed.

use super::world::*;
use crate::model::event::Event;
use crate::model::finding::{Cause, Finding};
use crate::model::inquiry::{Answer, Question, Reply};
use crate::model::who::{Identity, Pod, Subject};
use crate::track::Config;
use std::sync::Arc;

fn pod(name: &str) -> Arc<Identity> {
    Arc::new(Identity {
        pod: Some(Arc::new(Pod {
            name: Some(name.into()),
            ..Pod::default()
        })),
        ..Identity::default()
    })
}

/// A connect that nobody answers; `who` answers for names.
fn world(mut who: impl FnMut(Subject) -> Option<Reply> + 'static) -> World {
    let config = Config {
        names: true,
        sweep: false,
        census: false,
        ..without_rules()
    };
    World::with(config, move |inquiry| match &inquiry.question {
        Question::Connection { .. } => Some(Reply::Connection(Box::new(waiting()))),
        Question::Who(subject) => who(*subject),
        Question::Link { .. } | Question::Sweep | Question::Stalled | Question::Walk { .. } => None,
    })
}

fn hung() -> Vec<Event> {
    vec![syn_retransmit(1_000, 1), syn_retransmit(3_000, 2)]
}

fn name_of(finding: &Finding, subject: Subject) -> Option<&str> {
    let pod = finding.names.of(subject)?.pod.as_deref()?;
    pod.name.as_deref()
}

fn application() -> Subject {
    Subject::of_owner(&owner(0))
}

#[test]
fn a_finding_tells_the_pods_of_its_process_and_of_its_namespace() {
    let mut world = world(|subject| {
        Some(Reply::Identity(pod(match subject {
            Subject::Process { .. } => "client",
            Subject::Netns(_) => "network",
        })))
    });
    world.play(hung(), 4_000);
    let finding = world.findings.first().expect("a finding");
    assert_eq!((finding.cause, finding.hanging), (Cause::Unanswered, 1));
    assert_eq!(name_of(finding, application()), Some("client"));
    assert_eq!(name_of(finding, Subject::Netns(POD)), Some("network"));
}

#[test]
fn the_process_is_asked_for_while_it_lives_and_once_for_all_its_connections() {
    let mut world = world(|_| Some(Reply::Identity(pod("client"))));
    let other = Event {
        socket: crate::model::identity::SocketCookie::new(501),
        tuple: Some(tuple("10.77.0.2:40001", "10.77.0.3:9000")),
        ..syn_retransmit(1_001, 1)
    };
    world.feed([syn_retransmit(1_000, 1), other]);
    let asked = world
        .inquiries
        .iter()
        .filter(|inquiry| inquiry.question == Question::Who(application()));
    assert_eq!(asked.count(), 1, "{:?}", world.inquiries);
}

#[test]
fn a_finding_waits_for_names_a_moment_and_no_longer() {
    let mut named = world(|_| Some(Reply::Identity(pod("client"))));
    let mut silent = world(|_| None);
    named.play(hung(), 4_000);
    silent.play(hung(), 4_000);
    let (first, late) = (
        named.findings.first().expect("named"),
        silent.findings.first().expect("without"),
    );
    assert_eq!(
        (first.at, first.revision),
        (late.at, late.revision),
        "made at the same time"
    );
    assert!(late.names.iter().next().is_none());
    // Nothing waits beyond the end either.
    let mut cut = world(|_| None);
    cut.feed(hung());
    cut.run_until(3_001);
    cut.tracker.finish(at(3_002));
    assert!(cut.tracker.poll_finding().is_some());
}

#[test]
fn a_process_that_is_gone_keeps_the_name_it_had() {
    let mut asked = 0;
    let mut world = world(move |_| {
        asked += 1;
        let known = if asked <= 2 { pod("client") } else { Arc::default() };
        Some(Reply::Identity(known))
    });
    world.feed(hung());
    world.run_until(100_000);
    let last = world.findings.last().expect("a finding");
    assert_eq!(name_of(last, application()), Some("client"));
}

#[test]
fn a_name_that_comes_late_or_to_nobody_changes_nothing() {
    let mut world = world(|_| None);
    world.play(hung(), 4_000);
    let found = world.findings.len();
    for id in [1, 2, 3, 99] {
        world.tracker.handle_answer(Answer {
            id,
            at: at(4_001),
            enter: None,
            reply: Reply::Identity(pod("late")),
        });
    }
    assert_eq!(world.findings.len(), found);
    assert!(world.tracker.poll_finding().is_none());
}

#[test]
fn the_register_of_names_is_bounded() {
    let mut world = world(|_| Some(Reply::Identity(pod("client"))));
    for number in 0..10_000_u32 {
        let mut event = syn_retransmit(1_000, 1);
        event.owner = event.owner.map(|owner| crate::model::identity::Owner {
            pid: 100 + number,
            ..owner
        });
        event.socket = crate::model::identity::SocketCookie::new(1_000 + u64::from(number));
        event.tuple = Some(tuple(
            &format!("10.77.{}.{}:40000", number >> 8, number & 0xff),
            "10.77.0.3:9000",
        ));
        world.feed([event]);
    }
    assert!(world.tracker.named() <= crate::track::config::MAX_NAMES);
    assert!(world.tracker.totals().evicted > 0);
}
