//! What a field of a packet is compared with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A number, an address or a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Ports, marks, ids, flags and addresses alike, the first byte on the wire being the most significant: 10.0.0.1
    /// is `0x0a00_0001`.
    Number(u128),
    /// An interface's name, without its NULs.
    Name(Box<[u8]>),
}

impl Value {
    pub fn number(&self) -> Option<u128> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Name(_) => None,
        }
    }
}

impl From<IpAddr> for Value {
    fn from(address: IpAddr) -> Self {
        Self::Number(match address {
            IpAddr::V4(address) => u128::from(u32::from(address)),
            IpAddr::V6(address) => u128::from(address),
        })
    }
}

impl Value {
    /// The IPv4 address of that number; `None` where it has too many bits.
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        u32::try_from(self.number()?).ok().map(Ipv4Addr::from)
    }

    pub fn ipv6(&self) -> Option<Ipv6Addr> {
        self.number().map(Ipv6Addr::from)
    }
}
