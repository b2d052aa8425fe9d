//! Matches: what a rule asks of a packet.

use super::{Field, SetId, Value};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// One question to a packet. A field that the packet does not have (a TCP port of an ICMP packet, the owner of a
/// forwarded one) makes it fail, negated or not, as in the kernel. A device that a packet does not have (the input in
/// OUTPUT) is there, with the number 0 and an empty name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// `field & mask` lies within one of the ranges. Equality, prefixes, ranges, lists of ports and flags are all this.
    Number {
        field: Field,
        /// All ones where nothing is masked.
        mask: u128,
        within: Vec<RangeInclusive<u128>>,
        negated: bool,
    },
    /// An interface's name; `prefix`: the name begins so (`eth*`, `eth+`).
    Name {
        field: Field,
        name: Box<[u8]>,
        prefix: bool,
        negated: bool,
    },
    /// The concatenated operands are in the set.
    Lookup {
        key: Vec<Operand>,
        set: SetId,
        negated: bool,
    },
    /// Two fields of the packet are equal after masking (nft's `cmp` of two registers).
    Equal {
        left: Operand,
        right: Operand,
        negated: bool,
    },
    /// At least one of them (`-m multiport --ports`).
    Any(Vec<Self>),
    /// None of them, or not all: `! (a and b)`. Unlike a negated match it fits a packet that lacks the field: as xt's
    /// `! --uid-owner 0` does, and, of what `--ctstate` is combined with, every question to a packet without an entry.
    NotAll(Vec<Self>),
    /// Chance, rate or memory decides: statistic, limit, hashlimit, recent, quota, connlimit; the text names it.
    Chance(Arc<str>),
    /// Not understood: may match. The text is what can be shown of it.
    Unknown(Arc<str>),
}

impl Match {
    /// `field == value`.
    pub fn equals(field: Field, value: u128) -> Self {
        Self::within(field, value..=value)
    }

    pub fn within(field: Field, range: RangeInclusive<u128>) -> Self {
        Self::of(field, vec![range])
    }

    /// `field` lies within one of the ranges.
    pub fn of(field: Field, within: Vec<RangeInclusive<u128>>) -> Self {
        Self::Number {
            field,
            mask: u128::MAX,
            within,
            negated: false,
        }
    }

    /// `field & mask == value`.
    pub fn masked(field: Field, mask: u128, value: u128) -> Self {
        Self::Number {
            field,
            mask,
            within: vec![value..=value],
            negated: false,
        }
    }

    /// The same with the opposite answer, where this kind of match can be turned round.
    #[must_use]
    pub fn negate(mut self, negate: bool) -> Self {
        if negate
            && let Self::Number { negated, .. }
            | Self::Name { negated, .. }
            | Self::Lookup { negated, .. }
            | Self::Equal { negated, .. } = &mut self
        {
            *negated = !*negated;
        }
        self
    }
}

/// What is looked up, compared or stored: a value computed from the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// `(field & mask) ^ xor`; a name cannot be masked.
    Field {
        field: Field,
        mask: u128,
        xor: u128,
    },
    Constant(Value),
    /// A random or counted number from `offset` on, below `offset + modulus` (`numgen`).
    Random {
        modulus: u32,
        offset: u32,
    },
    /// A hash of the packet in the same range (`jhash`, `symhash`): fixed for a flow, unknown to us.
    Hash {
        modulus: u32,
        offset: u32,
    },
    /// What a map says of the key.
    Map {
        key: Vec<Self>,
        map: SetId,
    },
    /// Not understood.
    Unknown(Arc<str>),
}

impl Operand {
    pub fn field(field: Field) -> Self {
        Self::Field {
            field,
            mask: u128::MAX,
            xor: 0,
        }
    }
}
