//! One question per rule that most packets fail, side by side: a chain of thousands is scanned without looking at its
//! rules.

use super::Walker;
use super::number::{Number, Truth};
use super::state::State;
use crate::model::rules::{Chain, Field, Item, Match, Rule};

/// A question that a packet must not fail.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    field: Field,
    negated: bool,
    mask: u128,
    first: u128,
    last: u128,
}

impl Guard {
    fn admits(&self, number: Number) -> bool {
        let fits = number.masked(self.mask, 0).within(&(self.first..=self.last));
        number != Number::Absent && fits.turned(self.negated) != Truth::No
    }
}

/// How many rules the packet certainly does not fit, up to the first that it may.
pub(super) fn skipped(walker: &Walker<'_>, state: &State, guards: &[Option<Guard>]) -> usize {
    // Rules that follow each other mostly ask for the same field.
    let mut last = None;
    let mut admits = |guard: &Option<Guard>| {
        let Some(guard) = guard else {
            return true;
        };
        let number = match last {
            Some((field, number)) if field == guard.field => number,
            _ => walker.field(state, guard.field),
        };
        last = Some((guard.field, number));
        guard.admits(number)
    };
    guards.iter().position(&mut admits).unwrap_or(guards.len())
}

/// The guards of all rules of a chain.
pub(super) fn of(chain: &Chain) -> Vec<Option<Guard>> {
    chain.rules.iter().map(guard).collect()
}

/// The question that tells most packets apart, of those that are asked before anything is done, or counted.
fn guard(rule: &Rule) -> Option<Guard> {
    let leading = rule.items.iter().map_while(|item| match item {
        Item::Match(wanted) => Some(wanted),
        Item::Action(_) => None,
    });
    let guards = leading.filter_map(|wanted| {
        let Match::Number {
            field,
            mask,
            within,
            negated,
        } = wanted
        else {
            return None;
        };
        let [range] = within.as_slice() else {
            return None;
        };
        // Of a device it is not the number alone that may be known.
        if matches!(field, Field::InputInterface | Field::OutputInterface) {
            return None;
        }
        Some(Guard {
            field: *field,
            negated: *negated,
            mask: *mask,
            first: *range.start(),
            last: *range.end(),
        })
    });
    guards.min_by_key(|guard| (guard.negated, rank(guard.field)))
}

/// How well a field tells packets apart; the lower the better.
#[expect(clippy::wildcard_enum_match_arm, reason = "all other fields are alike")]
fn rank(field: Field) -> u8 {
    match field {
        Field::Ip4Destination | Field::Ip6Destination => 0,
        Field::Ip4Source | Field::Ip6Source => 1,
        Field::DestinationPort => 2,
        Field::SourcePort => 3,
        Field::L4Proto | Field::Nfproto | Field::Ip4Protocol => 5,
        _ => 4,
    }
}
