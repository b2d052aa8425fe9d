//! The bytes of one extension, read at the offsets of the kernel's structure.
//!
//! Knows no structure. Every read past the end is `None`.

use super::SetNames;
use crate::inspect::rules::bytes::{text, until_nul};
use crate::model::rules::Family;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Clone, Copy, Debug)]
pub(super) struct Info<'a> {
    pub(super) revision: u8,
    pub(super) family: Family,
    pub(super) sets: &'a SetNames,
    data: &'a [u8],
}

impl<'a> Info<'a> {
    pub(super) fn new(revision: u8, data: &'a [u8], family: Family) -> Self {
        Self {
            revision,
            family,
            sets: SetNames::NONE,
            data,
        }
    }

    pub(super) fn with_sets(self, sets: &'a SetNames) -> Self {
        Self { sets, ..self }
    }

    pub(super) fn bytes(&self, at: usize, length: usize) -> Option<&'a [u8]> {
        self.data.get(at..at.checked_add(length)?)
    }

    pub(super) fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.bytes(at, N)?.try_into().ok()
    }

    pub(super) fn u8(&self, at: usize) -> Option<u8> {
        self.data.get(at).copied()
    }

    pub(super) fn u16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_ne_bytes)
    }

    pub(super) fn u32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_ne_bytes)
    }

    pub(super) fn u64(&self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_ne_bytes)
    }

    /// In network order.
    pub(super) fn be16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    /// In network order.
    pub(super) fn be32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }

    pub(super) fn ipv4(&self, at: usize) -> Option<Ipv4Addr> {
        self.be32(at).map(Ipv4Addr::from)
    }

    pub(super) fn ipv6(&self, at: usize) -> Option<Ipv6Addr> {
        self.array::<16>(at).map(Ipv6Addr::from)
    }

    /// A `union nf_inet_addr`.
    pub(super) fn address(&self, at: usize) -> Option<IpAddr> {
        if self.is_ipv6() {
            self.ipv6(at).map(IpAddr::V6)
        } else {
            self.ipv4(at).map(IpAddr::V4)
        }
    }

    pub(super) fn is_ipv6(&self) -> bool {
        self.family == Family::Ip6
    }

    /// The text in a fixed field, up to its first NUL.
    pub(super) fn text(&self, at: usize, length: usize) -> Option<String> {
        self.bytes(at, length).map(|bytes| text(until_nul(bytes)))
    }
}

/// An address as a number, as [`crate::model::rules::Value`] has it.
pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// How many bits of a mask are set, where they are all at its beginning.
pub(super) fn prefix(mask: IpAddr) -> Option<u32> {
    let (bits, rest) = match mask {
        IpAddr::V4(mask) => {
            let ones = u32::from(mask).leading_ones();
            (ones, u32::from(mask).count_ones())
        }
        IpAddr::V6(mask) => (u128::from(mask).leading_ones(), u128::from(mask).count_ones()),
    };
    (bits == rest).then_some(bits)
}
