//! What the parsed type information leaves behind in the allocator.

/// Gives freed memory back to the system. Reading the kernel's BTF frees some 17 MiB in pieces that glibc would keep.
pub(super) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) takes no pointer, may be called at any time and by any thread.
    let _: i32 = unsafe { libc::malloc_trim(0) };
}
