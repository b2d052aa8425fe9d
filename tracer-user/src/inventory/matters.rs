//! Which chains matter to translations: an upper bound of what can happen in them, along their jumps.
//!
//! Looks at no condition: that is for the paths.

use super::condition::Changes;
use crate::model::rules::{Action, Chain, Item, NatKind, Ruleset, Verdict};

/// What can happen in a chain or in those it leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Matters {
    pub(super) translates: bool,
    /// Takes packets out of the base chain.
    ends: bool,
    pub(super) changes: Changes,
}

impl Matters {
    pub(super) fn is_worth_a_visit(self) -> bool {
        self.translates || self.ends
    }

    fn or(self, other: Self) -> Self {
        Self {
            translates: self.translates || other.translates,
            ends: self.ends || other.ends,
            changes: self.changes.or(other.changes),
        }
    }
}

/// What matters of each chain: from its own rules, then along the jumps as far as they reach.
pub(super) fn matters(ruleset: &Ruleset, with_source: bool) -> Vec<Matters> {
    let mut all: Vec<_> = ruleset.chains.iter().map(|chain| own(chain, with_source)).collect();
    let mut leading: Vec<Vec<usize>> = vec![Vec::new(); all.len()];
    for (from, chain) in ruleset.chains.iter().enumerate() {
        for to in ruleset.leads_to(chain) {
            if let Some(leading) = usize::try_from(to.0).ok().and_then(|to| leading.get_mut(to)) {
                leading.push(from);
            }
        }
    }
    let mut todo: Vec<usize> = (0..all.len()).collect();
    while let Some(to) = todo.pop() {
        let (Some(&told), Some(from)) = (all.get(to), leading.get(to)) else {
            continue;
        };
        for &from in from {
            if let Some(matter) = all.get_mut(from)
                && matter.or(told) != *matter
            {
                *matter = matter.or(told);
                todo.push(from);
            }
        }
    }
    all
}

fn own(chain: &Chain, with_source: bool) -> Matters {
    let mut matters = Matters::default();
    for action in actions(chain) {
        matters.changes = matters.changes.or(Changes::from(action));
        match action {
            Action::Nat(nat) => {
                matters.translates |= with_source || !changes_source(nat.kind);
                matters.ends = true;
            }
            Action::Tproxy(_) => matters.translates = true,
            Action::Verdict(Verdict::Accept | Verdict::Drop | Verdict::Reject(_) | Verdict::Queue { .. }) => {
                matters.ends = true;
            }
            Action::Verdict(_)
            | Action::VerdictMap { .. }
            | Action::Assign(_)
            | Action::Notrack
            | Action::Zone { .. }
            | Action::Harmless(_)
            | Action::Unknown(_) => {}
        }
    }
    matters
}

fn actions(chain: &Chain) -> impl Iterator<Item = &Action> {
    let items = chain.rules.iter().flat_map(|rule| &rule.items);
    items.filter_map(|item| match item {
        Item::Action(action) => Some(action),
        Item::Match(_) => None,
    })
}

pub(super) fn changes_source(kind: NatKind) -> bool {
    match kind {
        NatKind::Source | NatKind::Masquerade => true,
        NatKind::Destination | NatKind::Redirect => false,
    }
}
