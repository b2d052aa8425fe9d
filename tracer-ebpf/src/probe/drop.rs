//! Packets dropped for a listed reason. Hot: the reason is looked at before anything else.

use aya_ebpf::programs::BtfTracePointContext;
use tracer_common::{
    config::{NO_REASON, REASON_BY_LOCATION},
    event::PacketEvent,
    kind::{CONNECTION_SUSPECT, DROP, FLAG_REASON},
    stat::Hook,
};

use crate::{
    emit::{self, Heading},
    limit::{self, Shares},
    map::Limited,
    probe::{packet, reset},
    read::{self, Object, Struct, config},
    skb::Skb,
    sock::Sock,
    table,
};

/// `kfree_skb(skb, location)`, from 5.17 with the reason, from 6.11 with the receiving socket.
#[inline(always)]
pub(crate) fn kfree_skb(ctx: &BtfTracePointContext) {
    let location: u64 = ctx.arg(1);
    if config!(kfree_skb_args) < 3 {
        if location >= config!(dropper_from) && location < config!(dropper_to) {
            dropped(ctx, location, REASON_BY_LOCATION);
        }
        return;
    }
    let reason: u32 = ctx.arg(2);
    if read::is_listed(reason) {
        dropped(ctx, location, reason);
    } else if config!(no_socket_reason) != NO_REASON && reason == config!(no_socket_reason) {
        met_no_socket(ctx);
    }
}

#[inline(always)]
fn dropped(ctx: &BtfTracePointContext, location: u64, reason: u32) {
    let Some(skb) = Object::new(ctx.arg(0)).map(Skb) else {
        return;
    };
    let Some(segment) = skb.segment(Hook::Drop) else { return };
    let time = read::now();
    let shares = Shares {
        netns: netns(skb),
        port: segment.destination_port(),
    };
    if !limit::admits(Limited::Drops, Hook::Drop, time, Some(shares)) {
        return;
    }
    let heading = Heading {
        hook: Hook::Drop,
        kind: DROP,
        state: 0,
        old_state: 0,
        time,
    };
    emit::packet(heading, |event| {
        event.packet.reason = reason;
        event.packet.location = location;
        event.event.header.flags |= FLAG_REASON;
        packet::fill(event, skb, segment);
        let receiver = if config!(kfree_skb_args) >= 4 {
            Object::new(ctx.arg(3))
        } else {
            None
        };
        if let Some(sock) = receiver {
            socket(event, Sock(sock));
        } else if let Some(sock) = skb.sock() {
            socket(event, sock);
        }
    });
}

/// The inode of the namespace; what is dropped in OUTPUT has no device yet.
#[inline(always)]
fn netns(skb: Skb<impl Struct>) -> u32 {
    match skb.netns() {
        0 => skb.sock().map_or(0, Sock::netns),
        inode => inode,
    }
}

/// A packet that found no socket is dropped after TCP answered it, which up to 6.9 no tracepoint tells.
#[inline(always)]
fn met_no_socket(ctx: &BtfTracePointContext) {
    if let Some(skb) = Object::new(ctx.arg(0)).map(Skb) {
        reset::answered(Hook::Drop, skb);
    }
}

/// The socket that sent the packet, or was to receive it. Only what `struct sock` itself holds: a pointer out of a
/// packet is not trusted enough for the helpers.
#[inline(always)]
fn socket(event: &mut PacketEvent, sock: Sock<impl Struct>) {
    let event = &mut event.event;
    event.header.state = sock.state();
    // The same as the socket's other events have: its address where there are no cookies.
    event.header.socket = table::key(sock).unwrap_or(0);
    sock.namespace(&mut event.header);
    if !sock.is_full_tcp() {
        return sock.tuple(&mut event.socket.tuple);
    }
    sock.fill_common(&mut event.socket);
    if let Some(entry) = table::find(sock) {
        entry.set(CONNECTION_SUSPECT);
        emit::owner(event, entry);
    }
}
