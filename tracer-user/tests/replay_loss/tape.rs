//! A recording as a list of lines that can be left out, swapped, repeated and dated anew, and played.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::{fs, iter};
use tracer_user::model::finding::Finding;
use tracer_user::replay::Replay;

/// Deadlines come at least this often: what is lost may move the Tracker's own.
const STEP: u64 = 250_000_000;
/// The clock goes on for so long after the recording: longer than anything is waited for, shorter than a finding stays
/// open without news.
const AFTERWARDS: u64 = 12_000_000_000;

pub(crate) struct Tape {
    pub(crate) name: String,
    pub(crate) lines: Vec<Line>,
}

#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) value: Value,
    text: Vec<u8>,
    pub(crate) mono: u64,
}

impl Line {
    fn new(value: Value) -> Self {
        let mono = value["mono"].as_str().and_then(|mono| mono.parse().ok());
        Self {
            text: serde_json::to_vec(&value).expect("it was JSON"),
            mono: mono.expect("every line has it"),
            value,
        }
    }

    pub(crate) fn is(&self, kind: &str) -> bool {
        self.value["type"] == kind
    }

    /// What happened, of an event.
    pub(crate) fn event(&self) -> Option<&str> {
        self.value["event"].as_str()
    }

    /// What the Tracker takes in.
    pub(crate) fn is_input(&self) -> bool {
        ["event", "answer", "deadline"].iter().any(|kind| self.is(kind))
    }

    /// The line with another `mono`.
    pub(crate) fn at(&self, mono: u64) -> Self {
        let mut value = self.value.clone();
        value["mono"] = mono.to_string().into();
        Self::new(value)
    }

    /// The line with another `time`.
    pub(crate) fn dated(&self, time: &str) -> Self {
        let mut value = self.value.clone();
        value["time"] = time.into();
        Self::new(value)
    }
}

pub(crate) fn all() -> Vec<Tape> {
    let files = fs::read_dir(folder()).expect("the recordings").flatten();
    let mut tapes: Vec<_> = files.map(|file| tape(&file.path())).collect();
    tapes.sort_by(|one, other| one.name.cmp(&other.name));
    tapes
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn tape(path: &Path) -> Tape {
    let text = fs::read_to_string(path).expect("a recording");
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("a line"));
    Tape {
        name: path.file_stem().expect("a name").to_string_lossy().into_owned(),
        lines: lines.map(Line::new).collect(),
    }
}

/// Every revision of every finding that the lines lead to, the deadlines between them kept.
pub(crate) fn play<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Vec<Finding> {
    let mut replay = Replay::default();
    let mut findings = Vec::new();
    let mut now = None;
    for line in lines {
        let until = if line.is("summary") {
            now.map_or(line.mono, |now| now + AFTERWARDS)
        } else {
            line.mono
        };
        let mut feed = |text: &[u8]| {
            let taken = replay.line(text, &mut |finding| findings.push(finding.clone()));
            taken.expect("every line is understood");
        };
        for deadline in iter::successors(now, |at| Some(at + STEP)).skip(1) {
            if deadline >= until {
                break;
            }
            feed(deadline_at(deadline).as_bytes());
        }
        feed(&line.text);
        now = now.max(Some(line.mono));
    }
    findings
}

fn deadline_at(mono: u64) -> String {
    format!(r#"{{"v":1,"type":"deadline","time":"2026-01-01T00:00:00Z","mono":"{mono}","seq":0}}"#)
}
