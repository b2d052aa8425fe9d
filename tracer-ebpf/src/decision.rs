//! Whether a connection passes the user's filter. Pure: user space's tests run it, too, beside its own filter.

use tracer_common::{
    event::Connection,
    filter::{Filter, PART_CGROUPS, PART_COMMS, PART_NETNS, PART_PIDS, PART_PORTS, PART_PREFIXES, Prefix},
    kind::CONNECTION_OWNED,
    tuple::{self, Tuple},
};

use super::mapped::{lower, mapped, words};

/// Whether the namespace passes. `may`: whether any of these parts may have values.
#[inline(always)]
pub(crate) fn wants_netns(may: impl Fn(u32) -> bool, filter: &Filter, inode: u32) -> bool {
    !may(PART_NETNS) || passes(filter.counts.netns, &filter.netns, |of| *of == inode)
}

/// Whether the owner passes; one that is not known is none of those that are wanted, and of no unwanted cgroup.
#[inline(always)]
pub(crate) fn wants_owner(
    may: impl Fn(u32) -> bool,
    filter: &Filter,
    owner: &Connection,
    is_unwanted: impl FnOnce(u64) -> bool,
) -> bool {
    let is_known = owner.flags & CONNECTION_OWNED != 0;
    let name = words(owner.comm);
    (!may(PART_PIDS) || passes(filter.counts.pids, &filter.pids, |pid| is_known && *pid == owner.tgid))
        && (!may(PART_COMMS) || passes(filter.counts.comms, &filter.comms, |comm| is_known && *comm == name))
        && !(may(PART_CGROUPS) && is_known && is_unwanted(owner.cgroup))
}

/// Whether one of the ends passes. An IPv4-mapped address is an IPv4 one, whatever the other end's is.
#[inline(always)]
pub(crate) fn wants_ends(may: impl Fn(u32) -> bool, filter: &Filter, tuple: &Tuple) -> bool {
    let is_known = tuple.family != 0;
    let ports = [tuple.source_port, tuple.destination_port].map(u16::from_ne_bytes);
    let ends = [tuple.source, tuple.destination].map(|address| canonical(tuple.family, words(address)));
    (!may(PART_PORTS)
        || passes(filter.counts.ports, &filter.ports, |port| {
            is_known && ports.contains(port)
        }))
        && (!may(PART_PREFIXES)
            || passes(filter.counts.prefixes, &filter.prefixes, |prefix| {
                is_known && (contains(prefix, ends[0]) || contains(prefix, ends[1]))
            }))
}

#[inline(always)]
fn canonical(family: u8, address: [u64; 2]) -> (u8, [u64; 2]) {
    match mapped(address) {
        Some(address) if family == tuple::IPV6 => (tuple::IPV4, [lower(address), 0]),
        _ => (family, address),
    }
}

#[inline(always)]
fn contains(prefix: &Prefix, (family, [first, second]): (u8, [u64; 2])) -> bool {
    prefix.family == u64::from(family)
        && first & prefix.mask[0] == prefix.address[0]
        && second & prefix.mask[1] == prefix.address[1]
}

/// Whether one of the first `count` values is it; none at all let everything pass.
#[inline(always)]
fn passes<T, const N: usize>(count: u32, values: &[T; N], is: impl Fn(&T) -> bool) -> bool {
    if count == 0 {
        return true;
    }
    for (index, value) in values.iter().enumerate() {
        if index as u32 >= count {
            return false;
        }
        if is(value) {
            return true;
        }
    }
    false
}
