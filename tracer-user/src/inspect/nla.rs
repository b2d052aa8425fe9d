//! Netlink attributes: read one after the other, and written.
//!
//! Does not know what any attribute means.

use thiserror::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NlaError {
    #[error("an attribute of {length} bytes in the {available} that are left")]
    Cut { length: usize, available: usize },
    #[error("attribute {kind} has {found} bytes instead of {expected}")]
    Size { kind: u16, expected: usize, found: usize },
}

/// The attributes in these bytes. Ends after the first error.
pub fn attributes(bytes: &[u8]) -> Attributes<'_> {
    Attributes { rest: bytes }
}

#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, NlaError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = std::mem::take(&mut self.rest);
        if rest.is_empty() {
            return None;
        }
        let available = rest.len();
        let Some((&[l0, l1, k0, k1], _)) = rest.split_first_chunk::<HEADER>() else {
            return Some(Err(NlaError::Cut {
                length: HEADER,
                available,
            }));
        };
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(value) = rest.get(HEADER..length) else {
            return Some(Err(NlaError::Cut { length, available }));
        };
        // The padding of the last one may be missing.
        self.rest = rest.get(length.next_multiple_of(ALIGN)..).unwrap_or_default();
        let kind = u16::from_ne_bytes([k0, k1]) & TYPE_MASK;
        Some(Ok(Attribute { kind, value }))
    }
}

/// One attribute; `kind` is without the flags for nested and for network order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    pub kind: u16,
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// The attributes inside this one.
    pub fn nested(&self) -> Attributes<'a> {
        attributes(self.value)
    }

    pub fn u8(&self) -> Result<u8, NlaError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A number in network order.
    pub fn u16_be(&self) -> Result<u16, NlaError> {
        self.array().map(u16::from_be_bytes)
    }

    /// A number in network order.
    pub fn u32_be(&self) -> Result<u32, NlaError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A number in the machine's order.
    pub fn u32(&self) -> Result<u32, NlaError> {
        self.array().map(u32::from_ne_bytes)
    }

    /// A number in the machine's order.
    pub fn i32(&self) -> Result<i32, NlaError> {
        self.array().map(i32::from_ne_bytes)
    }

    pub fn array<const N: usize>(&self) -> Result<[u8; N], NlaError> {
        self.value.try_into().map_err(|_| NlaError::Size {
            kind: self.kind,
            expected: N,
            found: self.value.len(),
        })
    }
}

/// Builds one request: a netlink header, a fixed part, attributes.
#[derive(Debug)]
pub struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// `fixed` is what follows the netlink header (a `struct nfgenmsg`, say).
    pub fn new(kind: u16, flags: u16, sequence: u32, fixed: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&0_u32.to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&0_u32.to_ne_bytes());
        bytes.extend_from_slice(fixed);
        let mut request = Self { bytes };
        request.pad();
        request
    }

    #[must_use]
    pub fn with(mut self, kind: u16, value: &[u8]) -> Self {
        self.put(kind, |bytes| bytes.extend_from_slice(value));
        self
    }

    /// An attribute that holds others.
    #[must_use]
    pub fn with_nested(mut self, kind: u16, inside: impl FnOnce(Self) -> Self) -> Self {
        self.put(kind | NESTED, |bytes| {
            *bytes = inside(Self {
                bytes: std::mem::take(bytes),
            })
            .bytes;
        });
        self
    }

    /// The finished message.
    pub fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX).to_ne_bytes();
        if let Some(slot) = self.bytes.first_chunk_mut::<4>() {
            *slot = length;
        }
        self.bytes
    }

    fn put(&mut self, kind: u16, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        write(&mut self.bytes);
        let length = u16::try_from(self.bytes.len().saturating_sub(start)).unwrap_or(u16::MAX);
        if let Some(slot) = self
            .bytes
            .get_mut(start..)
            .and_then(|bytes| bytes.first_chunk_mut::<2>())
        {
            *slot = length.to_ne_bytes();
        }
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
    }
}

/// `struct nlattr`.
const HEADER: usize = 4;
const ALIGN: usize = 4;
/// `NLA_TYPE_MASK`: the two highest bits are flags.
const TYPE_MASK: u16 = 0x3fff;
/// `NLA_F_NESTED`.
pub const NESTED: u16 = 0x8000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = Request::new(7, 1, 42, &[1, 2, 3, 4])
            .with(3, b"abcde")
            .with_nested(9, |inside| inside.with(1, &[7]).with(2, &5_u16.to_be_bytes()))
            .finish();
        assert_eq!(bytes.len(), u32::from_ne_bytes(bytes[..4].try_into().unwrap()) as usize);
        let all: Vec<_> = attributes(&bytes[20..]).map(Result::unwrap).collect();
        assert_eq!((all[0].kind, all[0].value), (3, &b"abcde"[..]));
        assert_eq!(all[1].kind, 9);
        let inner: Vec<_> = all[1].nested().map(Result::unwrap).collect();
        assert_eq!((inner[0].u8(), inner[1].u16_be()), (Ok(7), Ok(5)));
    }

    #[test]
    fn a_cut_attribute_is_an_error_and_the_end() {
        for bytes in [&[8, 0, 1, 0, 9][..], &[3, 0, 1, 0], &[0, 0, 0, 0], &[8, 0]] {
            let mut all = attributes(bytes);
            assert!(matches!(all.next(), Some(Err(NlaError::Cut { .. }))), "{bytes:?}");
            assert!(all.next().is_none());
        }
    }

    #[test]
    fn a_value_of_the_wrong_size_is_an_error() {
        let attribute = Attribute {
            kind: 4,
            value: &[1, 2, 3],
        };
        assert_eq!(
            attribute.u32_be(),
            Err(NlaError::Size {
                kind: 4,
                expected: 4,
                found: 3
            })
        );
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(attributes(&bytes).count() <= bytes.len());
        }
    }
}
