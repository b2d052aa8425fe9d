//! The output: records to JSONL lines or to text for a person, and the thread that writes them.
//!
//! Pure except for `writer`; reads no clock and takes no decision about TCP.

pub mod clock;
pub mod cost;
pub mod jsonl;
pub mod jsont;
pub mod record;
pub mod term;
pub mod text;
pub mod words;
pub mod writer;

pub use clock::Clock;
pub use cost::{Cost, ProbeCost, Rate, Share};
pub use record::{
    Format, Hello, Hook, HookStats, Loss, LossSource, NAMES_OPTION, NETNS_OPTION, RULES_OPTION, Record, Stats, Summary,
    UNDECODABLE_QUEUE,
};
pub use writer::{Writer, WriterReport, WriterState};

#[cfg(test)]
pub(crate) mod sample;
