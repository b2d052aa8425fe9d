//! Which row explains a translated connection: the first one whose rule can have made it.
//!
//! Counts nothing, and knows no entries: only what those that are alike have in common.

use super::scope::Scope;
use crate::model::rules::{Hook, Network};
use crate::model::translation::{Manner, Translation};
use crate::model::tuple::Endpoint;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// What entries have in common that the same row explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Alike {
    /// Where the connection began.
    pub(super) hook: Hook,
    pub(super) original: Endpoint,
    pub(super) target: Endpoint,
}

/// The rows by what they ask exactly.
pub(super) struct Index {
    /// In order, for each key.
    rows: HashMap<Key, Vec<usize>>,
    kinds: BTreeSet<[bool; 4]>,
    compared: usize,
}

impl Index {
    pub(super) fn new(rows: &[(Scope, Translation)]) -> Self {
        let mut index = Self {
            rows: HashMap::new(),
            kinds: BTreeSet::new(),
            compared: 0,
        };
        for (number, row) in rows.iter().enumerate().filter(|(_, (_, row))| leaves_a_trace(row)) {
            let key = Key::of_row(row);
            index.kinds.insert(key.kind());
            index.rows.entry(key).or_default().push(number);
        }
        index
    }

    /// The first row of the hook that explains it, else the first of any.
    pub(super) fn find(
        &mut self,
        alike: &Alike,
        rows: &[(Scope, Translation)],
        network: &Network,
    ) -> Result<Option<usize>, TooMuch> {
        let (mut first, mut of_hook) = (None, None);
        for kind in &self.kinds {
            let same = self.rows.get(&Key::of_entry(alike, *kind));
            for &number in same.into_iter().flatten() {
                self.compared += 1;
                if self.compared > COMPARED_MAX {
                    return Err(TooMuch);
                }
                let Some(row) = rows.get(number).filter(|row| explains(row, alike, network)) else {
                    continue;
                };
                let sooner = |before: Option<usize>| Some(before.map_or(number, |before| before.min(number)));
                first = sooner(first);
                if row.1.hook == Some(alike.hook) {
                    of_hook = sooner(of_hook);
                    break;
                }
            }
        }
        Ok(of_hook.or(first))
    }
}

/// More is to be compared than time allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMuch;

/// What is only one; `None`: more than one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    address: Option<IpAddr>,
    port: Option<u16>,
    target: Option<IpAddr>,
    target_port: Option<u16>,
}

impl Key {
    fn of_row((scope, row): &(Scope, Translation)) -> Self {
        let known = row.target.unknown.is_none();
        Self {
            address: scope.sole_address(),
            port: match &row.ports[..] {
                [ports] => sole(ports),
                _ => None,
            },
            target: row.target.addresses.as_ref().filter(|_| known).and_then(sole),
            target_port: row.target.ports.as_ref().filter(|_| known).and_then(sole),
        }
    }

    fn of_entry(alike: &Alike, [address, port, target, target_port]: [bool; 4]) -> Self {
        Self {
            address: address.then_some(alike.original.address),
            port: port.then_some(alike.original.port),
            target: target.then_some(alike.target.address),
            target_port: target_port.then_some(alike.target.port),
        }
    }

    fn kind(&self) -> [bool; 4] {
        [
            self.address.is_some(),
            self.port.is_some(),
            self.target.is_some(),
            self.target_port.is_some(),
        ]
    }
}

fn sole<T: Copy + PartialEq>(range: &RangeInclusive<T>) -> Option<T> {
    (range.start() == range.end()).then_some(*range.start())
}

/// Only entries of TCP are read, and TPROXY changes nothing in them.
pub(super) fn leaves_a_trace(row: &Translation) -> bool {
    let destination = match row.manner {
        Manner::Redirect | Manner::Dnat => true,
        Manner::Tproxy | Manner::Snat | Manner::Masquerade => false,
    };
    destination && matches!(row.protocol, None | Some(TCP))
}

fn explains((scope, row): &(Scope, Translation), alike: &Alike, network: &Network) -> bool {
    let Alike { original, target, .. } = alike;
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

const TCP: u8 = 6;
/// Pairs of row and kind of entry that are looked at.
const COMPARED_MAX: usize = 1 << 24;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::network;
    use crate::model::rules::Family;
    use crate::model::translation::{Class, Destinations, Listening, Target};
    use std::net::Ipv4Addr;

    /// Of a service with one address, whose backend is this host.
    fn row(number: u32, hook: Hook) -> (Scope, Translation) {
        let address = u128::from(u32::from(Ipv4Addr::new(10, 96, 0, 0)) + number);
        let mut scope = Scope::of_family(Family::Ip);
        scope.v4 = crate::inventory::ranges::Ranges::of(address..=address);
        scope.ports = crate::inventory::ranges::Ranges::of(80..=80);
        let own = IpAddr::from([10, 77, 0, 2]);
        let row = Translation {
            class: Class::Service,
            manner: Manner::Dnat,
            family: Family::Ip,
            hook: Some(hook),
            protocol: Some(TCP),
            destinations: Destinations::Any,
            ports: scope.port_ranges(),
            target: Target {
                addresses: Some(own..=own),
                ports: Some(8080..=8080),
                local: true,
                unknown: None,
            },
            conditions: Vec::new(),
            more_conditions: false,
            rule: None,
            connections: None,
            listening: Listening::Nobody,
        };
        (scope, row)
    }

    fn alike(number: u32, hook: Hook) -> Alike {
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 96, 0, 0)) + number);
        Alike {
            hook,
            original: Endpoint::new(address.into(), 80),
            target: Endpoint::new([10, 77, 0, 2].into(), 8080),
        }
    }

    #[test]
    fn entries_are_compared_with_the_rows_that_they_may_be_of() {
        let hooks = [Hook::Prerouting, Hook::Output];
        let rows: Vec<_> = hooks
            .into_iter()
            .flat_map(|hook| (0..2000).map(move |number| row(number, hook)))
            .collect();
        let (mut index, network) = (Index::new(&rows), network());
        for number in 0..2000 {
            let expected = usize::try_from(number).unwrap();
            let mut find = |hook| index.find(&alike(number, hook), &rows, &network);
            assert_eq!(find(Hook::Prerouting), Ok(Some(expected)));
            assert_eq!(find(Hook::Output), Ok(Some(2000 + expected)));
            // No row is of this hook.
            assert_eq!(find(Hook::Input), Ok(Some(expected)));
        }
        assert_eq!(index.find(&alike(2000, Hook::Output), &rows, &network), Ok(None));
        assert_eq!(index.compared, 2000 * (1 + 2 + 2));
    }

    #[test]
    fn a_row_that_asks_less_is_found_beside_one_that_asks_more() {
        let mut broad = row(7, Hook::Prerouting);
        broad.0 = Scope::of_family(Family::Inet);
        broad.1.ports = broad.0.port_ranges();
        broad.1.target.addresses = None;
        broad.1.target.ports = None;
        broad.1.target.unknown = Some("a map".into());
        let exact = || row(7, Hook::Prerouting);
        let find = |rows: &[_]| Index::new(rows).find(&alike(7, Hook::Prerouting), rows, &network());
        assert_eq!(find(&[broad.clone(), exact()]), Ok(Some(0)));
        assert_eq!(find(&[exact(), broad.clone()]), Ok(Some(0)));
        assert_eq!(find(&[row(8, Hook::Prerouting), broad]), Ok(Some(1)));
    }

    #[test]
    fn an_index_that_compares_too_much_gives_up() {
        let rows = [row(7, Hook::Output)];
        let mut index = Index::new(&rows);
        index.compared = COMPARED_MAX;
        assert_eq!(index.find(&alike(7, Hook::Output), &rows, &network()), Err(TooMuch));
    }
}
