//! The registers that a rule's expressions hand values on in, with what is known of each value.
//!
//! What is read otherwise than it was written is unknown.

use super::bits::Bits;
use super::datatype::Order;
use crate::model::rules::{Field, Operand, SetId};
use std::sync::Arc;

/// A value in registers.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) what: What,
    pub(super) order: Order,
    /// In bytes.
    pub(super) length: usize,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// Loaded from the packet or its surroundings.
    Bits(Bits),
    /// An interface's name.
    Name(Field),
    Constant(Vec<u8>),
    /// 1 where the field is not 0, else 0.
    Exists(Field),
    /// An EtherType.
    Protocol,
    /// Random, or a hash.
    Operand(Operand),
    /// What a map gives, from a byte on.
    Map {
        key: Vec<Operand>,
        map: SetId,
        from: usize,
    },
    Unknown(Arc<str>),
}

impl Held {
    pub(super) fn unknown(text: impl Into<Arc<str>>, length: usize) -> Self {
        Self {
            what: What::Unknown(text.into()),
            order: Order::Wire,
            length,
        }
    }

    /// What it is in a few words, for rules that are not understood.
    pub(super) fn text(&self) -> Arc<str> {
        match &self.what {
            What::Bits(bits) => match bits.pieces.as_slice() {
                [] => "payload".into(),
                pieces => pieces
                    .iter()
                    .map(|piece| piece.field.name())
                    .collect::<Vec<_>>()
                    .join(" . ")
                    .into(),
            },
            What::Name(field) | What::Exists(field) => field.name().into(),
            What::Constant(_) => "a constant".into(),
            What::Protocol => "meta protocol".into(),
            What::Operand(operand) => operand_text(operand),
            What::Map { .. } => "map".into(),
            What::Unknown(text) => Arc::clone(text),
        }
    }

    /// `length` bytes of it from a byte on.
    pub(super) fn part(&self, from: usize, length: usize) -> Self {
        if from == 0 && length == self.length {
            return self.clone();
        }
        let what = match &self.what {
            What::Bits(bits) if self.order == Order::Wire => part_of(bits, from, length).map(What::Bits),
            What::Constant(bytes) => bytes
                .get(from..from.saturating_add(length))
                .map(|bytes| What::Constant(bytes.into())),
            What::Map { key, map, from: start } => Some(What::Map {
                key: key.clone(),
                map: *map,
                from: start.saturating_add(from),
            }),
            // Names are compared up to any length.
            What::Name(field) if from == 0 && length < self.length => Some(What::Name(*field)),
            What::Bits(_) | What::Name(_) | What::Exists(_) | What::Protocol | What::Operand(_) | What::Unknown(_) => {
                None
            }
        };
        match what {
            Some(what) => Self { what, length, ..*self },
            None => Self::unknown(self.text(), length),
        }
    }

    /// The value as an operand of a lookup or an assignment.
    pub(super) fn operand(&self) -> Operand {
        let operand = match &self.what {
            What::Bits(bits) => bits.operand(),
            What::Name(field) => Some(Operand::field(*field)),
            What::Operand(operand) => Some(operand.clone()),
            What::Map { key, map, from: 0 } => Some(Operand::Map {
                key: key.clone(),
                map: *map,
            }),
            What::Constant(bytes) => self
                .order
                .number(bytes)
                .map(|number| Operand::Constant(crate::model::rules::Value::Number(number))),
            What::Map { .. } | What::Exists(_) | What::Protocol | What::Unknown(_) => None,
        };
        operand.unwrap_or_else(|| Operand::Unknown(self.text()))
    }

    pub(super) fn constant(&self) -> Option<&[u8]> {
        if let What::Constant(bytes) = &self.what {
            Some(bytes)
        } else {
            None
        }
    }
}

fn part_of(bits: &Bits, from: usize, length: usize) -> Option<Bits> {
    let count = u32::try_from(length.checked_mul(8)?).ok()?;
    let before = u32::try_from(from.checked_mul(8)?).ok()?;
    bits.part(bits.length.checked_sub(before)?.checked_sub(count)?, count)
}

fn operand_text(operand: &Operand) -> Arc<str> {
    match operand {
        Operand::Random {
            modulus: u32::MAX,
            offset: 0,
        } => "meta random".into(),
        Operand::Random { modulus, offset: 0 } => format!("numgen mod {modulus}").into(),
        Operand::Random { modulus, offset } => format!("numgen mod {modulus} offset {offset}").into(),
        Operand::Hash { modulus, offset: 0 } => format!("hash mod {modulus}").into(),
        Operand::Hash { modulus, offset } => format!("hash mod {modulus} offset {offset}").into(),
        Operand::Unknown(text) => Arc::clone(text),
        Operand::Field { field, .. } => field.name().into(),
        Operand::Constant(_) => "a constant".into(),
        Operand::Map { .. } => "map".into(),
    }
}

#[derive(Debug, Default)]
pub(super) struct Registers {
    slots: Vec<(usize, Held)>,
}

impl Registers {
    pub(super) fn write(&mut self, number: u32, held: Held) {
        let Some(at) = place(number) else { return };
        let end = at + held.length.next_multiple_of(WORD);
        self.slots
            .retain(|(other, old)| end <= *other || other + old.length.next_multiple_of(WORD) <= at);
        self.slots.push((at, held));
    }

    pub(super) fn read(&self, number: u32, length: usize) -> Held {
        place(number).map_or_else(|| Held::unknown("a register", length), |at| self.read_at(at, length))
    }

    /// As many bytes as were written there, `offset` bytes after a register's beginning.
    pub(super) fn read_rest(&self, number: u32, offset: usize) -> Option<Held> {
        let at = place(number)?.checked_add(offset)?;
        let (start, held) = self.slot(at)?;
        let from = at - start;
        Some(held.part(from, held.length - from))
    }

    /// What lies `offset` bytes after a register's beginning.
    pub(super) fn read_after(&self, number: u32, offset: usize, length: usize) -> Held {
        place(number).map_or_else(
            || Held::unknown("a register", length),
            |at| self.read_at(at.saturating_add(offset), length),
        )
    }

    fn read_at(&self, at: usize, length: usize) -> Held {
        match self.slot(at) {
            Some((start, held)) if at - start + length <= held.length => held.part(at - start, length),
            Some((_, held)) => Held::unknown(held.text(), length),
            None => Held::unknown("a register", length),
        }
    }

    fn slot(&self, at: usize) -> Option<(usize, &Held)> {
        self.slots
            .iter()
            .find(|(start, held)| (*start..start + held.length).contains(&at))
            .map(|(start, held)| (*start, held))
    }
}

/// The first byte of a register: `NFT_REG_1` to `_4` of 16 bytes, and on the same memory `NFT_REG32_00` to `_15` of 4.
fn place(number: u32) -> Option<usize> {
    let number = usize::try_from(number).ok()?;
    match number {
        1..=4 => Some((number - 1) * 16),
        8..=23 => Some((number - 8) * WORD),
        _ => None,
    }
}

const WORD: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn constant(bytes: &[u8]) -> Held {
        Held {
            what: What::Constant(bytes.into()),
            order: Order::Wire,
            length: bytes.len(),
        }
    }

    #[test]
    fn both_numberings_name_the_same_memory() {
        let mut registers = Registers::default();
        registers.write(2, constant(&[1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!(registers.read(12, 4).constant(), Some(&[1, 2, 3, 4][..]));
        assert_eq!(registers.read(13, 4).constant(), Some(&[5, 6, 7, 8][..]));
        assert_eq!(registers.read(13, 2).constant(), Some(&[5, 6][..]));
    }

    #[test]
    fn what_is_overwritten_or_was_never_written_is_unknown() {
        let mut registers = Registers::default();
        registers.write(1, constant(&[1; 8]));
        registers.write(9, constant(&[9]));
        assert!(
            registers.read(8, 4).constant().is_none(),
            "its second half is another value"
        );
        assert_eq!(registers.read(9, 1).constant(), Some(&[9][..]));
        assert!(registers.read(9, 4).constant().is_none());
        assert!(registers.read(4, 4).constant().is_none());
        registers.write(0, constant(&[1]));
        registers.write(u32::MAX, constant(&[1]));
        assert!(registers.read(0, 1).constant().is_none());
    }
}
