//! The wording of findings: plain sentences and commands from what a finding holds, and from nothing else.
//!
//! Pure; no layout and no colours, which are [`crate::sink::term`]'s.

mod aspect;
mod cause;
mod command;
mod cost;
mod evidence;
mod facts;
mod fixes;
mod inspected;
mod phrase;
mod ports;
mod removal;
mod rule;
mod summary;
mod translation;
mod who;
mod why;

pub use command::netns_name;
pub use cost::{cost, hooks as hook_costs, lost};
pub use evidence::{at as evidence_at, sentence as evidence, source as evidence_source};
pub use fixes::{Check, Fix, FixKind, checks, fixes};
pub use inspected::rule_line;
pub use phrase::{
    after, bytes, connection, count, errno, flags, holder, lost_meanwhile, netns, process, seconds, status, thousands,
};
pub use ports::{PortRange, listed, ports_text};
pub use rule::rule_name;
pub use summary::summary;
pub use translation::{listening, original, rule_owner, rule_place, space, target};
pub use who::{culprits_places, place_of, pod_name, program};
pub use why::why;

#[cfg(test)]
mod tests;
