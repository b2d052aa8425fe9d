//! How many connections the tables hold, by the memory of the machine: as the kernel sizes its own. Pure.

use tracer_common::config::{OVERFLOW, SLOTS};

/// A connection costs 64 bytes where it has a place of its own, else 128, and 16 bytes are taken for each ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Places of the kernel's table, a power of two.
    pub slots: u32,
    /// Connections whose place is taken, a power of two; beyond it they are counted, and have no owner.
    pub overflow: u32,
    /// Connections under suspicion.
    pub suspects: u32,
}

impl Capacity {
    /// For a machine with so much memory of which we may use `allowed` bytes, where that is bounded.
    pub fn of(memory: u64, allowed: Option<u64>) -> Self {
        let bound = allowed.map_or(u64::MAX, |allowed| allowed / BYTES_EACH);
        Self::for_connections((memory / MEMORY_EACH).min(bound))
    }

    /// At least so many that are ordinary and half as many that are not, within bounds.
    pub fn for_connections(connections: u64) -> Self {
        let connections = u32::try_from(connections).unwrap_or(u32::MAX).clamp(LEAST, MOST);
        let overflow = 1 << connections.ilog2();
        Self {
            slots: overflow.min(SLOTS),
            overflow,
            suspects: overflow / 2,
        }
    }
}

impl Default for Capacity {
    fn default() -> Self {
        Self::for_connections(OVERFLOW.into())
    }
}

/// Bytes of the machine's memory for each connection that is to have room: 262,144 connections at 16 GiB.
const MEMORY_EACH: u64 = 64 << 10;
/// What one costs at most where everything is full, with room for the rest of us.
const BYTES_EACH: u64 = 512;
const LEAST: u32 = 16_384;
const MOST: u32 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn large_machines_have_large_tables_within_bounds() {
        let overflow = |memory| Capacity::of(memory, None).overflow;
        assert_eq!(overflow(24 * GIB), 262_144);
        assert_eq!(overflow(8 * GIB), 131_072);
        assert_eq!(overflow(1024 * GIB), 1_048_576);
        assert_eq!(overflow(0), 16_384);
        assert_eq!(Capacity::of(u64::MAX, None).suspects, 524_288);
    }

    #[test]
    fn what_may_be_used_bounds_them_too() {
        let of = |allowed| Capacity::of(1024 * GIB, Some(allowed)).overflow;
        assert_eq!(of(128 << 20), 262_144);
        assert_eq!(of(u64::MAX), 1_048_576);
        assert_eq!(of(0), 16_384);
    }

    #[test]
    fn places_are_a_power_of_two_and_no_more_than_connections() {
        for connections in [0, 20_000, 65_536, 100_000, 1 << 30] {
            let Capacity { slots, overflow, .. } = Capacity::for_connections(connections);
            assert!(slots.is_power_of_two() && overflow.is_power_of_two());
            assert!(slots <= overflow);
        }
    }
}
