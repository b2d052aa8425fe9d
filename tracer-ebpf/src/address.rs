//! Addresses into tuples: loaded as words, written as the bytes they are, IPv4-mapped ones as IPv4.

use tracer_common::tuple::{self, Tuple};

use crate::read;

/// Writes IPv4 addresses that were loaded as words.
#[inline(always)]
pub(crate) fn set_v4(tuple: &mut Tuple, source: u32, destination: u32) {
    tuple.source = read::bytes([lower(source), 0]);
    tuple.destination = read::bytes([lower(destination), 0]);
    tuple.family = tuple::IPV4;
}

/// Writes IPv6 addresses; two IPv4-mapped ones are written as IPv4.
#[inline(always)]
pub(crate) fn set_v6(tuple: &mut Tuple, source: [u64; 2], destination: [u64; 2]) {
    if let (Some(source), Some(destination)) = (mapped(source), mapped(destination)) {
        return set_v4(tuple, source, destination);
    }
    tuple.source = read::bytes(source);
    tuple.destination = read::bytes(destination);
    tuple.family = tuple::IPV6;
}

#[inline(always)]
fn mapped(address: [u64; 2]) -> Option<u32> {
    let [prefix, rest] = address;
    (prefix == 0 && rest & MAPPED_MASK == MAPPED).then_some(upper(rest))
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
fn lower(bytes: u32) -> u64 {
    if cfg!(target_endian = "little") {
        u64::from(bytes)
    } else {
        u64::from(bytes) << 32
    }
}

/// The second half of `::ffff:a.b.c.d`, as it lies in memory, without the IPv4 address.
const MAPPED: u64 = u64::from_ne_bytes([0, 0, 0xff, 0xff, 0, 0, 0, 0]);
const MAPPED_MASK: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
