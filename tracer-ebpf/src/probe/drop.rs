//! Packets dropped for a listed reason. Hot: the reason is looked at before anything else.

use aya_ebpf::programs::BtfTracePointContext;
use tracer_common::{
    event::PacketEvent,
    kind::{CONNECTION_SUSPECT, DROP, FLAG_CONNTRACK, FLAG_PACKET, FLAG_REASON},
    stat::Hook,
};

use crate::{
    ct,
    emit::{self, Heading},
    read::{self, config},
    skb::{self, Segment, Skb},
    sock::Sock,
    table,
};

const SECOND: u64 = 1_000_000_000;

/// `kfree_skb(skb, location)`, with the reason, from 6.11 with the receiving socket.
#[inline(always)]
pub(crate) fn kfree_skb(ctx: &BtfTracePointContext) {
    if config!(kfree_skb_args) < 3 {
        return;
    }
    let reason: u32 = ctx.arg(2);
    if !read::is_listed(reason) {
        return;
    }
    let Some(skb) = Skb::new(ctx.arg(0)) else { return };
    let Some(segment) = skb.segment(Hook::Drop) else { return };
    let time = read::now();
    if !is_within_limit(time) {
        return read::count(Hook::Drop, |row| row.suppressed += 1);
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
        event.packet.location = ctx.arg(1);
        event.event.header.flags |= FLAG_REASON;
        packet(event, skb, segment);
        let receiver = if config!(kfree_skb_args) >= 4 {
            Sock::new(ctx.arg(3))
        } else {
            None
        };
        if let Some(sock) = receiver {
            socket(event, sock);
        } else if let Some(sock) = skb.sock() {
            socket(event, sock);
        }
    });
}

#[inline(always)]
fn is_within_limit(time: u64) -> bool {
    let Some(window) = read::window() else { return false };
    let second = time / SECOND;
    if window.second != second {
        window.second = second;
        window.sent = 0;
    }
    window.sent += 1;
    window.sent <= u64::from(config!(drops_per_second))
}

#[inline(always)]
fn packet(event: &mut PacketEvent, skb: Skb, segment: Segment) {
    let header = &mut event.event.header;
    event.packet.mark = skb.mark();
    if let Some(device) = skb.device() {
        event.packet.ifindex = skb::device(device, header);
    }
    if segment.fill(&mut event.packet).is_some() {
        header.flags |= FLAG_PACKET;
    }
    if ct::fill(skb.nfct(), Hook::Drop, &mut event.conntrack).is_some() {
        header.flags |= FLAG_CONNTRACK;
    }
}

/// The socket that sent the packet, or was to receive it. Only what `struct sock` itself holds: a pointer out of a
/// packet is not trusted enough for the helpers.
#[inline(always)]
fn socket(event: &mut PacketEvent, sock: Sock) {
    let event = &mut event.event;
    event.header.state = sock.state();
    event.header.socket = sock.cookie();
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
