//! Records to lines of JSON, and lines back to the Tracker's input.
//!
//! No files: [`crate::sink::writer`] writes, the replay reads.

mod ordinary;
mod read;
mod renumber;
mod write;

pub use read::{Input, Line, ReadError, read};
pub(crate) use renumber::{count, renumber};
pub(crate) use write::at;
pub use write::write;

/// The longest line, its end included.
pub const LINE: usize = 64 * 1024;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod round_trip;
