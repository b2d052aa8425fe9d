//! Sockets that somebody destroys under the application that holds them.

use tracer_common::{kind::DESTROYED, stat::Hook};

use crate::{
    emit::{self, Heading},
    read::{self, Struct},
    sock::{Sock, state},
    table,
};

/// errno that nobody but `tcp_abort` leaves on a socket. It runs in the context of who asked for it, by `SOCK_DESTROY` or
/// from a BPF iterator; never of a softirq.
const ECONNABORTED: u32 = 103;

/// A TCP connection reached CLOSE.
#[inline(always)]
pub(crate) fn closed(sock: Sock<impl Struct>, old: u8) {
    if sock.error() != ECONNABORTED {
        return;
    }
    let key = table::make_key(sock);
    let heading = Heading {
        hook: Hook::SetState,
        kind: DESTROYED,
        state: state::CLOSE,
        old_state: old,
        time: read::now(),
    };
    emit::destroyed(heading, sock, key, table::entry(sock, key));
}
