//! conntracer's eBPF programs: the entries, one per tracepoint, and nothing else.
//!
//! What each hook does is in [`probe`]; no field of the kernel is touched outside [`read`] and the accessors on it.
#![no_std]
#![no_main]
#![expect(
    clippy::inline_always,
    reason = "what the verifier knows of a pointer ends at the border of a function"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "numbers of the kernel that are narrower than their registers"
)]
#![expect(clippy::needless_pass_by_value, reason = "the macro hands the context over")]
#![expect(
    clippy::cast_ptr_alignment,
    reason = "the kernel aligns its fields; the verifier checks what it must"
)]

mod address;
mod ct;
mod emit;
mod map;
mod owner;
mod probe;
mod read;
mod skb;
mod sock;
mod table;

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

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

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
