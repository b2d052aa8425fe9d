//! The hooks: what is found less surely for how they run, and all of them.

use super::short;
use crate::board::Board;
use crate::model::hook::How;
use crate::sink::Hook;
use crate::sink::text::Shown;
use maud::{Markup, html};

pub(super) fn section(board: &Board) -> Markup {
    let hooks = board.hello().map_or(&[][..], |hello| hello.hooks.as_slice());
    let weaker: Vec<&Hook> = hooks.iter().filter(|hook| !hook.weakens.is_empty()).collect();
    let up = hooks.iter().filter(|hook| hook.how != How::Absent).count();
    html! {
        section aria-labelledby="hooks" {
            h2 #hooks { "Hooks (" (up) " of " (hooks.len()) " run)" }
            @if weaker.is_empty() {
                p { "Nothing is found less surely for want of a hook." }
            } @else {
                p.warning { "On this kernel some causes are found less surely, or not at all:" }
                ul { @for hook in weaker { li { (weakened(hook)) } } }
            }
            @if !hooks.is_empty() {
                details {
                    summary { "All hooks" }
                    ul { @for hook in hooks { li { (line(hook)) } } }
                }
            }
        }
    }
}

fn weakened(hook: &Hook) -> Markup {
    let causes: Vec<_> = hook.weakens.iter().map(|cause| cause.name()).collect();
    html! { strong { (causes.join(", ")) } ": " (line(hook)) }
}

fn line(hook: &Hook) -> Markup {
    html! {
        code { (short(&Shown(hook.name.as_bytes()).to_string())) } " " (hook.how.name())
        @if let Some(reason) = &hook.reason { " (" (short(&Shown(reason.as_bytes()).to_string())) ")" }
    }
}
