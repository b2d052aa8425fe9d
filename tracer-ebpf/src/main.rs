//! conntracer's eBPF programs.
//!
//! The programs themselves are in [`entry`], by the way they are attached; what each hook does is in [`probe`], once for
//! all ways. No field of the kernel is touched outside [`read`] and the accessors on it.
#![no_std]
#![no_main]
#![cfg_attr(target_arch = "bpf", feature(core_intrinsics))]
#![cfg_attr(
    target_arch = "bpf",
    expect(internal_features, reason = "the target offers the atomic addition only there")
)]
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
mod decision;
mod emit;
mod entry;
mod filter;
mod limit;
mod map;
mod mapped;
mod owner;
mod probe;
mod read;
mod skb;
mod sock;
mod table;

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
