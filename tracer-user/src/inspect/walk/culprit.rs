//! Which rules are to blame for what became of a packet.

use super::number::{Mark, Truth};
use crate::model::rules::{
    Action, Assign, Effect, End, Field, Item, Match, Outcome, Rule, RuleId, Ruleset, Source, Step, Target,
};

/// The step that decided what became of the packet: the rule that dropped, rejected, queued or took it, or is not
/// understood; `None`: nothing stopped it.
pub fn deciding(outcome: &Outcome) -> Option<&Step> {
    match outcome.end {
        End::Delivered | End::Left => outcome.steps.iter().rfind(|step| step.effect == Effect::Taken),
        End::Dropped | End::Rejected(_) | End::Queued | End::Unknown => outcome.steps.last(),
    }
}

/// The steps that translated the packet, in order.
pub fn translating(outcome: &Outcome) -> impl Iterator<Item = &Step> {
    let steps = outcome.steps.iter();
    steps.filter(|step| matches!(step.effect, Effect::Translated(_)))
}

/// The rules that can give a mark a value of which `mask` leaves `value`, whatever it was before. A rule that copies one
/// mark to the other is among them where nothing speaks against it.
pub fn setters(ruleset: &Ruleset, target: Target, mask: u32, value: u32) -> Vec<RuleId> {
    let sets = |item: &Item| match item {
        Item::Action(Action::Assign(assign)) => assign.target == target && can_make(assign, mask, value),
        Item::Action(_) | Item::Match(_) => false,
    };
    let mut found = Vec::new();
    for (id, chain) in ruleset.numbered() {
        for (index, rule) in (0..).zip(&chain.rules) {
            if rule.items.iter().any(sets) && !chain.dormant {
                found.push(RuleId { chain: id, index });
            }
        }
    }
    found
}

/// The marks that a rule asks for: which one, mask and value.
pub fn asked(rule: &Rule) -> Vec<(Target, u32, u32)> {
    let asked = rule.items.iter().filter_map(|item| match item {
        Item::Match(Match::Number {
            field,
            mask,
            within,
            negated: false,
        }) => {
            let targets = [(Field::Mark, Target::Mark), (Field::CtMark, Target::Connmark)];
            let (_, target) = targets.into_iter().find(|(asked, _)| asked == field)?;
            let [only] = within.as_slice() else {
                return None;
            };
            let (mask, first) = (super::number::low(*mask), super::number::low(*only.start()));
            (only.start() == only.end()).then_some((target, mask, first))
        }
        Item::Match(_) | Item::Action(_) => None,
    });
    asked.collect()
}

/// Whether the assignment writes some of the bits that are asked for, and the result can be what is asked for.
fn can_make(assign: &Assign, mask: u32, value: u32) -> bool {
    let source = match &assign.source {
        Source::None => Mark::ZERO,
        Source::Mark { mask, shift } | Source::Connmark { mask, shift } => Mark::UNKNOWN.and(*mask).shifted(*shift),
        Source::Operand(_) => Mark::UNKNOWN,
    };
    let made = Mark::UNKNOWN
        .and(assign.keep)
        .xor(source)
        .xor(Mark::exactly(assign.value));
    // Bits that are kept as they are come from another rule.
    let written = !assign.keep | (assign.value & assign.keep) | !source.known;
    let asked = value & mask;
    // Setting bits to 0 makes a mark only where it is 0 that is asked for.
    let gives = asked == 0 || asked & written & (made.value | !made.known) != 0;
    written & mask != 0 && gives && made.and(mask).number().equals(Mark::exactly(asked).number()) != Truth::No
}
