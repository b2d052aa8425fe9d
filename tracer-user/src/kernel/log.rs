//! The probes' own log lines, for debugging the probes themselves: out of the kernel, into `tracing`.

use aya::Ebpf;
use aya_log::EbpfLogger;
use log::{Level, Log, Metadata, Record};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// The reading end. Wait on it like on the ring of records, then flush.
pub struct ProbeLog(EbpfLogger<ToTracing>);

impl ProbeLog {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, aya_log::Error> {
        EbpfLogger::init_with_logger(ebpf, ToTracing).map(Self)
    }

    /// Hands all waiting lines to `tracing`.
    pub fn flush(&mut self) {
        self.0.flush();
    }
}

impl AsFd for ProbeLog {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for ProbeLog {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// Writes records of `log` as events of `tracing`.
struct ToTracing;

impl Log for ToTracing {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let (target, line) = (record.target(), record.args());
        match record.level() {
            Level::Error => tracing::error!(probe = target, "{line}"),
            Level::Warn => tracing::warn!(probe = target, "{line}"),
            Level::Info => tracing::info!(probe = target, "{line}"),
            Level::Debug => tracing::debug!(probe = target, "{line}"),
            Level::Trace => tracing::trace!(probe = target, "{line}"),
        }
    }

    fn flush(&self) {}
}
