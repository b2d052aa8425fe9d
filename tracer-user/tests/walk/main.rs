//! The walk against the kernel: random rulesets and packets in a namespace, sent for real, and everything that the
//! kernel did with them compared with what the walk says.
//!
//! `CONNTRACER_WALK_SEED=…` repeats the one ruleset that a failure names, and prints it. `CONNTRACER_WALK_PACKETS=20000`
//! makes it long, from that seed on where both are given. Needs root.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod chance;
mod compare;
mod coverage;
mod entry;
mod frame;
mod grammar;
mod nft;
mod rule;
mod run;
mod subject;
mod sys;
mod systematic;
mod tell;
mod traffic;
mod trip;
mod world;
mod xtables;

use chance::Chance;
use coverage::Coverage;
use rule::{Plan, Tool};
use run::{Bench, Sent};
use std::collections::VecDeque;
use std::env;
use std::fmt::Write;
use std::time::Instant;
use tracer_user::model::rules::Snapshot;
use trip::Trip;
use world::Kernel;

#[test]
fn every_match_with_every_target_acts_in_the_kernel_as_in_the_walk() {
    let mut bench = Bench::new(false);
    let mut coverage = Coverage::new(bench.kernel);
    let mut wrong = String::new();
    let mut packets = 0;
    let began = Instant::now();
    for scene in systematic::scenes(bench.kernel) {
        let mut snapshot = bench.load(&scene.plan);
        let mut sent = Vec::new();
        let mut problems = Vec::new();
        for trip in &scene.trips {
            match bench.send(&snapshot, *trip, None) {
                Ok(one) => sent.extend(one),
                Err(problem) => problems.push(problem),
            }
        }
        packets += sent.len();
        problems.extend(bench.count(&scene.plan, &mut snapshot, &mut sent, &mut coverage).err());
        for problem in problems {
            let (column, hook) = (scene.column, scene.hook.name());
            writeln!(wrong, "== {} v6={} {hook}: {problem}", column.tool.name(), column.v6).unwrap();
        }
        Bench::unload(&scene.plan);
    }
    println!("{}", coverage.table());
    println!("{packets} packets, {} cells in {:?}", coverage.seen(), began.elapsed());
    assert!(wrong.is_empty(), "{wrong}");
    let empty = coverage.empty();
    assert!(empty.is_empty(), "{} cells were not met: {empty:?}", empty.len());
}

#[test]
fn random_packets_meet_in_the_kernel_the_rules_that_the_walk_says() {
    let mut benches = [false, true].map(Bench::new);
    let first: Option<u64> = number("CONNTRACER_WALK_SEED");
    let wanted = number("CONNTRACER_WALK_PACKETS").unwrap_or(if first.is_some() { 1 } else { PACKETS });
    let mut tally = Tally::new(benches[0].kernel);
    let began = Instant::now();
    let mut seed = first.unwrap_or(FIRST_SEED);
    if first.is_some() && wanted == 1 {
        let plan = grammar::plan(&mut Chance::new(seed), benches[0].kernel);
        println!("{}", Bench::text(&plan));
    }
    while tally.packets < wanted && tally.wrong < WRONG_MAX {
        if let Err(problem) = one(&mut benches, seed, &mut tally) {
            tally.wrong += 1;
            writeln!(
                tally.problems,
                "== {problem}\nrepeat with CONNTRACER_WALK_SEED={seed} cargo test -p tracer-user --test walk random\n"
            )
            .unwrap();
        }
        seed += 1;
    }
    println!(
        "{} packets through {} rulesets, {} with one outcome, {} left out, in {:?}",
        tally.packets,
        seed - first.unwrap_or(FIRST_SEED),
        tally.certain,
        tally.left_out,
        began.elapsed()
    );
    println!("{} cells; {:?}", tally.coverage.seen(), tally.coverage.totals());
    assert!(tally.problems.is_empty(), "{}", tally.problems);
    assert!(tally.left_out * 20 < tally.packets + FEW, "{} left out", tally.left_out);
}

struct Tally {
    packets: u64,
    certain: u64,
    /// Their zone, and so their entry, depends on rules, or there are too many ways.
    left_out: u64,
    wrong: u32,
    problems: String,
    coverage: Coverage,
}

impl Tally {
    fn new(kernel: Kernel) -> Self {
        Self {
            packets: 0,
            certain: 0,
            left_out: 0,
            wrong: 0,
            problems: String::new(),
            coverage: Coverage::new(kernel),
        }
    }
}

/// One ruleset and its packets, one at a time.
fn one(benches: &mut [Bench; 2], seed: u64, tally: &mut Tally) -> Result<(), String> {
    let mut chance = Chance::new(seed);
    let plan = grammar::plan(&mut chance, benches[0].kernel);
    let legacy = plan
        .tables
        .iter()
        .any(|table| table.column.tool == Tool::IptablesLegacy);
    let bench = &mut benches[usize::from(legacy)];
    bench.enter();
    let mut snapshot = bench.load(&plan);
    let mut result = Ok(());
    for index in 0..CONNECTIONS {
        let first = traffic::first(&mut chance, &plan, index);
        result = connection(bench, &plan, &mut snapshot, first, &mut chance, tally);
        if result.is_err() {
            break;
        }
    }
    Bench::unload(&plan);
    result
}

/// A packet and those that follow it in its connection.
fn connection(
    bench: &mut Bench,
    plan: &Plan,
    snapshot: &mut Snapshot,
    first: Trip,
    chance: &mut Chance,
    tally: &mut Tally,
) -> Result<(), String> {
    let mut before: Option<Sent> = None;
    let mut pending = VecDeque::from([first]);
    while let Some(trip) = pending.pop_front() {
        let Some(sent) = bench.send(snapshot, trip, before.as_ref())? else {
            tally.left_out += 1;
            return Ok(());
        };
        tally.packets += 1;
        tally.certain += u64::from(sent.certain);
        let mut all = [sent];
        bench.count(plan, snapshot, &mut all, &mut tally.coverage)?;
        let [sent] = all;
        if before.is_none() {
            pending.extend(traffic::next(chance, &sent));
        }
        before = Some(sent);
    }
    Ok(())
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

const FIRST_SEED: u64 = 1;
const PACKETS: u64 = 2000;
const CONNECTIONS: u16 = 24;
const WRONG_MAX: u32 = 10;
/// Of one ruleset all may be left out.
const FEW: u64 = 1000;
