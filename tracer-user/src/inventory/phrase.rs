//! Short texts of what a rule asks, in nft's words, whatever the rule's own tool.

use super::ranges::Ranges;
use super::scope::{Beyond, Scope};
use crate::model::rules::{Field, Match, Operand, Ruleset, SetId};
use crate::model::translation::{AddressRange, Destinations};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Untrusted, as far as names of interfaces and texts of the rule are in it.
pub(super) fn match_text(asked: &Match, ruleset: &Ruleset) -> Arc<str> {
    let not = |negated: bool| if negated { "!= " } else { "" };
    match asked {
        Match::Number {
            field,
            mask,
            within,
            negated,
        } => {
            let masked = if *mask & width(*field) == width(*field) {
                String::new()
            } else {
                format!(" & {:#x}", mask & width(*field))
            };
            let values: Vec<_> = within.iter().map(|range| range_text(*field, range)).collect();
            let name = field.name();
            format!("{name}{masked} {}{}", not(*negated), values.join(",")).into()
        }
        Match::Name {
            field,
            name,
            prefix,
            negated,
        } => {
            let (name, star) = (String::from_utf8_lossy(name), if *prefix { "*" } else { "" });
            format!("{} {}{name}{star}", field.name(), not(*negated)).into()
        }
        Match::Lookup { key, set, negated } => {
            format!("{} {}{}", key_text(key), not(*negated), set_text(*set, ruleset)).into()
        }
        Match::Equal { left, right, negated } => {
            let relation = if *negated { "!=" } else { "==" };
            format!("{} {relation} {}", operand_text(left), operand_text(right)).into()
        }
        Match::Any(any) => joined(any, " or ", ruleset).into(),
        Match::NotAll(all) => match &all[..] {
            [one] => opposite_text(one, ruleset),
            _ => format!("not ({})", joined(all, ", ", ruleset)).into(),
        },
        Match::Chance(text) | Match::Unknown(text) => Arc::clone(text),
    }
}

/// What a packet is that the match does not fit.
pub(super) fn opposite_text(asked: &Match, ruleset: &Ruleset) -> Arc<str> {
    match asked {
        Match::NotAll(all) => joined(all, ", ", ruleset).into(),
        Match::Number { .. } | Match::Name { .. } | Match::Lookup { .. } | Match::Equal { .. } => {
            match_text(&asked.clone().negate(true), ruleset)
        }
        Match::Any(_) | Match::Chance(_) | Match::Unknown(_) => format!("not ({})", match_text(asked, ruleset)).into(),
    }
}

/// What of the scope makes it smaller than another.
pub(super) fn scope_text(scope: &Scope, beyond: Beyond) -> Vec<String> {
    let mut texts = Vec::new();
    if beyond.protocols {
        texts.push(format!(
            "meta l4proto {}",
            ranges_text(Field::L4Proto, &scope.protocols)
        ));
    }
    if beyond.ports {
        texts.push(format!(
            "th dport {}",
            ranges_text(Field::DestinationPort, &scope.ports)
        ));
    }
    if beyond.addresses {
        let list = |ranges: &[AddressRange]| ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        match scope.destinations() {
            Destinations::Any => texts.push(format!("meta nfproto {}", scope.family().name())),
            Destinations::These(ranges) => texts.push(format!("daddr {}", list(&ranges))),
            Destinations::AllBut(ranges) => texts.push(format!("daddr != {}", list(&ranges))),
        }
    }
    texts
}

fn joined(all: &[Match], with: &str, ruleset: &Ruleset) -> String {
    let texts: Vec<_> = all.iter().map(|asked| match_text(asked, ruleset)).collect();
    texts.join(with)
}

fn ranges_text(field: Field, ranges: &Ranges) -> String {
    let texts: Vec<_> = ranges.iter().map(|range| range_text(field, range)).collect();
    texts.join(",")
}

fn range_text(field: Field, range: &RangeInclusive<u128>) -> String {
    let (first, last) = (*range.start(), *range.end());
    if let Some(prefix) = address_range(field, first, last) {
        return prefix.to_string();
    }
    if first == last {
        value_text(field, first)
    } else {
        format!("{}-{}", value_text(field, first), value_text(field, last))
    }
}

fn value_text(field: Field, value: u128) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other fields are plain numbers")]
    let names: &[(u128, &str)] = match field {
        Field::L4Proto | Field::Ip4Protocol | Field::Ip6NextHeader | Field::CtL4Proto => PROTOCOLS,
        Field::FibSource
        | Field::FibDestination
        | Field::FibSourceInput
        | Field::FibDestinationInput
        | Field::FibSourceOutput
        | Field::FibDestinationOutput => ADDRESS_TYPES,
        Field::CtState => STATES,
        Field::CtDirection => DIRECTIONS,
        Field::Mark | Field::CtMark | Field::SocketMark | Field::CtStatus | Field::TcpFlags => {
            return format!("{value:#x}");
        }
        _ => &[],
    };
    let name = names.iter().find(|(number, _)| *number == value);
    name.map_or_else(|| value.to_string(), |(_, name)| (*name).to_owned())
}

fn address_range(field: Field, first: u128, last: u128) -> Option<AddressRange> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other fields are no addresses")]
    match field {
        Field::Ip4Source | Field::Ip4Destination => {
            let address = |number: u128| {
                u32::try_from(number)
                    .ok()
                    .map(|number| IpAddr::V4(Ipv4Addr::from(number)))
            };
            Some(AddressRange {
                first: address(first)?,
                last: address(last)?,
            })
        }
        Field::Ip6Source | Field::Ip6Destination => Some(AddressRange {
            first: Ipv6Addr::from(first).into(),
            last: Ipv6Addr::from(last).into(),
        }),
        _ => None,
    }
}

/// At most all bits that the field has.
fn width(field: Field) -> u128 {
    #[expect(clippy::wildcard_enum_match_arm, reason = "only addresses of IPv6 are wider")]
    match field {
        Field::Ip6Source | Field::Ip6Destination => u128::MAX,
        Field::SourcePort | Field::DestinationPort => 0xffff,
        Field::L4Proto | Field::Ip4Protocol | Field::Ip6NextHeader | Field::Nfproto | Field::TcpFlags => 0xff,
        _ => 0xffff_ffff,
    }
}

pub(super) fn key_text(key: &[Operand]) -> String {
    key.iter().map(operand_text).collect::<Vec<_>>().join(" . ")
}

fn operand_text(operand: &Operand) -> String {
    match operand {
        Operand::Field { field, .. } => field.name().to_owned(),
        Operand::Constant(value) => value
            .number()
            .map_or_else(|| "a name".to_owned(), |number| format!("{number:#x}")),
        Operand::Random { modulus, .. } => format!("random mod {modulus}"),
        Operand::Hash { modulus, .. } => format!("hash mod {modulus}"),
        Operand::Map { key, .. } => format!("{} map", key_text(key)),
        Operand::Unknown(text) => text.to_string(),
    }
}

fn set_text(set: SetId, ruleset: &Ruleset) -> String {
    match ruleset.set(set) {
        Some(set) if set.anonymous => "{…}".to_owned(),
        Some(set) => format!("@{}", set.name),
        None => "a set".to_owned(),
    }
}

const PROTOCOLS: &[(u128, &str)] = &[(1, "icmp"), (6, "tcp"), (17, "udp"), (58, "icmpv6"), (132, "sctp")];
const ADDRESS_TYPES: &[(u128, &str)] = &[(1, "unicast"), (2, "local"), (3, "broadcast"), (5, "multicast")];
const STATES: &[(u128, &str)] = &[
    (1, "invalid"),
    (2, "established"),
    (4, "related"),
    (8, "new"),
    (64, "untracked"),
];
const DIRECTIONS: &[(u128, &str)] = &[(0, "original"), (1, "reply")];
