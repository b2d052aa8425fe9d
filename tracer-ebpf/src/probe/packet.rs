//! The part of a record that is about a packet.

use tracer_common::{
    event::PacketEvent,
    kind::{FLAG_CONNTRACK, FLAG_PACKET},
};

use crate::{
    ct,
    read::Struct,
    skb::{self, Segment, Skb},
};

/// Writes the packet, its conntrack entry, and the namespace of its device where it has one.
#[inline(always)]
pub(crate) fn fill(event: &mut PacketEvent, skb: Skb<impl Struct>, segment: Segment) {
    describe(event, skb, segment.hook());
    if segment.fill(&mut event.packet).is_some() {
        event.event.header.flags |= FLAG_PACKET;
    }
}

/// Writes what is known of a packet beside its headers.
#[inline(always)]
pub(crate) fn describe(event: &mut PacketEvent, skb: Skb<impl Struct>, hook: tracer_common::stat::Hook) {
    let header = &mut event.event.header;
    event.packet.mark = skb.mark();
    if let Some(device) = skb.device() {
        event.packet.ifindex = skb::device(device, header);
    }
    if ct::fill(skb.nfct(), hook, &mut event.conntrack).is_some() {
        header.flags |= FLAG_CONNTRACK;
    }
}
