//! How much of a record fits into a line.

use crate::sink::text;
use std::borrow::Cow;

/// Bounds for one attempt to write a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries of each list.
    pub list: usize,
    /// Bytes of each text.
    pub text: usize,
}

impl Limits {
    /// Tried one after the other until the line is short enough; the last one always is.
    pub const LADDER: [Self; 5] = [
        Self::new(usize::MAX, usize::MAX),
        Self::new(64, 4096),
        Self::new(16, 512),
        Self::new(4, 128),
        Self::new(0, 32),
    ];

    const fn new(list: usize, text: usize) -> Self {
        Self { list, text }
    }

    pub fn list<T>(self, list: &[T]) -> &[T] {
        list.get(..self.list).unwrap_or(list)
    }

    pub fn text(self, text: &str) -> Cow<'_, str> {
        Cow::Borrowed(text::cut(text, self.text))
    }
}
