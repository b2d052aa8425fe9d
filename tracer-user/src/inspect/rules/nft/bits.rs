//! A number that was loaded from a packet: which bits of it are which field, and what has been done to it since.
//!
//! Knows nothing of where it was loaded from.

use crate::model::rules::{Field, Match, Operand};
use std::ops::RangeInclusive;

/// `((loaded & mask) ^ xor) >> right`.
#[derive(Clone, Debug)]
pub(super) struct Bits {
    /// How many there are, at most 128.
    pub(super) length: u32,
    pub(super) pieces: Vec<Piece>,
    pub(super) mask: u128,
    pub(super) xor: u128,
    /// To the left where negative.
    pub(super) right: i32,
}

/// Some bits of a field, and where they lie in the number; the lowest bit is 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) field: Field,
    /// All bits of the field.
    pub(super) width: u32,
    /// The lowest bit of the field that is here.
    pub(super) from: u32,
    /// Where that lies.
    pub(super) at: u32,
    /// How many bits of the field are here.
    pub(super) count: u32,
}

impl Bits {
    /// The whole field and nothing else.
    pub(super) fn of(field: Field, length: u32) -> Self {
        let piece = Piece {
            field,
            width: length,
            from: 0,
            at: 0,
            count: length,
        };
        Self::of_pieces(vec![piece], length)
    }

    pub(super) fn of_pieces(pieces: Vec<Piece>, length: u32) -> Self {
        Self {
            length,
            pieces,
            mask: ones(length),
            xor: 0,
            right: 0,
        }
    }

    /// `(self & mask) ^ xor`; `None`: no number any more that can be described.
    pub(super) fn masked(mut self, mask: u128, xor: u128) -> Option<Self> {
        if self.right < 0 {
            return None;
        }
        let right = self.right.unsigned_abs();
        let (mask, xor) = (mask.checked_shl(right)?, xor.checked_shl(right)?);
        self.mask &= mask;
        self.xor = (self.xor & mask) ^ xor;
        Some(self)
    }

    /// Some of its bits: `count` of them from `at` on.
    pub(super) fn part(&self, at: u32, count: u32) -> Option<Self> {
        if self.right != 0 || at.checked_add(count)? > self.length {
            return None;
        }
        let pieces = self.pieces.iter().filter_map(|piece| piece.within(at, count)).collect();
        Some(Self {
            length: count,
            pieces,
            mask: self.mask.checked_shr(at)? & ones(count),
            xor: self.xor.checked_shr(at)? & ones(count),
            right: 0,
        })
    }

    /// What has to be so for the number to be `value`: all of it; `None` where bits of no known field decide.
    pub(super) fn equal(&self, value: u128) -> Option<Vec<Match>> {
        let right = u32::try_from(self.right).ok()?;
        // Bits that were shifted out do not count.
        let mask = self.mask & low_cleared(right);
        let target = value.checked_shl(right)? ^ (self.xor & low_cleared(right));
        if mask == 0 {
            // Nothing is left of the number: any packet that has it fits, or none does.
            let all = if target == 0 { vec![0..=u128::MAX] } else { Vec::new() };
            return self.pieces.first().map(|piece| vec![Match::of(piece.field, all)]);
        }
        if mask & !self.covered() != 0 {
            return None;
        }
        let possible = target & !mask == 0 && value <= ones(self.length.saturating_sub(right));
        let asked = self
            .pieces
            .iter()
            .filter(|piece| mask >> piece.at & ones(piece.count) != 0);
        Some(
            asked
                .map(|piece| {
                    let own = mask >> piece.at & ones(piece.count);
                    let within = (target >> piece.at & own) << piece.from;
                    Match::Number {
                        field: piece.field,
                        mask: whole(own << piece.from, piece.width),
                        within: if possible { vec![within..=within] } else { Vec::new() },
                        negated: false,
                    }
                })
                .collect(),
        )
    }

    /// That the number is in the range; `None` where it is not one whole field.
    pub(super) fn within(&self, range: &RangeInclusive<u128>) -> Option<Match> {
        let (piece, mask, xor) = self.single()?;
        if mask != ones(piece.width) || xor != 0 {
            return None;
        }
        let right = u32::try_from(self.right).ok()?;
        let unit = piece.at.checked_sub(right)?;
        let low = range.start().checked_add(ones(unit))? >> unit;
        let high = (range.end() >> unit).min(ones(piece.width));
        Some(Match::Number {
            field: piece.field,
            mask: u128::MAX,
            within: if low <= high { vec![low..=high] } else { Vec::new() },
            negated: false,
        })
    }

    /// The number as an operand; `None` where it is not one field, shifted into its place.
    pub(super) fn operand(&self) -> Option<Operand> {
        let (piece, mask, xor) = self.single()?;
        (u32::try_from(self.right).ok()? == piece.at).then(|| Operand::Field {
            field: piece.field,
            mask: whole(mask, piece.width),
            xor,
        })
    }

    /// The only piece that counts, whole, with the mask and the xor of its field.
    pub(super) fn single(&self) -> Option<(Piece, u128, u128)> {
        let mut asked = self
            .pieces
            .iter()
            .filter(|piece| self.mask >> piece.at & ones(piece.count) != 0);
        let piece = *asked.next()?;
        let region = ones(piece.count) << piece.at;
        let alone = asked.next().is_none() && (self.mask | self.xor) & !region == 0;
        let is_whole = piece.from == 0 && piece.count == piece.width;
        (alone && is_whole).then_some((piece, self.mask >> piece.at, self.xor >> piece.at))
    }

    fn covered(&self) -> u128 {
        self.pieces
            .iter()
            .fold(0, |bits, piece| bits | ones(piece.count) << piece.at)
    }
}

impl Piece {
    fn within(self, at: u32, count: u32) -> Option<Self> {
        let low = self.at.max(at);
        let high = (self.at + self.count).min(at + count);
        (low < high).then(|| Self {
            from: self.from + (low - self.at),
            at: low - at,
            count: high - low,
            ..self
        })
    }
}

/// The lowest bits set.
pub(super) fn ones(count: u32) -> u128 {
    1_u128.checked_shl(count).map_or(u128::MAX, |bit| bit - 1)
}

fn low_cleared(count: u32) -> u128 {
    !ones(count)
}

/// A mask of all bits of a field stands for no masking.
fn whole(mask: u128, width: u32) -> u128 {
    if mask == ones(width) { u128::MAX } else { mask }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports() -> Bits {
        let piece = |field, at| Piece {
            field,
            width: 16,
            from: 0,
            at,
            count: 16,
        };
        Bits::of_pieces(vec![piece(Field::SourcePort, 16), piece(Field::DestinationPort, 0)], 32)
    }

    #[test]
    fn one_load_of_two_fields_is_two_matches() {
        assert_eq!(
            ports().equal(0x0050_01bb),
            Some(vec![
                Match::equals(Field::SourcePort, 80),
                Match::equals(Field::DestinationPort, 443)
            ])
        );
        assert_eq!(ports().within(&(0..=5)), None);
        assert_eq!(
            ports().part(0, 16).unwrap().within(&(1..=5)),
            Some(Match::within(Field::DestinationPort, 1..=5))
        );
    }

    #[test]
    fn the_first_byte_of_an_address_is_a_prefix() {
        let address = Bits::of(Field::Ip4Source, 32).part(24, 8).unwrap();
        assert_eq!(
            address.equal(10),
            Some(vec![Match::masked(Field::Ip4Source, 0xff00_0000, 0x0a00_0000)])
        );
        assert!(address.operand().is_none() && address.within(&(1..=2)).is_none());
    }

    #[test]
    fn a_field_inside_a_byte_is_compared_in_place_and_shifted() {
        let piece = Piece {
            field: Field::Dscp,
            width: 6,
            from: 0,
            at: 2,
            count: 6,
        };
        let byte = Bits::of_pieces(vec![piece], 8);
        assert_eq!(byte.equal(0x28), None, "the other bits are of no known field");
        let masked = byte.masked(0xfc, 0).unwrap();
        assert_eq!(masked.equal(0x28), Some(vec![Match::equals(Field::Dscp, 10)]));
        assert_eq!(
            masked.within(&(0x15..=0xff)),
            Some(Match::within(Field::Dscp, 6..=63)),
            "more than five"
        );
        let shifted = Bits { right: 2, ..masked };
        assert_eq!(shifted.equal(10), Some(vec![Match::equals(Field::Dscp, 10)]));
        assert_eq!(shifted.operand(), Some(Operand::field(Field::Dscp)));
    }

    #[test]
    fn what_a_mask_forbids_never_fits() {
        let mark = Bits::of(Field::Mark, 32).masked(0xf0, 0).unwrap();
        assert_eq!(
            mark.equal(0x0f),
            Some(vec![Match::Number {
                field: Field::Mark,
                mask: 0xf0,
                within: vec![],
                negated: false
            }])
        );
        assert_eq!(mark.equal(0x30), Some(vec![Match::masked(Field::Mark, 0xf0, 0x30)]));
    }

    #[test]
    fn a_second_mask_keeps_the_first() {
        let mark = Bits::of(Field::Mark, 32)
            .masked(0xff, 0x100)
            .unwrap()
            .masked(0x1f0, 0x1);
        let mark = mark.unwrap();
        assert_eq!((mark.mask, mark.xor), (0xf0, 0x101));
    }
}
