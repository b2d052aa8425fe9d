//! Where a translating rule leads, as far as the rule tells.

use super::scope::Scope;
use crate::model::rules::{Data, Nat, NatTarget, Ruleset, Tproxy, Value};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Aim {
    pub(super) addresses: Option<RangeInclusive<IpAddr>>,
    pub(super) ports: Option<RangeInclusive<u16>>,
    pub(super) unknown: Option<Arc<str>>,
}

impl From<&Tproxy> for Aim {
    fn from(tproxy: &Tproxy) -> Self {
        Self {
            addresses: tproxy.address.map(|address| address..=address),
            ports: tproxy.port.map(|port| port..=port),
            unknown: None,
        }
    }
}

/// What the rule does to the packets of a scope: one aim, or one for each element of a map.
pub(super) fn aims(scope: &Scope, nat: &Nat, ruleset: &Ruleset) -> Vec<(Scope, Aim)> {
    match &nat.target {
        NatTarget::Fixed { addresses, ports, .. } => vec![(
            scope.clone(),
            Aim {
                addresses: addresses.clone(),
                ports: ports.clone(),
                unknown: None,
            },
        )],
        NatTarget::Unknown(text) => vec![(scope.clone(), unknown(text))],
        NatTarget::Map {
            key,
            map,
            address,
            port,
            fixed_port,
        } => {
            let Some(map) = ruleset.set(*map) else {
                return vec![(scope.clone(), unknown("a map that is gone"))];
            };
            let elements = map.elements.iter().filter_map(|element| {
                let mut scope = scope.clone();
                scope.narrow_to(key, element);
                let aim = looked_up(element.data.as_ref()?, &scope, *address, *port, *fixed_port);
                (!scope.is_empty()).then_some((scope, aim))
            });
            elements.take(ELEMENTS_MAX).collect()
        }
    }
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
