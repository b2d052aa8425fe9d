//! The attributes of one nested block, each found by its number.
//!
//! What is cut or has another size than asked for is as good as absent: the caller says what that means.

use crate::inspect::nla::{Attribute, attributes};
use crate::inspect::rules::bytes::{text, until_nul};

#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a>(pub(super) &'a [u8]);

impl<'a> Block<'a> {
    pub(super) fn all(self) -> impl Iterator<Item = Attribute<'a>> {
        attributes(self.0).map_while(Result::ok)
    }

    pub(super) fn find(self, kind: u16) -> Option<Attribute<'a>> {
        self.all().find(|attribute| attribute.kind == kind)
    }

    pub(super) fn has(self, kind: u16) -> bool {
        self.find(kind).is_some()
    }

    pub(super) fn bytes(self, kind: u16) -> Option<&'a [u8]> {
        Some(self.find(kind)?.value)
    }

    pub(super) fn inside(self, kind: u16) -> Option<Self> {
        self.bytes(kind).map(Self)
    }

    pub(super) fn u8(self, kind: u16) -> Option<u8> {
        self.find(kind)?.u8().ok()
    }

    pub(super) fn u16(self, kind: u16) -> Option<u16> {
        self.find(kind)?.u16_be().ok()
    }

    pub(super) fn u32(self, kind: u16) -> Option<u32> {
        self.find(kind)?.u32_be().ok()
    }

    pub(super) fn u64(self, kind: u16) -> Option<u64> {
        self.find(kind)?.array().ok().map(u64::from_be_bytes)
    }

    /// A length: a 32-bit number that the kernel keeps small.
    pub(super) fn length(self, kind: u16) -> Option<usize> {
        usize::try_from(self.u32(kind)?).ok()
    }

    /// Without the NUL at its end.
    pub(super) fn name(self, kind: u16) -> Option<&'a [u8]> {
        self.bytes(kind).map(until_nul)
    }

    /// A name as text.
    pub(super) fn text(self, kind: u16) -> Option<String> {
        self.name(kind).map(text)
    }

    /// The bytes of a nested `NFTA_DATA_VALUE`.
    pub(super) fn value(self, kind: u16) -> Option<&'a [u8]> {
        self.inside(kind)?.bytes(DATA_VALUE)
    }
}

/// `NFTA_DATA_VALUE`.
const DATA_VALUE: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_or_of_another_size_is_absent() {
        let block = Block(&[8, 0, 1, 0, 0, 0, 0, 7, 5, 0, 2, 0, 9, 0, 0, 0, 8, 0, 3]);
        assert_eq!((block.u32(1), block.u8(2), block.u32(2)), (Some(7), Some(9), None));
        assert!(!block.has(3));
    }
}
