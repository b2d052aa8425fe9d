//! Comparisons of a value in registers with constants.
//!
//! A comparison that cannot be told in the model's words is one unknown match.

use super::datatype::{Order, trimmed};
use super::register::{Held, What};
use crate::inspect::rules::{self, Detail};
use crate::model::rules::{Field, Match, Operand, Value};
use std::fmt::Write;
use std::ops::RangeInclusive;

/// `NFT_CMP_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    pub(super) fn of(code: u32) -> Option<Self> {
        Some(match code {
            0 => Self::Equal,
            1 => Self::NotEqual,
            2 => Self::Less,
            3 => Self::LessOrEqual,
            4 => Self::Greater,
            5 => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    /// What a text needs to know of it beyond the range.
    pub(super) fn detail(self, held: &Held) -> Option<Detail> {
        let how = match self {
            Self::Equal | Self::NotEqual => {
                return match held.what {
                    What::Exists(_) => Some(Detail::Presence),
                    What::Protocol => Some(Detail::EtherType),
                    What::Bits(_)
                    | What::Name(_)
                    | What::Constant(_)
                    | What::Operand(_)
                    | What::Map { .. }
                    | What::Unknown(_) => None,
                };
            }
            Self::Less => rules::Comparison::Less,
            Self::LessOrEqual => rules::Comparison::LessOrEqual,
            Self::Greater => rules::Comparison::Greater,
            Self::GreaterOrEqual => rules::Comparison::GreaterOrEqual,
        };
        Some(Detail::Comparison(how))
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// All that has to fit.
pub(super) fn compare(held: &Held, comparison: Comparison, data: &[u8]) -> Vec<Match> {
    known(held, comparison, data).unwrap_or_else(|| vec![unknown(held, comparison.sign(), &[data])])
}

fn known(held: &Held, comparison: Comparison, data: &[u8]) -> Option<Vec<Match>> {
    let number = || held.order.number(data);
    if let What::Operand(Operand::Random { .. } | Operand::Hash { .. }) = &held.what {
        let text = format!("{} {} {}", held.text(), comparison.sign(), number()?);
        return Some(vec![Match::Chance(text.into())]);
    }
    let range = match comparison {
        Comparison::Equal => return equal(held, data),
        Comparison::NotEqual => return equal(held, data).map(|all| vec![none_or_not_all(all)]),
        Comparison::Less => number()?.checked_sub(1).map_or(NEVER, |below| 0..=below),
        Comparison::LessOrEqual => 0..=number()?,
        Comparison::Greater => number()?.checked_add(1).map_or(NEVER, |above| above..=u128::MAX),
        Comparison::GreaterOrEqual => number()?..=u128::MAX,
    };
    let What::Bits(bits) = &held.what else { return None };
    bits.within(&range).map(|one| vec![one])
}

/// Within a range of constants, or outside.
pub(super) fn range(held: &Held, from: &[u8], to: &[u8], negated: bool) -> Match {
    let known = || {
        let What::Bits(bits) = &held.what else { return None };
        let range = held.order.number(from)?..=held.order.number(to)?;
        bits.within(&range)
    };
    known().map_or_else(
        || unknown(held, if negated { "!=" } else { "==" }, &[from, to]),
        |one| one.negate(negated),
    )
}

/// Both bounds of one value as one range.
pub(super) fn joined(lower: &Match, upper: &Match) -> Option<Match> {
    let (low_field, low) = plain_range(lower)?;
    let (high_field, high) = plain_range(upper)?;
    (low_field == high_field && low.start() <= high.end())
        .then(|| Match::within(low_field, *low.start().max(high.start())..=*low.end().min(high.end())))
}

fn plain_range(one: &Match) -> Option<(Field, &RangeInclusive<u128>)> {
    let Match::Number {
        field,
        mask: u128::MAX,
        within,
        negated: false,
    } = one
    else {
        return None;
    };
    match within.as_slice() {
        [range] => Some((*field, range)),
        _ => None,
    }
}

fn equal(held: &Held, data: &[u8]) -> Option<Vec<Match>> {
    match &held.what {
        What::Name(field) => Some(vec![name(*field, data)]),
        What::Exists(field) => exists(*field, held.order.number(data)?),
        What::Protocol => protocol(data).map(|one| vec![one]),
        What::Bits(bits) => bits.equal(held.order.number(data)?),
        What::Map { from: 0, .. } => Some(vec![Match::Equal {
            left: held.operand(),
            right: Operand::Constant(Value::Number(held.order.number(data)?)),
            negated: false,
        }]),
        What::Operand(_) | What::Map { .. } | What::Constant(_) | What::Unknown(_) => None,
    }
}

/// A name that is compared up to its NUL is the whole name.
fn name(field: Field, data: &[u8]) -> Match {
    Match::Name {
        field,
        name: trimmed(data).into(),
        prefix: !data.contains(&0) && data.len() < NAME,
        negated: false,
    }
}

fn exists(field: Field, value: u128) -> Option<Vec<Match>> {
    Some(vec![match value {
        0 => Match::equals(field, 0),
        1 => Match::equals(field, 0).negate(true),
        _ => return None,
    }])
}

/// An EtherType of IP says the same as the packet's family.
fn protocol(data: &[u8]) -> Option<Match> {
    match Order::Wire.number(data)? {
        0x0800 => Some(Match::equals(Field::Nfproto, 2)),
        0x86dd => Some(Match::equals(Field::Nfproto, 10)),
        _ => None,
    }
}

fn none_or_not_all(mut all: Vec<Match>) -> Match {
    match all.pop() {
        Some(only) if all.is_empty() => only.negate(true),
        last => {
            all.extend(last);
            Match::NotAll(all)
        }
    }
}

fn unknown(held: &Held, sign: &str, data: &[&[u8]]) -> Match {
    let mut text = format!("{} {sign} ", held.text());
    for (index, bytes) in data.iter().enumerate() {
        text.push_str(if index == 0 { "0x" } else { "-0x" });
        for byte in *bytes {
            let _ = write!(text, "{byte:02x}");
        }
    }
    Match::Unknown(text.into())
}

/// No number is in it.
const NEVER: RangeInclusive<u128> = RangeInclusive::new(1, 0);
/// `IFNAMSIZ`.
const NAME: usize = 16;
