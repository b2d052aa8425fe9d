//! What the kernel told, what of it was lost, and how the hooks do.

use super::families::{Families, Metric, label};
use crate::board::Board;
use crate::model::hook::How;
use crate::model::reason::RstReason;
use crate::sink::jsont::Spell;
use crate::sink::{Hook, HookStats};
use std::fmt;
use std::time::Duration;

pub(super) fn encode(board: &Board, families: &mut Families<'_>) -> fmt::Result {
    let events = board.events().map(|(name, count)| ([("kind", name.spell())], count));
    families.counters(&EVENTS, events)?;
    let resets = board.resets().map(|(maker, reason, count)| {
        let reason = reason.map_or("unknown", RstReason::name);
        ([("maker", maker.spell()), ("reason", reason)], count)
    });
    families.counters(&RESETS, resets)?;
    let drops = board
        .drops()
        .map(|(reason, count)| ([("reason", reason.name())], count));
    families.counters(&DROPS, drops)?;
    lost(board, families)?;
    hooks(board, families)
}

fn lost(board: &Board, families: &mut Families<'_>) -> fmt::Result {
    let rows: Vec<_> = board.lost().counts().collect();
    let names: Vec<_> = rows.iter().map(|(source, _)| label(&source.name)).collect();
    let rows = rows.iter().zip(&names);
    families.counters(
        &LOST,
        rows.map(|((source, count), name)| ([("source", source.kind), ("name", name.as_str())], *count)),
    )
}

fn hooks(board: &Board, families: &mut Families<'_>) -> fmt::Result {
    let hooks = board.hello().map_or(&[][..], |hello| hello.hooks.as_slice());
    let named: Vec<(String, &Hook)> = hooks.iter().map(|hook| (label(&hook.name), hook)).collect();
    let up = named.iter().map(|(name, hook)| {
        let labels = [("hook", name.as_str()), ("how", hook.how.name())];
        (labels, u64::from(hook.how != How::Absent))
    });
    families.gauges(&UP, up)?;
    let weakened = named.iter().map(|(name, hook)| {
        let causes = u64::try_from(hook.weakens.len()).unwrap_or(u64::MAX);
        ([("hook", name.as_str())], causes)
    });
    families.gauges(&WEAKENS, weakened)?;
    let counted = board.stats().map_or(&[][..], |stats| stats.hooks.as_slice());
    let counted: Vec<(String, &HookStats)> = counted.iter().map(|hook| (label(&hook.name), hook)).collect();
    let runs = counted
        .iter()
        .filter_map(|(name, hook)| Some(([("hook", name.as_str())], hook.runs?)));
    families.counters(&RUNS, runs)?;
    let seconds = counted.iter().filter_map(|(name, hook)| {
        Some((
            [("hook", name.as_str())],
            Duration::from_nanos(hook.nanos?).as_secs_f64(),
        ))
    });
    families.seconds(&SECONDS, seconds)?;
    families.counters(
        &MISSED,
        counted.iter().flat_map(|(name, hook)| {
            missed(hook).map(|(why, count)| ([("hook", name.as_str()), ("reason", why)], count))
        }),
    )
}

/// What a hook left out, and why.
fn missed(hook: &HookStats) -> [(&'static str, u64); 4] {
    [
        ("recursion", hook.recursion_misses.unwrap_or(0)),
        ("limit", hook.suppressed),
        ("failed-read", hook.failed_reads),
        ("table-full", hook.table_full),
    ]
}

const EVENTS: Metric = Metric::plain("conntracer_events", "Events that the hooks sent.");
const RESETS: Metric = Metric::plain(
    "conntracer_resets",
    "Resets that this host made, by their maker and the kernel's reason.",
);
const DROPS: Metric = Metric::plain(
    "conntracer_dropped_packets",
    "Packets that the kernel dropped, by its reason.",
);
const LOST: Metric = Metric::plain(
    "conntracer_lost_records",
    "Records lost between a hook and user space, or in a queue.",
);
const UP: Metric = Metric::plain("conntracer_hook_up", "Whether a hook runs, and how it is attached.");
const WEAKENS: Metric = Metric::plain(
    "conntracer_hook_weakened_causes",
    "Causes that are found less surely, or not at all, because of how a hook runs.",
);
const RUNS: Metric = Metric::plain(
    "conntracer_hook_runs",
    "Runs of a hook, where the kernel counts them always.",
);
const SECONDS: Metric = Metric::seconds(
    "conntracer_hook",
    "Time spent in a hook, where the kernel counts it always.",
);
const MISSED: Metric = Metric::plain(
    "conntracer_hook_missed",
    "What a hook left out: nested runs, drops past the limit, failed reads of kernel memory, connections past the full table.",
);
