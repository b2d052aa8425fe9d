//! An ordinary connection, beside idle ones that are held open.

use super::flat;
use crate::connection::{Cost, compare};
use crate::held::{self, Held};
use crate::load::Load;
use crate::probe;
use crate::table::{Table, whole};
use crate::tracer::Tracer;
use anyhow::Context as _;
use tracer_user::kernel::stat;

pub(super) fn measure() -> anyhow::Result<String> {
    let mut table = Table::new(&["beside idle ones", "probes, us", "process, us", "total, us", "target"]);
    let _statistics = stat::enable_cost().context("the kernel's statistics of programs")?;
    let mut load = Load::start()?;
    let clock = probe::clock(&mut load)?;
    let tracer = Tracer::start("suspect")?;
    let mut held = Held::default();
    let mut first = None;
    for wanted in SIZES {
        let count = held.count() + held::affordable(wanted - held.count())?;
        eprintln!("bench: growth: beside {count} of {wanted} connections");
        held.grow(count)?;
        let cost = cost(&tracer, &mut load, CONNECTIONS)?;
        table.row(row(&whole(f64::from(count)), cost, clock, &mut first));
    }
    Ok(table.render())
}

/// The median of some rounds.
pub(super) fn cost(tracer: &Tracer, load: &mut Load, connections: u32) -> anyhow::Result<Cost> {
    let rounds = (0..ROUNDS).map(|_| compare(|| tracer.used(), load, connections));
    Ok(Cost::median(&rounds.collect::<anyhow::Result<Vec<_>>>()?))
}

/// Without what the clock of the statistics adds.
pub(super) fn row(name: &str, cost: Cost, clock: f64, first: &mut Option<f64>) -> [String; 5] {
    let total = cost.total(clock);
    [
        name.to_owned(),
        format!("{:.2}", total - cost.process),
        format!("{:.2}", cost.process),
        format!("{total:.2}"),
        flat(total, *first.get_or_insert(total)),
    ]
}

const SIZES: [u32; 3] = [10_000, 100_000, 1_000_000];
const CONNECTIONS: u32 = 20_000;
const ROUNDS: usize = 5;
