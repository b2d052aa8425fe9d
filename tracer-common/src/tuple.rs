//! Addresses and ports as the packets carry them.

/// [`Tuple::family`]: addresses are IPv4, in the first four bytes.
pub const IPV4: u8 = 4;
/// [`Tuple::family`]: addresses are IPv6.
pub const IPV6: u8 = 6;

/// A TCP tuple; addresses and ports in network byte order. A family of 0 means that nothing could be read.
///
/// Aligned so that the programs, whose processor has no unaligned access, fill it by words.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tuple {
    pub source: [u8; 16],
    pub destination: [u8; 16],
    pub source_port: [u8; 2],
    pub destination_port: [u8; 2],
    pub family: u8,
    pub pad: [u8; 3],
}

const _: () = assert!(size_of::<Tuple>() == 40);
