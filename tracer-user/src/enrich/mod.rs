//! Names for what the kernel knows by numbers.
//!
//! Pure: files are read elsewhere. Nothing here asks a container runtime.

pub mod cgroup;
