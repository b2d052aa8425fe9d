//! What the loader tells the programs: frozen globals, so that the verifier folds every branch on them.

/// The frozen global `CONFIG`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Not 0: send connect, established and closed for every connection, not only for suspects.
    pub export_all: u32,
    /// Arguments of the `tcp_send_reset` tracepoint (2 up to 6.8, 3 from 6.10).
    pub send_reset_args: u32,
    /// Arguments of the `kfree_skb` tracepoint (2 on 5.10, 3 up to 6.8, 4 after).
    pub kfree_skb_args: u32,
    /// `bpf_get_socket_cookie` may be called from tracing programs (from 5.12).
    pub has_socket_cookie: u32,
    /// `bpf_get_current_task_btf` is available (from 5.11): the owner is read with plain loads.
    pub has_task_btf: u32,
    /// Drops sent per processor and second; what exceeds it is counted as suppressed.
    pub drops_per_second: u32,
}

/// The frozen global `DROP_REASONS`: 1 at the number of every drop reason that is sent (by name from BTF; they renumber
/// in every release).
pub const DROP_REASON_SLOTS: usize = 256;

/// Default entries of the kernel's connection table.
pub const CONNECTIONS: u32 = 131_072;

/// Default bytes of the ring buffer.
pub const RING_BYTES: u32 = 4 << 20;

// SAFETY: `repr(C)`, six u32, no padding.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Config {}
