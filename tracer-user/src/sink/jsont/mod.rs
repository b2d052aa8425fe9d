//! The wire types of JSONL: docs/schema in Rust. Each has a way from the model and, where replay needs it, back.
//!
//! No writing and no reading of lines: that is [`crate::sink::jsonl`].

mod address;
mod aspect;
mod atom;
mod connection;
mod conntrack;
mod cost;
pub(in crate::sink) mod digits;
mod event;
mod evidence;
mod finding;
mod inquiry;
mod inspected;
mod limits;
mod port;
mod rule;
#[cfg(test)]
pub(super) mod schema;
mod session;
mod socket;
mod spell;
mod stamp;
mod walk;
mod who;

pub use address::{Endpoint, Netns, NetworkType, Tuple};
pub use atom::{Decimal, Flags, Name, Status, Time};
pub use connection::{Connection, Process};
pub use conntrack::Conntrack;
pub use cost::Cost;
pub use event::{Event, EventName};
pub use evidence::Evidence;
pub use finding::{Culprit, Finding};
pub use inquiry::{Answer, Inquiry};
pub use limits::Limits;
pub use port::{Port, protocol};
pub use rule::Rule;
pub use session::{Hello, Loss, Stats, Summary};
pub use spell::{Spell, Spelled};
pub(in crate::sink) use stamp::Stamp;
pub use who::{Place, Program};

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Major version of the schema; a reader refuses a greater one.
pub const VERSION: u64 = 1;

/// What every line begins with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Head<'a> {
    /// Major version of the schema.
    #[cfg_attr(test, schemars(extend("const" = VERSION)))]
    pub v: u64,
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    /// The wall clock when it happened, not when it was written.
    pub time: Time,
    /// CLOCK_MONOTONIC when it happened, in nanoseconds. Lines are not in this order.
    pub mono: Decimal,
    /// From 0, without gaps, over all parts of a recording.
    pub seq: u64,
    /// That of the file's `hello`, so that a line taken out of its file is still one of a session and no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Cow<'a, str>>,
    /// Whether something was cut to keep the line short.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// A line that could not be understood although its JSON could.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{0}` and `{1}` belong together")]
    Half(&'static str, &'static str),
    #[error("`connection.socket` is 0")]
    NoCookie,
}
