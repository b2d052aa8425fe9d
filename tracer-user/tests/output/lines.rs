//! What is pushed, and what is read back.

use serde_json::Value;
use std::time::Duration;
use tracer_user::model::event::{Event, EventKind};
use tracer_user::model::identity::Netns;
use tracer_user::model::time::Timestamp;
use tracer_user::sink::Hello;

/// When the runs begin.
pub(crate) const START: Timestamp = Timestamp::from_nanos(1_000_000_000);

/// A `hello` with so many bytes of options.
pub(crate) fn hello(bytes: usize) -> Hello {
    let options = (0..bytes / 100).map(|number| (format!("option-{number}"), "x".repeat(80)));
    Hello {
        at: START,
        session: std::process::id().to_string(),
        options: options.collect(),
        ..Hello::default()
    }
}

pub(crate) fn event(seconds: u64) -> Event {
    Event {
        at: START + Duration::from_secs(seconds),
        cpu: 0,
        netns: Netns {
            cookie: 4097,
            inode: 4_026_532_281,
        },
        socket: None,
        tuple: None,
        owner: None,
        kind: EventKind::Connect,
    }
}

/// What ends with a newline, and what is behind the last one.
pub(crate) fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    bytes.split_at(end)
}

/// Parses whole lines, and checks that `seq` has no gaps: it begins anew with each run.
pub(crate) fn parse(whole: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(whole).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let first = lines.first().map_or(0, |line| line["seq"].as_u64().unwrap());
    let mut next = first;
    for line in &lines {
        let seq = line["seq"].as_u64().unwrap();
        assert!(seq == next || seq == 0, "{seq} follows {next}");
        next = seq + 1;
    }
    lines
}
