//! The kernel side's other half: what this kernel offers, loading and attaching the probes, their ring and counters.
//!
//! The only importer of aya. It decides nothing about connections.

mod attach;
pub mod btf;
pub mod capacity;
pub mod clock;
pub mod facts;
mod fdinfo;
pub mod filter;
pub mod hooks;
pub mod load;
mod loader;
pub mod log;
mod memory;
pub mod meter;
mod module;
pub mod plan;
pub mod privilege;
pub mod ring;
pub mod stat;
pub mod symbols;
