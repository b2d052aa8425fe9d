//! The table of connections: who is in it, under which key, at which place.
//!
//! A flat array: a connection's place is a mask of its key, so that finding, entering and leaving are a few loads and
//! stores. Cookies are given out one after the other, so two connections meet only where one is older than as many
//! connections as there are places; the later one then goes into a hash, which costs what a hash costs.

use aya_ebpf::bindings::BPF_ANY;
use tracer_common::{event::Connection, stat::Hook};

use crate::{
    map::OVERFLOW,
    read::{self, Entry, Slot, Struct, config},
    sock::Sock,
};

/// The key of a socket that may be in the table, without asking the kernel to make one. `None`: it is not in it.
#[inline(always)]
pub(crate) fn key(sock: Sock<impl Struct>) -> Option<u64> {
    if config!(has_socket_cookie) == 0 {
        return Some(read::number(sock.address()));
    }
    match sock.cookie() {
        0 => None,
        cookie => Some(cookie),
    }
}

/// The key of a full socket, made if it has none.
#[inline(always)]
pub(crate) fn make_key(sock: Sock<impl Struct>) -> u64 {
    if config!(has_socket_cookie) == 0 {
        read::number(sock.address())
    } else {
        sock.make_cookie()
    }
}

/// The entry of a socket.
#[inline(always)]
pub(crate) fn find(sock: Sock<impl Struct>) -> Option<Entry> {
    entry(sock, key(sock)?)
}

/// The entry of a socket with this key.
#[inline(always)]
pub(crate) fn entry<S: Struct>(_: Sock<S>, key: u64) -> Option<Entry> {
    match place(key) {
        Some(slot) if slot.key() == key => Some(slot.entry()),
        _ if S::IS_TYPED => Entry::in_overflow(key),
        _ => None,
    }
}

/// Enters a connection under its socket's key, in the place of an earlier one of that socket; `is_new`: there can be
/// none. Where there is no room that is counted. Gives back the entry.
#[inline(always)]
pub(crate) fn enter<S: Struct>(
    hook: Hook,
    sock: Sock<S>,
    key: u64,
    is_new: bool,
    connection: &Connection,
) -> Option<Entry> {
    let known = if is_new { None } else { entry(sock, key) };
    let slot = place(key).filter(|slot| known.is_none() && slot.claim(key));
    if let Some(entry) = known.or(slot.map(Slot::entry)) {
        entry.write(connection);
        return Some(entry);
    }
    if OVERFLOW.insert(key, connection, u64::from(BPF_ANY)).is_err() {
        read::count(hook, |row| row.table_full += 1);
    }
    None
}

/// Removes a socket that is being destroyed.
#[inline(always)]
pub(crate) fn leave(key: u64) {
    match place(key) {
        Some(slot) if slot.key() == key => slot.release(key),
        // Absent is as good as removed.
        _ => drop(OVERFLOW.remove(key)),
    }
}

/// Cookies are counted; addresses of sockets differ in the bits above their alignment.
#[inline(always)]
fn place(key: u64) -> Option<Slot> {
    let number = if config!(has_socket_cookie) == 0 {
        (key >> 6).wrapping_mul(GOLDEN) >> 32
    } else {
        key
    };
    Slot::at(number as u32 & config!(slot_mask))
}

/// 2^64 divided by the golden ratio: spreads what lies at regular distances.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
