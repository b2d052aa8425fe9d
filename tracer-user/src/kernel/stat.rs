//! What the probes counted, and what they cost.

use crate::kernel::fdinfo;
use crate::kernel::hooks::HOOKS;
use aya::maps::{MapData, MapError, PerCpuArray};
use aya::programs::ProgramFd;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;
use tracer_common::stat::{Counters, Hook};

/// A hook's counters, one row per processor.
#[derive(Clone, Debug)]
pub struct HookCounters {
    pub hook: Hook,
    pub processors: Vec<Counters>,
}

impl HookCounters {
    /// The sum over all processors.
    pub fn total(&self) -> Counters {
        self.processors.iter().fold(Counters::default(), |sum, row| {
            let Counters {
                sent,
                lost,
                failed_reads,
                filtered,
                suppressed,
                table_full,
            } = *row;
            Counters {
                sent: sum.sent.saturating_add(sent),
                lost: sum.lost.saturating_add(lost),
                failed_reads: sum.failed_reads.saturating_add(failed_reads),
                filtered: sum.filtered.saturating_add(filtered),
                suppressed: sum.suppressed.saturating_add(suppressed),
                table_full: sum.table_full.saturating_add(table_full),
            }
        })
    }
}

/// What the kernel counted for a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Runs and time; 0 unless [`enable_cost`] is on.
    pub runs: u64,
    pub time: Duration,
    /// Hits that the kernel skipped because the program was already running on that processor; counted always.
    pub recursion_misses: u64,
}

impl Cost {
    /// Both together.
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            runs: self.runs.saturating_add(other.runs),
            time: self.time.saturating_add(other.time),
            recursion_misses: self.recursion_misses.saturating_add(other.recursion_misses),
        }
    }

    /// What came since then.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            runs: self.runs.saturating_sub(before.runs),
            time: self.time.saturating_sub(before.time),
            recursion_misses: self.recursion_misses.saturating_sub(before.recursion_misses),
        }
    }
}

/// Reads the counters' maps.
pub struct Stats {
    map: PerCpuArray<MapData, Counters>,
    /// Records lost, by their kind.
    lost: PerCpuArray<MapData, u64>,
}

impl Stats {
    pub(super) fn new(map: PerCpuArray<MapData, Counters>, lost: PerCpuArray<MapData, u64>) -> Self {
        Self { map, lost }
    }

    /// Records lost since the probes were loaded, by their kind; those of which none was are left out.
    pub fn lost(&self) -> Result<Vec<(u8, u64)>, MapError> {
        let mut lost = Vec::new();
        for (kind, row) in (0..=u8::MAX).zip(self.lost.iter()) {
            let count = row?.iter().fold(0, |sum: u64, count| sum.saturating_add(*count));
            if count > 0 {
                lost.push((kind, count));
            }
        }
        Ok(lost)
    }

    /// Every hook's counters since the probes were loaded.
    pub fn read(&self) -> Result<Vec<HookCounters>, MapError> {
        HOOKS
            .iter()
            .map(|spec| {
                let rows = self.map.get(&(spec.hook as u32), 0)?;
                Ok(HookCounters {
                    hook: spec.hook,
                    processors: rows.to_vec(),
                })
            })
            .collect()
    }
}

/// Turns the kernel's run-time statistics on for as long as the descriptor lives; they cost two clock reads a run.
pub fn enable_cost() -> io::Result<OwnedFd> {
    aya::sys::enable_stats(aya::sys::Stats::RunTime).map_err(|error| error.io_error)
}

/// Reads a program's cost from its descriptor.
pub(super) fn cost(program: &ProgramFd) -> io::Result<Cost> {
    Ok(parse_cost(&fdinfo::read(program.as_fd())?))
}

fn parse_cost(text: &str) -> Cost {
    let field = |name: &str| fdinfo::number(text, name).unwrap_or(0);
    Cost {
        runs: field("run_cnt"),
        time: Duration::from_nanos(field("run_time_ns")),
        recursion_misses: field("recursion_misses"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fdinfo_of_a_program_is_read_and_absent_fields_are_zero() {
        let text = "pos:\t0\nprog_type:\t26\nrun_time_ns:\t1500\nrun_cnt:\t3\nrecursion_misses:\t2\n";
        let cost = Cost {
            runs: 3,
            time: Duration::from_nanos(1500),
            recursion_misses: 2,
        };
        assert_eq!(parse_cost(text), cost);
        assert_eq!(parse_cost("garbage\nrun_cnt: x\n"), Cost::default());
    }
}
