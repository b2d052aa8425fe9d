//! What the agent costs, as it measures itself.

use super::families::{Families, Metric, label};
use crate::board::Board;
use crate::sink::jsont::Spell as _;
use crate::sink::{ProbeCost, Rate};
use std::fmt;

pub(super) fn encode(board: &Board, families: &mut Families<'_>) -> fmt::Result {
    let stats = board.stats();
    let cost = stats.map(|stats| &stats.cost);
    families.second(&CPU, stats.and_then(|stats| stats.cpu).map(|cpu| cpu.as_secs_f64()))?;
    let probes = cost.and_then(|cost| cost.probes.as_ref());
    let shares = [
        ("program", cost.and_then(|cost| cost.process)),
        ("probes", probes.map(ProbeCost::share)),
    ];
    let shares = shares
        .into_iter()
        .filter_map(|(part, share)| Some(([("part", part)], share?.ratio())));
    families.ratios(&SHARE, shares)?;
    hooks(probes, families)?;
    families.gauge(&RESIDENT, cost.and_then(|cost| cost.resident_bytes))?;
    families.gauge(&MAPS, cost.and_then(|cost| cost.map_bytes))?;
    families.gauge(&RING, cost.and_then(|cost| cost.ring_bytes))?;
    families.gauge(&RING_HIGH, cost.and_then(|cost| cost.ring_high_water))?;
    let lost = cost.map_or(&[][..], |cost| &cost.lost);
    families.counters(
        &LOST,
        lost.iter().map(|(event, count)| ([("event", event.spell())], *count)),
    )
}

fn hooks(probes: Option<&ProbeCost>, families: &mut Families<'_>) -> fmt::Result {
    let hooks = probes.map_or(&[][..], |probes| &probes.hooks);
    let named: Vec<(String, Rate)> = hooks.iter().map(|(name, rate)| (label(name), *rate)).collect();
    let runs = named.iter().map(|(name, rate)| ([("hook", name.as_str())], rate.runs));
    families.gauges(&HOOK_RATE, runs)?;
    let shares = named
        .iter()
        .map(|(name, rate)| ([("hook", name.as_str())], rate.share().ratio()));
    families.ratios(&HOOK_SHARE, shares)
}

const CPU: Metric = Metric::seconds("process_cpu", "CPU time of the agent.");
const SHARE: Metric = Metric::plain(
    "conntracer_cpu_ratio",
    "Share of one core, of the program and of its probes on all processors together, as they were last measured.",
);
const HOOK_RATE: Metric = Metric::plain(
    "conntracer_hook_runs_per_second",
    "Runs of a hook, as they were last measured.",
);
const HOOK_SHARE: Metric = Metric::plain(
    "conntracer_hook_cpu_ratio",
    "Share of one core that a hook takes, as it was last measured.",
);
const RESIDENT: Metric = Metric::bytes(
    "process_resident_memory",
    "Memory of the agent, without its view of the ring buffer.",
);
const MAPS: Metric = Metric::bytes("conntracer_map_memory", "Kernel memory of the eBPF maps.");
const RING: Metric = Metric::bytes("conntracer_ring_size", "Size of the ring buffer.");
const RING_HIGH: Metric = Metric::bytes(
    "conntracer_ring_high_water",
    "Most bytes that were ever taken out of the ring buffer in a row.",
);
const LOST: Metric = Metric::plain(
    "conntracer_events_lost",
    "Events lost because the ring buffer was full.",
);
