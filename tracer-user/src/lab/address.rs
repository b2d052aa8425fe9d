//! The lab's addresses, in either family.

use crate::lab::options::Family;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The two links of the lab: pod and peer share the first, behind a router the peer is on the second.
#[derive(Clone, Copy)]
pub(super) enum Link {
    Near,
    Far,
}

pub(super) fn address(family: Family, link: Link, host: u8) -> IpAddr {
    let net = match link {
        Link::Near => 0x77,
        Link::Far => 0x78,
    };
    match family {
        // 10.77.0.x and 10.78.0.x: the same digits as in fd77::x and fd78::x.
        Family::Ipv4 => Ipv4Addr::new(10, net - 0x77 + 77, 0, host).into(),
        Family::Ipv6 => Ipv6Addr::new(0xfd00 + u16::from(net), 0, 0, 0, 0, 0, 0, host.into()).into(),
    }
}

/// Of a service, in the range that clusters use.
pub(super) fn service(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::new(10, 96, 0, 10).into(),
        Family::Ipv6 => Ipv6Addr::new(0xfd96, 0, 0, 0, 0, 0, 0, 0x10).into(),
    }
}

pub(super) fn loopback(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::LOCALHOST.into(),
        Family::Ipv6 => Ipv6Addr::LOCALHOST.into(),
    }
}

/// What a sidecar's inbound connections to the application come from.
pub(super) fn sidecar(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::new(127, 0, 0, 6).into(),
        Family::Ipv6 => Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6).into(),
    }
}

/// As `ip address add` takes it.
pub(super) fn with_prefix(family: Family, link: Link, host: u8) -> String {
    let length = match family {
        Family::Ipv4 => 24,
        Family::Ipv6 => 64,
    };
    format!("{}/{length}", address(family, link, host))
}

pub(super) fn any(family: Family, port: u16) -> SocketAddr {
    let address = match family {
        Family::Ipv4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::Ipv6 => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(address, port)
}

pub(super) const POD: u8 = 2;
pub(super) const PEER: u8 = 3;
pub(super) const OTHER_PEER: u8 = 4;
pub(super) const NOBODY: u8 = 9;
pub(super) const ROUTER: u8 = 1;
pub(super) const TWIN_ROUTER: u8 = 5;

/// A source port that a scenario uses twice. Labs that run at once have the same addresses: each has one of its own.
pub(super) fn own_port() -> u16 {
    let offset = std::process::id() % 9_000;
    40_001 + u16::try_from(offset).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_spell_the_same_digits() {
        assert_eq!(with_prefix(Family::Ipv4, Link::Near, POD), "10.77.0.2/24");
        assert_eq!(with_prefix(Family::Ipv6, Link::Far, PEER), "fd78::3/64");
    }
}
