//! The rules of a namespace: from the kernel's bytes, of every back end, to one model, and back to the text that each
//! rule's own tool would print.
//!
//! Pure: what is read, and where, is `inspect::source`'s business. What a packet meets is `inspect::walk`'s.

mod bytes;
pub mod locate;
pub mod nft;
pub mod owner;
mod part;
pub mod text;
pub mod xt;

pub use part::{Comparison, Detail, Extension, Part};
