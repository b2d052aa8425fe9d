//! The program, run with some capabilities, and what it says.

use crate::effect::{Findings, Found};
use crate::schema;
use caps::{CapSet, CapsHashSet};
use rustix::process::{Gid, Pid, Signal, Uid, kill_process};
use rustix::thread::{set_keep_capabilities, set_thread_gid, set_thread_groups, set_thread_uid};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read as _};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    Root,
    /// Nobody, with what it is given as ambient capabilities.
    Other,
}

impl User {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Other => "nobody",
        }
    }
}

pub(crate) struct Tracer {
    child: Child,
    lines: Receiver<Value>,
    said: Vec<Value>,
    pub(crate) hello: Value,
}

impl Tracer {
    /// Returns once it traces.
    pub(crate) fn start(held: &CapsHashSet, user: User, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conntracer"));
        command
            .args(["trace", "--json"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = with(held, user, move || command.spawn().unwrap());
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // Nobody listens where the test has ended.
                let _: Result<(), _> = sender.send(schema::line(&line));
            }
        });
        let mut tracer = Self {
            child,
            lines,
            said: Vec::new(),
            hello: Value::Null,
        };
        tracer.hello = match tracer.lines.recv_timeout(PATIENCE) {
            Ok(hello) => hello,
            Err(error) => panic!("{error}: {}", tracer.log()),
        };
        tracer
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What is found once it is what is wanted, and every namespace was swept some times since; or in the end.
    pub(crate) fn watch(&mut self, wanted: &Findings) -> Findings {
        let end = Instant::now() + PATIENCE;
        let mut found = Findings::new();
        let mut sweeps = 0;
        while sweeps < SWEEPS || found != *wanted {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else { break };
            sweeps += u32::from(line["answer"] == "swept");
            self.take(line);
            found = self.findings();
        }
        found
    }

    fn take(&mut self, line: Value) {
        self.said.push(line);
    }

    /// The last revision of each that is not retracted.
    fn findings(&self) -> Findings {
        let findings = self.said.iter().filter(|line| line["type"] == "finding");
        let mut last: Vec<&Value> = Vec::new();
        for finding in findings {
            last.retain(|earlier| {
                let supersedes = finding["supersedes"].as_array().into_iter().flatten();
                earlier["id"] != finding["id"] && !supersedes.into_iter().any(|id| *id == earlier["id"])
            });
            last.push(finding);
        }
        let told = last.into_iter().filter(|finding| finding["state"] != "retracted");
        told.filter_map(|finding| {
            let port = finding["connection"]["destination"]["port"].as_u64()?;
            Some((port, found(finding)))
        })
        .collect()
    }

    /// Whether a drop says where in the kernel it was.
    pub(crate) fn tells_location(&self) -> bool {
        let mut events = self.said.iter().filter(|line| line["event"] == "drop");
        events.any(|event| event["drop"]["location"].is_string())
    }

    /// Ends it; what it said, for a person.
    pub(crate) fn stop(&mut self) -> String {
        self.end();
        let mut all = String::new();
        for line in self
            .said
            .iter()
            .filter(|line| line["type"] == "finding" || line["type"] == "answer")
        {
            writeln!(all, "{line}").unwrap();
        }
        all
    }

    /// What it wrote to standard error; it ends for that.
    pub(crate) fn log(&mut self) -> String {
        self.end();
        let mut log = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut log).unwrap();
        }
        log
    }

    fn end(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
            self.child.wait().unwrap();
        }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // It is gone already unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn found(finding: &Value) -> Found {
    let culprits = finding["culprits"].as_array().cloned().unwrap_or_default();
    let of = |kind: &str| {
        culprits
            .iter()
            .filter(|culprit| culprit["kind"] == kind)
            .cloned()
            .collect::<Vec<_>>()
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Found {
        cause: text(&finding["cause"]),
        confidence: text(&finding["confidence"]),
        names_rule: of("rule").iter().any(|rule| rule["text"].is_string()),
        names_listener: of("listener").iter().any(|listener| listener["process"].is_object()),
    }
}

/// What the program says when it is run to its end.
pub(crate) fn output(held: &CapsHashSet, user: User, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conntracer"));
    command.args(arguments).stdin(Stdio::null());
    with(held, user, move || command.output().unwrap())
}

/// Does it on a thread of that user that has no other capabilities, nor has what it starts.
fn with<T: Send>(held: &CapsHashSet, user: User, work: impl FnOnce() -> T + Send) -> T {
    let confined = || {
        for capability in caps::runtime::thread_all_supported().difference(held) {
            caps::drop(None, CapSet::Bounding, *capability).unwrap();
        }
        if user == User::Other {
            set_keep_capabilities(true).unwrap();
            set_thread_groups(&[]).unwrap();
            set_thread_gid(Gid::from_raw(NOBODY)).unwrap();
            set_thread_uid(Uid::from_raw(NOBODY)).unwrap();
            caps::set(None, CapSet::Effective, held).unwrap();
            caps::set(None, CapSet::Inheritable, held).unwrap();
            for capability in held {
                caps::raise(None, CapSet::Ambient, *capability).unwrap();
            }
        }
        work()
    };
    thread::scope(|scope| scope.spawn(confined).join().unwrap())
}

const NOBODY: u32 = 65534;
const PATIENCE: Duration = Duration::from_mins(1);
/// A completed connection that nobody accepts is found by the third one.
const SWEEPS: u32 = 6;
