//! The Tracker: from events, answers and time to findings, inquiries and the next deadline.
//!
//! A sans-IO state machine. It reads no clock, opens nothing and logs nothing, so everything it concludes can be
//! replayed from a recording. It knows only connections that drew suspicion: the state of an ordinary one stays in the
//! kernel's table (docs/architecture.md has the measurement behind that).
//!
//! After every `handle_*` call, drain [`Tracker::poll_inquiry`] and [`Tracker::poll_finding`] until `None`, then ask
//! [`Tracker::poll_timeout`] when to call [`Tracker::handle_timeout`]. Calling that too early is harmless. Events may
//! come in any order within [`Config::settle`].

mod answers;
mod census;
pub mod config;
mod culprits;
mod deadlines;
mod findings;
mod flow;
mod flows;
mod giveup;
mod join;
mod joining;
mod judge;
mod locals;
mod losses;
mod lost;
mod merged;
mod names;
mod naming;
mod origins;
mod pace;
mod packets;
mod proof;
mod recent;
mod recurring;
mod resets;
mod reviewing;
mod slab;
mod strays;
mod sweep;
mod sweeping;
mod theory;
pub mod totals;
mod tracker;
mod turns;

pub use config::Config;
pub use totals::Totals;
pub use tracker::Tracker;

#[cfg(test)]
mod tests;
