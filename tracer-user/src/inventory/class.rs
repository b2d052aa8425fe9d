//! Of which class a translation is.

use super::paths::Reached;
use super::ranges::Ranges;
use crate::model::rules::{Component, Field, Hook, Match, Network, Value};
use crate::model::translation::{Class, Manner, Target};
use std::net::IpAddr;

/// The addresses of one namespace, its loopback included.
#[derive(Debug)]
pub(super) struct Own {
    v4: Ranges,
    v6: Ranges,
}

impl Own {
    pub(super) fn new(network: &Network) -> Self {
        let number = |address: IpAddr| Value::from(address).number().unwrap_or_default();
        let of = |v4: bool| {
            let own = network.addresses.iter().map(|own| own.address);
            let own = own.filter(move |address| address.is_ipv4() == v4);
            own.map(move |address| number(address)..=number(address))
        };
        Self {
            v4: Ranges::new(of(true).chain([LOOPBACK_4])),
            v6: Ranges::new(of(false).chain([1..=1])),
        }
    }

    /// Whether every original destination is an address of the namespace.
    fn has_all_of(&self, reached: &Reached) -> bool {
        self.v4.covers(&reached.scope.v4) && self.v6.covers(&reached.scope.v6)
    }

    fn has_some_of(&self, reached: &Reached) -> bool {
        self.v4.meets(&reached.scope.v4) || self.v6.meets(&reached.scope.v6)
    }
}

pub(super) fn target(reached: &Reached, own: &Own, network: &Network) -> Target {
    let aim = &reached.aim;
    let local = match (&aim.addresses, reached.manner) {
        (_, Manner::Snat | Manner::Masquerade) => false,
        (_, Manner::Redirect | Manner::Tproxy) => true,
        (_, Manner::Dnat) if aim.unknown.is_some() => false,
        (Some(addresses), Manner::Dnat) => addresses.start() == addresses.end() && network.is_local(*addresses.start()),
        // The address stays.
        (None, Manner::Dnat) => is_for_this_host(reached, own),
    };
    Target {
        addresses: aim.addresses.clone(),
        ports: aim.ports.clone(),
        local,
        unknown: aim.unknown.clone(),
    }
}

pub(super) fn class(reached: &Reached, target: &Target, owner: Option<Component>, own: &Own) -> Class {
    match reached.manner {
        Manner::Snat | Manner::Masquerade => Class::Egress,
        Manner::Redirect | Manner::Dnat | Manner::Tproxy if owner == Some(Component::KubeProxy) => Class::Service,
        Manner::Redirect | Manner::Tproxy => Class::Stolen,
        // What comes for an address that no interface has is nobody's to steal; what leaves is.
        Manner::Dnat if target.local && (reached.hook == Hook::Output || own.has_some_of(reached)) => Class::Stolen,
        Manner::Dnat if publishes(owner) || is_for_this_host(reached, own) => Class::Published,
        Manner::Dnat => Class::Service,
    }
}

fn publishes(owner: Option<Component>) -> bool {
    matches!(owner, Some(Component::Docker | Component::Podman | Component::Cni))
}

fn is_for_this_host(reached: &Reached, own: &Own) -> bool {
    let asks_for_local = |asked: &Match| {
        if let Match::Number {
            field: Field::FibDestination | Field::FibDestinationInput | Field::FibDestinationOutput,
            within,
            negated: false,
            ..
        } = asked
        {
            within.iter().all(|range| *range == (RTN_LOCAL..=RTN_LOCAL))
        } else {
            false
        }
    };
    reached.asks.iter().any(asks_for_local)
        || own.has_all_of(reached)
        // Whatever comes in, to any address.
        || (reached.hook == Hook::Prerouting && own.has_some_of(reached))
}

const LOOPBACK_4: std::ops::RangeInclusive<u128> = 0x7f00_0000..=0x7fff_ffff;
const RTN_LOCAL: u128 = 2;
