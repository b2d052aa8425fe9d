//! What is asked of a packet beyond what a scope tells, and what of it follows from the rest.
//!
//! Conditions are only compared with each other: what that does not decide stays open.

use super::phrase::match_text;
use crate::model::rules::{Action, Field, Match, Operand, Ruleset, Target};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Fits {
        asked: Match,
        /// When it was asked, as far as rules change the answer.
        age: Age,
        /// Asked twice it gets the same answer.
        steady: bool,
    },
    NotAll(Vec<Self>),
}

/// What other conditions say of one.
pub(super) enum Given {
    Always,
    Never,
    /// This is left of it.
    Open(Vec<Condition>),
}

impl Condition {
    pub(super) fn new(asked: &Match, now: Age, ruleset: &Ruleset) -> Self {
        if let Match::NotAll(all) = asked {
            return Self::NotAll(all.iter().map(|asked| Self::new(asked, now, ruleset)).collect());
        }
        Self::Fits {
            asked: asked.clone(),
            age: now.of(asked),
            steady: is_steady(asked, ruleset),
        }
    }

    /// What is left to ask of a packet that fits all `known` ones.
    pub(super) fn given(&self, known: &[Self]) -> Given {
        match self {
            Self::Fits { steady: false, .. } => Given::Open(vec![self.clone()]),
            Self::Fits { .. } if known.contains(self) => Given::Always,
            Self::Fits { .. } if known.iter().any(|other| self.excludes(other)) => Given::Never,
            Self::Fits { .. } => Given::Open(vec![self.clone()]),
            Self::NotAll(all) => not_all(all, known),
        }
    }

    /// Whether no packet fits both.
    fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Fits { asked, age, .. },
                Self::Fits {
                    asked: opposite,
                    age: then,
                    ..
                },
            ) => {
                let negated = asked.clone().negate(true);
                age == then && negated == *opposite && negated != *asked
            }
            (_, Self::NotAll(all)) => matches!(&all[..], [one] if one == self),
            (Self::NotAll(_), Self::Fits { .. }) => other.excludes(self),
        }
    }

    pub(super) fn has_chance(&self) -> bool {
        match self {
            Self::Fits { asked, .. } => has_chance(asked),
            Self::NotAll(all) => all.iter().any(Self::has_chance),
        }
    }

    /// Whether one asks what the other asks not.
    pub(super) fn is_complement_of(&self, other: &Self) -> bool {
        let of =
            |whole: &Self, part: &Self| matches!(whole, Self::NotAll(all) if matches!(&all[..], [one] if one == part));
        self.is_steady() && (of(self, other) || of(other, self))
    }

    fn is_steady(&self) -> bool {
        match self {
            Self::Fits { steady, .. } => *steady,
            Self::NotAll(all) => all.iter().all(Self::is_steady),
        }
    }

    /// The same as a rule asks it.
    pub(super) fn asked(&self) -> Match {
        match self {
            Self::Fits { asked, .. } => asked.clone(),
            Self::NotAll(all) => Match::NotAll(all.iter().map(Self::asked).collect()),
        }
    }

    /// Untrusted, as texts of rules are in it.
    pub(super) fn text(&self, now: Age, ruleset: &Ruleset) -> Arc<str> {
        let text = match_text(&self.asked(), ruleset);
        if self.is_of(now) {
            text
        } else {
            format!("{text} (before a rule changes it)").into()
        }
    }

    fn is_of(&self, now: Age) -> bool {
        match self {
            Self::Fits { asked, age, .. } => now.of(asked) == *age,
            Self::NotAll(all) => all.iter().all(|one| one.is_of(now)),
        }
    }
}

fn not_all(all: &[Condition], known: &[Condition]) -> Given {
    let is_known = |other: &Condition| {
        matches!(other, Condition::NotAll(fewer)
            if other.is_steady() && fewer.iter().all(|one| all.contains(one)))
    };
    if known.iter().any(is_known) {
        return Given::Always;
    }
    let mut open = Vec::new();
    for one in all {
        match one.given(known) {
            Given::Never => return Given::Always,
            Given::Always => {}
            Given::Open(left) => open.extend(left),
        }
    }
    match &open[..] {
        [] => Given::Never,
        // Not not all: all.
        [Condition::NotAll(all)] => Given::Open(all.clone()),
        _ => Given::Open(vec![Condition::NotAll(open)]),
    }
}

/// What of the asked ones a packet that fits all `known` ones need not fit; `None`: it fits them never.
pub(super) fn beyond(asked: &[Condition], known: &[Condition]) -> Option<Vec<Condition>> {
    let mut left = asked.to_vec();
    for _ in 0..ROUNDS_MAX {
        let mut todo = left.clone();
        let mut done: Vec<Condition> = Vec::new();
        while !todo.is_empty() {
            let one = todo.remove(0);
            let all: Vec<_> = known.iter().chain(&done).chain(&todo).cloned().collect();
            match one.given(&all) {
                Given::Never => return None,
                Given::Always => {}
                Given::Open(open) => done.extend(open),
            }
        }
        if done == left {
            break;
        }
        left = done;
    }
    Some(left)
}

/// How often rules may have changed what a condition looks at, up to some rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Age {
    mark: u32,
    connmark: u32,
    entry: u32,
}

impl Age {
    pub(super) fn pass(&mut self, changes: Changes) {
        self.mark += u32::from(changes.mark);
        self.connmark += u32::from(changes.connmark);
        self.entry += u32::from(changes.entry);
    }

    /// As far as it matters to the answer.
    fn of(self, asked: &Match) -> Self {
        let looked_at = looked_at(asked);
        let only = |matters: bool, age: u32| if matters { age } else { 0 };
        Self {
            mark: only(looked_at.mark, self.mark),
            connmark: only(looked_at.connmark, self.connmark),
            entry: only(looked_at.entry, self.entry),
        }
    }
}

/// What rules can change on a packet's way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    mark: bool,
    connmark: bool,
    /// Which conntrack entry it has, if any.
    entry: bool,
}

impl Changes {
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            mark: self.mark || other.mark,
            connmark: self.connmark || other.connmark,
            entry: self.entry || other.entry,
        }
    }
}

impl From<&Action> for Changes {
    fn from(action: &Action) -> Self {
        let (mark, connmark, entry) = match action {
            Action::Assign(assign) => (assign.target == Target::Mark, assign.target == Target::Connmark, false),
            Action::Notrack | Action::Zone { .. } => (false, false, true),
            Action::Unknown(_) => (true, true, true),
            Action::Verdict(_)
            | Action::VerdictMap { .. }
            | Action::Nat(_)
            | Action::Tproxy(_)
            | Action::Harmless(_) => (false, false, false),
        };
        Self { mark, connmark, entry }
    }
}

fn looked_at(asked: &Match) -> Changes {
    match asked {
        Match::Number { field, .. } | Match::Name { field, .. } => of_field(*field),
        Match::Lookup { key, .. } => of_operands(key),
        Match::Equal { left, right, .. } => of_operand(left).or(of_operand(right)),
        Match::Any(all) | Match::NotAll(all) => all.iter().map(looked_at).fold(Changes::default(), Changes::or),
        Match::Chance(_) | Match::Unknown(_) => Changes::default(),
    }
}

fn of_operands(operands: &[Operand]) -> Changes {
    operands.iter().map(of_operand).fold(Changes::default(), Changes::or)
}

fn of_operand(operand: &Operand) -> Changes {
    match operand {
        Operand::Field { field, .. } => of_field(*field),
        Operand::Map { key, .. } => of_operands(key),
        Operand::Constant(_) | Operand::Random { .. } | Operand::Hash { .. } | Operand::Unknown(_) => {
            Changes::default()
        }
    }
}

fn of_field(field: Field) -> Changes {
    Changes {
        mark: field == Field::Mark,
        connmark: field == Field::CtMark,
        entry: field.name().starts_with("ct "),
    }
}

fn is_steady(asked: &Match, ruleset: &Ruleset) -> bool {
    let is_fixed = |set| ruleset.set(set).is_some_and(|set| !set.dynamic);
    let steady = |operand: &Operand| is_steady_operand(operand, ruleset);
    match asked {
        Match::Number { .. } | Match::Name { .. } => true,
        Match::Lookup { key, set, .. } => is_fixed(*set) && key.iter().all(steady),
        Match::Equal { left, right, .. } => steady(left) && steady(right),
        Match::Any(all) | Match::NotAll(all) => all.iter().all(|asked| is_steady(asked, ruleset)),
        Match::Chance(_) | Match::Unknown(_) => false,
    }
}

fn is_steady_operand(operand: &Operand, ruleset: &Ruleset) -> bool {
    match operand {
        Operand::Field { .. } | Operand::Constant(_) => true,
        Operand::Map { key, map } => {
            ruleset.set(*map).is_some_and(|map| !map.dynamic)
                && key.iter().all(|operand| is_steady_operand(operand, ruleset))
        }
        Operand::Random { .. } | Operand::Hash { .. } | Operand::Unknown(_) => false,
    }
}

fn has_chance(asked: &Match) -> bool {
    match asked {
        Match::Chance(_) => true,
        Match::Any(all) | Match::NotAll(all) => all.iter().any(has_chance),
        Match::Number { .. } | Match::Name { .. } | Match::Lookup { .. } | Match::Equal { .. } | Match::Unknown(_) => {
            false
        }
    }
}

/// Each round needs what the one before found.
const ROUNDS_MAX: usize = 8;
