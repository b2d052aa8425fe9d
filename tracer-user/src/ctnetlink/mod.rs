//! Every change of a TCP conntrack entry in every namespace, from one ctnetlink socket in our own.
//!
//! For kernels on which no hook can be attached to conntrack, and only where it was asked for: it costs a part of the
//! churn. Everything here is pure except `source`, which has the sockets and the threads. Concludes nothing.

pub mod change;
pub mod filter;
pub mod source;

pub use source::{Counts, Settings, Stream};
