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
}

/// Rows of the `STATS` map.
pub const HOOKS: usize = 7;

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
