//! Connections that are held, as many as wanted: in as many loads as the limit of open files makes necessary.

use crate::load::{self, Job, Load};
use anyhow::Context as _;
use std::fs;

#[derive(Default)]
pub(crate) struct Held(Vec<(Load, u32)>);

impl Held {
    /// Loads for so many connections.
    pub(crate) fn start(count: u32) -> anyhow::Result<Self> {
        let mut held = Self::default();
        let mut left = count;
        while left > 0 {
            let share = left.min(load::capacity());
            left -= share;
            held.0.push((Load::start()?, share));
        }
        Ok(held)
    }

    /// Holds so many in all, beside those that are held already in loads of their own.
    pub(crate) fn grow(&mut self, count: u32) -> anyhow::Result<()> {
        let mut more = Self::start(count.saturating_sub(self.count()))?;
        more.run(Job::Hold)?;
        self.0.append(&mut more.0);
        Ok(())
    }

    pub(crate) fn count(&self) -> u32 {
        self.0.iter().map(|(_, share)| share).sum()
    }

    /// All of them at once.
    pub(crate) fn run(&mut self, job: impl Fn(u32) -> Job) -> anyhow::Result<()> {
        for (load, share) in &mut self.0 {
            load.begin(job(*share))?;
        }
        self.0.iter_mut().try_for_each(|(load, _)| load.reply())
    }
}

/// How many of the wanted ones this machine has memory for, both ends of each and what else it runs.
pub(crate) fn affordable(wanted: u32) -> anyhow::Result<u32> {
    let memory = fs::read_to_string("/proc/meminfo")?;
    let available = memory.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kibibytes: u64 = available
        .and_then(|value| value.trim().strip_suffix(" kB")?.parse().ok())
        .context("the memory that is available")?;
    let count = kibibytes.saturating_sub(RESERVE) / A_CONNECTION;
    Ok(wanted.min(u32::try_from(count).unwrap_or(u32::MAX)))
}

/// KiB of both ends with their files, and of the load's own memory.
const A_CONNECTION: u64 = 9;
/// KiB that are left alone.
const RESERVE: u64 = 2 << 20;
