//! What the kernel's helpers tell of the moment: the time, the processor, the task.

use aya_ebpf::helpers::generated::{
    bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_task_btf, bpf_get_smp_processor_id,
    bpf_ktime_get_ns,
};

use super::Object;

/// `CLOCK_MONOTONIC` in nanoseconds.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: no arguments.
    unsafe { bpf_ktime_get_ns() }
}

#[inline(always)]
pub(crate) fn processor() -> u32 {
    // SAFETY: no arguments.
    unsafe { bpf_get_smp_processor_id() }
}

/// The current task, typed.
#[inline(always)]
pub(crate) fn task() -> Option<Object> {
    // SAFETY: no arguments.
    Object::new(unsafe { bpf_get_current_task_btf() } as *const u8)
}

/// The current task's name, where it cannot be loaded.
#[inline(always)]
pub(crate) fn task_name(name: &mut [u8; 16]) {
    // SAFETY: the destination is 16 bytes.
    unsafe { bpf_get_current_comm(name.as_mut_ptr().cast(), 16) };
}

/// The current task's cgroup in the unified hierarchy.
#[inline(always)]
pub(crate) fn cgroup_id() -> u64 {
    // SAFETY: no arguments.
    unsafe { bpf_get_current_cgroup_id() }
}

/// Two words as the bytes they were loaded from.
#[inline(always)]
pub(crate) fn bytes(words: [u64; 2]) -> [u8; 16] {
    // SAFETY: the same size, and any bytes are a value.
    unsafe { core::mem::transmute(words) }
}
