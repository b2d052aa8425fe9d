//! What tracers take inside the kernel, in rounds of their own: that the kernel counts it costs something, too.

use super::LENGTH;
use super::subject::Kind;
use super::traced::Traced;
use crate::load::Load;
use crate::probe::{self, as_f64};
use crate::table::median;
use crate::traffic::{Traffic, Work};
use anyhow::Context as _;
use tracer_user::kernel::stat;

/// For each connection, byte or request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InKernel {
    pub(crate) runs: f64,
    /// Without what the timing adds to every run.
    pub(crate) micros: f64,
}

/// Medians for each of the works; nothing for a kind that has no programs in the kernel, or cannot be run.
pub(crate) fn in_kernel(
    part: &str,
    traffic: &mut Traffic,
    works: &[Work],
    kinds: &[Kind],
) -> anyhow::Result<Vec<Option<Vec<InKernel>>>> {
    eprintln!("bench: {part}: in the kernel");
    let _statistics = stat::enable_cost().context("the kernel's statistics of programs")?;
    let clock = probe::clock(&mut Load::start()?)?;
    let costs = kinds.iter().map(|&kind| {
        if !kind.traces() {
            return None;
        }
        let costs = of_kind(kind, traffic, works, clock);
        let costs = costs.inspect_err(|problem| eprintln!("bench: {}: {problem:#}", kind.name()));
        costs.ok().filter(|costs| costs.iter().any(|cost| cost.runs > 0.0))
    });
    Ok(costs.collect())
}

fn of_kind(kind: Kind, traffic: &mut Traffic, works: &[Work], clock: f64) -> anyhow::Result<Vec<InKernel>> {
    let mut rounds = vec![Vec::new(); works.len()];
    for _ in 0..ROUNDS {
        let tracer = Traced::start(kind, traffic)?;
        for (&work, rounds) in works.iter().zip(&mut rounds) {
            let before = tracer.runs()?;
            let made = traffic.run(work, LENGTH)?;
            let used = tracer.runs()?.since(before);
            tracer.settle()?;
            let amount = as_f64(made.amount.max(1));
            let nanos = used.time.as_secs_f64() * 1e9 - as_f64(used.count) * clock;
            rounds.push(InKernel {
                runs: as_f64(used.count) / amount,
                micros: nanos / 1e3 / amount,
            });
        }
    }
    let middle = |rounds: Vec<InKernel>| InKernel {
        runs: median(rounds.iter().map(|cost| cost.runs)),
        micros: median(rounds.iter().map(|cost| cost.micros)),
    };
    Ok(rounds.into_iter().map(middle).collect())
}

const ROUNDS: usize = 3;
