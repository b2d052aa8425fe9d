//! What is known of a number, and answers of three kinds.
//!
//! Bits are known one by one: a mark of which a rule set one bit answers questions about that bit.

use crate::model::rules::Fact;
use std::ops::RangeInclusive;

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    No,
    Maybe,
    Yes,
}

impl Truth {
    pub(super) fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
            Self::Yes => Self::No,
        }
    }

    pub(super) fn turned(self, turn: bool) -> Self {
        if turn { self.not() } else { self }
    }

    /// What they have in common; `Maybe` where they differ, or where there are none.
    pub(super) fn common(mut answers: impl Iterator<Item = bool>) -> Self {
        let Some(first) = answers.next() else {
            return Self::Maybe;
        };
        if answers.all(|answer| answer == first) {
            first.into()
        } else {
            Self::Maybe
        }
    }
}

impl From<bool> for Truth {
    fn from(answer: bool) -> Self {
        if answer { Self::Yes } else { Self::No }
    }
}

/// A number, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Absent,
    /// The bits of `known` are those of `value`; the others of `value` are 0.
    Bits {
        known: u128,
        value: u128,
    },
    /// Any from the first to the last.
    Range(u128, u128),
    OneOf(&'static [u128]),
}

impl Number {
    pub(super) fn known(value: impl Into<u128>) -> Self {
        Self::Bits {
            known: u128::MAX,
            value: value.into(),
        }
    }

    /// Any number of so many bits.
    pub(super) fn unknown(bits: u32) -> Self {
        Self::Bits {
            known: u128::MAX.checked_shl(bits).unwrap_or(0),
            value: 0,
        }
    }

    pub(super) fn of<T: Into<u128>>(fact: Fact<T>, bits: u32) -> Self {
        match fact {
            Fact::Known(value) => Self::known(value),
            Fact::Absent => Self::Absent,
            Fact::Unknown => Self::unknown(bits),
        }
    }

    /// The number, where all of it is known.
    pub(super) fn exact(self) -> Option<u128> {
        match self {
            Self::Bits {
                known: u128::MAX,
                value,
            } => Some(value),
            Self::Range(first, last) if first == last => Some(first),
            Self::OneOf([value]) => Some(*value),
            Self::Absent | Self::Bits { .. } | Self::Range(..) | Self::OneOf(_) => None,
        }
    }

    /// `(number & mask) ^ xor`.
    pub(super) fn masked(self, mask: u128, xor: u128) -> Self {
        if mask == u128::MAX && xor == 0 {
            return self;
        }
        match self.bits() {
            Some((known, value)) => {
                let known = known | !mask;
                Self::Bits {
                    known,
                    value: ((value & mask) ^ xor) & known,
                }
            }
            None => Self::Absent,
        }
    }

    /// The bits that are known, and their values; `None`: absent.
    pub(super) fn bits(self) -> Option<(u128, u128)> {
        let below = |last: u128| u128::MAX.checked_shl(128 - last.leading_zeros()).unwrap_or(0);
        match self {
            Self::Absent => None,
            Self::Bits { known, value } => Some((known, value)),
            Self::Range(_, last) => Some((below(last), 0)),
            Self::OneOf(values) => Some((below(values.iter().copied().max().unwrap_or(u128::MAX)), 0)),
        }
    }

    /// Whether the number lies in the range.
    pub(super) fn within(self, range: &RangeInclusive<u128>) -> Truth {
        let (first, last) = (*range.start(), *range.end());
        match self {
            Self::Absent => Truth::No,
            Self::Bits {
                known: u128::MAX,
                value,
            } => range.contains(&value).into(),
            Self::Bits { known, value } if first == last => {
                if (first ^ value) & known == 0 {
                    Truth::Maybe
                } else {
                    Truth::No
                }
            }
            Self::Bits { known, value } => spans(value, value | !known, first, last),
            Self::Range(from, to) => spans(from, to, first, last),
            Self::OneOf(values) => Truth::common(values.iter().map(|value| range.contains(value))),
        }
    }

    /// Whether the number lies in one of the ranges.
    pub(super) fn within_any(self, ranges: &[RangeInclusive<u128>]) -> Truth {
        let answers = ranges.iter().map(|range| self.within(range));
        answers.max().unwrap_or(Truth::No)
    }

    /// Whether both are the same number; neither is absent.
    pub(super) fn equals(self, other: Self) -> Truth {
        if let (Some(left), Some(right)) = (self.exact(), other.exact()) {
            return (left == right).into();
        }
        let (Some((left_known, left)), Some((right_known, right))) = (self.bits(), other.bits()) else {
            return Truth::No;
        };
        if (left ^ right) & left_known & right_known == 0 {
            Truth::Maybe
        } else {
            Truth::No
        }
    }
}

/// Whether a number from `from` to `to` lies from `first` to `last`.
fn spans(from: u128, to: u128, first: u128, last: u128) -> Truth {
    if to < first || from > last {
        Truth::No
    } else if from >= first && to <= last {
        Truth::Yes
    } else {
        Truth::Maybe
    }
}

/// A mark of 32 bits, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) known: u32,
    /// The unknown bits are 0.
    pub(super) value: u32,
}

impl Mark {
    pub(super) const ZERO: Self = Self::exactly(0);
    pub(super) const UNKNOWN: Self = Self { known: 0, value: 0 };

    pub(super) const fn exactly(value: u32) -> Self {
        Self { known: u32::MAX, value }
    }

    pub(super) fn and(self, mask: u32) -> Self {
        Self {
            known: self.known | !mask,
            value: self.value & mask,
        }
    }

    pub(super) fn xor(self, other: Self) -> Self {
        let known = self.known & other.known;
        Self {
            known,
            value: (self.value ^ other.value) & known,
        }
    }

    /// To the left, or to the right where negative; zeros follow.
    pub(super) fn shifted(self, by: i8) -> Self {
        let distance = u32::from(by.unsigned_abs());
        let shift = |bits: u32| {
            let shifted = if by < 0 {
                bits.checked_shr(distance)
            } else {
                bits.checked_shl(distance)
            };
            shifted.unwrap_or(0)
        };
        Self {
            known: !shift(!self.known),
            value: shift(self.value),
        }
    }

    /// What is known more, once it is known that `mark & mask` is `value`.
    pub(super) fn learn(self, mask: u32, value: u32) -> Self {
        Self {
            known: self.known | mask,
            value: (self.value & !mask) | (value & mask),
        }
    }

    /// What is known where it is the one or the other.
    pub(super) fn either(self, other: Self) -> Self {
        let known = self.known & other.known & !(self.value ^ other.value);
        Self {
            known,
            value: self.value & known,
        }
    }

    /// Told as one: the same, or one of them is not known.
    pub(super) fn may_be(self, other: Self) -> bool {
        self == other || self.fact() == Fact::Unknown || other.fact() == Fact::Unknown
    }

    pub(super) fn number(self) -> Number {
        Number::Bits {
            known: u128::from(self.known) | !u128::from(u32::MAX),
            value: u128::from(self.value),
        }
    }

    /// `None`: absent.
    pub(super) fn of(number: Number) -> Option<Self> {
        let (known, value) = number.bits()?;
        Some(Self {
            known: low(known),
            value: low(value),
        })
    }

    pub(super) fn fact(self) -> Fact<u32> {
        if self.known == u32::MAX {
            Fact::Known(self.value)
        } else {
            Fact::Unknown
        }
    }
}

impl From<Fact<u32>> for Mark {
    /// Every packet has a mark: an absent one is 0.
    fn from(fact: Fact<u32>) -> Self {
        match fact {
            Fact::Known(value) => Self::exactly(value),
            Fact::Absent => Self::ZERO,
            Fact::Unknown => Self::UNKNOWN,
        }
    }
}

/// The lowest 32 bits.
pub(super) fn low(number: u128) -> u32 {
    u32::try_from(number & u128::from(u32::MAX)).unwrap_or(u32::MAX)
}
