//! Waiting for a descriptor to become readable.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Waits on what owns its descriptor (`AsFd`) for as long as it lives.
#[expect(
    deprecated,
    reason = "its successor is unsafe because of types that do not own their descriptor, which AsFd rules out"
)]
pub(super) fn readable<T: AsFd + AsRawFd>(inner: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(inner, Interest::READABLE)
}
