//! What the rules of a namespace do to the addresses of connections: one value for each way to a translating rule.

use crate::model::identity::{Netns, Process};
use crate::model::inquiry::Listener;
use crate::model::named::named;
use crate::model::rules::{Component, Family, Hook, Located};
use crate::model::time::Timestamp;
use crate::model::who::{Container, Pod};
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

named! {
    /// Whose connections a translation is for, and where it takes them.
    Class {
        /// For addresses of the namespace, or leaving it for any: handed to a local listener.
        Stolen = "stolen",
        /// For a virtual address that no interface owns.
        Service = "service",
        /// For a port of the host: handed to a container or another host.
        Published = "published",
        /// Only the source changes.
        Egress = "egress",
    }
}

named! {
    Manner {
        /// To this host.
        Redirect = "redirect",
        Dnat = "dnat",
        /// To a local transparent socket, without a change of the packet.
        Tproxy = "tproxy",
        Snat = "snat",
        Masquerade = "masquerade",
    }
}

/// One translation of one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    pub class: Class,
    pub manner: Manner,
    /// `Ip`, `Ip6`, or `Inet` for both.
    pub family: Family,
    /// `None`: not known, because no rule is.
    pub hook: Option<Hook>,
    /// `IPPROTO_*`; `None`: any.
    pub protocol: Option<u8>,
    pub destinations: Destinations,
    /// Original destination ports, in order.
    pub ports: Vec<RangeInclusive<u16>>,
    pub target: Target,
    /// What else the rules on the way ask. Untrusted.
    pub conditions: Vec<Arc<str>>,
    /// More conditions than are told.
    pub more_conditions: bool,
    /// `None`: connections are translated so, and no rule explains it.
    pub rule: Option<Located>,
    /// Live connections that conntrack shows translated so; `None`: not known (TPROXY leaves no trace there).
    pub connections: Option<u64>,
    pub listening: Listening,
}

impl Translation {
    pub fn owner(&self) -> Option<Component> {
        self.rule.as_ref()?.owner
    }

    /// Takes connections to where nobody listens.
    pub fn is_dead(&self) -> bool {
        self.listening == Listening::Nobody && matches!(self.class, Class::Stolen | Class::Service)
    }
}

/// Which connections a translation is for, by their original destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destinations {
    Any,
    These(Vec<AddressRange>),
    AllBut(Vec<AddressRange>),
}

/// Addresses of one family, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressRange {
    pub first: IpAddr,
    pub last: IpAddr,
}

impl AddressRange {
    /// The length of the prefix that this is, if it is one.
    fn prefix(self) -> Option<u32> {
        let (first, last, bits) = match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => (u128::from(u32::from(first)), u128::from(u32::from(last)), 32),
            (IpAddr::V6(first), IpAddr::V6(last)) => (u128::from(first), u128::from(last), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
        };
        let within = first ^ last;
        let is_prefix = within & within.wrapping_add(1) == 0 && first & within == 0;
        is_prefix.then(|| bits - within.count_ones())
    }
}

impl From<IpAddr> for AddressRange {
    fn from(address: IpAddr) -> Self {
        Self {
            first: address,
            last: address,
        }
    }
}

/// `10.0.0.1`, `10.0.0.0/8` or `10.0.0.1-10.0.0.5`.
impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        match self.prefix() {
            _ if first == last => write!(f, "{first}"),
            Some(length) => write!(f, "{first}/{length}"),
            None => write!(f, "{first}-{last}"),
        }
    }
}

/// Where a translation leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `None`: this host, or what the text says.
    pub addresses: Option<RangeInclusive<IpAddr>>,
    /// `None`: the port stays.
    pub ports: Option<RangeInclusive<u16>>,
    /// The address is of this namespace.
    pub local: bool,
    /// What is not understood of it. Untrusted.
    pub unknown: Option<Arc<str>>,
}

/// Who takes what is translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listening {
    By(Listener),
    Nobody,
    /// It could not be looked up, and why.
    Unknown(&'static str),
    /// The target is not in this namespace.
    Elsewhere,
}

/// A namespace as a person knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Space {
    pub netns: Netns,
    /// A path for `nsenter --net=`.
    pub enter: Option<Arc<str>>,
    /// Of `ip netns`. Untrusted.
    pub names: Vec<Arc<str>>,
    /// Of the container that runs in it. Untrusted.
    pub container: Option<Container>,
    /// Untrusted.
    pub pod: Option<Arc<Pod>>,
    /// The first process in it.
    pub process: Option<Process>,
}

/// One translation, where and when it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    pub at: Timestamp,
    pub space: Arc<Space>,
    pub translation: Translation,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_addresses_are_written_as_prefixes_where_they_are_some() {
        let range = |first: &str, last: &str| AddressRange {
            first: first.parse().unwrap(),
            last: last.parse().unwrap(),
        };
        for (first, last, text) in [
            ("10.0.0.1", "10.0.0.1", "10.0.0.1"),
            ("10.0.0.0", "10.255.255.255", "10.0.0.0/8"),
            ("10.0.0.1", "10.0.0.2", "10.0.0.1-10.0.0.2"),
            ("0.0.0.0", "255.255.255.255", "0.0.0.0/0"),
            ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"),
            ("fd77::", "fd77::ffff", "fd77::/112"),
        ] {
            assert_eq!(range(first, last).to_string(), text);
        }
    }
}
