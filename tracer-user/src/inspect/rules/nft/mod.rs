//! nf_tables: what is asked of it over netlink, and its answers as rules of the model.
//!
//! Reads no socket. Rules of the arp family are left out: no connection meets them.

mod action;
mod bits;
mod block;
mod chain;
mod compare;
mod datatype;
mod load;
mod reading;
mod register;
pub mod request;
mod rule;
mod set;
mod stateful;
mod table;

pub use reading::{NftError, Reading, generation};
