//! The released program, tracing as a process of its own, and what it has used so far.

use crate::cgroup::command_in;
use crate::process::{self, Programs, Runs};
use crate::system;
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

pub(crate) struct Tracer {
    child: Child,
    output: PathBuf,
}

/// What tracing has used up to a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Used {
    pub(crate) programs: Programs,
    /// User and system time of the process.
    pub(crate) cpu: Duration,
}

impl Used {
    /// All programs together.
    pub(crate) fn runs(&self) -> Runs {
        self.programs.values().copied().fold(Runs::default(), Runs::plus)
    }

    pub(crate) fn since(&self, before: &Self) -> Self {
        let programs = self.programs.iter().map(|(name, &runs)| {
            let before = before.programs.get(name).copied().unwrap_or_default();
            (name.clone(), runs.since(before))
        });
        Self {
            programs: programs.collect(),
            cpu: self.cpu.saturating_sub(before.cpu),
        }
    }
}

impl Tracer {
    /// Starts `conntracer trace --json --events EVENTS -o FILE`; returns when it traces.
    pub(crate) fn start(events: &str) -> anyhow::Result<Self> {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_conntracer")), events)
    }

    /// The same, as one of these processes of a control group from its beginning.
    pub(crate) fn start_in(events: &str, processes: &Path) -> anyhow::Result<Self> {
        Self::start_by(command_in(processes, env!("CARGO_BIN_EXE_conntracer")), events)
    }

    fn start_by(mut command: Command, events: &str) -> anyhow::Result<Self> {
        let output = env::temp_dir().join(format!("conntracer-bench-{}.jsonl", std::process::id()));
        let child = command
            // The time is a bound, should the bench be killed.
            .args(["trace", "--json", "--events", events, "--for", "2m", "-o"])
            .arg(&output)
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start conntracer")?;
        let mut tracer = Self { child, output };
        tracer.wait_for("hello", PATIENCE, |line| line.contains(r#""type":"hello""#))?;
        Ok(tracer)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn used(&self) -> anyhow::Result<Used> {
        Ok(Used {
            programs: process::programs(self.pid())?,
            cpu: system::cpu_time(self.pid())?,
        })
    }

    /// Waits until a line of the output is the wanted one.
    pub(crate) fn wait_for(
        &mut self,
        what: &str,
        patience: Duration,
        is_wanted: impl Fn(&str) -> bool,
    ) -> anyhow::Result<()> {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                bail!("conntracer ended early: {status}");
            }
            let written = fs::read_to_string(&self.output).unwrap_or_default();
            if written.lines().any(&is_wanted) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("waited {patience:?} for {what}");
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Nothing that it could still write is of interest; the kernel detaches its programs.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.output);
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
