//! The bodies of the hooks. An uninteresting hit returns before any helper is called.

pub(crate) mod connect;
pub(crate) mod conntrack;
pub(crate) mod destroy;
pub(crate) mod drop;
pub(crate) mod packet;
pub(crate) mod reset;
pub(crate) mod retransmit;
