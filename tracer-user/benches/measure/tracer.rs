//! The released program, tracing as a process of its own, and what it has used so far.

use crate::cgroup::command_in;
use crate::process::{self, Programs, Runs};
use crate::system;
use crate::tail::Tail;
use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

pub(crate) struct Tracer {
    child: Child,
    output: PathBuf,
    lines: Tail,
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
        Self::start_with(&["--events", events])
    }

    /// The same with these options.
    pub(crate) fn start_with(options: &[&str]) -> anyhow::Result<Self> {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_conntracer")), options)
    }

    /// The same, as one of these processes of a control group from its beginning.
    pub(crate) fn start_in(events: &str, processes: &Path) -> anyhow::Result<Self> {
        Self::start_by(
            command_in(processes, env!("CARGO_BIN_EXE_conntracer")),
            &["--events", events],
        )
    }

    fn start_by(mut command: Command, options: &[&str]) -> anyhow::Result<Self> {
        let output = env::temp_dir().join(format!("conntracer-bench-{}.jsonl", std::process::id()));
        let child = command
            // The time is a bound, should the bench be killed.
            .args(["trace", "--json", "--for", "10m", "-o"])
            .arg(&output)
            .args(options)
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start conntracer")?;
        let lines = Tail::new(output.clone());
        let mut tracer = Self { child, output, lines };
        tracer.wait_for("hello", PATIENCE, |line| {
            line.contains(r#""type":"hello""#).then_some(())
        })?;
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

    /// Waits for a line of the output that something is `found` in. Lines before it are not seen again.
    pub(crate) fn wait_for<T>(
        &mut self,
        what: &str,
        patience: Duration,
        mut found: impl FnMut(&str) -> Option<T>,
    ) -> anyhow::Result<T> {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            while let Some(line) = self.lines.next()? {
                if let Some(found) = found(&line) {
                    return Ok(found);
                }
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("conntracer ended early: {status}");
            }
            thread::sleep(Duration::from_millis(1));
        }
        bail!("waited {patience:?} for {what}");
    }

    /// Every line that is written by now and was not seen yet; how many there were.
    pub(crate) fn tell(&mut self, mut tell: impl FnMut(&str)) -> anyhow::Result<usize> {
        let mut count = 0;
        while let Some(line) = self.lines.next()? {
            tell(&line);
            count += 1;
        }
        Ok(count)
    }

    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.pid())?).context("a process")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Ends it in order; every line that was not seen yet is told.
    pub(crate) fn finish(mut self, tell: impl FnMut(&str)) -> anyhow::Result<()> {
        self.signal(Signal::INT)?;
        let status = self.child.wait()?;
        self.tell(tell)?;
        if !status.success() {
            bail!("conntracer ended with {status}");
        }
        Ok(())
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

const PATIENCE: Duration = Duration::from_mins(1);
