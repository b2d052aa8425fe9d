//! What a translation makes of a packet's addresses and ports.
//!
//! Follows the kernel's choice as if no other connection were in the way: a port within the range stays, one outside is
//! chosen in a way that differs between kernels, and unknown.

use super::Walker;
use super::number::low;
use super::state::{Device, Entry, Manip, Site, State, Track};
use crate::model::rules::{Data, Fact, Hook, Nat, NatKind, NatTarget, Operand, SetId, Value};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

/// What becomes of the packet.
pub(super) enum Translation {
    /// The translation is none of this packet's.
    Skip,
    Drop,
    To {
        states: Vec<State>,
        /// A map may have nothing for the packet.
        missing: bool,
    },
}

/// A new port.
#[derive(Clone, Debug)]
enum Ports {
    Keep,
    Range {
        range: RangeInclusive<u16>,
        base: Option<u16>,
    },
    Unknown,
}

impl Walker<'_> {
    pub(super) fn translate(&self, state: &State, nat: &Nat) -> Translation {
        let manip = match nat.kind {
            NatKind::Source | NatKind::Masquerade => Manip::Source,
            NatKind::Destination | NatKind::Redirect => Manip::Destination,
        };
        if Manip::at(state.hook) != Some(manip) || state.entry().is_none() {
            return Translation::Skip;
        }
        let (sites, ports) = match &nat.target {
            NatTarget::Fixed {
                addresses,
                ports,
                netmap,
                base_port,
            } => {
                let is_other = |range: &RangeInclusive<IpAddr>| range.start().is_ipv6() != state.is_ipv6();
                if addresses.as_ref().is_some_and(is_other) {
                    return Translation::Skip;
                }
                let sites = match addresses {
                    Some(range) if *netmap => Some(vec![prefixed(current(state, manip), range)]),
                    Some(range) => Some(sites(state, manip, nat, range, ports.as_ref())),
                    None => self.implied(state, nat.kind),
                };
                let ports = ports.as_ref().map_or(Ports::Keep, |range| Ports::Range {
                    range: range.clone(),
                    base: *base_port,
                });
                (sites, ports)
            }
            NatTarget::Map {
                key,
                map,
                address,
                port,
                fixed_port,
            } => return self.mapped_nat(state, nat, manip, (key, *map), (*address, *port, *fixed_port)),
            NatTarget::Unknown(_) => (Some(vec![Site::Unknown]), Ports::Unknown),
        };
        let Some(sites) = sites else {
            return Translation::Drop;
        };
        let states = sites.into_iter().map(|site| moved(state, nat, manip, site, &ports));
        Translation::To {
            states: states.collect(),
            missing: false,
        }
    }

    fn mapped_nat(
        &self,
        state: &State,
        nat: &Nat,
        manip: Manip,
        (key, map): (&[Operand], SetId),
        (address, port, fixed): (bool, bool, Option<u16>),
    ) -> Translation {
        let found = match (self.key(state, key), self.set(map)) {
            (Some(key), Some(map)) => Some(map.find(&key)),
            _ => None,
        };
        let implied = if address { None } else { self.implied(state, nat.kind) };
        let kept = implied.and_then(|sites| sites.first().copied());
        let given = |port: u16| Ports::Range {
            range: port..=port,
            base: None,
        };
        let target = |data: &Data| {
            let values = match data {
                Data::Values(values) => values.as_slice(),
                Data::Verdict(_) => &[],
            };
            let (to, rest) = match (address, values) {
                (true, [first, rest @ ..]) => (site(first, state.is_ipv6()), rest),
                (true, []) => (Site::Unknown, values),
                (false, _) => (kept.unwrap_or(Site::Unknown), values),
            };
            let ports = match (port, rest, fixed) {
                (true, [Value::Number(port)], _) => u16::try_from(*port).map_or(Ports::Unknown, given),
                (false, [], Some(port)) => given(port),
                (false, [], None) => Ports::Keep,
                _ => Ports::Unknown,
            };
            moved(state, nat, manip, to, &ports)
        };
        let Some(found) = found else {
            return Translation::To {
                states: vec![moved(state, nat, manip, Site::Unknown, &Ports::Unknown)],
                missing: true,
            };
        };
        let mut states = found.data.iter().map(|data| target(data)).collect::<Vec<_>>();
        if found.more {
            states.push(moved(state, nat, manip, Site::Unknown, &Ports::Unknown));
        }
        Translation::To {
            states,
            missing: found.missing,
        }
    }

    /// The address of a translation that names none; `None`: there is none, and the kernel drops the packet.
    fn implied(&self, state: &State, kind: NatKind) -> Option<Vec<Site>> {
        match kind {
            NatKind::Source => Some(vec![state.flow.source]),
            NatKind::Destination => Some(vec![state.flow.destination]),
            NatKind::Redirect if state.hook == Hook::Output => Some(vec![Site::Known(if state.is_ipv6() {
                Ipv6Addr::LOCALHOST.into()
            } else {
                Ipv4Addr::LOCALHOST.into()
            })]),
            NatKind::Redirect => self.redirected(state),
            NatKind::Masquerade => Some(vec![self.masqueraded(state)]),
        }
    }

    /// The input device's address.
    fn redirected(&self, state: &State) -> Option<Vec<Site>> {
        let Device::Known(index) = state.input else {
            return Some(vec![Site::Own]);
        };
        if self.network.addresses.is_empty() {
            return Some(vec![Site::Own]);
        }
        let first = self.first_address(state.input, state.is_ipv6())?;
        let Site::Known(IpAddr::V6(to)) = state.flow.destination else {
            return Some(vec![Site::Known(first)]);
        };
        if !to.is_unicast_link_local() {
            return Some(vec![Site::Known(first)]);
        }
        // Recent kernels take an address of the same scope; others the first.
        let own = self.network.addresses.iter().filter(|own| own.link == index);
        let mut local = own.filter(|own| matches!(own.address, IpAddr::V6(own) if own.is_unicast_link_local()));
        let mut sites = vec![Site::Known(first)];
        if let Some(local) = local.next()
            && local.address != first
        {
            sites.push(Site::Known(local.address));
        }
        Some(sites)
    }

    fn masqueraded(&self, state: &State) -> Site {
        let ipv6 = state.is_ipv6();
        let fits = |own: &&crate::model::rules::Address| {
            let link_local = matches!(own.address, IpAddr::V6(own) if own.is_unicast_link_local());
            own.address.is_ipv6() == ipv6 && !own.address.is_loopback() && !link_local
        };
        let all = self.network.addresses.iter().filter(fits);
        let there = |index| all.clone().filter(move |own| own.link == index);
        let only = |found: Vec<IpAddr>| match found.as_slice() {
            [address] => Site::Known(*address),
            _ => Site::Own,
        };
        let on_device = match state.output {
            Device::Known(index) => there(index).map(|own| own.address).collect::<Vec<_>>(),
            Device::Absent | Device::Other | Device::Unknown => Vec::new(),
        };
        if on_device.is_empty() {
            only(all.map(|own| own.address).collect())
        } else {
            only(on_device)
        }
    }

    /// The first address of a device.
    pub(super) fn first_address(&self, device: Device, ipv6: bool) -> Option<IpAddr> {
        let Device::Known(index) = device else {
            return None;
        };
        let own = self.network.addresses.iter().filter(|own| own.link == index);
        own.map(|own| own.address).find(|address| address.is_ipv6() == ipv6)
    }
}

/// Translates as the entry says: what was decided for the first packet of the connection.
pub(super) fn apply(state: &mut State, manip: Manip) {
    let ports = state.has_ports();
    let Track::Entry(entry) = state.track else {
        return;
    };
    let (original, leaving, flow) = (&entry.original, &entry.leaving, &mut state.flow);
    let (site, port) = match (manip, entry.reply) {
        (_, None) => return,
        (Manip::Destination, Some(false)) => (leaving.destination, leaving.destination_port),
        (Manip::Source, Some(false)) => (leaving.source, leaving.source_port),
        (Manip::Destination, Some(true)) => (original.source, original.source_port),
        (Manip::Source, Some(true)) => (original.destination, original.destination_port),
    };
    match manip {
        Manip::Destination => {
            flow.destination = site;
            if ports {
                flow.destination_port = port;
            }
        }
        Manip::Source => {
            flow.source = site;
            if ports {
                flow.source_port = port;
            }
        }
    }
}

fn current(state: &State, manip: Manip) -> Site {
    match manip {
        Manip::Destination => state.flow.destination,
        Manip::Source => state.flow.source,
    }
}

/// The packet with a new address and port, and its entry with the translation bound.
fn moved(state: &State, nat: &Nat, manip: Manip, site: Site, ports: &Ports) -> State {
    let mut state = *state;
    let port = match manip {
        Manip::Destination => state.flow.destination_port,
        Manip::Source => state.flow.source_port,
    };
    let same = current(&state, manip);
    let new = if state.has_ports() {
        new_port(port, ports, manip, nat.random)
    } else {
        port
    };
    let Track::Entry(entry) = &mut state.track else {
        return state;
    };
    let bit = match manip {
        Manip::Destination => Entry::DST_NAT,
        Manip::Source => Entry::SRC_NAT,
    };
    match manip {
        Manip::Destination => (entry.leaving.destination, entry.leaving.destination_port) = (site, new),
        Manip::Source => (entry.leaving.source, entry.leaving.source_port) = (site, new),
    }
    entry.bind(manip);
    let differs = matches!((same, site), (Site::Known(from), Site::Known(to)) if from != to)
        || matches!((port, new), (Fact::Known(from), Fact::Known(to)) if from != to);
    if differs {
        entry.status = entry.status.learn(bit, bit);
    } else if (same, port) != (site, new) || matches!(site, Site::Own | Site::Unknown) || new == Fact::Unknown {
        entry.status.known &= !bit;
    }
    apply(&mut state, manip);
    state
}

fn new_port(port: Fact<u16>, ports: &Ports, manip: Manip, random: bool) -> Fact<u16> {
    match ports {
        Ports::Keep if random && manip == Manip::Source => Fact::Unknown,
        Ports::Keep => port,
        Ports::Unknown => Fact::Unknown,
        Ports::Range { range, base } => {
            let (first, last) = (*range.start().min(range.end()), *range.end().max(range.start()));
            match (base, port) {
                _ if first == last => Fact::Known(first),
                (Some(base), Fact::Known(port)) => {
                    let offset = u32::from(port.wrapping_sub(*base)) % (u32::from(last - first) + 1);
                    u16::try_from(u32::from(first) + offset).map_or(Fact::Unknown, Fact::Known)
                }
                (None, Fact::Known(port)) if !random && (first..=last).contains(&port) => Fact::Known(port),
                _ => Fact::Unknown,
            }
        }
    }
}

/// The addresses that may be chosen from a range.
fn sites(
    state: &State,
    manip: Manip,
    nat: &Nat,
    range: &RangeInclusive<IpAddr>,
    ports: Option<&RangeInclusive<u16>>,
) -> Vec<Site> {
    if range.start() == range.end() {
        return vec![Site::Known(*range.start())];
    }
    let port_stays = match (ports, state.flow.source_port) {
        (None, _) => true,
        (Some(ports), Fact::Known(port)) => ports.contains(&port),
        (Some(_), Fact::Absent | Fact::Unknown) => false,
    };
    // A source that is in the range already stays.
    if let (Manip::Source, Site::Known(source)) = (manip, state.flow.source)
        && !nat.random
        && port_stays
        && range.contains(&source)
    {
        return vec![Site::Known(source)];
    }
    let (first, last) = (bits(*range.start()), bits(*range.end()));
    let many = last.checked_sub(first).is_none_or(|more| more >= ADDRESSES);
    if many {
        return vec![Site::Unknown];
    }
    let all = (first..=last).map(|bits| Site::Known(address(bits, state.is_ipv6())));
    all.collect()
}

/// The bits of the range's prefix replaced.
fn prefixed(site: Site, range: &RangeInclusive<IpAddr>) -> Site {
    let Site::Known(own) = site else {
        return Site::Unknown;
    };
    let (first, last) = (bits(*range.start()), bits(*range.end()));
    let host = first ^ last;
    Site::Known(address((bits(own) & host) | (first & !host), own.is_ipv6()))
}

fn site(value: &Value, ipv6: bool) -> Site {
    match value {
        Value::Number(number) => Site::Known(address(*number, ipv6)),
        Value::Name(_) => Site::Unknown,
    }
}

fn bits(address: IpAddr) -> u128 {
    Value::from(address).number().unwrap_or_default()
}

fn address(bits: u128, ipv6: bool) -> IpAddr {
    if ipv6 {
        Ipv6Addr::from(bits).into()
    } else {
        Ipv4Addr::from(low(bits)).into()
    }
}

/// Addresses of a range that are followed one by one.
const ADDRESSES: u128 = 16;
