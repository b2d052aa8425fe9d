//! Matches and operands as nft prints them.

use super::names::flags;
use super::nft::Context;
use super::value::{Style, prefix};
use super::{interface, unknown};
use crate::inspect::rules::{Comparison, Detail};
use crate::model::rules::{Family, Field, Match, Operand, Value};
use std::fmt::Write;
use std::ops::RangeInclusive;

impl Context<'_> {
    pub(super) fn matching(&self, matching: &Match, detail: Option<&Detail>) -> String {
        match matching {
            Match::Number {
                field,
                mask,
                within,
                negated,
            } => {
                let family = match detail {
                    Some(Detail::EtherType) => Family::Netdev,
                    _ => self.family,
                };
                Context { family, ..*self }.compared(*field, *mask, within, *negated, detail)
            }
            Match::Name {
                field,
                name,
                prefix,
                negated,
            } => format!("{} {}{}", field.name(), not(*negated), interface::nft(name, *prefix)),
            Match::Lookup { key, set, negated } => {
                let set = self.set(*set, key);
                format!("{} {}{set}", self.key(key, detail), not(*negated))
            }
            Match::Equal { left, right, negated } => {
                // nft leaves the sign out where a constant follows.
                let sign = match (negated, right) {
                    (true, _) => "!= ",
                    (false, Operand::Constant(_)) => "",
                    (false, _) => "== ",
                };
                format!("{} {sign}{}", self.operand(left, detail), self.operand(right, None))
            }
            Match::Any(all) => unknown(&format!("any of {}", self.all(all))),
            Match::NotAll(all) => unknown(&format!("not {}", self.all(all))),
            Match::Chance(text) => match detail {
                Some(Detail::Operand(operand)) => made(operand, text),
                Some(Detail::Partial) => unknown(text),
                _ => ["{ ", ". "].iter().fold(text.to_string(), |text, before| {
                    text.replace(&format!("{before}th "), &format!("{before}{} ", self.transport()))
                }),
            },
            Match::Unknown(text) => unknown(text),
        }
    }

    fn all(&self, all: &[Match]) -> String {
        let texts: Vec<_> = all.iter().map(|one| self.matching(one, None)).collect();
        format!("({})", texts.join(", "))
    }

    fn compared(
        &self,
        field: Field,
        mask: u128,
        within: &[RangeInclusive<u128>],
        negated: bool,
        detail: Option<&Detail>,
    ) -> String {
        let name = match within.first() {
            Some(range) if is_tracked(field) => self.tracked(field, *range.start()),
            _ => self.field(field),
        };
        let sign = not(negated);
        let [range] = within else {
            let ranges: Vec<_> = within.iter().map(|range| self.span(field, range)).collect();
            return match ranges.as_slice() {
                [] => unknown(&format!("{name} {sign}none")),
                _ => format!("{name} {sign}{{ {} }}", ranges.join(", ")),
            };
        };
        if detail == Some(&Detail::Presence) {
            return format!("{name} {}", if negated { "exists" } else { "missing" });
        }
        if let (Some(Detail::Comparison(how)), false) = (detail, negated) {
            return format!("{name} {}", self.ordered(field, *how, range));
        }
        let first = *range.start();
        if *range == (0..=u128::MAX) {
            return self.anything(field, negated);
        }
        if first != *range.end() {
            return format!("{name}{} {sign}{}", self.masked(field, mask), self.span(field, range));
        }
        if let Style::Flags(table) = self.style(field, first) {
            return self.flagged(field, table, mask, first, negated);
        }
        if mask == u128::MAX {
            return format!("{name} {sign}{}", self.number(field, first));
        }
        let style = self.style(field, mask | first);
        if let Some(length) = prefix(style, mask) {
            return format!("{name} {sign}{}/{length}", self.styled(style, first));
        }
        let sign = if negated { "!=" } else { "==" };
        let mask = self.masked(field, mask);
        format!("{name}{mask} {sign} {}", self.styled(style, first))
    }

    /// A comparison under an empty mask.
    fn anything(&self, field: Field, negated: bool) -> String {
        let name = self.field(field);
        match (self.style(field, 0), negated) {
            (style @ (Style::Ipv4 | Style::Ipv6), _) => format!("{name} {}{}/0", not(negated), self.styled(style, 0)),
            (Style::Flags(_), true) => format!("{name} 0x0"),
            _ => unknown(&format!("{name} {}anything", not(negated))),
        }
    }

    fn masked(&self, field: Field, mask: u128) -> String {
        if mask == u128::MAX {
            return String::new();
        }
        format!(" & {}", self.styled(self.style(field, mask), mask))
    }

    /// A range as it was asked for, without a prefix of it.
    fn span(&self, field: Field, range: &RangeInclusive<u128>) -> String {
        let first = self.number(field, *range.start());
        if range.start() == range.end() {
            return first;
        }
        format!("{first}-{}", self.number(field, *range.end()))
    }

    fn ordered(&self, field: Field, how: Comparison, range: &RangeInclusive<u128>) -> String {
        let (sign, bound) = match how {
            Comparison::Less => ("<", range.end().saturating_add(1)),
            Comparison::LessOrEqual => ("<=", *range.end()),
            Comparison::Greater => (">", range.start().saturating_sub(1)),
            Comparison::GreaterOrEqual => (">=", *range.start()),
        };
        format!("{sign} {}", self.number(field, bound))
    }

    fn flagged(
        &self,
        field: Field,
        table: &'static [(u32, &'static str)],
        mask: u128,
        value: u128,
        negated: bool,
    ) -> String {
        let name = self.field(field);
        let sign = if negated { "!= " } else { "" };
        if mask == u128::MAX {
            let sign = if !negated && value != 0 { "== " } else { sign };
            return format!("{name} {sign}{}", flags(table, value, " | "));
        }
        if value == 0 {
            let sign = if negated { "" } else { "! " };
            return format!("{name} {sign}{}", flags(table, mask, ","));
        }
        if mask.is_power_of_two() || field != Field::TcpFlags {
            let sign = if negated { "!=" } else { "==" };
            let mask = match flags(table, mask, " | ") {
                several if several.contains(' ') => format!("({several})"),
                one => one,
            };
            return format!("{name} & {mask} {sign} {}", flags(table, value, " | "));
        }
        format!(
            "{name} {sign}{} / {}",
            flags(table, value, ","),
            flags(table, mask, ",")
        )
    }

    /// The name of a field, for this protocol and family.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other fields have one name")]
    pub(super) fn field(&self, field: Field) -> String {
        let six = self.network == Some(super::nft::IPV6);
        match field {
            Field::SourcePort => format!("{} sport", self.transport()),
            Field::DestinationPort => format!("{} dport", self.transport()),
            Field::TimeToLive if six => "ip6 hoplimit".to_owned(),
            Field::Dscp if six => "ip6 dscp".to_owned(),
            Field::Nfproto if matches!(self.family, Family::Bridge | Family::Netdev) => "meta protocol".to_owned(),
            field if is_tracked(field) => self.tracked(field, 0),
            _ => field.name().to_owned(),
        }
    }

    fn tracked(&self, field: Field, number: u128) -> String {
        let family = if self.address(number) == Style::Ipv4 {
            "ip"
        } else {
            "ip6"
        };
        let name = field.name();
        match name.rsplit_once(' ') {
            Some((direction, end)) => format!("{direction} {family} {end}"),
            None => name.to_owned(),
        }
    }

    fn transport(&self) -> &'static str {
        match self.protocol {
            Some(6) => "tcp",
            Some(17) => "udp",
            Some(33) => "dccp",
            Some(132) => "sctp",
            Some(136) => "udplite",
            _ => "th",
        }
    }

    pub(super) fn key(&self, key: &[Operand], detail: Option<&Detail>) -> String {
        let parts: Vec<_> = key.iter().map(|operand| self.operand(operand, detail)).collect();
        parts.join(" . ")
    }

    pub(super) fn operand(&self, operand: &Operand, detail: Option<&Detail>) -> String {
        let written = match detail {
            Some(Detail::Operand(text)) => Some(text.to_string()),
            _ => None,
        };
        match operand {
            Operand::Field { field, mask, xor } => {
                format!("{}{}", self.field(*field), self.bitwise(*field, *mask, *xor))
            }
            Operand::Constant(Value::Number(number)) => number.to_string(),
            Operand::Constant(Value::Name(name)) => interface::nft(name, false),
            Operand::Random { modulus, offset } => {
                written.unwrap_or_else(|| format!("numgen random {}", modulo(*modulus, *offset)))
            }
            Operand::Hash { modulus, offset } => {
                written.unwrap_or_else(|| format!("symhash {}", modulo(*modulus, *offset)))
            }
            Operand::Map { key, map } => format!("{} map {}", self.key(key, detail), self.set(*map, key)),
            Operand::Unknown(text) => unknown(text),
        }
    }

    /// `(… & mask) ^ xor` in nft's way, which keeps the bits that it sets in the mask as well.
    pub(super) fn bitwise(&self, field: Field, mask: u128, xor: u128) -> String {
        let is_mark = self.style(field, mask) == Style::Mark;
        let all = if is_mark { u128::from(u32::MAX) } else { u128::MAX };
        let mask = mask & all;
        let (kept, flipped, set) = ((mask | xor) & all, xor & mask, xor & !mask);
        let parts = [
            ("&", kept, kept != all),
            ("^", flipped, flipped != 0),
            ("|", set, set != 0),
        ];
        let mut text = String::new();
        for (sign, bits, _) in parts.into_iter().filter(|(_, _, shown)| *shown) {
            let _ = write!(text, " {sign} {}", self.number(field, bits));
        }
        text
    }
}

/// A comparison with what a random number or hash is made of in full.
fn made(operand: &str, text: &str) -> String {
    let parts: Vec<_> = text.rsplitn(3, ' ').collect();
    match parts.as_slice() {
        [number, "==", _] => format!("{operand} {number}"),
        [number, sign, _] => format!("{operand} {sign} {number}"),
        _ => text.to_owned(),
    }
}

/// An address whose family its name does not tell.
fn is_tracked(field: Field) -> bool {
    matches!(
        field,
        Field::CtOriginalSource | Field::CtOriginalDestination | Field::CtReplySource | Field::CtReplyDestination
    )
}

pub(super) fn not(negated: bool) -> &'static str {
    if negated { "!= " } else { "" }
}

fn modulo(modulus: u32, offset: u32) -> String {
    match offset {
        0 => format!("mod {modulus}"),
        offset => format!("mod {modulus} offset {offset}"),
    }
}
