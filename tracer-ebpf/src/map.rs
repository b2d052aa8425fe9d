//! The maps, and the globals that the loader freezes before the programs are verified.

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC},
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
};
use tracer_common::{
    config::{Config, DROP_REASON_SLOTS, NO_REASON, OVERFLOW as OVERFLOW_MAX, RING_BYTES, SLOTS as SLOTS_MAX},
    event::Connection,
    filter::{Filter, UNWANTED as UNWANTED_SLOTS},
    kind::KINDS,
    offsets::Offsets,
    stat::{Counters, HOOKS},
};

/// Records of symptoms on their way to user space.
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);

/// Records of what is ordinary, where it is asked for: however many there are, they take no room from symptoms.
#[map]
pub(crate) static BULK: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);

/// Connections from connect until the socket is destroyed, each at the place that its key makes. Mappable, so that it
/// begins on a page: an entry is one line of the cache.
#[map]
pub(crate) static SLOTS: Array<Slot> = Array::with_max_entries(SLOTS_MAX, BPF_F_MMAPABLE);

/// Connections whose place was taken. It takes memory for each entry as it comes, and never in a program of a kprobe:
/// up to 6.0 the kernel warns of that.
#[map]
pub(crate) static OVERFLOW: HashMap<u64, Connection> = HashMap::with_max_entries(OVERFLOW_MAX, BPF_F_NO_PREALLOC);

/// One row per hook.
#[map]
pub(crate) static STATS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(HOOKS as u32, 0);

/// Records lost because a ring was full, by kind.
#[map]
pub(crate) static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(KINDS as u32, 0);

/// How many records this processor sent in the current second, by [`Limited`]: all, and the shares of namespaces and ports.
#[map]
pub(crate) static LIMITER: PerCpuArray<Window> = PerCpuArray::with_max_entries(WINDOWS, 0);

/// What the user wants to see.
#[map]
pub(crate) static FILTER: Array<Filter> = Array::with_max_entries(1, 0);

/// Cgroups whose processes nobody wants to see, by id.
#[map]
pub(crate) static UNWANTED: LruHashMap<u64, u8> = LruHashMap::with_max_entries(UNWANTED_SLOTS, 0);

/// Calls that a kretprobe will see the end of, by their frames. A slot whose end was missed is used again.
#[map]
pub(crate) static CALLS: LruHashMap<u64, Call> = LruHashMap::with_max_entries(4096, 0);

/// What a call's entry keeps for its return.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Call {
    /// The address of the conntrack entry.
    pub(crate) entry: u64,
    /// Its TCP state before the call.
    pub(crate) state: u32,
    /// Which function was called: a [`Hook`](tracer_common::stat::Hook).
    pub(crate) hook: u32,
}

/// A place of the table. 64 bytes.
#[repr(C)]
pub(crate) struct Slot {
    /// Whose it is; 0: nobody's.
    pub(crate) key: u64,
    pub(crate) connection: Connection,
    pub(crate) pad: u64,
}

const _: () = assert!(size_of::<Slot>() == 64);

/// What is limited: a flood of it must not cost the node.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Limited {
    Drops = 0,
    Resets = 1,
    Entries = 2,
}

/// Shares that the ports, and the namespaces, are spread over: a flood of one leaves room for the others.
pub(crate) const SHARES: u32 = 64;
/// Of each [`Limited`]: one for all, and one for each share.
pub(crate) const WINDOWS_OF_EACH: u32 = 1 + 2 * SHARES;
const WINDOWS: u32 = 3 * WINDOWS_OF_EACH;

/// A second and what was sent in it.
#[repr(C)]
pub(crate) struct Window {
    pub(crate) second: u64,
    pub(crate) sent: u64,
}

#[unsafe(no_mangle)]
pub(crate) static OFFSETS: Offsets = Offsets::missing();

#[unsafe(no_mangle)]
pub(crate) static CONFIG: Config = Config {
    export_all: 0,
    send_reset_args: 0,
    kfree_skb_args: 0,
    has_socket_cookie: 0,
    has_task_btf: 0,
    drops_per_second: 0,
    resets_per_second: 0,
    slot_mask: 0,
    no_socket_reason: NO_REASON,
    has_connect_hook: 0,
    conntrack_all: 0,
    rule_reset_packet: 0,
    dropper_from: 0,
    dropper_to: 0,
};

#[unsafe(no_mangle)]
pub(crate) static FILTERS: u32 = 0;

#[unsafe(no_mangle)]
pub(crate) static DROP_REASONS: [u8; DROP_REASON_SLOTS] = [0; DROP_REASON_SLOTS];
