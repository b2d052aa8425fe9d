//! What of a namespace's network a rule's meaning depends on.

use std::net::IpAddr;
use std::sync::Arc;

/// Devices and addresses of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    pub links: Vec<Link>,
    pub addresses: Vec<Address>,
    /// What is delivered here besides (`ip route add local …`).
    pub locals: Vec<LocalRoute>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: Arc<str>,
    pub loopback: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    pub address: IpAddr,
    pub prefix: u8,
    pub link: u32,
}

/// A route to this host that no address made, in the table that is asked first. Those of other tables (TPROXY's) act
/// where a routing rule says so, mostly for a mark, and are not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalRoute {
    pub address: IpAddr,
    pub prefix: u8,
}

impl LocalRoute {
    pub fn holds(&self, address: IpAddr) -> bool {
        let (bits, differing) = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (32, u128::from(u32::from(own) ^ u32::from(other))),
            (IpAddr::V6(own), IpAddr::V6(other)) => (128, u128::from(own) ^ u128::from(other)),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        let host = u32::saturating_sub(bits, self.prefix.into());
        differing.checked_shr(host).unwrap_or(0) == 0
    }
}

impl Network {
    /// Whether packets to this address are for this namespace (loopback included).
    pub fn is_local(&self, address: IpAddr) -> bool {
        address.is_loopback()
            || self.addresses.iter().any(|own| own.address == address)
            || self.locals.iter().any(|route| route.holds(address))
    }

    pub fn link(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }

    pub fn named(&self, name: &[u8]) -> Option<&Link> {
        self.links.iter().find(|link| link.name.as_bytes() == name)
    }

    pub fn loopback(&self) -> Option<&Link> {
        self.links.iter().find(|link| link.loopback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_route_holds_the_addresses_of_its_prefix() {
        let route = |address: &str, prefix| LocalRoute {
            address: address.parse().unwrap(),
            prefix,
        };
        let holds = |route: LocalRoute, address: &str| route.holds(address.parse().unwrap());
        assert!(holds(route("10.1.0.0", 16), "10.1.255.1"));
        assert!(!holds(route("10.1.0.0", 16), "10.2.0.1"));
        assert!(holds(route("0.0.0.0", 0), "192.0.2.1"));
        assert!(!holds(route("0.0.0.0", 0), "fd00::1"));
        assert!(holds(route("::", 0), "fd00::1"));
        assert!(holds(route("fd00::1", 128), "fd00::1"));
        assert!(!holds(route("fd00::1", 128), "fd00::2"));
    }
}
