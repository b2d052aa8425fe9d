//! What a multicast datagram of ctnetlink says.
//!
//! Does not know which namespace it came from.

use crate::inspect::conntrack::{self, CT_DELETE, CT_NEW, ConntrackError};
use crate::inspect::message::{Body, Message, MessageError, messages};
use crate::model::event::{Change, ConntrackChange};
use thiserror::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChangeError {
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error(transparent)]
    Entry(#[from] ConntrackError),
}

/// The changes that a datagram tells of; `None` for what is not TCP, and for messages of another kind.
pub fn changes(datagram: &[u8]) -> impl Iterator<Item = Result<Option<ConntrackChange>, ChangeError>> {
    messages(datagram).map(|message| change(message?))
}

fn change(message: Message<'_>) -> Result<Option<ConntrackChange>, ChangeError> {
    let Body::Data { kind, payload } = message.body else {
        return Ok(None);
    };
    let change = match kind {
        CT_NEW if message.flags & CREATE != 0 => Change::New,
        CT_NEW => Change::Update,
        CT_DELETE => Change::Destroy,
        _ => return Ok(None),
    };
    let entry = conntrack::parse(payload)?;
    Ok(entry.map(|entry| ConntrackChange {
        change,
        entry,
        by: None,
    }))
}

/// `NLM_F_CREATE`.
const CREATE: u16 = 0x400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::nla::Request;
    use crate::model::conntrack::Conntrack;
    use crate::model::tcp::ConntrackState;
    use proptest::prelude::*;

    const NEW: &[u8] = include_bytes!("testdata/new.bin");
    const UPDATE: &[u8] = include_bytes!("testdata/update.bin");
    const DESTROY: &[u8] = include_bytes!("testdata/destroy.bin");
    const UPDATE_V6: &[u8] = include_bytes!("testdata/update_ipv6.bin");
    const UDP: &[u8] = include_bytes!("testdata/new_udp.bin");

    #[test]
    fn an_entry_comes_changes_and_goes() {
        let (new, update, destroy) = (one(NEW), one(UPDATE), one(DESTROY));
        let kinds = [new, update, destroy].map(|changed| changed.change);
        assert_eq!(kinds, [Change::New, Change::Update, Change::Destroy]);
        assert_eq!(new.entry.state, Some(ConntrackState::SynSent));
        assert!(update.entry.state.is_some());
        for other in [update, destroy] {
            assert_eq!(identity(&new.entry), identity(&other.entry));
        }
    }

    #[test]
    fn both_tuples_of_a_translated_entry_are_told() {
        for message in [NEW, UPDATE, DESTROY] {
            let entry = one(message).entry;
            assert_eq!(entry.original.destination.port, 8080);
            assert_eq!(entry.translated().unwrap().destination.port, 9999);
        }
    }

    #[test]
    fn ipv6_is_told_and_udp_is_not() {
        assert!(one(UPDATE_V6).entry.original.source.address.is_ipv6());
        assert_eq!(changes(UDP).collect::<Vec<_>>(), [Ok(None)]);
    }

    #[test]
    fn messages_of_another_kind_are_nothing() {
        let other = Request::new(0x105, 0, 0, &[0; 4]).finish();
        assert_eq!(changes(&other).collect::<Vec<_>>(), [Ok(None)]);
    }

    #[test]
    fn every_prefix_is_an_error() {
        for message in [NEW, UPDATE, DESTROY, UPDATE_V6] {
            for end in 1..message.len() {
                assert!(changes(&message[..end]).all(|change| change.is_err()), "{end}");
            }
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_not_panic(at in 0..NEW.len(), byte in any::<u8>(), noise in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut bytes = NEW.to_vec();
            bytes[at] = byte;
            let _ = changes(&bytes).count();
            bytes.truncate(at);
            bytes.extend(noise);
            let _ = changes(&bytes).count();
        }
    }

    fn one(message: &[u8]) -> ConntrackChange {
        let mut all = changes(message);
        let change = all.next().unwrap().unwrap().unwrap();
        assert!(all.next().is_none());
        change
    }

    fn identity(entry: &Conntrack) -> impl PartialEq + std::fmt::Debug {
        (entry.original, entry.reply, entry.zone, entry.id)
    }
}
