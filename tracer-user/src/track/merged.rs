//! Findings that turned out to be of one rule, and became one.

use crate::model::finding::{Cause, Culprit, Finding, RuleRole};
use crate::model::rules::{Backend, Family, Located};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A rule that is at fault, whatever it counted and wherever it moved meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct RuleId {
    cause: Cause,
    /// Of the connection, and of the rule.
    netns: (u64, u64),
    backend: Backend,
    family: Family,
    table: Arc<str>,
    chain: Arc<str>,
    /// A legacy rule has only its text.
    rule: Result<u64, Arc<str>>,
}

impl RuleId {
    /// The rule that decides: the first that stops packets, else the one that translates them.
    pub(super) fn of(finding: &Finding) -> Option<Self> {
        let connection = finding.connection.as_ref()?;
        let stops = |role| matches!(role, RuleRole::Drops | RuleRole::Rejects);
        let translates = |role| role == RuleRole::Translates;
        let (netns, rule) = named(finding, stops).or_else(|| named(finding, translates))?;
        Some(Self {
            cause: finding.cause,
            netns: (connection.netns.id(), netns),
            backend: rule.backend,
            family: rule.family,
            table: Arc::clone(&rule.table),
            chain: Arc::clone(&rule.chain),
            rule: rule.handle.ok_or_else(|| Arc::clone(&rule.text)),
        })
    }
}

fn named(finding: &Finding, does: impl Fn(RuleRole) -> bool) -> Option<(u64, &Located)> {
    finding.culprits.iter().find_map(|culprit| {
        let Culprit::Rule {
            netns,
            rule: Some(rule),
            role,
            ..
        } = culprit
        else {
            return None;
        };
        does(*role).then_some((netns.id(), &**rule))
    })
}

#[derive(Debug, Default)]
pub(super) struct Merged {
    /// The open finding of a rule.
    by_rule: HashMap<RuleId, u64>,
    /// Where a finding went that is another's part, and how many connections still know it by its own number.
    into: BTreeMap<u64, (u64, u64)>,
}

impl Merged {
    /// The open finding of the rule: `id` itself where there is none yet.
    pub(super) fn first_of(&mut self, rule: RuleId, id: u64, is_open: impl Fn(u64) -> bool) -> u64 {
        let known = self.by_rule.get(&rule).copied().filter(|known| is_open(*known));
        known.unwrap_or_else(|| {
            self.by_rule.insert(rule, id);
            id
        })
    }

    pub(super) fn lead(&mut self, from: u64, to: u64, connections: u64) {
        if connections > 0 {
            self.into.insert(from, (to, connections));
        }
    }

    /// The finding that a connection belongs to by now.
    pub(super) fn resolve(&self, id: u64) -> u64 {
        self.into.get(&id).map_or(id, |(to, _)| *to)
    }

    /// The same, for a connection that leaves it.
    pub(super) fn release(&mut self, id: u64) -> u64 {
        let Some((to, connections)) = self.into.get_mut(&id) else {
            return id;
        };
        let to = *to;
        *connections -= 1;
        if *connections == 0 {
            self.into.remove(&id);
        }
        to
    }

    pub(super) fn forget(&mut self, id: u64) {
        self.by_rule.retain(|_, known| *known != id);
    }
}

/// Makes the connections of one finding another's.
pub(super) fn absorb(to: &mut Finding, from: Finding) {
    to.count += from.count;
    to.unexamined += from.unexamined;
    to.lost = to.lost.max(from.lost);
    to.first = to.first.min(from.first);
    to.last = to.last.max(from.last);
    let room = Finding::EXAMPLES.saturating_sub(to.examples.len());
    to.examples.extend(from.examples.into_iter().take(room));
    let room = Finding::EXAMPLES.saturating_sub(to.victims.len());
    to.victims.extend(from.victims.into_iter().take(room));
}
