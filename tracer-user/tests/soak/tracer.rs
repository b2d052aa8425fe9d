//! The program that watches it, and what it said.

use crate::schema;
use crate::tally::Tally;
use crate::traffic;
use crate::world::World;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

pub(crate) struct Tracer {
    child: Child,
    lines: Receiver<Value>,
    hello: Value,
}

impl Tracer {
    /// Returns once it traces.
    pub(crate) fn start(world: &World, hang_after: Duration) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conntracer"));
        command.args([
            "trace",
            "--json",
            "--hang-after",
            &format!("{}ms", hang_after.as_millis()),
        ]);
        for place in [&world.node, &world.mesh, &world.peer] {
            command.args(["--netns", &format!("pid:{}", place.pid())]);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.lines() {
                // Nobody listens where the test has failed.
                let _ = sender.send(schema::line(&line.unwrap()));
            }
        });
        let hello = lines.recv().expect("the program traces");
        Self { child, lines, hello }
    }

    pub(crate) fn stop(mut self) -> Traced {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).unwrap();
        let success = self.child.wait().unwrap().success();
        let mut lines = vec![std::mem::take(&mut self.hello)];
        lines.extend(self.lines.iter());
        Traced { success, lines }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // It is gone already unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Traced {
    success: bool,
    lines: Vec<Value>,
}

impl Traced {
    pub(crate) fn assert_nothing_lost(&self) {
        let summary = self.summary();
        let losses: Vec<_> = self.of("loss").collect();
        assert!(self.success && losses.is_empty(), "{losses:#?}");
        for counter in ["lost", "evictions", "unresolved_inquiries"] {
            assert_eq!(summary[counter], 0, "{counter} in {summary}");
        }
    }

    pub(crate) fn assert_silent(&self) {
        let loud: Vec<_> = self
            .of("finding")
            .filter(|finding| finding["severity"] != "info")
            .collect();
        assert!(loud.is_empty(), "{loud:#?}");
    }

    /// What it counted is what happened.
    pub(crate) fn assert_counts(&self, tally: &Tally) {
        let counted = &self.summary()["connections"];
        assert_eq!(counted["refused"], tally.times_refused(), "{counted}");
        assert_eq!(counted["given_up"], tally.times_given_up(), "{counted}");
        // Beside these a restarting server resets who waits to be accepted.
        let aborted = tally.made_of(traffic::RESET);
        assert!(counted["aborted"].as_u64() >= u64::try_from(aborted).ok(), "{counted}");
    }

    fn summary(&self) -> &Value {
        self.of("summary").last().expect("a summary")
    }

    fn of(&self, kind: &'static str) -> impl Iterator<Item = &Value> {
        self.lines.iter().filter(move |line| line["type"] == kind)
    }
}

impl fmt::Display for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.of("stats").last().unwrap_or(&Value::Null);
        let findings = self.of("finding").count();
        writeln!(
            f,
            "traced with {} ms of processor time in {} bytes; {} lines, {findings} revisions of findings",
            stats["cpu_ms"],
            stats["resident_bytes"],
            self.lines.len()
        )?;
        write!(f, "{}", self.summary())
    }
}
