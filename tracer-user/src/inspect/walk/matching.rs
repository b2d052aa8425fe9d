//! Whether a packet fits a match, in three values.

use super::Walker;
use super::field::packed;
use super::number::{Number, Truth, low};
use super::set::{KEY_PARTS, Key};
use super::state::{Device, State};
use crate::model::rules::{Data, Field, Link, Match, Operand, Value};
use std::ops::RangeInclusive;

impl Walker<'_> {
    pub(super) fn fits(&self, state: &State, wanted: &Match) -> Truth {
        match wanted {
            Match::Number {
                field,
                mask,
                within,
                negated,
            } => self.number(state, *field, *mask, within, *negated),
            Match::Name {
                field,
                name,
                prefix,
                negated,
            } => self
                .device_fits(state, *field, |link| named(link, name, *prefix))
                .turned(*negated),
            Match::Lookup { key, set, negated } => {
                let Some(key) = self.key(state, key) else {
                    return Truth::Maybe;
                };
                if key.is_absent() {
                    return Truth::No;
                }
                self.set(*set)
                    .map_or(Truth::Maybe, |set| set.contains(&key))
                    .turned(*negated)
            }
            Match::Equal { left, right, negated } => {
                let (left, right) = (self.operand(state, left), self.operand(state, right));
                if left == Number::Absent || right == Number::Absent {
                    return Truth::No;
                }
                left.equals(right).turned(*negated)
            }
            Match::Any(any) => {
                let answers = any.iter().map(|wanted| self.fits(state, wanted));
                answers.max().unwrap_or(Truth::No)
            }
            Match::NotAll(all) => {
                let answers = all.iter().map(|wanted| self.fits(state, wanted));
                answers.min().unwrap_or(Truth::Yes).not()
            }
            Match::Chance(_) | Match::Unknown(_) => Truth::Maybe,
        }
    }

    fn number(&self, state: &State, field: Field, mask: u128, within: &[RangeInclusive<u128>], negated: bool) -> Truth {
        let is_device = matches!(field, Field::InputInterface | Field::OutputInterface);
        if is_device && mask == u128::MAX {
            let among = |link: Option<&Link>| {
                let index = link.map_or(0, |link| u128::from(link.index));
                within.iter().any(|range| range.contains(&index))
            };
            return self.device_fits(state, field, among).turned(negated);
        }
        let number = self.field(state, field);
        if number == Number::Absent {
            return Truth::No;
        }
        let fits = number.masked(mask, 0).within_any(within).turned(negated);
        // Whatever its socket is: there may be none.
        if is_of_socket(field) && number.exact().is_none() {
            return fits.min(Truth::Maybe);
        }
        fits
    }

    /// What all devices that it may be say.
    fn device_fits(&self, state: &State, field: Field, fits: impl Fn(Option<&Link>) -> bool) -> Truth {
        let device = if matches!(field, Field::InputInterface | Field::InputName) {
            state.input
        } else {
            state.output
        };
        let links = self.network.links.iter();
        match device {
            Device::Absent => fits(None).into(),
            Device::Known(index) => self
                .network
                .link(index)
                .map_or(Truth::Maybe, |link| fits(Some(link)).into()),
            Device::Other => Truth::common(links.filter(|link| !link.loopback).map(|link| fits(Some(link)))),
            Device::Unknown => Truth::common(links.map(|link| fits(Some(link)))),
        }
    }

    /// The parts of a key; `None`: more parts than keys have.
    pub(super) fn key(&self, state: &State, operands: &[Operand]) -> Option<Key> {
        let mut parts = [Number::known(0_u8); KEY_PARTS];
        for (part, operand) in parts.get_mut(..operands.len())?.iter_mut().zip(operands) {
            *part = self.operand(state, operand);
        }
        Some(Key {
            parts,
            len: operands.len(),
        })
    }

    pub(super) fn operand(&self, state: &State, operand: &Operand) -> Number {
        match operand {
            Operand::Field { field, mask, xor } => self.field(state, *field).masked(*mask, *xor),
            Operand::Constant(Value::Number(number)) => Number::known(*number),
            Operand::Constant(Value::Name(name)) => packed(name).map_or(Number::unknown(128), Number::known),
            Operand::Random { modulus, offset } | Operand::Hash { modulus, offset } => {
                let first = u128::from(*offset);
                Number::Range(first, first + u128::from(modulus.saturating_sub(1)))
            }
            Operand::Map { key, map } => self.mapped(state, key, *map),
            Operand::Unknown(_) => Number::unknown(128),
        }
    }

    /// What a map says, where that is one number.
    fn mapped(&self, state: &State, key: &[Operand], map: crate::model::rules::SetId) -> Number {
        let (Some(key), Some(map)) = (self.key(state, key), self.set(map)) else {
            return Number::unknown(128);
        };
        let found = map.find(&key);
        match found.data.as_slice() {
            [] if !found.more => Number::Absent,
            [Data::Values(values)] if !found.more && !found.missing => match values.as_slice() {
                [Value::Number(number)] => Number::known(*number),
                _ => Number::unknown(128),
            },
            _ => Number::unknown(128),
        }
    }

    /// The state of the packets that a match certainly fits, or certainly does not: what it says of a mark is known then.
    pub(super) fn learn(state: &mut State, wanted: &Match, fits: bool) {
        let Match::Number {
            field,
            mask,
            within,
            negated,
        } = wanted
        else {
            return;
        };
        let [only] = within.as_slice() else {
            return;
        };
        if only.start() != only.end() {
            return;
        }
        let (mask, value) = (low(*mask), low(*only.start()));
        let value = if fits == *negated {
            // Not equal tells something where there are two possibilities.
            if mask.count_ones() != 1 {
                return;
            }
            !value & mask
        } else {
            value
        };
        if *field == Field::Mark {
            state.mark = state.mark.learn(mask, value);
        } else if *field == Field::CtMark {
            state.connmark = state.connmark.learn(mask, value);
        }
    }
}

fn is_of_socket(field: Field) -> bool {
    matches!(
        field,
        Field::SocketUid | Field::SocketGid | Field::SocketTransparent | Field::SocketWildcard | Field::SocketMark
    )
}

fn named(link: Option<&Link>, name: &[u8], prefix: bool) -> bool {
    let own = link.map_or(&[][..], |link| link.name.as_bytes());
    if prefix { own.starts_with(name) } else { own == name }
}
