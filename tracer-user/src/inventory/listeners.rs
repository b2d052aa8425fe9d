//! Who takes the connections that a translation hands on.

use crate::inspect::socket::Socket;
use crate::model::rules::{Family, Field, Hook, Link, Match, Network};
use crate::model::translation::{Listening, Target};
use crate::model::tuple::Endpoint;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

/// The sockets of a namespace that take connections or datagrams.
#[derive(Clone, Debug, Default)]
pub struct Listeners {
    /// `None`: not read.
    pub tcp: Option<Vec<Socket>>,
    pub udp: Option<Vec<Socket>>,
}

/// What is looked for.
pub(super) struct Wanted<'a> {
    pub(super) protocol: Option<u8>,
    pub(super) family: Family,
    pub(super) hook: Option<Hook>,
    pub(super) target: &'a Target,
    /// Any port of the target may be chosen, and not the first one that is free.
    pub(super) any_port: bool,
    /// The original ports, which stay where the target has none, or has them among its own.
    pub(super) ports: &'a [RangeInclusive<u16>],
    /// The devices that the packets come in by, whose addresses they get; `None`: any.
    pub(super) devices: Option<Vec<u32>>,
}

pub(super) fn listening(wanted: &Wanted<'_>, listeners: &Listeners, network: &Network) -> Listening {
    if !wanted.target.local {
        return Listening::Elsewhere;
    }
    let sockets: Vec<&Socket> = match wanted.protocol {
        Some(TCP) => listeners.tcp.iter().flatten().collect(),
        Some(UDP) => listeners.udp.iter().flatten().collect(),
        Some(_) => return Listening::Unknown("sockets of this protocol are not read"),
        None => listeners.tcp.iter().chain(&listeners.udp).flatten().collect(),
    };
    let (ports, addresses) = (ports(wanted), addresses(wanted, network));
    let serves = |socket: &&&Socket| {
        let port = socket.tuple.source.port;
        ports.iter().any(|range| range.contains(&port))
            && addresses
                .iter()
                .any(|&address| socket.serves(Endpoint::new(address, port)))
    };
    let serving: Vec<_> = sockets.iter().filter(serves).collect();
    let served: BTreeSet<u16> = serving.iter().map(|socket| socket.tuple.source.port).collect();
    let is_served = |range: &RangeInclusive<u16>| served.range(range.clone()).count() == range.len();
    // One that a process holds is told rather than one that none does.
    let found = serving.iter().max_by_key(|socket| socket.inode != 0);
    let unread = match wanted.protocol {
        Some(TCP) => listeners.tcp.is_none(),
        Some(_) => listeners.udp.is_none(),
        None => listeners.tcp.is_none() || listeners.udp.is_none(),
    };
    match found {
        Some(socket) if ports.iter().all(is_served) => Listening::By(socket.listener(None)),
        Some(_) => Listening::Unknown("only some of its ports have a listener"),
        None if unread => Listening::Unknown("the sockets could not be read"),
        None if addresses.is_empty() => Listening::Unknown("the namespace has no address for it"),
        None => Listening::Nobody,
    }
}

/// The ports that the connections may get.
fn ports(wanted: &Wanted<'_>) -> Vec<RangeInclusive<u16>> {
    let Some(range) = &wanted.target.ports else {
        return wanted.ports.to_vec();
    };
    if wanted.any_port || range.start() == range.end() {
        return vec![range.clone()];
    }
    // One that is in the range stays; else the first one of the range is taken.
    let first = *range.start();
    let mut ports: Vec<_> = wanted
        .ports
        .iter()
        .map(|own| *own.start().max(&first)..=*own.end().min(range.end()))
        .filter(|ports| !ports.is_empty())
        .collect();
    let stays = |own: &RangeInclusive<u16>| range.contains(own.start()) && range.contains(own.end());
    if !wanted.ports.iter().all(stays) && !ports.iter().any(|ports| ports.contains(&first)) {
        ports.push(first..=first);
    }
    ports
}

/// Where the connections arrive.
fn addresses(wanted: &Wanted<'_>, network: &Network) -> Vec<IpAddr> {
    if let Some(addresses) = &wanted.target.addresses {
        return vec![*addresses.start()];
    }
    let of_family = |address: &IpAddr| match wanted.family {
        Family::Ip => address.is_ipv4(),
        Family::Ip6 => address.is_ipv6(),
        Family::Inet | Family::Bridge | Family::Netdev | Family::Arp => true,
    };
    let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    let loopback: Vec<_> = loopback.into_iter().filter(of_family).collect();
    // In OUTPUT a redirect leads to the loopback address.
    if wanted.hook == Some(Hook::Output) {
        return loopback;
    }
    // Elsewhere to an address of the device that the packet came in by.
    let is_device = |link: u32| wanted.devices.as_ref().is_none_or(|devices| devices.contains(&link));
    let own = network.addresses.iter().filter(|own| is_device(own.link));
    let own = own.map(|own| own.address).filter(|address| !address.is_loopback());
    let mut own: Vec<_> = own.filter(of_family).collect();
    let by_loopback = match &wanted.devices {
        Some(devices) => network.loopback().is_some_and(|link| devices.contains(&link.index)),
        None => own.is_empty(),
    };
    if by_loopback {
        own.extend(loopback);
    }
    own
}

/// The devices that fit what is asked of the one that a packet came in by; `None`: nothing is asked of it.
pub(super) fn input_devices(asks: &[Match], network: &Network) -> Option<Vec<u32>> {
    let asks: Vec<_> = asks
        .iter()
        .filter(|asked| {
            matches!(asked, Match::Name { field, .. } | Match::Number { field, .. }
                if matches!(field, Field::InputName | Field::InputInterface))
        })
        .collect();
    let fits = |link: &&Link| asks.iter().all(|asked| is_device(asked, link));
    (!asks.is_empty()).then(|| network.links.iter().filter(fits).map(|link| link.index).collect())
}

fn is_device(asked: &Match, link: &Link) -> bool {
    match asked {
        Match::Name {
            name, prefix, negated, ..
        } => {
            let own = link.name.as_bytes();
            let fits = if *prefix { own.starts_with(name) } else { *own == **name };
            fits != *negated
        }
        Match::Number {
            mask, within, negated, ..
        } => {
            let number = u128::from(link.index) & mask;
            within.iter().any(|range| range.contains(&number)) != *negated
        }
        Match::Lookup { .. }
        | Match::Equal { .. }
        | Match::Any(_)
        | Match::NotAll(_)
        | Match::Chance(_)
        | Match::Unknown(_) => true,
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;
