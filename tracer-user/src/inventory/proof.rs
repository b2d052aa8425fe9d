//! What conntrack shows of translations: how many live connections each has, and those that no rule explains.

use super::listeners::{Listeners, Wanted, listening};
use super::scope::Scope;
use crate::model::conntrack::Conntrack;
use crate::model::rules::{Family, Hook, Network};
use crate::model::tcp::ConntrackState;
use crate::model::translation::{Class, Destinations, Listening, Manner, Target, Translation};
use crate::model::tuple::Endpoint;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Counts the entries of each translation of destinations, and adds a row for those that are of none.
pub(super) fn prove(
    rows: &mut Vec<(Scope, Translation)>,
    entries: &[Conntrack],
    listeners: &Listeners,
    network: &Network,
) {
    let mut counts: Vec<u64> = vec![0; rows.len()];
    let mut unexplained: BTreeMap<(u16, Endpoint), Unexplained> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.redirects() && is_live(entry)) {
        let target = entry.leaving().destination;
        let explains = |row: &(Scope, Translation)| explains(row, entry.original.destination, target, network);
        let hook = if network.is_local(entry.original.source.address) {
            Hook::Output
        } else {
            Hook::Prerouting
        };
        let by_hook = |row: &(Scope, Translation)| row.1.hook == Some(hook) && explains(row);
        let index = rows.iter().position(by_hook).or_else(|| rows.iter().position(explains));
        if let Some(count) = index.and_then(|index| counts.get_mut(index)) {
            *count += 1;
        } else if network.is_local(target.address) && (unexplained.len() < UNEXPLAINED_MAX) {
            let told = unexplained
                .entry((entry.original.destination.port, target))
                .or_default();
            told.connections += 1;
            told.destinations.insert(entry.original.destination.address);
        }
    }
    for ((_, row), count) in rows.iter_mut().zip(counts) {
        row.connections = leaves_a_trace(row).then_some(count);
    }
    let scope = Scope::of_family(Family::Inet);
    let more = unexplained.into_iter().map(|((port, target), told)| {
        let row = told.translation(port, target, listeners, network);
        (scope.clone(), row)
    });
    rows.extend(more);
}

/// Only entries of TCP are read, and TPROXY changes nothing in them.
fn leaves_a_trace(row: &Translation) -> bool {
    let destination = match row.manner {
        Manner::Redirect | Manner::Dnat => true,
        Manner::Tproxy | Manner::Snat | Manner::Masquerade => false,
    };
    destination && matches!(row.protocol, None | Some(TCP))
}

fn explains((scope, row): &(Scope, Translation), original: Endpoint, target: Endpoint, network: &Network) -> bool {
    if !leaves_a_trace(row) || !scope.has(original.address, original.port) {
        return false;
    }
    let address = match &row.target.addresses {
        _ if row.target.unknown.is_some() => true,
        Some(addresses) => addresses.contains(&target.address),
        None => row.manner == Manner::Dnat || network.is_local(target.address),
    };
    let port = match &row.target.ports {
        _ if row.target.unknown.is_some() => true,
        Some(ports) => ports.contains(&target.port),
        None => target.port == original.port,
    };
    address && port
}

/// Whether it can still decide where packets go.
fn is_live(entry: &Conntrack) -> bool {
    !matches!(entry.state, Some(ConntrackState::TimeWait | ConntrackState::Close))
}

/// Connections from one port to one target that no rule explains.
#[derive(Default)]
struct Unexplained {
    connections: u64,
    destinations: BTreeSet<IpAddr>,
}

impl Unexplained {
    fn translation(self, port: u16, endpoint: Endpoint, listeners: &Listeners, network: &Network) -> Translation {
        let target = Target {
            addresses: Some(endpoint.address..=endpoint.address),
            ports: Some(endpoint.port..=endpoint.port),
            local: true,
            unknown: None,
        };
        let family = if endpoint.address.is_ipv4() {
            Family::Ip
        } else {
            Family::Ip6
        };
        let destinations = if self.destinations.len() > DESTINATIONS_MAX {
            Destinations::Any
        } else {
            Destinations::These(self.destinations.into_iter().map(Into::into).collect())
        };
        let mut row = Translation {
            class: Class::Stolen,
            manner: Manner::Dnat,
            family,
            hook: None,
            protocol: Some(TCP),
            destinations,
            ports: vec![port..=port],
            target,
            conditions: Vec::new(),
            more_conditions: false,
            rule: None,
            connections: Some(self.connections),
            listening: Listening::Nobody,
        };
        let wanted = Wanted {
            protocol: row.protocol,
            family,
            hook: None,
            target: &row.target,
            ports: &row.ports,
            any_port: false,
            devices: None,
        };
        row.listening = listening(&wanted, listeners, network);
        row
    }
}

const TCP: u8 = 6;
/// Pairs of port and target told without a rule.
const UNEXPLAINED_MAX: usize = 1024;
/// Original addresses told of one such pair.
const DESTINATIONS_MAX: usize = 8;
