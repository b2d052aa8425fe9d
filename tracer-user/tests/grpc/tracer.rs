//! The real program, tracing the namespaces of a lab.

use crate::process::PATIENCE;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) struct Tracer {
    child: Child,
    output: Receiver<Value>,
    findings: Vec<Value>,
}

impl Tracer {
    /// Returns once it traces.
    pub(crate) fn start(pids: &[u32]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_conntracer"))
            .args(["trace", "--json", "--hang-after", "2s"])
            .args(pids.iter().flat_map(|pid| ["--netns".to_owned(), format!("pid:{pid}")]))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let stdout = child.stdout.take().expect("piped");
        let (sender, output) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).expect("one object a line");
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let hello: Value = output.recv_timeout(PATIENCE).expect("a line");
        assert_eq!(hello["type"], "hello");
        Self {
            child,
            output,
            findings: Vec::new(),
        }
    }

    /// The next finding that `fits`.
    pub(crate) fn finding(&mut self, within: Duration, fits: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + within;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = self.output.recv_timeout(left) else {
                panic!("no such finding within {within:?}, but {:#?}", self.findings);
            };
            if line["type"] == "finding" {
                self.findings.push(line.clone());
                if fits(&line) {
                    return line;
                }
            }
        }
    }

    /// Ends it; the last revision of each finding.
    pub(crate) fn stop(mut self) -> Vec<Value> {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("ours");
        while let Ok(line) = self.output.recv_timeout(PATIENCE) {
            if line["type"] == "finding" {
                self.findings.push(line);
            }
        }
        assert!(self.child.wait().expect("ours").success());
        let mut latest: Vec<Value> = Vec::new();
        for finding in self.findings.drain(..) {
            latest.retain(|earlier| earlier["id"] != finding["id"]);
            latest.push(finding);
        }
        latest
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // It has ended unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
