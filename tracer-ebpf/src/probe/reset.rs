//! Resets: sent by TCP, sent by a rule of netfilter, and received.

use aya_ebpf::programs::BtfTracePointContext;
use tracer_common::{
    event::PacketEvent,
    kind::{CONNECTION_SUSPECT, FLAG_ACTIVE, FLAG_REASON, FLAG_RULE, RST_RECEIVED, RST_SENT},
    stat::Hook,
};

use crate::{
    emit::{self, Heading, Lane},
    limit::{self, Shares},
    map::Limited,
    probe::packet,
    read::{Entry, Object, Struct, config},
    skb::{Segment, Skb},
    sock::{self, Sock},
    table,
};

/// `tcp_receive_reset(sk)`: before the socket closes.
#[inline(always)]
pub(crate) fn receive_reset(ctx: &BtfTracePointContext) {
    let Some(sock) = Object::new(ctx.arg(0)).map(Sock) else {
        return;
    };
    if !sock.is_tcp() {
        return;
    }
    let key = table::make_key(sock);
    let entry = suspect(sock, key);
    let heading = Heading::now(Hook::ReceiveReset, RST_RECEIVED, sock.state());
    emit::socket(Lane::Symptom, heading, sock, key, entry);
}

/// The tracepoint `tcp_send_reset(sk, skb)`, from 6.10 with the reason. Either pointer may be NULL: no socket, or no
/// packet.
#[inline(always)]
pub(crate) fn send_reset(ctx: &BtfTracePointContext) {
    let sock = Object::new(ctx.arg(0)).map(Sock);
    let skb = Object::new(ctx.arg(1)).map(Skb);
    let heading = Heading::now(Hook::SendReset, RST_SENT, sock.map_or(0, Sock::state));
    if sock.is_none() && !skb.is_some_and(|skb| is_admitted(heading, skb, skb.segment(Hook::SendReset))) {
        return;
    }
    emit::packet(heading, |event| {
        if config!(send_reset_args) >= 3 {
            event.packet.reason = ctx.arg(2);
            event.event.header.flags |= FLAG_REASON;
        }
        if let Some(sock) = sock {
            socket(event, sock);
        }
        match skb {
            Some(skb) => answer_to(event, skb, Hook::SendReset),
            None => event.event.header.flags |= FLAG_ACTIVE,
        }
    });
}

/// The function `tcp_v4_send_reset(sk, skb)` or its twin for IPv6, where the tracepoint does not tell of packets that
/// met no full socket; those that did are left to it. Before the kernel has decided whether it answers at all.
#[inline(always)]
pub(crate) fn answers<S: Struct>(hook: Hook, sock: Option<Sock<S>>, skb: Skb<S>) {
    if sock.is_none_or(Sock::is_small) {
        answered(hook, skb);
    }
}

/// Sends a RST that TCP makes for a packet without a socket.
#[inline(always)]
pub(crate) fn answered(hook: Hook, skb: Skb<impl Struct>) {
    let Some(segment) = skb.segment(hook) else { return };
    if segment.is_reset() || !skb.is_for_this_host(segment) {
        return;
    }
    let heading = Heading::now(hook, RST_SENT, 0);
    if is_admitted(heading, skb, Some(segment)) {
        emit::packet(heading, |event| packet::fill(event, skb, segment));
    }
}

/// Whether the RST for a packet without a socket may be sent: a port scan or a flood makes one for each packet.
#[inline(always)]
fn is_admitted(heading: Heading, skb: Skb<impl Struct>, segment: Option<Segment>) -> bool {
    let shares = segment.map(|segment| Shares {
        netns: skb.netns(),
        port: segment.destination_port(),
    });
    limit::admits(Limited::Resets, heading.hook, heading.time, shares)
}

/// The function `tcp_send_active_reset(sk, …)`, where the tracepoint cannot be had.
#[inline(always)]
pub(crate) fn active(sock: Sock<impl Struct>) {
    if !sock.is_tcp() {
        return;
    }
    emit::packet(Heading::now(Hook::ActiveReset, RST_SENT, sock.state()), |event| {
        event.event.header.flags |= FLAG_ACTIVE;
        socket(event, sock);
    });
}

/// The functions `nf_send_reset(net, sk, oldskb, hook)` and `nf_send_reset6`: a rule answers the packet with a RST.
#[inline(always)]
pub(crate) fn by_rule<S: Struct>(hook: Hook, net: S, skb: Skb<S>) {
    let Some(segment) = skb.segment(hook) else { return };
    if segment.is_reset() {
        return;
    }
    emit::packet(Heading::now(hook, RST_SENT, 0), |event| {
        event.event.header.flags |= FLAG_RULE;
        packet::fill(event, skb, segment);
        // In OUTPUT the packet has no device yet.
        sock::namespace(net, &mut event.event.header);
    });
}

#[inline(always)]
fn socket(event: &mut PacketEvent, sock: Sock<impl Struct>) {
    if sock.is_full_tcp() {
        let key = table::make_key(sock);
        emit::full_socket(&mut event.event, sock, key, suspect(sock, key));
    } else {
        event.event.header.socket = sock.cookie();
        sock.namespace(&mut event.event.header);
        sock.tuple(&mut event.event.socket.tuple);
    }
}

/// The entry of a socket, marked: what comes later of it is sent, too.
#[inline(always)]
fn suspect(sock: Sock<impl Struct>, key: u64) -> Option<Entry> {
    let entry = table::entry(sock, key)?;
    entry.set(CONNECTION_SUSPECT);
    Some(entry)
}

/// Writes the packet that the reset answers; where there is no socket its device tells the namespace.
#[inline(always)]
fn answer_to(event: &mut PacketEvent, skb: Skb<impl Struct>, hook: Hook) {
    match skb.segment(hook) {
        Some(segment) => packet::fill(event, skb, segment),
        None => packet::describe(event, skb, hook),
    }
}
