//! The ABI between the eBPF programs and user space: event records, kernel offsets, configuration, filters, counters.
//!
//! Only data layout lives here, no logic and no allocation. Records are in native byte order except where a field says
//! otherwise; kernel and user space always run on the same machine.
#![no_std]

pub mod config;
pub mod event;
pub mod filter;
pub mod kind;
pub mod offsets;
pub mod stat;
pub mod tuple;
