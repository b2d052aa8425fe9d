//! Which packets a rule is for, as far as protocol, destination address and destination port tell.

use super::ranges::Ranges;
use crate::model::rules::{Element, Family, Field, Match, Operand, Ruleset, Value};
use crate::model::translation::{AddressRange, Destinations};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

/// The packets with one of these protocols, ports and addresses, in any combination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) protocols: Ranges,
    pub(super) ports: Ranges,
    /// IPv4 destinations; none: no IPv4 packet.
    pub(super) v4: Ranges,
    pub(super) v6: Ranges,
}

impl Scope {
    /// Every packet that chains of the family meet.
    pub(super) fn of_family(family: Family) -> Self {
        let none = Ranges::default();
        let (v4, v6) = match family {
            Family::Ip => (Ranges::of(V4), none),
            Family::Ip6 => (none, Ranges::of(V6)),
            Family::Inet => (Ranges::of(V4), Ranges::of(V6)),
            Family::Bridge | Family::Netdev | Family::Arp => (none.clone(), none),
        };
        Self {
            protocols: Ranges::of(PROTOCOLS),
            ports: Ranges::of(PORTS),
            v4,
            v6,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.protocols.is_empty() || self.ports.is_empty() || (self.v4.is_empty() && self.v6.is_empty())
    }

    pub(super) fn meets(&self, other: &Self) -> bool {
        self.ports.meets(&other.ports)
            && self.protocols.meets(&other.protocols)
            && (self.v4.meets(&other.v4) || self.v6.meets(&other.v6))
    }

    /// What is left without the hole; `None`: that is no combination of sets any more.
    pub(super) fn without(&self, hole: &Self) -> Option<Self> {
        if !self.meets(hole) {
            return Some(self.clone());
        }
        let mut rest = self.clone();
        match self.beyond(hole) {
            Beyond {
                protocols: false,
                ports: false,
                ..
            } => {
                rest.v4 = self.v4.without(&hole.v4);
                rest.v6 = self.v6.without(&hole.v6);
            }
            Beyond {
                protocols: false,
                addresses: false,
                ..
            } => rest.ports = self.ports.without(&hole.ports),
            Beyond {
                ports: false,
                addresses: false,
                ..
            } => rest.protocols = self.protocols.without(&hole.protocols),
            Beyond { .. } => return None,
        }
        Some(rest)
    }

    /// What is left without the hole, as scopes that have no packet in common.
    pub(super) fn pieces_without(&self, hole: &Self) -> Vec<Self> {
        let mut protocols = self.clone();
        protocols.protocols = self.protocols.without(&hole.protocols);
        let mut ports = self.clone();
        ports.protocols = self.protocols.intersect(&hole.protocols);
        let mut addresses = ports.clone();
        ports.ports = self.ports.without(&hole.ports);
        addresses.ports = self.ports.intersect(&hole.ports);
        addresses.v4 = self.v4.without(&hole.v4);
        addresses.v6 = self.v6.without(&hole.v6);
        let mut pieces = vec![protocols, ports, addresses];
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    pub(super) fn intersect(&self, other: &Self) -> Self {
        Self {
            protocols: self.protocols.intersect(&other.protocols),
            ports: self.ports.intersect(&other.ports),
            v4: self.v4.intersect(&other.v4),
            v6: self.v6.intersect(&other.v6),
        }
    }

    /// In what this goes beyond the other.
    pub(super) fn beyond(&self, other: &Self) -> Beyond {
        Beyond {
            protocols: !other.protocols.covers(&self.protocols),
            ports: !other.ports.covers(&self.ports),
            addresses: !other.v4.covers(&self.v4) || !other.v6.covers(&self.v6),
        }
    }

    /// Whether this has all that `other` has of `within`.
    pub(super) fn covers_of(&self, other: &Self, within: &Self) -> bool {
        let covers = |own: &Ranges, other: &Ranges, within: &Ranges| own.covers(&other.intersect(within));
        covers(&self.protocols, &other.protocols, &within.protocols)
            && covers(&self.ports, &other.ports, &within.ports)
            && covers(&self.v4, &other.v4, &within.v4)
            && covers(&self.v6, &other.v6, &within.v6)
    }

    /// Keeps what the match fits; `false`: the match asks for something else, and nothing was done.
    pub(super) fn narrow(&mut self, asked: &Match, ruleset: &Ruleset) -> bool {
        match asked {
            Match::Number {
                field,
                mask,
                within,
                negated,
            } => values(*field, *mask, within).is_some_and(|values| self.keep(*field, &values, *negated)),
            Match::Lookup { key, set, negated } => {
                let (Some(field), Some(set)) = (only_field(key), ruleset.set(*set)) else {
                    return false;
                };
                if set.dynamic || set.incomplete || set.elements.len() > ELEMENTS_MAX {
                    return false;
                }
                let ranges = set.elements.iter().map(|element| range(element, 0));
                let ranges: Option<Vec<_>> = ranges.collect();
                ranges.is_some_and(|ranges| self.keep(field, &Ranges::new(ranges), *negated))
            }
            Match::Name { .. }
            | Match::Equal { .. }
            | Match::Any(_)
            | Match::NotAll(_)
            | Match::Chance(_)
            | Match::Unknown(_) => false,
        }
    }

    /// Keeps what has this element's key; `false`: of some part of the key that cannot be told.
    pub(super) fn narrow_to(&mut self, key: &[Operand], element: &Element) -> bool {
        let mut told = true;
        for (index, operand) in key.iter().enumerate() {
            let Some(range) = range(element, index) else {
                told = false;
                continue;
            };
            told &= match operand {
                Operand::Field { field, .. } if only_field(std::slice::from_ref(operand)).is_some() => {
                    self.keep(*field, &Ranges::of(range), false)
                }
                // Which one is taken is not the packet's choice.
                Operand::Random { .. } | Operand::Hash { .. } => true,
                Operand::Field { .. } | Operand::Constant(_) | Operand::Map { .. } | Operand::Unknown(_) => false,
            };
        }
        told
    }

    fn keep(&mut self, field: Field, values: &Ranges, negated: bool) -> bool {
        let kept = |of: &Ranges| {
            if negated {
                of.without(values)
            } else {
                of.intersect(values)
            }
        };
        let none = Ranges::default;
        #[expect(clippy::wildcard_enum_match_arm, reason = "a scope knows these fields alone")]
        match field {
            Field::L4Proto => self.protocols = kept(&self.protocols),
            Field::Ip4Protocol => (self.protocols, self.v6) = (kept(&self.protocols), none()),
            Field::Ip6NextHeader => (self.protocols, self.v4) = (kept(&self.protocols), none()),
            Field::DestinationPort => self.ports = kept(&self.ports),
            Field::Ip4Destination => (self.v4, self.v6) = (kept(&self.v4), none()),
            Field::Ip6Destination => (self.v4, self.v6) = (none(), kept(&self.v6)),
            Field::Nfproto => {
                if kept(&Ranges::of(NFPROTO_IPV4..=NFPROTO_IPV4)).is_empty() {
                    self.v4 = none();
                }
                if kept(&Ranges::of(NFPROTO_IPV6..=NFPROTO_IPV6)).is_empty() {
                    self.v6 = none();
                }
            }
            _ => return false,
        }
        true
    }

    /// `Ip`, `Ip6`, or `Inet` for both.
    pub(super) fn family(&self) -> Family {
        match (self.v4.is_empty(), self.v6.is_empty()) {
            (_, true) => Family::Ip,
            (true, false) => Family::Ip6,
            (false, false) => Family::Inet,
        }
    }

    pub(super) fn has(&self, address: IpAddr, port: u16) -> bool {
        let addresses = match address {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => &self.v6,
        };
        self.ports.contains(port.into())
            && Value::from(address)
                .number()
                .is_some_and(|number| addresses.contains(number))
    }

    /// The only destination.
    pub(super) fn sole_address(&self) -> Option<IpAddr> {
        let ranges = addresses(&[(self.v4.clone(), true), (self.v6.clone(), false)]);
        match &ranges[..] {
            [range] if range.first == range.last => Some(range.first),
            _ => None,
        }
    }

    pub(super) fn destinations(&self) -> Destinations {
        let whole = |ranges: &Ranges, whole: RangeInclusive<u128>| {
            if ranges.is_empty() {
                Ranges::default()
            } else {
                Ranges::of(whole)
            }
        };
        let missing = [
            (whole(&self.v4, V4).without(&self.v4), true),
            (whole(&self.v6, V6).without(&self.v6), false),
        ];
        let present = [(self.v4.clone(), true), (self.v6.clone(), false)];
        let (missing, present) = (addresses(&missing), addresses(&present));
        if missing.is_empty() {
            Destinations::Any
        } else if missing.len() < present.len() {
            Destinations::AllBut(missing)
        } else {
            Destinations::These(present)
        }
    }

    pub(super) fn port_ranges(&self) -> Vec<RangeInclusive<u16>> {
        let number = |number: u128| u16::try_from(number).unwrap_or(u16::MAX);
        let ranges = self.ports.iter();
        ranges
            .map(|range| number(*range.start())..=number(*range.end()))
            .collect()
    }
}

/// In which of its sets a scope goes beyond another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beyond {
    pub(super) protocols: bool,
    pub(super) ports: bool,
    pub(super) addresses: bool,
}

fn addresses(families: &[(Ranges, bool)]) -> Vec<AddressRange> {
    let of = |(ranges, v4): &(Ranges, bool)| {
        let v4 = *v4;
        let address = move |number: u128| {
            if v4 {
                IpAddr::V4(Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)))
            } else {
                IpAddr::V6(Ipv6Addr::from(number))
            }
        };
        let ranges: Vec<_> = ranges.iter().cloned().collect();
        ranges.into_iter().map(move |range| AddressRange {
            first: address(*range.start()),
            last: address(*range.end()),
        })
    };
    families.iter().flat_map(of).collect()
}

/// The values that fit; `None`: they are no ranges.
fn values(field: Field, mask: u128, within: &[RangeInclusive<u128>]) -> Option<Ranges> {
    let whole = width(field)?;
    if mask & whole == whole {
        return Some(Ranges::new(within.iter().cloned()));
    }
    let free = whole & !mask;
    let is_prefix = free & free.wrapping_add(1) == 0;
    let single = |range: &RangeInclusive<u128>| range.start() == range.end() && range.start() & free == 0;
    (is_prefix && within.iter().all(single))
        .then(|| Ranges::new(within.iter().map(|range| *range.start()..=*range.start() | free)))
}

/// All bits of a field that a scope knows.
fn width(field: Field) -> Option<u128> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a scope knows these fields alone")]
    match field {
        Field::L4Proto | Field::Ip4Protocol | Field::Ip6NextHeader | Field::Nfproto => Some(*PROTOCOLS.end()),
        Field::DestinationPort => Some(*PORTS.end()),
        Field::Ip4Destination => Some(*V4.end()),
        Field::Ip6Destination => Some(*V6.end()),
        _ => None,
    }
}

/// The one field that is looked up, as it is.
fn only_field(key: &[Operand]) -> Option<Field> {
    match key {
        [Operand::Field { field, mask, xor: 0 }] => {
            let whole = width(*field)?;
            (mask & whole == whole).then_some(*field)
        }
        _ => None,
    }
}

/// The numbers of one part of an element's key.
pub(super) fn range(element: &Element, index: usize) -> Option<RangeInclusive<u128>> {
    let first = element.key.get(index)?.number()?;
    let last = match &element.last {
        Some(last) => last.get(index)?.number()?,
        None => first,
    };
    Some(first..=last)
}

const PROTOCOLS: RangeInclusive<u128> = 0..=0xff;
const PORTS: RangeInclusive<u128> = 0..=0xffff;
const V4: RangeInclusive<u128> = 0..=0xffff_ffff;
const V6: RangeInclusive<u128> = 0..=u128::MAX;
const NFPROTO_IPV4: u128 = 2;
const NFPROTO_IPV6: u128 = 10;
/// Elements of a set that are told one by one.
const ELEMENTS_MAX: usize = 1024;
