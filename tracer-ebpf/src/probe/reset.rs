//! Resets: sent by TCP itself (those of netfilter never pass here) and received.

use aya_ebpf::programs::BtfTracePointContext;
use tracer_common::{
    event::PacketEvent,
    kind::{CONNECTION_SUSPECT, FLAG_ACTIVE, FLAG_CONNTRACK, FLAG_PACKET, FLAG_REASON, RST_RECEIVED, RST_SENT},
    stat::Hook,
};

use crate::{
    ct,
    emit::{self, Heading},
    read::{self, Entry, config},
    skb::{self, Skb},
    sock::Sock,
    table,
};

/// `tcp_receive_reset(sk)`: before the socket closes.
#[inline(always)]
pub(crate) fn receive_reset(ctx: &BtfTracePointContext) {
    let Some(sock) = Sock::new(ctx.arg(0)) else { return };
    if !sock.is_tcp() {
        return;
    }
    let key = table::make_key(sock);
    let entry = Entry::find(key);
    if let Some(entry) = entry {
        entry.set(CONNECTION_SUSPECT);
    }
    let heading = Heading {
        hook: Hook::ReceiveReset,
        kind: RST_RECEIVED,
        state: sock.state(),
        old_state: 0,
        time: read::now(),
    };
    emit::socket(heading, sock, key, entry);
}

/// `tcp_send_reset(sk, skb)`, from 6.10 with the reason. Either pointer may be NULL: no socket, or no packet.
#[inline(always)]
pub(crate) fn send_reset(ctx: &BtfTracePointContext) {
    let sock = Sock::new(ctx.arg(0));
    let skb = Skb::new(ctx.arg(1));
    let state = sock.map_or(0, Sock::state);
    let heading = Heading {
        hook: Hook::SendReset,
        kind: RST_SENT,
        state,
        old_state: 0,
        time: read::now(),
    };
    emit::packet(heading, |event| {
        if config!(send_reset_args) >= 3 {
            event.packet.reason = ctx.arg(2);
            event.event.header.flags |= FLAG_REASON;
        }
        if let Some(sock) = sock {
            socket(event, sock);
        }
        match skb {
            Some(skb) => packet(event, skb),
            None => event.event.header.flags |= FLAG_ACTIVE,
        }
    });
}

#[inline(always)]
fn socket(event: &mut PacketEvent, sock: Sock) {
    if sock.is_full_tcp() {
        let key = table::make_key(sock);
        let entry = Entry::find(key);
        if let Some(entry) = entry {
            entry.set(CONNECTION_SUSPECT);
        }
        emit::full_socket(&mut event.event, sock, key, entry);
    } else {
        event.event.header.socket = sock.cookie();
        sock.namespace(&mut event.event.header);
        sock.tuple(&mut event.event.socket.tuple);
    }
}

/// Writes the packet that the reset answers; where there is no socket its device tells the namespace.
#[inline(always)]
fn packet(event: &mut PacketEvent, skb: Skb) {
    let header = &mut event.event.header;
    event.packet.mark = skb.mark();
    if let Some(device) = skb.device() {
        event.packet.ifindex = skb::device(device, header);
    }
    if skb
        .segment(Hook::SendReset)
        .and_then(|segment| segment.fill(&mut event.packet))
        .is_some()
    {
        header.flags |= FLAG_PACKET;
    }
    if ct::fill(skb.nfct(), Hook::SendReset, &mut event.conntrack).is_some() {
        header.flags |= FLAG_CONNTRACK;
    }
}
