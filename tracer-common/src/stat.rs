//! The per-CPU counters: one row per hook, indexed by [`Hook`], each a [`Counters`].

/// The probes, in the order of their rows in the `STATS` map.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    SetState = 0,
    Retransmit = 1,
    SendReset = 2,
    ReceiveReset = 3,
    Drop = 4,
    ErrorReport = 5,
    DestroySock = 6,
    Connect = 7,
    NoSocketReset4 = 8,
    NoSocketReset6 = 9,
    ActiveReset = 10,
    RuleReset4 = 11,
    RuleReset6 = 12,
    ConntrackNew = 13,
    ConntrackUpdate = 14,
    ConntrackDestroy = 15,
}

/// Rows of the `STATS` map.
pub const HOOKS: usize = 16;

/// What one probe counted on one processor since it was loaded.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Records written to the ring.
    pub sent: u64,
    /// Records lost because the ring was full.
    pub lost: u64,
    /// Reads of kernel memory that failed.
    pub failed_reads: u64,
    /// Interesting hits left out by a filter.
    pub filtered: u64,
    /// Drops left out by the limiter.
    pub suppressed: u64,
    /// Connections not entered because the table was full.
    pub table_full: u64,
}

// SAFETY: `repr(C)`, u64 only, no padding.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Counters {}
