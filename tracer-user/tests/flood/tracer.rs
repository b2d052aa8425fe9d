//! The program that watches.

use crate::HANG_AFTER;
use crate::told::{Line, Told};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

pub(crate) struct Tracer {
    child: Child,
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// With the time when each line came.
    lines: Mutex<Vec<(Instant, Line)>>,
    more: Condvar,
}

impl Tracer {
    /// Returns once it traces.
    pub(crate) fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_conntracer"))
            .args(["trace", "--json", "--hang-after"])
            .arg(format!("{}ms", HANG_AFTER.as_millis()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::with_capacity(1 << 20, child.stdout.take().unwrap());
        let mut hello = String::new();
        stdout.read_line(&mut hello).unwrap();
        assert!(hello.contains(r#""type":"hello""#), "{hello}");
        let shared = Arc::<Shared>::default();
        let reading = Arc::clone(&shared);
        let reader = thread::spawn(move || {
            for line in stdout.lines() {
                if let Some(line) = Line::new(&line.unwrap()) {
                    reading.lines.lock().unwrap().push((Instant::now(), line));
                    reading.more.notify_all();
                }
            }
        });
        Self {
            child,
            shared,
            reader: Some(reader),
        }
    }

    /// The first finding of this cause about a connection of this namespace, and when it came.
    pub(crate) fn wait_for(&self, cause: &str, inode: u64, until: Instant) -> Option<(Instant, Value)> {
        let mut lines = self.shared.lines.lock().unwrap();
        let mut seen = 0;
        loop {
            let found = lines.iter().skip(seen).find_map(|(at, line)| match line {
                Line::Other(value) if is_of(value, cause, inode) => Some((*at, value.clone())),
                Line::Event { .. } | Line::Other(_) => None,
            });
            let left = until.saturating_duration_since(Instant::now());
            if found.is_some() || left.is_zero() {
                return found;
            }
            seen = lines.len();
            lines = self.shared.more.wait_timeout(lines, left).unwrap().0;
        }
    }

    pub(crate) fn stop(mut self) -> Told {
        let peak = self.peak();
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        assert!(self.child.wait().unwrap().success());
        self.reader.take().unwrap().join().unwrap();
        let lines = std::mem::take(&mut *self.shared.lines.lock().unwrap());
        Told::new(lines.into_iter().map(|(_, line)| line).collect(), peak)
    }

    /// Bytes that were resident at most.
    fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // It is gone already unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_of(value: &Value, cause: &str, inode: u64) -> bool {
    value["type"] == "finding" && value["cause"] == cause && value["connection"]["netns"]["inode"] == inode
}
