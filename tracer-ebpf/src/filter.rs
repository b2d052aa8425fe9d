//! What the user filters out and nobody else needs: it does not leave the kernel.
//!
//! User space decides about everything by the same rules, and about what these programs do not know: names, and the
//! tuples behind a translation.

use tracer_common::{
    event::Connection,
    filter::{PART_CGROUPS, PART_COMMS, PART_NETNS, PART_PIDS, PART_PORTS, PART_PREFIXES},
    stat::Hook,
    tuple::Tuple,
};

use crate::{
    decision::{wants_ends, wants_netns, wants_owner},
    map::{FILTER, FILTERS, UNWANTED},
    read::{self, Entry, Struct, offset},
    sock::Sock,
};

/// Whether a record that only the export needs passes; one that does not is counted. Its namespace is left to
/// [`is_here`], which every record about a socket meets.
#[inline(always)]
pub(crate) fn wants(hook: Hook, sock: Sock<impl Struct>, entry: Option<Entry>) -> bool {
    if !may(OF_OWNER | OF_ENDS) {
        return true;
    }
    let Some(filter) = FILTER.get(0) else { return true };
    let mut owner = Connection::default();
    if let Some(entry) = entry.filter(|_| may(OF_OWNER)) {
        entry.copy_to(&mut owner);
    }
    let mut tuple = Tuple::default();
    if may(OF_ENDS) {
        sock.tuple(&mut tuple);
    }
    let passes = wants_owner(may, filter, &owner, |cgroup| UNWANTED.get_ptr(cgroup).is_some())
        && wants_ends(may, filter, &tuple);
    counted(hook, passes)
}

/// Whether a record of this namespace is needed; one that is not is counted. Not to be asked about packets: those of any
/// namespace may belong to a connection of a wanted one.
#[inline(always)]
pub(crate) fn is_here(hook: Hook, net: Option<impl Struct>) -> bool {
    if !may(PART_NETNS) {
        return true;
    }
    let Some(filter) = FILTER.get(0) else { return true };
    let inode = net.and_then(|net| net.load(offset!(net_inode)));
    counted(hook, wants_netns(may, filter, inode.unwrap_or(0)))
}

/// Whether any of these parts may have values: frozen, so that the verifier drops the others.
#[inline(always)]
fn may(parts: u32) -> bool {
    read::frozen(&FILTERS) & parts != 0
}

#[inline(always)]
fn counted(hook: Hook, passes: bool) -> bool {
    if !passes {
        read::count(hook, |row| row.filtered += 1);
    }
    passes
}

/// What the owner decides.
const OF_OWNER: u32 = PART_PIDS | PART_COMMS | PART_CGROUPS;
/// What the ends decide.
const OF_ENDS: u32 = PART_PORTS | PART_PREFIXES;
