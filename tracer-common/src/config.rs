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
    /// The number of the drop reason NO_SOCKET where it has to tell the resets of packets without a socket, which no
    /// other hook of this kernel does; else [`NO_REASON`].
    pub no_socket_reason: u32,
    /// Not 0: a hook on `tcp_connect` tells connects, with their source port; the change of state does not.
    pub has_connect_hook: u32,
    /// Not 0: send every change of a TCP conntrack entry; else only what should not happen to one (picked up in
    /// mid-flow, deleted while alive).
    pub conntrack_all: u32,
    /// Position of the packet among the arguments of `nf_send_reset` and `nf_send_reset6`.
    pub rule_reset_packet: u32,
    /// `bpf_get_socket_cookie` may be called from tracing programs (from 5.12).
    pub has_socket_cookie: u32,
    /// `bpf_get_current_task_btf` is available (from 5.11): the owner is read with plain loads.
    pub has_task_btf: u32,
    /// Drops sent per processor and second; what exceeds it is counted as suppressed.
    pub drops_per_second: u32,
    /// RSTs for packets without a socket, in the same way.
    pub resets_per_second: u32,
    /// Slots of the table of connections less one: the bits of a key that make its place.
    pub slot_mask: u32,
    /// Where `nf_hook_slow` lies in kernels whose drops have no reasons (5.10); else 0 and 0.
    pub dropper_from: u64,
    pub dropper_to: u64,
}

/// [`Config::no_socket_reason`]: nothing.
pub const NO_REASON: u32 = u32::MAX;

/// [`crate::event::Packet::reason`] of a drop that was recognised by the function that dropped it, in the range of
/// [`Config::dropper_from`].
pub const REASON_BY_LOCATION: u32 = u32::MAX - 1;

/// The frozen global `DROP_REASONS`: 1 at the number of every drop reason that is sent (by name from BTF; they renumber
/// in every release).
pub const DROP_REASON_SLOTS: usize = 256;

/// Default slots of the kernel's table of connections, a power of two: the flat part, where each connection has one
/// place.
pub const SLOTS: u32 = 65_536;

/// Default bound of the connections that find their place taken.
pub const OVERFLOW: u32 = 131_072;

/// Default bytes of the ring for symptoms; that for what is ordinary has twice as many.
pub const RING_BYTES: u32 = 4 << 20;

const _: () = assert!(size_of::<Config>() == 64);

// SAFETY: `repr(C)`, integers only, no padding (the size above is the sum of the fields).
#[cfg(feature = "user")]
unsafe impl aya::Pod for Config {}
