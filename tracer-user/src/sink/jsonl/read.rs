//! One line back to what it says.

use crate::model::event::Event;
use crate::model::inquiry::{Answer, Inquiry};
use crate::model::time::Timestamp;
use crate::sink::clock::Clock;
use crate::sink::jsont::{self, Head, Invalid};
use serde::Deserialize;

/// A line, understood.
#[derive(Debug)]
pub struct Line<'a> {
    pub seq: u64,
    /// `mono`.
    pub at: Timestamp,
    /// How far the wall clock was ahead.
    pub clock: Clock,
    /// Whether the writer cut it: replay may then come to another end.
    pub truncated: bool,
    pub input: Input<'a>,
}

/// What a line says: the Tracker's input in its own types, the rest as it is on the wire.
#[derive(Debug)]
pub enum Input<'a> {
    Event(Box<Event>),
    Inquiry(Inquiry),
    Answer(Answer),
    Deadline,
    Hello(Box<jsont::Hello<'a>>),
    Finding(Box<jsont::Finding<'a>>),
    Port(Box<jsont::Port<'a>>),
    Stats(Box<jsont::Stats<'a>>),
    Loss(jsont::Loss<'a>),
    Summary(Box<jsont::Summary<'a>>),
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("not a line of conntracer: {0}")]
    NotALine(#[source] serde_json::Error),
    #[error("schema version {0} is newer than {known}", known = jsont::VERSION)]
    Newer(u64),
    /// Of the same schema and not known here: to be skipped.
    #[error("unknown type {0:?}")]
    UnknownType(String),
    #[error("{kind}: {source}")]
    Malformed {
        kind: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("{kind}: {source}")]
    Invalid {
        kind: String,
        #[source]
        source: Invalid,
    },
}

/// Reads one line, with or without its end. Total: any bytes give a line or an error that says what is wrong.
pub fn read(line: &[u8]) -> Result<Line<'_>, ReadError> {
    let head: Head<'_> =
        serde_json::from_slice(line).map_err(|error| newer(line).unwrap_or(ReadError::NotALine(error)))?;
    if head.v > jsont::VERSION {
        return Err(ReadError::Newer(head.v));
    }
    let at = Timestamp::from_nanos(head.mono.0);
    Ok(Line {
        seq: head.seq,
        at,
        clock: Clock::new(at, head.time.0),
        truncated: head.truncated,
        input: input(&head.kind, at, line)?,
    })
}

/// A newer schema may have changed the head itself.
fn newer(line: &[u8]) -> Option<ReadError> {
    #[derive(Deserialize)]
    struct Version {
        v: u64,
    }
    let Version { v } = serde_json::from_slice(line).ok()?;
    (v > jsont::VERSION).then_some(ReadError::Newer(v))
}

fn input<'a>(kind: &str, at: Timestamp, line: &'a [u8]) -> Result<Input<'a>, ReadError> {
    let body = Body { kind, line };
    Ok(match kind {
        "event" => Input::Event(Box::new(body.model(|event: jsont::Event<'a>| event.model(at))?)),
        "inquiry" => Input::Inquiry(body.model(|inquiry: jsont::Inquiry<'a>| inquiry.model(at))?),
        "answer" => Input::Answer(body.model(|answer: jsont::Answer<'a>| answer.model(at))?),
        "deadline" => Input::Deadline,
        "hello" => Input::Hello(Box::new(body.wire()?)),
        "finding" => Input::Finding(Box::new(body.wire()?)),
        "stolen-port" => Input::Port(Box::new(body.wire()?)),
        "stats" => Input::Stats(Box::new(body.wire()?)),
        "loss" => Input::Loss(body.wire()?),
        "summary" => Input::Summary(Box::new(body.wire()?)),
        unknown => return Err(ReadError::UnknownType(unknown.to_owned())),
    })
}

struct Body<'k, 'a> {
    kind: &'k str,
    line: &'a [u8],
}

impl<'a> Body<'_, 'a> {
    fn wire<T: Deserialize<'a>>(&self) -> Result<T, ReadError> {
        serde_json::from_slice(self.line).map_err(|source| ReadError::Malformed {
            kind: self.kind.to_owned(),
            source,
        })
    }

    fn model<T: Deserialize<'a>, M>(&self, model: impl FnOnce(T) -> Result<M, Invalid>) -> Result<M, ReadError> {
        model(self.wire()?).map_err(|source| ReadError::Invalid {
            kind: self.kind.to_owned(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: &str) -> String {
        read(line.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn says_what_is_wrong_with_a_line() {
        let head = r#""v":1,"time":"2026-01-01T00:00:00Z","mono":"5","seq":0"#;
        assert!(error("").starts_with("not a line of conntracer: EOF"));
        assert!(error(r#"{"v":1,"type":"ev"#).starts_with("not a line of conntracer: EOF"));
        assert_eq!(error(r#"{"v":2,"new":true}"#), "schema version 2 is newer than 1");
        assert_eq!(
            error(&format!(r#"{{{head},"type":"weather"}}"#)),
            "unknown type \"weather\""
        );
        assert!(error(&format!(r#"{{{head},"type":"event"}}"#)).starts_with("event: missing field `event`"));
        let connection = r#""connection":{"netns":{}}"#;
        assert_eq!(
            error(&format!(
                r#"{{{head},"type":"event","event":"drop","cpu":0,{connection}}}"#
            )),
            "event: `drop` is missing"
        );
        assert!(
            error(&format!(
                r#"{{{head},"type":"event","event":"sneeze","cpu":0,{connection}}}"#
            ))
            .starts_with("event: unknown event \"sneeze\"")
        );
    }

    #[test]
    fn reads_a_deadline_and_the_clock_of_its_line() {
        let line = br#"{"v":1,"type":"deadline","time":"1970-01-01T00:00:01.000000005Z","mono":"5","seq":7}"#;
        let line = read(line).unwrap();
        assert_eq!((line.seq, line.at.as_nanos(), line.clock.offset), (7, 5, 1_000_000_000));
        assert!(matches!(line.input, Input::Deadline));
    }
}
