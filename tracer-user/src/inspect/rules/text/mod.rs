//! Rules as their own tools print them.
//!
//! Pure.

pub mod iptables;
