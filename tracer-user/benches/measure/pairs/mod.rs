//! Pairs of runs of the same traffic next to each other, one without a tracer and one with: the ratio of their rates is
//! what the tracer leaves of the throughput.
//!
//! Subjects take turns, round by round, so that a machine that changes its pace changes it for all alike.

mod kernel;
mod peer;
pub(crate) mod statistics;
mod subject;
mod traced;

use crate::probe::as_f64;
use crate::system::Empty;
use crate::traffic::{Made, Traffic, Work};
use std::env;
use std::time::Duration;
use traced::Traced;

pub(crate) use kernel::{InKernel, in_kernel};
pub(crate) use peer::Peer;
pub(crate) use subject::{Kind, Subject};
pub(crate) use traced::Seen;

/// All about a subject.
pub(crate) struct Measured {
    pub(crate) subject: Subject,
    /// In the order of the works.
    pub(crate) works: Vec<Pairs>,
    pub(crate) seen: Seen,
    /// Why it has no pairs, or fewer than it should.
    pub(crate) problem: Option<String>,
}

/// All about a subject and a work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs {
    pub(crate) without: Vec<Made>,
    /// The neighbours of those without.
    pub(crate) with: Vec<Made>,
    /// The tracer's CPU time, and how much of it came after the runs.
    pub(crate) cpu: Duration,
    pub(crate) later: Duration,
}

/// The usual number of pairs, or in the same proportion to what the environment asks for. Each life of a tracer gives 2.
pub(crate) fn wanted(usual: usize) -> usize {
    let asked = env::var(VARIABLE).ok().and_then(|text| text.parse::<usize>().ok());
    let pairs = asked.map_or(usual, |asked| asked * usual / MOST);
    pairs.max(2).next_multiple_of(2)
}

pub(crate) fn measure(
    part: &str,
    traffic: &mut Traffic,
    works: &[Work],
    subjects: &[Subject],
) -> anyhow::Result<Vec<Measured>> {
    let mut all: Vec<_> = subjects
        .iter()
        .map(|&subject| Measured::new(subject, works.len()))
        .collect();
    let rounds = subjects.iter().map(|subject| subject.lives()).max().unwrap_or(0);
    for round in 0..rounds {
        eprintln!("bench: {part}: round {} of {rounds}", round + 1);
        for measured in &mut all {
            let lives = measured.subject.lives();
            // Who has fewer is there in rounds of equal distance.
            if measured.problem.is_none() && (round + 1) * lives / rounds > round * lives / rounds {
                measured.live(traffic, works)?;
            }
        }
    }
    Ok(all)
}

impl Measured {
    fn new(subject: Subject, works: usize) -> Self {
        Self {
            subject,
            works: vec![Pairs::default(); works],
            seen: Seen::default(),
            problem: None,
        }
    }

    /// A tracer that cannot do it is a result, too.
    fn live(&mut self, traffic: &mut Traffic, works: &[Work]) -> anyhow::Result<()> {
        let kind = self.subject.kind;
        match life(kind, traffic, works) {
            Ok((seen, pairs)) => {
                self.seen.add(seen);
                for (all, pairs) in self.works.iter_mut().zip(pairs) {
                    all.add(pairs);
                }
                Ok(())
            }
            Err(problem) if !kind.traces() => Err(problem),
            Err(problem) => {
                eprintln!("bench: {}: {problem:#}", kind.name());
                self.problem = Some(format!("{problem:#}"));
                Ok(())
            }
        }
    }
}

/// Each work without, with, with and without the tracer: two pairs in opposite orders.
fn life(kind: Kind, traffic: &mut Traffic, works: &[Work]) -> anyhow::Result<(Seen, Vec<Pairs>)> {
    let mut all: Vec<_> = works.iter().map(|&work| (work, Pairs::default())).collect();
    let of_concern = |(work, _): &&mut (Work, Pairs)| kind.concerns(*work);
    for (work, pairs) in all.iter_mut().rev().filter(of_concern) {
        pairs.without.push(traffic.run(*work, LENGTH)?);
    }
    let empty = match kind {
        Kind::Empty(hooks) => hooks.iter().map(|hook| Empty::attach(hook)).collect::<Result<_, _>>()?,
        Kind::Nothing | Kind::Own(_) | Kind::Peer(_) => Vec::new(),
    };
    let tracer = kind.traces().then(|| Traced::start(kind, traffic)).transpose()?;
    for (work, pairs) in all.iter_mut().filter(of_concern) {
        pairs.run_with(tracer.as_ref(), traffic, *work)?;
    }
    for (work, pairs) in all.iter_mut().rev().filter(of_concern) {
        pairs.run_with(tracer.as_ref(), traffic, *work)?;
    }
    drop(empty);
    let seen = tracer.map(Traced::finish).transpose()?.unwrap_or_default();
    for (work, pairs) in all.iter_mut().filter(of_concern) {
        pairs.without.push(traffic.run(*work, LENGTH)?);
    }
    Ok((seen, all.into_iter().map(|(_, pairs)| pairs).collect()))
}

impl Pairs {
    /// The rate with it over the rate without.
    pub(crate) fn ratios(&self) -> Vec<f64> {
        let pairs = self.with.iter().zip(&self.without);
        pairs.map(|(with, without)| with.rate / without.rate).collect()
    }

    /// The same by the CPU time that the traffic and the tracer took together, whatever else the machine did.
    pub(crate) fn by_cpu(&self) -> f64 {
        let each = |runs: &[Made], more: Duration| {
            let cpu: Duration = runs.iter().map(|made| made.cpu).sum();
            let amount: u64 = runs.iter().map(|made| made.amount).sum();
            (cpu + more).as_secs_f64() / as_f64(amount)
        };
        each(&self.without, Duration::ZERO) / each(&self.with, self.cpu)
    }

    /// What was done while it traced.
    pub(crate) fn amount(&self) -> u64 {
        self.with.iter().map(|made| made.amount).sum()
    }

    fn run_with(&mut self, tracer: Option<&Traced>, traffic: &mut Traffic, work: Work) -> anyhow::Result<()> {
        let Some(tracer) = tracer else {
            self.with.push(traffic.run(work, LENGTH)?);
            return Ok(());
        };
        let before = tracer.cpu()?;
        self.with.push(traffic.run(work, LENGTH)?);
        let then = tracer.cpu()?;
        tracer.settle()?;
        let after = tracer.cpu()?;
        self.cpu += after.saturating_sub(before);
        self.later += after.saturating_sub(then);
        Ok(())
    }

    fn add(&mut self, more: Self) {
        let Self {
            without,
            with,
            cpu,
            later,
        } = more;
        self.without.extend(without);
        self.with.extend(with);
        self.cpu += cpu;
        self.later += later;
    }
}

/// As `cargo xtask bench --pairs` sets it.
const VARIABLE: &str = "CONNTRACER_BENCH_PAIRS";
/// The pairs of those that have most of them.
pub(crate) const MOST: usize = 80;
pub(crate) const FEW: usize = 20;
const LENGTH: Duration = Duration::from_millis(250);
