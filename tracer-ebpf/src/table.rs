//! The table of connections: who is in it, under which key.

use aya_ebpf::bindings::BPF_ANY;
use tracer_common::{event::Connection, stat::Hook};

use crate::{
    map::CONNECTIONS,
    read::{self, Entry, Struct, config},
    sock::Sock,
};

/// The key of a socket that may be in the table, without asking the kernel to make one. `None`: it is not in it.
#[inline(always)]
pub(crate) fn key(sock: Sock<impl Struct>) -> Option<u64> {
    if config!(has_socket_cookie) == 0 {
        return Some(sock.address());
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
        sock.address()
    } else {
        sock.make_cookie()
    }
}

/// The entry of a socket.
#[inline(always)]
pub(crate) fn find(sock: Sock<impl Struct>) -> Option<Entry> {
    Entry::find(key(sock)?)
}

/// Enters a connection; a full table is counted.
#[inline(always)]
pub(crate) fn enter(hook: Hook, key: u64, connection: &Connection) {
    if CONNECTIONS.insert(key, connection, u64::from(BPF_ANY)).is_err() {
        read::count(hook, |row| row.table_full += 1);
    }
}

/// Removes a socket that is being destroyed.
#[inline(always)]
pub(crate) fn leave(key: u64) {
    // Absent is as good as removed.
    let _ = CONNECTIONS.remove(key);
}
