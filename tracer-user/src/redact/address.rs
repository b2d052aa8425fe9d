//! Pseudonyms of addresses that keep what prefixes they share.
//!
//! Each bit is flipped or not by a keyed hash of the bits before it (Xu, Fan, Ammar, Moon: Prefix-preserving IP address
//! anonymization, 2002), but for bits that decide whether an address is of a known kind: these stay. So two addresses
//! have as many leading bits in common as before, and no two become one.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) fn pseudonym(address: IpAddr, key: &RandomState) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::V4(pseudonym_v4(address, key)),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => IpAddr::V6(pseudonym_v4(mapped, key).to_ipv6_mapped()),
            None => IpAddr::V6(Ipv6Addr::from(scrambled(u128::from(address), &V6, key))),
        },
    }
}

/// A whole prefix becomes a whole prefix. Of another range only the ends are kept, and their order.
pub(super) fn range(first: IpAddr, last: IpAddr, key: &RandomState) -> (IpAddr, IpAddr) {
    let (start, end) = (pseudonym(first, key), pseudonym(last, key));
    let within = bits(first) ^ bits(last);
    let is_prefix =
        first.is_ipv4() == last.is_ipv4() && within & within.wrapping_add(1) == 0 && bits(first) & within == 0;
    if is_prefix {
        let start = bits(start) & !within;
        return (like(first, start), like(first, start | within));
    }
    if (first <= last) == (start <= end) {
        (start, end)
    } else {
        (end, start)
    }
}

/// The pseudonym of a network: the bits past the prefix stay 0 where they were.
pub(super) fn network(address: IpAddr, host_bits: u128, key: &RandomState) -> IpAddr {
    let pseudonym = pseudonym(address, key);
    if bits(address) & host_bits == 0 {
        like(address, bits(pseudonym) & !host_bits)
    } else {
        pseudonym
    }
}

/// The address as a number.
pub(super) fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// An address of the family of `of`.
fn like(of: IpAddr, bits: u128) -> IpAddr {
    match of {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(u32::try_from(bits).unwrap_or(u32::MAX))),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(bits)),
    }
}

fn pseudonym_v4(address: Ipv4Addr, key: &RandomState) -> Ipv4Addr {
    let bits = scrambled(u128::from(u32::from(address)), &V4, key);
    Ipv4Addr::from(u32::try_from(bits).unwrap_or(u32::MAX))
}

fn scrambled(address: u128, family: &Family, key: &RandomState) -> u128 {
    if family.whole.iter().any(|block| block.has(address, family)) {
        return address;
    }
    (0..family.width).fold(address, |scrambled, depth| {
        let before = family.leading(address, depth);
        let kinds = family.whole.iter().chain(family.kinds);
        let decides = |block: &Block| depth < block.length && family.leading(block.first, depth) == before;
        if kinds.into_iter().any(decides) {
            return scrambled;
        }
        let flip = u128::from(key.hash_one((family.width, depth, before)) & 1);
        scrambled ^ flip << (family.width - 1 - depth)
    })
}

struct Family {
    /// Bits of an address.
    width: u32,
    /// Stay as they are.
    whole: &'static [Block],
    /// What is in one of these becomes another address of it.
    kinds: &'static [Block],
}

impl Family {
    /// The first `length` bits.
    fn leading(&self, address: u128, length: u32) -> u128 {
        address.checked_shr(self.width - length).unwrap_or(0)
    }
}

struct Block {
    first: u128,
    length: u32,
}

impl Block {
    const fn v4(first: [u8; 4], length: u32) -> Self {
        let first = u32::from_be_bytes(first) as u128;
        Self { first, length }
    }

    const fn v6(first: u16, length: u32) -> Self {
        let first = (first as u128) << 112;
        Self { first, length }
    }

    fn has(&self, address: u128, family: &Family) -> bool {
        family.leading(address, self.length) == family.leading(self.first, self.length)
    }
}

/// The registry of special addresses (RFC 6890), as far as a person tells these at sight.
const V4: Family = Family {
    width: 32,
    whole: &[
        Block::v4([127, 0, 0, 0], 8),
        Block::v4([0, 0, 0, 0], 32),
        Block::v4([255, 255, 255, 255], 32),
    ],
    kinds: &[
        Block::v4([10, 0, 0, 0], 8),
        Block::v4([172, 16, 0, 0], 12),
        Block::v4([192, 168, 0, 0], 16),
        Block::v4([169, 254, 0, 0], 16),
        Block::v4([100, 64, 0, 0], 10),
        Block::v4([224, 0, 0, 0], 4),
    ],
};
const V6: Family = Family {
    width: 128,
    // The unspecified address and loopback.
    whole: &[Block::v6(0, 127)],
    kinds: &[Block::v6(0xfd00, 8), Block::v6(0xfe80, 64), Block::v6(0xff00, 8)],
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many leading bits two addresses have in common.
    fn shared(a: IpAddr, b: IpAddr) -> u32 {
        (bits(a) ^ bits(b)).leading_zeros()
    }

    fn kind(address: IpAddr) -> Vec<bool> {
        match address {
            IpAddr::V4(a) => vec![a.is_private(), a.is_link_local(), a.is_multicast(), a.is_loopback()],
            IpAddr::V6(a) => vec![a.is_unique_local(), a.is_unicast_link_local(), a.is_multicast()],
        }
    }

    fn addresses() -> impl Strategy<Value = IpAddr> {
        let near = any::<u16>().prop_map(|host| Ipv4Addr::from(0x0a4d_0000 | u32::from(host)).into());
        let near_v6 = any::<u32>()
            .prop_map(|host| Ipv6Addr::from(0xfd77_0000_0000_0000_0000_0000_0000_0000_u128 | u128::from(host)).into());
        prop_oneof![
            any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
            any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
            near,
            near_v6,
        ]
    }

    #[test]
    fn what_every_host_has_stays() {
        let key = RandomState::new();
        for text in [
            "127.0.0.1",
            "127.0.0.53",
            "0.0.0.0",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
        ] {
            assert_eq!(pseudonym(ip(text), &key), ip(text), "{text}");
        }
    }

    #[test]
    fn two_sessions_have_other_pseudonyms() {
        let (one, two) = (RandomState::new(), RandomState::new());
        for text in ["10.77.0.2", "203.0.113.9", "2001:db8::5", "fd77::3"] {
            let network = (0..8_u128).map(|host| like(ip(text), bits(ip(text)) ^ host << 8));
            let differs = |address| pseudonym(address, &one) != pseudonym(address, &two);
            assert!(network.into_iter().any(differs), "{text}");
        }
    }

    #[test]
    fn a_mapped_address_is_the_one_that_it_maps() {
        let key = RandomState::new();
        let (IpAddr::V4(plain), IpAddr::V6(mapped)) = (
            pseudonym(ip("10.77.0.2"), &key),
            pseudonym(ip("::ffff:10.77.0.2"), &key),
        ) else {
            panic!("the families stay");
        };
        assert_eq!(mapped.to_ipv4_mapped(), Some(plain));
    }

    #[test]
    fn whole_prefixes_stay_whole_and_other_ranges_in_order() {
        let key = RandomState::new();
        assert_eq!(
            range(ip("0.0.0.0"), ip("255.255.255.255"), &key),
            (ip("0.0.0.0"), ip("255.255.255.255"))
        );
        assert_eq!(
            range(ip("10.0.0.0"), ip("10.255.255.255"), &key),
            (ip("10.0.0.0"), ip("10.255.255.255"))
        );
        let (first, last) = range(ip("10.77.4.0"), ip("10.77.7.255"), &key);
        assert_eq!(bits(first) ^ bits(last), 0x3ff);
        assert_eq!(bits(first) & 0x3ff, 0);
        assert_eq!(shared(first, pseudonym(ip("10.77.5.9"), &key)).min(96 + 22), 96 + 22);
        let (first, last) = range(ip("10.77.0.5"), ip("10.77.0.9"), &key);
        assert!(first < last);
    }

    proptest! {
        #[test]
        fn sameness_prefixes_families_and_kinds_are_kept(a in addresses(), b in addresses()) {
            let key = RandomState::new();
            let (hidden_a, hidden_b) = (pseudonym(a, &key), pseudonym(b, &key));
            prop_assert_eq!(hidden_a, pseudonym(a, &key));
            prop_assert_eq!(kind(a), kind(hidden_a));
            if a.is_ipv4() == b.is_ipv4() {
                prop_assert_eq!(shared(a, b), shared(hidden_a, hidden_b));
            }
            prop_assert_eq!((a.is_ipv4(), a == b), (hidden_a.is_ipv4(), hidden_a == hidden_b));
        }
    }
}
