//! What of a namespace's network a rule's meaning depends on.

use std::net::IpAddr;
use std::sync::Arc;

/// Devices and addresses of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    pub links: Vec<Link>,
    pub addresses: Vec<Address>,
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

impl Network {
    /// Whether packets to this address are for this namespace (loopback included).
    pub fn is_local(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.addresses.iter().any(|own| own.address == address)
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
