//! Addresses as words that lie in memory as the bytes do. Pure: user space's tests run it, too.

/// The IPv4 address, as it lies in memory, of an IPv4-mapped one.
#[inline(always)]
pub(crate) fn mapped(address: [u64; 2]) -> Option<u32> {
    let [prefix, rest] = address;
    (prefix == 0 && rest & MAPPED_MASK == MAPPED).then_some(upper(rest))
}

/// The bytes of an address or a name as words.
#[inline(always)]
pub(crate) fn words(bytes: [u8; 16]) -> [u64; 2] {
    let value = u128::from_ne_bytes(bytes);
    let (low, high) = (value as u64, (value >> 64) as u64);
    if cfg!(target_endian = "little") {
        [low, high]
    } else {
        [high, low]
    }
}

/// The second four bytes of a word's eight, as they lie in memory.
#[inline(always)]
fn upper(word: u64) -> u32 {
    if cfg!(target_endian = "little") {
        (word >> 32) as u32
    } else {
        word as u32
    }
}

/// A word whose first four bytes in memory are these.
#[inline(always)]
pub(crate) fn lower(bytes: u32) -> u64 {
    if cfg!(target_endian = "little") {
        u64::from(bytes)
    } else {
        u64::from(bytes) << 32
    }
}

/// The second half of `::ffff:a.b.c.d`, as it lies in memory, without the IPv4 address.
const MAPPED: u64 = u64::from_ne_bytes([0, 0, 0xff, 0xff, 0, 0, 0, 0]);
const MAPPED_MASK: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
