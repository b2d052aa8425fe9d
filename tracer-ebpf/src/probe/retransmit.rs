//! Retransmits driven by the retransmission timer. Tail loss probes and fast retransmits stay in the kernel.

use aya_ebpf::programs::BtfTracePointContext;
use tracer_common::{
    event::Connection,
    kind::{CONNECTION_SUSPECT, RETRANSMIT},
    stat::Hook,
};

use crate::{
    emit::{self, Heading, Lane},
    read::{Entry, Object},
    sock::{Sock, state},
    table,
};

/// `tcp_retransmit_skb(sk, skb)`, from 6.18 with the error of sending as third argument.
#[inline(always)]
pub(crate) fn retransmit_skb(ctx: &BtfTracePointContext) {
    let Some(sock) = Object::new(ctx.arg(0)).map(Sock) else {
        return;
    };
    if !sock.is_tcp() {
        return;
    }
    let now_in = sock.state();
    if now_in != state::SYN_SENT && sock.tcp().is_none_or(|tcp| tcp.retransmits() == 0) {
        return;
    }
    let key = table::make_key(sock);
    let entry = suspect(sock, key);
    let heading = Heading::now(Hook::Retransmit, RETRANSMIT, now_in);
    emit::socket(Lane::Symptom, heading, sock, key, entry);
}

/// Marks the connection, entering one whose connect was not seen, so that its end is sent too.
#[inline(always)]
fn suspect(sock: Sock<Object>, key: u64) -> Option<Entry> {
    let entry = table::entry(sock, key);
    if let Some(entry) = entry {
        entry.set(CONNECTION_SUSPECT);
    } else {
        let unseen = Connection {
            flags: CONNECTION_SUSPECT,
            ..Connection::default()
        };
        table::enter(Hook::Retransmit, sock, key, true, &unseen);
    }
    entry
}
