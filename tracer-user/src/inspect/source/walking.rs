//! Leads packets through the rules of a namespace, as they are and as they were.
//!
//! Who listens is read only where a rule asks for it.

use super::netns::{Found, Namespaces};
use super::probe::Probe;
use super::reader::{self, ReadError};
use super::rulebook::{Rulebook, Version};
use crate::inspect::socket::Socket;
use crate::inspect::trail::{self, Route};
use crate::inspect::walk::Walker;
use crate::model::rules::Snapshot;
use crate::model::walked::{Named, Trail, Traveller, Walked};
use std::time::Instant;

pub(super) fn walk(
    namespaces: &mut Namespaces,
    rulebook: &mut Rulebook,
    found: &Found,
    packets: &[Traveller],
    connmark: Option<u32>,
    deadline: Instant,
) -> Result<Walked, ReadError> {
    let version = rulebook.current(namespaces, found, deadline)?;
    let packets = packets.get(..Walked::PACKETS).unwrap_or(packets);
    let snapshot = &*version.snapshot;
    let ruleset = &snapshot.ruleset;
    let asks = [Some(&version.snapshot), version.before.as_ref()];
    let asks = asks.into_iter().flatten().any(|of| trail::asks_listeners(&of.ruleset));
    let around = reader::visit(namespaces, found, |_| {
        let mut probe = Probe::new(deadline);
        let routes = packets.iter().map(|packet| probe.route(trail::routed(packet).address));
        let routes = routes.collect::<Result<Vec<_>, _>>()?;
        let listeners = if asks { probe.listeners(None).ok() } else { None };
        Ok(Around { routes, listeners })
    })?;
    let earliest = packets.iter().map(|packet| packet.at).min();
    let changed = earliest.and_then(|at| version.changed_since(at));
    let mut trails = trails(snapshot, packets, &around);
    if changed == Some(true) {
        compare(&mut trails, &version, packets, &around);
    }
    Ok(Walked {
        generation: ruleset.generation,
        read_at: snapshot.at,
        changed,
        rules: u32::try_from(ruleset.len()).unwrap_or(u32::MAX),
        trails,
        setters: connmark.map_or_else(Vec::new, |connmark| trail::setters(ruleset, connmark)),
        caveats: trail::caveats(ruleset),
        seen: Vec::new(),
    })
}

/// What the rules do not tell.
struct Around {
    /// Of each packet.
    routes: Vec<Route>,
    /// `None`: not read.
    listeners: Option<Vec<Socket>>,
}

fn trails(snapshot: &Snapshot, packets: &[Traveller], around: &Around) -> Vec<Trail> {
    let Around { routes, listeners } = around;
    let takes = |address, port| trail::takes(listeners.as_deref()?, address, port);
    let walker = Walker::new(snapshot);
    let knowing = listeners.as_ref().map(|_| Walker::new(snapshot).listening(&takes));
    let packets = packets.iter().zip(routes);
    let trail = |(packet, route): (&Traveller, &Route)| {
        let known = knowing
            .as_ref()
            .map(|walker| trail::trail(snapshot, walker, packet, *route));
        // Somebody else may have listened when the packet came.
        known
            .filter(|trail| trail.agrees)
            .unwrap_or_else(|| trail::trail(snapshot, &walker, packet, *route))
    };
    packets.map(trail).collect()
}

/// The rules changed meanwhile: certain is only what the packet met in both; where only the rules before explain what was
/// seen, they are the ones that are told.
fn compare(trails: &mut [Trail], version: &Version, packets: &[Traveller], around: &Around) {
    let Some(before) = &version.before else {
        return;
    };
    for (trail, old) in trails.iter_mut().zip(self::trails(before, packets, around)) {
        if !trail.agrees && old.agrees {
            *trail = old;
            trail.rules.iter_mut().for_each(|named| named.certain = false);
            trail.certain = false;
            continue;
        }
        trail.certain &= old.end == trail.end;
        for named in &mut trail.rules {
            named.certain &= old.rules.iter().any(|other| is_same(named, other));
        }
    }
}

/// Its place in the chain and its counter may be others.
fn is_same(one: &Named, other: &Named) -> bool {
    let (rule, of) = (&one.rule, &other.rule);
    one.role == other.role
        && (rule.backend, rule.family, &rule.table, &rule.chain) == (of.backend, of.family, &of.table, &of.chain)
        && rule.text == of.text
}
