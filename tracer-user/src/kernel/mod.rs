//! The kernel side's other half: what this kernel offers, loading and attaching the probes, their ring and counters.
//!
//! The only importer of aya. It decides nothing about connections.

pub mod btf;
pub mod clock;
pub mod load;
pub mod log;
mod memory;
pub mod plan;
pub mod privilege;
pub mod ring;
pub mod stat;
pub mod symbols;
