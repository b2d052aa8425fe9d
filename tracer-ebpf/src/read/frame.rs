//! Where a call's stack frame begins: the same at a function's entry and at its return, and of no other call meanwhile.
//!
//! It joins the two ends of a kretprobe, which knows none of the arguments, whatever interrupts the function and
//! wherever it goes on.

use aya_ebpf::programs::{ProbeContext, RetProbeContext};

/// The frame of the function that is being entered.
#[inline(always)]
pub(crate) fn frame_at_entry(ctx: &ProbeContext) -> u64 {
    // SAFETY: the context of a kprobe is the registers.
    unsafe { stack_pointer(&*ctx.regs) }
}

/// The frame of the function that has returned.
#[inline(always)]
pub(crate) fn frame_at_return(ctx: &RetProbeContext) -> u64 {
    // SAFETY: as above.
    unsafe { stack_pointer(&*ctx.regs) }.wrapping_sub(POPPED)
}

/// At entry the stack pointer leads to the return address, which returning has taken from the stack.
#[cfg(bpf_target_arch = "x86_64")]
const POPPED: u64 = 8;
/// The return address is in a register.
#[cfg(not(bpf_target_arch = "x86_64"))]
const POPPED: u64 = 0;

#[cfg(bpf_target_arch = "x86_64")]
#[inline(always)]
fn stack_pointer(registers: &aya_ebpf::bindings::pt_regs) -> u64 {
    registers.rsp
}

#[cfg(not(bpf_target_arch = "x86_64"))]
#[inline(always)]
fn stack_pointer(registers: &aya_ebpf::bindings::pt_regs) -> u64 {
    registers.sp
}
