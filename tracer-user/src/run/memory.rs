//! How much memory there is, for tables that are sized by it.

use crate::kernel::capacity::Capacity;
use std::fs;

/// The capacity for this machine, and for this control group's share of it.
pub(super) fn capacity() -> Capacity {
    let system = rustix::system::sysinfo();
    let unit = u64::from(system.mem_unit.max(1));
    Capacity::of(system.totalram.saturating_mul(unit), limit())
}

/// The limit of the control group that a container sees as the root; `None`: there is none.
fn limit() -> Option<u64> {
    let texts = LIMITS.iter().filter_map(|path| fs::read_to_string(path).ok());
    texts.filter_map(|text| text.trim().parse().ok()).min()
}

/// Of the unified hierarchy, and of the older one.
const LIMITS: [&str; 2] = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
];
