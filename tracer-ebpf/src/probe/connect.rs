//! The life of a connection that this machine opens: connect, established, failed, closed, destroyed.
//!
//! Sockets that were accepted are not entered: nobody asked for their cookie, and their transitions end at that, unless
//! somebody destroys them.

use aya_ebpf::programs::BtfTracePointContext;
use aya_log_ebpf::debug;
use tracer_common::{
    event::Connection,
    kind::{
        CLOSED, CONNECT, CONNECTION_ENDED, CONNECTION_ESTABLISHED, CONNECTION_OWNED, CONNECTION_SUSPECT, ESTABLISHED,
        FAILED,
    },
    stat::Hook,
};

use crate::{
    emit::{self, Heading, Lane},
    filter, owner,
    probe::destroy,
    read::{self, Entry, Object, Struct, config},
    sock::{Sock, state},
    table,
};

/// `inet_sock_set_state(sk, old, new)`.
#[inline(always)]
pub(crate) fn set_state(ctx: &BtfTracePointContext) {
    let (old, new) = (ctx.arg::<u32>(1) as u8, ctx.arg::<u32>(2) as u8);
    let Some(sock) = Object::new(ctx.arg(0)).map(Sock) else {
        return;
    };
    match (old, new) {
        (state::CLOSE, state::SYN_SENT) => connect(sock),
        // From SYN_RECV too: two ends that connect to each other at once, or a socket to itself.
        (state::SYN_SENT | state::SYN_RECV, state::ESTABLISHED) => established(sock, old),
        (state::LISTEN | state::CLOSE, state::CLOSE) => {}
        (_, state::CLOSE) => closed(sock, old),
        _ => {}
    }
}

/// The function `tcp_connect(sk)`: the socket has its source port, and the SYN is about to leave. It follows the change
/// to SYN_SENT, which entered the connection.
#[inline(always)]
pub(crate) fn tcp_connect(sock: Sock<impl Struct>) {
    if config!(export_all) == 0 || !sock.is_tcp() {
        return;
    }
    let key = table::make_key(sock);
    let entry = table::entry(sock, key);
    if filter::wants(Hook::Connect, sock, entry) {
        let heading = Heading::now(Hook::Connect, CONNECT, state::SYN_SENT);
        emit::socket(Lane::Bulk, heading, sock, key, entry);
    }
}

/// `inet_sk_error_report(sk)`. Up to 6.9 it comes before the transition to CLOSE and wakes the application, which may
/// take the error from the socket before that transition can show it; later it comes after, and is left alone.
#[inline(always)]
pub(crate) fn error_report(ctx: &BtfTracePointContext) {
    let Some(sock) = Object::new(ctx.arg(0)).map(Sock) else {
        return;
    };
    if sock.state() == state::SYN_SENT && sock.is_tcp() && sock.error() != 0 {
        failed(Hook::ErrorReport, sock, state::SYN_SENT, state::SYN_SENT);
    }
}

/// `tcp_destroy_sock(sk)`.
#[inline(always)]
pub(crate) fn destroy_sock(ctx: &BtfTracePointContext) {
    let Some(sock) = Object::new(ctx.arg(0)).map(Sock) else {
        return;
    };
    if let Some(key) = table::key(sock) {
        table::leave(key);
    }
}

/// The only place where the current task is the one that connects.
#[inline(always)]
fn connect(sock: Sock<impl Struct>) {
    if !sock.is_tcp() {
        return;
    }
    let time = read::now();
    let is_new = config!(has_socket_cookie) != 0 && sock.cookie() == 0;
    let key = table::make_key(sock);
    let mut connection = Connection {
        started: time,
        flags: CONNECTION_OWNED,
        ..Connection::default()
    };
    owner::fill(&mut connection);
    let entry = table::enter(Hook::SetState, sock, key, is_new, &connection);
    if config!(export_all) == 0 || config!(has_connect_hook) != 0 {
        return;
    }
    let entry = entry.or_else(|| Entry::in_overflow(key));
    if filter::wants(Hook::SetState, sock, entry) {
        let heading = Heading::of(Hook::SetState, CONNECT, state::CLOSE, state::SYN_SENT, time);
        emit::socket(Lane::Bulk, heading, sock, key, entry);
    }
}

#[inline(always)]
fn established(sock: Sock<impl Struct>, old: u8) {
    if !sock.is_tcp() {
        return;
    }
    let Some(key) = table::key(sock) else { return };
    let Some(entry) = table::entry(sock, key) else { return };
    entry.set(CONNECTION_ESTABLISHED);
    if let Some(lane) = lane(sock, entry) {
        let heading = Heading::of(Hook::SetState, ESTABLISHED, old, state::ESTABLISHED, read::now());
        emit::socket(lane, heading, sock, key, Some(entry));
    }
}

#[inline(always)]
fn closed(sock: Sock<impl Struct>, old: u8) {
    if !sock.is_tcp() {
        return;
    }
    destroy::closed(sock, old);
    let entry = table::find(sock);
    let flags = entry.map_or(CONNECTION_ENDED, Entry::flags);
    if old == state::SYN_SENT || flags & (CONNECTION_OWNED | CONNECTION_ESTABLISHED) == CONNECTION_OWNED {
        return failed(Hook::SetState, sock, old, state::CLOSE);
    }
    let Some(entry) = entry else { return };
    let lane = if sock.error() != 0 {
        Some(Lane::Symptom)
    } else {
        lane(sock, entry)
    };
    if let (Some(lane), 0) = (lane, flags & CONNECTION_ENDED) {
        entry.set(CONNECTION_ENDED);
        let heading = Heading::of(Hook::SetState, CLOSED, old, state::CLOSE, read::now());
        emit::socket(lane, heading, sock, table::make_key(sock), Some(entry));
    }
}

/// Sends the failure of a connect, once. Its errno is on the socket by now: the kernel sets it before the transition.
#[inline(always)]
fn failed(hook: Hook, sock: Sock<impl Struct>, old: u8, new: u8) {
    debug!((), "connect failed with errno {}", sock.error());
    let key = table::make_key(sock);
    let entry = table::entry(sock, key);
    if let Some(entry) = entry {
        if entry.flags() & CONNECTION_ENDED != 0 {
            return;
        }
        entry.set(CONNECTION_ENDED);
    }
    let heading = Heading::of(hook, FAILED, old, new, read::now());
    emit::socket(Lane::Symptom, heading, sock, key, entry);
}

/// How the next step of a connection is told, if it is: that of a suspect always, whatever the user wants to see.
#[inline(always)]
fn lane(sock: Sock<impl Struct>, entry: Entry) -> Option<Lane> {
    if entry.flags() & CONNECTION_SUSPECT != 0 {
        Some(Lane::Symptom)
    } else if config!(export_all) != 0 && filter::wants(Hook::SetState, sock, Some(entry)) {
        Some(Lane::Bulk)
    } else {
        None
    }
}
