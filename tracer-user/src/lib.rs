//! conntracer's user space: from the kernel's records to findings.
//!
//! Data flows one way: `kernel` → `decode` → `track` → `sink`, with `inspect` answering what `track` asks; `run` is the
//! only place where they meet. docs/architecture.md has the picture and the invariants.

pub mod audit;
pub mod cli;
pub mod confine;
pub mod ctnetlink;
pub mod decode;
pub mod enrich;
pub mod failure;
pub mod filter;
pub mod inspect;
pub mod inventory;
pub mod kernel;
pub mod lab;
pub mod model;
pub mod replay;
pub mod run;
pub mod sink;
pub mod track;
