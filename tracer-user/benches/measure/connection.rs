//! CPU time per loopback connection, probes and user space together; and where a connection's state had better live.

use crate::cgroup::Group;
use crate::inside::Inside;
use crate::load::{Job, Load};
use crate::probe::{self, as_f64};
use crate::table::{Table, median, target};
use crate::tracer::{Tracer, Used};
use anyhow::Context as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tracer_user::kernel::stat;
use tracer_user::model::time::Timestamp;
use tracer_user::track::{Config, Tracker};

pub(crate) fn measure() -> anyhow::Result<String> {
    let _statistics = stat::enable_cost().context("the kernel's statistics of programs")?;
    let mut load = Load::start()?;
    load.run(Job::Connect(CONNECTIONS))?;
    let clock = probe::clock(&mut load)?;
    let mut rounds = vec![Vec::new(); SUBJECTS.len()];
    for number in 1..=ROUNDS {
        eprintln!("bench: connections: round {number} of {ROUNDS}");
        for (subject, rounds) in SUBJECTS.into_iter().zip(&mut rounds) {
            rounds.push(round(subject, &mut load)?);
        }
    }
    let medians: Vec<_> = rounds.iter().map(|rounds| Cost::median(rounds)).collect();
    let mut table = Table::new(&[
        "per connection",
        "probe runs",
        "probes, us",
        "process, us",
        "total, us",
        "without the clock, us",
        "target",
    ]);
    for (subject, cost) in SUBJECTS.into_iter().zip(&medians) {
        table.row(cost.row(subject, clock));
    }
    Ok(format!(
        "{TITLE}\n\n{}\n\n{}",
        table.render(),
        decision(&medians, clock)
    ))
}

#[derive(Clone, Copy)]
enum Subject {
    /// The released program with `--events` and a target in microseconds.
    Program(&'static str, Option<f64>),
    /// Probes, decoding and the Tracker, without output: as the design has it, or with every connection sent.
    Inside { export_all: bool },
}

/// Microseconds per connection.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    runs: f64,
    probes: f64,
    pub(crate) process: f64,
}

/// The load, then as much time without it; what connections cost is the difference.
fn round(subject: Subject, load: &mut Load) -> anyhow::Result<Cost> {
    match subject {
        Subject::Program(events, _) => {
            let group = Group::new("tracer")?;
            let tracer = Tracer::start_in(events, &group.processes())?;
            // What it does once, at its beginning, is no connection's.
            group.rest()?;
            let used = || {
                let programs = tracer.used()?.programs;
                let cpu = group.cpu()?;
                Ok(Used { programs, cpu })
            };
            compare(used, load, CONNECTIONS)
        }
        Subject::Inside { export_all } => {
            let consumer = Arc::new(Mutex::new(None));
            let shared = Arc::clone(&consumer);
            let inside = Inside::start(export_all, move |bytes| {
                let mut consumer = shared.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((tables, tracker)) = &mut *consumer {
                    consume(tables, tracker, bytes);
                }
            })?;
            let config = Config {
                sweep: false,
                ..Config::default()
            };
            let tracker = Tracker::new(config, Timestamp::default());
            *consumer.lock().unwrap_or_else(PoisonError::into_inner) = Some((inside.tables(), tracker));
            compare(|| inside.used(), load, CONNECTIONS)
        }
    }
}

fn consume(tables: &tracer_user::decode::Tables, tracker: &mut Tracker, bytes: &[u8]) {
    if let Ok(event) = tables.decode(bytes, |_| None) {
        tracker.handle_event(&event);
        if tracker.poll_timeout().is_some_and(|deadline| deadline <= event.at) {
            tracker.handle_timeout(event.at);
        }
        while tracker.poll_inquiry().is_some() || tracker.poll_finding().is_some() {}
    }
}

/// What so many connections cost more than as much time without them.
pub(crate) fn compare(
    used: impl Fn() -> anyhow::Result<Used>,
    load: &mut Load,
    connections: u32,
) -> anyhow::Result<Cost> {
    thread::sleep(SETTLE);
    let start = used()?;
    let duration = load.run(Job::Connect(connections))?;
    thread::sleep(SETTLE);
    let busy = used()?;
    thread::sleep(duration + SETTLE);
    let idle = used()?.since(&busy);
    let busy = busy.since(&start);
    let micros =
        |busy: Duration, idle: Duration| (busy.as_secs_f64() - idle.as_secs_f64()) * 1e6 / f64::from(connections);
    Ok(Cost {
        runs: (as_f64(busy.runs().count) - as_f64(idle.runs().count)) / f64::from(connections),
        probes: micros(busy.runs().time, idle.runs().time),
        process: micros(busy.cpu, idle.cpu),
    })
}

impl Cost {
    pub(crate) fn median(rounds: &[Self]) -> Self {
        Self {
            runs: median(rounds.iter().map(|cost| cost.runs)),
            probes: median(rounds.iter().map(|cost| cost.probes)),
            process: median(rounds.iter().map(|cost| cost.process)),
        }
    }

    /// With or without what the timing of every run adds.
    pub(crate) fn total(&self, clock: f64) -> f64 {
        self.probes + self.process - self.runs * clock / 1e3
    }

    fn row(&self, subject: Subject, clock: f64) -> Vec<String> {
        let (name, target) = match subject {
            Subject::Program(events, bound) => {
                let judge = |bound| target(&format!("<= {bound}"), self.total(clock) <= bound);
                (format!("`--events {events}`"), bound.map(judge))
            }
            Subject::Inside { export_all: false } => ("no output, state in the kernel's table".into(), None),
            Subject::Inside { export_all: true } => ("no output, every connection sent".into(), None),
        };
        vec![
            name,
            format!("{:.1}", self.runs),
            format!("{:.2}", self.probes),
            format!("{:.2}", self.process),
            format!("{:.2}", self.total(0.0)),
            format!("{:.2}", self.total(clock)),
            target.unwrap_or_default(),
        ]
    }
}

/// How much sending every connection would cost.
fn decision(medians: &[Cost], clock: f64) -> String {
    let find = |wanted: bool| {
        let of = |subject: &Subject| matches!(subject, Subject::Inside { export_all } if *export_all == wanted);
        SUBJECTS.iter().position(of).and_then(|index| medians.get(index))
    };
    let (Some(table), Some(sent)) = (find(false), find(true)) else {
        return String::new();
    };
    format!(
        "An ordinary connection's state lives in the kernel's table: sending connect, established and closed of every\n\
         connection instead costs {:.1} times as much ({:.2} us instead of {:.2}), before a line is written.",
        sent.total(clock) / table.total(clock),
        sent.total(clock),
        table.total(clock),
    )
}

const SUBJECTS: [Subject; 5] = [
    Subject::Program("suspect", Some(0.7)),
    Subject::Program("none", Some(0.7)),
    Subject::Program("all", Some(3.0)),
    Subject::Inside { export_all: false },
    Subject::Inside { export_all: true },
];
const ROUNDS: usize = 5;
const CONNECTIONS: u32 = 20_000;
/// Long enough for the last record to be written.
const SETTLE: Duration = Duration::from_millis(300);
const TITLE: &str = "### A connection

20,000 times connect, accept, close on loopback, less an idle time of the same length; medians of 5 rounds, one after
the other. Probes: their run time by BPF_ENABLE_STATS, once with and once without what its clock adds to every run.
Process: user and system time of `conntracer trace --json --events ... -o FILE`, as its control group counts it.";
