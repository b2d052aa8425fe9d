//! kprobes and kretprobes: functions of modules too. Arguments are mere addresses.

use aya_ebpf::{
    macros::{kprobe, kretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use tracer_common::stat::Hook;

use crate::{
    ct::Entry,
    map::Call,
    probe::{connect, conntrack, reset},
    read::{self, Memory, config},
    skb::Skb,
    sock::Sock,
};

#[kprobe]
fn kprobe_tcp_connect(ctx: ProbeContext) -> u32 {
    if let Some(sock) = memory(&ctx, 0, Hook::Connect) {
        connect::tcp_connect(Sock(sock));
    }
    0
}

#[kprobe]
fn kprobe_tcp_v4_send_reset(ctx: ProbeContext) -> u32 {
    answers(&ctx, Hook::NoSocketReset4)
}

#[kprobe]
fn kprobe_tcp_v6_send_reset(ctx: ProbeContext) -> u32 {
    answers(&ctx, Hook::NoSocketReset6)
}

#[kprobe]
fn kprobe_tcp_send_active_reset(ctx: ProbeContext) -> u32 {
    if let Some(sock) = memory(&ctx, 0, Hook::ActiveReset) {
        reset::active(Sock(sock));
    }
    0
}

#[kprobe]
fn kprobe_nf_send_reset(ctx: ProbeContext) -> u32 {
    by_rule(&ctx, Hook::RuleReset4)
}

#[kprobe]
fn kprobe_nf_send_reset6(ctx: ProbeContext) -> u32 {
    by_rule(&ctx, Hook::RuleReset6)
}

#[kprobe]
fn kprobe_nf_conntrack_confirm(ctx: ProbeContext) -> u32 {
    let skb = memory(&ctx, 0, Hook::ConntrackNew).map(Skb);
    let entry = skb.and_then(|skb| Entry::of_packet(skb.nfct(), Hook::ConntrackNew));
    keep(
        &ctx,
        Hook::ConntrackNew,
        entry.filter(|entry| conntrack::is_wanted(*entry)),
    )
}

#[kretprobe]
fn kretprobe_nf_conntrack_confirm(ctx: RetProbeContext) -> u32 {
    if let Some((entry, _)) = kept(&ctx, Hook::ConntrackNew) {
        conntrack::confirmed(entry, ctx.ret());
    }
    0
}

#[kprobe]
fn kprobe_nf_conntrack_tcp_packet(ctx: ProbeContext) -> u32 {
    let entry = ctx.arg(0).and_then(|entry| Entry::new(entry, Hook::ConntrackUpdate));
    keep(&ctx, Hook::ConntrackUpdate, entry)
}

#[kretprobe]
fn kretprobe_nf_conntrack_tcp_packet(ctx: RetProbeContext) -> u32 {
    if let Some((entry, before)) = kept(&ctx, Hook::ConntrackUpdate) {
        conntrack::packet_seen(entry, before);
    }
    0
}

#[kprobe]
fn kprobe_nf_ct_delete(ctx: ProbeContext) -> u32 {
    if let (Some(entry), Some(portid)) = (ctx.arg(0), ctx.arg(1))
        && let Some(entry) = Entry::new(entry, Hook::ConntrackDestroy)
    {
        conntrack::deleted(entry, portid);
    }
    0
}

#[kprobe]
fn kprobe_nf_conntrack_destroy(ctx: ProbeContext) -> u32 {
    if let Some(entry) = ctx.arg(0).and_then(|entry| Entry::new(entry, Hook::ConntrackDestroy)) {
        conntrack::destroyed(entry);
    }
    0
}

#[inline(always)]
fn memory(ctx: &ProbeContext, argument: usize, hook: Hook) -> Option<Memory> {
    Memory::new(ctx.arg(argument)?, hook)
}

/// Keeps the entry for the function's return; one that was kept by a call whose return was missed must go.
#[inline(always)]
fn keep(ctx: &ProbeContext, hook: Hook, entry: Option<Entry>) -> u32 {
    let frame = read::frame_at_entry(ctx);
    if let Some(entry) = entry {
        let call = Call {
            entry: entry.address(),
            state: u32::from(entry.state()),
            hook: hook as u32,
        };
        read::enter_call(frame, call);
    } else {
        let _ = read::leave_call(frame, hook);
    }
    0
}

/// The entry that was kept at the call's beginning, and its TCP state then.
#[inline(always)]
fn kept(ctx: &RetProbeContext, hook: Hook) -> Option<(Entry, u8)> {
    let call = read::leave_call(read::frame_at_return(ctx), hook)?;
    Some((Entry::new(call.entry, hook)?, call.state as u8))
}

#[inline(always)]
fn answers(ctx: &ProbeContext, hook: Hook) -> u32 {
    if let Some(skb) = memory(ctx, 1, hook) {
        reset::answers(hook, memory(ctx, 0, hook).map(Sock), Skb(skb));
    }
    0
}

#[inline(always)]
fn by_rule(ctx: &ProbeContext, hook: Hook) -> u32 {
    // As in the trampolines: all positions are loaded, then one is chosen.
    let (second, third) = (ctx.arg::<u64>(1), ctx.arg::<u64>(2));
    let packet = if config!(rule_reset_packet) == 1 { second } else { third };
    if let (Some(net), Some(skb)) = (
        memory(ctx, 0, hook),
        packet.and_then(|packet| Memory::new(packet, hook)),
    ) {
        reset::by_rule(hook, net, Skb(skb));
    }
    0
}
