//! Events per second through decoding and the Tracker, and lines of JSON per second, on one core.

use crate::crowd;
use crate::feed::{BATCH, feed, now, seconds_since, write};
use crate::load::Job;
use crate::probe::as_f64;
use crate::record::Recording;
use crate::table::{Table, median, target, whole};
use std::time::Duration;
use tracer_user::model::event::Event;
use tracer_user::model::time::Timestamp;
use tracer_user::track::{Config, Tracker};

pub(crate) fn measure() -> anyhow::Result<String> {
    let failures = Recording::of(
        false,
        &[Job::Refuse(5_000), Job::Abort(5_000), Job::Hang(1_000)],
        Duration::from_millis(3_300),
    )?;
    let mut table = Table::new(&[
        "stream",
        "decode + Tracker, events/s",
        "target",
        "JSON, lines/s",
        "target",
        "bytes a line",
    ]);
    let mut described = Vec::new();
    for (name, recording) in [("failures", &failures), ("every connection", &ordinary()?)] {
        let speed = Speed::of(recording)?;
        table.row([
            name.into(),
            whole(speed.events),
            String::new(),
            whole(speed.lines),
            target(">= 400,000", speed.lines >= 4e5),
            whole(speed.line),
        ]);
        described.push(format!("{name}: {}; {}", recording.describe(), speed.totals));
    }
    for (name, recording, least) in [
        ("mixed", crowd::record_mixed()?, Some(3e6)),
        ("failures", crowd::record()?, None),
    ] {
        let (mut rates, mut tracked) = (Vec::new(), 0);
        for _ in 0..TIMES {
            let crowd = crowd::run(&recording, crowd::TELLINGS, 0)?;
            rates.push(as_f64(crowd.events) / crowd.cpu.as_secs_f64());
            tracked = crowd.tracked;
        }
        let rate = median(rates);
        table.row([
            format!("{name}, {} under suspicion at once", whole(as_f64(tracked))),
            whole(rate),
            least.map_or_else(String::new, |least| {
                target(&format!(">= {}", whole(least)), rate >= least)
            }),
            String::new(),
            String::new(),
            String::new(),
        ]);
        described.push(format!(
            "{name}, told {} times at once: {}",
            crowd::TELLINGS,
            recording.describe()
        ));
    }
    Ok(format!("{TITLE}\n\n{}\n\n{}.", table.render(), described.join(".\n")))
}

/// Connect, established and closed of each.
pub(crate) fn ordinary() -> anyhow::Result<Recording> {
    Recording::of(true, &[Job::Connect(10_000)], Duration::from_millis(200))
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

/// About as many as go through in all.
const EVENTS: u32 = 2_000_000;
/// Runs of a crowd, of which the median is told.
const TIMES: u32 = 7;
const TITLE: &str = "### The stream

Records of the real ring, replayed by one thread, again and again with later times, other sockets and other addresses,
in batches of 512 as the program takes them; every inquiry is answered at once. Medians, by the thread's CPU time.
Mixed are as many ordinary, refused, aborted and unanswered connections, with every step of each.";
