//! BTF tracepoints: on every kernel from 5.10.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

use crate::probe;

#[btf_tracepoint(function = "inet_sock_set_state")]
fn inet_sock_set_state(ctx: BtfTracePointContext) -> i32 {
    probe::connect::set_state(&ctx);
    0
}

#[btf_tracepoint(function = "inet_sk_error_report")]
fn inet_sk_error_report(ctx: BtfTracePointContext) -> i32 {
    probe::connect::error_report(&ctx);
    0
}

#[btf_tracepoint(function = "tcp_destroy_sock")]
fn tcp_destroy_sock(ctx: BtfTracePointContext) -> i32 {
    probe::connect::destroy_sock(&ctx);
    0
}

#[btf_tracepoint(function = "tcp_retransmit_skb")]
fn tcp_retransmit_skb(ctx: BtfTracePointContext) -> i32 {
    probe::retransmit::retransmit_skb(&ctx);
    0
}

#[btf_tracepoint(function = "tcp_send_reset")]
fn tcp_send_reset(ctx: BtfTracePointContext) -> i32 {
    probe::reset::send_reset(&ctx);
    0
}

#[btf_tracepoint(function = "tcp_receive_reset")]
fn tcp_receive_reset(ctx: BtfTracePointContext) -> i32 {
    probe::reset::receive_reset(&ctx);
    0
}

#[btf_tracepoint(function = "kfree_skb")]
fn kfree_skb(ctx: BtfTracePointContext) -> i32 {
    probe::drop::kfree_skb(&ctx);
    0
}
