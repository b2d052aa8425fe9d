//! What the programs cost, by the kernel's run-time statistics. These are off but for a window now and then, because they
//! read the clock twice for each run.

use crate::kernel::stat::{Cost, cost, enable_cost};
use aya::programs::{Program, ProgramError, ProgramFd, RawTracePoint};
use aya::{Ebpf, RawTracePointRunOptions, TestRun as _};
use std::fs;
use std::io;
use std::time::{Duration, Instant};
use tracer_common::stat::Hook;

/// The programs of each attached hook, to be read by any thread.
pub struct Meter {
    hooks: Vec<(Hook, Vec<ProgramFd>)>,
}

/// The kernel's counters of each hook at a moment.
#[derive(Clone, Debug)]
pub struct Reading {
    at: Instant,
    hooks: Vec<(Hook, Cost)>,
}

/// What each hook cost in a time that the kernel counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub length: Duration,
    pub hooks: Vec<(Hook, Cost)>,
}

impl Meter {
    pub(super) fn new(hooks: Vec<(Hook, Vec<ProgramFd>)>) -> Self {
        Self { hooks }
    }

    pub fn read(&self) -> Reading {
        let hooks = self.hooks.iter().map(|(hook, programs)| {
            let costs = programs.iter().filter_map(|program| cost(program).ok());
            (*hook, costs.fold(Cost::default(), Cost::plus))
        });
        Reading {
            at: Instant::now(),
            hooks: hooks.collect(),
        }
    }
}

impl Reading {
    /// What was counted since then.
    pub fn since(&self, before: &Self) -> Window {
        let hooks = self.hooks.iter().map(|(hook, cost)| {
            let known = before.hooks.iter().find(|(of, _)| of == hook);
            (*hook, cost.since(known.map_or_else(Cost::default, |(_, cost)| *cost)))
        });
        Window {
            length: self.at.saturating_duration_since(before.at),
            hooks: hooks.collect(),
        }
    }
}

/// Whether somebody has the kernel count always.
pub fn counts_always() -> bool {
    fs::read_to_string("/proc/sys/kernel/bpf_stats_enabled").is_ok_and(|text| text.trim() == "1")
}

/// What counting adds to the time of each run: the run time of a program that does nothing.
pub(super) fn clock(ebpf: &mut Ebpf) -> Result<Duration, ClockError> {
    let program = ebpf.program_mut(NOTHING).ok_or(ClockError::NoProgram)?;
    let Program::RawTracePoint(program) = program else {
        return Err(ClockError::NoProgram);
    };
    program.load()?;
    let clock = quickest(program);
    program.unload()?;
    clock
}

/// One run of the quickest batch: a single run is slower than those at a busy hook, and an interrupted one says nothing.
fn quickest(program: &RawTracePoint) -> Result<Duration, ClockError> {
    let _statistics = enable_cost()?;
    let mut quickest = Duration::MAX;
    for _ in 0..BATCHES {
        let before = cost(program.fd()?)?;
        for _ in 0..BATCH {
            program.test_run(RawTracePointRunOptions::new())?;
        }
        let batch = cost(program.fd()?)?.since(before);
        quickest = quickest.min(batch.time / BATCH);
    }
    Ok(quickest)
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ClockError {
    #[error("the eBPF object has no program {NOTHING}")]
    NoProgram,
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error(transparent)]
    Statistics(#[from] io::Error),
}

const NOTHING: &str = "nothing";
const BATCHES: u32 = 16;
const BATCH: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at: Instant, runs: u64, nanos: u64) -> Reading {
        let cost = Cost {
            runs,
            time: Duration::from_nanos(nanos),
            recursion_misses: 0,
        };
        Reading {
            at,
            hooks: vec![(Hook::SetState, cost)],
        }
    }

    #[test]
    fn a_window_is_what_was_counted_between_two_readings() {
        let start = Instant::now();
        let before = reading(start, 10, 1_000);
        let after = Reading {
            hooks: [reading(start, 13, 1_300).hooks, vec![(Hook::Drop, Cost::default())]].concat(),
            at: start + Duration::from_millis(100),
        };
        let counted = Cost {
            runs: 3,
            time: Duration::from_nanos(300),
            recursion_misses: 0,
        };
        let window = Window {
            length: Duration::from_millis(100),
            hooks: vec![(Hook::SetState, counted), (Hook::Drop, Cost::default())],
        };
        assert_eq!(after.since(&before), window);
    }

    #[test]
    fn a_hook_whose_programs_are_new_counts_from_nothing() {
        let start = Instant::now();
        let window = reading(start, 2, 200).since(&reading(start, 10, 1_000));
        assert_eq!(window.hooks, [(Hook::SetState, Cost::default())]);
    }
}
