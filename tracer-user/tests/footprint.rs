//! What the Tracker keeps of connections that hang, in bytes that are allocated.

use cap::Cap;
use std::alloc::System;
use std::num::NonZeroU64;
use std::time::Duration;
use tracer_user::model::event::{Event, EventKind, Retransmit};
use tracer_user::model::identity::{Comm, Netns, Owner};
use tracer_user::model::inquiry::{Answer, Examined, Inquiry, Question, Reply, SocketInfo};
use tracer_user::model::tcp::TcpState;
use tracer_user::model::time::Timestamp;
use tracer_user::model::tuple::{Endpoint, Tuple};
use tracer_user::track::{Config, Tracker};

#[global_allocator]
static ALLOCATED: Cap<System> = Cap::new(System, usize::MAX);

const MANY: u32 = 100_000;
const MOST: usize = 220;

#[test]
fn a_hundred_thousand_that_hang_are_small_and_leave_little_behind() {
    let config = Config {
        census: false,
        ..Config::default()
    };
    let mut tracker = Tracker::new(config, at(0));
    let before = ALLOCATED.allocated();
    let each = |now: usize| now.saturating_sub(before) / usize::try_from(MANY).expect("small");

    hang(&mut tracker, 0);
    assert_eq!(tracker.tracked(), usize::try_from(MANY).expect("small"));
    let first = each(ALLOCATED.allocated());
    assert!(first <= MOST, "{first} bytes each");

    end(&mut tracker, 20_000);
    assert_eq!(tracker.tracked(), 0);
    let left = each(ALLOCATED.allocated());
    assert!(left <= MOST / 10, "{left} bytes of each are left");

    hang(&mut tracker, 100_000);
    let second = each(ALLOCATED.allocated());
    assert!(second <= first + 1, "{second} bytes each after {first}");
}

/// They send their SYN twice more, are examined as far as there is room for it, and are reported.
fn hang(tracker: &mut Tracker, start: u64) {
    for (millis, retransmits) in [(1_000, 1), (3_000, 2)] {
        for n in 0..MANY {
            let kind = EventKind::Retransmit(Retransmit {
                state: Some(TcpState::SynSent),
                retransmits,
                unacked: 1,
                rto: Some(Duration::from_secs(1)),
            });
            tracker.handle_event(&event(n, start, millis, kind));
        }
    }
    run(tracker, start + 3_000, start + 9_000);
}

fn end(tracker: &mut Tracker, start: u64) {
    for n in 0..MANY {
        tracker.handle_event(&event(n, 0, start, EventKind::Failed { errno: 0 }));
    }
    run(tracker, start, start + 60_000);
}

fn run(tracker: &mut Tracker, from: u64, until: u64) {
    for millis in (from..=until).step_by(50) {
        tracker.handle_timeout(at(millis));
        while let Some(inquiry) = tracker.poll_inquiry() {
            tracker.handle_answer(answer(&inquiry, millis));
        }
        while tracker.poll_finding().is_some() {}
    }
}

fn event(n: u32, started: u64, millis: u64, kind: EventKind) -> Event {
    let [_, high, middle, low] = n.to_be_bytes();
    let source = Endpoint::new([10, high, middle, low].into(), 40_000);
    let thread = n % 100;
    Event {
        at: at(started + millis),
        cpu: 0,
        netns: Netns {
            cookie: u64::from(n % 10) + 1,
            inode: 0xf000_0000 + n % 10,
        },
        socket: NonZeroU64::new(u64::from(n) + 1),
        tuple: Some(Tuple::new(source, Endpoint::new([10, 200, 0, 1].into(), 443))),
        owner: Some(Owner {
            started: at(started),
            pid: 1_000 + thread % 10,
            tid: 1_000 + thread,
            uid: 0,
            cgroup: 1,
            comm: Comm::new(b"app"),
        }),
        kind,
    }
}

fn answer(inquiry: &Inquiry, millis: u64) -> Answer {
    let reply = match &inquiry.question {
        Question::Connection { tuple, .. } => Reply::Connection(Box::new(Examined {
            conntrack: None,
            socket: Some(SocketInfo {
                state: Some(TcpState::SynSent),
                receive_queue: 0,
                send_queue: 1,
                unacked: Some(1),
                retransmits: 3,
                uid: 0,
                inode: 7,
                process: None,
                sending: None,
            }),
            target: tuple.destination,
            target_is_local: false,
            listeners: Vec::new(),
            seen: Vec::new(),
        })),
        Question::Sweep => Reply::Swept(Vec::new()),
        Question::Link { .. } | Question::Stalled | Question::Walk { .. } | Question::Who(_) => {
            Reply::Unreachable("nobody looks here".into())
        }
    };
    Answer {
        id: inquiry.id,
        at: at(millis),
        enter: None,
        reply,
    }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_nanos(1_000_000_000_000) + Duration::from_millis(millis)
}
