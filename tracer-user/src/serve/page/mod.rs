//! The page of findings, for a person with a port-forward: plain HTML without scripts, in the words of the terminal.
//!
//! Pure. Whatever text is put into a template is escaped by it; that names do not hide or reorder what is around them is
//! [`Shown`]'s and [`crate::sink::words`]'s.

mod finding;
mod found;
mod hooks;
mod lost;
mod ports;

use crate::board::Board;
use crate::model::time::Timestamp;
use crate::sink::text::{Shown, cut};
use crate::sink::{Clock, Hello, words};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// When the page is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    pub(super) clock: Clock,
}

/// Whether the page loads itself again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresh {
    On,
    Off,
}

/// What there is.
pub(super) fn index() -> String {
    let body = html! {
        main {
            h1 { "conntracer" }
            ul {
                li { a href="findings" { "Findings" } ": what hangs or was reset, why, and what to do" }
                li { a href="metrics" { "Metrics" } " for Prometheus" }
                li { a href="healthz" { "Health" } " and " a href="readyz" { "readiness" } " for the kubelet" }
            }
        }
    };
    document("conntracer", Refresh::Off, &body)
}

/// Everything that a person wants to see of the agent.
pub(super) fn findings(board: &Board, moment: Moment, refresh: Refresh) -> String {
    let host = board
        .hello()
        .and_then(|hello| hello.host.as_deref())
        .unwrap_or("this host");
    let host = short(&Shown(host.as_bytes()).to_string());
    let open = board.findings().open().len();
    let title = format!("{open} open: conntracer on {host}");
    let body = html! {
        header {
            h1 { "conntracer on " (host) }
            p.status { (found::status(board)) }
            p.refresh {
                "As of " (moment.time(moment.now)) ". "
                @match refresh {
                    Refresh::On => { "Loads itself again every " (SECONDS) " seconds; " a href="?refresh=off" { "hold still" } },
                    Refresh::Off => { "Holds still; " a href="findings" { "load again and keep loading" } },
                }
            }
            nav aria-label="Sections" {
                a href="#findings" { "Open findings" } " " a href="#ended" { "Ended" } " "
                a href="#ports" { "Stolen ports" } " " a href="#hooks" { "Hooks" } " " a href="#losses" { "Losses" }
            }
        }
        main {
            (found::open(board, moment))
            (found::ended(board, moment))
            (ports::section(board))
            (hooks::section(board))
            (lost::section(board))
        }
        footer { (footer(board)) }
    };
    document(&title, refresh, &body)
}

fn document(title: &str, refresh: Refresh, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if refresh == Refresh::On { meta http-equiv="refresh" content=(SECONDS); }
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

fn footer(board: &Board) -> Markup {
    let about = board.hello().map(|hello| {
        let Hello {
            version,
            kernel,
            architecture,
            session,
            ..
        } = hello;
        let shown = |text: &str| short(&Shown(text.as_bytes()).to_string());
        format!(
            "conntracer {}, Linux {} {}, session {}",
            shown(version),
            shown(kernel),
            shown(architecture),
            shown(session)
        )
    });
    let cost = board.stats().map(|stats| words::cost(&stats.cost));
    let spent = board.stats().and_then(|stats| stats.cpu).map(words::seconds);
    html! {
        p { (about.unwrap_or_else(|| "The probes are not attached yet".to_owned())) }
        @if let Some(cost) = cost.filter(|cost| !cost.is_empty()) { p { "Cost now: " (cost) } }
        @if let Some(spent) = spent { p { "CPU time so far: " (spent) } }
    }
}

impl Moment {
    fn time(self, at: Timestamp) -> Markup {
        let wall = self.clock.wall(at);
        html! { time datetime=(format!("{wall:.0}")) { (wall.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()) } }
    }

    fn ago(self, at: Timestamp) -> String {
        format!("{} ago", words::seconds(self.now.since(at)))
    }
}

/// A name, or a sentence with names in it.
fn short(text: &str) -> String {
    at_most(SHORT, text)
}

/// A paragraph.
fn long(text: &str) -> String {
    at_most(LONG, text)
}

fn at_most(limit: usize, text: &str) -> String {
    match cut(text, limit) {
        whole if whole.len() == text.len() => whole.to_owned(),
        part => format!("{part}..."),
    }
}

pub(super) const STYLE: &str = include_str!("style.css");
/// Between one load and the next.
const SECONDS: u32 = 10;
/// Bytes of a text. Commands are not cut: half a command is worse than none.
const SHORT: usize = 600;
const LONG: usize = 2_000;

#[cfg(test)]
mod tests;
