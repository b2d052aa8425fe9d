//! Events per second through decoding and the Tracker, and lines of JSON per second, on one core.

use crate::load::Job;
use crate::probe::as_f64;
use crate::record::Recording;
use crate::table::{Table, median, target, whole};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use tracer_user::decode::Tables;
use tracer_user::model::event::Event;
use tracer_user::model::inquiry::{Answer, Census, Examined, Inquiry, Question, Reply};
use tracer_user::model::time::Timestamp;
use tracer_user::sink::{Clock, Record, jsonl};
use tracer_user::track::{Config, Tracker};

pub(crate) fn measure() -> anyhow::Result<String> {
    let failures = Recording::of(
        false,
        &[Job::Refuse(5_000), Job::Abort(5_000), Job::Hang(1_000)],
        Duration::from_millis(3_300),
    )?;
    let ordinary = Recording::of(true, &[Job::Connect(10_000)], Duration::from_millis(200))?;
    let mut table = Table::new(&[
        "stream",
        "decode + Tracker, events/s",
        "target",
        "JSON, lines/s",
        "bytes a line",
    ]);
    let mut described = Vec::new();
    for (name, recording) in [("failures", &failures), ("every connection", &ordinary)] {
        let speed = Speed::of(recording)?;
        table.row([
            name.into(),
            whole(speed.events),
            target(">= 1,000,000", speed.events >= 1e6),
            whole(speed.lines),
            whole(speed.line),
        ]);
        described.push(format!("{name}: {}; {}", recording.describe(), speed.totals));
    }
    Ok(format!("{TITLE}\n\n{}\n\n{}.", table.render(), described.join(".\n")))
}

struct Speed {
    events: f64,
    lines: f64,
    line: f64,
    totals: String,
}

impl Speed {
    fn of(recording: &Recording) -> anyhow::Result<Self> {
        let mut tracker = Tracker::new(Config::default(), Timestamp::default());
        let (mut tracking, mut writing) = (Vec::new(), Vec::new());
        let (mut bytes, mut lines) = (0u64, 0u64);
        let mut batch = Vec::new();
        let repeats = EVENTS / u32::try_from(recording.records.len().max(1))?;
        for number in 1..=repeats.max(3) {
            let records = recording.retell(number);
            let count = as_f64(records.len() as u64);
            let start = now()?;
            for records in records.chunks(BATCH) {
                feed(&recording.tables, records, &mut tracker);
            }
            tracking.push(count / seconds_since(start)?);
            let events: Vec<Event> = records
                .iter()
                .filter_map(|bytes| recording.tables.decode(bytes, |_| None).ok())
                .collect();
            let start = now()?;
            for events in events.chunks(BATCH) {
                batch.push(write(events));
            }
            writing.push(as_f64(events.len() as u64) / seconds_since(start)?);
            bytes += batch.drain(..).map(|batch| batch.len() as u64).sum::<u64>();
            lines += events.len() as u64;
        }
        let totals = tracker.totals();
        Ok(Self {
            events: median(tracking),
            lines: median(writing),
            line: as_f64(bytes) / as_f64(lines.max(1)),
            totals: format!(
                "in all {} events, {} refused, {} aborted, {} given up, {} findings",
                totals.events,
                totals.refused,
                totals.aborted,
                totals.given_up,
                totals.findings.values().sum::<u64>(),
            ),
        })
    }
}

/// A turn of the shell's loop: a batch, then what the Tracker says, asks, and is due for.
fn feed(tables: &Tables, records: &[Vec<u8>], tracker: &mut Tracker) {
    let mut last = Timestamp::default();
    for bytes in records {
        if let Ok(event) = tables.decode(bytes, |_| None) {
            last = last.max(event.at);
            tracker.handle_event(&event);
        }
    }
    if tracker.poll_timeout().is_some_and(|deadline| deadline <= last) {
        tracker.handle_timeout(last);
    }
    while let Some(inquiry) = tracker.poll_inquiry() {
        tracker.handle_answer(answer(&inquiry, last));
    }
    while tracker.poll_finding().is_some() {}
}

/// What the inspector would find out: nothing but an address without a listener.
fn answer(inquiry: &Inquiry, at: Timestamp) -> Answer {
    let reply = match &inquiry.question {
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
        Question::Walk { .. } | Question::Who(_) => Reply::Unreachable("not asked of the kernel here".into()),
    };
    Answer {
        id: inquiry.id,
        at,
        enter: None,
        reply,
    }
}

fn write(events: &[Event]) -> Vec<u8> {
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
fn now() -> anyhow::Result<Duration> {
    Ok(Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))?)
}

fn seconds_since(start: Duration) -> anyhow::Result<f64> {
    Ok(now()?.saturating_sub(start).as_secs_f64())
}

/// About as many as go through in all.
const EVENTS: u32 = 2_000_000;
/// As many as the shell takes in one go.
const BATCH: usize = 512;
const TITLE: &str = "### The stream

Records of the real ring, replayed by one thread, again and again with later times, other sockets and other addresses,
in batches of 512 as the program takes them; every inquiry is answered at once. Medians, by the thread's CPU time.";
