//! Which ports of a namespace are translated, by which rule, to where, and who listens there.
//!
//! Pure: from rules, sockets and conntrack entries that were read. It follows jumps and takes what rules ask together,
//! but no packet's way: chance, marks and states are told as conditions.

mod aim;
mod class;
mod condition;
mod explained;
mod listeners;
mod matters;
mod paths;
mod phrase;
mod proof;
mod ranges;
mod scope;

pub use listeners::Listeners;

use crate::inspect::rules::locate::locate;
use crate::model::conntrack::Conntrack;
use crate::model::rules::{Network, Ruleset};
use crate::model::translation::{Class, Manner, Translation};
use class::Own;
use listeners::{Wanted, input_devices, listening};
use paths::Reached;
use scope::Scope;

/// What was read of one namespace.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub ruleset: &'a Ruleset,
    pub network: &'a Network,
    pub listeners: &'a Listeners,
    /// TCP entries; `None`: not read.
    pub entries: Option<&'a [Conntrack]>,
}

/// The translations of one namespace, in the order in which packets meet them; those without a rule come last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    pub translations: Vec<Translation>,
    /// There are more.
    pub cut: bool,
}

/// `all`: other classes than [`Class::Stolen`] too.
pub fn inventory(facts: &Facts<'_>, all: bool) -> Inventory {
    let own = Own::new(facts.network);
    let steals = |reached: &Reached| is_stolen(reached, facts, &own);
    let (reached, mut cut) = paths::paths(facts.ruleset, all, &steals);
    let mut rows = Vec::new();
    let mut others = 0;
    for reached in &reached {
        for protocol in protocols(&reached.scope) {
            let row = row(reached, protocol, facts, &own);
            let stolen = row.as_ref().is_some_and(|(_, row)| row.class == Class::Stolen);
            others += usize::from(!stolen);
            if stolen || others <= OTHERS_MAX {
                rows.extend(row);
            } else {
                cut = true;
            }
        }
    }
    if let Some(entries) = facts.entries {
        cut = !proof::prove(&mut rows, !cut, entries, facts.listeners, facts.network);
    }
    let translations = rows.into_iter().map(|(_, translation)| translation);
    Inventory {
        translations: translations.filter(|row| all || row.class == Class::Stolen).collect(),
        cut,
    }
}

/// Whether the rules of a namespace may translate destinations: else nothing more needs to be read.
pub fn translates(ruleset: &Ruleset) -> bool {
    paths::translates(ruleset)
}

fn is_stolen(reached: &Reached, facts: &Facts<'_>, own: &Own) -> bool {
    let owner = locate(facts.ruleset, reached.rule, Some(reached.hook)).and_then(|rule| rule.owner);
    let target = class::target(reached, own, facts.network);
    class::class(reached, &target, owner, own) == Class::Stolen
}

fn row(reached: &Reached, protocol: Option<u8>, facts: &Facts<'_>, own: &Own) -> Option<(Scope, Translation)> {
    let rule = locate(facts.ruleset, reached.rule, Some(reached.hook))?;
    let target = class::target(reached, own, facts.network);
    let class = class::class(reached, &target, rule.owner, own);
    let mut translation = Translation {
        class,
        manner: reached.manner,
        family: reached.scope.family(),
        hook: Some(reached.hook),
        protocol,
        destinations: reached.scope.destinations(),
        ports: reached.scope.port_ranges(),
        target,
        conditions: reached.conditions.clone(),
        more_conditions: reached.more_conditions,
        rule: Some(rule),
        connections: None,
        listening: crate::model::translation::Listening::Elsewhere,
    };
    let wanted = Wanted {
        protocol,
        family: translation.family,
        hook: translation.hook,
        target: &translation.target,
        ports: &translation.ports,
        any_port: reached.aim.any_port,
        devices: arrival(reached, facts.network),
    };
    translation.listening = listening(&wanted, facts.listeners, facts.network);
    Some((reached.scope.clone(), translation))
}

/// A row for each protocol where they are few; else one for all.
fn protocols(scope: &Scope) -> Vec<Option<u8>> {
    let few: Vec<_> = scope
        .protocols
        .iter()
        .flat_map(Clone::clone)
        .take(PROTOCOLS_MAX + 1)
        .collect();
    if few.len() > PROTOCOLS_MAX {
        return vec![None];
    }
    few.into_iter().map(|number| u8::try_from(number).ok()).collect()
}

/// The devices whose addresses the packets arrive at.
fn arrival(reached: &Reached, network: &Network) -> Option<Vec<u32>> {
    let devices = input_devices(&reached.asks, network)?;
    let is_loopback = |index: &u32| network.link(*index).is_some_and(|link| link.loopback);
    // An address that stays need not be one of the device, except on loopback.
    (reached.manner == Manner::Redirect || devices.iter().all(is_loopback)).then_some(devices)
}

/// Protocols that get a row each.
const PROTOCOLS_MAX: usize = 4;
/// Rows of one namespace that are not stolen ports.
const OTHERS_MAX: usize = 32_768;

#[cfg(test)]
pub(crate) mod tests;
