//! Whether a ruleset makes the kernel track connections.
//!
//! The kernel does so for a family while a rule is there that needs it, and no longer. A nat chain alone is no such rule:
//! without one that translates nobody meets it.

use crate::model::rules::{Action, Family, Field, Item, Match, Operand, Ruleset, Source, Target};

/// Whether any rule looks at conntrack, or cannot do without it, as far as is known.
pub fn tracks(ruleset: &Ruleset, ipv6: bool) -> bool {
    let of_family = |family| match family {
        Family::Ip => !ipv6,
        Family::Ip6 => ipv6,
        Family::Inet | Family::Bridge | Family::Netdev | Family::Arp => true,
    };
    let chains = ruleset.chains.iter().filter(|chain| of_family(chain.family));
    let mut items = chains.flat_map(|chain| &chain.rules).flat_map(|rule| &rule.items);
    !ruleset.gaps.is_empty() || !ruleset.bypasses.is_empty() || items.any(tracked_item)
}

fn tracked_item(item: &Item) -> bool {
    match item {
        Item::Match(wanted) => tracked_match(wanted),
        Item::Action(Action::VerdictMap { key, .. }) => key.iter().any(tracked_operand),
        Item::Action(Action::Assign(assign)) => {
            assign.target == Target::Connmark
                || match &assign.source {
                    Source::Connmark { .. } => true,
                    Source::Operand(operand) => tracked_operand(operand),
                    Source::None | Source::Mark { .. } => false,
                }
        }
        Item::Action(Action::Nat(_) | Action::Zone { .. } | Action::Unknown(_)) => true,
        Item::Action(Action::Harmless(text)) => tracked_text(text),
        Item::Action(Action::Verdict(_) | Action::Tproxy(_) | Action::Notrack) => false,
    }
}

fn tracked_match(wanted: &Match) -> bool {
    match wanted {
        Match::Number { field, .. } | Match::Name { field, .. } => tracked_field(*field),
        Match::Lookup { key, .. } => key.iter().any(tracked_operand),
        Match::Equal { left, right, .. } => tracked_operand(left) || tracked_operand(right),
        Match::Any(all) | Match::NotAll(all) => all.iter().any(tracked_match),
        Match::Chance(text) => tracked_text(text),
        Match::Unknown(_) => true,
    }
}

fn tracked_operand(operand: &Operand) -> bool {
    match operand {
        Operand::Field { field, .. } => tracked_field(*field),
        Operand::Map { key, .. } => key.iter().any(tracked_operand),
        Operand::Unknown(_) => true,
        Operand::Constant(_) | Operand::Random { .. } | Operand::Hash { .. } => false,
    }
}

/// `ct count over 5`, `ct helper set`, `-m connlimit`, `flow add @f`.
fn tracked_text(text: &str) -> bool {
    text.starts_with("ct ") || text.starts_with("flow ") || text.contains("-m conn")
}

fn tracked_field(field: Field) -> bool {
    field.name().starts_with("ct ")
}
