//! Netlink messages: what is in one datagram from the kernel.
//!
//! Does not read from sockets and does not know the families' payloads.

use thiserror::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    #[error("a netlink message of {length} bytes in the {available} that are left")]
    Cut { length: usize, available: usize },
    #[error("a netlink error message of {0} bytes")]
    Code(usize),
}

/// The messages of one datagram. Ends after the first error.
pub fn messages(datagram: &[u8]) -> Messages<'_> {
    Messages { rest: datagram }
}

#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Of the request that it answers.
    pub sequence: u32,
    /// `NLM_F_*`.
    pub flags: u16,
    pub body: Body<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    Data {
        kind: u16,
        payload: &'a [u8],
    },
    /// The end of the answer: an acknowledgement or the end of a dump; a positive errno where it failed.
    End(u32),
    /// The kernel lost messages.
    Overrun,
    Nothing,
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, MessageError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = std::mem::take(&mut self.rest);
        if rest.is_empty() {
            return None;
        }
        let available = rest.len();
        let Some((header, _)) = rest.split_first_chunk::<HEADER>() else {
            return Some(Err(MessageError::Cut {
                length: HEADER,
                available,
            }));
        };
        let &[l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = header;
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        let Some(payload) = rest.get(HEADER..length) else {
            return Some(Err(MessageError::Cut { length, available }));
        };
        self.rest = rest.get(length.next_multiple_of(ALIGN)..).unwrap_or_default();
        let sequence = u32::from_ne_bytes([s0, s1, s2, s3]);
        let flags = u16::from_ne_bytes([f0, f1]);
        let kind = u16::from_ne_bytes([k0, k1]);
        Some(body(kind, payload).map(|body| Message { sequence, flags, body }))
    }
}

fn body(kind: u16, payload: &[u8]) -> Result<Body<'_>, MessageError> {
    Ok(match kind {
        NOOP => Body::Nothing,
        ERROR | DONE => {
            let code = payload.first_chunk::<4>().ok_or(MessageError::Code(payload.len()))?;
            Body::End(i32::from_ne_bytes(*code).unsigned_abs())
        }
        OVERRUN => Body::Overrun,
        kind => Body::Data { kind, payload },
    })
}

/// `NLM_F_REQUEST | NLM_F_ACK`: answered by the object, if there is one, and then an acknowledgement or an error.
pub const ONE: u16 = 0x1 | 0x4;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
pub const DUMP: u16 = 0x1 | 0x300;
/// `NLM_F_DUMP_INTR`: something changed during the dump.
pub const DUMP_INTERRUPTED: u16 = 0x10;

/// `struct nlmsghdr`.
const HEADER: usize = 16;
const ALIGN: usize = 4;
const NOOP: u16 = 1;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const OVERRUN: u16 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        crate::inspect::nla::Request::new(kind, 0, 9, payload).finish()
    }

    #[test]
    fn data_acknowledgement_and_error_are_told_apart() {
        let datagram = [
            message(20, &[1, 2, 3, 4]),
            message(ERROR, &[0; 20]),
            message(ERROR, &(-2_i32).to_ne_bytes()),
        ];
        let datagram = datagram.concat();
        let all: Vec<_> = messages(&datagram).map(|message| message.unwrap()).collect();
        assert!(all.iter().all(|message| message.sequence == 9));
        assert_eq!(
            all[0].body,
            Body::Data {
                kind: 20,
                payload: &[1, 2, 3, 4]
            }
        );
        assert_eq!((all[1].body, all[2].body), (Body::End(0), Body::End(2)));
    }

    #[test]
    fn every_cut_is_an_error() {
        let whole = message(20, &[1, 2, 3, 4]);
        for end in 1..whole.len() {
            assert!(messages(&whole[..end]).any(|message| message.is_err()), "{end}");
        }
        assert_eq!(messages(&message(ERROR, &[])).next(), Some(Err(MessageError::Code(0))));
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(messages(&bytes).count() <= bytes.len());
        }
    }
}
