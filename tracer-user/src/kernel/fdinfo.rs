//! What the kernel tells of one of our descriptors.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Lines of names and values.
pub(super) fn read(descriptor: BorrowedFd<'_>) -> io::Result<String> {
    fs::read_to_string(format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd()))
}

/// The number of that name.
pub(super) fn number(text: &str, name: &str) -> Option<u64> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.trim().parse().ok()
}
