//! Answers what the Tracker asks about one connection: its conntrack entry, its socket, who listens at its target.
//!
//! Everything here is pure (requests out, bytes in) except `source`, which is the only part that opens namespaces,
//! netlink sockets and `/proc`. Concludes nothing: what an answer means is the Tracker's business.

pub mod address;
pub mod attached;
pub mod conntrack;
pub mod link;
pub mod message;
pub mod neighbour;
pub mod network;
pub mod nla;
pub mod queue;
pub mod repeat;
pub mod rules;
pub mod socket;
pub mod source;
pub mod trail;
pub mod walk;

pub use source::{ANSWERS_MAX, Examiner, Inspector, ReadError, Reader};
