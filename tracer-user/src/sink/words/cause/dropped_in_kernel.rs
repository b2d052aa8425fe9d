//! Dropped by the kernel for a reason that is no rule's.

use super::remedy::dropping_rule;
use super::{Words, syn_dropped};
use crate::model::aspect::{Attached, Filter, Seen};
use crate::model::reason::DropReason;
use crate::sink::text::{Shown, quote};
use crate::sink::words::aspect;
use crate::sink::words::facts::{Drop, Facts};
use crate::sink::words::fixes::{Check, Fix};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn summary(facts: Facts<'_>) -> String {
    let plain = (syn_dropped::WORDS.summary)(facts);
    match who(facts) {
        Some(who) => format!("{plain}, and {who}"),
        None => plain,
    }
}

/// What is attached there and drops, as far as it can be told.
fn who(facts: Facts<'_>) -> Option<String> {
    let drop = facts.drop()?;
    let attached = attached(facts)?;
    let device = Shown(attached.device.as_bytes());
    if drop.reason == DropReason::Xdp {
        return (attached.xdp != 0).then(|| format!("the XDP program {} of {device} does it", attached.xdp));
    }
    let may: Vec<_> = suspects(attached, drop).collect();
    match may.as_slice() {
        [] => None,
        [only] if only.drops => Some(format!("{} of {device} does it", aspect::filter(only))),
        [only] => Some(format!("{} is attached to {device}", aspect::filter(only))),
        several => Some(format!(
            "{} filters that may do it are attached to {device}",
            several.len()
        )),
    }
}

fn attached(facts: Facts<'_>) -> Option<&Attached> {
    facts.seen().find_map(|seen| {
        let Seen::Attached(attached) = seen else {
            return None;
        };
        Some(attached)
    })
}

/// A program of BPF decides by itself, and its verdict cannot be read.
fn suspects<'a>(attached: &'a Attached, drop: Drop<'_>) -> impl Iterator<Item = &'a Filter> {
    let reason = drop.reason;
    let suspected = move |filter: &&Filter| {
        let way = if filter.egress {
            DropReason::TcEgress
        } else {
            DropReason::TcIngress
        };
        way == reason && (filter.drops || &*filter.kind == "bpf")
    };
    attached.filters.iter().filter(suspected)
}

fn why(facts: Facts<'_>) -> Vec<String> {
    (syn_dropped::WORDS.why)(facts)
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    let (Some(drop), Some(attached)) = (facts.drop(), attached(facts)) else {
        return (syn_dropped::WORDS.fixes)(facts);
    };
    let device = quote(&attached.device);
    if drop.reason == DropReason::Xdp && attached.xdp != 0 {
        let why = format!("Detach the XDP program {}: see who attached it first.", attached.xdp);
        return vec![Fix::command(
            facts.0,
            drop.netns,
            &format!("ip link set dev {device} xdp off"),
            why,
        )];
    }
    let delete = |filter: &Filter| {
        let way = if filter.egress { "egress" } else { "ingress" };
        let command = format!("tc filter del dev {device} {way} pref {}", filter.preference);
        let why = format!("Delete {}: see who made it first.", aspect::filter(filter));
        Fix::command(facts.0, drop.netns, &command, why)
    };
    suspects(attached, drop).map(delete).collect()
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    let mut checks: Vec<_> = dropping_rule(facts).into_iter().collect();
    if let (Some(drop), Some(attached)) = (facts.drop(), attached(facts)) {
        let way = if drop.reason == DropReason::TcEgress {
            "egress"
        } else {
            "ingress"
        };
        let command = format!("tc -s filter show dev {} {way}", quote(&attached.device));
        checks.push(Check::new(
            facts.0,
            drop.netns,
            &command,
            "The filters, and what each has dropped.",
        ));
    }
    checks
}
