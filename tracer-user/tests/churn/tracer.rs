//! The program, and what it takes of the machine.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};

pub(crate) struct Tracer {
    child: Child,
    /// Reads to the end, so that the program never waits for us.
    last: Option<JoinHandle<String>>,
}

/// At one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Bytes of anonymous memory.
    pub(crate) anonymous: u64,
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
    /// Bytes of the maps in the kernel.
    pub(crate) maps: u64,
}

impl Tracer {
    /// Returns once it traces, every namespace there is.
    pub(crate) fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_conntracer"))
            .args(["trace", "--json", "--hang-after", "500ms"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut hello = String::new();
        stdout.read_line(&mut hello).unwrap();
        assert!(hello.contains(r#""type":"hello""#), "{hello}");
        Self {
            child,
            last: Some(thread::spawn(move || last_line(stdout))),
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        let folder = format!("/proc/{}", self.child.id());
        let count = |name: &str| fs::read_dir(format!("{folder}/{name}")).unwrap().count();
        let memory = fs::read_to_string(format!("{folder}/smaps_rollup")).unwrap();
        Usage {
            anonymous: field(&memory, "Anonymous:") << 10,
            descriptors: count("fd"),
            threads: count("task"),
            maps: self.maps(),
        }
    }

    fn maps(&self) -> u64 {
        let entries = fs::read_dir(format!("/proc/{}/fdinfo", self.child.id())).unwrap();
        let texts = entries.filter_map(|entry| fs::read_to_string(entry.unwrap().path()).ok());
        let maps = texts.filter(|text| text.contains("map_id:"));
        maps.map(|text| field(&text, "memlock:")).sum()
    }

    /// The summary.
    pub(crate) fn stop(mut self) -> Value {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        assert!(self.child.wait().unwrap().success());
        let last = self.last.take().unwrap().join().unwrap();
        let summary: Value = serde_json::from_str(&last).unwrap();
        assert_eq!(summary["type"], "summary");
        summary
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // It is gone already unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn last_line(stdout: BufReader<ChildStdout>) -> String {
    stdout.lines().map_while(Result::ok).last().unwrap_or_default()
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_ascii_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}
