//! The domain types that every part speaks: events, flows' identities, inquiries, findings.
//!
//! Plain data: no I/O, no clock, no serialisation, nothing else of the crate.

pub mod aspect;
pub mod conntrack;
pub mod event;
pub mod evidence;
pub mod finding;
pub mod hook;
pub mod identity;
pub mod inquiry;
pub mod inspected;
pub(crate) mod named;
pub mod reason;
pub mod rules;
pub mod tcp;
pub mod time;
pub mod translation;
pub mod tuple;
pub mod walked;
pub mod who;
