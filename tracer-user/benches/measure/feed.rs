//! What a turn of the shell's loop does with records: decode, Tracker, JSON; without a shell.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use tracer_user::decode::Tables;
use tracer_user::model::event::Event;
use tracer_user::model::inquiry::{Answer, Census, Examined, Question, Reply};
use tracer_user::model::time::Timestamp;
use tracer_user::sink::{Clock, Record, jsonl};
use tracer_user::track::Tracker;

/// A turn of the shell's loop: a batch, then what the Tracker says, asks, and is due for.
pub(crate) fn feed(tables: &Tables, records: &[Vec<u8>], tracker: &mut Tracker) {
    let mut last = Timestamp::default();
    for bytes in records {
        if let Ok(event) = tables.decode(bytes, |_| None) {
            last = last.max(event.at);
            tracker.handle_event(&event);
        }
    }
    turn(tracker, last, nobody_listens);
}

/// What it is due for, asks and says by now.
pub(crate) fn turn(tracker: &mut Tracker, now: Timestamp, reply: fn(&Question) -> Reply) {
    if tracker.poll_timeout().is_some_and(|deadline| deadline <= now) {
        tracker.handle_timeout(now);
    }
    while let Some(inquiry) = tracker.poll_inquiry() {
        tracker.handle_answer(Answer {
            id: inquiry.id,
            at: now,
            enter: None,
            reply: reply(&inquiry.question),
        });
    }
    while tracker.poll_finding().is_some() {}
}

/// What the inspector would find out: nothing but an address without a listener.
fn nobody_listens(question: &Question) -> Reply {
    match question {
        Question::Connection { tuple, .. } => Reply::Connection(Box::new(Examined {
            conntrack: None,
            socket: None,
            target: tuple.destination,
            target_is_local: true,
            listeners: Vec::new(),
            seen: Vec::new(),
        })),
        Question::Link { .. } => Reply::Link(None),
        Question::Sweep => Reply::Swept(Vec::new()),
        Question::Stalled => Reply::Stalled(Census::default()),
        Question::Walk { .. } | Question::Who(_) => nobody_knows(question),
    }
}

/// What leaves a connection that hangs as it is.
pub(crate) fn nobody_knows(_: &Question) -> Reply {
    Reply::Unreachable("not asked of the kernel here".into())
}

/// Their lines, as the writing thread makes them.
pub(crate) fn write(events: &[Event]) -> Vec<u8> {
    let mut out = Vec::with_capacity(BATCH << 10);
    for (event, seq) in events.iter().zip(0..) {
        jsonl::write(
            Record::Event(event),
            Clock::default(),
            seq,
            Some("6fa459ea-ee8a-4ca4-894e-db77e160355e"),
            &mut out,
        );
    }
    out
}

/// CPU time of this thread: whoever else uses the machine takes none of it.
pub(crate) fn now() -> anyhow::Result<Duration> {
    Ok(Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))?)
}

pub(crate) fn seconds_since(start: Duration) -> anyhow::Result<f64> {
    Ok(now()?.saturating_sub(start).as_secs_f64())
}

/// As many as the shell takes in one go.
pub(crate) const BATCH: usize = 512;
