//! Who takes the connections that a translation hands on.

use crate::inspect::socket::Socket;
use crate::model::rules::{Family, Hook, Network};
use crate::model::translation::{Listening, Target};
use crate::model::tuple::Endpoint;
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
    /// The original ports, which stay where the target has none.
    pub(super) ports: &'a [RangeInclusive<u16>],
    /// The rule looks at packets of the loopback device only.
    pub(super) on_loopback: bool,
}

pub(super) fn listening(wanted: &Wanted<'_>, listeners: &Listeners, network: &Network) -> Listening {
    if !wanted.target.local {
        return Listening::Elsewhere;
    }
    let ports = match (&wanted.target.ports, wanted.ports) {
        (Some(ports), _) | (None, [ports]) => ports.clone(),
        (None, _) => return Listening::Unknown("each port goes to itself"),
    };
    let sockets: Vec<&Socket> = match wanted.protocol {
        Some(TCP) => listeners.tcp.iter().flatten().collect(),
        Some(UDP) => listeners.udp.iter().flatten().collect(),
        Some(_) => return Listening::Unknown("sockets of this protocol are not read"),
        None => listeners.tcp.iter().chain(&listeners.udp).flatten().collect(),
    };
    let addresses = addresses(wanted, network);
    let serves = |socket: &&&Socket| {
        let port = socket.tuple.source.port;
        ports.contains(&port)
            && addresses
                .iter()
                .any(|&address| socket.serves(Endpoint::new(address, port)))
    };
    // One that a process holds is told rather than one that none does.
    let found = sockets.iter().filter(serves).max_by_key(|socket| socket.inode != 0);
    let unread = match wanted.protocol {
        Some(TCP) => listeners.tcp.is_none(),
        Some(_) => listeners.udp.is_none(),
        None => listeners.tcp.is_none() || listeners.udp.is_none(),
    };
    match found {
        Some(socket) => Listening::By(socket.listener(None)),
        None if unread => Listening::Unknown("the sockets could not be read"),
        None if addresses.is_empty() => Listening::Unknown("the namespace has no address for it"),
        None => Listening::Nobody,
    }
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
    if wanted.hook == Some(Hook::Output) || wanted.on_loopback {
        return loopback;
    }
    // Elsewhere to an address of the device that the packet came in by.
    let own = network.addresses.iter().map(|own| own.address);
    let own: Vec<_> = own.filter(|address| !address.is_loopback()).filter(of_family).collect();
    if own.is_empty() { loopback } else { own }
}

const TCP: u8 = 6;
const UDP: u8 = 17;
