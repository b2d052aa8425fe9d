//! Names for what the kernel knows by numbers: programs, containers, pods.
//!
//! Pure, except [`source`], which reads `/proc` and asks the node's container runtime.

pub mod cgroup;
pub mod command;
pub mod directory;
mod kept;
pub mod source;
