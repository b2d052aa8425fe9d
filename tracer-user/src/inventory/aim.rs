//! Where a translating rule leads, as far as the rule tells.

use super::ranges::Ranges;
use super::scope::{Scope, range};
use crate::model::rules::{Data, Nat, NatTarget, Operand, Ruleset, Set, Tproxy, Value};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Aim {
    pub(super) addresses: Option<RangeInclusive<IpAddr>>,
    pub(super) ports: Option<RangeInclusive<u16>>,
    /// Any of the ports may be chosen, and not the first one that is free.
    pub(super) any_port: bool,
    pub(super) unknown: Option<Arc<str>>,
}

impl From<&Tproxy> for Aim {
    fn from(tproxy: &Tproxy) -> Self {
        Self {
            addresses: tproxy.address.map(|address| address..=address),
            ports: tproxy.port.map(|port| port..=port),
            any_port: false,
            unknown: None,
        }
    }
}

/// What a rule does to the packets of a scope.
pub(super) struct Aims {
    /// One, or one for each element of a map.
    pub(super) each: Vec<Aimed>,
    pub(super) rest: Rest,
}

pub(super) struct Aimed {
    pub(super) scope: Scope,
    /// The scope has all of the element's key.
    pub(super) told: bool,
    pub(super) aim: Aim,
}

/// What becomes of the packets that none of the aims is for.
pub(super) enum Rest {
    /// There are none.
    None,
    /// They go on with the next rule.
    Passes,
    /// Any packet may do that.
    MayPass,
    /// The map has an element for them.
    Aims(Aim),
}

pub(super) fn aims(scope: &Scope, nat: &Nat, ruleset: &Ruleset) -> Aims {
    let one = |aim, rest| Aims {
        each: vec![Aimed {
            scope: scope.clone(),
            told: true,
            aim,
        }],
        rest,
    };
    match &nat.target {
        NatTarget::Fixed {
            addresses,
            ports,
            base_port,
            ..
        } => {
            let aim = Aim {
                addresses: addresses.clone(),
                ports: ports.clone(),
                any_port: nat.random || base_port.is_some(),
                unknown: None,
            };
            one(aim, Rest::None)
        }
        NatTarget::Unknown(text) => one(unknown(text), Rest::MayPass),
        NatTarget::Map {
            key,
            map,
            address,
            port,
            fixed_port,
        } => {
            let Some(map) = ruleset.set(*map) else {
                return one(unknown("a map that is gone"), Rest::MayPass);
            };
            let aim = |data: &Data, scope: &Scope| looked_up(data, scope, *address, *port, *fixed_port);
            let elements = map.elements.iter().filter_map(|element| {
                let mut scope = scope.clone();
                let told = scope.narrow_to(key, element);
                let aim = aim(element.data.as_ref()?, &scope);
                (!scope.is_empty()).then_some(Aimed { scope, told, aim })
            });
            Aims {
                each: elements.take(ELEMENTS_MAX).collect(),
                rest: match &map.default {
                    Some(data) => Rest::Aims(aim(data, scope)),
                    None if key.iter().any(is_chance) && has_all_chances(key, map) => Rest::None,
                    None if key.iter().any(is_chance) => Rest::MayPass,
                    None => Rest::Passes,
                },
            }
        }
    }
}

/// Which element is met is not the packet's doing.
pub(super) fn is_chance(operand: &Operand) -> bool {
    matches!(operand, Operand::Random { .. } | Operand::Hash { .. })
}

/// Whether there is an element for every number that may come up.
fn has_all_chances(key: &[Operand], map: &Set) -> bool {
    let [Operand::Random { modulus, offset } | Operand::Hash { modulus, offset }] = key else {
        return false;
    };
    let numbers = map.elements.iter().filter_map(|element| range(element, 0));
    let first = u128::from(*offset);
    Ranges::new(numbers).covers(&Ranges::of(first..=first + u128::from(modulus.saturating_sub(1))))
}

fn looked_up(data: &Data, scope: &Scope, address: bool, port: bool, fixed_port: Option<u16>) -> Aim {
    let Data::Values(values) = data else {
        return unknown("a verdict");
    };
    let mut values = values.iter();
    let found = if address {
        values.next().and_then(|value| ip(value, scope))
    } else {
        None
    };
    let number = if port {
        values.next().and_then(Value::number)
    } else {
        None
    };
    let port = number.and_then(|number| u16::try_from(number).ok()).or(fixed_port);
    if address && found.is_none() {
        return unknown("an address of a map");
    }
    Aim {
        addresses: found.map(|address| address..=address),
        ports: port.map(|port| port..=port),
        any_port: false,
        unknown: None,
    }
}

fn ip(value: &Value, scope: &Scope) -> Option<IpAddr> {
    if scope.v4.is_empty() {
        value.ipv6().map(IpAddr::V6)
    } else {
        value.ipv4().map(IpAddr::V4)
    }
}

fn unknown(text: &str) -> Aim {
    Aim {
        unknown: Some(text.into()),
        ..Aim::default()
    }
}

/// Elements of one map that are told one by one.
const ELEMENTS_MAX: usize = 4096;
