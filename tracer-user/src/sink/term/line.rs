//! Everything that is not a finding: the start, events, statistics, losses, the end.

use crate::model::event::{Event, EventKind, RstMaker};
use crate::model::hook::How;
use crate::model::tcp::ConntrackState;
use crate::model::time::Timestamp;
use crate::sink::clock::Clock;
use crate::sink::cost::Cost;
use crate::sink::jsont::{EventName, Spell};
use crate::sink::record::{Hello, Hook, HookStats, Loss, LossSource, Stats, Summary};
use crate::sink::term::page::Page;
use crate::sink::term::style;
use crate::sink::text::Shown;
use crate::sink::words;
use crate::sink::words::{count, errno, process, seconds, thousands};
use anstyle::Style;

pub(super) fn hello(hello: &Hello, verbose: bool, page: &mut Page<'_>) {
    let absent = hello.hooks.iter().filter(|hook| hook.how == How::Absent).count();
    let running = match hello.hooks.len() {
        // Nothing is traced.
        0 => String::new(),
        all => format!(": {}", count(as_u64(all - absent), "hook")),
    };
    let host = hello.host.as_deref().unwrap_or("this host");
    let text = format!(
        "conntracer {} on {}, Linux {} {}{running}",
        Shown(hello.version.as_bytes()),
        Shown(host.as_bytes()),
        Shown(hello.kernel.as_bytes()),
        Shown(hello.architecture.as_bytes())
    );
    page.line(&[(style::DIM, &text)]);
    // What nothing is lost by is for those who ask.
    let shown = |hook: &&Hook| verbose || !hook.weakens.is_empty();
    for hook in hello.hooks.iter().filter(shown) {
        let reason = hook.reason.as_ref();
        let reason = reason.map_or(String::new(), |reason| format!(" ({})", Shown(reason.as_bytes())));
        let causes: Vec<_> = hook.weakens.iter().map(|cause| cause.name()).collect();
        let weakens = if causes.is_empty() { "" } else { "; found less surely: " };
        let (name, how, causes) = (Shown(hook.name.as_bytes()), hook.how.spell(), causes.join(", "));
        let text = format!("hook {name}: {how}{reason}{weakens}{causes}");
        let style = if hook.weakens.is_empty() {
            style::DIM
        } else {
            style::WARNING
        };
        page.paragraph(style, &text);
    }
}

/// `14:03:07.123`, UTC.
pub(super) fn time(at: Timestamp, clock: Clock) -> String {
    clock.wall(at).strftime("%H:%M:%S%.3f").to_string()
}

pub(super) fn event(event: &Event, clock: Clock, page: &mut Page<'_>) {
    let name = format!("{:17}", EventName::of(&event.kind).spell());
    let tuple = event.tuple.or(match &event.kind {
        EventKind::Drop(dropped) => Some(dropped.packet.tuple),
        EventKind::RstSent(rst) => rst.packet.map(|packet| packet.tuple),
        EventKind::Conntrack(changed) => Some(changed.entry.original),
        EventKind::Connect
        | EventKind::Established
        | EventKind::Failed { .. }
        | EventKind::Closed { .. }
        | EventKind::Retransmit(_)
        | EventKind::Destroyed(_)
        | EventKind::RstReceived { .. } => None,
    });
    let mut text = tuple.map_or_else(|| "unknown addresses".to_owned(), |tuple| tuple.to_string());
    if let Some(owner) = event.owner {
        text.push_str("  ");
        text.push_str(&process(owner.pid, owner.comm));
    }
    text.push_str(&details(event));
    page.line(&[
        (style::DIM, &time(event.at, clock)),
        (Style::new(), &name),
        (Style::new(), &text),
    ]);
}

fn details(event: &Event) -> String {
    match &event.kind {
        EventKind::Established => match event.owner {
            Some(owner) => format!("  after {}", seconds(event.at.since(owner.started))),
            None => String::new(),
        },
        EventKind::Failed { errno: 0 } => "  given up".to_owned(),
        EventKind::Connect | EventKind::Closed { errno: 0 } => String::new(),
        EventKind::Failed { errno: number } | EventKind::Closed { errno: number } => format!("  {}", errno(*number)),
        EventKind::Retransmit(retransmit) => format!(
            "  {}, {} unacknowledged",
            count(u64::from(retransmit.retransmits), "timeout"),
            count(u64::from(retransmit.unacked), "byte")
        ),
        EventKind::RstSent(rst) => {
            let reason = rst
                .reason
                .map_or(String::new(), |reason| format!(", {}", reason.name()));
            let maker = if rst.maker == RstMaker::Unknown {
                "maker unknown"
            } else {
                rst.maker.spell()
            };
            format!("  {maker}{reason}")
        }
        EventKind::RstReceived { state } => state.map_or(String::new(), |state| format!("  in {}", state.name())),
        EventKind::Destroyed(destroyed) => {
            let by = destroyed.by.map(|by| format!("  by {}", process(by.pid, by.comm)));
            by.unwrap_or_default()
        }
        EventKind::Drop(dropped) => {
            let location = dropped.location.as_deref().unwrap_or("an unknown function");
            format!("  {} in {}", dropped.reason.name(), Shown(location.as_bytes()))
        }
        EventKind::Conntrack(changed) => {
            let by = changed
                .by
                .map(|by| format!("  by {}", process(by.pid, by.comm)))
                .unwrap_or_default();
            let state = changed.entry.state.map_or("", ConntrackState::name);
            format!("  {state} [{}]{by}", words::status(&changed.entry))
        }
    }
}

pub(super) fn stats(stats: &Stats, page: &mut Page<'_>) {
    let sum = |of: fn(&HookStats) -> u64| stats.hooks.iter().map(of).fold(0, u64::saturating_add);
    let runs = sum(|hook| hook.runs.unwrap_or(0));
    let nanos = sum(|hook| hook.nanos.unwrap_or(0));
    let mut parts = Vec::new();
    if let Some(each) = nanos.checked_div(runs) {
        parts.push(format!("{} runs of probes", thousands(runs)));
        parts.push(format!("{each} ns each"));
    }
    parts.push(format!("{} lost", thousands(sum(|hook| hook.lost))));
    parts.push(format!("{} suppressed", thousands(sum(|hook| hook.suppressed))));
    parts.push(format!("{} followed", count(stats.tracked, "connection")));
    parts.push(format!("{} evicted", thousands(stats.evictions)));
    parts.extend(stats.cpu.map(|cpu| format!("own CPU {}", seconds(cpu))));
    let cost = words::cost(&stats.cost);
    parts.extend((!cost.is_empty()).then_some(cost));
    page.paragraph(style::DIM, &format!("stats: {}", parts.join(", ")));
}

pub(super) fn loss(loss: &Loss, page: &mut Page<'_>) {
    let cpu = loss.cpu.map_or(String::new(), |cpu| format!(", processor {cpu}"));
    let records = count(loss.lost, "record");
    let text = match &loss.source {
        LossSource::Hook(hook) => {
            format!(
                "lost {records} of hook {}{cpu}: the ring buffer was full",
                Shown(hook.as_bytes())
            )
        }
        LossSource::Queue(queue) => {
            format!(
                "lost {records} of queue {}{cpu}: the output was too slow",
                Shown(queue.as_bytes())
            )
        }
    };
    page.line(&[(style::WARNING, &text)]);
}

pub(super) fn summary(summary: &Summary, verbose: bool, page: &mut Page<'_>) {
    page.blank();
    if let Some(namespaces) = summary.inspected {
        let head = format!(
            "looked into {} for {}",
            count(namespaces, "namespace"),
            seconds(summary.duration)
        );
        page.line(&[(style::STRONG, &head)]);
    } else {
        let head = format!(
            "traced {}: {}",
            seconds(summary.duration),
            count(summary.events, "event")
        );
        page.line(&[(style::STRONG, &head)]);
        connections(summary, page);
    }
    found(summary, page);
    let missed = [
        (summary.lost, "record", "lost"),
        (summary.evictions, "entry", "evicted from full tables"),
        (summary.unresolved_inquiries, "question", "never answered"),
    ];
    let missed = missed.into_iter().filter(|(number, ..)| *number > 0);
    let missed: Vec<_> = missed
        .map(|(number, what, how)| format!("{} {how}", plural(number, what)))
        .collect();
    if !missed.is_empty() {
        page.field("missed", &missed.join(", "));
    }
    if let Some(cost) = &summary.cost {
        costs(cost, summary.lost, verbose, page);
    }
}

fn costs(cost: &Cost, all_lost: u64, verbose: bool, page: &mut Page<'_>) {
    let lost = match (words::lost(cost), all_lost) {
        (Some(lost), _) => format!("lost: {lost}"),
        (None, 0) => "nothing lost".to_owned(),
        (None, lost) => format!("{} lost", count(lost, "record")),
    };
    let spent = words::cost(cost);
    let parts = [spent, lost].into_iter().filter(|part| !part.is_empty());
    page.field("cost", &parts.collect::<Vec<_>>().join(", "));
    if let (true, Some(probes)) = (verbose, &cost.probes) {
        for (at, hook) in words::hook_costs(probes).iter().enumerate() {
            page.field(if at == 0 { "probes" } else { "" }, hook);
        }
    }
}

fn connections(summary: &Summary, page: &mut Page<'_>) {
    let established = summary
        .established
        .map(|number| format!("{} established, ", thousands(number)));
    let established = established.unwrap_or_default();
    page.field(
        "connections",
        &format!(
            "{established}{} refused, {} aborted by their application, {} given up",
            thousands(summary.refused),
            thousands(summary.aborted),
            thousands(summary.given_up)
        ),
    );
}

fn found(summary: &Summary, page: &mut Page<'_>) {
    let findings = summary.findings.iter().filter(|(_, number)| *number > 0);
    let findings: Vec<_> = findings
        .map(|(cause, number)| format!("{} {}", thousands(*number), cause.name()))
        .collect();
    let findings = if findings.is_empty() {
        "none".to_owned()
    } else {
        findings.join(", ")
    };
    page.field("findings", &findings);
}

fn plural(number: u64, what: &str) -> String {
    match what.strip_suffix('y') {
        Some(stem) if number != 1 => format!("{} {stem}ies", thousands(number)),
        _ => count(number, what),
    }
}

fn as_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
