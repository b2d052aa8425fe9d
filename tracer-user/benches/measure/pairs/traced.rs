//! A tracer that runs: what it takes, and what it saw when it ends.

use super::peer::Yardstick;
use super::subject::Kind;
use crate::cgroup::{Group, command_in};
use crate::process::{self, Runs};
use crate::traffic::{Job, Place, Traffic, Work};
use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

pub(super) struct Traced {
    child: Child,
    group: Group,
    output: PathBuf,
    errors: PathBuf,
    yardstick: Option<Yardstick>,
    /// Lines that it had written when it was found to trace.
    before: u64,
}

/// What a tracer saw, all its runs together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) lines: u64,
    /// The records that it says it lost; only conntracer's are understood.
    pub(crate) told: u64,
}

impl Seen {
    pub(super) fn add(&mut self, more: Self) {
        let Self { lines, told } = more;
        self.lines += lines;
        self.told += told;
    }
}

impl Traced {
    /// Returns when it traces, and has done what it does once.
    pub(super) fn start(kind: Kind, traffic: &mut Traffic) -> anyhow::Result<Self> {
        let group = Group::new("tracer")?;
        let file = |name: &str| env::temp_dir().join(format!("conntracer-bench-{}.{name}", std::process::id()));
        let (output, errors) = (file("out"), file("err"));
        let mut command = command_in(&group.processes(), "env");
        kind.add_to(&mut command, &output, traffic.server());
        let stdout = if kind.writes_itself() {
            Stdio::null()
        } else {
            File::create(&output)?.into()
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(File::create(&errors)?)
            .spawn()
            .context("cannot start it")?;
        let mut traced = Self {
            child,
            group,
            output,
            errors,
            yardstick: kind.yardstick(),
            before: 0,
        };
        traced.wait_until_attached(kind.sign(), traffic)?;
        traced.settle()?;
        traced.before = traced.seen()?.lines;
        Ok(traced)
    }

    /// Connections are made until it shows one, or says itself that it traces.
    fn wait_until_attached(&mut self, sign: &str, traffic: &mut Traffic) -> anyhow::Result<()> {
        const PROBE: Work = Work {
            job: Job::Churn,
            place: Place::Redirected,
        };
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                bail!("{}", self.last_words(status));
            }
            traffic.run(PROBE, Duration::from_millis(1))?;
            let mut is_there = false;
            each_line(&self.output, |line| is_there |= line.contains(sign))?;
            if is_there {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        bail!("nothing from it within {PATIENCE:?}")
    }

    /// User and system time of its processes.
    pub(super) fn cpu(&self) -> anyhow::Result<Duration> {
        self.group.cpu()
    }

    /// Runs of all its eBPF programs.
    pub(super) fn runs(&self) -> anyhow::Result<Runs> {
        process::all_programs(self.child.id())
    }

    /// Waits until it has worked off what it has.
    pub(super) fn settle(&self) -> anyhow::Result<()> {
        self.group.rest()
    }

    /// Ends it as Ctrl-C does.
    pub(super) fn finish(mut self) -> anyhow::Result<Seen> {
        if let Some(status) = self.child.try_wait()? {
            bail!("it ended early: {}", self.last_words(status));
        }
        kill_process(Pid::from_child(&self.child), Signal::INT)?;
        let end = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > end {
                bail!("it did not end within {PATIENCE:?}");
            }
            thread::sleep(Duration::from_millis(5));
        }
        let mut seen = self.seen()?;
        seen.lines = seen.lines.saturating_sub(self.before);
        Ok(seen)
    }

    fn seen(&self) -> anyhow::Result<Seen> {
        let mut seen = Seen::default();
        each_line(&self.output, |line| {
            let is_due = self.yardstick.is_some_and(|yardstick| line.contains(yardstick.marker));
            seen.lines += u64::from(is_due);
            if line.contains(r#""type":"summary""#) {
                let summary: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
                seen.told += summary["lost"].as_u64().unwrap_or(0);
            }
        })?;
        Ok(seen)
    }

    fn last_words(&self, status: ExitStatus) -> String {
        let errors = fs::read_to_string(&self.errors).unwrap_or_default();
        let last = errors.lines().rev().find(|line| !line.trim().is_empty());
        last.map_or_else(|| status.to_string(), |line| line.trim().to_owned())
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        // Whatever it still does is of no interest.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.output);
        let _ = fs::remove_file(&self.errors);
    }
}

/// The lines of a file that may be large, or may not be there yet.
fn each_line(file: &Path, mut take: impl FnMut(&str)) -> anyhow::Result<()> {
    let Ok(file) = File::open(file) else { return Ok(()) };
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        if let Ok(text) = str::from_utf8(&line) {
            take(text);
        }
        line.clear();
    }
    Ok(())
}

const PATIENCE: Duration = Duration::from_mins(1);
