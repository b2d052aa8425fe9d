//! fentry and fexit: arguments have types for the verifier, and a hit costs the least.

use aya_ebpf::{
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};
use tracer_common::stat::Hook;

use crate::{
    ct::Entry,
    probe::{connect, conntrack, reset},
    read::{Object, Struct, config},
    skb::Skb,
    sock::Sock,
};

#[fentry(function = "tcp_connect")]
fn fentry_tcp_connect(ctx: FEntryContext) -> i32 {
    if let Some(sock) = Object::new(ctx.arg(0)) {
        connect::tcp_connect(Sock(sock));
    }
    0
}

#[fentry(function = "tcp_v4_send_reset")]
fn fentry_tcp_v4_send_reset(ctx: FEntryContext) -> i32 {
    answers(&ctx, Hook::NoSocketReset4)
}

#[fentry(function = "tcp_v6_send_reset")]
fn fentry_tcp_v6_send_reset(ctx: FEntryContext) -> i32 {
    answers(&ctx, Hook::NoSocketReset6)
}

#[fentry(function = "tcp_send_active_reset")]
fn fentry_tcp_send_active_reset(ctx: FEntryContext) -> i32 {
    if let Some(sock) = Object::new(ctx.arg(0)) {
        reset::active(Sock(sock));
    }
    0
}

#[fentry(function = "nf_send_reset")]
fn fentry_nf_send_reset(ctx: FEntryContext) -> i32 {
    by_rule(&ctx, Hook::RuleReset4)
}

#[fentry(function = "nf_send_reset6")]
fn fentry_nf_send_reset6(ctx: FEntryContext) -> i32 {
    by_rule(&ctx, Hook::RuleReset6)
}

#[fexit(function = "__nf_conntrack_confirm")]
fn fexit_nf_conntrack_confirm(ctx: FExitContext) -> i32 {
    let entry = Object::new(ctx.arg(0)).and_then(|skb| Entry::of_packet(Skb(skb).nfct(), Hook::ConntrackNew));
    if let Some(entry) = entry {
        // What it returned lies behind its only argument.
        conntrack::confirmed(entry, ctx.arg(1));
    }
    0
}

#[fentry(function = "nf_ct_delete")]
fn fentry_nf_ct_delete(ctx: FEntryContext) -> i32 {
    if let Some(entry) = Object::new(ctx.arg(0)).and_then(|ct| Entry::new(ct.address(), Hook::ConntrackDestroy)) {
        conntrack::deleted(entry, ctx.arg(1));
    }
    0
}

#[fentry(function = "nf_conntrack_destroy")]
fn fentry_nf_conntrack_destroy(ctx: FEntryContext) -> i32 {
    if let Some(entry) = Object::new(ctx.arg(0)).and_then(|ct| Entry::new(ct.address(), Hook::ConntrackDestroy)) {
        conntrack::destroyed(entry);
    }
    0
}

#[inline(always)]
fn answers(ctx: &FEntryContext, hook: Hook) -> i32 {
    if let Some(skb) = Object::new(ctx.arg(1)) {
        reset::answers(hook, Object::new(ctx.arg(0)).map(Sock), Skb(skb));
    }
    0
}

#[inline(always)]
fn by_rule(ctx: &FEntryContext, hook: Hook) -> i32 {
    // The verifier takes no offset into the arguments that it does not see in the code: all positions are loaded, then
    // one is chosen.
    let (second, third): (*const u8, *const u8) = (ctx.arg(1), ctx.arg(2));
    let packet = if config!(rule_reset_packet) == 1 { second } else { third };
    if let (Some(net), Some(skb)) = (Object::new(ctx.arg(0)), Object::new(packet)) {
        reset::by_rule(hook, net, Skb(skb));
    }
    0
}
