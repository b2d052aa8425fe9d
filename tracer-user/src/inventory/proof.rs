//! What conntrack shows of translations: how many live connections each has, and those that no rule explains.

use super::explained::{Alike, Index, leaves_a_trace};
use super::listeners::{Listeners, Wanted, listening};
use super::scope::Scope;
use crate::model::conntrack::Conntrack;
use crate::model::rules::{Family, Hook, Network};
use crate::model::tcp::ConntrackState;
use crate::model::translation::{Class, Destinations, Listening, Manner, Target, Translation};
use crate::model::tuple::Endpoint;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Counts the entries of each translation of destinations, and adds a row for those that are of none, which only all
/// rows together can tell (`whole`). `false`: there is more than is told.
pub(super) fn prove(
    rows: &mut Vec<(Scope, Translation)>,
    whole: bool,
    entries: &[Conntrack],
    listeners: &Listeners,
    network: &Network,
) -> bool {
    let mut counts: Vec<u64> = vec![0; rows.len()];
    let mut unexplained: BTreeMap<(u16, Endpoint), Unexplained> = BTreeMap::new();
    let mut index = Index::new(rows);
    let mut told_all = whole;
    for (alike, connections) in groups(entries, network) {
        let Ok(found) = index.find(&alike, rows, network) else {
            return false;
        };
        let Alike { original, target, .. } = alike;
        if let Some(count) = found.and_then(|row| counts.get_mut(row)) {
            *count += connections;
        } else if whole && network.is_local(target.address) {
            if unexplained.len() >= UNEXPLAINED_MAX {
                told_all = false;
                continue;
            }
            let told = unexplained.entry((original.port, target)).or_default();
            told.connections += connections;
            told.destinations.insert(original.address);
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
    told_all
}

fn groups(entries: &[Conntrack], network: &Network) -> BTreeMap<Alike, u64> {
    let mut groups = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.redirects() && is_live(entry)) {
        let hook = if network.is_local(entry.original.source.address) {
            Hook::Output
        } else {
            Hook::Prerouting
        };
        let alike = Alike {
            hook,
            original: entry.original.destination,
            target: entry.leaving().destination,
        };
        *groups.entry(alike).or_default() += 1;
    }
    groups
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
