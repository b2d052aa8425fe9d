//! One record to one line.

use crate::model::time::Timestamp;
use crate::sink::clock::Clock;
use crate::sink::jsonl::{LINE, ordinary};
use crate::sink::jsont::{self, Decimal, Head, Limits, Time};
use crate::sink::record::Record;
use serde::Serialize;
use std::borrow::Cow;

/// Appends `record` to `out` as one whole line of at most [`LINE`] bytes: where it is longer, lists and texts are cut
/// and the line says so. `session` is that of the `hello` before it, which names it itself.
pub fn write(record: Record<'_>, clock: Clock, seq: u64, session: Option<&str>, out: &mut Vec<u8>) {
    if let Record::Event(event) = record
        && ordinary::append(event, clock, seq, session, out)
    {
        return;
    }
    write_by_type(record, clock, seq, session, out);
}

/// As [`write`], and by the wire types alone.
pub(super) fn write_by_type(record: Record<'_>, clock: Clock, seq: u64, session: Option<&str>, out: &mut Vec<u8>) {
    let start = out.len();
    for (attempt, limits) in Limits::LADDER.into_iter().enumerate() {
        out.truncate(start);
        let head = Head {
            v: jsont::VERSION,
            kind: Cow::Borrowed(kind(record)),
            time: Time::new(at(record), clock),
            mono: Decimal::from(at(record)),
            seq,
            session: session
                .filter(|_| !matches!(record, Record::Hello(_)))
                .map(Cow::Borrowed),
            truncated: attempt > 0,
        };
        let written = append(&head, out).and_then(|()| append_body(record, clock, limits, out));
        if written.is_ok() && out.len() - start <= LINE {
            return;
        }
    }
}

/// The `type` of a record's line.
fn kind(record: Record<'_>) -> &'static str {
    match record {
        Record::Hello(_) => "hello",
        Record::Event(_) => "event",
        Record::Inquiry(_) => "inquiry",
        Record::Answer(_) => "answer",
        Record::Deadline(_) => "deadline",
        Record::Finding(_) => "finding",
        Record::Port(_) => "stolen-port",
        Record::Stats(_) => "stats",
        Record::Loss(_) => "loss",
        Record::Summary(_) => "summary",
    }
}

/// When it happened.
pub(crate) fn at(record: Record<'_>) -> Timestamp {
    match record {
        Record::Hello(hello) => hello.at,
        Record::Event(event) => event.at,
        Record::Inquiry(inquiry) => inquiry.at,
        Record::Answer(answer) => answer.at,
        Record::Deadline(at) => at,
        Record::Finding(finding) => finding.at,
        Record::Port(port) => port.at,
        Record::Stats(stats) => stats.at,
        Record::Loss(loss) => loss.at,
        Record::Summary(summary) => summary.at,
    }
}

fn append_body(record: Record<'_>, clock: Clock, limits: Limits, out: &mut Vec<u8>) -> serde_json::Result<()> {
    match record {
        Record::Hello(hello) => join(&jsont::Hello::new(hello, limits), out),
        Record::Event(event) => join(&jsont::Event::new(event, limits), out),
        Record::Inquiry(inquiry) => join(&jsont::Inquiry::new(inquiry), out),
        Record::Answer(answer) => join(&jsont::Answer::new(answer, limits), out),
        Record::Deadline(_) => {
            out.extend_from_slice(b"\n");
            Ok(())
        }
        Record::Finding(finding) => join(&jsont::Finding::new(finding, clock, limits), out),
        Record::Port(port) => join(&jsont::Port::new(port, limits), out),
        Record::Stats(stats) => join(&jsont::Stats::new(stats, limits), out),
        Record::Loss(loss) => join(&jsont::Loss::new(loss, limits), out),
        Record::Summary(summary) => join(&jsont::Summary::new(summary, limits), out),
    }
}

/// Appends the fields of `body`, which has at least one, to the object that `out` ends with, and ends the line.
fn join<T: Serialize>(body: &T, out: &mut Vec<u8>) -> serde_json::Result<()> {
    let seam = out.len().saturating_sub(1);
    out.truncate(seam);
    append(body, out)?;
    if let Some(brace) = out.get_mut(seam) {
        *brace = b',';
    }
    out.extend_from_slice(b"\n");
    Ok(())
}

fn append<T: Serialize>(value: &T, out: &mut Vec<u8>) -> serde_json::Result<()> {
    serde_json::to_writer(out, value)
}
