//! Addresses into tuples: loaded as words, written as the bytes they are, IPv4-mapped ones as IPv4.

use tracer_common::tuple::{self, Tuple};

use crate::{
    mapped::{lower, mapped},
    read,
};

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
