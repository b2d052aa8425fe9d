//! Whether a rule ahead ends the way of every packet that a rule is for: it asks for nothing that the way does not.
//!
//! It compares what rules ask and leads no packet. What can change on the way (marks) or is not understood covers nothing.

#![expect(clippy::wildcard_enum_match_arm, reason = "only what ends a way is picked")]

use super::way::Way;
use crate::model::rules::{
    Action, ChainId, Family, Field, Item, Match, NatTarget, Operand, Rule, RuleId, Ruleset, Verdict,
};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// What packets of a way are known to fit.
pub(super) struct Scope<'a> {
    ruleset: &'a Ruleset,
    asked: Vec<Match>,
}

impl<'a> Scope<'a> {
    /// All packets of the way, or those of them to one port.
    pub(super) fn new(ruleset: &'a Ruleset, way: &Way, port: Option<u16>) -> Self {
        let rules = way.rules.iter().filter_map(|id| ruleset.rule(*id));
        let items = rules.flat_map(|rule| &rule.items);
        let asked = items.filter_map(|item| match item {
            Item::Match(asked) => Some(asked.clone()),
            Item::Action(_) => None,
        });
        let only = port.map(|port| Match::equals(Field::DestinationPort, port.into()));
        Self {
            ruleset,
            asked: asked.chain(only).collect(),
        }
    }

    /// The rule that no packet of the way gets past.
    pub(super) fn ender(&self, way: &Way) -> Option<RuleId> {
        self.before(way).or_else(|| self.ahead(way))
    }

    /// In an earlier chain of the same hook, where accepting is not the end.
    fn before(&self, way: &Way) -> Option<RuleId> {
        let own = self.ruleset.chain(way.rules.first()?.chain)?.base.as_ref()?;
        let earlier = self.ruleset.numbered().filter(|(_, chain)| {
            let is_met = chain.family == way.family || chain.family == Family::Inet;
            let base = chain.base.as_ref();
            is_met && !chain.dormant && base.is_some_and(|base| base.hook == own.hook && base.priority < own.priority)
        });
        let mut seen = BTreeSet::new();
        let mut enders = earlier.filter_map(|(id, _)| self.within(id, 0, &mut seen));
        enders.find(|id| self.ruleset.rule(*id).and_then(end) != Some(Ends::Chain))
    }

    fn ahead(&self, way: &Way) -> Option<RuleId> {
        let mut seen = BTreeSet::new();
        way.rules.iter().find_map(|on_way| {
            let rules = &self.ruleset.chain(on_way.chain)?.rules;
            let ahead = (0..on_way.index).zip(rules).filter(|(_, rule)| self.fits(rule));
            let mut ahead = ahead.map(|(index, rule)| {
                (
                    RuleId {
                        chain: on_way.chain,
                        index,
                    },
                    rule,
                )
            });
            ahead.find_map(|(id, rule)| match end(rule) {
                Some(_) => Some(id),
                None => match jump(rule)? {
                    Verdict::Return | Verdict::Goto(_) => Some(id),
                    Verdict::Jump(to) => self.within((*to)?, 0, &mut seen),
                    _ => None,
                },
            })
        })
    }

    /// The rule of the chain, or of one that it jumps to, that ends the way of all.
    fn within(&self, chain: ChainId, depth: usize, seen: &mut BTreeSet<ChainId>) -> Option<RuleId> {
        if depth > DEPTH_MAX || !seen.insert(chain) {
            return None;
        }
        let rules = (0..).zip(&self.ruleset.chain(chain)?.rules);
        for (index, rule) in rules.filter(|(_, rule)| self.fits(rule)) {
            if end(rule).is_some() {
                return Some(RuleId { chain, index });
            }
            match jump(rule) {
                Some(Verdict::Return | Verdict::Goto(None)) => return None,
                Some(Verdict::Goto(Some(to))) => return self.within(*to, depth + 1, seen),
                Some(Verdict::Jump(Some(to))) => {
                    if let Some(found) = self.within(*to, depth + 1, seen) {
                        return Some(found);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Every packet of the way fits the rule.
    fn fits(&self, rule: &Rule) -> bool {
        rule.items.iter().all(|item| match item {
            Item::Match(asked) => self.implies(asked),
            Item::Action(Action::Unknown(_)) => false,
            Item::Action(_) => true,
        })
    }

    fn implies(&self, asked: &Match) -> bool {
        match asked {
            Match::Number { field, .. } if is_changing(*field) => false,
            Match::Any(any) => any.iter().any(|asked| self.implies(asked)),
            Match::NotAll(all) => self.asked.contains(asked) || all.iter().any(|asked| self.excludes(asked)),
            Match::Chance(_) | Match::Unknown(_) | Match::Equal { .. } => false,
            Match::Name { .. } => self.asked.contains(asked),
            Match::Number { .. } | Match::Lookup { .. } => {
                let Some(wanted) = Numbers::of(self.ruleset, asked) else {
                    return false;
                };
                self.numbers().any(|known| {
                    known == wanted
                        || (wanted.negated && known.misses(&wanted))
                        || (!wanted.negated && known.is_in(&wanted))
                })
            }
        }
    }

    /// No packet of the way fits.
    fn excludes(&self, asked: &Match) -> bool {
        let numbers = Numbers::of(self.ruleset, asked);
        numbers.is_some_and(|wanted| !wanted.negated && self.numbers().any(|known| known.misses(&wanted)))
    }

    fn numbers(&self) -> impl Iterator<Item = Numbers> {
        self.asked.iter().filter_map(|asked| Numbers::of(self.ruleset, asked))
    }
}

/// A field within ranges, however the rule says it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Numbers {
    field: Field,
    mask: u128,
    within: Vec<RangeInclusive<u128>>,
    negated: bool,
}

impl Numbers {
    fn of(ruleset: &Ruleset, asked: &Match) -> Option<Self> {
        let numbers = match asked {
            Match::Number {
                field,
                mask,
                within,
                negated,
            } => Self {
                field: *field,
                mask: *mask,
                within: within.clone(),
                negated: *negated,
            },
            Match::Lookup { key, set, negated } => {
                let [Operand::Field { field, mask, xor: 0 }] = key.as_slice() else {
                    return None;
                };
                let set = ruleset.set(*set).filter(|set| !set.dynamic && !set.incomplete)?;
                let ranges = set.elements.iter().take(ELEMENTS_MAX + 1).map(|element| {
                    let first = element.key.first()?.number()?;
                    let last = element
                        .last
                        .as_ref()
                        .map_or(Some(first), |last| last.first()?.number())?;
                    Some(first..=last)
                });
                let within = ranges.collect::<Option<Vec<_>>>()?;
                (within.len() <= ELEMENTS_MAX).then_some(Self {
                    field: *field,
                    mask: *mask,
                    within,
                    negated: *negated,
                })?
            }
            _ => return None,
        };
        (!is_changing(numbers.field)).then_some(numbers)
    }

    fn is_in(&self, other: &Self) -> bool {
        self.all(other, |own| {
            let mut ranges = other.within.iter();
            ranges.any(|range| range.start() <= own.start() && own.end() <= range.end())
        })
    }

    fn misses(&self, other: &Self) -> bool {
        self.all(other, |own| {
            let mut ranges = other.within.iter();
            ranges.all(|range| range.end() < own.start() || own.end() < range.start())
        })
    }

    /// Whether it holds for all that these can be, as the other one masks it.
    fn all(&self, other: &Self, holds: impl Fn(&RangeInclusive<u128>) -> bool) -> bool {
        let comparable = !self.negated && self.field == other.field && !self.within.is_empty();
        comparable
            && self.within.iter().all(|range| {
                if self.mask == other.mask {
                    return holds(range);
                }
                let value = range.start() & other.mask;
                let is_wider = other.mask != 0 && self.mask & other.mask == other.mask;
                is_wider && range.start() == range.end() && holds(&(value..=value))
            })
    }
}

/// What a rule is the end of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// Of this base chain: the next one goes on.
    Chain,
    Packet,
    /// The connection's translation is decided.
    Translation,
}

fn end(rule: &Rule) -> Option<Ends> {
    rule.items.iter().find_map(|item| match item {
        Item::Action(Action::Verdict(Verdict::Accept)) => Some(Ends::Chain),
        Item::Action(Action::Verdict(Verdict::Drop | Verdict::Reject(_))) => Some(Ends::Packet),
        // What a map does not have goes on.
        Item::Action(Action::Nat(nat)) => matches!(nat.target, NatTarget::Fixed { .. }).then_some(Ends::Translation),
        _ => None,
    })
}

fn jump(rule: &Rule) -> Option<&Verdict> {
    rule.items.iter().find_map(|item| match item {
        Item::Action(Action::Verdict(verdict)) => Some(verdict),
        _ => None,
    })
}

/// Other rules can change it between one rule and the next.
fn is_changing(field: Field) -> bool {
    matches!(field, Field::Mark | Field::CtMark | Field::CtZone | Field::CtStatus)
}

/// The kernel's own bound on jumps.
const DEPTH_MAX: usize = 16;
/// Elements of a set that are compared one by one.
const ELEMENTS_MAX: usize = 64;
