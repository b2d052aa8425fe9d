//! What the program said, and what it counted.

use crate::schema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// A line. Of events, which come by the ten thousand, only what is counted.
pub(crate) enum Line {
    Event { event: String, inode: u64 },
    Other(Value),
}

#[derive(Deserialize)]
struct Event {
    event: String,
    connection: Connection,
}

#[derive(Deserialize)]
struct Connection {
    netns: Netns,
}

#[derive(Deserialize)]
struct Netns {
    inode: u64,
}

impl Line {
    /// `None`: nothing that is counted or looked at.
    pub(crate) fn new(text: &str) -> Option<Self> {
        if text.starts_with(EVENT) {
            let event: Event = serde_json::from_str(text).unwrap();
            return Some(Self::Event {
                event: event.event,
                inode: event.connection.netns.inode,
            });
        }
        let kept = KEPT.iter().any(|start| text.starts_with(start));
        kept.then(|| Self::Other(schema::line(text)))
    }
}

pub(crate) struct Told {
    /// How many of each kind and namespace.
    events: BTreeMap<(String, u64), u64>,
    others: Vec<Value>,
    pub(crate) peak: u64,
}

impl Told {
    pub(crate) fn new(lines: Vec<Line>, peak: u64) -> Self {
        let (mut events, mut others) = (BTreeMap::new(), Vec::new());
        for line in lines {
            match line {
                Line::Event { event, inode } => *events.entry((event, inode)).or_default() += 1,
                Line::Other(value) => others.push(value),
            }
        }
        Self { events, others, peak }
    }

    /// How many were written.
    pub(crate) fn events(&self, event: &str, inode: u64) -> u64 {
        self.events.get(&(event.to_owned(), inode)).copied().unwrap_or_default()
    }

    /// What of this hook is not written, and told to be so: lost, left out by its limiter, or lost on the way out.
    pub(crate) fn missing(&self, hook: &str) -> u64 {
        let stats = self.of("stats").last().expect("stats before the summary");
        let mut hooks = stats["hooks"].as_array().unwrap().iter();
        let row = hooks.find(|row| row["hook"] == hook).expect("a row of the hook");
        let count = |name: &str| row[name].as_u64().unwrap_or_default();
        count("lost") + count("suppressed") + self.lost("queue", "events")
    }

    fn lost(&self, source: &str, name: &str) -> u64 {
        let of_it = self.of("loss").filter(|loss| loss[source] == name);
        of_it.filter_map(|loss| loss["lost"].as_u64()).sum()
    }

    fn of(&self, kind: &'static str) -> impl Iterator<Item = &Value> {
        self.others.iter().filter(move |line| line["type"] == kind)
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.of("stats").last().unwrap_or(&Value::Null);
        let summary = self.of("summary").last().unwrap_or(&Value::Null);
        writeln!(
            f,
            "{} MiB at most; {} ms of processor time",
            self.peak >> 20,
            stats["cpu_ms"]
        )?;
        for row in stats["hooks"].as_array().into_iter().flatten() {
            if row["lost"] != 0 || row["suppressed"] != 0 {
                writeln!(
                    f,
                    "{}: lost {}, suppressed {}",
                    row["hook"], row["lost"], row["suppressed"]
                )?;
            }
        }
        writeln!(f, "lost on the way out: {}", self.lost("queue", "events"))?;
        for ((event, inode), count) in &self.events {
            writeln!(f, "{count} {event} in {inode}")?;
        }
        write!(f, "{summary}")
    }
}

const KEPT: [&str; 4] = [
    r#"{"v":1,"type":"finding""#,
    r#"{"v":1,"type":"loss""#,
    r#"{"v":1,"type":"stats""#,
    r#"{"v":1,"type":"summary""#,
];
const EVENT: &str = r#"{"v":1,"type":"event""#;
