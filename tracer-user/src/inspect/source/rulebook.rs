//! The rules of namespaces that were asked about lately: read again only where they may have changed, and kept with the
//! rules before them, so that it can be told whether they changed since a packet met them.
//!
//! Holds no descriptor of any namespace.

use super::clock::now;
use super::netns::{Found, Namespaces};
use super::probe::ProbeError;
use super::reader::{self, ReadError};
use super::{rules, xt};
use crate::model::identity::Netns;
use crate::model::rules::{Ruleset, Snapshot};
use crate::model::time::Timestamp;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The rules of one namespace, as of now.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) snapshot: Arc<Snapshot>,
    /// Since when the same rules were read each time.
    since: Timestamp,
    /// When they were last read, and what the kernel told of them just before.
    read: Instant,
    state: State,
    /// What was there before.
    pub(super) before: Option<Arc<Snapshot>>,
}

impl Version {
    /// Whether the rules are others than those that a packet met then; `None`: nothing was known of them before, or
    /// nothing would have shown it.
    pub(super) fn changed_since(&self, at: Timestamp) -> Option<bool> {
        if self.since <= at {
            let sure = !self.state.is_legacy() || at <= self.state.at;
            return sure.then_some(false);
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
            Some(version) if version.holds(&state) => version,
            known => {
                let snapshot = reader::snapshot(namespaces, found, deadline)?;
                Version::following(known, snapshot, state)
            }
        };
        self.keep(version.clone());
        Ok(version)
    }

    fn take(&mut self, netns: Netns) -> Option<Version> {
        let index = self.versions.iter().position(|known| known.snapshot.netns == netns)?;
        self.versions.remove(index)
    }

    /// Keeps it, however large it is, for the next question; the others only while there is room.
    fn keep(&mut self, version: Version) {
        self.versions.push_back(version);
        let size = |version: &Version| {
            let before = version.before.as_ref().map_or(0, |before| before.ruleset.len());
            version.snapshot.ruleset.len() + before
        };
        let mut rules: usize = self.versions.iter().map(size).sum();
        while self.versions.len() > NAMESPACES_MAX || (rules > RULES_MAX && self.versions.len() > 1) {
            let Some(oldest) = self.versions.pop_front() else {
                return;
            };
            rules -= size(&oldest);
        }
    }
}

impl Version {
    fn following(known: Option<Self>, snapshot: Snapshot, state: State) -> Self {
        let read = Instant::now();
        let since = snapshot.at;
        let snapshot = Arc::new(snapshot);
        let (since, before) = match known {
            None => (since, None),
            Some(known) if same(&known.snapshot.ruleset, &snapshot.ruleset) => (known.since, known.before),
            Some(known) => (since, Some(known.snapshot)),
        };
        Self {
            snapshot,
            since,
            read,
            state,
            before,
        }
    }

    /// Whether nothing shows that something changed: nf_tables counts its changes, of iptables-legacy only sizes tell.
    fn holds(&self, state: &State) -> bool {
        let age = if state.is_legacy() { LEGACY_AGE } else { AGE };
        self.snapshot.ruleset.generation == state.generation
            && self.state.tables == state.tables
            && self.read.elapsed() < age
    }
}

/// What shows cheaply whether the rules may have changed.
#[derive(Clone, Debug)]
struct State {
    at: Timestamp,
    generation: Option<u32>,
    /// The tables of iptables-legacy, and what could not be read of them.
    tables: (Vec<xt::Key>, Vec<Arc<str>>),
}

impl State {
    /// The namespace has tables of iptables-legacy, or may have.
    fn is_legacy(&self) -> bool {
        let (keys, gaps) = &self.tables;
        !keys.is_empty() || !gaps.is_empty()
    }
}

fn state(deadline: Instant) -> Result<State, ProbeError> {
    Ok(State {
        at: now(),
        generation: rules::generation(deadline)?,
        tables: xt::keys(),
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
/// Of all snapshots together, but for those of the namespace that was asked about last.
const RULES_MAX: usize = 200_000;
/// Devices and addresses change without a sign.
const AGE: Duration = Duration::from_secs(30);
const LEGACY_AGE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::rules::xt::{INFO, Shape};
    use crate::model::rules::{Backend, Chain, Family, Network, Rule};

    const POD: Netns = Netns { cookie: 1, inode: 1 };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    fn snapshot(seconds: u64, rules: &[&str]) -> Snapshot {
        let rule = |text: &&str| Rule {
            handle: None,
            items: Vec::new(),
            counters: None,
            comment: None,
            text: (*text).into(),
        };
        let chain = Chain {
            backend: Backend::IptablesLegacy,
            family: Family::Ip,
            table: "filter".into(),
            name: "INPUT".into(),
            base: None,
            rules: rules.iter().map(rule).collect(),
            dormant: false,
            counters: None,
        };
        Snapshot {
            netns: POD,
            enter: None,
            at: at(seconds),
            ruleset: Ruleset {
                chains: vec![chain],
                ..Ruleset::default()
            },
            network: Network::default(),
        }
    }

    /// A table of this size was there; none, nf_tables alone.
    fn state(seconds: u64, size: Option<u8>) -> State {
        let key = |size| xt::Key {
            family: Family::Ip,
            table: "filter".into(),
            shape: Shape::parse(&[size; INFO]).unwrap(),
        };
        State {
            at: at(seconds),
            generation: None,
            tables: (size.map(key).into_iter().collect(), Vec::new()),
        }
    }

    #[test]
    fn a_legacy_table_of_another_size_is_read_again_at_once() {
        let known = Version::following(None, snapshot(10, &["a"]), state(9, Some(1)));
        assert!(known.holds(&state(10, Some(1))));
        assert!(!known.holds(&state(10, Some(2))));
        assert!(!known.holds(&state(10, None)));
    }

    #[test]
    fn what_no_sign_would_have_shown_is_not_called_unchanged() {
        let first = Version::following(None, snapshot(10, &["a"]), state(9, Some(1)));
        assert_eq!(first.changed_since(at(8)), None);
        // A rule of the same size may have taken the place of another.
        assert_eq!(first.changed_since(at(11)), None);
        let again = Version::following(Some(first), snapshot(13, &["a"]), state(12, Some(1)));
        assert_eq!(again.changed_since(at(11)), Some(false));
        let other = Version::following(Some(again), snapshot(15, &["b"]), state(14, Some(1)));
        assert_eq!(other.changed_since(at(11)), Some(true));
        let counted = Version::following(None, snapshot(10, &["a"]), state(9, None));
        assert_eq!(counted.changed_since(at(11)), Some(false));
    }

    #[test]
    fn the_rules_just_read_are_kept_however_many_they_are() {
        let mut book = Rulebook::default();
        let version = |seconds, rules: &[&str]| Version::following(None, snapshot(seconds, rules), state(9, None));
        let mut small = version(10, &["a"]);
        Arc::get_mut(&mut small.snapshot).unwrap().netns.inode = 2;
        book.keep(small);
        book.keep(version(11, &vec!["b"; RULES_MAX + 1]));
        assert_eq!(book.versions.len(), 1);
        assert!(book.take(POD).is_some());
    }
}
