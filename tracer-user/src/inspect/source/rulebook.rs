//! The rules of namespaces that were asked about lately: read again only where they may have changed, and kept with the
//! rules before them, so that it can be told whether they changed since a packet met them.
//!
//! Holds no descriptor of any namespace.

use super::netns::{Found, Namespaces};
use super::probe::ProbeError;
use super::reader::{self, ReadError};
use super::rules;
use crate::model::identity::Netns;
use crate::model::rules::{Backend, Ruleset, Snapshot};
use crate::model::time::Timestamp;
use std::collections::VecDeque;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The rules of one namespace, as of now.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) snapshot: Arc<Snapshot>,
    /// Since when the same rules were read each time.
    since: Timestamp,
    /// When they were last found unchanged.
    read: Instant,
    /// What was there before.
    pub(super) before: Option<Arc<Snapshot>>,
}

impl Version {
    /// Whether the rules are others than those that a packet met then; `None`: nothing was known of them before.
    pub(super) fn changed_since(&self, at: Timestamp) -> Option<bool> {
        if self.since <= at {
            return Some(false);
        }
        self.before.as_ref().map(|_| true)
    }
}

#[derive(Debug, Default)]
pub(super) struct Rulebook {
    /// The longest unused first.
    versions: VecDeque<Version>,
}

impl Rulebook {
    pub(super) fn current(
        &mut self,
        namespaces: &mut Namespaces,
        found: &Found,
        deadline: Instant,
    ) -> Result<Version, ReadError> {
        let (netns, state) = reader::visit(namespaces, found, |netns| state(deadline).map(|state| (netns, state)))?;
        let known = self.take(netns);
        let version = match known {
            Some(version) if version.holds(state) => version,
            known => {
                let snapshot = reader::snapshot(namespaces, found, deadline)?;
                Version::following(known, snapshot)
            }
        };
        self.keep(version.clone());
        Ok(version)
    }

    fn take(&mut self, netns: Netns) -> Option<Version> {
        let index = self.versions.iter().position(|known| known.snapshot.netns == netns)?;
        self.versions.remove(index)
    }

    fn keep(&mut self, version: Version) {
        self.versions.push_back(version);
        let size = |version: &Version| {
            let before = version.before.as_ref().map_or(0, |before| before.ruleset.len());
            version.snapshot.ruleset.len() + before
        };
        let mut rules: usize = self.versions.iter().map(size).sum();
        while self.versions.len() > NAMESPACES_MAX || rules > RULES_MAX {
            let Some(oldest) = self.versions.pop_front() else {
                return;
            };
            rules -= size(&oldest);
        }
    }
}

impl Version {
    fn following(known: Option<Self>, snapshot: Snapshot) -> Self {
        let read = Instant::now();
        let at = snapshot.at;
        let snapshot = Arc::new(snapshot);
        let Some(known) = known else {
            return Self {
                snapshot,
                since: at,
                read,
                before: None,
            };
        };
        if same(&known.snapshot.ruleset, &snapshot.ruleset) {
            return Self {
                snapshot,
                read,
                ..known
            };
        }
        Self {
            snapshot,
            since: at,
            read,
            before: Some(known.snapshot),
        }
    }

    /// Whether nothing can have changed: nf_tables counts its changes, iptables-legacy does not.
    fn holds(&self, state: State) -> bool {
        let ruleset = &self.snapshot.ruleset;
        let legacy = state.legacy
            || ruleset
                .chains
                .iter()
                .any(|chain| chain.backend == Backend::IptablesLegacy);
        let fresh = self.read.elapsed() < if legacy { LEGACY_AGE } else { AGE };
        ruleset.generation == state.generation && fresh
    }
}

/// What shows cheaply whether the rules may have changed.
#[derive(Clone, Copy, Debug)]
struct State {
    generation: Option<u32>,
    /// The namespace has tables of iptables-legacy.
    legacy: bool,
}

fn state(deadline: Instant) -> Result<State, ProbeError> {
    let lists = |path: &str| fs::read_to_string(path).is_ok_and(|names| !names.is_empty());
    Ok(State {
        generation: rules::generation(deadline)?,
        legacy: LEGACY_TABLES.into_iter().any(lists),
    })
}

/// The same rules in the same order, whatever they counted.
fn same(one: &Ruleset, other: &Ruleset) -> bool {
    let rules = |ruleset: &Ruleset| {
        let chains = ruleset.chains.iter();
        let rules = chains.flat_map(|chain| &chain.rules);
        rules
            .map(|rule| (rule.handle, Arc::clone(&rule.text)))
            .collect::<Vec<_>>()
    };
    let names = |ruleset: &Ruleset| {
        let chains = ruleset.chains.iter();
        chains
            .map(|chain| (chain.backend, chain.name.clone(), chain.base.clone(), chain.rules.len()))
            .collect::<Vec<_>>()
    };
    one.generation == other.generation && names(one) == names(other) && rules(one) == rules(other)
}

const NAMESPACES_MAX: usize = 32;
/// Of all snapshots together.
const RULES_MAX: usize = 200_000;
/// Devices and addresses change without a sign.
const AGE: Duration = Duration::from_secs(30);
const LEGACY_AGE: Duration = Duration::from_secs(1);
/// The namespace that the reading thread is in.
const LEGACY_TABLES: [&str; 2] = [
    "/proc/thread-self/net/ip_tables_names",
    "/proc/thread-self/net/ip6_tables_names",
];
