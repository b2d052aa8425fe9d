//! What was missed.

use super::short;
use crate::board::Board;
use crate::sink::HookStats;
use crate::sink::text::Shown;
use crate::sink::words::{self, count, thousands};
use maud::{Markup, html};

pub(super) fn section(board: &Board) -> Markup {
    let lost: Vec<_> = board.lost().counts().collect();
    let hooks = board.stats().map_or(&[][..], |stats| stats.hooks.as_slice());
    let missed: Vec<_> = hooks.iter().filter_map(|hook| Some((hook, missed(hook)?))).collect();
    let by_event = board.stats().and_then(|stats| words::lost(&stats.cost));
    let evictions = board.stats().map_or(0, |stats| stats.evictions);
    html! {
        section aria-labelledby="losses" {
            h2 #losses { "Losses" }
            @if lost.is_empty() && missed.is_empty() && evictions == 0 { p { "Nothing was lost." } }
            ul {
                @for (source, number) in &lost {
                    li { (source.kind) " " code { (short(&Shown(source.name.as_bytes()).to_string())) } ": " (count(*number, "record")) " lost" }
                }
                @for (hook, missed) in &missed {
                    li { "hook " code { (short(&Shown(hook.name.as_bytes()).to_string())) } ": " (missed) }
                }
                @if let Some(lost) = &by_event { li { "events that the ring buffer had no place for: " (lost) } }
                @if evictions > 0 { li { "full tables: " (thousands(evictions)) " thrown out" } }
            }
        }
    }
}

/// What a hook left out of its own accord.
fn missed(hook: &HookStats) -> Option<String> {
    let parts = [
        (hook.recursion_misses.unwrap_or(0), "left out while it ran already"),
        (hook.suppressed, "left out past the limit"),
        (hook.failed_reads, "with memory that could not be read"),
        (hook.table_full, "connections past the full table"),
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", thousands(number)))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
